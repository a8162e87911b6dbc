//! Limits: Lambda's own where nobody says otherwise, others where somebody does; and new code under load.

use super::*;
use crate::testing::BEGINNING;
use aloft_base::ByteSize;
use aloft_engine::{FunctionLimits, Options};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

fn with(mut input: Value, members: Value) -> Value {
    if let (Some(input), Value::Object(members)) = (input.as_object_mut(), members) {
        input.extend(members);
    }
    input
}

/// How a refusal of variables that are too large begins.
fn too_many_variables(kilobytes: u32) -> Value {
    refused(&format!(
        "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the {kilobytes}KB limit.*"
    ))
}

fn refused(text: &str) -> Value {
    json!(format!("InvalidParameterValueException: {text}"))
}

/// Publishes layers and gives their ARNs.
async fn layers(cloud: &Cloud, count: usize) -> Vec<String> {
    let mut arns = Vec::new();
    for number in 0..count {
        let content = json!({ "ZipFile": zipped("python/shared.py", &format!("WORD = {number}")) });
        let input = json!({ "LayerName": format!("layer-{number}"), "Content": content });
        let told = check(cloud, "PublishLayerVersion", input, json!({ "LayerVersionArn": "*" })).await;
        arns.push(told["LayerVersionArn"].as_str().expect("an ARN").to_owned());
    }
    arns
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packages_layers_and_variables_of_lambdas_sizes() {
    let cloud = cloud().await;
    let named = |members: Value| with(python("f", "def handler(e, c): return 1"), members);
    let arns = layers(&cloud, 6).await;
    // As JSON, `{"LONG":"xxx"}` has eleven characters around the value.
    let environment =
        |length: usize| json!({ "Environment": { "Variables": { "LONG": "x".repeat(length - 11) } } });
    // Bytes that do not compress count as they are in a zip that stores them.
    let zip = |bytes: usize| BASE64.encode(zip::stored(&[("main.py", &vec![b'#'; bytes])]));
    let around = zip::stored(&[("main.py", b"")]).len();
    let of_size = |bytes: usize| json!({ "Code": { "ZipFile": zip(bytes - around) } });
    let zipped_limit = 50 * 1024 * 1024;
    for (members, expected) in [
        (environment(4097), too_many_variables(4)),
        (json!({ "Layers": arns }), refused("Cannot reference more than 5 layers.")),
        (of_size(zipped_limit + 1), json!("RequestTooLargeException: *")),
        (
            with(environment(4096), with(json!({ "Layers": arns[..5] }), of_size(zipped_limit))),
            json!({ "CodeSize": zipped_limit, "State": "Active" }),
        ),
    ] {
        check(&cloud, "CreateFunction", named(members), expected).await;
    }
    let limits = json!({ "AccountLimit": {
        "CodeSizeUnzipped": 262_144_000, "CodeSizeZipped": 52_428_800, "ConcurrentExecutions": 1000 } });
    check(&cloud, "GetAccountSettings", json!({}), limits).await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_can_be_changed() {
    let limits = FunctionLimits {
        concurrent_executions: 3,
        burst: 2,
        init_timeout: Duration::from_millis(400),
        synchronous_payload: ByteSize(2000),
        asynchronous_payload: ByteSize(1000),
        environment: ByteSize(1024),
        unzipped_package: ByteSize(5000),
        layers: 1,
        open_files: 99,
        processes: 40,
        ..FunctionLimits::default()
    };
    let options = Options { limits, ..Options::default() };
    let store = Store::ephemeral().expect("a store");
    let cloud = Cloud::start_with(store, Clock::fixed(BEGINNING), services(), options).await;
    let code = "
import os, resource, time
if os.environ.get('SLOW'):
    time.sleep(60)
def handler(event, context):
    time.sleep(event.get('s', 0))
    return event.get('n', 0) * 'x' or resource.getrlimit(resource.RLIMIT_NOFILE)[0]
";
    let named = |members: Value| with(python("f", code), members);
    let arns = layers(&cloud, 2).await;
    let variables = |text: &str| json!({ "Environment": { "Variables": { "LONG": text } } });
    let large = zipped("main.py", &"#".repeat(5001));
    for (members, expected) in [
        (variables(&"x".repeat(1020)), too_many_variables(1)),
        (json!({ "Layers": arns }), refused("Cannot reference more than 1 layers.")),
        (json!({ "Code": { "ZipFile": large } }), refused("Unzipped size must be smaller than 5000 bytes")),
        (json!({ "Timeout": 2 }), json!({ "State": "Active" })),
    ] {
        check(&cloud, "CreateFunction", named(members), expected).await;
    }
    check_invoke(&cloud, json!("f"), json!({}), json!({ "Payload": 99 })).await;
    let too_large = json!("RequestTooLargeException: Request must be smaller than 2000 bytes*");
    check_invoke(&cloud, json!("f"), json!("x".repeat(2000)), too_large).await;
    let event = json!({ "FunctionName": "f", "InvocationType": "Event" });
    let too_large = json!("RequestTooLargeException: Request must be smaller than 1000 bytes*");
    check_invoke(&cloud, event, json!("x".repeat(1000)), too_large).await;
    let answer = json!({ "Payload": { "errorType": "Function.ResponseSizeTooLarge", "errorMessage": "Response payload size exceeded maximum allowed payload size (2100 bytes)." } });
    check_invoke(&cloud, json!("f"), json!({ "n": 3000 }), answer).await;

    // Two start at once, the third one is too much of a burst; later three run, and the fourth is one too many.
    let all = async |count: usize| {
        let one = || invoke(&cloud, json!("f"), json!({ "s": 1 }));
        let (a, b, c, d) =
            tokio::join!(one(), one(), one(), async { if count > 3 { one().await } else { Value::Null } });
        [a, b, c, d].into_iter().filter(|it| *it == json!("TooManyRequestsException: Rate Exceeded.")).count()
    };
    assert_eq!(all(3).await, 1);
    cloud.advance(10);
    assert_eq!(all(4).await, 1);
    let some = json!({ "FunctionName": "f", "ReservedConcurrentExecutions": 1 });
    check(&cloud, "PutFunctionConcurrency", some, refused("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [3].")).await;
    let told = json!({ "AccountLimit": { "ConcurrentExecutions": 3, "UnreservedConcurrentExecutions": 3 } });
    check(&cloud, "GetAccountSettings", json!({}), told).await;

    let slow = json!({ "FunctionName": "f", "Environment": { "Variables": { "SLOW": "1" } } });
    check(&cloud, "UpdateFunctionConfiguration", slow, json!("*")).await;
    let late = check_invoke(&cloud, json!("f"), json!({}), json!({ "FunctionError": "Unhandled" })).await;
    let message = late["Payload"]["errorMessage"].as_str().unwrap_or_default();
    assert!(message.ends_with("Task timed out after 2.00 seconds"), "{late}");
    let lines = log_with(&cloud, "f", "INIT_REPORT Init Duration: 400.00 ms", 1).await;
    assert!(lines.iter().any(|it| it.contains("Status: timeout")), "{lines:?}");
    cloud.stop().await;
}

/// New code, again and again, while requests come: none fails, none goes back, and who has begun ends with the code that
/// he began with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_code_under_load() {
    let cloud = cloud().await;
    let code = |number: u32| {
        format!(
            "import time\nbegun = {number}\ndef handler(event, context):\n    time.sleep(event['s'])\n    return [begun, {number}]"
        )
    };
    create(&cloud, python("f", &code(0))).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..3)
        .map(|number| {
            let (context, is_over) = (cloud.context.clone(), is_over.clone());
            tokio::spawn(async move {
                let mut seen: Vec<u64> = Vec::new();
                while !is_over.load(Ordering::SeqCst) {
                    let body = Some(Bytes::from(format!(r#"{{"s":{}}}"#, f64::from(number) * 0.05)));
                    let input = json!({ "FunctionName": "f" });
                    let reply = context.call_with_body("lambda", "Invoke", input, body).await;
                    let reply = reply.unwrap_or_else(|error| panic!("{error}"));
                    assert!(reply.params.get("FunctionError").is_none(), "{:?}", reply.bytes());
                    let told: [u64; 2] = serde_json::from_slice(&reply.bytes()).expect("two numbers");
                    assert_eq!(told[0], told[1]);
                    seen.push(told[0]);
                }
                seen
            })
        })
        .collect();
    for number in 1..=8 {
        // One that is under way when the code changes.
        let (context, before) = (cloud.context.clone(), number - 1);
        let under_way = tokio::spawn(async move {
            let body = Some(Bytes::from_static(b"{\"s\":0.3}"));
            context.call_with_body("lambda", "Invoke", json!({ "FunctionName": "f" }), body).await
        });
        ledger(&cloud, 3 * number as usize).await;
        let update = json!({ "FunctionName": "f", "ZipFile": zipped("main.py", &code(number)) });
        check(&cloud, "UpdateFunctionCode", update, json!({ "LastUpdateStatus": "Successful" })).await;
        // From the answer on it is the new one for everybody who comes.
        let expected = json!({ "Payload": [number, number] });
        check_invoke(&cloud, json!("f"), json!({ "s": 0 }), expected).await;
        let reply = under_way.await.expect("no panic").unwrap_or_else(|error| panic!("{error}"));
        let told: [u32; 2] = serde_json::from_slice(&reply.bytes()).expect("two numbers");
        assert!(told[0] == told[1] && told[0] >= before, "{told:?} after {before}");
    }
    is_over.store(true, Ordering::SeqCst);
    let mut versions = BTreeSet::new();
    for sender in senders {
        let seen = sender.await.expect("none failed");
        assert!(seen.is_sorted(), "{seen:?}");
        versions.extend(seen);
    }
    assert!(versions.len() >= 4, "{versions:?}");
    cloud.stop().await;
}
