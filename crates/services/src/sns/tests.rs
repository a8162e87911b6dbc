//! Topics as their users and their subscribers see them.

use super::Sns;
use crate::sqs::Sqs;
use crate::testing::{BEGINNING, Cloud, Functions, matches};
use aloft_base::Clock;
use aloft_engine::ResourceContext;
use aloft_store::Store;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:news";

async fn cloud() -> (Cloud, Arc<Functions>) {
    let functions = Arc::<Functions>::default();
    let cloud =
        Cloud::start(vec![functions.clone(), Arc::new(Sns::default()), Arc::new(Sqs::default())]).await;
    (cloud, functions)
}

async fn check(cloud: &Cloud, operation: &str, input: Value, expected: Value) -> Value {
    cloud.check("sns", operation, input, expected).await
}

async fn subscribe(cloud: &Cloud, protocol: &str, endpoint: &str, attributes: Value) -> String {
    let input =
        json!({ "TopicArn": TOPIC, "Protocol": protocol, "Endpoint": endpoint, "Attributes": attributes });
    let answer = check(cloud, "Subscribe", input, json!({ "SubscriptionArn": "*" })).await;
    answer["SubscriptionArn"].as_str().expect("an ARN").to_owned()
}

/// A queue that is subscribed to the topic.
async fn subscribe_queue(cloud: &Cloud, name: &str, attributes: Value) -> String {
    let fifo = if name.ends_with(".fifo") { json!({ "FifoQueue": "true" }) } else { json!({}) };
    cloud.check("sqs", "CreateQueue", json!({ "QueueName": name, "Attributes": fifo }), json!({})).await;
    subscribe(cloud, "sqs", &format!("arn:aws:sqs:us-east-1:000000000000:{name}"), attributes).await
}

async fn received(cloud: &Cloud, queue: &str) -> Vec<Value> {
    cloud.settled().await;
    let input = json!({
        "QueueUrl": format!("http://localhost/000000000000/{queue}"),
        "MaxNumberOfMessages": 10,
        "AttributeNames": ["All"],
        "MessageAttributeNames": ["All"],
    });
    cloud.call("sqs", "ReceiveMessage", input).await["Messages"].as_array().cloned().unwrap_or_default()
}

async fn publish(cloud: &Cloud, message: Value) {
    let mut input = message;
    input["TopicArn"] = TOPIC.into();
    check(cloud, "Publish", input, json!({ "MessageId": "*" })).await;
}

