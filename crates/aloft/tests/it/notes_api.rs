//! `examples/notes-api`: an HTTP API over a table, in Node.js.

use super::{deploy, endpoint};
use aloft_testkit::{Project, Response, TempCloud, http};

#[test]
fn notes_are_created_listed_changed_and_deleted() {
    let (cloud, project) = (TempCloud::start(), Project::copy_of("examples/notes-api"));
    let notes = endpoint(&deploy(&cloud, &project), "GET", "/notes");
    let send = |method: &str, path: &str, body: &str| {
        http(method, &format!("{notes}{path}"), &[("Content-Type", "application/json")], body.as_bytes())
    };
    let created = send("POST", "", r#"{"text": "buy mïlk"}"#);
    assert_eq!(
        (created.status, created.header("content-type")),
        (201, Some("application/json")),
        "{created}"
    );
    let note = created.json();
    let path = format!("/{}", note["id"].as_str().expect("an id"));
    assert_eq!(note["text"], "buy mïlk");
    let second = send("POST", "", r#"{"text": "call ann"}"#).json();

    let listed = send("GET", "", "").json();
    assert_eq!(listed["notes"], serde_json::json!([note, second]));
    assert_eq!(send("GET", &path, "").json(), note);
    let changed = send("PUT", &path, r#"{"text": "buy oat milk"}"#);
    assert_eq!((changed.status, &changed.json()["text"]), (200, &"buy oat milk".into()));
    assert_eq!(changed.json()["createdAt"], note["createdAt"]);
    let deleted = send("DELETE", &path, "");
    assert_eq!((deleted.status, deleted.text().as_str()), (204, ""));
    assert_eq!(send("GET", "", "").json()["notes"], serde_json::json!([second]));

    let check = |answer: Response, status: u16, message: &str| {
        assert_eq!((answer.status, &answer.json()["message"]), (status, &message.into()), "{answer}");
    };
    let gone = format!("there is no note {}", &path[1..]);
    check(send("GET", &path, ""), 404, &gone);
    check(send("PUT", &path, r#"{"text": "x"}"#), 404, &gone);
    check(send("DELETE", &path, ""), 404, &gone);
    check(send("POST", "", r#"{"text": " "}"#), 400, r#""text" must be a text that is not empty"#);
    check(send("POST", "", "{"), 400, "the body is no JSON");
    // The gateway's own answer for what has no route.
    check(send("PATCH", &path, "{}"), 404, "Not Found");
    check(send("GET", "/a/b", ""), 404, "Not Found");
}

#[test]
fn web_pages_of_other_origins_are_let_in() {
    let (cloud, project) = (TempCloud::start(), Project::copy_of("examples/notes-api"));
    let notes = endpoint(&deploy(&cloud, &project), "GET", "/notes");
    let origin = ("Origin", "https://app.example");
    let asked = [
        origin,
        ("Access-Control-Request-Method", "PUT"),
        ("Access-Control-Request-Headers", "content-type"),
    ];
    let preflight = http("OPTIONS", &notes, &asked, b"");
    assert_eq!(
        (preflight.status, preflight.header("access-control-allow-origin")),
        (204, Some("*")),
        "{preflight:?}"
    );
    let allowed = |name: &str| preflight.header(name).unwrap_or_default().to_ascii_lowercase();
    assert!(allowed("access-control-allow-methods").contains("put"), "{preflight:?}");
    assert!(allowed("access-control-allow-headers").contains("content-type"), "{preflight:?}");
    let answer = http("GET", &notes, &[origin], b"");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some("*")), "{answer:?}");
}

#[test]
fn an_api_answers_under_its_own_host_name_too() {
    let (cloud, project) = (TempCloud::start(), Project::copy_of("examples/notes-api"));
    let notes = endpoint(&deploy(&cloud, &project), "GET", "/notes");
    let api =
        notes.split("/execute-api/").nth(1).and_then(|rest| rest.split('/').next()).expect("an API's id");
    let named = format!("http://{api}.execute-api.localhost:{}/notes", cloud.port());
    assert_eq!(http("GET", &named, &[], b"").json()["notes"], serde_json::json!([]));
}
