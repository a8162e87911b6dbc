//! Queues as their users see them.

use super::Sqs;
use crate::testing::{BEGINNING, Cloud};
use aloft_base::Clock;
use aloft_engine::{ResourceContext, Update};
use aloft_store::Store;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

async fn cloud() -> Cloud {
    Cloud::start(vec![Arc::new(Sqs::default())]).await
}

fn url(name: &str) -> String {
    format!("http://localhost/000000000000/{name}")
}

fn arn(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{name}")
}

async fn check(cloud: &Cloud, operation: &str, input: Value, expected: Value) -> Value {
    cloud.check("sqs", operation, input, expected).await
}

async fn create(cloud: &Cloud, name: &str, attributes: Value) {
    check(
        cloud,
        "CreateQueue",
        json!({ "QueueName": name, "Attributes": attributes }),
        json!({ "QueueUrl": "*" }),
    )
    .await;
}

/// Receives up to ten messages and gives their bodies and receipt handles.
async fn receive(cloud: &Cloud, name: &str) -> Vec<(String, String)> {
    let answer = cloud
        .call("sqs", "ReceiveMessage", json!({ "QueueUrl": url(name), "MaxNumberOfMessages": 10 }))
        .await;
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
    messages.iter().map(|message| (text(&message["Body"]), text(&message["ReceiptHandle"]))).collect()
}

async fn bodies(cloud: &Cloud, name: &str) -> Vec<String> {
    receive(cloud, name).await.into_iter().map(|(body, _)| body).collect()
}

async fn delete(cloud: &Cloud, name: &str, handle: &str) {
    check(cloud, "DeleteMessage", json!({ "QueueUrl": url(name), "ReceiptHandle": handle }), json!({})).await;
}

async fn counts(cloud: &Cloud, name: &str, expected: [&str; 3]) {
    let names = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    ];
    let attributes = json!({ names[0]: expected[0], names[1]: expected[1], names[2]: expected[2] });
    let input = json!({ "QueueUrl": url(name), "AttributeNames": ["All"] });
    check(cloud, "GetQueueAttributes", input, json!({ "Attributes": attributes })).await;
}

