//! `examples/celebrity-sleuth`: two services that talk over topics, and a telephone on the other side.

use super::{SOON, deploy, endpoint, logs, same};
use aloft_testkit::{CloudOptions, Listener, Project, TempCloud, http, until_some};

/// The answer to a text message with these words.
fn twiml(text: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Message><Body>{text}</Body></Message></Response>\n"
    )
}

#[test]
fn a_text_message_goes_through_both_services_and_is_answered() {
    let twilio = Listener::start("201 Created", r#"{"sid": "SM1"}"#);
    let environment = [
        ("TWILIO_ACCOUNT_SID", "AC123".to_owned()),
        ("TWILIO_AUTH_TOKEN", "secret".to_owned()),
        ("TWILIO_API_BASE_URL", twilio.url()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
    // Functions reach nothing else on this machine.
    let arguments = vec![format!("--allow={}", twilio.url().trim_start_matches("http://"))];
    let cloud = TempCloud::with(CloudOptions { environment, arguments, ..CloudOptions::default() });
    let faces = Project::copy_of("examples/celebrity-sleuth/face-recognition");
    let telephone = Project::copy_of("examples/celebrity-sleuth/twilio-communication");
    deploy(&cloud, &faces);
    let sms = endpoint(&deploy(&cloud, &telephone), "GET", "/sms");
    let send = |query: &str| http("GET", &format!("{sms}?From=%2B15550001&To=%2B15550002&{query}"), &[], b"");

    // What stands in the form reaches the function as JSON, whatever characters it has.
    let answer = send("Body=face+addcol+O%27Brien");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/xml")), "{answer}");
    same(&answer.text(), &twiml("Working on it."));
    // Only GET is there.
    assert_eq!(http("POST", &sms, &[], b"").status, 403);
    let sent = until_some("the answer is sent by telephone", SOON, || twilio.received().pop());
    assert!(sent.head.starts_with("POST /2010-04-01/Accounts/AC123/Messages.json HTTP/1.1"), "{}", sent.head);
    assert!(sent.head.contains("Authorization: Basic QUMxMjM6c2VjcmV0"), "{}", sent.head);
    assert_eq!(
        sent.body,
        "From=%2B15550002&To=%2B15550001&Body=Received%3A+create+the+collection+O%27Brien."
    );

    // The way that it went.
    logs(&cloud, &telephone, "processRequest", |logs| {
        logs.contains("published to create_collection_request")
    });
    logs(&cloud, &faces, "createCollection", |logs| {
        logs.contains("answered: Received: create the collection O'Brien.")
    });
    logs(&cloud, &telephone, "sendResponse", |logs| logs.contains("sent to +15550001: Received: create"));

    // The two other topics.
    let picture = "NumMedia=1&MediaUrl0=https%3A%2F%2Fpictures.example%2F1.jpg";
    same(&send(&format!("Body=face+addimg+actors+ann_lee&{picture}")).text(), &twiml("Working on it."));
    same(&send(&format!("Body=face+match+actors&{picture}")).text(), &twiml("Working on it."));
    let mut bodies = until_some("both answers are sent", SOON, || {
        let received = twilio.received();
        (received.len() == 3).then(|| received.into_iter().map(|one| one.body).collect::<Vec<_>>())
    });
    bodies.sort();
    assert!(
        bodies[0].ends_with("Received%3A+add+Ann+Lee+to+actors+from+https%3A%2F%2Fpictures.example%2F1.jpg."),
        "{bodies:?}"
    );
    assert!(
        bodies[2].ends_with("Received%3A+find+https%3A%2F%2Fpictures.example%2F1.jpg+in+actors."),
        "{bodies:?}"
    );

    // What cannot be carried out is answered at once.
    same(&send("Body=face+match+actors").text(), &twiml("face match needs a picture."));
    assert!(send("Body=%22dance%22+%5C+now").text().contains("face addcol &lt;collection&gt; |"));
    assert_eq!(twilio.received().len(), 3);
}