#[tokio::test]
async fn topics_and_subscriptions_are_made_found_and_refused() {
    let (cloud, _) = cloud().await;
    let lambda = "arn:aws:lambda:us-east-1:000000000000:function:f";
    let subscribe = |protocol: &str, endpoint: &str| json!({ "TopicArn": TOPIC, "Protocol": protocol, "Endpoint": endpoint });
    for (operation, input, expected) in [
        (
            "CreateTopic",
            json!({ "Name": "news", "Tags": [{ "Key": "a", "Value": "1" }] }),
            json!({ "TopicArn": TOPIC }),
        ),
        ("CreateTopic", json!({ "Name": "news" }), json!({ "TopicArn": TOPIC })),
        (
            "CreateTopic",
            json!({ "Name": "news", "Attributes": { "DisplayName": "x" } }),
            json!(
                "InvalidParameterException: Invalid parameter: Attributes Reason: Topic already exists with different attributes"
            ),
        ),
        (
            "CreateTopic",
            json!({ "Name": "a b" }),
            json!("InvalidParameterException: Invalid parameter: Topic Name"),
        ),
        (
            "CreateTopic",
            json!({ "Name": "a.fifo" }),
            json!("InvalidParameterException: Invalid parameter: Topic Name"),
        ),
        ("ListTopics", json!({}), json!({ "Topics": [{ "TopicArn": TOPIC }], "NextToken": null })),
        (
            "ListTagsForResource",
            json!({ "ResourceArn": TOPIC }),
            json!({ "Tags": [{ "Key": "a", "Value": "1" }] }),
        ),
        (
            "SetTopicAttributes",
            json!({ "TopicArn": TOPIC, "AttributeName": "DisplayName", "AttributeValue": "n" }),
            json!({}),
        ),
        (
            "SetTopicAttributes",
            json!({ "TopicArn": TOPIC, "AttributeName": "Colour", "AttributeValue": "red" }),
            json!("InvalidParameterException: Invalid parameter: AttributeName"),
        ),
        (
            "Subscribe",
            subscribe("lambda", lambda),
            json!({ "SubscriptionArn": "arn:aws:sns:us-east-1:000000000000:news:*" }),
        ),
        (
            "Subscribe",
            subscribe("email", "a@example.com"),
            json!({ "SubscriptionArn": "pending confirmation" }),
        ),
        (
            "Subscribe",
            subscribe("email", "example"),
            json!("InvalidParameterException: Invalid parameter: Email address"),
        ),
        (
            "Subscribe",
            subscribe("pigeon", "x"),
            json!(
                "InvalidParameterException: Invalid parameter: Amazon SNS does not support this protocol string: pigeon"
            ),
        ),
        (
            "Subscribe",
            json!({ "TopicArn": format!("{TOPIC}x"), "Protocol": "lambda", "Endpoint": lambda }),
            json!("NotFoundException: Topic does not exist"),
        ),
        ("Subscribe", subscribe("firehose", "x"), json!("NotImplemented: *")),
        (
            "GetTopicAttributes",
            json!({ "TopicArn": TOPIC }),
            json!({ "Attributes": {
                "DisplayName": "n", "Owner": "000000000000", "SubscriptionsConfirmed": "1", "SubscriptionsPending": "1",
                "Policy": "*", "EffectiveDeliveryPolicy": "*", "FifoTopic": null,
            } }),
        ),
        (
            "ListSubscriptionsByTopic",
            json!({ "TopicArn": TOPIC }),
            json!({ "Subscriptions": [{ "TopicArn": TOPIC }, { "TopicArn": TOPIC }] }),
        ),
        (
            "Publish",
            json!({ "Message": "x" }),
            json!(
                "InvalidParameterException: Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter"
            ),
        ),
        (
            "Publish",
            json!({ "TopicArn": TOPIC, "Message": "" }),
            json!("InvalidParameterException: Invalid parameter: Empty message"),
        ),
        (
            "Publish",
            json!({ "TopicArn": TOPIC, "Message": "{}", "MessageStructure": "json" }),
            json!(
                "InvalidParameterException: Invalid parameter: Message Structure - No default entry in JSON message body"
            ),
        ),
        (
            "Publish",
            json!({ "TopicArn": TOPIC, "Message": "x".repeat(262_145) }),
            json!("InvalidParameterException: Invalid parameter: Message too long"),
        ),
        ("Publish", json!({ "PhoneNumber": "+4915112345678", "Message": "x" }), json!({ "MessageId": "*" })),
        (
            "Publish",
            json!({ "PhoneNumber": "call me", "Message": "x" }),
            json!("InvalidParameterException: *"),
        ),
        ("DeleteTopic", json!({ "TopicArn": TOPIC }), json!({})),
        ("DeleteTopic", json!({ "TopicArn": TOPIC }), json!({})),
        ("ListSubscriptions", json!({}), json!({ "Subscriptions": [] })),
        (
            "GetTopicAttributes",
            json!({ "TopicArn": TOPIC }),
            json!("NotFoundException: Topic does not exist"),
        ),
    ] {
        check(&cloud, operation, input, expected).await;
    }
    let noted = cloud.engine.store().read().expect("a snapshot").scan("sns.sms", [], 10).expect("rows");
    assert_eq!(noted.len(), 1);
    cloud.stop().await;
}