#[tokio::test]
async fn queues_are_made_found_and_refused() {
    let cloud = cloud().await;
    let named = |name: &str, attributes: Value| json!({ "QueueName": name, "Attributes": attributes });
    let address = format!("{}/000000000000/orders", cloud.engine.endpoint());
    for (operation, input, expected) in [
        ("CreateQueue", named("orders", json!({ "DelaySeconds": "5" })), json!({ "QueueUrl": address })),
        (
            "CreateQueue",
            named("orders", json!({ "VisibilityTimeout": "30" })),
            json!({ "QueueUrl": address }),
        ),
        (
            "CreateQueue",
            named("orders", json!({ "DelaySeconds": "6" })),
            json!(
                "QueueNameExists: A queue already exists with the same name and a different value for attribute DelaySeconds"
            ),
        ),
        (
            "CreateQueue",
            named("or ders", json!({})),
            json!("InvalidParameterValue: Can only include alphanumeric*"),
        ),
        (
            "CreateQueue",
            named("a", json!({ "Colour": "red" })),
            json!("InvalidAttributeName: Unknown Attribute Colour."),
        ),
        (
            "CreateQueue",
            named("a", json!({ "DelaySeconds": "901" })),
            json!("InvalidAttributeValue: Invalid value for the parameter DelaySeconds."),
        ),
        (
            "CreateQueue",
            named("a", json!({ "FifoQueue": "true" })),
            json!("InvalidParameterValue: The name of a FIFO queue*"),
        ),
        (
            "CreateQueue",
            named("a", json!({ "ContentBasedDeduplication": "true" })),
            json!(
                "InvalidAttributeName: You can specify the ContentBasedDeduplication only when FifoQueue is set to true."
            ),
        ),
        (
            "CreateQueue",
            named(
                "a",
                json!({ "RedrivePolicy": json!({ "deadLetterTargetArn": arn("none"), "maxReceiveCount": 3 }).to_string() }),
            ),
            json!("InvalidParameterValue: Value {*"),
        ),
        ("GetQueueUrl", json!({ "QueueName": "orders" }), json!({ "QueueUrl": address })),
        (
            "GetQueueUrl",
            json!({ "QueueName": "none" }),
            json!("QueueDoesNotExist: The specified queue does not exist."),
        ),
        ("ListQueues", json!({ "QueueNamePrefix": "or" }), json!({ "QueueUrls": [address] })),
        ("ListQueues", json!({ "QueueNamePrefix": "x" }), json!({ "QueueUrls": null })),
        ("TagQueue", json!({ "QueueUrl": address, "Tags": { "a": "1", "b": "2" } }), json!({})),
        ("UntagQueue", json!({ "QueueUrl": address, "TagKeys": ["a"] }), json!({})),
        ("ListQueueTags", json!({ "QueueUrl": address }), json!({ "Tags": { "a": null, "b": "2" } })),
        (
            "SetQueueAttributes",
            json!({ "QueueUrl": address, "Attributes": { "MaximumMessageSize": "1024" } }),
            json!({}),
        ),
        (
            "GetQueueAttributes",
            json!({ "QueueUrl": address, "AttributeNames": ["All"] }),
            json!({ "Attributes": {
                "QueueArn": arn("orders"),
                "DelaySeconds": "5",
                "MaximumMessageSize": "1024",
                "MessageRetentionPeriod": "345600",
                "CreatedTimestamp": BEGINNING.seconds().to_string(),
                "FifoQueue": null,
                "RedrivePolicy": null,
            } }),
        ),
        (
            "AddPermission",
            json!({ "QueueUrl": address, "Label": "l", "AWSAccountIds": ["111111111111"], "Actions": ["SendMessage"] }),
            json!({}),
        ),
        (
            "GetQueueAttributes",
            json!({ "QueueUrl": address, "AttributeNames": ["Policy"] }),
            json!({ "Attributes": { "Policy": "{\"Version\":\"2008-10-17\"*", "QueueArn": null } }),
        ),
        ("RemovePermission", json!({ "QueueUrl": address, "Label": "l" }), json!({})),
        ("DeleteQueue", json!({ "QueueUrl": address }), json!({})),
        ("DeleteQueue", json!({ "QueueUrl": address }), json!("QueueDoesNotExist: *")),
    ] {
        check(&cloud, operation, input, expected).await;
    }
    cloud.stop().await;
}

