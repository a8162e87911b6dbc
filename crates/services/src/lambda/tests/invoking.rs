//! Invocations that somebody waits for.

use super::*;
use aloft_engine::metering::Verdict;

const PYTHON: &str = r#"
import json, os, sys
def handler(event, context):
    print("got", json.dumps(event))
    if "fail" in event:
        raise ValueError("it fails")
    if "exit" in event:
        os._exit(1)
    if "big" in event:
        return "x" * (7 * 1024 * 1024)
    return {"name": context.function_name, "version": context.function_version, "arn": context.invoked_function_arn,
            "key": os.environ["AWS_ACCESS_KEY_ID"][:4], "colour": os.environ.get("COLOUR"), "event": event,
            "client": context.client_context and context.client_context.custom}
"#;

const NODE: &str = r#"
let count = 0;
exports.handler = async (event, context) => {
    console.log("count", ++count);
    if (event.fail) throw new TypeError("it fails");
    return { count, remaining: context.getRemainingTimeInMillis() > 0 };
};
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_answer_and_their_logs_and_bills_are_kept() {
    let cloud = cloud().await;
    let mut input = python("greeter", PYTHON);
    input["Environment"] = json!({ "Variables": { "COLOUR": "red" } });
    create(&cloud, input).await;
    create(&cloud, node("counter", NODE)).await;

    let answer = json!({ "name": "greeter", "version": "$LATEST", "arn": arn("greeter"), "key": "ASIA", "colour": "red",
        "event": { "a": 1 }, "client": null });
    let tail = json!({ "FunctionName": "greeter", "LogType": "Tail" });
    let told = check_invoke(
        &cloud,
        tail,
        json!({ "a": 1 }),
        json!({ "StatusCode": 200, "ExecutedVersion": "$LATEST", "FunctionError": null, "Payload": answer, "LogResult": "*" }),
    )
    .await;
    let tail = BASE64.decode(told["LogResult"].as_str().expect("a log")).expect("base64");
    let tail = String::from_utf8(tail).expect("text");
    assert!(
        tail.starts_with("START RequestId: ") && tail.contains("got {\"a\": 1}\n") && tail.contains("REPORT"),
        "{tail}"
    );

    let client = BASE64.encode(r#"{"custom":{"k":"v"}}"#);
    for (input, payload, expected) in [
        (json!("counter"), json!({}), json!({ "Payload": { "count": 1, "remaining": true } })),
        (json!(arn("counter")), json!(null), json!("*")),
        (json!("000000000000:function:counter"), json!({}), json!({ "Payload": { "count": 3 } })),
        (
            json!({ "FunctionName": "greeter", "ClientContext": client }),
            json!({}),
            json!({ "Payload": { "client": { "k": "v" } } }),
        ),
        (
            json!("greeter"),
            json!({ "fail": 1 }),
            json!({ "StatusCode": 200, "FunctionError": "Unhandled", "Payload": { "errorType": "ValueError", "errorMessage": "it fails" } }),
        ),
        (
            json!("greeter"),
            json!({ "exit": 1 }),
            json!({ "FunctionError": "Unhandled", "Payload": { "errorType": "Runtime.ExitError" } }),
        ),
        (
            json!("greeter"),
            json!({ "big": 1 }),
            json!({ "FunctionError": "Unhandled", "Payload": { "errorType": "Function.ResponseSizeTooLarge" } }),
        ),
        (
            json!("nobody"),
            json!({}),
            json!(
                "ResourceNotFoundException: Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody"
            ),
        ),
        (
            json!("counter:9"),
            json!({}),
            json!(
                "ResourceNotFoundException: Function not found: arn:aws:lambda:us-east-1:000000000000:function:counter:9"
            ),
        ),
        (
            json!({ "FunctionName": "counter:1", "Qualifier": "2" }),
            json!({}),
            json!("InvalidParameterValueException: The derived qualifier*"),
        ),
        (
            json!("a b"),
            json!({}),
            json!("ValidationException: 1 validation error detected: Value 'a b' at 'functionName'*"),
        ),
        (
            json!({ "FunctionName": "counter", "InvocationType": "DryRun" }),
            json!({}),
            json!({ "StatusCode": 204 }),
        ),
        (
            json!("counter"),
            json!("x".repeat(6 * 1024 * 1024)),
            json!(
                "RequestTooLargeException: Request must be smaller than 6291456 bytes for the InvokeFunction operation"
            ),
        ),
        (
            json!({ "FunctionName": "counter", "InvocationType": "Event" }),
            json!("x".repeat(1024 * 1024)),
            json!("RequestTooLargeException: Request must be smaller than 1048576 bytes*"),
        ),
    ] {
        check_invoke(&cloud, input, payload, expected).await;
    }
    let broken = cloud.context.call_with_body(
        "lambda",
        "Invoke",
        json!({ "FunctionName": "counter" }),
        Some("{".into()),
    );
    assert_eq!(broken.await.map(drop).expect_err("refused").code, "InvalidRequestContentException");

    let lines = log_with(&cloud, "greeter", "REPORT", 5).await;
    assert!(lines[0].starts_with("INIT_START") || lines[0].starts_with("START RequestId: "), "{lines:?}");
    assert!(lines.contains(&"got {\"a\": 1}\n".to_owned()), "{lines:?}");
    let streams = json!({ "logGroupName": "/aws/lambda/greeter", "orderBy": "LastEventTime" });
    let told = cloud.check("logs", "DescribeLogStreams", streams, json!({ "logStreams": "*" })).await;
    let name = told["logStreams"][0]["logStreamName"].as_str().expect("a name").to_owned();
    assert!(name.starts_with("2026/11/23/[$LATEST]"), "{name}");

    let entries = ledger(&cloud, 8).await;
    let first = entries.last().expect("an entry");
    let (began, ended) = (&first.invocation, &first.ending);
    assert_eq!((&*began.function.name, &*began.cause, ended.verdict), ("greeter", "root", Verdict::Ok));
    assert!(ended.init_ms.is_some() && ended.billed_ms > 0 && began.function.memory_mb == 128, "{first:?}");
    assert!(entries.iter().any(|it| it.ending.verdict == Verdict::Error));
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_show_in_the_next_invocation() {
    let cloud = cloud().await;
    let code =
        |text: &str| format!("import os\ndef handler(e, c): return '{text}' + os.environ.get('TAIL', '')");
    create(&cloud, python("f", &code("one"))).await;
    check_invoke(&cloud, json!("f"), json!({}), json!({ "Payload": "one" })).await;
    let update = json!({ "FunctionName": "f", "ZipFile": zipped("main.py", &code("two")), "Publish": true });
    check(&cloud, "UpdateFunctionCode", update, json!({ "Version": "1" })).await;
    check_invoke(&cloud, json!("f"), json!({}), json!({ "Payload": "two", "ExecutedVersion": "$LATEST" }))
        .await;
    let update = json!({ "FunctionName": "f", "Environment": { "Variables": { "TAIL": "!" } } });
    check(&cloud, "UpdateFunctionConfiguration", update, json!({ "LastUpdateStatus": "Successful" })).await;
    check_invoke(&cloud, json!("f"), json!({}), json!({ "Payload": "two!" })).await;
    check_invoke(&cloud, json!("f:1"), json!({}), json!({ "Payload": "two", "ExecutedVersion": "1" })).await;

    let alias = json!({ "FunctionName": "f", "Name": "live", "FunctionVersion": "1" });
    check(&cloud, "CreateAlias", alias, json!({ "AliasArn": arn("f:live") })).await;
    check_invoke(&cloud, json!("f:live"), json!({}), json!({ "Payload": "two", "ExecutedVersion": "1" }))
        .await;
    check(&cloud, "PublishVersion", json!({ "FunctionName": "f" }), json!({ "Version": "2" })).await;
    let shared = json!({ "FunctionName": "f", "Name": "live", "RoutingConfig": { "AdditionalVersionWeights": { "2": 0.5 } } });
    check(&cloud, "UpdateAlias", shared, json!({ "FunctionVersion": "1" })).await;
    let mut versions = Vec::new();
    for _ in 0..24 {
        versions.push(invoke(&cloud, json!("f:live"), json!({})).await["ExecutedVersion"].clone());
    }
    assert!(versions.contains(&json!("1")) && versions.contains(&json!("2")), "{versions:?}");

    let slow = "import time\ndef handler(e, c): time.sleep(5)";
    create(&cloud, python("slow", slow)).await;
    check(
        &cloud,
        "UpdateFunctionConfiguration",
        json!({ "FunctionName": "slow", "Timeout": 1 }),
        json!({ "Timeout": 1 }),
    )
    .await;
    let told = invoke(&cloud, json!("slow"), json!({})).await;
    let message = told["Payload"]["errorMessage"].as_str().unwrap_or_default();
    assert!(message.ends_with("Task timed out after 1.00 seconds"), "{told}");
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reserved_concurrency_refuses_what_is_too_much_and_a_missing_language_is_named() {
    let cloud = cloud().await;
    create(&cloud, python("f", "import time\ndef handler(e, c): time.sleep(e.get('s', 0))")).await;
    let reserve = |number: u32| json!({ "FunctionName": "f", "ReservedConcurrentExecutions": number });
    check(
        &cloud,
        "PutFunctionConcurrency",
        reserve(901),
        json!("InvalidParameterValueException: Specified Reserved*"),
    )
    .await;
    check(&cloud, "PutFunctionConcurrency", reserve(1), json!({ "ReservedConcurrentExecutions": 1 })).await;
    check_invoke(&cloud, json!("f"), json!({}), json!({ "StatusCode": 200 })).await;
    let (one, other) = tokio::join!(
        invoke(&cloud, json!("f"), json!({ "s": 1 })),
        invoke(&cloud, json!("f"), json!({ "s": 1 }))
    );
    let refused = json!("TooManyRequestsException: Rate Exceeded.");
    assert!([&one, &other].contains(&&refused) && one != other, "{one} {other}");
    check(&cloud, "PutFunctionConcurrency", reserve(0), json!({})).await;
    check_invoke(&cloud, json!("f"), json!({}), refused).await;
    check(&cloud, "DeleteFunctionConcurrency", json!({ "FunctionName": "f" }), json!({})).await;
    check_invoke(&cloud, json!("f"), json!({}), json!({ "StatusCode": 200 })).await;

    let mut other = python("old", "");
    other["Runtime"] = "cobol85".into();
    create(&cloud, other).await;
    let told = invoke(&cloud, json!("old"), json!({})).await;
    assert!(
        told.as_str().is_some_and(|it| it.starts_with("InvalidRuntimeException: the runtime `cobol85`")),
        "{told}"
    );
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_calls_itself_is_stopped() {
    let cloud = cloud().await;
    create_queue(&cloud, "loop", json!({})).await;
    // As SDKs do, it sends the trace of its invocation with its calls.
    let code = r#"
import os, urllib.request, json
def handler(event, context):
    print("round", event.get("Records") is not None)
    body = json.dumps({"QueueUrl": "http://localhost/000000000000/loop", "MessageBody": "again"}).encode()
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.SendMessage",
        "X-Amzn-Trace-Id": os.environ["_X_AMZN_TRACE_ID"]}
    urllib.request.urlopen(urllib.request.Request(os.environ["AWS_ENDPOINT_URL"], body, headers)).read()
"#;
    create(&cloud, python("self", code)).await;
    let mapping = json!({ "FunctionName": "self", "EventSourceArn": queue_arn("loop") });
    check(&cloud, "CreateEventSourceMapping", mapping, json!("*")).await;
    check(
        &cloud,
        "GetFunctionRecursionConfig",
        json!({ "FunctionName": "self" }),
        json!({ "RecursiveLoop": "Terminate" }),
    )
    .await;
    check_invoke(&cloud, json!("self"), json!({}), json!({ "StatusCode": 200, "FunctionError": null })).await;
    assert_eq!(
        log_with(&cloud, "self", "round ", 16).await.iter().filter(|it| it.starts_with("round")).count(),
        16
    );
    // The message of the sixteenth round stays: it is not visible, and was not deleted.
    let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
    let input = json!({ "QueueUrl": queue_url("loop"), "AttributeNames": names });
    let expected = json!({ "Attributes": { names[0]: "0", names[1]: "1" } });
    until(&cloud, "sqs.messages", async || {
        matches(&expected, &cloud.call("sqs", "GetQueueAttributes", input.clone()).await).then_some(())
    })
    .await;
    assert_eq!(ledger(&cloud, 16).await.len(), 16);
    let allow = json!({ "FunctionName": "self", "RecursiveLoop": "Allow" });
    check(&cloud, "PutFunctionRecursionConfig", allow, json!({ "RecursiveLoop": "Allow" })).await;
    cloud.advance(30);
    log_with(&cloud, "self", "round ", 20).await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_provisioned_is_taken_from_the_account_and_kept_free() {
    let cloud = cloud().await;
    create(&cloud, python("f", "import time\ndef handler(e, c): time.sleep(e.get('s', 0))")).await;
    check(&cloud, "PublishVersion", json!({ "FunctionName": "f" }), json!({ "Version": "1" })).await;
    let of = |qualifier: &str| json!({ "FunctionName": "f", "Qualifier": qualifier });
    let put = |qualifier: &str, count: u64| {
        let mut input = of(qualifier);
        input["ProvisionedConcurrentExecutions"] = count.into();
        input
    };
    let refused = |text: &str| json!(format!("InvalidParameterValueException: {text}"));
    let ready = json!({ "Status": "READY", "AllocatedProvisionedConcurrentExecutions": 1 });
    let missing = json!("ProvisionedConcurrencyConfigNotFoundException: *");
    for (operation, input, expected) in [
        (
            "PutProvisionedConcurrencyConfig",
            put("$LATEST", 1),
            refused("Provisioned Concurrency Configs cannot*"),
        ),
        ("PutProvisionedConcurrencyConfig", put("1", 901), refused("Specified ConcurrentExecutions for*")),
        ("GetProvisionedConcurrencyConfig", of("1"), missing.clone()),
        ("PutProvisionedConcurrencyConfig", put("1", 1), ready.clone()),
        ("GetProvisionedConcurrencyConfig", of("1"), ready),
        (
            "ListProvisionedConcurrencyConfigs",
            json!({ "FunctionName": "f" }),
            json!({ "ProvisionedConcurrencyConfigs": [{ "FunctionArn": arn("f:1") }] }),
        ),
        (
            "GetAccountSettings",
            json!({}),
            json!({ "AccountLimit": { "UnreservedConcurrentExecutions": 999 } }),
        ),
        (
            "PutFunctionConcurrency",
            json!({ "FunctionName": "f", "ReservedConcurrentExecutions": 1 }),
            json!({ "ReservedConcurrentExecutions": 1 }),
        ),
    ] {
        check(&cloud, operation, input, expected).await;
    }
    // All that the function reserves is provisioned for the version.
    let throttled = json!("TooManyRequestsException: Rate Exceeded.");
    check_invoke(&cloud, json!("f"), json!({}), throttled.clone()).await;
    let (one, other) = tokio::join!(
        invoke(&cloud, json!("f:1"), json!({ "s": 1 })),
        invoke(&cloud, json!("f:1"), json!({ "s": 1 }))
    );
    assert!([&one, &other].contains(&&throttled) && one != other, "{one} {other}");
    check(&cloud, "DeleteProvisionedConcurrencyConfig", of("1"), json!({})).await;
    check(&cloud, "GetProvisionedConcurrencyConfig", of("1"), missing).await;
    check_invoke(&cloud, json!("f"), json!({}), json!({ "StatusCode": 200 })).await;
    cloud.stop().await;
}
