//! Queues that feed functions.

use super::*;

async fn send(cloud: &Cloud, queue: &str, body: &str, more: Value) {
    let mut input = json!({ "QueueUrl": queue_url(queue), "MessageBody": body });
    if let (Some(input), Value::Object(more)) = (input.as_object_mut(), more) {
        input.extend(more);
    }
    cloud.check("sqs", "SendMessage", input, json!({ "MessageId": "*" })).await;
}

/// Waits until a queue has so many messages that are visible, and that are not.
async fn counted(cloud: &Cloud, queue: &str, visible: &str, hidden: &str) {
    let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
    let input = json!({ "QueueUrl": queue_url(queue), "AttributeNames": names });
    let expected = json!({ "Attributes": { names[0]: visible, names[1]: hidden } });
    until(cloud, "sqs.messages", async || {
        matches(&expected, &cloud.call("sqs", "GetQueueAttributes", input.clone()).await).then_some(())
    })
    .await;
}

const WORKER: &str = r#"
import json
def handler(event, context):
    print("event", json.dumps(event))
    failed = [r["messageId"] for r in event["Records"] if "bad" in r["body"]]
    return {"batchItemFailures": [{"itemIdentifier": i} for i in failed]}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_fail_come_again_and_at_last_are_dead() {
    let cloud = cloud().await;
    create_queue(&cloud, "dead", json!({})).await;
    let policy = json!({ "deadLetterTargetArn": queue_arn("dead"), "maxReceiveCount": 2 }).to_string();
    create_queue(&cloud, "work", json!({ "RedrivePolicy": policy, "VisibilityTimeout": "30" })).await;
    create(&cloud, python("worker", WORKER)).await;
    let attributes = json!({ "MessageAttributes": { "kind": { "DataType": "String", "StringValue": "x" } } });
    send(&cloud, "work", "good", attributes).await;
    send(&cloud, "work", "bad", json!({})).await;
    let mapping = json!({
        "FunctionName": "worker", "EventSourceArn": queue_arn("work"), "FunctionResponseTypes": ["ReportBatchItemFailures"],
    });
    let told = json!({ "UUID": "*", "BatchSize": 10, "State": "Creating", "FunctionArn": arn("worker") });
    let told = check(&cloud, "CreateEventSourceMapping", mapping.clone(), told).await;
    check(
        &cloud,
        "CreateEventSourceMapping",
        mapping,
        json!("ResourceConflictException: The event source arn*"),
    )
    .await;

    let lines = log_with(&cloud, "worker", "event ", 1).await;
    let line = lines.iter().find_map(|line| line.strip_prefix("event ")).expect("an event");
    let event: Value = serde_json::from_str(line).expect("JSON");
    let record = json!({
        "messageId": "*", "receiptHandle": "*", "body": "good", "md5OfBody": "755f85c2723bb39381c7379a604160d8",
        "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1795406706000", "SenderId": "*", "ApproximateFirstReceiveTimestamp": "1795406706000" },
        "messageAttributes": { "kind": { "stringValue": "x", "stringListValues": [], "binaryListValues": [], "dataType": "String" } },
        "eventSource": "aws:sqs", "eventSourceARN": queue_arn("work"), "awsRegion": "us-east-1",
    });
    assert!(matches(&json!({ "Records": [record, { "body": "bad" }] }), &event), "{event:#}");

    counted(&cloud, "work", "0", "1").await;
    cloud.advance(30);
    log_with(&cloud, "worker", "event ", 2).await;
    counted(&cloud, "work", "0", "1").await;
    cloud.advance(30);
    assert_eq!(next_message(&cloud, "dead").await["Body"], "bad");
    counted(&cloud, "work", "0", "0").await;

    let id = &told["UUID"];
    check(
        &cloud,
        "UpdateEventSourceMapping",
        json!({ "UUID": id, "Enabled": false }),
        json!({ "State": "Updating" }),
    )
    .await;
    check(&cloud, "GetEventSourceMapping", json!({ "UUID": id }), json!({ "State": "Disabled" })).await;
    send(&cloud, "work", "later", json!({})).await;
    counted(&cloud, "work", "1", "0").await;
    check(&cloud, "UpdateEventSourceMapping", json!({ "UUID": id, "Enabled": true }), json!("*")).await;
    counted(&cloud, "work", "0", "0").await;
    check(&cloud, "DeleteEventSourceMapping", json!({ "UUID": id }), json!({ "State": "Deleting" })).await;
    check(
        &cloud,
        "ListEventSourceMappings",
        json!({ "FunctionName": "worker" }),
        json!({ "EventSourceMappings": [] }),
    )
    .await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_drop_messages_and_fifo_queues_keep_their_order() {
    let cloud = cloud().await;
    create_queue(&cloud, "plain", json!({})).await;
    create_queue(&cloud, "ordered.fifo", json!({ "FifoQueue": "true", "ContentBasedDeduplication": "true" }))
        .await;
    let code = "def handler(event, context):\n    for r in event['Records']: print('body', r['body'])";
    create(&cloud, python("worker", code)).await;
    let mapping = |queue: &str, more: Value| {
        let mut input = json!({ "FunctionName": "worker", "EventSourceArn": queue_arn(queue) });
        if let (Some(input), Value::Object(more)) = (input.as_object_mut(), more) {
            input.extend(more);
        }
        input
    };
    let filter = |text: &str| json!({ "FilterCriteria": { "Filters": [{ "Pattern": text }] } });
    let refused = |text: &str| json!(format!("InvalidParameterValueException: {text}"));
    for (input, expected) in [
        (
            mapping("none", json!({})),
            refused(
                "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue.*",
            ),
        ),
        (
            mapping("plain", json!({ "BatchSize": 11 })),
            refused("Maximum batch window in seconds must be greater than 0*"),
        ),
        (
            mapping("ordered.fifo", json!({ "BatchSize": 11 })),
            refused("Batch size must be between 1 and 10*"),
        ),
        (
            mapping("plain", json!({ "StartingPosition": "LATEST" })),
            refused("StartingPosition is not valid for SQS*"),
        ),
        (mapping("plain", filter("{\"body\": 1}")), refused("Invalid filter pattern definition.*")),
        (mapping("plain", filter(r#"{"body":{"kind":["order"]}}"#)), json!({ "UUID": "*" })),
        (mapping("ordered.fifo", json!({ "BatchSize": 2 })), json!({ "UUID": "*" })),
    ] {
        check(&cloud, "CreateEventSourceMapping", input, expected).await;
    }
    check(
        &cloud,
        "UpdateFunctionConfiguration",
        json!({ "FunctionName": "worker", "Timeout": 60 }),
        json!("*"),
    )
    .await;
    create_queue(&cloud, "short", json!({})).await;
    let short = refused("Queue visibility timeout: 30 seconds is less than Function timeout: 60 seconds");
    check(&cloud, "CreateEventSourceMapping", mapping("short", json!({})), short).await;

    for body in ["text", r#"{"kind":"other"}"#, r#"{"kind":"order"}"#] {
        send(&cloud, "plain", body, json!({})).await;
    }
    let lines = log_with(&cloud, "worker", "body ", 1).await;
    assert!(lines.contains(&"body {\"kind\":\"order\"}\n".to_owned()), "{lines:?}");
    counted(&cloud, "plain", "0", "0").await;
    for number in 0..6 {
        send(&cloud, "ordered.fifo", &number.to_string(), json!({ "MessageGroupId": "g" })).await;
    }
    let lines = log_with(&cloud, "worker", "body ", 7).await;
    let numbers: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("body "))
        .filter(|it| !it.starts_with('{'))
        .collect();
    assert_eq!(numbers, ["0\n", "1\n", "2\n", "3\n", "4\n", "5\n"]);
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_of_a_fifo_queue_run_beside_each_other_and_each_in_its_order() {
    let cloud = cloud().await;
    create_queue(&cloud, "work.fifo", json!({ "FifoQueue": "true", "ContentBasedDeduplication": "true" }))
        .await;
    let code = "
import time
def handler(event, context):
    for r in event['Records']:
        group = r['attributes']['MessageGroupId']
        if r['body'] == 'b1' and int(r['attributes']['ApproximateReceiveCount']) == 1:
            raise ValueError('not yet')
        print('done', time.monotonic_ns(), group, r['body'])
";
    create(&cloud, python("worker", code)).await;
    for number in 0..4 {
        for group in ["a", "b"] {
            let more = json!({ "MessageGroupId": group });
            send(&cloud, "work.fifo", &format!("{group}{number}"), more).await;
        }
    }
    let mapping =
        json!({ "FunctionName": "worker", "EventSourceArn": queue_arn("work.fifo"), "BatchSize": 1 });
    check(&cloud, "CreateEventSourceMapping", mapping, json!({ "UUID": "*" })).await;
    let done = async |count: usize| -> Vec<String> {
        let mut lines = log_with(&cloud, "worker", "done ", count).await;
        // The cloud's clock stands still, and environments have logs of their own.
        lines.sort();
        lines
            .iter()
            .filter_map(|line| Some(line.strip_prefix("done ")?.trim().split_once(' ')?.1.to_owned()))
            .collect()
    };
    // What comes behind the message that failed waits for it; the other group does not.
    let first = done(5).await;
    let of = |lines: &[String], group: &str| -> Vec<String> {
        lines.iter().filter(|it| it.starts_with(group)).cloned().collect()
    };
    assert_eq!(of(&first, "a"), ["a a0", "a a1", "a a2", "a a3"]);
    assert_eq!(of(&first, "b"), ["b b0"]);
    counted(&cloud, "work.fifo", "2", "1").await;
    cloud.advance(30);
    assert_eq!(of(&done(8).await, "b"), ["b b0", "b b1", "b b2", "b b3"]);
    cloud.stop().await;
}
