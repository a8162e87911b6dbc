//! The essentials of each event type: `events/<type>.yml` compiles to `events/<type>.json`.
//!
//! The expectations were written by the original framework, 3.40.0, and hold what differs from the same service without events.
//! `ALOFT_UPDATE=1` writes them anew from what comes out here.

use aloft_compile::{CompileOptions, aws, parity};
use aloft_config::LoadRequest;
use serde_json::{Value, json};
use std::path::Path;

fn compile(text: &str) -> Value {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("serverless.yml"), text).unwrap();
    std::fs::write(place.path().join("index.js"), "exports.handler = async () => 1;\n").unwrap();
    let service = aloft_config::load(LoadRequest::new(place.path(), "package")).unwrap().service;
    let artifacts = aloft_package::package(&service, &place.path().join(".serverless")).unwrap();
    let options =
        CompileOptions { now: aloft_base::Timestamp(1_795_406_706_789), ..CompileOptions::default() };
    aws::compile(&service, &artifacts, &options).unwrap().update_template
}

/// Without what every service has.
fn essentials(mut template: Value) -> Value {
    let common = |id: &str| {
        id.starts_with("ServerlessDeploymentBucket")
            || id.contains("LambdaVersion")
            || id.ends_with("LogGroup") && id != "HttpApiLogGroup"
            || id.ends_with("LambdaFunctionQualifiedArn")
    };
    for section in ["Resources", "Outputs"] {
        template[section].as_object_mut().unwrap().retain(|id, resource| {
            let plain_function =
                resource["Type"] == "AWS::Lambda::Function" && resource.get("DeletionPolicy").is_none();
            let kept = !plain_function || id.starts_with("Custom");
            kept && !common(id)
        });
    }
    let role = template
        .pointer("/Resources/IamRoleLambdaExecution/Properties/Policies/0/PolicyDocument/Statement")
        .cloned();
    if let Some(role) = role {
        template["Resources"]["IamRoleLambdaExecution"] =
            json!({ "statements": role.as_array().unwrap()[2..] });
    }
    json!({ "Resources": template["Resources"], "Outputs": template["Outputs"] })
}

#[test]
fn every_event_type_compiles_as_the_original_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/events");
    let mut wrong = Vec::new();
    for event in aws::EVENTS {
        let text = std::fs::read_to_string(folder.join(format!("{}.yml", event.name)))
            .unwrap_or_else(|_| panic!("the event type {} has no case in tests/events", event.name));
        let actual = essentials(compile(&text));
        let file = folder.join(format!("{}.json", event.name));
        if std::env::var_os("ALOFT_UPDATE").is_some() {
            std::fs::write(&file, serde_json::to_string_pretty(&actual).unwrap() + "\n").unwrap();
        }
        let expected: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let differences = parity::differences(&expected, &actual);
        if !differences.is_empty() {
            wrong.push(format!("{}:\n  {}", event.name, differences.join("\n  ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
