//! Mistakes in what is given: each is told exactly, ends with exit code 1, and changes nothing.

use super::same;
use aloft_testkit::{CloudOptions, Finished, Project, TempCloud};
use std::net::TcpListener;

const HEAD: &str = "service: shop\nprovider:\n  name: aws\n  runtime: nodejs20.x\n";
const HANDLER: &str = "exports.hello = async () => 'hi';\n";

/// A project with this behind the usual head.
fn shop(rest: &str) -> Project {
    Project::new(&[("serverless.yml", &format!("{HEAD}{rest}")), ("handler.js", HANDLER)])
}

/// Packages a project that has a mistake: what is said is expected, and no template is made.
#[track_caller]
fn check(rest: &str, expected: &str) {
    let (home, project) = (TempCloud::stopped(CloudOptions::default()), shop(rest));
    let finished = home.aloft(project.path(), &["package"]).failure();
    same(&finished.stdout, &format!("\nError:\n{expected}"));
    let template = project.path().join(".serverless/cloudformation-template-update-stack.json");
    assert!(!template.exists(), "a template was made");
}

#[test]
fn broken_yaml() {
    check(
        "functions:\n  hello:\n    handler: handler.hello\n   events: []\n",
        r#"error[CONFIGURATION_PARSE_ERROR]: Cannot parse "serverless.yml": while parsing a block mapping, did not find expected key
 --> serverless.yml:8:4
  |
8 |    events: []
  |    ^"#,
    );
}

#[test]
fn an_unknown_event() {
    check(
        "configValidationMode: error\nfunctions:\n  hello:\n    handler: handler.hello\n    events:\n      - telegraph: GET /x\n",
        r"error[INVALID_NON_SCHEMA_COMPLIANT_CONFIGURATION]: Configuration error at 'functions.hello.events.0': unsupported function event
  --> serverless.yml:10:9
   |
10 |       - telegraph: GET /x
   |         ^^^^^^^^^^^^^^^^^",
    );
}

#[test]
fn a_default_that_is_not_written() {
    check(
        "functions:\n  hello:\n    handler: handler.hello\n    name: hello-${self:provider.stage}\n",
        r#"error[VARIABLES_RESOLUTION_ERROR]: Cannot resolve variable at "functions.hello.name": Value not found at "self" source
 --> serverless.yml:8:11
  |
8 |     name: hello-${self:provider.stage}
  |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: `provider.stage` is not written in this file; `${sls:stage}` gives it in any case"#,
    );
}

#[test]
fn plugins_that_are_left_out() {
    let (home, project) = (
        TempCloud::stopped(CloudOptions::default()),
        shop("plugins:\n  - serverless-esbuild\nfunctions:\n  hello:\n    handler: handler.hello\n"),
    );
    let said = home.aloft(project.path(), &["package"]).success().stderr;
    let expected = "warning[PLUGINS_NOT_LOADED]: plugins are not loaded, and what they do is not done: serverless-esbuild
 --> serverless.yml:5:1
  |
5 | plugins:
  | ^^^^^^^
  |
  = help: docs/deploy.md says what takes the place of common ones";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn variables_that_cannot_be_resolved() {
    check(
        "functions:\n  hello:\n    handler: handler.hello\n    environment:\n      A: ${env:NOT_SET}\n      B: ${self:custom.none}\n",
        r#"error[VARIABLES_RESOLUTION_ERROR]: Cannot resolve variable at "functions.hello.environment.A": Value not found at "env" source
 --> serverless.yml:9:10
  |
9 |       A: ${env:NOT_SET}
  |          ^^^^^^^^^^^^^^
  |
  = help: a value to fall back on stands after a comma: `${..., 'value'}`

error[VARIABLES_RESOLUTION_ERROR]: Cannot resolve variable at "functions.hello.environment.B": Value not found at "self" source
  --> serverless.yml:10:10
   |
10 |       B: ${self:custom.none}
   |          ^^^^^^^^^^^^^^^^^^^
   |
   = help: a value to fall back on stands after a comma: `${..., 'value'}`"#,
    );
}

#[test]
fn no_service() {
    let (home, project) = (TempCloud::stopped(CloudOptions::default()), Project::new(&[]));
    let expected = r"
Error:
error[MISSING_SERVICE_CONTEXT]: This command can only be run in a Serverless service directory. Make sure to reference a valid config file in the current working directory if you're using a custom config file
 |
 = help: write a serverless.yml here, or name one with --config";
    same(&home.aloft(project.path(), &["deploy", "--local"]).failure().stdout, expected);
}

/// A stack that stands and answers, for mistakes that must not touch it.
struct Standing {
    cloud: TempCloud,
    project: Project,
    before: String,
}

impl Standing {
    fn new() -> Self {
        let (cloud, project) =
            (TempCloud::start(), shop("functions:\n  hello:\n    handler: handler.hello\n"));
        cloud.aloft(project.path(), &["deploy", "--local"]).success();
        let mut standing = Self { cloud, project, before: String::new() };
        standing.before = standing.state();
        standing
    }

    /// What the stack is made of, and when it was last changed.
    fn state(&self) -> String {
        self.cloud.clients().boto3(
            r#"
stacks = boto3.client("cloudformation")
stack = stacks.describe_stacks(StackName="shop-dev")["Stacks"][0]
resources = stacks.list_stack_resources(StackName="shop-dev")["StackResourceSummaries"]
print(stack["StackStatus"], stack["LastUpdatedTime"], sorted((one["LogicalResourceId"], one["PhysicalResourceId"]) for one in resources))
"#,
        )
    }

