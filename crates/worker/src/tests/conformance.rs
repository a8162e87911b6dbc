//! The official runtime clients, unmodified, against our Runtime API: `awslambdaric` for Python, `aws-lambda-ric` for
//! Node.js and the crate `lambda_runtime`. `cargo xtask setup` builds them.

use super::{Bench, event, function};
use crate::{FunctionError, FunctionSpec, ResponseStream, StreamPiece};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// A client that was built, as a layer or as code.
fn built(name: &str) -> Option<PathBuf> {
    let layer = aloft_testkit::cache().join("conformance");
    let place = layer.join(name);
    if !place.exists() {
        eprintln!("{} is absent: run `cargo xtask setup`", place.display());
        return None;
    }
    Some(layer)
}

/// A function whose language is started with an official client.
fn with_client(
    bench: &Bench,
    layer: PathBuf,
    runtime: &str,
    file: &str,
    source: &str,
    client: &str,
) -> FunctionSpec {
    let wrapper = format!("#!/bin/sh\nexec \"$1\" {client} index.handler\n");
    let code = bench.code(&[(file, source), ("client/bootstrap", &wrapper)]);
    let mut spec = function(runtime, "index.handler", code);
    spec.layer_directories = vec![layer];
    let wrapper = "/var/task/client/bootstrap".to_owned();
    spec.environment.insert("AWS_LAMBDA_EXEC_WRAPPER".to_owned(), wrapper);
    spec
}

/// What all of them must do: answers with their contexts, errors, answers that are too large, all in one environment;
/// and an initialisation that fails.
async fn check(bench: &Bench, spec: FunctionSpec, error: &str) {
    let mut invocation = event(r#"{"name":"Ada"}"#);
    invocation.client_context = Some(
        r#"{"client":{"installation_id":"i","app_title":"Title","app_version_name":"1","app_version_code":"1","app_package_name":"p"},"custom":{},"env":{}}"#.to_owned(),
    );
    let shared = Arc::new(spec.clone());
    for _ in 0..2 {
        let outcome = bench.workers.invoke(shared.clone(), invocation.clone()).await.expect("it takes place");
        let seen: Value = serde_json::from_slice(&outcome.payload).expect("JSON");
        let expected = json!({
            "event": { "name": "Ada" },
            "id": invocation.request_id,
            "arn": invocation.function_arn,
            "client": "Title",
            "function": "greeter",
        });
        assert_eq!((seen, outcome.error), (expected, None), "{:#?}", bench.logged());
    }
    let failed = bench.invoke(&spec, r#"{"fail":true}"#).await;
    let answer: Value = serde_json::from_slice(&failed.payload).expect("JSON");
    assert_eq!(failed.error, Some(FunctionError::Handled));
    assert_eq!((&answer["errorType"], &answer["errorMessage"]), (&json!(error), &json!("as asked")));
    assert_eq!(bench.invoke(&spec, r#"{"size":1000000}"#).await.payload.len(), 1_000_002);
    let environments = bench.workers.status().environments;
    assert_eq!((environments.len(), environments[0].invocations), (1, 4));
    let large = bench.invoke(&spec, r#"{"size":7000000}"#).await;
    assert_eq!(large.error, Some(FunctionError::Unhandled));
    assert!(String::from_utf8_lossy(&large.payload).contains("Function.ResponseSizeTooLarge"));

    let mut failing = spec;
    failing.name = "failing".to_owned();
    failing.environment.insert("GREETING".to_owned(), "fail".to_owned());
    let outcome = bench.invoke(&failing, "{}").await;
    assert_eq!(outcome.error, Some(FunctionError::Unhandled), "{:?}", outcome.payload);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python() {
    let Some(layer) = built("python/awslambdaric") else { return };
    let bench = Bench::new();
    let source = r#"
import os
if os.environ["GREETING"] == "fail":
    raise RuntimeError("the initialisation fails")

def handler(event, context):
    if "fail" in event:
        raise ValueError("as asked")
    if "size" in event:
        return "x" * event["size"]
    return {"event": event, "id": context.aws_request_id, "arn": context.invoked_function_arn,
        "client": context.client_context.client.app_title, "function": context.function_name}
"#;
    let spec = with_client(&bench, layer, "python3.11", "index.py", source, "-m awslambdaric");
    check(&bench, spec, "ValueError").await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodejs() {
    let Some(layer) = built("nodejs/node_modules/aws-lambda-ric/rapid-client.node") else { return };
    let bench = Bench::new();
    let root = if bench.workers.isolates() { "/opt".into() } else { layer.to_string_lossy() };
    let client = format!("{root}/nodejs/node_modules/aws-lambda-ric/index.mjs");
    let source = r#"
if (process.env.GREETING === 'fail') throw new Error('the initialisation fails');
exports.handler = async (event, context) => {
  if (event.fail) throw new RangeError('as asked');
  if (event.size) return 'x'.repeat(event.size);
  return { event, id: context.awsRequestId, arn: context.invokedFunctionArn,
    client: context.clientContext.client.app_title, function: context.functionName };
};"#;
    let spec = with_client(&bench, layer.clone(), "nodejs20.x", "index.js", source, &client);
    check(&bench, spec, "RangeError").await;

    // Answers that come piece by piece, whole and cut off by an error.
    let source = r#"
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201 });
  stream.write('one ');
  await new Promise((done) => setTimeout(done, 20));
  if (event.fail) throw new RangeError('half-way');
  stream.end('two');
});"#;
    let mut spec = with_client(&bench, layer, "nodejs20.x", "index.js", source, &client);
    spec.name = "streaming".to_owned();
    let whole = bench.invoke(&spec, "{}").await;
    assert_eq!(whole.payload, r#"{"statusCode":201,"body":"one two","isBase64Encoded":false}"#);
    for (payload, text, error) in [
        ("{}", "{\"statusCode\":201}\0\0\0\0\0\0\0\0one two", None),
        (r#"{"fail":true}"#, "{\"statusCode\":201}\0\0\0\0\0\0\0\0one ", Some("half-way")),
    ] {
        let (stream, mut pieces) = ResponseStream::new();
        let mut invocation = event(payload);
        invocation.stream = Some(stream);
        let outcome = bench.workers.invoke(Arc::new(spec.clone()), invocation).await.expect("it takes place");
        assert_eq!(pieces.recv().await, Some(StreamPiece::Begin(crate::HTTP_INTEGRATION.to_owned())));
        let mut seen = Vec::new();
        while let Some(StreamPiece::Data(bytes)) = pieces.recv().await {
            seen.extend(bytes);
        }
        assert_eq!(String::from_utf8_lossy(&seen), text);
        let said: Value = serde_json::from_slice(&outcome.payload).unwrap_or_default();
        assert_eq!(said["errorMessage"].as_str(), error);
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust() {
    let Some(layer) = built("rust/bootstrap") else { return };
    let bench = Bench::new();
    let mut spec = function("provided.al2023", "any", layer.join("rust"));
    spec.timeout = std::time::Duration::from_secs(5);
    let error = "&alloc::boxed::Box<dyn core::error::Error + core::marker::Send + core::marker::Sync>";
    check(&bench, spec, error).await;
    bench.end().await;
}
