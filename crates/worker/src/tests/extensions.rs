//! Extensions: external ones as processes of their own, internal ones within the runtime; what they hear, how they end.

use super::{Bench, function};
use crate::{FunctionError, FunctionSpec};
use std::collections::BTreeMap;

/// Registers, subscribes, says what it hears. What it does besides is in its environment.
const EXTENSION: &str = r#"#!/usr/bin/env python3
import http.client, http.server, json, os, sys, threading
api, name = os.environ["AWS_LAMBDA_RUNTIME_API"], os.path.basename(sys.argv[0])

def call(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(api)
    connection.request(method, path, body and json.dumps(body), {key.replace("_", "-"): value for key, value in headers.items()})
    answer = connection.getresponse()
    return answer.status, answer.headers, json.loads(answer.read())

class Listener(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        events = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for event in events:
            record = event["record"]
            status = record.get("status", "") if isinstance(record, dict) else record.strip()
            # Not of what it says itself, which would never end.
            if event["type"] != "extension":
                print("heard", event["type"], status, flush=True)
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass

if os.environ.get("CRASH") == "init":
    sys.exit(7)
status, headers, told = call("POST", "/2020-01-01/extension/register", {"events": ["INVOKE", "SHUTDOWN"]},
    Lambda_Extension_Name=name, Lambda_Extension_Accept_Feature="accountId")
print("registered", status, told["functionName"], told["functionVersion"], told["handler"], told["accountId"], "_HANDLER" in os.environ, flush=True)
me = headers["Lambda-Extension-Identifier"]
print("again", *[(it[0], it[2]["errorType"]) for it in [call("POST", "/2020-01-01/extension/register", {"events": []}, Lambda_Extension_Name=name)]], flush=True)
listener = http.server.HTTPServer(("127.0.0.1", 0), Listener)
threading.Thread(target=listener.serve_forever, daemon=True).start()
subscription = {"schemaVersion": "2022-12-13", "types": ["platform", "function"], "buffering": {"timeoutMs": 25},
    "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:%d/" % listener.server_port}}
print("subscribed", *call("PUT", "/2022-07-01/telemetry", subscription, Lambda_Extension_Identifier=me)[::2], flush=True)
if os.environ.get("CRASH") == "report":
    call("POST", "/2020-01-01/extension/init/error", {}, Lambda_Extension_Identifier=me, Lambda_Extension_Function_Error_Type="Extension.NoLicence")
    sys.exit(1)
while True:
    event = call("GET", "/2020-01-01/extension/event/next", Lambda_Extension_Identifier=me)[2]
    print("event", event["eventType"], event.get("requestId", event.get("shutdownReason")), flush=True)
    if event["eventType"] == "SHUTDOWN":
        break
    if os.environ.get("CRASH") == "invoke":
        os._exit(9)
"#;

/// A function with the extension in a layer.
fn with_extension(bench: &Bench, name: &str, crash: &str) -> FunctionSpec {
    let source = "process.on('SIGTERM', () => { console.log('ends'); process.exit(0) })\n\
                  exports.handler = async (event) => { console.log('works'); if (event.exit) process.exit(3); if (event.hang) await new Promise(() => setTimeout(() => {}, 9999)); return 'fine' }";
    let mut spec = bench.node(source);
    spec.name = name.to_owned();
    let layer = bench.code(&[("extensions/bootstrap", EXTENSION), ("extensions/readme", "not executable")]);
    spec.layer_directories = vec![layer];
    spec.environment = BTreeMap::from([("CRASH".to_owned(), crash.to_owned())]);
    spec
}

/// Waits until the log has a line.
async fn until_logged(bench: &Bench, line: &str) {
    let logged = async {
        while !bench.logged().iter().any(|it| super::is_like(it, line)) {
            tokio::task::yield_now().await;
        }
    };
    let seen = tokio::time::timeout(std::time::Duration::from_secs(10), logged).await;
    assert!(seen.is_ok(), "no {line:?} in {:#?}", bench.logged());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn external() {
    let bench = Bench::new();
    let spec = with_extension(&bench, "extended", "");
    assert_eq!(bench.invoke(&spec, "{}").await.payload, "\"fine\"", "{:#?}", bench.logged());
    for line in [
        "registered 200 extended $LATEST index.handler 000000000000 False\n",
        "again (403, 'Extension.AlreadyRegistered')\n",
        "subscribed 200 OK\n",
        "event INVOKE 8476a536-e9f4-11e8-9739-2dfe598c3fcd\n",
        "heard platform.initStart \n",
        "heard platform.telemetrySubscription \n",
        "heard platform.initReport success\n",
        "heard platform.start \n",
        "heard function *works\n",
        "heard platform.runtimeDone success\n",
        "heard platform.report success\n",
    ] {
        until_logged(&bench, line).await;
    }
    assert_eq!(bench.invoke(&spec, "{}").await.payload, "\"fine\"");
    assert_eq!(bench.workers.status().environments[0].invocations, 2);
    // Idle for long: both are told.
    bench.workers.retire(&spec.account, &spec.region, &spec.name);
    until_logged(&bench, "event SHUTDOWN spindown\n").await;
    until_logged(&bench, "*INFO\tends\n").await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures() {
    let bench = Bench::new();
    for (crash, kind, reason) in [
        ("init", "Extension.Crash", "exit code 7"),
        ("report", "Extension.InitError", "Extension.NoLicence"),
        ("invoke", "Extension.Crash", "exit code 9"),
    ] {
        let mut spec = with_extension(&bench, crash, crash);
        spec.environment.insert("HANG".to_owned(), "1".to_owned());
        let outcome = bench.invoke(&spec, r#"{"hang":true}"#).await;
        assert_eq!(outcome.error, Some(FunctionError::Unhandled), "{crash}");
        let payload = String::from_utf8_lossy(&outcome.payload).into_owned();
        assert!(payload.contains(kind) && payload.contains(reason), "{crash}: {payload}");
    }
    // The runtime fails: the extension hears of it, and has the time to say so.
    let spec = with_extension(&bench, "exiting", "");
    let payload =
        String::from_utf8_lossy(&bench.invoke(&spec, r#"{"exit":true}"#).await.payload).into_owned();
    assert!(payload.contains("Runtime exited with error: exit status 3"), "{payload}");
    until_logged(&bench, "event SHUTDOWN failure\n").await;
    let mut spec = with_extension(&bench, "late", "");
    spec.timeout = std::time::Duration::from_millis(500);
    let payload =
        String::from_utf8_lossy(&bench.invoke(&spec, r#"{"hang":true}"#).await.payload).into_owned();
    assert!(payload.contains("Task timed out after 0.50 seconds"), "{payload}");
    until_logged(&bench, "event SHUTDOWN timeout\n").await;
    bench.end().await;
}

/// Within the runtime: registered while it initialises, told of invocations, not of the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn internal() {
    let bench = Bench::new();
    let source = r#"
const base = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2020-01-01/extension`;
const register = (events) => fetch(`${base}/register`, { method: 'POST', headers: { 'Lambda-Extension-Name': 'inner' }, body: JSON.stringify({ events }) });
const heard = [];
module.exports.ready = (async () => {
  heard.push((await register(['SHUTDOWN'])).status);
  const me = (await register(['INVOKE'])).headers.get('lambda-extension-identifier');
  (async () => { for (;;) heard.push((await (await fetch(`${base}/event/next`, { headers: { 'Lambda-Extension-Identifier': me } })).json()).eventType); })();
})();
exports.handler = async (event) => { while (heard.length < event.until) await new Promise((done) => setTimeout(done, 1)); return heard; };
"#;
    let index = "import { createRequire } from 'node:module';\nconst inner = createRequire(import.meta.url)('./inner.cjs');\nawait inner.ready;\nexport const handler = inner.handler;\n";
    let spec =
        function("nodejs20.x", "index.handler", bench.code(&[("inner.cjs", source), ("index.mjs", index)]));
    assert_eq!(bench.invoke(&spec, r#"{"until":2}"#).await.payload, r#"[403,"INVOKE"]"#);
    assert_eq!(bench.invoke(&spec, r#"{"until":3}"#).await.payload, r#"[403,"INVOKE","INVOKE"]"#);
    bench.end().await;
}
