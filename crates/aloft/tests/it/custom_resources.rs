//! Functions behind resources of a stack: those that the package brings for existing buckets and event buses, and a user's own.

use super::{SOON, deploy, logs, same};
use aloft_testkit::{Project, TempCloud, until};

const EXISTING: &str = "service: gallery
provider:
  name: aws
  runtime: nodejs20.x
  eventBridge: { useCloudFormation: false }
functions:
  seen:
    handler: seen.handler
    events:
      - s3: { bucket: pictures, existing: true, event: 's3:ObjectCreated:*', rules: [{ prefix: in/ }] }
      - eventBridge: { eventBus: gallery, pattern: { source: [gallery.door] } }
";

const SEEN: &str = "exports.handler = async (event) => {
  console.log(event.Records ? `object ${event.Records[0].s3.object.key}` : `event ${event.source}`);
};
";

/// The notifications of the bucket: what is called, and for which prefix.
fn notifications(cloud: &TempCloud) -> String {
    cloud.clients().boto3(
        r#"
found = boto3.client("s3").get_bucket_notification_configuration(Bucket="pictures")
for kind, arn in [("Topic", "TopicArn"), ("LambdaFunction", "LambdaFunctionArn")]:
    for one in found.get(kind + "Configurations", []):
        rules = one.get("Filter", {}).get("Key", {}).get("FilterRules", [])
        print(one[arn].rsplit(":", 1)[1], *one["Events"], *[rule["Value"] for rule in rules])
"#,
    )
}

#[test]
fn existing_buckets_and_buses_call_a_function_until_it_is_removed() {
    let (cloud, project) =
        (TempCloud::start(), Project::new(&[("serverless.yml", EXISTING), ("seen.js", SEEN)]));
    cloud.clients().boto3(
        r#"
boto3.client("s3").create_bucket(Bucket="pictures")
topic = boto3.client("sns").create_topic(Name="others")["TopicArn"]
boto3.client("s3").put_bucket_notification_configuration(
    Bucket="pictures",
    NotificationConfiguration={"TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectRemoved:*"]}]},
)
"#,
    );
    deploy(&cloud, &project);
    same(&notifications(&cloud), "others s3:ObjectRemoved:*\ngallery-dev-seen s3:ObjectCreated:* in/");
    cloud.clients().boto3(
        r#"
boto3.client("s3").put_object(Bucket="pictures", Key="out/1", Body=b"1")
boto3.client("s3").put_object(Bucket="pictures", Key="in/1", Body=b"1")
entry = {"Source": "gallery.door", "DetailType": "opened", "Detail": "{}", "EventBusName": "gallery"}
boto3.client("events").put_events(Entries=[entry])
"#,
    );
    let log = logs(&cloud, &project, "seen", |log| {
        log.contains("object in/1") && log.contains("event gallery.door")
    });
    assert!(!log.contains("out/1"), "{log}");

    project.replace("serverless.yml", "prefix: in/", "prefix: new/");
    deploy(&cloud, &project);
    same(&notifications(&cloud), "others s3:ObjectRemoved:*\ngallery-dev-seen s3:ObjectCreated:* new/");

    cloud.aloft(project.path(), &["remove", "--local"]).success();
    same(&notifications(&cloud), "others s3:ObjectRemoved:*");
    let buses = cloud
        .clients()
        .boto3(r#"print([one["Name"] for one in boto3.client("events").list_event_buses()["EventBuses"]])"#);
    same(&buses, "['default']");
}

#[test]
fn the_package_has_the_code_and_is_the_same_every_time() {
    let cloud = TempCloud::stopped(Default::default());
    let project = Project::new(&[("serverless.yml", EXISTING), ("seen.js", SEEN)]);
    let zip = project.path().join(".serverless/custom-resources.zip");
    let [first, second] = [(), ()].map(|()| {
        cloud.aloft(project.path(), &["package"]).success();
        std::fs::read(&zip).expect("the zip is there")
    });
    assert_eq!(first, second);
    let template = project.read(".serverless/cloudformation-template-update-stack.json");
    assert!(template.contains("/custom-resources.zip\""), "{template}");
}

const OWN: &str = "service: numbers
provider: { name: aws, runtime: nodejs20.x }
functions:
  maker: { handler: maker.handler }
  user: { handler: user.handler, environment: { NUMBER: !GetAtt Number.Value } }
resources:
  Resources:
    Number:
      Type: Custom::Number
      Properties: { ServiceToken: !GetAtt MakerLambdaFunction.Arn, Of: 20 }
  Outputs:
    Number: { Value: !Ref Number }
";

/// Doubles numbers; negative ones are more than it can do.
const MAKER: &str = "const http = require('http');
exports.handler = (event) =>
  new Promise((resolve, reject) => {
    const { Of } = event.ResourceProperties;
    console.log(`${event.RequestType} ${event.PhysicalResourceId} ${Of}`);
    const body = JSON.stringify({
      ...event,
      Status: Of < 0 ? 'FAILED' : 'SUCCESS',
      Reason: 'too small',
      PhysicalResourceId: `number-${Of}`,
      Data: { Value: Of * 2 },
    });
    const request = http.request(event.ResponseURL, { method: 'PUT' }, (response) => resolve(response.resume()));
    request.on('error', reject);
    request.end(body);
  }).then(() => 'told');