#[tokio::test]
async fn a_message_is_sent_received_and_deleted() {
    let cloud = cloud().await;
    create(&cloud, "q", json!({})).await;
    let attributes = json!({
        "n": { "DataType": "Number", "StringValue": "1" },
        "b.x": { "DataType": "Binary.png", "BinaryValue": "AQI=" },
    });
    // The digests are Python's hashlib over the documented encoding.
    let sent = json!({
        "MessageId": "*",
        "MD5OfMessageBody": "5d41402abc4b2a76b9719d911017c592",
        "MD5OfMessageAttributes": "3ff8964a4885f698c778828fc20efbee",
        "SequenceNumber": null,
    });
    let input = json!({ "QueueUrl": url("q"), "MessageBody": "hello", "MessageAttributes": attributes });
    check(&cloud, "SendMessage", input, sent).await;
    counts(&cloud, "q", ["1", "0", "0"]).await;
    let input = json!({ "QueueUrl": url("q"), "AttributeNames": ["All"], "MessageAttributeNames": ["b.*"] });
    let expected = json!({ "Messages": [{
        "Body": "hello",
        "MD5OfBody": "5d41402abc4b2a76b9719d911017c592",
        "ReceiptHandle": "*",
        "Attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": BEGINNING.millis().to_string(),
            "SenderId": "000000000000",
            "MessageGroupId": null,
        },
        "MessageAttributes": { "b.x": { "DataType": "Binary.png", "BinaryValue": "AQI=" }, "n": null },
    }] });
    let answer = check(&cloud, "ReceiveMessage", input, expected).await;
    let first = answer["Messages"][0]["ReceiptHandle"].as_str().expect("a handle").to_owned();
    counts(&cloud, "q", ["0", "1", "0"]).await;
    assert!(bodies(&cloud, "q").await.is_empty());

    // Back early, then by its timeout; a handle of an earlier receive deletes nothing.
    let change = |handle: &str, timeout: i64| json!({ "QueueUrl": url("q"), "ReceiptHandle": handle, "VisibilityTimeout": timeout });
    check(&cloud, "ChangeMessageVisibility", change(&first, 0), json!({})).await;
    check(&cloud, "ChangeMessageVisibility", change(&first, 9), json!("MessageNotInflight: *")).await;
    assert_eq!(bodies(&cloud, "q").await, ["hello"]);
    delete(&cloud, "q", &first).await;
    cloud.advance(30);
    let (_, second) = receive(&cloud, "q").await.remove(0);
    check(&cloud, "ChangeMessageVisibility", change(&second, 43_201), json!("InvalidParameterValue: *"))
        .await;
    check(&cloud, "ChangeMessageVisibility", change("nonsense", 1), json!("ReceiptHandleIsInvalid: *")).await;
    delete(&cloud, "q", &second).await;
    counts(&cloud, "q", ["0", "0", "0"]).await;
    check(&cloud, "ChangeMessageVisibility", change(&second, 1), json!("InvalidParameterValue: *")).await;

    // Delays, retention, purge.
    check(
        &cloud,
        "SendMessage",
        json!({ "QueueUrl": url("q"), "MessageBody": "late", "DelaySeconds": 60 }),
        json!({}),
    )
    .await;
    counts(&cloud, "q", ["0", "0", "1"]).await;
    assert!(bodies(&cloud, "q").await.is_empty());
    cloud.advance(60);
    assert_eq!(bodies(&cloud, "q").await, ["late"]);
    cloud.advance(345_600);
    counts(&cloud, "q", ["0", "0", "0"]).await;
    assert!(bodies(&cloud, "q").await.is_empty());
    check(&cloud, "SendMessage", json!({ "QueueUrl": url("q"), "MessageBody": "x" }), json!({})).await;
    check(&cloud, "PurgeQueue", json!({ "QueueUrl": url("q") }), json!({})).await;
    counts(&cloud, "q", ["0", "0", "0"]).await;
    cloud.stop().await;
}

