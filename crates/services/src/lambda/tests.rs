//! Functions as their users see them: real node and python behind the service.

mod asynchronous;
mod functions;
mod invoking;
mod limits;
mod queues;
mod stacks;
mod streams;
mod urls;

use super::Lambda;
use super::zip;
use crate::cloudformation::CloudFormation;
use crate::dynamodb::DynamoDb;
use crate::dynamodbstreams::DynamoDbStreams;
use crate::events::Events;
use crate::kinesis::Kinesis;
use crate::logs::Logs;
use crate::s3::S3;
use crate::sns::Sns;
use crate::sqs::Sqs;
use crate::testing::{Cloud, matches};
use aloft_base::Clock;
use aloft_engine::{Service, metering};
use aloft_store::Store;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const ROLE: &str = "arn:aws:iam::000000000000:role/tester";

fn services() -> Vec<Arc<dyn Service>> {
    vec![
        Arc::new(CloudFormation),
        Arc::new(DynamoDb),
        Arc::new(DynamoDbStreams),
        Arc::new(Events),
        Arc::new(Kinesis),
        Arc::new(Lambda::default()),
        Arc::new(Logs),
        Arc::new(S3),
        Arc::new(Sns::default()),
        Arc::new(Sqs::default()),
    ]
}

async fn cloud() -> Cloud {
    Cloud::start(services()).await
}

async fn cloud_on(store: Store, clock: Clock) -> Cloud {
    Cloud::start_on(store, clock, services()).await
}

/// A zip with one file, in base64.
fn zipped(file: &str, code: &str) -> String {
    BASE64.encode(zip::stored(&[(file, code.as_bytes())]))
}

fn arn(name: &str) -> String {
    format!("arn:aws:lambda:us-east-1:000000000000:function:{name}")
}

async fn check(cloud: &Cloud, operation: &str, input: Value, expected: Value) -> Value {
    cloud.check("lambda", operation, input, expected).await
}

/// What `CreateFunction` needs for a function of one Python file.
fn python(name: &str, code: &str) -> Value {
    json!({
        "FunctionName": name,
        "Runtime": "python3.12",
        "Handler": "main.handler",
        "Role": ROLE,
        "Code": { "ZipFile": zipped("main.py", code) },
    })
}

/// The same for Node.js.
fn node(name: &str, code: &str) -> Value {
    json!({
        "FunctionName": name,
        "Runtime": "nodejs20.x",
        "Handler": "index.handler",
        "Role": ROLE,
        "Code": { "ZipFile": zipped("index.js", code) },
    })
}

async fn create(cloud: &Cloud, input: Value) {
    check(cloud, "CreateFunction", input, json!({ "State": "Active" })).await;
}

/// Invokes and gives the answer's members with the payload as `Payload`; an error as text.
async fn invoke(cloud: &Cloud, mut input: Value, payload: Value) -> Value {
    if input.is_string() {
        input = json!({ "FunctionName": input });
    }
    let body = Some(Bytes::from(payload.to_string()));
    match cloud.context.call_with_body("lambda", "Invoke", input, body).await {
        Ok(reply) => {
            let mut told = reply.params.clone();
            told["Payload"] = serde_json::from_slice(&reply.bytes()).unwrap_or_default();
            told
        }
        Err(error) => error.to_string().into(),
    }
}

async fn check_invoke(cloud: &Cloud, input: Value, payload: Value, expected: Value) -> Value {
    let told = invoke(cloud, input.clone(), payload).await;
    assert!(matches(&expected, &told), "{input:#}\nexpected {expected:#}\nanswered {told:#}");
    told
}

/// Waits until something that happens in the background shows, looking again whenever the store changes.
async fn until<T>(cloud: &Cloud, keyspace: &'static str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let mut changes = cloud.engine.store().watch(keyspace);
    let all = async {
        loop {
            changes.borrow_and_update();
            if let Some(found) = look().await {
                return found;
            }
            drop(changes.changed().await);
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all).await.expect("it happens in time")
}

/// The messages of a function's log, once there is one that begins so.
async fn log_with(cloud: &Cloud, function: &str, beginning: &str, count: usize) -> Vec<String> {
    let group = format!("/aws/lambda/{function}");
    until(cloud, "logs.events", async || {
        let answer = cloud.call("logs", "FilterLogEvents", json!({ "logGroupName": group })).await;
        let events = answer["events"].as_array().cloned().unwrap_or_default();
        let lines: Vec<String> =
            events.iter().map(|it| it["message"].as_str().unwrap_or_default().to_owned()).collect();
        (lines.iter().filter(|line| line.starts_with(beginning)).count() >= count).then_some(lines)
    })
    .await
}

/// The entries of the ledger, once there are so many.
async fn ledger(cloud: &Cloud, count: usize) -> Vec<metering::Row> {
    until(cloud, metering::ROWS, async || {
        let entries = metering::recent(cloud.engine.store(), 1000).expect("the ledger");
        (entries.len() >= count).then_some(entries)
    })
    .await
}

fn queue_url(name: &str) -> String {
    format!("http://localhost/000000000000/{name}")
}

fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{name}")
}

async fn create_queue(cloud: &Cloud, name: &str, attributes: Value) {
    let input = json!({ "QueueName": name, "Attributes": attributes });
    cloud.check("sqs", "CreateQueue", input, json!({ "QueueUrl": "*" })).await;
}

/// The next message of a queue, which is deleted.
async fn next_message(cloud: &Cloud, name: &str) -> Value {
    let input = json!({
        "QueueUrl": queue_url(name), "WaitTimeSeconds": 20,
        "MessageAttributeNames": ["All"], "AttributeNames": ["All"],
    });
    let answer = cloud.call("sqs", "ReceiveMessage", input).await;
    let message = answer["Messages"][0].clone();
    assert!(message.is_object(), "a message of {name} comes: {answer}");
    let input = json!({ "QueueUrl": queue_url(name), "ReceiptHandle": message["ReceiptHandle"] });
    cloud.check("sqs", "DeleteMessage", input, json!({})).await;
    message
}
