//! What a function finds: its environment variables, its context, its directories, layers.

use super::{Bench, Scratch, assert_like, event, function};
use crate::run_once;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables() {
    let bench = Bench::new();
    let mut specs = [
        bench.node("exports.handler = async () => process.env"),
        bench.python("import os\n\ndef handler(event, context):\n    return dict(os.environ)"),
    ];
    for spec in &mut specs {
        spec.name = format!("greeter-{}", &spec.runtime);
        spec.environment.insert("AWS_REGION".to_owned(), "mars-1".to_owned());
        spec.environment.insert("TZ".to_owned(), "Asia/Tokyo".to_owned());
        let seen = parse(&bench.invoke(spec, "{}").await.payload);
        let code = bench.task_root(spec);
        let workers = bench.scratch.path().join("workers");
        let expected = json!({
            "_HANDLER": "index.handler",
            "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EXECUTION_ENV": format!("AWS_Lambda_{}", spec.runtime),
            "AWS_LAMBDA_FUNCTION_NAME": spec.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/greeter",
            "AWS_ACCESS_KEY_ID": "ASIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_SESSION_TOKEN": "token",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            "LAMBDA_TASK_ROOT": code,
            "LANG": "en_US.UTF-8",
            "GREETING": "hello",
            "TZ": "Asia/Tokyo",
        });
        let names = [
            "AWS_LAMBDA_LOG_STREAM_NAME",
            "AWS_LAMBDA_RUNTIME_API",
            "LAMBDA_RUNTIME_DIR",
            "LD_LIBRARY_PATH",
            "PATH",
            "TMPDIR",
        ];
        let of_language = ["NODE_PATH", "PYTHONPATH"];
        let of_shells = ["PWD", "SHLVL", "_", "LC_CTYPE"];
        for (name, value) in seen.as_object().expect("variables") {
            match expected.get(name) {
                Some(expected) => assert_eq!(value, expected, "{name}"),
                None => assert!(
                    [&names[..], &of_language, &of_shells].concat().contains(&name.as_str()),
                    "{name}={value}"
                ),
            }
        }
        assert!(
            expected
                .as_object()
                .expect("an object")
                .keys()
                .chain(&names.map(String::from))
                .all(|it| seen.get(it).is_some())
        );
        assert_like(seen["AWS_LAMBDA_RUNTIME_API"].as_str().expect("text"), "127.0.0.1:*");
        let temporary = format!("{}/environments/*/tmp", workers.display());
        let temporary = if bench.workers.isolates() { "/tmp" } else { &temporary };
        assert_like(seen["TMPDIR"].as_str().expect("text"), temporary);
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contexts() {
    let bench = Bench::new();
    let node = bench.node(
        "exports.handler = async (event, context) => { const left = context.getRemainingTimeInMillis(); return { ...context, left: left > 15000 && left <= 20000, functions: ['succeed', 'fail', 'done'].every((it) => typeof context[it] === 'function') } }",
    );
    let python = bench.python(
        "def handler(event, context):\n    left = context.get_remaining_time_in_millis()\n    names = ['aws_request_id', 'function_name', 'function_version', 'invoked_function_arn', 'log_group_name', 'log_stream_name', 'memory_limit_in_mb']\n    seen = {name: getattr(context, name) for name in names}\n    client, identity = context.client_context, context.identity\n    return {**seen, 'left': 15000 < left <= 20000, 'client': [client.client.app_title, client.custom, client.env], 'identity': [identity.cognito_identity_id, identity.cognito_identity_pool_id]}",
    );
    let mut invocation = event("{}");
    invocation.client_context =
        Some("{\"client\":{\"app_title\":\"Título\"},\n\"custom\":{\"a\":1},\"env\":{}}".to_owned());
    invocation.cognito_identity = Some(r#"{"cognitoIdentityId":"i","cognitoIdentityPoolId":"p"}"#.to_owned());
    let outcome = bench.workers.invoke(Arc::new(node), invocation.clone()).await.expect("it takes place");
    assert_eq!(
        parse(&outcome.payload),
        json!({
            "callbackWaitsForEmptyEventLoop": true,
            "functionVersion": "$LATEST",
            "functionName": "greeter",
            "memoryLimitInMB": "256",
            "logGroupName": "/aws/lambda/greeter",
            "logStreamName": outcome.log_stream,
            "clientContext": { "client": { "app_title": "Título" }, "custom": { "a": 1 }, "env": {} },
            "identity": { "cognitoIdentityId": "i", "cognitoIdentityPoolId": "p" },
            "invokedFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:greeter",
            "awsRequestId": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
            "left": true,
            "functions": true,
        })
    );
    let mut python = python;
    python.name = "other".to_owned();
    let outcome = bench.workers.invoke(Arc::new(python), invocation).await.expect("it takes place");
    assert_eq!(
        parse(&outcome.payload),
        json!({
            "aws_request_id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
            "function_name": "other",
            "function_version": "$LATEST",
            "invoked_function_arn": "arn:aws:lambda:us-east-1:000000000000:function:greeter",
            "log_group_name": "/aws/lambda/greeter",
            "log_stream_name": outcome.log_stream,
            "memory_limit_in_mb": "256",
            "left": true,
            "client": ["Título", { "a": 1 }, {}],
            "identity": ["i", "p"],
        })
    );
    bench.end().await;
}

/// Only the three standard descriptors (and the language's own), an end of input, nothing compiled left in the code,
/// a private temporary directory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn directories_and_descriptors() {
    let bench = Bench::new();
    let mut spec = function(
        "python3.11",
        "index.handler",
        bench.code(&[
            ("index.py", "import os, sys, tempfile, helper\n\ndef handler(event, context):\n    before = os.listdir(tempfile.gettempdir())\n    open(tempfile.gettempdir() + '/mine', 'w').close()\n    targets = []\n    for fd in os.listdir('/proc/self/fd'):\n        try:\n            targets.append(os.readlink('/proc/self/fd/' + fd))\n        except OSError:\n            pass\n    return [before, os.getcwd(), sys.stdin.read(), sorted(it.split(':')[0] for it in targets), helper.name]"),
            ("helper.py", "name = 'helper'"),
        ]),
    );
    spec.layer_directories = vec![bench.code(&[("python/helper.py", "name = 'layer'")])];
    let code = bench.task_root(&spec);
    let first = parse(&bench.invoke(&spec, "{}").await.payload);
    assert_eq!(first, json!([[], code, "", ["/dev/null", "pipe", "pipe", "socket", "socket"], "helper"]));
    let second = parse(&bench.invoke(&spec, "{}").await.payload);
    assert_eq!(second[0], json!(["mine"]));
    let mut left: Vec<_> =
        std::fs::read_dir(&spec.code_directory).expect("code").flatten().map(|it| it.file_name()).collect();
    left.sort();
    assert_eq!(left, ["helper.py", "index.py"]);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn layers() {
    let bench = Bench::new();
    let layers =
        |file: &str, one: &str, two: &str| vec![bench.code(&[(file, one)]), bench.code(&[(file, two)])];
    let mut node = bench.node("exports.handler = async () => require('shared')");
    node.layer_directories =
        layers("nodejs/node_modules/shared/index.js", "module.exports = 'one'", "module.exports = 'two'");
    node.layer_directories.insert(0, "/not/installed".into());
    assert_eq!(bench.invoke(&node, "{}").await.payload, "\"two\"");
    let mut python = bench.python("import shared\n\ndef handler(event, context):\n    return shared.name");
    python.name = "other".to_owned();
    python.layer_directories = layers("python/shared.py", "name = 'one'", "name = 'two'");
    assert_eq!(bench.invoke(&python, "{}").await.payload, "\"two\"");
    bench.end().await;
}

/// Without a cloud: the outcome, and nothing left. The output itself goes to this process's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once() {
    let scratch = Scratch::new();
    std::fs::write(
        scratch.path().join("index.js"),
        "exports.handler = async (event) => [event, process.env.EXTRA, process.env.ALOFT_PLAIN_LOGS]",
    )
    .expect("a file");
    let spec = function("nodejs20.x", "index.handler", scratch.path());
    let inherit = BTreeMap::from([("EXTRA".to_owned(), "more".to_owned())]);
    let outcome = run_once(Arc::new(spec), event("{\"a\":1}"), inherit).await.expect("it takes place");
    assert_eq!(parse(&outcome.payload), json!([{ "a": 1 }, "more", null]));
    assert_eq!(super::processes_of(&scratch.path().to_string_lossy()), Vec::<String>::new());

    let failing = function("nodejs20.x", "absent.handler", scratch.path());
    let outcome = run_once(Arc::new(failing), event("{}"), BTreeMap::new()).await.expect("it takes place");
    assert_like(&String::from_utf8_lossy(&outcome.payload), "{\"errorType\":\"Runtime.ImportModuleError\"*");
}
