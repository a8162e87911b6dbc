//! Which lines make a resource: found by compiling without them.

use aloft_compile::aws::origin::{Origin, origin};
use aloft_compile::{CompileOptions, aws};
use aloft_config::{LoadRequest, Service};
use aloft_package::Artifacts;
use std::fs;

const SERVICE: &str = "\
service: shop
provider:
  name: aws
  runtime: nodejs20.x
  memorySize: 256
  httpApi:
    cors: true
functions:
  a:
    handler: a.b
    timeout: 9
    events:
      - httpApi: GET /a
      - schedule: rate(1 hour)
      - schedule: rate(2 hours)
  b:
    handler: a.b
    events:
      - httpApi: GET /b
resources:
  Resources:
    Table:
      Type: AWS::DynamoDB::Table
      Properties:
        TableName: ${self:service}
  extensions:
    ALogGroup:
      Properties:
        RetentionInDays: 7
";

fn loaded(text: &str) -> (tempfile::TempDir, Service, Artifacts) {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("serverless.yml"), text).unwrap();
    fs::write(place.path().join("a.js"), "exports.b = 1;").unwrap();
    let service = aloft_config::load(LoadRequest::new(place.path(), "package")).unwrap().service;
    let artifacts = aloft_package::package(&service, &place.path().join(".serverless")).unwrap();
    (place, service, artifacts)
}

#[track_caller]
fn check(id: &str, made_by: &[&str], made_by_any: &[&str], shaped_by: &[(&str, &str)]) {
    let (_place, service, artifacts) = loaded(SERVICE);
    let found: Origin = origin(&service, &artifacts, &CompileOptions::default(), id).unwrap();
    assert_eq!(
        (&found.made_by[..], &found.made_by_any[..]),
        (&owned(made_by)[..], &owned(made_by_any)[..]),
        "{id}"
    );
    let shaped: Vec<(String, String)> =
        found.shaped_by.into_iter().map(|(path, properties)| (path, properties.join(","))).collect();
    let shaped: Vec<(&str, &str)> =
        shaped.iter().map(|(path, properties)| (&**path, &**properties)).collect();
    assert_eq!(shaped, shaped_by, "{id}");
    assert!(found.is_complete);
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn parts_that_make_and_shape_resources() {
    let names = [("service", "Code.S3Key"), ("provider.stage", "Code.S3Key")];
    let function = [
        names[0],
        names[1],
        ("provider.runtime", "Runtime"),
        ("provider.memorySize", "MemorySize"),
        ("functions.a.handler", "Handler"),
        ("functions.a.timeout", "Timeout"),
    ];
    check("ALambdaFunction", &["functions.a"], &[], &function);
    check("HttpApiRouteGetB", &["functions.b.events.0"], &[], &[]);
    let table = "resources.Resources.Table";
    let shaped = [
        ("resources.Resources.Table.Type", "Type"),
        ("resources.Resources.Table.Properties.TableName", "TableName"),
    ];
    check("Table", &[table], &[], &shaped);
    let extension = "resources.extensions.ALogGroup.Properties.RetentionInDays";
    check("ALogGroup", &["functions.a"], &[], &[(extension, "RetentionInDays")]);
    check("ServerlessDeploymentBucket", &[], &[], &[]);
}

#[test]
fn what_several_parts_make_and_what_moves_up() {
    let events = ["functions.a.events.0", "functions.b.events.0"];
    let (_place, service, artifacts) = loaded(SERVICE);
    let options = CompileOptions::default();
    let of = |id: &str| origin(&service, &artifacts, &options, id).unwrap();
    assert_eq!(of("HttpApi").made_by_any, events);
    assert!(of("HttpApi").shaped_by.iter().any(|(path, _)| path == "provider.httpApi.cors"));
    assert_eq!(of("IamRoleLambdaExecution").made_by_any, ["functions.a", "functions.b"]);
    // Without the first schedule the second one would have its number.
    assert_eq!(of("AEventsRuleSchedule1").made_by, ["functions.a.events.1"]);
    assert_eq!(of("AEventsRuleSchedule2").made_by, ["functions.a.events.2"]);
    assert_eq!(of("ALambdaPermissionEventsRuleSchedule2").made_by, ["functions.a.events.2"]);
    assert_eq!(origin(&service, &artifacts, &options, "Nothing"), None);
    // Versions are found by any of their ids.
    let template = aws::compile(&service, &artifacts, &options).unwrap().update_template;
    let ids = template["Resources"].as_object().unwrap().keys();
    let version = ids.clone().find(|id| id.starts_with("ALambdaVersion")).unwrap();
    assert_eq!(of(version).made_by, ["functions.a"]);
    assert_eq!(of(&format!("ALambdaVersion{}", "x".repeat(43))).logical_id, *version);
}

#[test]
fn what_others_refer_to() {
    let text = SERVICE
        .replace(
            "    cors: true\n",
            "    authorizers:\n      own:\n        type: request\n        functionName: b\n",
        )
        .replace("- httpApi: GET /a", "- httpApi: {method: GET, path: /a, authorizer: {name: own}}");
    let (_place, service, artifacts) = loaded(&text);
    let options = CompileOptions::default();
    assert_eq!(origin(&service, &artifacts, &options, "BLambdaFunction").unwrap().made_by, ["functions.b"]);
    let authorizer = origin(&service, &artifacts, &options, "HttpApiAuthorizerOwn").unwrap();
    assert_eq!(authorizer.kind, "AWS::ApiGatewayV2::Authorizer");
    assert!(authorizer.made_by.contains(&"provider.httpApi.authorizers.own".to_owned()), "{authorizer:?}");
}

#[test]
fn one_of_many_functions() {
    let function = |index: usize| {
        format!("  f{index}:\n    handler: a.b\n    events:\n      - httpApi: GET /f{index}\n")
    };
    let many: String = (0..200).map(function).collect();
    let (_place, service, artifacts) =
        loaded(&SERVICE.replace("resources:\n", &format!("{many}resources:\n")));
    let found = origin(&service, &artifacts, &CompileOptions::default(), "HttpApiRouteGetF150").unwrap();
    assert_eq!(found.made_by, ["functions.f150.events.0"]);
    assert!(found.is_complete);
}
