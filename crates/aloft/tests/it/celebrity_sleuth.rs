//! `examples/celebrity-sleuth`: a text message with a picture comes back with a name. In the terminal, in a browser, across
//! kills, deployed by others, and with everything wrong that a person can send.

use super::{SOON, endpoint};
use aloft_testkit::{Project, TempCloud, binary, finish, http, until_some, workspace};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;

const PERSON: &str = "+15555550123";
const APPLICATION: &str = "+15550100";

/// The example, with the packages that `pip` would bring.
fn example() -> Project {
    let project = Project::copy_of("examples/celebrity-sleuth");
    project.bring("sleuth", "twilio-communication/vendor");
    project
}

fn pictures() -> PathBuf {
    workspace().join("examples/celebrity-sleuth/pictures")
}

/// Deploys both services by `serverless-compose.yml`; gives the address that messages are told to.
#[track_caller]
fn deploy(cloud: &TempCloud, project: &Project) -> String {
    let mut command = cloud.command(project.path(), &["deploy", "--local"]);
    finish(command.env("TWILIO_API_BASE_URL", cloud.endpoint()), "").success();
    let info = cloud.aloft(project.path(), &["twilio-communication:info", "--local"]).success();
    endpoint(&info.all(), "POST", "/sms")
}

#[track_caller]
fn phone(cloud: &TempCloud, method: &str, path: &str, body: &Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = cloud.http(method, &format!("/_aloft/phone{path}"), &[], &body);
    assert_eq!(answer.status, 200, "{answer}");
    answer.json()
}

#[track_caller]
fn give_number(cloud: &TempCloud, webhook: &str, method: &str) {
    let settings = json!({ "smsUrl": webhook, "smsMethod": method });
    phone(cloud, "PUT", &format!("/numbers/{APPLICATION}"), &settings);
}

/// Sends a text message, and gives its sid.
#[track_caller]
fn send(cloud: &TempCloud, text: &str, picture: Option<&[u8]>) -> String {
    let media: Vec<Value> = picture
        .iter()
        .map(|bytes| json!({ "contentType": "image/jpeg", "data": BASE64.encode(bytes) }))
        .collect();
    let message = json!({ "from": PERSON, "to": APPLICATION, "body": text, "media": media });
    phone(cloud, "POST", "/messages", &message)["sid"].as_str().expect("a sid").to_owned()
}

fn conversation(cloud: &TempCloud) -> Vec<Value> {
    phone(cloud, "GET", "/state", &Value::Null)["messages"].as_array().expect("messages").clone()
}

/// The first answer behind a message that has what is sought.
#[track_caller]
fn answer(cloud: &TempCloud, sid: &str, sought: &str) -> String {
    until_some(&format!("{sought:?} is answered"), SOON, || {
        let all = conversation(cloud);
        let at = all.iter().position(|message| message["sid"] == sid)?;
        assert_eq!(all[at]["trouble"], Value::Null, "{}", all[at]);
        let answers = all[at + 1..].iter().filter(|message| message["status"] == "delivered");
        let mut bodies = answers.filter_map(|message| message["body"].as_str());
        bodies.find(|body| body.contains(sought)).map(str::to_owned)
    })
}

/// Sends a message, and waits for an answer.
#[track_caller]
fn ask(cloud: &TempCloud, text: &str, picture: Option<&str>, sought: &str) -> String {
    let picture = picture.map(|name| std::fs::read(pictures().join(name)).expect("a picture"));
    answer(cloud, &send(cloud, text, picture.as_deref()), sought)
}

#[test]
fn the_whole_conversation_in_the_terminal_and_what_can_be_wrong_in_it() {
    let (cloud, project) = (TempCloud::start(), example());
    let mut python = Command::new("python3");
    let ours = cloud.command(project.path(), &[]);
    python.env_clear().envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
    python.env("ALOFT", binary()).current_dir(project.path()).arg("conversation.py");
    let told = finish(&mut python, "").success().stdout;
    for line in [
        "me > face addcol actors\n",
        "       < Working on it.\n",
        "       < Made the collection actors.\n",
        "me > face match actors [ada_quill-2.jpg]\n",
        "       < Ada Quill (similarity ",
        "Born 1971 in Port Ellery.",
    ] {
        assert!(told.contains(line), "{line:?} is missing:\n{told}");
    }
    the_way_is_in_the_logs(&cloud, &project);
    everything_wrong_is_answered(&cloud);
    forged_requests_are_refused(&cloud);
    // Twilio can be told to use GET.
    let webhook = phone(&cloud, "GET", "/state", &Value::Null)["numbers"][0]["smsUrl"].clone();
    give_number(&cloud, webhook.as_str().expect("an address"), "GET");
    ask(&cloud, "face addcol Zoë's & more", None, "Commands: face addcol <collection>");
    ask(&cloud, "face match actors", Some("bruno_vale-2.jpg"), "Bruno Vale (similarity 9");
    // An address may have a query of its own.
    give_number(&cloud, &format!("{}?from=the%20phone", webhook.as_str().expect("an address")), "POST");
    ask(&cloud, "face addcol more", None, "Made the collection more.");
}

