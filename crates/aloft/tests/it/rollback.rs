//! Deployments that fail: a first one leaves nothing behind, a later one leaves what was there.

use super::{deploy, endpoint};
use aloft_testkit::{Project, TempCloud, http};

const SERVICE: &str = "
service: shop
provider:
  name: aws
  runtime: nodejs20.x
  httpApi:
    payload: '2.0'
functions:
  hello:
    handler: handler.hello
    events:
      - httpApi: GET /hello
resources:
  Resources:
    Jobs:
      Type: AWS::SQS::Queue
      Properties:
        QueueName: shop-jobs
";

/// A queue whose name is refused when it is made, after everything it depends on.
const WRONG: &str = "
    Wrong:
      Type: AWS::SQS::Queue
      DependsOn: HelloLambdaFunction
      Properties:
        QueueName: no name at all
";

fn project() -> Project {
    Project::new(&[("serverless.yml", SERVICE), ("handler.js", "exports.hello = async () => 'old';\n")])
}

/// Names of everything that stacks made.
fn things(cloud: &TempCloud) -> String {
    cloud.clients().boto3(
        r#"
functions = [found["FunctionName"] for found in boto3.client("lambda").list_functions()["Functions"]]
queues = [url.rsplit("/", 1)[1] for url in boto3.client("sqs").list_queues().get("QueueUrls", [])]
apis = [found["Name"] for found in boto3.client("apigatewayv2").get_apis()["Items"]]
print(sorted(functions), sorted(queues), sorted(apis))
"#,
    )
}

fn status(cloud: &TempCloud) -> String {
    cloud.clients().boto3(r#"print(boto3.client("cloudformation").describe_stacks(StackName="shop-dev")["Stacks"][0]["StackStatus"])"#)
}

#[test]
fn a_failed_update_goes_back_to_the_last_good_stack() {
    let (cloud, project) = (TempCloud::start(), project());
    let hello = endpoint(&deploy(&cloud, &project), "GET", "/hello");
    let before = things(&cloud);
    project.replace("handler.js", "old", "new");
    project.write("serverless.yml", &format!("{}{WRONG}", SERVICE.trim_end()));
    let failed = cloud.aloft(project.path(), &["deploy", "--local"]).failure();
    assert!(failed.stdout.contains("UPDATE_FAILED") || failed.stdout.contains("CREATE_FAILED"), "{failed}");
    assert!(failed.stdout.contains("Wrong"), "{failed}");
    assert_eq!(status(&cloud), "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(things(&cloud), before);
    assert_eq!(http("GET", &hello, &[], b"").text(), "old");
    // And it can be mended.
    project.write("serverless.yml", SERVICE);
    deploy(&cloud, &project);
    assert_eq!(status(&cloud), "UPDATE_COMPLETE");
    assert_eq!(http("GET", &hello, &[], b"").text(), "new");
}

#[test]
fn a_failed_creation_takes_back_what_it_made() {
    let (cloud, project) = (TempCloud::start(), project());
    project.write("serverless.yml", &format!("{}{WRONG}", SERVICE.trim_end()));
    let failed = cloud.aloft(project.path(), &["deploy", "--local"]).failure();
    assert!(failed.stdout.contains("Wrong"), "{failed}");
    assert_eq!(things(&cloud), "[] [] []");
    // And it can be mended.
    project.write("serverless.yml", SERVICE);
    let hello = endpoint(&deploy(&cloud, &project), "GET", "/hello");
    assert_eq!(http("GET", &hello, &[], b"").text(), "old");
}