    fn deploy(&self) -> Finished {
        self.cloud.aloft(self.project.path(), &["deploy", "--local"])
    }

    #[track_caller]
    fn is_intact(&self) {
        same(&self.state(), &self.before);
        let invoked = self.cloud.clients().boto3(
            r#"print(boto3.client("lambda").invoke(FunctionName="shop-dev-hello")["Payload"].read().decode())"#,
        );
        assert_eq!(invoked, "\"hi\"");
    }
}

#[test]
fn a_missing_handler_file() {
    let standing = Standing::new();
    standing.project.replace("serverless.yml", "handler.hello", "src/missing.hello");
    same(
        &standing.deploy().failure().stdout,
        r#"
Error:
error[HANDLER_FILE_NOT_FOUND]: function "hello": there is no file src/missing.js for the handler "src/missing.hello"
 --> serverless.yml:7:14
  |
7 |     handler: src/missing.hello
  |              ^^^^^^^^^^^^^^^^^ names a file that is not there
  |
  = help: create src/missing.js, or write the handler as <path of the file without its ending>.<name of the function in it>"#,
    );
    standing.is_intact();
}

#[test]
fn a_template_that_refers_to_nothing() {
    let standing = Standing::new();
    let topic = "resources:\n  Resources:\n    News:\n      Type: AWS::SNS::Topic\n      Properties:\n        TopicName: !Ref Nobody\n";
    standing.project.write("serverless.yml", &(standing.project.read("serverless.yml") + topic));
    same(
        &standing.deploy().failure().stdout,
        r"
Error:
error[AWS_CLOUD_FORMATION_INVALID_TEMPLATE]: The CloudFormation template is invalid: Template format error: Unresolved resource dependencies [Nobody] in the Resources block of the template
 |
 = help: see .serverless/cloudformation-template-update-stack.json",
    );
    standing.is_intact();
}

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let home = TempCloud::stopped(CloudOptions::default());
    let expected = format!(
        "error[CLOUD_DID_NOT_START]: cannot listen on 127.0.0.1:{port}: Address already in use (os error 98)\n |\n = help: choose another port with --port, or end what listens there"
    );
    let start = ["cloud", "start", "--port", &port];
    same(&home.aloft(home.home(), &start).failure().stdout, &format!("\nError:\n{expected}"));
    let detached = home.aloft(home.home(), &[&start[..], &["--detach"]].concat()).failure();
    same(&detached.stdout, &format!("\nError:\n{expected}"));
    assert_eq!(home.aloft(home.home(), &["cloud", "status"]).stdout, "stopped\n");
}

#[test]
fn a_cloud_whose_state_is_in_use() {
    let (cloud, other) = (TempCloud::start(), TempCloud::stopped(CloudOptions::default()));
    let again = cloud.aloft(cloud.home(), &["cloud", "start", "--port", "0"]).failure().stdout;
    same(
        &again,
        &format!(
            "\nError:\nerror[CLOUD_RUNS]: a local cloud runs already at {} (process {})\n |\n = help: stop it with `aloft cloud stop`, or set ALOFT_HOME for a second one",
            cloud.endpoint(),
            cloud.pid()
        ),
    );
    let data = cloud.home().join("cloud").display().to_string();
    let shared =
        other.aloft(other.home(), &["cloud", "start", "--port", "0", "--data", &data]).failure().stdout;
    assert!(shared.contains("error[CLOUD_DID_NOT_START]") && shared.contains("aloft cloud stop"), "{shared}");
}

#[test]
fn options_that_are_not_there() {
    let (home, project) = (
        TempCloud::stopped(CloudOptions::default()),
        shop("functions:\n  hello:\n    handler: handler.hello\n"),
    );
    for (arguments, expected) in [
        (&["deploy", "--telegraph"][..], "unexpected argument '--telegraph' found"),
        (&["dploy"], "unrecognized subcommand 'dploy'"),
        (&["invoke", "local", "-f", "nobody"], "Function \"nobody\" doesn't exist in this Service"),
    ] {
        let finished = home.aloft(project.path(), arguments).failure();
        assert!(finished.all().contains(expected), "{finished}");
    }
}

#[test]
fn resources_that_the_local_cloud_has_not_built() {
    let (home, project) = (
        TempCloud::start(),
        shop(
            "functions:
  hello:
    handler: handler.hello
    events:
      - iot: { sql: SELECT * FROM 'doors' }
resources:
  Conditions:
    Live: !Equals [dev, live]
  Resources:
    Pool:
      Type: AWS::Cognito::UserPool
    Search:
      Type: AWS::OpenSearchService::Domain
      Condition: Live
",
        ),
    );
    let finished = home.aloft(project.path(), &["deploy", "--local"]).failure();
    let expected = r"
Error:
error[RESOURCE_NOT_BUILT]: the local cloud has not built AWS::IoT::TopicRule, which `HelloIotTopicRule1` is
 --> serverless.yml:9:9
  |
9 |       - iot: { sql: SELECT * FROM 'doors' }
  |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

error[RESOURCE_NOT_BUILT]: the local cloud has not built AWS::Cognito::UserPool, which `Pool` is
  --> serverless.yml:14:5
   |
14 |     Pool:
   |     ^^^^
   |
   = help: leave it out of the stage that you deploy locally: give it a `Condition` that is false there, or put it into a file of the other stages, such as `resources: ${file(resources.${sls:stage}.yml)}`; a deploy to AWS is not concerned";
    same(&finished.stdout, expected);
    home.clients().boto3(r#"equal(boto3.client("s3").list_buckets()["Buckets"], [])"#);
}
