//! What came before: deployments listed and deployed again, versions of functions, what a REST API's stage is told after a deploy.

use super::deploy;
use aloft_testkit::{Project, TempCloud};

const SERVICE: &str = "
service: past
frameworkVersion: '3'
provider:
  name: aws
  runtime: nodejs20.x
  iamRoleStatements: []
  deploymentBucket:
    maxPreviousDeploymentArtifacts: 2
    serverSideEncryption: AES256
  tags:
    team: letters
  tracing:
    apiGateway: true
  logs:
    restApi:
      format: 'status: $context.status'
functions:
  hello:
    handler: handler.hello
    events:
      - http: GET /hello
";

fn project() -> Project {
    Project::new(&[("serverless.yml", SERVICE), ("handler.js", "exports.hello = async () => 'one';\n")])
}

/// The times of the deployments that `deploy list` shows.
fn times(cloud: &TempCloud, project: &Project) -> Vec<String> {
    let listed = cloud.aloft(project.path(), &["deploy", "list", "--local"]).success().stdout;
    assert!(listed.contains("  - compiled-cloudformation-template.json\n"), "{listed}");
    listed.lines().filter_map(|line| line.strip_prefix("Timestamp: ")).map(str::to_owned).collect()
}

#[test]
fn what_was_deployed_is_listed_and_deployed_again() {
    let (cloud, project) = (TempCloud::start(), project());
    let run = |arguments: &[&str]| cloud.aloft(project.path(), arguments);
    let said = |expected: &str| {
        let answer = run(&["invoke", "--local", "-f", "hello"]).success().stdout;
        assert_eq!(answer.trim(), format!("\"{expected}\""));
    };
    let first = run(&["deploy", "--local"]).success();
    assert!(first.stderr.contains("1 deprecation found: run 'aloft doctor'"), "{first}");
    let doctor = run(&["doctor"]).success().stdout;
    assert!(
        doctor.contains("\"provider.iamRoleStatements\" -> \"provider.iam.role.statements\""),
        "{doctor}"
    );
    project.replace("handler.js", "one", "two");
    deploy(&cloud, &project);
    said("two");
    let both = times(&cloud, &project);
    assert_eq!(both.len(), 2, "{both:?}");

    let hint = run(&["rollback", "--local"]).success();
    assert!(hint.stdout.contains(&both[0]), "{hint}");
    let unknown = run(&["rollback", "--local", "-t", "1476790110568"]).failure();
    assert!(unknown.all().contains("ROLLBACK_DEPLOYMENT_NOT_FOUND"), "{unknown}");
    let back = run(&["rollback", "--local", "-t", &both[0]]).success();
    assert!(back.stderr.contains("✔ Service rolled back to timestamp"), "{back}");
    said("one");
    let again = run(&["rollback", "--local", "-t", &both[0]]).success();
    assert!(again.stderr.contains("No updates to be performed. Rollback skipped."), "{again}");

    project.replace("handler.js", "two", "three");
    deploy(&cloud, &project);
    let kept = times(&cloud, &project);
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(!kept.contains(&both[0]), "{kept:?}");

    let versions = run(&["deploy", "list", "functions", "--local"]).success().stdout;
    assert!(versions.contains("hello\n  All versions: $LATEST, 1, "), "{versions}");
    run(&["rollback", "function", "--local", "-f", "hello", "--function-version", "1"]).success();
    said("one");
    let missing =
        run(&["rollback", "function", "--local", "-f", "hello", "--function-version", "99"]).failure();
    assert!(missing.all().contains("AWS_FUNCTION_NOT_FOUND"), "{missing}");
    let metrics = run(&["metrics", "--local", "-f", "hello"]).success().stdout;
    assert!(metrics.starts_with("hello\n") && metrics.contains("\nerrors: 0\n"), "{metrics}");
}

#[test]
fn a_stage_is_told_what_a_template_cannot_say() {
    let (cloud, project) = (TempCloud::start(), project());
    let stage = || {
        cloud.clients().boto3(
            r#"
gateway = boto3.client("apigateway")
api = gateway.get_rest_apis()["items"][0]["id"]
stage = gateway.get_stage(restApiId=api, stageName="dev")
settings = stage["methodSettings"]["*/*"]
print(stage["tracingEnabled"], stage["tags"].get("team"), stage["tags"].get("owner"))
print(stage.get("accessLogSettings"), settings.get("loggingLevel"), settings.get("dataTraceEnabled"))
"#,
        )
    };
    deploy(&cloud, &project);
    let told = stage();
    assert!(told.contains("True letters None"), "{told}");
    let group = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/api-gateway/past-dev";
    assert!(
        told.contains(group) && told.contains("status: $context.status") && told.contains("INFO True"),
        "{told}"
    );
    project.replace("serverless.yml", "    apiGateway: true", "    apiGateway: false");
    project.replace("serverless.yml", "    team: letters", "    owner: me");
    project.replace(
        "serverless.yml",
        "      format:",
        "      level: ERROR\n      accessLogging: false\n      format:",
    );
    deploy(&cloud, &project);
    let told = stage();
    assert!(told.contains("False None me") && told.contains("ERROR True"), "{told}");
    assert!(told.contains("None ERROR"), "{told}");
}
