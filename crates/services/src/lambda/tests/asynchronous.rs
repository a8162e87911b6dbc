//! Events that nobody waits for: tried again, given up, told of, and not lost.

use super::super::events::EVENTS;
use super::*;
use crate::testing::BEGINNING;
use std::path::PathBuf;

/// Succeeds when the event says so.
const MOODY: &str =
    "def handler(event, context):\n    if event['fail']:\n        raise ValueError('no')\n    return event";

fn event(name: &str) -> Value {
    json!({ "FunctionName": name, "InvocationType": "Event" })
}

/// Waits until the only event that waits has failed so often and is to be tried again.
async fn failed(cloud: &Cloud, count: u64) {
    until(cloud, EVENTS, async || {
        let rows = cloud.engine.store().read().and_then(|it| it.scan(EVENTS, [], 10)).expect("rows");
        let row: Value = serde_json::from_slice(&rows.first()?.1).expect("an event");
        (row["failures"] == count).then_some(())
    })
    .await;
}

async fn nothing_left(cloud: &Cloud) {
    for keyspace in [EVENTS, "lambda.event-payloads"] {
        until(cloud, keyspace, async || {
            let rows = cloud.engine.store().read().and_then(|it| it.scan(keyspace, [], 10)).expect("rows");
            rows.is_empty().then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_tried_three_times_and_then_told_of() {
    let cloud = cloud().await;
    for queue in ["good", "bad", "dead"] {
        create_queue(&cloud, queue, json!({})).await;
    }
    let mut input = python("moody", MOODY);
    input["DeadLetterConfig"] = json!({ "TargetArn": queue_arn("dead") });
    create(&cloud, input).await;
    let destinations = json!({
        "OnSuccess": { "Destination": queue_arn("good") }, "OnFailure": { "Destination": queue_arn("bad") },
    });
    let settings = json!({ "FunctionName": "moody", "DestinationConfig": destinations });
    check(&cloud, "PutFunctionEventInvokeConfig", settings, json!("*")).await;

    check_invoke(
        &cloud,
        event("moody"),
        json!({ "fail": false }),
        json!({ "StatusCode": 202, "Payload": null }),
    )
    .await;
    let record = next_message(&cloud, "good").await;
    let record: Value = serde_json::from_str(record["Body"].as_str().expect("a body")).expect("JSON");
    let expected = json!({
        "version": "1.0", "timestamp": "2026-11-23T04:05:06.000Z",
        "requestContext": { "requestId": "*", "functionArn": arn("moody:$LATEST"), "condition": "Success", "approximateInvokeCount": 1 },
        "requestPayload": { "fail": false }, "responseContext": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": null },
        "responsePayload": { "fail": false },
    });
    assert!(matches(&expected, &record), "{record:#}");
    nothing_left(&cloud).await;

    check_invoke(&cloud, event("moody"), json!({ "fail": true }), json!({ "StatusCode": 202 })).await;
    failed(&cloud, 1).await;
    cloud.advance(60);
    failed(&cloud, 2).await;
    cloud.advance(60);
    assert_eq!(ledger(&cloud, 3).await.len(), 3, "the third try is due two minutes after the second");
    cloud.advance(60);
    let record = next_message(&cloud, "bad").await;
    let record: Value = serde_json::from_str(record["Body"].as_str().expect("a body")).expect("JSON");
    let expected = json!({
        "requestContext": { "condition": "RetriesExhausted", "approximateInvokeCount": 3 },
        "responseContext": { "functionError": "Unhandled" }, "responsePayload": { "errorType": "ValueError" },
    });
    assert!(matches(&expected, &record), "{record:#}");
    let letter = next_message(&cloud, "dead").await;
    let expected = json!({
        "Body": "{\"fail\":true}",
        "MessageAttributes": { "RequestID": { "StringValue": record["requestContext"]["requestId"] },
            "ErrorCode": { "StringValue": "200", "DataType": "Number" }, "ErrorMessage": { "StringValue": "no" } },
    });
    assert!(matches(&expected, &letter), "{letter:#}");
    nothing_left(&cloud).await;
    assert_eq!(ledger(&cloud, 4).await.len(), 4);
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_events_and_events_of_a_function_that_may_not_run_are_given_up() {
    let cloud = cloud().await;
    create_queue(&cloud, "bad", json!({})).await;
    create(&cloud, python("moody", MOODY)).await;
    let settings = json!({
        "FunctionName": "moody", "MaximumEventAgeInSeconds": 60,
        "DestinationConfig": { "OnFailure": { "Destination": queue_arn("bad") } },
    });
    check(&cloud, "PutFunctionEventInvokeConfig", settings, json!("*")).await;
    check_invoke(&cloud, event("moody"), json!({ "fail": true }), json!({ "StatusCode": 202 })).await;
    failed(&cloud, 1).await;
    cloud.advance(61);
    let check_condition = async |condition: &str| {
        let record = next_message(&cloud, "bad").await;
        let record: Value = serde_json::from_str(record["Body"].as_str().expect("a body")).expect("JSON");
        assert_eq!(record["requestContext"]["condition"], condition, "{record:#}");
    };
    check_condition("EventAgeExceeded").await;
    let none = json!({ "FunctionName": "moody", "ReservedConcurrentExecutions": 0 });
    check(&cloud, "PutFunctionConcurrency", none, json!("*")).await;
    check_invoke(&cloud, event("moody"), json!({ "fail": false }), json!({ "StatusCode": 202 })).await;
    check_condition("ZeroReservedConcurrency").await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepted_events_and_polled_queues_survive_a_stop() {
    let directory = std::env::temp_dir().join(format!("aloft-lambda-{}", aloft_base::Ids::random().hex(8)));
    let clock = Clock::fixed(BEGINNING);
    let open = || Store::open(&directory).expect("a store");
    {
        let cloud = cloud_on(open(), clock.clone()).await;
        for queue in ["good", "bad", "work"] {
            create_queue(&cloud, queue, json!({})).await;
        }
        create(&cloud, python("moody", MOODY)).await;
        let destinations = json!({
            "OnSuccess": { "Destination": queue_arn("good") }, "OnFailure": { "Destination": queue_arn("bad") },
        });
        let settings =
            json!({ "FunctionName": "moody", "MaximumRetryAttempts": 1, "DestinationConfig": destinations });
        check(&cloud, "PutFunctionEventInvokeConfig", settings, json!("*")).await;
        create(
            &cloud,
            python(
                "worker",
                "def handler(event, context):\n    print('worked', event['Records'][0]['body'])",
            ),
        )
        .await;
        let mapping = json!({ "FunctionName": "worker", "EventSourceArn": queue_arn("work") });
        check(&cloud, "CreateEventSourceMapping", mapping, json!("*")).await;
        check_invoke(&cloud, event("moody"), json!({ "fail": true }), json!({ "StatusCode": 202 })).await;
        failed(&cloud, 1).await;
        cloud.stop().await;
    }
    clock.advance(Duration::from_secs(3600));
    {
        // The code is unpacked again: the directory of the first cloud is not this one's.
        let cloud = cloud_on(open(), clock).await;
        let record = next_message(&cloud, "bad").await;
        assert!(
            record["Body"].as_str().is_some_and(|body| body.contains("\"approximateInvokeCount\":2")),
            "{record}"
        );
        let send = json!({ "QueueUrl": queue_url("work"), "MessageBody": "again" });
        cloud.check("sqs", "SendMessage", send, json!("*")).await;
        log_with(&cloud, "worker", "worked again", 1).await;
        cloud.stop().await;
    }
    removed(directory);
}

fn removed(directory: PathBuf) {
    std::fs::remove_dir_all(directory).expect("removed");
}
