//! Several services at once: in order, with one's outputs as another's parameters, and what happens when one fails.

use super::same;
use aloft_testkit::{Project, TempCloud};

const COMPOSE: &str = "services:
  site:
    path: site
    dependsOn: worker
  worker:
    path: worker
    params:
      queue: ${store.QueueName}
      where: ${sls:stage}
  store:
    path: store
";

const STORE: &str = "service: shop-store
provider: { name: aws }
resources:
  Resources:
    Jobs: { Type: AWS::SQS::Queue, Properties: { QueueName: 'jobs-${sls:stage}' } }
  Outputs:
    QueueName: { Value: !GetAtt Jobs.QueueName }
";

const WORKER: &str = "service: shop-worker
provider:
  name: aws
  runtime: nodejs20.x
  environment: { QUEUE: '${param:queue}', WHERE: '${param:where}' }
functions:
  show: { handler: show.handler }
";

const SITE: &str = "service: shop-site
provider: { name: aws }
resources:
  Resources:
    Pages: { Type: AWS::SNS::Topic, Properties: { TopicName: pages } }
";

fn project() -> Project {
    Project::new(&[
        ("serverless-compose.yml", COMPOSE),
        ("store/serverless.yml", STORE),
        ("worker/serverless.yml", WORKER),
        ("worker/show.js", "exports.handler = async () => `${process.env.QUEUE} ${process.env.WHERE}`;\n"),
        ("site/serverless.yml", SITE),
    ])
}

/// The lines of progress, without how long each took, the begun ones left out.
fn progress(stderr: &str) -> String {
    let lines = stderr.lines().filter(|line| line.starts_with("    ") && !line.contains('…'));
    let line = |line: &str| match line.rsplit_once(" › ") {
        Some((before, last)) if last.ends_with('s') => before.trim().to_owned(),
        _ => line.trim().to_owned(),
    };
    lines.map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn services_are_deployed_in_order_and_removed_in_the_other() {
    let (cloud, project) = (TempCloud::start(), project());
    let run = |arguments: &[&str]| cloud.aloft(project.path(), arguments).success();

    let deployed = run(&["deploy", "--local", "--stage", "prod"]);
    same(&progress(&deployed.stderr), "✔  store  › deployed\n✔  worker › deployed\n✔  site   › deployed");
    let shown = run(&["worker:invoke", "--function", "show", "--local", "--stage", "prod"]).stdout;
    same(&shown, "\"jobs-prod prod\"");
    let outputs = run(&["outputs", "--service=store", "--local", "--stage=prod"]).stdout;
    assert!(outputs.starts_with("store:\n") && outputs.contains("\n  QueueName: jobs-prod\n"), "{outputs}");
    let info = run(&["info", "--local", "--stage", "prod"]).stdout;
    assert!(info.contains("worker › functions:\n"), "{info}");
    let logs = run(&["logs", "--local", "--stage", "prod"]).stdout;
    assert!(logs.contains("worker › show › START RequestId: "), "{logs}");

    let again = run(&["deploy", "--local", "--stage", "prod"]);
    same(&progress(&again.stderr), "✔  store  › no changes\n✔  worker › no changes\n✔  site   › no changes");
    std::fs::remove_file(project.path().join(".serverless/compose.prod.local.json"))
        .expect("the state is there");
    run(&["refresh-outputs", "--local", "--stage", "prod"]);

    let removed = run(&["remove", "--local", "--stage", "prod"]);
    same(&progress(&removed.stderr), "✔  site   › removed\n✔  worker › removed\n✔  store  › removed");
    let left = cloud.clients().boto3(r#"print(boto3.client("cloudformation").describe_stacks()["Stacks"])"#);
    same(&left, "[]");
    let nothing = cloud.aloft(project.path(), &["outputs", "--local", "--stage", "prod"]).failure();
    assert!(nothing.stdout.contains("Could not find any deployed service"), "{nothing}");
}

#[test]
fn a_service_that_fails_takes_those_that_need_it_along_and_no_others() {
    let (cloud, project) = (TempCloud::start(), project());
    project.write("apart/serverless.yml", &SITE.replace("shop-site", "apart").replace("pages", "apart"));
    project.replace("serverless-compose.yml", "services:\n", "services:\n  apart:\n    path: apart\n");
    project.replace("worker/serverless.yml", "show.handler", "missing.handler");
    let failed = cloud.aloft(project.path(), &["deploy", "--local", "--max-concurrency", "1"]).failure();
    let expected = "✔  apart  › deployed\n✔  store  › deployed\n✖  worker › error\n›  site   › skipped";
    same(&progress(&failed.stderr), expected);
    assert!(failed.stdout.contains("worker: ") && failed.stdout.contains("missing"), "{failed}");
    let log = project.read(".serverless/compose.log");
    assert!(log.contains("store › ") && log.contains("worker › Error:"), "{log}");
    // What one service needs of another is known before the other is there.
    let alone = Project::new(&[("serverless-compose.yml", COMPOSE), ("worker/serverless.yml", WORKER)]);
    for directory in ["site", "store"] {
        std::fs::create_dir(alone.path().join(directory)).expect("a directory can be made");
    }
    let unknown = cloud.aloft(alone.path(), &["worker:print"]).failure().stdout;
    same(
        &unknown,
        "
Error:
error[REFERENCED_OUTPUT_DOES_NOT_EXIST]: The variable \"${store.QueueName}\" cannot be resolved: the referenced output does not exist
 --> serverless-compose.yml:8:14
  |
8 |       queue: ${store.QueueName}
  |              ^^^^^^^^^^^^^^^^^^
  |
  = help: is \"QueueName\" among the stack's outputs? If the service is deployed, run `aloft refresh-outputs`; else `aloft store:deploy`",
    );
    let invoke = cloud.aloft(project.path(), &["invoke", "-f", "show"]).failure().stdout;
    assert!(invoke.contains("\"invoke\" is not a command for all services"), "{invoke}");
}

#[test]
fn the_example_is_deployed_by_one_command() {
    let (cloud, project) = (TempCloud::start(), Project::copy_of("examples/celebrity-sleuth"));
    let deployed = cloud.aloft(project.path(), &["deploy", "--local"]).success();
    let expected = "✔  face-recognition     › deployed\n✔  twilio-communication › deployed";
    same(&progress(&deployed.stderr), expected);
}
