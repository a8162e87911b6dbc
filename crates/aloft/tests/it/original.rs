//! The original framework, serverless 3.40.0 from npm, packages the examples, and its templates are ours.

use aloft_compile::parity::differences;
use aloft_testkit::{Project, TempCloud};
use serde_json::Value;

#[track_caller]
fn check(example: &str) {
    let home = TempCloud::stopped(Default::default());
    let (ours, theirs) = (Project::copy_of(example), Project::copy_of(example));
    home.aloft(ours.path(), &["package"]).success();
    home.clients().original(theirs.path(), &["package"]).success();
    for template in ["create", "update"] {
        let path = format!(".serverless/cloudformation-template-{template}-stack.json");
        let read =
            |project: &Project| -> Value { serde_json::from_str(&project.read(&path)).expect("a template") };
        let found = differences(&read(&theirs), &read(&ours));
        assert!(found.is_empty(), "{example}, {template}:\n{}", found.join("\n"));
    }
}

#[test]
fn notes_api() {
    check("examples/notes-api");
}

#[test]
fn word_count() {
    check("examples/word-count");
}

#[test]
fn order_worker() {
    check("examples/order-worker");
}

#[test]
fn nightly_report() {
    check("examples/nightly-report");
}

#[test]
fn face_recognition() {
    check("examples/celebrity-sleuth/face-recognition");
}

#[test]
fn twilio_communication() {
    check("examples/celebrity-sleuth/twilio-communication");
}