#[tokio::test]
async fn what_may_not_be_sent_is_refused() {
    let cloud = cloud().await;
    create(&cloud, "q", json!({ "MaximumMessageSize": "1024" })).await;
    create(&cloud, "f.fifo", json!({ "FifoQueue": "true" })).await;
    let attribute = |kind: &str, value: &str| json!({ "a": { "DataType": kind, "StringValue": value } });
    for (queue, extra, expected) in [
        ("q", json!({ "MessageBody": "a\u{0}b" }), "InvalidMessageContents: *"),
        (
            "q",
            json!({ "MessageBody": "" }),
            "MissingParameter: The request must contain the parameter MessageBody.",
        ),
        (
            "q",
            json!({ "MessageBody": "x".repeat(1025) }),
            "InvalidParameterValue: One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.",
        ),
        (
            "q",
            json!({ "MessageBody": "x", "DelaySeconds": 901 }),
            "InvalidParameterValue: Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.",
        ),
        ("q", json!({ "MessageBody": "x", "MessageDeduplicationId": "1" }), "InvalidParameterValue: *"),
        (
            "q",
            json!({ "MessageBody": "x", "MessageAttributes": attribute("Text", "v") }),
            "InvalidParameterValue: The message attribute 'a' has an invalid message attribute type*",
        ),
        (
            "q",
            json!({ "MessageBody": "x", "MessageAttributes": attribute("String", "") }),
            "InvalidParameterValue: The message attribute 'a' must contain non-empty*",
        ),
        (
            "q",
            json!({ "MessageBody": "x", "MessageAttributes": attribute("Number", "v") }),
            "InvalidParameterValue: Can't cast*",
        ),
        (
            "f.fifo",
            json!({ "MessageBody": "x" }),
            "MissingParameter: The request must contain the parameter MessageGroupId.",
        ),
        (
            "f.fifo",
            json!({ "MessageBody": "x", "MessageGroupId": "g" }),
            "InvalidParameterValue: The queue should either have*",
        ),
        ("none", json!({ "MessageBody": "x" }), "QueueDoesNotExist: *"),
    ] {
        let mut input = extra;
        input["QueueUrl"] = url(queue).into();
        check(&cloud, "SendMessage", input, json!(expected)).await;
    }
    let entry = |id: &str, body: &str| json!({ "Id": id, "MessageBody": body });
    for (entries, expected) in [
        (vec![], json!("EmptyBatchRequest: *")),
        (vec![entry("a", "x"), entry("a", "x")], json!("BatchEntryIdsNotDistinct: Id a repeated.")),
        (vec![entry("a b", "x")], json!("InvalidBatchEntryId: *")),
        ((0..11).map(|n| entry(&n.to_string(), "x")).collect(), json!("TooManyEntriesInBatchRequest: *")),
        (
            vec![entry("a", "x"), entry("b", "\u{1}")],
            json!({
                "Successful": [{ "Id": "a", "MessageId": "*" }],
                "Failed": [{ "Id": "b", "SenderFault": true, "Code": "InvalidMessageContents" }],
            }),
        ),
    ] {
        check(&cloud, "SendMessageBatch", json!({ "QueueUrl": url("q"), "Entries": entries }), expected)
            .await;
    }
    assert_eq!(bodies(&cloud, "q").await, ["x"]);
    cloud.stop().await;
}

#[tokio::test]
async fn groups_keep_their_order_and_duplicates_are_dropped() {
    let cloud = cloud().await;
    create(&cloud, "f.fifo", json!({ "FifoQueue": "true", "ContentBasedDeduplication": "true" })).await;
    let send = |group: &str, body: &str| json!({ "QueueUrl": url("f.fifo"), "MessageGroupId": group, "MessageBody": body });
    let mut ids = Vec::new();
    for (group, body) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a3"), ("a", "a1")] {
        let answer = check(&cloud, "SendMessage", send(group, body), json!({ "SequenceNumber": "*" })).await;
        ids.push((answer["MessageId"].clone(), answer["SequenceNumber"].clone()));
    }
    assert_eq!(ids[0], ids[4], "a duplicate is answered as the first was");
    assert!(ids[0].1.as_str() < ids[1].1.as_str());

    let one = json!({ "QueueUrl": url("f.fifo"), "MaxNumberOfMessages": 2 });
    let first =
        check(&cloud, "ReceiveMessage", one, json!({ "Messages": [{ "Body": "a1" }, { "Body": "a2" }] }))
            .await;
    let handle = |at: usize| first["Messages"][at]["ReceiptHandle"].as_str().expect("a handle").to_owned();
    let rest = receive(&cloud, "f.fifo").await;
    assert_eq!(rest.iter().map(|(body, _)| body.as_str()).collect::<Vec<_>>(), ["b1"], "group a is locked");
    delete(&cloud, "f.fifo", &handle(0)).await;
    assert!(bodies(&cloud, "f.fifo").await.is_empty(), "a2 is still in flight");
    let change = json!({ "QueueUrl": url("f.fifo"), "ReceiptHandle": handle(1), "VisibilityTimeout": 0 });
    check(&cloud, "ChangeMessageVisibility", change, json!({})).await;
    let again = receive(&cloud, "f.fifo").await;
    assert_eq!(again.iter().map(|(body, _)| body.as_str()).collect::<Vec<_>>(), ["a2", "a3"]);
    cloud.advance(30);
    let expired = json!({ "QueueUrl": url("f.fifo"), "ReceiptHandle": again[0].1 });
    check(&cloud, "DeleteMessage", expired, json!("InvalidParameterValue: Value*")).await;
    for (_, handle) in receive(&cloud, "f.fifo").await {
        delete(&cloud, "f.fifo", &handle).await;
    }
    counts(&cloud, "f.fifo", ["0", "0", "0"]).await;
    // After five minutes the same content is a new message.
    cloud.advance(300);
    check(&cloud, "SendMessage", send("a", "a1"), json!({})).await;
    assert_eq!(bodies(&cloud, "f.fifo").await, ["a1"]);
    cloud.stop().await;
}