/// The logs of both services together tell what led to what.
fn the_way_is_in_the_logs(cloud: &TempCloud, project: &Project) {
    let way = [
        "twilio-communication › processRequest › START ",
        "publishes to match_face_request: {",
        "face-recognition › matchFace › START ",
        "answers: Ada Quill (similarity",
        "sent to +15555550123: Ada Quill (similarity",
    ];
    until_some("the way of the last message is in the logs", SOON, || {
        let logs = cloud.aloft(project.path(), &["logs", "--local"]).success().stdout;
        let lines: Vec<&str> = logs.lines().collect();
        // Backwards, since there are messages before.
        let mut end = lines.len();
        for step in way.iter().rev() {
            end = lines[..end].iter().rposition(|line| line.contains(step))?;
        }
        let before = lines[..end].iter().filter(|line| line.contains("sent to +15555550123")).count();
        // Of the three that were answered before, the last may have written its line late.
        assert!(before >= 2, "what was answered before stands before:\n{logs}");
        Some(())
    });
}

fn everything_wrong_is_answered(cloud: &TempCloud) {
    let broken: &[u8] = b"\xff\xd8\xff\xe0 this is no picture";
    let file = |name: &str| std::fs::read(pictures().join(name)).expect("a picture");
    let (ada, nobody, cleo) = (file("ada_quill-2.jpg"), file("nobody.jpg"), file("cleo_marsh-1.jpg"));
    for (text, picture, expected) in [
        ("", Some(&ada[..]), "Commands: face addcol <collection>"),
        ("hello there", None, "Commands: face addcol <collection>"),
        ("face dance actors", Some(&ada[..]), "Commands: face addcol <collection>"),
        ("face addimg actors ada", Some(&ada[..]), "Commands: face addcol <collection>"),
        ("face addcol a/b", None, "Commands: face addcol <collection>"),
        ("face match actors", None, "face match needs a picture."),
        ("face addimg actors ada_quill", None, "face addimg needs a picture."),
        ("face match actors", Some(broken), "That is no picture that I can read"),
        ("face addimg actors ada_quill", Some(&nobody[..]), "There is no face in that picture."),
        ("face match actors", Some(&nobody[..]), "There is no face in that picture."),
        ("face match unknown", Some(&ada[..]), "There is no collection unknown."),
        ("face match actors", Some(&cleo[..]), "Nobody in actors looks like that."),
        ("face addcol actors", None, "There is a collection actors already."),
    ] {
        answer(cloud, &send(cloud, text, picture), expected);
    }
}

fn forged_requests_are_refused(cloud: &TempCloud) {
    let webhook = phone(cloud, "GET", "/state", &Value::Null)["numbers"][0]["smsUrl"].clone();
    let webhook = webhook.as_str().expect("an address");
    let before = conversation(cloud).len();
    let form = "Body=face+addcol+forged&From=%2B15555550123&To=%2B15550100&NumMedia=0";
    let kind = ("Content-Type", "application/x-www-form-urlencoded");
    for signature in ["", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="] {
        let answer = http("POST", webhook, &[kind, ("X-Twilio-Signature", signature)], form.as_bytes());
        assert_eq!(answer.status, 403, "{answer}");
        let answer = http("GET", &format!("{webhook}?{form}"), &[("X-Twilio-Signature", signature)], b"");
        assert_eq!(answer.status, 403, "{answer}");
    }
    assert_eq!(conversation(cloud).len(), before);
}

