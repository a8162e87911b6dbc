//! What functions answer: the ways of writing a handler.

use super::{Bench, function};

struct Case {
    handler: &'static str,
    files: &'static [(&'static str, &'static str)],
    expected: &'static str,
}

/// Each case in an environment of its own, all at the same time.
async fn check(runtime: &str, cases: &[Case]) {
    let bench = Bench::new();
    let running = cases.iter().enumerate().map(|(number, case)| {
        let mut spec = function(runtime, case.handler, bench.code(case.files));
        spec.name = format!("function-{number}");
        let bench = &bench;
        async move { (case, bench.invoke(&spec, r#"{"name":"Ada"}"#).await) }
    });
    for (case, outcome) in futures(running).await {
        let seen = String::from_utf8_lossy(&outcome.payload);
        assert_eq!(
            (seen.as_ref(), outcome.error),
            (case.expected, None),
            "{} {:?}",
            case.handler,
            case.files
        );
    }
    bench.end().await;
}

/// Runs them, four at a time.
async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    let mut done = Vec::new();
    while !all.is_empty() {
        let (a, b) = (all.remove(0), if all.is_empty() { None } else { Some(all.remove(0)) });
        match b {
            None => done.push(a.await),
            Some(b) => {
                let (a, b) = tokio::join!(a, b);
                done.extend([a, b]);
            }
        }
    }
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodejs() {
    let case = |handler, files, expected| Case { handler, files, expected };
    check(
        "nodejs20.x",
        &[
            case(
                "index.handler",
                &[("index.js", "exports.handler = async (event) => ({ hello: event.name, é: '✓' })")],
                r#"{"hello":"Ada","é":"✓"}"#,
            ),
            case(
                "index.handler",
                &[("index.js", "exports.handler = (event, context, callback) => setTimeout(() => callback(null, event.name), 5)")],
                r#""Ada""#,
            ),
            case("index.handler", &[("index.js", "exports.handler = () => Promise.resolve([1, 2])")], "[1,2]"),
            case("index.handler", &[("index.js", "exports.handler = async () => {}")], "null"),
            // Neither a promise nor a callback: with nothing left to do the answer is null.
            case("index.handler", &[("index.js", "exports.handler = () => 'ignored'")], "null"),
            case("index.handler", &[("index.js", "exports.handler = (event, context) => context.succeed('old')")], r#""old""#),
            case("index.handler", &[("index.js", "exports.handler = (event, context) => context.done(null, 'done')")], r#""done""#),
            case(
                "index.handler",
                &[("index.js", "exports.handler = (e, context, callback) => { context.callbackWaitsForEmptyEventLoop = false; setInterval(() => {}, 1000); callback(null, 'at once') }")],
                r#""at once""#,
            ),
            case(
                "index.handler",
                &[("index.js", "exports.handler = (e, context, callback) => { const order = []; setTimeout(() => order.push('late'), 20); callback(null, order) }")],
                r#"["late"]"#,
            ),
            case(
                "index.handler",
                &[("index.mjs", "import fs from 'node:fs'; const ready = await Promise.resolve('esm'); export const handler = async (event) => ready + event.name + typeof fs.readFileSync")],
                r#""esmAdafunction""#,
            ),
            case(
                "src/api/users.create",
                &[
                    ("package.json", r#"{"type":"module"}"#),
                    ("src/api/users.js", "import { twice } from '../lib.js'; export const create = async (event) => twice(event.name)"),
                    ("src/lib.js", "export const twice = (text) => text + text"),
                ],
                r#""AdaAda""#,
            ),
            case("index.api.v1.get", &[("index.js", "exports.api = { v1: { get: async () => 'nested' } }")], r#""nested""#),
            case("index.handler", &[("index.cjs", "exports.handler = async () => require('./lib.cjs')"), ("lib.cjs", "module.exports = 7")], "7"),
            case("index.handler", &[("index.mjs", "export default { handler: async () => 'default' }")], r#""default""#),
            case(
                "index.handler",
                &[("index.js", "exports.handler = awslambda.streamifyResponse(async (event, stream) => { stream.write('one '); await new Promise((done) => setTimeout(done, 5)); stream.end('two') })")],
                "one two",
            ),
            case(
                "index.handler",
                &[("index.js", "exports.handler = awslambda.streamifyResponse(async (event, stream) => { stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { a: 'b' } }); stream.end('made') })")],
                r#"{"statusCode":201,"headers":{"a":"b"},"body":"made","isBase64Encoded":false}"#,
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python() {
    let case = |handler, files, expected| Case { handler, files, expected };
    check(
        "python3.11",
        &[
            case("index.handler", &[("index.py", "def handler(event, context):\n    return {'hello': event['name'], 'é': '✓'}")], r#"{"hello": "Ada", "é": "✓"}"#),
            case("index.handler", &[("index.py", "def handler(event, context):\n    pass")], "null"),
            case(
                "src/api/users.create",
                &[("src/api/users.py", "from src.lib import twice\n\ndef create(event, context):\n    return twice(event['name'])"), ("src/lib.py", "def twice(text):\n    return text + text")],
                r#""AdaAda""#,
            ),
            case("index.handler", &[("index.py", "from decimal import Decimal\n\ndef handler(event, context):\n    return Decimal('1.5')")], "1.5"),
            // A module of the package goes before one of the same name elsewhere.
            case("index.handler", &[("index.py", "import bootstrap\n\ndef handler(event, context):\n    return bootstrap.mine"), ("bootstrap.py", "mine = True")], "true"),
            case("index.handler", &[("index.py", "import asyncio\n\nasync def work():\n    await asyncio.sleep(0)\n    return 'async'\n\ndef handler(event, context):\n    return asyncio.run(work())")], r#""async""#),
        ],
    )
    .await;
}

/// An executable that uses an HTTP library as AWS documents the interface.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn provided() {
    let client = r#"#!/usr/bin/env python3
import http.client, json, os
api = os.environ["AWS_LAMBDA_RUNTIME_API"]
while True:
    connection = http.client.HTTPConnection(api)
    connection.request("GET", "/2018-06-01/runtime/invocation/next")
    answer = connection.getresponse()
    names = ["Request-Id", "Function-Arn", "Trace-Id"]
    seen = {"event": json.load(answer), "handler": os.environ["_HANDLER"]}
    seen["headers"] = [answer.headers["Lambda-Runtime-Aws-Request-Id"], answer.headers["Lambda-Runtime-Invoked-Function-Arn"],
        answer.headers["Lambda-Runtime-Trace-Id"], int(answer.headers["Lambda-Runtime-Deadline-Ms"]) > 1700000000000]
    connection = http.client.HTTPConnection(api)
    path = "/2018-06-01/runtime/invocation/" + seen["headers"][0] + "/response"
    # Chunked, since the body's length is not known beforehand.
    connection.request("POST", path, iter([json.dumps(seen).encode()]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
    connection.getresponse().read()
"#;
    let bench = Bench::new();
    let spec = function("provided.al2023", "anything", bench.code(&[("bootstrap", client)]));
    for _ in 0..2 {
        let outcome = bench.invoke(&spec, r#"{"name":"Ada"}"#).await;
        let seen = String::from_utf8_lossy(&outcome.payload);
        assert_eq!(
            seen,
            r#"{"event": {"name": "Ada"}, "handler": "anything", "headers": ["8476a536-e9f4-11e8-9739-2dfe598c3fcd", "arn:aws:lambda:us-east-1:000000000000:function:greeter", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0", true]}"#
        );
    }
    assert_eq!(bench.workers.status().environments[0].invocations, 2);
    bench.end().await;
}

/// A script of the function's that is started with the language and its arguments behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrappers() {
    let bench = Bench::new();
    let wrapper = "#!/bin/sh\nexport GREETING=wrapped\nexec \"$@\"\n";
    let code = bench.code(&[
        ("index.py", "import os\n\ndef handler(event, context):\n    return os.environ['GREETING']"),
        ("index.js", "exports.handler = async () => process.env.GREETING"),
    ]);
    let layer = bench.code(&[("bootstrap", wrapper), ("plain", wrapper)]);
    for (runtime, wrapper, expected) in [
        ("python3.11", "/opt/bootstrap", r#""wrapped""#),
        ("nodejs20.x", "/opt/bootstrap", r#""wrapped""#),
        ("nodejs20.x", "/var/task/absent", "*fork/exec /var/task/absent: no such file or directory*"),
        ("nodejs20.x", "/opt/plain", "*Runtime.InvalidEntrypoint*fork/exec /opt/plain: permission denied*"),
    ] {
        let mut spec = function(runtime, "index.handler", &code);
        spec.name = format!("{}-{}", wrapper.replace('/', "-"), spec.runtime);
        spec.layer_directories = vec![layer.clone()];
        spec.environment.insert("AWS_LAMBDA_EXEC_WRAPPER".to_owned(), wrapper.to_owned());
        let outcome = bench.invoke(&spec, "{}").await;
        super::assert_like(&String::from_utf8_lossy(&outcome.payload), expected);
    }
    bench.end().await;
}

/// TypeScript, where Node leaves out types by itself; elsewhere an error that says what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typescript() {
    let bench = Bench::new();
    let source = "export const handler = async (event: { name: string }): Promise<string> => event.name;";
    let mut spec = function("nodejs22.x", "src/index.handler", bench.code(&[("src/index.ts", source)]));
    spec.name = "typed".to_owned();
    let seen = bench.invoke(&spec, r#"{"name":"Ada"}"#).await;
    let strips = bench.node("exports.handler = async () => Boolean(process.features.typescript)");
    let expected = match bench.invoke(&strips, "{}").await.payload.as_ref() {
        b"true" => r#""Ada""#,
        _ => {
            r#"{"errorType":"Runtime.ImportModuleError","errorMessage":"index.ts is TypeScript, which Node.js * does not run. Compile it to JavaScript (a bundler such as esbuild does), or install Node.js 22.18 or later.",*"#
        }
    };
    super::assert_like(&String::from_utf8_lossy(&seen.payload), expected);
    bench.end().await;
}
