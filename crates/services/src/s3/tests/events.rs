//! What others are told, and what time does.

use super::{B, S3, check, put, read};
use crate::testing::Cloud;
use aloft_engine::{Context, Input, Reply, Service, ServiceError, async_trait};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// A service that writes down what it is asked, and fails as often as it is told to.
struct Recorder {
    name: &'static str,
    seen: Mutex<Vec<(String, Value)>>,
    failures: Mutex<Vec<u16>>,
}

impl Recorder {
    fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self { name, seen: Mutex::default(), failures: Mutex::default() })
    }

    /// What was seen of an operation, with JSON texts read.
    fn seen(&self, operation: &str) -> Vec<Value> {
        let seen = self.seen.lock().expect("no panic");
        seen.iter().filter(|(name, _)| name == operation).map(|(_, input)| input.clone()).collect()
    }
}

#[async_trait]
impl Service for Recorder {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn call(&self, _: &Context, operation: &str, input: Input) -> Option<Result<Reply, ServiceError>> {
        let there = !input.params.to_string().contains("missing");
        if operation.starts_with("Get") {
            let missing = || ServiceError::new("ResourceNotFoundException", 404, "not there");
            return Some(if there {
                Ok(Reply::new(json!({ "QueueUrl": "http://queue" })))
            } else {
                Err(missing())
            });
        }
        if let Some(status) = self.failures.lock().expect("no panic").pop() {
            return Some(Err(ServiceError::new("Failure", status, "not now")));
        }
        let mut seen = input.params;
        if let Some(body) = input.body {
            seen["Payload"] = serde_json::from_slice(&body).expect("JSON");
        }
        for member in ["MessageBody", "Message"] {
            if let Some(text) = seen[member].as_str() {
                seen[member] = serde_json::from_str(text).expect("JSON");
            }
        }
        self.seen.lock().expect("no panic").push((operation.to_owned(), seen));
        Some(Ok(Reply::new(json!({}))))
    }

    fn operation_names(&self) -> Vec<&'static str> {
        Vec::new()
    }
}

struct Others {
    lambda: Arc<Recorder>,
    sqs: Arc<Recorder>,
    events: Arc<Recorder>,
}

async fn cloud() -> (Cloud, Others) {
    let others = Others {
        lambda: Recorder::new("lambda"),
        sqs: Recorder::new("sqs"),
        events: Recorder::new("events"),
    };
    let services: Vec<Arc<dyn Service>> =
        vec![Arc::new(S3), others.lambda.clone(), others.sqs.clone(), others.events.clone()];
    let cloud = Cloud::start(services).await;
    check(&cloud, "CreateBucket", json!({}), json!({})).await;
    (cloud, others)
}

/// Waits until no event is under way. The bound is for a broken test only.
async fn delivered(cloud: &Cloud) {
    let mut timers = cloud.engine.store().watch("timers.due");
    loop {
        timers.borrow_and_update();
        let waiting = cloud
            .engine
            .store()
            .read()
            .and_then(|snapshot| snapshot.scan("timers.due", [], 9))
            .expect("timers");
        if !waiting.iter().any(|(_, row)| String::from_utf8_lossy(row).contains("\"event/")) {
            return;
        }
        tokio::time::timeout(std::time::Duration::from_secs(10), timers.changed())
            .await
            .expect("delivery")
            .expect("a store");
    }
}

fn function(name: &str) -> String {
    format!("arn:aws:lambda:us-east-1:000000000000:function:{name}")
}

async fn notify(cloud: &Cloud, configuration: Value, expected: Value) {
    check(
        cloud,
        "PutBucketNotificationConfiguration",
        json!({ "NotificationConfiguration": configuration }),
        expected,
    )
    .await;
}

