//! `aloft explain` and `aloft schema`.

use super::same;
use aloft_testkit::{CloudOptions, Project, TempCloud};
use serde_json::Value;

#[track_caller]
fn check(arguments: &[&str], expected: &str) {
    let (home, project) =
        (TempCloud::stopped(CloudOptions::default()), Project::copy_of("examples/notes-api"));
    same(&home.aloft(project.path(), arguments).success().stdout, expected);
    assert!(!project.path().join(".serverless").exists(), "nothing is left behind");
}

#[test]
fn a_value() {
    check(
        &["explain", "provider.environment.NOTES_TABLE", "--stage", "prod"],
        "\
provider.environment.NOTES_TABLE = \"notes-api-prod-notes\"
│ serverless.yml:14  NOTES_TABLE: ${self:service}-${sls:stage}-notes
├─ ${self:service} = \"notes-api\"
│  └─ self:service = \"notes-api\"
│     └─ service
│          serverless.yml:2  service: notes-api
└─ ${sls:stage} = \"prod\"
   └─ sls:stage = \"prod\"  (from --stage)",
    );
    check(
        &["explain", "functions.create.timeout"],
        "\
functions.create.timeout = 10  (the function does not say: `provider.timeout` applies)
└─ provider.timeout = 10
     serverless.yml:10  timeout: 10",
    );
}

#[test]
fn a_resource() {
    check(
        &["explain", "resource", "ListLambdaPermissionHttpApi"],
        "\
ListLambdaPermissionHttpApi (AWS::Lambda::Permission)
  made by
    functions.list.events.0  serverless.yml:40  - httpApi: GET /notes",
    );
}

#[test]
fn for_programs() {
    let (home, project) =
        (TempCloud::stopped(CloudOptions::default()), Project::copy_of("examples/notes-api"));
    let json = |arguments: &[&str]| -> Value {
        serde_json::from_str(&home.aloft(project.path(), arguments).success().stdout).unwrap()
    };
    let value = json(&["explain", "provider.timeout", "--json"]);
    assert_eq!(value["value"], 10);
    assert_eq!(value["origin"]["place"]["line"], 10);
    let resource = json(&["explain", "resource", "NotesTable", "--json"]);
    assert_eq!(resource["madeBy"][0]["path"], "resources.Resources.NotesTable");
    assert_eq!(resource["madeBy"][0]["place"]["file"], "serverless.yml");
    let schema = json(&["schema"]);
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
}

#[test]
fn mistakes() {
    let (home, project) =
        (TempCloud::stopped(CloudOptions::default()), Project::copy_of("examples/notes-api"));
    let failed = |arguments: &[&str], expected: &str| {
        let finished = home.aloft(project.path(), arguments).failure();
        assert!(finished.stdout.contains(expected), "{expected} in {finished}");
    };
    failed(&["explain", "provider.timeuot"], "did you mean `provider.timeout`?");
    failed(&["explain", "resource", "Notes"], "NotesTable");
    failed(&["explain", "provider", "timeout"], "INVALID_ARGUMENTS");
}