/// How many lines of a function's log have a text.
fn logged(cloud: &TempCloud, function: &str, text: &str) -> usize {
    let service = if ["processRequest", "sendResponse"].contains(&function) {
        "twilio-communication"
    } else {
        "face-recognition"
    };
    let group = json!({ "logGroupName": format!("/aws/lambda/{service}-dev-{function}") });
    let headers =
        [("X-Amz-Target", "Logs_20140328.FilterLogEvents"), ("Content-Type", "application/x-amz-json-1.1")];
    let answer = cloud.http("POST", "/", &headers, &group.to_string());
    // Before the first invocation there is no log.
    let Some(events) = answer.json()["events"].as_array().cloned() else { return 0 };
    events.iter().filter(|event| event["message"].as_str().is_some_and(|it| it.contains(text))).count()
}

#[test]
fn the_answer_comes_when_the_cloud_is_killed_between_any_two_steps() {
    let (mut cloud, project) = (TempCloud::start(), example());
    give_number(&cloud, &deploy(&cloud, &project), "POST");
    ask(&cloud, "face addcol killed", None, "Made the collection killed.");
    for (person, name) in
        [("ada_quill", "Ada Quill"), ("bruno_vale", "Bruno Vale"), ("cleo_marsh", "Cleo Marsh")]
    {
        let (text, picture) = (format!("face addimg killed {person}"), format!("{person}-1.jpg"));
        ask(&cloud, &text, Some(&picture), &format!("Added {name} to killed."));
    }
    let (ada, bruno, cleo) = (Some("ada_quill-2.jpg"), Some("bruno_vale-2.jpg"), Some("cleo_marsh-2.jpg"));
    // What was the last to be seen of a message; what is sent; how it is answered in the end. Twice is allowed, lost is not.
    for ((function, seen), text, picture, expected) in [
        // The message is acknowledged, and that is all.
        (("", ""), "face match killed", ada, "Ada Quill (similarity 9"),
        // The webhook has come through the gateway and its mapping.
        (("processRequest", "START "), "face addcol one", None, "Made the collection one."),
        (("processRequest", "publishes to "), "face addimg killed bo_one", bruno, "Added Bo One to killed."),
        (("processRequest", "END "), "face match killed", cleo, "Cleo Marsh (similarity 9"),
        // Rekognition is looking at the picture, or has answered.
        (("addFace", "START "), "face addimg killed bo_two", bruno, "Added Bo Two to killed."),
        (("createCollection", "answers: "), "face addcol two", None, "Made the collection two."),
        (("matchFace", "answers: "), "face match killed", bruno, "(similarity 100.0%"),
        // The answer is on its way to the phone.
        (("sendResponse", "START "), "face addcol three", None, "Made the collection three."),
        (("sendResponse", "sent to "), "face addcol four", None, "Made the collection four."),
    ] {
        let before = logged(&cloud, function, seen);
        let picture = picture.map(|name| std::fs::read(pictures().join(name)).expect("a picture"));
        let sid = send(&cloud, text, picture.as_deref());
        if !function.is_empty() {
            until_some(&format!("{function} logs {seen:?}"), SOON, || {
                (logged(&cloud, function, seen) > before).then_some(())
            });
        }
        cloud.restart();
        answer(&cloud, &sid, expected);
    }
}

#[test]
fn the_whole_conversation_in_a_browser() {
    let (cloud, project) = (TempCloud::start(), example());
    let webhook = deploy(&cloud, &project);
    let pictures = pictures();
    let arguments = [cloud.endpoint(), &webhook, &pictures.to_string_lossy()];
    let finished = cloud.clients().browser("conversation.js", &arguments).success();
    assert_eq!(finished.stdout.trim(), "ok", "{finished}");
}

#[test]
fn the_fork_deploys_the_same() {
    let (cloud, project) = (TempCloud::start(), example());
    // Both at once: it waits for most of the time.
    std::thread::scope(|scope| {
        for service in ["face-recognition", "twilio-communication"] {
            let (clients, folder) = (cloud.clients(), project.path().join(service));
            let environment = [("TWILIO_API_BASE_URL", cloud.endpoint())];
            scope.spawn(move || clients.fork_with(&folder, &["deploy"], &environment).success());
        }
    });
    let info = cloud.aloft(&project.path().join("twilio-communication"), &["info", "--local"]).success();
    give_number(&cloud, &endpoint(&info.stdout, "POST", "/sms"), "POST");
    ask(&cloud, "face addcol actors", None, "Made the collection actors.");
    ask(&cloud, "face addimg actors ada_quill", Some("ada_quill-1.jpg"), "Added Ada Quill to actors.");
    let found = ask(&cloud, "face match actors", Some("ada_quill-2.jpg"), "Ada Quill (similarity");
    assert!(found.ends_with("won the Silver Lantern for The Cartographer's Daughter."), "{found}");
}
