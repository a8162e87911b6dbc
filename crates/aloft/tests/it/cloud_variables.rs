//! Variables whose values only a cloud knows: `${cf:}`, `${s3:}`, `${ssm:}` and `${aws:}`, read from the local one.

use aloft_testkit::{Project, TempCloud};
use serde_json::{Value, json};

const SERVICE: &str = "service: reader
frameworkVersion: '3'
provider: { name: aws, runtime: nodejs20.x }
custom:
  account: ${aws:accountId}
  output: ${cf:other.Address}
  output_elsewhere: ${cf(us-east-1):other.Address}
  object: ${s3:settings-bucket/colour.txt}
  text: ${ssm:/shop/url}
  list: ${ssm:/shop/list}
  secure: ${ssm:/shop/key}
  raw: ${ssm(raw):/shop/list}
  secret: ${ssm:/aws/reference/secretsmanager/db}
  missing: ${ssm:/shop/none, 'fallback'}
";

#[test]
fn values_that_only_a_cloud_knows() {
    let (cloud, project) = (TempCloud::start(), Project::new(&[("serverless.yml", SERVICE)]));
    cloud.clients().boto3(
        r#"
ssm, s3, stacks = boto3.client("ssm"), boto3.client("s3"), boto3.client("cloudformation")
ssm.put_parameter(Name="/shop/url", Value="http://shop", Type="String")
ssm.put_parameter(Name="/shop/list", Value="a,b", Type="StringList")
ssm.put_parameter(Name="/shop/key", Value="hidden", Type="SecureString")
boto3.client("secretsmanager").create_secret(Name="db", SecretString='{"user": "ann"}')
s3.create_bucket(Bucket="settings-bucket")
s3.put_object(Bucket="settings-bucket", Key="colour.txt", Body=b"red")
template = '{"Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "q"}}}, "Outputs": {"Address": {"Value": {"Fn::GetAtt": ["Q", "QueueName"]}}}}'
stacks.create_stack(StackName="other", TemplateBody=template)
stacks.get_waiter("stack_create_complete").wait(StackName="other", WaiterConfig={"Delay": 1})
"#,
    );
    let printed =
        cloud.aloft(project.path(), &["print", "--local", "--path", "custom", "--format", "json"]).success();
    let custom: Value = serde_json::from_str(&printed.stdout).unwrap();
    let expected = json!({
        "account": "000000000000",
        "output": "q",
        "output_elsewhere": "q",
        "object": "red",
        "text": "http://shop",
        "list": ["a", "b"],
        "secure": "hidden",
        "raw": "a,b",
        "secret": { "user": "ann" },
        "missing": "fallback",
    });
    assert_eq!(custom, expected);
}