";

#[test]
fn a_function_of_the_users_own_makes_replaces_and_fails() {
    let (cloud, project) = (
        TempCloud::start(),
        Project::new(&[
            ("serverless.yml", OWN),
            ("maker.js", MAKER),
            ("user.js", "exports.handler = async () => process.env.NUMBER;\n"),
        ]),
    );
    let invoke = || {
        let shown =
            cloud.aloft(project.path(), &["invoke", "--function", "user", "--local"]).success().stdout;
        shown.trim().to_owned()
    };
    deploy(&cloud, &project);
    same(&invoke(), "\"40\"");
    project.replace("serverless.yml", "Of: 20", "Of: 21");
    deploy(&cloud, &project);
    same(&invoke(), "\"42\"");
    // The new number has another name, so the old one is deleted.
    let seen = |what: &'static str| move |log: &str| log.contains(what);
    logs(&cloud, &project, "maker", seen("Delete number-20 20"));

    project.replace("serverless.yml", "Of: 21", "Of: -1");
    let failed = cloud.aloft(project.path(), &["deploy", "--local"]).failure();
    assert!(failed.stdout.contains("UPDATE_FAILED: Number (Custom::Number)"), "{failed}");
    assert!(failed.stdout.contains("Message returned: too small (RequestId: "), "{failed}");
    same(&invoke(), "\"42\"");
    logs(&cloud, &project, "maker", seen("Update number-21 21"));
    cloud.aloft(project.path(), &["remove", "--local"]).success();
    until("the stack is gone", SOON, || {
        cloud.clients().boto3(r#"print(boto3.client("cloudformation").describe_stacks()["Stacks"])"#) == "[]"
    });
}

/// Functions whose code stands in the template find a module that answers; others send by https, and drop the port.
const INLINE: &str = "service: inline
provider: { name: aws }
resources:
  Resources:
    Role:
      Type: AWS::IAM::Role
      Properties:
        AssumeRolePolicyDocument:
          Version: '2012-10-17'
          Statement: [{ Effect: Allow, Principal: { Service: lambda.amazonaws.com }, Action: 'sts:AssumeRole' }]
    Node:
      Type: AWS::Lambda::Function
      Properties:
        Runtime: nodejs20.x
        Handler: index.handler
        Role: !GetAtt Role.Arn
        Code:
          ZipFile: |
            const response = require('cfn-response');
            exports.handler = (event, context) => {
              response.send(event, context, response.SUCCESS, { Word: 'from node' }, 'node');
            };
    Python:
      Type: AWS::Lambda::Function
      Properties:
        Runtime: python3.11
        Handler: index.handler
        Role: !GetAtt Role.Arn
        Code:
          ZipFile: |
            import cfnresponse
            def handler(event, context):
                cfnresponse.send(event, context, cfnresponse.SUCCESS, {'Word': 'from python'})
    Https:
      Type: AWS::Lambda::Function
      Properties:
        Runtime: nodejs20.x
        Handler: index.handler
        Role: !GetAtt Role.Arn
        Code:
          ZipFile: |
            const https = require('https');
            exports.handler = (event) => new Promise((resolve, reject) => {
              const { hostname, pathname: path, search } = new URL(event.ResponseURL);
              const { StackId, RequestId, LogicalResourceId } = event;
              const Data = { Word: 'by https' };
              const body = JSON.stringify({ Status: 'SUCCESS', PhysicalResourceId: 'https', StackId, RequestId, LogicalResourceId, Data });
              const headers = { 'content-type': '', 'content-length': Buffer.byteLength(body, 'utf8') };
              const request = https.request({ hostname, path: path + search, method: 'PUT', headers }, resolve);
              request.on('error', reject);
              request.end(body);
            });
    ByHttps: { Type: 'Custom::Word', Properties: { ServiceToken: !GetAtt Https.Arn } }
    ByNode: { Type: 'Custom::Word', Properties: { ServiceToken: !GetAtt Node.Arn } }
    ByPython: { Type: 'Custom::Word', Properties: { ServiceToken: !GetAtt Python.Arn } }
  Outputs:
    Words: { Value: !Sub '${ByNode}: ${ByNode.Word}, ${ByPython.Word}, ${ByHttps.Word}' }
";

#[test]
fn code_in_the_template_answers_with_the_module_it_finds() {
    let (cloud, project) = (TempCloud::start(), Project::new(&[("serverless.yml", INLINE)]));
    let deployed = cloud.aloft(project.path(), &["deploy", "--local", "--verbose"]).success().stdout;
    assert!(deployed.contains("Words: node: from node, from python, by https"), "{deployed}");
    cloud.aloft(project.path(), &["remove", "--local"]).success();
}
