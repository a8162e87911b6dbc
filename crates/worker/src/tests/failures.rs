//! What is answered and logged when a function fails, by its own fault or by its limits.

use super::{Bench, assert_all_like, assert_like, event, function};
use crate::{FunctionError, FunctionSpec, RESPONSE_LIMIT};
use std::sync::Arc;
use std::time::Duration;

const ID: &str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";

/// What a failure looks like: the answer, the log between `START` and `END`, and the end of `REPORT`.
struct Failure<'a> {
    error: FunctionError,
    payload: &'a str,
    log: &'a [&'a str],
    report: &'a str,
}

/// Invokes once, compares, and sees that the next invocation is answered by a working environment.
async fn check(bench: &Bench, spec: &FunctionSpec, failure: &Failure<'_>) {
    bench.kept.0.lock().expect("no panic").clear();
    let outcome = bench.invoke(spec, r#"{"fail":true}"#).await;
    assert_like(&String::from_utf8_lossy(&outcome.payload), failure.payload);
    assert_eq!(outcome.error, Some(failure.error), "{}", failure.payload);
    let logged = bench.logged();
    let begin = logged.iter().position(|it| it.starts_with("START")).expect("START");
    assert_eq!(logged[begin], format!("START RequestId: {ID} Version: $LATEST\n"));
    let end = logged.iter().position(|it| it.starts_with("END")).expect("END");
    let at_init: Vec<String> = logged[1..begin].to_vec();
    assert_all_like(&[at_init, logged[begin + 1..end].to_vec()].concat(), failure.log);
    let report = format!(
        "REPORT RequestId: {ID}\tDuration: * ms\tBilled Duration: * ms\tMemory Size: {} MB\tMax Memory Used: * MB\t{}\n",
        spec.memory_mb, failure.report
    );
    assert_like(&logged[end + 1], &report);
    let tail = String::from_utf8_lossy(&outcome.log_tail).into_owned();
    assert!(tail.ends_with(&logged[end..=end + 1].concat()) && tail.len() <= 4096, "{tail}");
}

fn handled<'a>(payload: &'a str, log: &'a [&'a str]) -> Failure<'a> {
    Failure { error: FunctionError::Handled, payload, log, report: "Init Duration: * ms\t" }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_that_fail() {
    let bench = Bench::new();
    let node = |source: &str| bench.node(source);
    check(
        &bench,
        &node("exports.handler = async () => { console.log('before', { a: 1 }); console.warn('two\\nlines'); const error = new TypeError('no\\nway'); error.code = 'E1'; throw error }"),
        &handled(
            r#"{"errorType":"TypeError","errorMessage":"no\nway","trace":["TypeError: no","way","    at exports.handler (*/index.js:1:*)"*]}"#,
            &[
                &format!("20*Z\t{ID}\tINFO\tbefore {{ a: 1 }}\n"),
                &format!("20*Z\t{ID}\tWARN\ttwo\nlines\n"),
                &format!("20*Z\t{ID}\tERROR\tInvoke Error \t{{\"errorType\":\"TypeError\",\"errorMessage\":\"no\\nway\",\"code\":\"E1\",\"stack\":[*]}}\n"),
            ],
        ),
    )
    .await;
    let one = format!("20*Z\t{ID}\tERROR\tInvoke Error \t*\n");
    for (source, payload) in [
        (
            "exports.handler = (event, context, callback) => callback('text')",
            r#"{"errorType":"string","errorMessage":"text","trace":[]}"#,
        ),
        (
            "exports.handler = (event, context) => context.fail(new Error('old'))",
            r#"{"errorType":"Error","errorMessage":"old","trace":[*]}"#,
        ),
        (
            "exports.handler = () => { throw { name: 'Odd' } }",
            r#"{"errorType":"object","errorMessage":"[object Object]","trace":[]}"#,
        ),
        (
            "exports.handler = async () => { const a = {}; a.a = a; return a }",
            r#"{"errorType":"Runtime.MarshalError","errorMessage":"Unable to stringify response body: *","trace":[*]}"#,
        ),
    ] {
        check(&bench, &node(source), &handled(payload, &[&one])).await;
    }
    check(
        &bench,
        &bench.python("import logging\nlogging.getLogger().setLevel('INFO')\n\ndef handler(event, context):\n    print('before')\n    logging.info('two\\nlines')\n    raise ValueError('no way')"),
        &handled(
            &format!(r#"{{"errorMessage": "no way", "errorType": "ValueError", "requestId": "{ID}", "stackTrace": ["  File \"*/index.py\", line 7, in handler\n    raise ValueError('no way')\n"]}}"#),
            &[
                "before\n",
                &format!("[INFO]\t20*Z\t{ID}\ttwo\nlines\n"),
                "[ERROR] ValueError: no way\nTraceback (most recent call last):\n  File \"*/index.py\", line 7, in handler\n    raise ValueError('no way')\n",
            ],
        ),
    )
    .await;
    check(
        &bench,
        &bench.python("def handler(event, context):\n    return object()"),
        &handled(
            &format!(r#"{{"errorMessage": "Unable to marshal response: Object of type object is not JSON serializable", "errorType": "Runtime.MarshalError", "requestId": "{ID}", "stackTrace": []}}"#),
            &["[ERROR] Runtime.MarshalError: Unable to marshal response: *\n"],
        ),
    )
    .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_that_does_not_load() {
    let bench = Bench::new();
    let node =
        |handler: &str, source: &str| function("nodejs20.x", handler, bench.code(&[("index.js", source)]));
    let python =
        |handler: &str, source: &str| function("python3.11", handler, bench.code(&[("index.py", source)]));
    let cases = [
        (node("absent.handler", ""), "Runtime.ImportModuleError", "Error: Cannot find module 'absent'*"),
        (
            node("index.handler", "require('left-pad')"),
            "Runtime.ImportModuleError",
            "Error: Cannot find module 'left-pad'*",
        ),
        (
            node("index.handler", "exports.other = 1"),
            "Runtime.HandlerNotFound",
            "index.handler is undefined or not exported",
        ),
        (
            node("index.handler", "exports.handler = 1"),
            "Runtime.HandlerNotFound",
            "index.handler is not a function",
        ),
        (
            node("index.handler", "const = 1"),
            "Runtime.UserCodeSyntaxError",
            "SyntaxError: Unexpected token '='",
        ),
        (node("index", ""), "Runtime.MalformedHandlerName", "Bad handler"),
        (node("index.handler", "throw new RangeError('at load')"), "RangeError", "at load"),
        (
            python("absent.handler", ""),
            "Runtime.ImportModuleError",
            "Unable to import module 'absent': No module named 'absent'",
        ),
        (
            python("index.handler", ""),
            "Runtime.HandlerNotFound",
            "Handler 'handler' missing on module 'index'",
        ),
        (
            python("index.handler", "def ("),
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module 'index': * (index.py, line 1)",
        ),
        (
            python("handler", ""),
            "Runtime.MalformedHandlerName",
            "Bad handler 'handler': not enough values to unpack (expected 2, got 1)",
        ),
        (python("index.handler", "1 / 0"), "ZeroDivisionError", "division by zero"),
    ];
    for (mut spec, kind, message) in cases {
        let is_python = spec.runtime.starts_with("python");
        spec.name = format!("{kind}-{message}");
        let payload = match is_python {
            true => format!(
                r#"{{"errorMessage": "{message}", "errorType": "{kind}", "requestId": "", "stackTrace": [*]}}"#
            ),
            false => format!(r#"{{"errorType":"{kind}","errorMessage":"{message}","trace":[*]}}"#),
        };
        let log = match is_python {
            true => format!("[ERROR] {kind}: {message}*\n"),
            false => "20*Z\tundefined\tERROR\tUncaught Exception \t{*}\n".to_owned(),
        };
        let report = format!("Status: error\tError Type: {kind}");
        let failure =
            Failure { error: FunctionError::Unhandled, payload: &payload, log: &[&log], report: &report };
        check(&bench, &spec, &failure).await;
    }
    let sdk = node("index.handler", "require('@aws-sdk/client-s3')");
    bench.invoke(&sdk, "{}").await;
    let advice = "*\tWARN\t@aws-sdk/client-s3 is not in the package. Run `npm install @aws-sdk/client-s3`*";
    assert!(bench.logged().iter().any(|it| super::is_like(it, advice)), "{:#?}", bench.logged());
    bench.end().await;
}

/// Ends of processes, each followed by a good answer from a new one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_end() {
    let bench = Bench::new();
    let node = |doing: &str| {
        bench.node(&format!(
            "exports.handler = async (event) => {{ if (event.fail) {{ {doing} }} return 'fine' }}"
        ))
    };
    let exit = |reason: &str| {
        let line = format!("RequestId: {ID} Error: {reason}");
        (
            format!(r#"{{"errorType":"Runtime.ExitError","errorMessage":"{line}"}}"#),
            format!("{line}\nRuntime.ExitError\n"),
        )
    };
    let cases = [
        (node("process.exit(1)"), exit("Runtime exited with error: exit status 1")),
        (node("process.exit(0)"), exit("Runtime exited without providing a reason")),
        (node("process.kill(process.pid, 'SIGSEGV'); await new Promise(() => setTimeout(() => {}, 9999))"), exit("Runtime exited with error: signal: segmentation fault")),
        (
            bench.python("import sys\n\ndef handler(event, context):\n    if 'fail' in event:\n        sys.exit(3)\n    return 'fine'"),
            exit("Runtime exited with error: exit status 3"),
        ),
    ];
    for (number, (mut spec, (payload, line))) in cases.into_iter().enumerate() {
        spec.name = format!("ending-{number}");
        let report = "Init Duration: * ms\tStatus: error\tError Type: Runtime.ExitError";
        check(
            &bench,
            &spec,
            &Failure { error: FunctionError::Unhandled, payload: &payload, log: &[&line], report },
        )
        .await;
        assert_eq!(bench.invoke(&spec, "{}").await.payload, "\"fine\"");
    }

    // Errors that nobody catches are answered before the process ends.
    for (doing, payload, title) in [
        (
            "setTimeout(() => { throw new Error('late') }, 1); await new Promise(() => setTimeout(() => {}, 9999))",
            r#"{"errorType":"Error","errorMessage":"late","trace":[*]}"#,
            "Uncaught Exception",
        ),
        (
            "Promise.reject(new Error('lost')); await new Promise(() => setTimeout(() => {}, 9999))",
            r#"{"errorType":"Runtime.UnhandledPromiseRejection","errorMessage":"Error: lost","trace":["Runtime.UnhandledPromiseRejection: Error: lost",*]}"#,
            "Unhandled Promise Rejection",
        ),
    ] {
        let mut spec = node(doing);
        spec.name = title.to_owned();
        let log = format!("20*Z\t{ID}\tERROR\t{title} \t*\n");
        let report = "Init Duration: * ms\t";
        check(&bench, &spec, &Failure { error: FunctionError::Handled, payload, log: &[&log], report }).await;
        assert_eq!(bench.invoke(&spec, "{}").await.payload, "\"fine\"");
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time() {
    let bench = Bench::new();
    let mut spec = bench.node(
        "const { spawn } = require('child_process'); exports.handler = async (event) => { if (event.fail) { console.log('still here'); spawn('sh', ['-c', 'setsid sleep 60 & sleep 60'], { detached: true, stdio: 'ignore' }); for (;;); } return 'fine' }",
    );
    spec.timeout = Duration::from_millis(300);
    let payload = format!(
        r#"{{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: {ID} Error: Task timed out after 0.30 seconds"}}"#
    );
    let failure = Failure {
        error: FunctionError::Unhandled,
        payload: &payload,
        log: &[
            &format!("20*Z\t{ID}\tINFO\tstill here\n"),
            &format!("20*Z {ID} Task timed out after 0.30 seconds\n\n"),
        ],
        report: "Init Duration: * ms\tStatus: timeout",
    };
    check(&bench, &spec, &failure).await;
    // The grandchildren are gone as well.
    for stream in bench.kept.0.lock().expect("no panic").iter().map(|it| it.0.clone()) {
        assert_eq!(super::processes_of(&stream), Vec::<String>::new());
    }
    assert_eq!(bench.invoke(&spec, "{}").await.payload, "\"fine\"");

    // Who is over its time is told so within a tenth of a second, once: by then nothing of it is left.
    let mut late = Vec::new();
    for _ in 0..4 {
        bench.kept.0.lock().expect("no panic").clear();
        let began = std::time::Instant::now();
        let outcome = bench.invoke(&spec, r#"{"fail":true}"#).await;
        late.push(began.elapsed().saturating_sub(spec.timeout + outcome.init.unwrap_or_default()));
        assert_eq!(super::processes_of(&outcome.log_stream), Vec::<String>::new());
        assert_eq!(bench.logged().iter().filter(|it| it.starts_with("REPORT")).count(), 1);
        assert_eq!(bench.invoke(&spec, "{}").await.payload, "\"fine\"");
    }
    // The shortest of a few: the machine may be busy.
    assert!(late.iter().min() <= Some(&Duration::from_millis(100)), "{late:?}");
    bench.end().await;
}

/// An initialisation that takes too long is repeated as part of the invocation, and counts against its timeout.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_of_initialization() {
    let bench = Bench::with(20, 4096, Duration::from_millis(500));
    // The first one sleeps; by the time of the second there is a file in the code.
    let code = "import os, time\n\nif not os.path.exists('second'):\n    print('first')\n    time.sleep(60)\n\ndef handler(event, context):\n    return 'fine'";
    let spec = bench.python(code);
    let second = async {
        while !bench.logged().iter().any(|it| it == "first\n") {
            tokio::task::yield_now().await;
        }
        std::fs::write(spec.code_directory.join("second"), "").expect("a file");
    };
    let (outcome, ()) = tokio::join!(bench.invoke(&spec, "{}"), second);
    assert_eq!((outcome.payload.as_ref(), outcome.error, outcome.init), (&b"\"fine\""[..], None, None));
    assert!(outcome.duration > Duration::from_millis(2), "{:?}", outcome.duration);
    let report = "REPORT RequestId: *\tDuration: * ms\tBilled Duration: * ms\tMemory Size: 256 MB\tMax Memory Used: * MB\t\n";
    let start = format!("START RequestId: {ID} Version: $LATEST\n");
    let end = format!("END RequestId: {ID}\n");
    let late = "INIT_REPORT Init Duration: 500.00 ms\tPhase: init\tStatus: timeout\n";
    let init = "INIT_START Runtime Version: python:3.*\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:python:3.*\n";
    assert_all_like(&bench.logged(), &[init, "first\n", late, init, &start, &end, report]);

    let mut never = bench.python("import time\ntime.sleep(60)");
    never.name = "never".to_owned();
    never.timeout = Duration::from_millis(100);
    let payload = format!(
        r#"{{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: {ID} Error: Task timed out after 0.10 seconds"}}"#
    );
    let log = [late, init, &format!("20*Z {ID} Task timed out after 0.10 seconds\n\n")];
    check(
        &bench,
        &never,
        &Failure { error: FunctionError::Unhandled, payload: &payload, log: &log, report: "Status: timeout" },
    )
    .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory() {
    let bench = Bench::new();
    let node = "exports.handler = async (event) => { const kept = []; while (event.fail) kept.push(Buffer.alloc(1 << 20, 1)); return 'fine' }";
    let python = "def handler(event, context):\n    kept = []\n    while 'fail' in event:\n        kept.append(bytearray(b'x' * (1 << 20)))\n    return 'fine'";
    for mut spec in [bench.node(node), bench.python(python)] {
        spec.name = format!("memory-{}", spec.runtime);
        spec.memory_mb = 128;
        let line = format!("RequestId: {ID} Error: Runtime exited with error: signal: killed");
        let failure = Failure {
            error: FunctionError::Unhandled,
            payload: &format!(r#"{{"errorType":"Runtime.OutOfMemory","errorMessage":"{line}"}}"#),
            log: &[&format!("{line}\nRuntime.OutOfMemory\n")],
            report: "Init Duration: * ms\tStatus: error\tError Type: Runtime.OutOfMemory",
        };
        check(&bench, &spec, &failure).await;
        let outcome = bench.invoke(&spec, "{}").await;
        assert_eq!(outcome.payload, "\"fine\"");
        assert!((5..120).contains(&outcome.max_memory_mb), "{}", outcome.max_memory_mb);
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sizes() {
    let bench = Bench::new();
    let spec = bench.node("exports.handler = async (event) => event.size === undefined ? event.text.length : 'x'.repeat(event.size - 2)");
    let small = bench.invoke(&spec, &format!(r#"{{"size":{RESPONSE_LIMIT}}}"#)).await;
    assert_eq!((small.payload.len(), small.error), (RESPONSE_LIMIT, None));
    let large = bench.invoke(&spec, &format!(r#"{{"size":{}}}"#, RESPONSE_LIMIT + 1)).await;
    assert_eq!(large.error, Some(FunctionError::Unhandled));
    assert_eq!(
        large.payload,
        r#"{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes)."}"#
    );
    // The same environment goes on.
    let event = format!(r#"{{"text":"{}"}}"#, "é".repeat(3_000_000));
    assert_eq!(bench.invoke(&spec, &event).await.payload, "3000000");
    assert_eq!(bench.workers.status().environments.len(), 1);
    assert_eq!(bench.workers.status().environments[0].invocations, 3);
    bench.end().await;
}

/// Much output is neither lost nor gathered without bound, and what is not ended by a newline is there as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output() {
    let bench = Bench::new();
    let spec = bench.python("import os, sys\n\ndef handler(event, context):\n    for i in range(20000):\n        print('line', i)\n    os.write(2, b'x' * 600000)\n    os.write(1, b'no end')\n    os._exit(9)");
    let outcome = bench.invoke(&spec, "{}").await;
    assert_eq!(outcome.log_tail.len(), 4096);
    let logged = bench.logged();
    let lines: Vec<&String> = logged.iter().filter(|it| it.starts_with("line")).collect();
    assert_eq!((lines.len(), lines[19999].as_str()), (20000, "line 19999\n"));
    let exes: usize = logged.iter().filter(|it| it.starts_with("xx")).map(|it| it.matches('x').count()).sum();
    assert_eq!(exes, 600_000);
    assert!(logged.iter().all(|it| it.len() <= 256 * 1024 + 1));
    assert!(logged.iter().any(|it| it.ends_with("xno end\n")));
    bench.end().await;
}

/// A flood is slowed down, not gathered, and stays with the request that wrote it: whatever it looks like, it stands
/// between the platform's own lines of that request, and the next one begins clean.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_output() {
    const FLOOD: usize = 24 * 1024 * 1024;
    let bench = Bench::new();
    let spec = bench.python(&format!(
        "import os\n\ndef handler(event, context):\n    if 'fail' in event:\n        os.write(1, b'\\x1b[2J\\x1b]0;title\\x07END RequestId: forged\\n')\n        written = 0\n        while written < {FLOOD}:\n            written += os.write(1, b'x' * 65536)\n    print('mine', event)\n    return 'fine'"
    ));
    let resident = || {
        let text = std::fs::read_to_string("/proc/self/statm").expect("it is there");
        text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("pages") * 4096
    };
    let (before, mut most) = (resident(), 0);
    let (workers, flooding) = (bench.workers.clone(), Arc::new(spec.clone()));
    let flood = async move { workers.invoke(flooding, event(r#"{"fail":true}"#)).await };
    let mut flood = std::pin::pin!(flood);
    let outcome = loop {
        tokio::select! {
            outcome = flood.as_mut() => break outcome.expect("it takes place"),
            () = tokio::task::yield_now() => {
                let kept: usize = bench.kept.0.lock().expect("no panic").iter().map(|it| it.1.len()).sum();
                most = most.max(resident().saturating_sub(before + kept));
            }
        }
    };
    let mut second = event("{}");
    second.request_id = "00000000-0000-4000-8000-000000000002".to_owned();
    let again = bench.workers.invoke(Arc::new(spec), second).await.expect("it takes place");
    assert_eq!((outcome.payload.as_ref(), again.payload.as_ref()), (&b"\"fine\""[..], &b"\"fine\""[..]));
    assert_eq!((outcome.log_tail.len(), again.init), (4096, None));
    let logged = bench.logged();
    let place =
        |text: &str| logged.iter().position(|it| it.starts_with(text)).unwrap_or_else(|| panic!("{text}"));
    let (begin, end) = (place(&format!("START RequestId: {ID}")), place(&format!("END RequestId: {ID}")));
    let exes = |lines: &[String]| -> usize {
        lines.iter().filter(|it| it.starts_with('x')).map(|it| it.matches('x').count()).sum()
    };
    assert_eq!(exes(&logged[begin + 1..end]), FLOOD);
    assert!(
        logged[begin + 1..end].contains(&"\u{1b}[2J\u{1b}]0;title\u{7}END RequestId: forged\n".to_owned())
    );
    assert!(logged.iter().all(|it| it.len() <= 256 * 1024 + 1));
    let next = place("START RequestId: 00000000-");
    assert_eq!(logged[next + 1], "mine {}\n");
    assert_eq!(exes(&logged[end..]), 0);
    // Besides what the log's reader has taken.
    assert!(most < FLOOD / 2 + 64 * 1024 * 1024, "{most}");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_start() {
    let bench = Bench::new();
    let root = bench.code(&[]);
    let outcome = bench.invoke(&function("provided.al2", "any", &root), "{}").await;
    assert_eq!(
        outcome.payload,
        format!(
            r#"{{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: {ID} Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"}}"#
        )
    );
    let unknown =
        bench.try_invoke(&function("cobol85", "any", "/"), "{}").await.expect_err("it is not supported");
    assert_eq!(
        unknown.to_string(),
        "the runtime `cobol85` is not supported here; supported are java, nodejs, provided, python, ruby"
    );
    let broken = bench.try_invoke(&function("nodejs20.x", "any", "/no/such/directory"), "{}").await;
    assert_eq!(broken.expect_err("there is no code").to_string(), "failed to run the execution environment");
    // None of them takes up room.
    assert!(bench.workers.status().environments.is_empty());
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_while_running() {
    let bench = Bench::new();
    let spec = Arc::new(bench.node("exports.handler = async () => { console.log('running'); await new Promise(() => setTimeout(() => {}, 60000)) }"));
    let workers = bench.workers.clone();
    let running = tokio::spawn(async move { workers.invoke(spec, event("{}")).await });
    while !bench.logged().iter().any(|it| it.ends_with("running\n")) {
        tokio::task::yield_now().await;
    }
    let workers = bench.workers.clone();
    bench.end().await;
    let error = running.await.expect("no panic").expect_err("it was ended");
    assert_eq!(error.to_string(), "the workers are shutting down");
    let error = workers.invoke(Arc::new(function("nodejs20.x", "index.handler", "/")), event("{}")).await;
    assert_eq!(error.expect_err("it is closed").to_string(), "the workers are shutting down");
}