#[tokio::test]
async fn changes_of_objects_are_told() {
    let (cloud, others) = cloud().await;
    let filter = json!({ "Key": { "FilterRules": [{ "Name": "prefix", "Value": "in/" }] } });
    let configuration = json!({
        "LambdaFunctionConfigurations": [{ "Id": "f", "LambdaFunctionArn": function("f"), "Events": ["s3:ObjectCreated:*"], "Filter": filter }],
        "QueueConfigurations": [{ "QueueArn": "arn:aws:sqs:us-east-1:000000000000:q", "Events": ["s3:ObjectRemoved:*"] }],
        "EventBridgeConfiguration": {},
    });
    notify(&cloud, configuration, json!({})).await;
    put(&cloud, "in/a ü.txt", "hello").await;
    put(&cloud, "out/b", "hello").await;
    check(&cloud, "CopyObject", json!({ "Key": "in/copy", "CopySource": "bucket/out/b" }), json!({})).await;
    check(&cloud, "DeleteObject", json!({ "Key": "out/b" }), json!({})).await;
    check(&cloud, "DeleteObject", json!({ "Key": "never/there" }), json!({})).await;
    delivered(&cloud).await;
    let mut invoked = others.lambda.seen("Invoke");
    invoked.sort_by_key(|input| input["Payload"]["Records"][0]["eventName"].to_string());
    let names: Vec<&Value> =
        invoked.iter().map(|input| &input["Payload"]["Records"][0]["eventName"]).collect();
    assert_eq!(names, ["ObjectCreated:Copy", "ObjectCreated:Put"]);
    assert_eq!(
        (&invoked[1]["FunctionName"], &invoked[1]["InvocationType"]),
        (&json!(function("f")), &json!("Event"))
    );
    let mut record = invoked[1]["Payload"]["Records"][0].clone();
    for generated in ["x-amz-request-id", "x-amz-id-2"] {
        record["responseElements"][generated] = json!("id");
    }
    assert_eq!(
        record,
        json!({
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "us-east-1",
            "eventTime": "2026-11-23T04:05:06.000Z",
            "eventName": "ObjectCreated:Put",
            "userIdentity": { "principalId": "000000000000" },
            "requestParameters": { "sourceIPAddress": "127.0.0.1" },
            "responseElements": { "x-amz-request-id": "id", "x-amz-id-2": "id" },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "f",
                "bucket": { "name": "bucket", "ownerIdentity": { "principalId": "000000000000" }, "arn": "arn:aws:s3:::bucket" },
                "object": {
                    "key": "in/a+%C3%BC.txt",
                    "size": 5,
                    "eTag": "5d41402abc4b2a76b9719d911017c592",
                    "sequencer": "0001A2069435500000",
                },
            },
        })
    );
    let messages: Vec<Value> =
        others.sqs.seen("SendMessage").into_iter().map(|input| input["MessageBody"].clone()).collect();
    let tests = messages.iter().filter(|message| message["Event"] == "s3:TestEvent").count();
    let removed: Vec<&Value> =
        messages.iter().map(|message| &message["Records"][0]).filter(|record| !record.is_null()).collect();
    assert_eq!((tests, removed.len()), (1, 1), "{messages:?}");
    assert_eq!(
        (&removed[0]["eventName"], &removed[0]["s3"]["object"]["key"]),
        (&json!("ObjectRemoved:Delete"), &json!("out/b"))
    );
    let on_bus = others.events.seen("PutEvents");
    let types: Vec<&str> =
        on_bus.iter().filter_map(|input| input["Entries"][0]["DetailType"].as_str()).collect();
    assert_eq!(types.iter().filter(|name| **name == "Object Created").count(), 3);
    assert_eq!(types.iter().filter(|name| **name == "Object Deleted").count(), 1);
    cloud.stop().await;
}