#[tokio::test]
async fn queues_get_the_envelope_or_the_message_itself() {
    let (cloud, _) = cloud().await;
    check(&cloud, "CreateTopic", json!({ "Name": "news" }), json!({})).await;
    let arn = subscribe_queue(&cloud, "wrapped", json!({})).await;
    subscribe_queue(&cloud, "raw", json!({ "RawMessageDelivery": "true" })).await;
    let attributes = json!({ "n": { "DataType": "Number", "StringValue": "1" } });
    publish(&cloud, json!({ "Message": "a \"b\"", "Subject": "s", "MessageAttributes": attributes })).await;
    let raw = received(&cloud, "raw").await;
    assert!(
        matches(&json!([{ "Body": "a \"b\"", "MessageAttributes": attributes }]), &json!(raw)),
        "{raw:?}"
    );
    let wrapped = received(&cloud, "wrapped").await;
    let body = wrapped[0]["Body"].as_str().expect("a body");
    let start = "{\n  \"Type\" : \"Notification\",\n  \"MessageId\" : \"";
    assert!(body.starts_with(start), "{body}");
    assert!(
        body.contains(
            "\n  \"Message\" : \"a \\\"b\\\"\",\n  \"Timestamp\" : \"2026-11-23T04:05:06.000Z\",\n"
        ),
        "{body}"
    );
    assert!(
        body.ends_with(
            "  \"MessageAttributes\" : {\n    \"n\" : {\"Type\":\"Number\",\"Value\":\"1\"}\n  }\n}"
        ),
        "{body}"
    );
    let parsed: Value = serde_json::from_str(body).expect("JSON");
    let url = parsed["UnsubscribeURL"].as_str().expect("a URL");
    assert_eq!(
        url,
        format!("{}/?Action=Unsubscribe&SubscriptionArn={arn}&Version=2010-03-31", cloud.engine.endpoint())
    );

    publish(&cloud, json!({ "MessageStructure": "json", "Message": "{\"default\":\"d\",\"sqs\":\"q\"}" }))
        .await;
    assert_eq!(received(&cloud, "raw").await[0]["Body"], "q");
    check(&cloud, "Unsubscribe", json!({ "SubscriptionArn": arn }), json!({})).await;
    let entry = |id: &str, message: &str| json!({ "Id": id, "Message": message });
    let batch = json!({ "TopicArn": TOPIC, "PublishBatchRequestEntries": [entry("1", "x"), entry("2", "")] });
    let expected = json!({
        "Successful": [{ "Id": "1", "MessageId": "*" }],
        "Failed": [{ "Id": "2", "Code": "InvalidParameter", "SenderFault": true }],
    });
    check(&cloud, "PublishBatch", batch, expected).await;
    assert_eq!(received(&cloud, "raw").await[0]["Body"], "x");
    assert_eq!(received(&cloud, "wrapped").await.len(), 1, "only what came before it was unsubscribed");
    cloud.stop().await;
}

#[tokio::test]
async fn filters_choose_by_attributes_or_body() {
    let (cloud, functions) = cloud().await;
    check(&cloud, "CreateTopic", json!({ "Name": "news" }), json!({})).await;
    let function = |name: &str| format!("arn:aws:lambda:us-east-1:000000000000:function:{name}");
    let by_attribute =
        subscribe(&cloud, "lambda", &function("a"), json!({ "FilterPolicy": "{\"kind\":[\"order\"]}" }))
            .await;
    let body = json!({ "FilterPolicy": "{\"total\":[{\"numeric\":[\">\",5]}]}", "FilterPolicyScope": "MessageBody" });
    subscribe(&cloud, "lambda", &function("b"), body).await;
    let set = |name: &str, value: &str| json!({ "SubscriptionArn": by_attribute, "AttributeName": name, "AttributeValue": value });
    check(
        &cloud,
        "SetSubscriptionAttributes",
        set("FilterPolicy", "{"),
        json!("InvalidParameterException: Invalid parameter: FilterPolicy: failed to parse JSON."),
    )
    .await;
    check(
        &cloud,
        "SetSubscriptionAttributes",
        set("RawMessageDelivery", "maybe"),
        json!("InvalidParameterException: *"),
    )
    .await;
    let kind = |kind: &str| json!({ "kind": { "DataType": "String", "StringValue": kind } });
    for (message, expected) in [
        (json!({ "Message": "{\"total\":6}", "MessageAttributes": kind("order") }), vec!["a", "b"]),
        (json!({ "Message": "{\"total\":5}", "MessageAttributes": kind("order") }), vec!["a"]),
        (json!({ "Message": "hello", "MessageAttributes": kind("chat") }), vec![]),
    ] {
        publish(&cloud, message.clone()).await;
        cloud.settled().await;
        let mut names: Vec<String> = functions
            .taken()
            .iter()
            .map(|(input, _)| input["FunctionName"].as_str().expect("a name").to_owned())
            .collect();
        names.sort();
        assert_eq!(names, expected.into_iter().map(function).collect::<Vec<_>>(), "{message}");
    }
    check(&cloud, "SetSubscriptionAttributes", set("FilterPolicy", "{}"), json!({})).await;
    let attributes = json!({ "Attributes": { "FilterPolicy": null, "PendingConfirmation": "false", "Protocol": "lambda" } });
    check(&cloud, "GetSubscriptionAttributes", json!({ "SubscriptionArn": by_attribute }), attributes).await;
    publish(&cloud, json!({ "Message": "m", "Subject": "s" })).await;
    cloud.settled().await;
    let taken = functions.taken();
    let event = json!({ "Records": [{
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": by_attribute,
        "Sns": {
            "Type": "Notification", "TopicArn": TOPIC, "Subject": "s", "Message": "m",
            "Timestamp": "2026-11-23T04:05:06.000Z", "SignatureVersion": "1", "SigningCertUrl": "https://*",
            "UnsubscribeUrl": "http://*", "MessageAttributes": {},
        },
    }] });
    assert!(matches(&json!([[{ "InvocationType": "Event" }, event]]), &json!(taken)), "{taken:?}");
    cloud.stop().await;
}

