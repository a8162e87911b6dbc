//! Answers of applications, signatures and segments; the rest is tested with Twilio's own package, over HTTP.

use super::messages::{is_number, segments};
use super::twiml::{self, Verb};
use super::webhook::signature;
use super::{Twilio, form};
use crate::testing::Cloud;
use aloft_engine::{Head, HttpRequest, Service};
use serde_json::Value;
use std::sync::Arc;

#[test]
fn answers_are_understood() {
    let message = |body: &str, media: &[&str]| Verb::Message {
        body: body.to_owned(),
        media: media.iter().map(|url| (*url).to_owned()).collect(),
        from: None,
        to: None,
        status_callback: None,
    };
    for (kind, text, expected) in [
        ("text/xml", "", Ok(vec![])),
        ("text/xml", "<Response/>", Ok(vec![])),
        ("text/plain", " hello <b> ", Ok(vec![message("hello <b>", &[])])),
        (
            "text/xml",
            "<Response><Message> hi &amp; bye </Message></Response>",
            Ok(vec![message("hi & bye", &[])]),
        ),
        (
            "application/xml",
            "<?xml version=\"1.0\"?>\n<Response><Message><Body>a</Body><Media>http://b</Media></Message><Sms>c</Sms></Response>",
            Ok(vec![message("a", &["http://b"]), message("c", &[])]),
        ),
        (
            "text/xml",
            "<Response><Redirect method=\"get\"> /x </Redirect></Response>",
            Ok(vec![Verb::Redirect { method: "GET".to_owned(), url: "/x".to_owned() }]),
        ),
        ("text/xml", "<Response><Say>hello</Say></Response>", Err(12200)),
        ("text/xml", "<Error/>", Err(12100)),
        ("text/xml", "<Response>", Err(12100)),
        ("application/json", "{}", Err(12300)),
    ] {
        assert_eq!(twiml::parse(kind, text.as_bytes()).map_err(|(code, _)| code), expected, "{text}");
    }
}

#[test]
fn signatures_are_those_of_twilios_own_package() {
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let posted = pairs(&[
        ("To", "+18005551212"),
        ("CallSid", "CA1234567890ABCDE"),
        ("From", "+14158675309"),
        ("Digits", "1234"),
    ]);
    let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
    assert_eq!(signature("12345", url, &posted), "54XKNnZPAt5f65Po3o7s3WLIpKk=");
    assert_eq!(signature("12345", url, &Vec::new()), "zYQTYrRWXE7LtzbG4PfP7/bkkGo=");
    let odd = pairs(&[("Body", "a b~c*d'é+"), ("N", "")]);
    assert_eq!(form::encode(&odd), "Body=a+b~c%2Ad%27%C3%A9%2B&N=");
}

#[test]
fn bodies_are_cut_as_carriers_do() {
    for (body, expected) in [
        (String::new(), 1),
        ("a".repeat(160), 1),
        ("a".repeat(161), 2),
        ("€".repeat(80), 1),
        ("€".repeat(81), 2),
        ("ł".repeat(70), 1),
        ("ł".repeat(71), 2),
        ("😀".repeat(36), 2),
    ] {
        assert_eq!(segments(&body), expected, "{body}");
    }
    for (text, expected) in
        [("+15550100", true), ("15550100", false), ("+0155", false), ("+1", false), ("+1555x", false)]
    {
        assert_eq!(is_number(text), expected, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_phone_is_for_this_machine_and_its_pages_only() {
    let cloud = Cloud::start(vec![Arc::new(Twilio::default())]).await;
    let ask = async |method: &str, host: &str, origin: Option<&str>, path: &str, body: &str| {
        let mut headers = http::HeaderMap::new();
        if let Some(origin) = origin {
            headers.insert("origin", origin.parse().expect("a header"));
        }
        let head = Head {
            method: method.parse().expect("a method"),
            path: path.to_owned(),
            query: String::new(),
            headers,
            host: host.to_owned(),
            remote: ([127, 0, 0, 1], 1).into(),
        };
        let twilio = Twilio::default();
        assert!(twilio.accepts(&head), "{path}");
        let request = HttpRequest { head, body: body.to_owned().into() };
        let (parts, body) = twilio.http(&cloud.context, request).await.into_parts();
        let text = body.collect().await.expect("a body");
        (parts.status.as_u16(), serde_json::from_slice::<Value>(&text).unwrap_or_default())
    };
    let number = "/_aloft/phone/numbers/%2B15550100";
    for (method, host, origin, path, body, expected) in [
        ("GET", "localhost", None, "/_aloft/phone", "", 200),
        ("GET", "127.0.0.1", Some("http://127.0.0.1:4566"), "/_aloft/phone/state", "", 200),
        ("GET", "rebound.example", None, "/_aloft/phone/state", "", 403),
        ("GET", "localhost", Some("https://elsewhere.example"), "/_aloft/phone/state", "", 403),
        ("PUT", "localhost", Some("https://elsewhere.example"), number, "{\"smsUrl\": \"\"}", 403),
        ("PUT", "localhost", None, number, "{\"smsUrl\": \"ftp://x\"}", 400),
        ("PUT", "localhost", None, number, "{\"smsUrl\": \"http://user:secret@x/\"}", 400),
        ("PUT", "localhost", None, number, "{\"smsUrl\": \"\"}", 200),
        (
            "POST",
            "localhost",
            None,
            "/_aloft/phone/messages",
            "{\"from\": \"+15551\", \"to\": \"+15559\", \"body\": \"x\"}",
            404,
        ),
        (
            "POST",
            "localhost",
            None,
            "/_aloft/phone/messages",
            "{\"from\": \"+15551\", \"to\": \"+15550100\"}",
            400,
        ),
        ("POST", "localhost", None, "/_aloft/phone/messages", "[", 400),
        ("PUT", "localhost", None, "/_aloft/phone/account", "{\"sid\": \"AC1\", \"token\": \"x\"}", 400),
        ("GET", "localhost", None, "/_aloft/phone/elsewhere", "", 404),
        ("GET", "localhost", None, "/2010-04-01/Accounts.json", "", 401),
    ] {
        let answer = ask(method, host, origin, path, body).await;
        assert_eq!(answer.0, expected, "{method} {path} {body}: {}", answer.1);
    }
    // A message to a number without a webhook stays on the phone, and is not tried again.
    let sent = ask(
        "POST",
        "localhost",
        None,
        "/_aloft/phone/messages",
        "{\"from\": \"+15551\", \"to\": \"+15550100\", \"body\": \"x\"}",
    )
    .await;
    assert_eq!((sent.0, &sent.1["direction"]), (200, &Value::from("inbound")));
    cloud.settled().await;
    let state = ask("GET", "localhost", None, "/_aloft/phone/state", "").await.1;
    assert_eq!(
        (&state["messages"][0]["isSettled"], &state["messages"][0]["trouble"]),
        (&Value::Bool(true), &Value::Null)
    );
    cloud.stop().await;
}
