//! `aloft plan`: against the stack of a cloud, against a file without one, and against nothing.

use super::deploy;
use aloft_testkit::{CloudOptions, Finished, Project, TempCloud};

/// The lines that begin with a sign, their spaces squeezed.
fn signs(finished: &Finished) -> Vec<String> {
    let is_sign = |line: &&str| line.trim_start().starts_with(['+', '~', '?', '±', '-', '!']);
    let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    finished.stdout.lines().filter(is_sign).map(squeezed).collect()
}

#[track_caller]
fn plan(cloud: &TempCloud, project: &Project, options: &[&str], code: i32) -> Finished {
    let arguments: Vec<&str> = ["plan"].iter().chain(options).copied().collect();
    let finished = cloud.aloft(project.path(), &arguments);
    assert_eq!(finished.code, code, "{finished}");
    assert!(!project.path().join(".serverless/plan").exists(), "the plan leaves nothing behind");
    finished
}

#[test]
fn against_the_deployed_stack() {
    let (cloud, project) = (TempCloud::start(), Project::copy_of("examples/notes-api"));
    let first = plan(&cloud, &project, &["--local"], 2);
    assert!(first.stdout.contains("the stack notes-api-dev does not exist"), "{first}");
    deploy(&cloud, &project);
    let same = plan(&cloud, &project, &["--local"], 0);
    assert!(same.stdout.contains("No changes: "), "{same}");

    project.replace("serverless.yml", "memorySize: 256", "memorySize: 512\n  logRetentionInDays: 7");
    project.replace(
        "serverless.yml",
        "TableName: ${self:provider.environment.NOTES_TABLE}",
        "TableName: elsewhere",
    );
    project.replace("serverless.yml", "httpApi: DELETE /notes/{id}", "httpApi: DELETE /note/{id}");
    let changed = plan(&cloud, &project, &["--local"], 2);
    for expected in [
        "~ update CreateLambdaFunction (AWS::Lambda::Function)",
        "± replace NotesTable (AWS::DynamoDB::Table)",
        "! DATA LOSS: its items would be lost: an empty one takes its place",
        "! DATA LOSS: older log lines would be lost: `RetentionInDays` is shorter",
        "+ create HttpApiRouteDeleteNoteIdVar (AWS::ApiGatewayV2::Route)",
        "! PUBLIC: DELETE /note/{id} answers anyone: it has no authorizer",
        "- delete HttpApiRouteDeleteNotesIdVar (AWS::ApiGatewayV2::Route)",
    ] {
        assert!(signs(&changed).iter().any(|line| line == expected), "{expected} in\n{changed}");
    }
    assert!(changed.stdout.contains("MemorySize: 256 -> 512"), "{changed}");
    assert!(changed.stdout.contains("TableName: notes-api-dev-notes -> elsewhere  replaces"), "{changed}");
}

#[test]
fn code_without_versions() {
    let (cloud, project) = (TempCloud::start(), Project::copy_of("examples/notes-api"));
    project.replace("serverless.yml", "  timeout: 10", "  timeout: 10\n  versionFunctions: false");
    deploy(&cloud, &project);
    plan(&cloud, &project, &["--local"], 0);
    let source = project.read("src/notes.js");
    project.write("src/notes.js", &format!("{source}\n// changed\n"));
    let changed = plan(&cloud, &project, &["--local"], 2);
    assert_eq!(signs(&changed).len(), 5, "{changed}");
    assert!(changed.stdout.contains("      Code: "), "{changed}");
}

#[test]
fn against_a_file_without_a_cloud() {
    let (home, project) =
        (TempCloud::stopped(CloudOptions::default()), Project::copy_of("examples/notes-api"));
    home.aloft(project.path(), &["package", "--package", "saved"]).success();
    for saved in ["saved/serverless-state.json", "saved/cloudformation-template-update-stack.json"] {
        plan(&home, &project, &["--against", saved], 0);
    }
    project.replace("serverless.yml", "timeout: 10", "timeout: 12\n  tags: {team: a}");
    let changed = plan(&home, &project, &["--against", "saved/serverless-state.json", "--json"], 2);
    let value: serde_json::Value = serde_json::from_str(&changed.stdout).unwrap();
    let of_functions = |resource: &&serde_json::Value| resource["type"] == "AWS::Lambda::Function";
    let functions: Vec<_> = value["resources"].as_array().unwrap().iter().filter(of_functions).collect();
    assert_eq!(functions.len(), 5, "{changed}");
    let properties = functions[0]["properties"].as_array().unwrap();
    let timeout = serde_json::json!({ "path": "Timeout", "effect": "inPlace", "before": 10, "after": 12 });
    assert!(properties.contains(&timeout), "{changed}");
    assert!(properties.iter().any(|property| property["path"] == "Tags"), "{changed}");
    // A package that was made before is compared as it is.
    plan(&home, &project, &["--package", "saved", "--against", "saved/serverless-state.json"], 0);
    let wrong = plan(&home, &project, &["--against", "serverless.yml"], 1);
    assert!(wrong.stdout.contains("INVALID_AGAINST_FILE"), "{wrong}");
    plan(&home, &project, &["--against", "nothing.json"], 1);
}