#[tokio::test]
async fn what_is_received_too_often_goes_to_the_dead_letters_and_back() {
    let cloud = cloud().await;
    create(&cloud, "dead", json!({})).await;
    let policy = json!({ "deadLetterTargetArn": arn("dead"), "maxReceiveCount": "2" }).to_string();
    create(&cloud, "q", json!({ "RedrivePolicy": policy, "VisibilityTimeout": "10" })).await;
    check(
        &cloud,
        "ListDeadLetterSourceQueues",
        json!({ "QueueUrl": url("dead") }),
        json!({ "queueUrls": ["*"] }),
    )
    .await;
    for body in ["bad", "worse"] {
        check(&cloud, "SendMessage", json!({ "QueueUrl": url("q"), "MessageBody": body }), json!({})).await;
    }
    for _ in 0..2 {
        assert_eq!(bodies(&cloud, "q").await.len(), 2);
        cloud.advance(10);
    }
    assert!(bodies(&cloud, "q").await.is_empty());
    let input =
        json!({ "QueueUrl": url("dead"), "MessageSystemAttributeNames": ["All"], "VisibilityTimeout": 0 });
    let source = json!({ "Messages": [{ "Attributes": { "DeadLetterQueueSourceArn": arn("q") } }] });
    check(&cloud, "ReceiveMessage", input, source).await;
    counts(&cloud, "dead", ["2", "0", "0"]).await;

    check(
        &cloud,
        "StartMessageMoveTask",
        json!({ "SourceArn": arn("q") }),
        json!("InvalidParameterValue: Source queue must be*"),
    )
    .await;
    check(&cloud, "StartMessageMoveTask", json!({ "SourceArn": arn("dead") }), json!({ "TaskHandle": "*" }))
        .await;
    let done = json!({ "Results": [{ "Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": 2 }] });
    cloud.eventually("sqs", "ListMessageMoveTasks", json!({ "SourceArn": arn("dead") }), done).await;
    counts(&cloud, "dead", ["0", "0", "0"]).await;
    assert_eq!(bodies(&cloud, "q").await, ["bad", "worse"]);

    let denied = json!({ "QueueUrl": url("dead"), "Attributes": { "RedriveAllowPolicy": "{\"redrivePermission\":\"denyAll\"}" } });
    check(&cloud, "SetQueueAttributes", denied, json!({})).await;
    let again = json!({ "QueueUrl": url("q"), "Attributes": { "RedrivePolicy": policy } });
    check(&cloud, "SetQueueAttributes", again, json!("InvalidParameterValue: *")).await;
    cloud.stop().await;
}