#[tokio::test]
async fn a_delivery_that_fails_is_tried_again_and_a_refused_one_is_not() {
    let (cloud, others) = cloud().await;
    let configuration = json!({ "LambdaFunctionConfigurations": [{ "LambdaFunctionArn": function("f"), "Events": ["s3:ObjectCreated:*"] }] });
    notify(&cloud, configuration, json!({})).await;
    others.lambda.failures.lock().expect("no panic").extend([429, 500]);
    put(&cloud, "k", "x").await;
    let mut timers = cloud.engine.store().watch("timers.due");
    while !others.lambda.failures.lock().expect("no panic").is_empty() {
        cloud.advance(6);
        tokio::time::timeout(std::time::Duration::from_secs(10), timers.changed())
            .await
            .expect("a retry")
            .expect("a store");
    }
    cloud.advance(6);
    delivered(&cloud).await;
    assert_eq!(others.lambda.seen("Invoke").len(), 1);
    others.lambda.failures.lock().expect("no panic").push(403);
    put(&cloud, "k", "x").await;
    delivered(&cloud).await;
    assert_eq!(others.lambda.seen("Invoke").len(), 1);
    cloud.stop().await;
}

#[tokio::test]
async fn configurations_that_cannot_work_are_refused() {
    let (cloud, _) = cloud().await;
    let entry = |arn: &str, event: &str| json!({ "LambdaFunctionArn": arn, "Events": [event] });
    for (entries, message) in [
        (
            json!([entry(&function("missing"), "s3:ObjectCreated:*")]),
            "InvalidArgument: Unable to validate the following destination configurations",
        ),
        (json!([entry("f", "s3:ObjectCreated:*")]), "InvalidArgument: The ARN is not well formed"),
        (
            json!([entry(&function("f"), "s3:Everything")]),
            "InvalidArgument: The event is not supported for notifications",
        ),
        (
            json!([
                entry(&function("f"), "s3:ObjectCreated:*"),
                entry(&function("g"), "s3:ObjectCreated:Put")
            ]),
            "InvalidArgument: Configurations overlap. Configurations on the same bucket cannot share a common event type.",
        ),
    ] {
        notify(&cloud, json!({ "LambdaFunctionConfigurations": entries }), json!(message)).await;
    }
    check(
        &cloud,
        "GetBucketNotificationConfiguration",
        json!({}),
        json!({ "LambdaFunctionConfigurations": null }),
    )
    .await;
    cloud.stop().await;
}

#[tokio::test]
async fn objects_and_uploads_expire_by_rule() {
    let (cloud, _) = cloud().await;
    let tagged = json!({ "Tag": { "Key": "t", "Value": "1" } });
    let rules = json!([
        { "ID": "a", "Status": "Enabled", "Filter": { "Prefix": "tmp/" }, "Expiration": { "Days": 2 } },
        { "ID": "b", "Status": "Enabled", "Filter": tagged, "Expiration": { "Days": 1 } },
        { "ID": "c", "Status": "Disabled", "Filter": { "Prefix": "" }, "Expiration": { "Days": 1 } },
        { "ID": "d", "Status": "Enabled", "Filter": { "Prefix": "" }, "AbortIncompleteMultipartUpload": { "DaysAfterInitiation": 1 } },
    ]);
    check(
        &cloud,
        "PutBucketLifecycleConfiguration",
        json!({ "LifecycleConfiguration": { "Rules": rules } }),
        json!({}),
    )
    .await;
    for (key, tags) in [("tmp/a", ""), ("kept", ""), ("tagged", "t=1")] {
        super::send(&cloud, "PutObject", json!({ "Key": key, "Tagging": tags }), "x").await;
    }
    check(&cloud, "CreateMultipartUpload", json!({ "Key": "upload" }), json!({})).await;
    let keys = |keys: &[&str]| json!({ "Contents": keys.iter().map(|key| json!({ "Key": key })).collect::<Vec<_>>() });
    for (hours, left) in [(24, &["kept", "tagged", "tmp/a"][..]), (24, &["kept", "tmp/a"]), (24, &["kept"])] {
        cloud.advance(hours * 3600);
        cloud.eventually("s3", "ListObjectsV2", json!({ "Bucket": B }), keys(left)).await;
    }
    check(&cloud, "ListMultipartUploads", json!({}), json!({ "Uploads": [] })).await;
    assert_eq!(read(&cloud, json!({ "Key": "kept" })).await, Ok("x".into()));
    cloud.stop().await;
}
