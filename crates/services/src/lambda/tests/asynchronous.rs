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

/// Waits until the first event that waits is as expected.
async fn waits(cloud: &Cloud, expected: Value) {
    until(cloud, EVENTS, async || {
        let rows = cloud.engine.store().read().and_then(|it| it.scan(EVENTS, [], 10)).expect("rows");
        let row: Value = serde_json::from_slice(&rows.first()?.1).expect("an event");
        matches(&expected, &row).then_some(())
    })
    .await;
}

/// Waits until the only event that waits has failed so often and is to be tried again.
async fn failed(cloud: &Cloud, count: u64) {
    waits(cloud, json!({ "failures": count })).await;
}

/// The next message of a queue, which is a record in JSON.
async fn next_record(cloud: &Cloud, queue: &str) -> Value {
    let message = next_message(cloud, queue).await;
    serde_json::from_str(message["Body"].as_str().expect("a body")).expect("JSON")
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
    let record = next_record(&cloud, "good").await;
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
    let record = next_record(&cloud, "bad").await;
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
    let ledger = ledger(&cloud, 4).await;
    assert_eq!(ledger.len(), 4);
    assert!(
        ledger[..3].iter().all(|entry| entry.invocation.request_id == ledger[0].invocation.request_id),
        "{ledger:?}"
    );
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_run_once_when_nothing_fails() {
    const EVENTS_SENT: usize = 40;
    let cloud = cloud().await;
    create(&cloud, python("once", "def handler(event, context):\n    print('ran', event['number'])")).await;
    let sent = (0..EVENTS_SENT).map(|number| {
        let (context, body) =
            (cloud.context.clone(), Some(Bytes::from(json!({ "number": number }).to_string())));
        tokio::spawn(async move { context.call_with_body("lambda", "Invoke", event("once"), body).await })
    });
    for one in sent.collect::<Vec<_>>() {
        one.await.expect("no panic").unwrap_or_else(|error| panic!("{error}"));
    }
    nothing_left(&cloud).await;
    let lines = log_with(&cloud, "once", "ran ", EVENTS_SENT).await;
    for number in 0..EVENTS_SENT {
        assert_eq!(lines.iter().filter(|line| **line == format!("ran {number}\n")).count(), 1, "{number}");
    }
    assert_eq!(ledger(&cloud, EVENTS_SENT).await.len(), EVENTS_SENT);
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_finds_no_room_waits_without_losing_a_try() {
    let cloud = cloud().await;
    create_queue(&cloud, "bad", json!({})).await;
    let code = "import time\ndef handler(event, context):\n    time.sleep(event['seconds'])\n    raise ValueError('no')";
    create(&cloud, python("slow", code)).await;
    let one = json!({ "FunctionName": "slow", "ReservedConcurrentExecutions": 1 });
    check(&cloud, "PutFunctionConcurrency", one, json!("*")).await;
    let settings = json!({
        "FunctionName": "slow", "MaximumRetryAttempts": 0,
        "DestinationConfig": { "OnFailure": { "Destination": queue_arn("bad") } },
    });
    check(&cloud, "PutFunctionEventInvokeConfig", settings, json!("*")).await;
    let busy = tokio::spawn({
        let context = cloud.context.clone();
        let payload = Some(Bytes::from_static(b"{\"seconds\":2}"));
        async move { context.call_with_body("lambda", "Invoke", json!({ "FunctionName": "slow" }), payload).await }
    });
    log_with(&cloud, "slow", "START", 1).await;
    check_invoke(&cloud, json!("slow"), json!({}), json!("TooManyRequestsException: Rate Exceeded.")).await;
    check_invoke(&cloud, event("slow"), json!({ "seconds": 0 }), json!({ "StatusCode": 202 })).await;
    waits(&cloud, json!({ "failures": 0, "refusals": 1 })).await;
    assert!(busy.await.expect("a task").is_ok());
    // After the first refusal it is a second until the next try.
    cloud.advance(1);
    let record = next_record(&cloud, "bad").await;
    let expected =
        json!({ "requestContext": { "condition": "RetriesExhausted", "approximateInvokeCount": 1 } });
    assert!(matches(&expected, &record), "{record:#}");
    nothing_left(&cloud).await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_buses_and_functions_are_told_as_well() {
    let cloud = cloud().await;
    create_queue(&cloud, "seen", json!({})).await;
    let topic = cloud.check("sns", "CreateTopic", json!({ "Name": "told" }), json!("*")).await;
    let topic = topic["TopicArn"].as_str().expect("an ARN").to_owned();
    let subscribe = json!({ "TopicArn": topic, "Protocol": "sqs", "Endpoint": queue_arn("seen") });
    cloud.check("sns", "Subscribe", subscribe, json!("*")).await;
    let rule = json!({ "Name": "results", "EventPattern": r#"{"source":["lambda"]}"# });
    cloud.check("events", "PutRule", rule, json!("*")).await;
    let targets = json!({ "Rule": "results", "Targets": [{ "Id": "1", "Arn": queue_arn("seen"), "InputPath": "$.detail" }] });
    cloud.check("events", "PutTargets", targets, json!({ "FailedEntryCount": 0 })).await;
    let mut input = python("moody", MOODY);
    input["DeadLetterConfig"] = json!({ "TargetArn": topic });
    create(&cloud, input).await;
    create(
        &cloud,
        python(
            "next",
            "def handler(event, context):\n    print('told', event['requestContext']['condition'])",
        ),
    )
    .await;
    let bus = "arn:aws:events:us-east-1:000000000000:event-bus/default";
    for (on_success, on_failure, fails) in
        [(bus, bus, false), (&arn("next"), &topic, false), (bus, &topic, true), (bus, bus, true)]
    {
        let settings = json!({
            "FunctionName": "moody", "MaximumRetryAttempts": 0,
            "DestinationConfig": { "OnSuccess": { "Destination": on_success }, "OnFailure": { "Destination": on_failure } },
        });
        check(&cloud, "PutFunctionEventInvokeConfig", settings, json!("*")).await;
        check_invoke(&cloud, event("moody"), json!({ "fail": fails }), json!({ "StatusCode": 202 })).await;
        let from_topic = |body: &Value| -> Value {
            let message = body["Message"].as_str().expect("a message");
            serde_json::from_str(message).expect("JSON")
        };
        let condition = if fails { "RetriesExhausted" } else { "Success" };
        if on_success != bus {
            log_with(&cloud, "next", "told Success", 1).await;
        } else if on_failure == bus {
            let record = next_record(&cloud, "seen").await;
            let record =
                if record["Type"] == "Notification" { next_record(&cloud, "seen").await } else { record };
            assert_eq!(record["requestContext"]["condition"], condition, "{record:#}");
        } else {
            // The record, and the event itself as a dead letter.
            let mut both = [next_record(&cloud, "seen").await, next_record(&cloud, "seen").await];
            both.sort_by_key(|it| it["MessageAttributes"].is_object());
            assert_eq!(from_topic(&both[0])["requestContext"]["condition"], condition, "{both:#?}");
            assert_eq!(from_topic(&both[1]), json!({ "fail": true }), "{both:#?}");
            assert_eq!(both[1]["MessageAttributes"]["ErrorCode"]["Value"], "200", "{both:#?}");
        }
    }
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
        let record = next_record(&cloud, "bad").await;
        assert_eq!(record["requestContext"]["condition"], condition, "{record:#}");
    };
    check_condition("EventAgeExceeded").await;
    let settings = json!({ "FunctionName": "moody", "DestinationConfig": { "OnFailure": { "Destination": queue_arn("bad") } } });
    check(&cloud, "PutFunctionEventInvokeConfig", settings, json!({ "MaximumEventAgeInSeconds": null }))
        .await;
    check_invoke(&cloud, event("moody"), json!({ "fail": true }), json!({ "StatusCode": 202 })).await;
    failed(&cloud, 1).await;
    // Six hours, when the function says nothing.
    cloud.advance(6 * 3600 + 1);
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
    // What another test of this process is about to start has the files open for a moment.
    let open = || {
        loop {
            match Store::open(&directory) {
                Err(aloft_store::StoreError::InUse(_)) => std::thread::yield_now(),
                opened => return opened.expect("a store"),
            }
        }
    };
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
