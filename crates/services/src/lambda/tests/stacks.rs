//! Functions and what belongs to them, made by CloudFormation.

use super::*;

/// Waits for the stack to come to rest and gives its outputs.
async fn settled(cloud: &Cloud, name: &str, status: &str) -> Value {
    let stack = until(cloud, "cloudformation.stacks", async || {
        let told = cloud.call("cloudformation", "DescribeStacks", json!({ "StackName": name })).await;
        let stack = told["Stacks"][0].clone();
        (!stack["StackStatus"].as_str()?.ends_with("IN_PROGRESS")).then_some(stack)
    })
    .await;
    let events = cloud.call("cloudformation", "DescribeStackEvents", json!({ "StackName": name })).await;
    let why: Vec<&Value> = events["StackEvents"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|it| &it["ResourceStatusReason"])
        .collect();
    assert_eq!(stack["StackStatus"], status, "{why:?}");
    let outputs = stack["Outputs"].as_array().cloned().unwrap_or_default();
    let pairs = outputs
        .iter()
        .map(|it| (it["OutputKey"].as_str().unwrap_or_default().to_owned(), it["OutputValue"].clone()));
    Value::Object(pairs.collect())
}

fn template(greeting: &str, code: &str) -> Value {
    let function = json!({ "Ref": "Greeter" });
    let output = |value: Value| json!({ "Value": value });
    let of = |resource: &str, attribute: &str| json!({ "Fn::GetAtt": [resource, attribute] });
    let properties = json!({
        "Handler": "index.handler", "Runtime": "nodejs20.x", "Role": ROLE, "MemorySize": "256", "Timeout": 6,
        "Code": { "ZipFile": code }, "Environment": { "Variables": { "GREETING": greeting, "COUNT": 3 } },
        "ReservedConcurrentExecutions": "5", "Tags": [{ "Key": "a", "Value": "b" }],
    });
    let resources = json!({
        "Group": { "Type": "AWS::Logs::LogGroup", "Properties": { "LogGroupName": "/aws/lambda/greeter", "RetentionInDays": "7" } },
        "Greeter": { "Type": "AWS::Lambda::Function", "DependsOn": "Group", "Properties": properties },
        "Version": { "Type": "AWS::Lambda::Version", "DeletionPolicy": "Retain", "Properties": { "FunctionName": function } },
        "Live": { "Type": "AWS::Lambda::Alias", "Properties": { "FunctionName": function, "FunctionVersion": of("Version", "Version"), "Name": "live" } },
        "Allow": { "Type": "AWS::Lambda::Permission", "Properties": { "FunctionName": of("Greeter", "Arn"), "Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com" } },
        "Queue": { "Type": "AWS::SQS::Queue" },
        "Mapping": { "Type": "AWS::Lambda::EventSourceMapping", "Properties": { "FunctionName": of("Greeter", "Arn"), "EventSourceArn": of("Queue", "Arn"), "BatchSize": "5", "Enabled": "true" } },
        "Later": { "Type": "AWS::Lambda::EventInvokeConfig", "Properties": { "FunctionName": function, "Qualifier": "$LATEST", "MaximumRetryAttempts": "0" } },
        "Address": { "Type": "AWS::Lambda::Url", "Properties": { "TargetFunctionArn": function, "AuthType": "NONE" } },
        "Layer": { "Type": "AWS::Lambda::LayerVersion", "Properties": { "LayerName": "shared", "Content": { "S3Bucket": "code", "S3Key": "layer.zip" } } },
    });
    let outputs = json!({
        "Name": output(function), "Arn": output(of("Greeter", "Arn")), "Version": output(json!({ "Ref": "Version" })),
        "Alias": output(json!({ "Ref": "Live" })), "Url": output(of("Address", "FunctionUrl")), "Group": output(of("Group", "Arn")),
        "Mapping": output(json!({ "Ref": "Mapping" })), "Layer": output(json!({ "Ref": "Layer" })), "Queue": output(json!({ "Ref": "Queue" })),
    });
    let template = json!({ "Resources": resources, "Outputs": outputs });
    json!({ "StackName": "s", "TemplateBody": template.to_string() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stack_makes_changes_and_removes_functions() {
    let cloud = cloud().await;
    cloud.check("s3", "CreateBucket", json!({ "Bucket": "code" }), json!("*")).await;
    let layer = zip::stored(&[("python/shared.py", b"")]);
    let put = json!({ "Bucket": "code", "Key": "layer.zip" });
    cloud.context.call_with_body("s3", "PutObject", put, Some(layer.into())).await.map(drop).expect("stored");
    let code = "exports.handler = async (event) => process.env.GREETING + (event.Records ? event.Records[0].body : '');";
    cloud.check("cloudformation", "CreateStack", template("hello", code), json!("*")).await;
    let outputs = settled(&cloud, "s", "CREATE_COMPLETE").await;
    let name = outputs["Name"].as_str().expect("a name").to_owned();
    assert!(name.starts_with("s-Greeter-"), "{name}");
    let expected = json!({
        "Arn": arn(&name), "Version": arn(&format!("{name}:1")), "Alias": arn(&format!("{name}:live")), "Url": "http://*",
        "Group": "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/greeter:*", "Mapping": "*",
        "Layer": "arn:aws:lambda:us-east-1:000000000000:layer:shared:1",
    });
    assert!(matches(&expected, &outputs), "{outputs:#}");
    check_invoke(&cloud, json!(name), json!({}), json!({ "Payload": "hello", "FunctionError": null })).await;
    let settings = json!({ "MemorySize": 256, "Timeout": 6, "Environment": { "Variables": { "GREETING": "hello", "COUNT": "3" } } });
    check(&cloud, "GetFunctionConfiguration", json!({ "FunctionName": name }), settings).await;
    check(
        &cloud,
        "GetFunctionConcurrency",
        json!({ "FunctionName": name }),
        json!({ "ReservedConcurrentExecutions": 5 }),
    )
    .await;
    let tags = json!({ "Tags": { "a": "b" } });
    check(&cloud, "ListTags", json!({ "Resource": arn(&name) }), tags).await;
    check(&cloud, "GetPolicy", json!({ "FunctionName": name }), json!({ "Policy": "*" })).await;
    check(
        &cloud,
        "GetEventSourceMapping",
        json!({ "UUID": outputs["Mapping"] }),
        json!({ "BatchSize": 5, "State": "Enabled" }),
    )
    .await;
    let groups = json!({ "logGroups": [{ "logGroupName": "/aws/lambda/greeter", "retentionInDays": 7 }] });
    cloud
        .check("logs", "DescribeLogGroups", json!({ "logGroupNamePrefix": "/aws/lambda/greeter" }), groups)
        .await;

    let code = "exports.handler = async () => 'new ' + process.env.GREETING;";
    cloud.check("cloudformation", "UpdateStack", template("bye", code), json!("*")).await;
    settled(&cloud, "s", "UPDATE_COMPLETE").await;
    check_invoke(&cloud, json!(name), json!({}), json!({ "Payload": "new bye" })).await;
    check_invoke(&cloud, json!(format!("{name}:live")), json!({}), json!({ "Payload": "hello" })).await;

    let stack = cloud.call("cloudformation", "DescribeStacks", json!({ "StackName": "s" })).await["Stacks"]
        [0]["StackId"]
        .clone();
    cloud.check("cloudformation", "DeleteStack", json!({ "StackName": "s" }), json!("*")).await;
    settled(&cloud, stack.as_str().expect("an id"), "DELETE_COMPLETE").await;
    check(&cloud, "ListFunctions", json!({}), json!({ "Functions": [] })).await;
    check(&cloud, "ListEventSourceMappings", json!({}), json!({ "EventSourceMappings": [] })).await;
    check(&cloud, "ListLayers", json!({}), json!({ "Layers": [] })).await;
    cloud.stop().await;
}