#[tokio::test]
async fn what_cannot_be_delivered_is_tried_again_and_then_goes_to_the_dead_letters() {
    let store = Store::ephemeral().expect("a store");
    let services = || -> Vec<Arc<dyn aloft_engine::Service>> {
        vec![Arc::new(Functions::default()), Arc::new(Sns::default()), Arc::new(Sqs::default())]
    };
    let before = Cloud::start_on(store.clone(), Clock::fixed(BEGINNING), services()).await;
    check(&before, "CreateTopic", json!({ "Name": "news" }), json!({})).await;
    before.check("sqs", "CreateQueue", json!({ "QueueName": "dead" }), json!({})).await;
    let redrive =
        json!({ "RedrivePolicy": "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:dead\"}" });
    let function = |name: &str| format!("arn:aws:lambda:us-east-1:000000000000:function:{name}");
    subscribe(&before, "lambda", &function("broken"), redrive.clone()).await;
    subscribe(&before, "lambda", &function("missing"), redrive).await;
    publish(&before, json!({ "Message": "m" })).await;
    let dead = received(&before, "dead").await;
    let error = json!({ "ErrorCode": { "StringValue": "404" }, "ErrorMessage": { "StringValue": "no such function" } });
    assert!(
        matches(
            &json!([{ "Body": "{\"Type\":\"Notification\"*", "MessageAttributes": error }]),
            &json!(dead)
        ),
        "{dead:?}"
    );
    let waiting = |cloud: &Cloud| {
        cloud
            .engine
            .store()
            .read()
            .and_then(|snapshot| snapshot.scan("sns.deliveries", [], 9))
            .expect("rows")
            .len()
    };
    assert_eq!(waiting(&before), 1, "the broken one may work again");
    before.stop().await;
    // The restart shows that nothing lived in memory.
    let after =
        Cloud::start_on(store, Clock::fixed(BEGINNING.add(std::time::Duration::from_secs(1))), services())
            .await;
    after.settled().await;
    assert_eq!(waiting(&after), 1);
    after.stop().await;
}

#[tokio::test]
async fn fifo_topics_keep_order_and_drop_duplicates() {
    let (cloud, _) = cloud().await;
    let topic = "arn:aws:sns:us-east-1:000000000000:t.fifo";
    check(&cloud, "CreateTopic", json!({ "Name": "t.fifo", "Attributes": { "FifoTopic": "true", "ContentBasedDeduplication": "true" } }), json!({})).await;
    cloud
        .check(
            "sqs",
            "CreateQueue",
            json!({ "QueueName": "q.fifo", "Attributes": { "FifoQueue": "true" } }),
            json!({}),
        )
        .await;
    let input = json!({ "TopicArn": topic, "Protocol": "sqs", "Endpoint": "arn:aws:sqs:us-east-1:000000000000:q.fifo", "Attributes": { "RawMessageDelivery": "true" } });
    check(&cloud, "Subscribe", input, json!({})).await;
    let message = |body: &str| json!({ "TopicArn": topic, "Message": body, "MessageGroupId": "g" });
    check(
        &cloud,
        "Publish",
        json!({ "TopicArn": topic, "Message": "x" }),
        json!("InvalidParameterException: *"),
    )
    .await;
    for body in ["1", "2", "3", "2", "4"] {
        check(&cloud, "Publish", message(body), json!({ "SequenceNumber": "100000000000000000*" })).await;
    }
    let bodies: Vec<Value> =
        received(&cloud, "q.fifo").await.iter().map(|message| message["Body"].clone()).collect();
    assert_eq!(bodies, ["1", "2", "3", "4"]);
    cloud.stop().await;
}

/// Answers the next request with a status, and gives the request.
async fn serve(listener: &TcpListener, status: &str) -> String {
    let (mut stream, _) = listener.accept().await.expect("a connection");
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut buffer).await.expect("bytes");
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let length =
            text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        if text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.len() >= length) {
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.expect("an answer");
            return text;
        }
    }
}

