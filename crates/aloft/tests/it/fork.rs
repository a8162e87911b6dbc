//! The original's maintained fork, osls, deploys to our cloud as if it were AWS: it only knows `AWS_ENDPOINT_URL`.

use aloft_testkit::{Project, TempCloud, http};

#[test]
fn the_fork_deploys_an_example_to_our_cloud_and_removes_it() {
    let (cloud, project) = (TempCloud::start(), Project::copy_of("examples/notes-api"));
    // It counts its versions on.
    project.replace("serverless.yml", "frameworkVersion: \"3\"", "frameworkVersion: \"4\"");
    let clients = cloud.clients();
    clients.fork(project.path(), &["deploy", "--stage", "test"]).success();
    let api = clients.boto3(
        r#"
outputs = boto3.client("cloudformation").describe_stacks(StackName="notes-api-test")["Stacks"][0]["Outputs"]
print({output["OutputKey"]: output["OutputValue"] for output in outputs}["HttpApiId"])
"#,
    );
    let notes = format!("{}/_aws/execute-api/{api}/notes", cloud.endpoint());
    let created =
        http("POST", &notes, &[("Content-Type", "application/json")], br#"{"text": "from the fork"}"#);
    assert_eq!(created.status, 201, "{created}");
    let invoked =
        clients.fork(project.path(), &["invoke", "--stage", "test", "--function", "list"]).success();
    assert!(invoked.stdout.contains("from the fork"), "{invoked}");
    // Ours and theirs see the same stack.
    let ours = cloud.aloft(project.path(), &["info", "--local", "--stage", "test"]).success().stdout;
    assert!(ours.contains("create: notes-api-test-create"), "{ours}");
    clients.fork(project.path(), &["remove", "--stage", "test"]).success();
    assert_eq!(http("GET", &notes, &[], b"").status, 404);
    let left = clients.boto3("print(len(boto3.client('cloudformation').describe_stacks()['Stacks']), len(boto3.client('s3').list_buckets()['Buckets']))");
    assert_eq!(left, "0 0");
}