#[tokio::test]
async fn a_long_poll_ends_with_a_message_a_jump_of_the_clock_or_nothing() {
    let cloud = cloud().await;
    create(&cloud, "q", json!({ "ReceiveMessageWaitTimeSeconds": "20" })).await;
    let poll = || {
        let context = cloud.context.clone();
        tokio::spawn(
            async move { context.call("sqs", "ReceiveMessage", json!({ "QueueUrl": url("q") })).await },
        )
    };
    let body = |answer: Value| answer["Messages"][0]["Body"].clone();
    let waiting = poll();
    tokio::task::yield_now().await;
    check(&cloud, "SendMessage", json!({ "QueueUrl": url("q"), "MessageBody": "now" }), json!({})).await;
    assert_eq!(body(waiting.await.expect("a task").expect("an answer")), "now");
    // The first is visible again after thirty seconds, which end in a jump.
    let waiting = poll();
    while !waiting.is_finished() {
        cloud.clock.advance(Duration::from_secs(10));
        tokio::task::yield_now().await;
    }
    waiting.await.expect("a task").expect("an answer");
    cloud.stop().await;
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let store = Store::ephemeral().expect("a store");
    let before =
        Cloud::start_on(store.clone(), Clock::fixed(BEGINNING), vec![Arc::new(Sqs::default())]).await;
    create(&before, "q", json!({})).await;
    check(&before, "SendMessage", json!({ "QueueUrl": url("q"), "MessageBody": "kept" }), json!({})).await;
    before.stop().await;
    let after = Cloud::start_on(store, Clock::fixed(BEGINNING), vec![Arc::new(Sqs::default())]).await;
    assert_eq!(bodies(&after, "q").await, ["kept"]);
    after.stop().await;
}

#[tokio::test]
async fn stacks_make_change_and_delete_queues() {
    let cloud = cloud().await;
    let resource = ResourceContext {
        context: cloud.context.clone(),
        stack_name: "shop-dev".to_owned(),
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/shop-dev/1".to_owned(),
        logical_id: "Orders".to_owned(),
        tags: json!({ "STAGE": "dev" }).as_object().cloned().unwrap_or_default(),
        token: "ABCDEFGHIJKL".to_owned(),
        resuming: false,
    };
    let handler = super::cloudformation::RESOURCES[0].handler;
    let old = json!({ "FifoQueue": "true", "VisibilityTimeout": 60, "Tags": [{ "Key": "a", "Value": 1 }] });
    let made = handler.create(&resource, &old).await.expect("a queue");
    let name = "shop-dev-Orders-ABCDEFGHIJKL.fifo";
    assert_eq!(made.attributes["Arn"], arn(name));
    assert_eq!(made.physical_id, format!("{}/000000000000/{name}", cloud.engine.endpoint()));
    check(
        &cloud,
        "ListQueueTags",
        json!({ "QueueUrl": url(name) }),
        json!({ "Tags": { "STAGE": "dev", "a": "1" } }),
    )
    .await;

    let new = json!({ "FifoQueue": true, "DelaySeconds": "3" });
    let replaced = handler.update(&resource, &made.physical_id, &old, &json!({})).await.expect("an update");
    assert_eq!(replaced, Update::Replace);
    let old = json!({ "FifoQueue": true, "VisibilityTimeout": 60, "Tags": [{ "Key": "a", "Value": 1 }] });
    handler.update(&resource, &made.physical_id, &old, &new).await.expect("an update");
    let expected = json!({ "Attributes": { "VisibilityTimeout": "30", "DelaySeconds": "3" } });
    check(
        &cloud,
        "GetQueueAttributes",
        json!({ "QueueUrl": url(name), "AttributeNames": ["All"] }),
        expected,
    )
    .await;
    check(
        &cloud,
        "ListQueueTags",
        json!({ "QueueUrl": url(name) }),
        json!({ "Tags": { "STAGE": "dev", "a": null } }),
    )
    .await;
    for _ in 0..2 {
        handler.delete(&resource, &made.physical_id, &new).await.expect("gone");
    }
    cloud.stop().await;
}