#[tokio::test]
async fn endpoints_confirm_and_are_tried_again() {
    let (cloud, _) = cloud().await;
    check(&cloud, "CreateTopic", json!({ "Name": "news" }), json!({})).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let policy = "{\"healthyRetryPolicy\":{\"numRetries\":2,\"minDelayTarget\":5,\"maxDelayTarget\":5}}";
    assert_eq!(
        subscribe(&cloud, "http", &endpoint, json!({ "DeliveryPolicy": policy })).await,
        "pending confirmation"
    );
    let asked = serve(&listener, "200 OK").await;
    assert!(
        asked.starts_with("POST /hook HTTP/1.1\r\n")
            && asked.contains("x-amz-sns-message-type: SubscriptionConfirmation\r\n"),
        "{asked}"
    );
    let body: Value = serde_json::from_str(asked.split_once("\r\n\r\n").expect("a body").1).expect("JSON");
    publish(&cloud, json!({ "Message": "too early" })).await;
    let confirm = json!({ "TopicArn": TOPIC, "Token": body["Token"] });
    check(
        &cloud,
        "ConfirmSubscription",
        json!({ "TopicArn": TOPIC, "Token": "x" }),
        json!("InvalidParameterException: Invalid parameter: Token"),
    )
    .await;
    check(&cloud, "ConfirmSubscription", confirm, json!({ "SubscriptionArn": "*" })).await;
    publish(&cloud, json!({ "Message": "hello" })).await;
    serve(&listener, "500 Broken").await;
    cloud.settled().await;
    cloud.advance(5);
    let sent = serve(&listener, "204 No Content").await;
    assert!(
        sent.contains("x-amz-sns-message-type: Notification\r\n") && sent.contains("\"Message\" : \"hello\""),
        "{sent}"
    );
    cloud.settled().await;
    assert!(
        cloud
            .engine
            .store()
            .read()
            .expect("a snapshot")
            .scan("sns.deliveries", [], 9)
            .expect("rows")
            .is_empty()
    );
    cloud.stop().await;
}

#[tokio::test]
async fn stacks_make_change_and_delete_topics() {
    let (cloud, _) = cloud().await;
    let mut resource = ResourceContext {
        context: cloud.context.clone(),
        stack_name: "shop-dev".to_owned(),
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/shop-dev/1".to_owned(),
        logical_id: "News".to_owned(),
        tags: serde_json::Map::new(),
        token: "ABCDEFGHIJKL".to_owned(),
        resuming: false,
    };
    let handler = |name: &str| {
        super::cloudformation::RESOURCES.iter().find(|kind| kind.name == name).expect("a type").handler
    };
    let lambda = |name: &str| json!({ "Protocol": "lambda", "Endpoint": format!("arn:aws:lambda:us-east-1:000000000000:function:{name}") });
    let old = json!({ "DisplayName": "n", "Subscription": [lambda("a"), lambda("b")] });
    let topic = handler("AWS::SNS::Topic").create(&resource, &old).await.expect("a topic");
    assert_eq!(topic.attributes["TopicName"], "shop-dev-News-ABCDEFGHIJKL");
    let new = json!({ "Subscription": [lambda("b"), lambda("c")] });
    handler("AWS::SNS::Topic").update(&resource, &topic.physical_id, &old, &new).await.expect("an update");
    resource.logical_id = "Queue".to_owned();
    let properties = json!({
        "TopicArn": topic.physical_id, "Protocol": "sqs", "Endpoint": "arn:aws:sqs:us-east-1:000000000000:q",
        "RawMessageDelivery": true, "FilterPolicyScope": "MessageBody", "FilterPolicy": { "a": { "b": [1] } },
    });
    let subscription =
        handler("AWS::SNS::Subscription").create(&resource, &properties).await.expect("a subscription");
    let attributes =
        json!({ "Attributes": { "RawMessageDelivery": "true", "FilterPolicy": "{\"a\":{\"b\":[1]}}" } });
    check(
        &cloud,
        "GetSubscriptionAttributes",
        json!({ "SubscriptionArn": subscription.physical_id }),
        attributes,
    )
    .await;
    let attributes = json!({ "Attributes": { "DisplayName": "", "SubscriptionsConfirmed": "3" } });
    check(&cloud, "GetTopicAttributes", json!({ "TopicArn": topic.physical_id }), attributes).await;
    handler("AWS::SNS::Subscription")
        .delete(&resource, &subscription.physical_id, &properties)
        .await
        .expect("gone");
    for _ in 0..2 {
        handler("AWS::SNS::Topic").delete(&resource, &topic.physical_id, &new).await.expect("gone");
    }
    cloud.stop().await;
}
