//! Functions that try to do harm (`tests/abuse`), and what an environment lets them. On a machine that does not isolate
//! there is nothing to see.

use super::{Bench, event};
use crate::{FunctionError, FunctionSpec};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

const SOURCE: &str = include_str!("../../../../tests/abuse/abuse.py");

struct Abuse {
    bench: Bench,
    spec: FunctionSpec,
}

impl Abuse {
    async fn new() -> Option<Self> {
        let bench = Bench::new();
        if !bench.workers.isolates() {
            bench.end().await;
            return None;
        }
        let mut spec = bench.python(SOURCE);
        spec.ephemeral_storage_mb = 8;
        Some(Self { bench, spec })
    }

    async fn attack(&self, event: &Value) -> Value {
        let outcome = self.bench.invoke(&self.spec, &event.to_string()).await;
        let text = String::from_utf8_lossy(&outcome.payload).into_owned();
        assert_eq!(outcome.error, None, "{event}: {text}");
        serde_json::from_slice(&outcome.payload).expect("JSON")
    }

    async fn check(&self, event: Value, expected: Value) {
        assert_eq!(self.attack(&event).await, expected, "{event}");
    }
}

/// System calls that have no use in a function, and kinds of sockets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn system_calls() {
    let Some(abuse) = Abuse::new().await else { return };
    let seen = abuse.attack(&json!({ "attack": "calls" })).await;
    for (name, result) in seen.as_object().expect("an object") {
        assert_eq!(result, if name == "clone3" { "ENOSYS" } else { "EPERM" }, "{name}");
    }
    assert!(seen.as_object().is_some_and(|it| it.len() > 15));
    let refused =
        json!({ "raw": "EPERM", "raw6": "EPERM", "packet": "EPERM", "crypto": "EPERM", "stream": "done" });
    abuse.check(json!({ "attack": "sockets" }), refused).await;
    abuse.bench.end().await;
}

/// The host, its processes and other functions are not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours() {
    let Some(abuse) = Abuse::new().await else { return };
    let mut other = abuse.bench.python(SOURCE);
    other.name = "other".to_owned();
    abuse.bench.invoke(&other, r#"{"attack":"leave"}"#).await;
    let pid = std::process::id();
    let host = abuse.bench.scratch.path().to_string_lossy().into_owned();
    let paths = [
        host.clone(),
        other.code_directory.to_string_lossy().into_owned(),
        format!("{host}/workers"),
        "/etc/shadow".to_owned(),
        "/home".to_owned(),
        "/var/lib".to_owned(),
        "/run".to_owned(),
        "/sys/fs/cgroup".to_owned(),
        "/tmp/mine".to_owned(),
    ];
    let seen = abuse.attack(&json!({ "attack": "files", "paths": paths })).await;
    for path in &paths {
        assert_eq!(seen[path], "ENOENT", "{path}");
    }
    let seen = abuse.attack(&json!({ "attack": "processes", "pid": pid })).await;
    assert_eq!((&seen["seen"], &seen["host"]), (&json!([1, 2]), &json!("ESRCH")), "{seen}");
    assert_eq!(seen["init"], json!(["EACCES", "EACCES"]));
    let seen = abuse.attack(&json!({ "attack": "environment" })).await;
    let names: Vec<&str> = seen["names"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert!(!names.iter().any(|it| ["HOME", "CARGO_MANIFEST_DIR", "USER"].contains(it)), "{names:?}");
    // Besides the three: the connection to the Runtime API, and the directory that is being listed.
    assert_eq!(seen["descriptors"], json!(["0", "1", "2", "3", "4"]));
    abuse.check(json!({ "attack": "writes" }), json!(["/tmp"])).await;
    abuse.bench.end().await;
}

/// What there is no end to ends, and the same environment goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bombs() {
    let Some(abuse) = Abuse::new().await else { return };
    abuse.check(json!({ "attack": "fill" }), json!([8 * 1024 * 1024, "ENOSPC"])).await;
    // What lies there is no part of the function's memory.
    let large = FunctionSpec {
        name: "large".to_owned(),
        memory_mb: 128,
        ephemeral_storage_mb: 192,
        ..abuse.spec.clone()
    };
    let outcome = abuse.bench.invoke(&large, r#"{"attack":"fill"}"#).await;
    assert_eq!(outcome.payload, format!("[{}, \"ENOSPC\"]", 192 * 1024 * 1024));
    assert!(outcome.max_memory_mb < 100, "{}", outcome.max_memory_mb);
    let seen = abuse.attack(&json!({ "attack": "names" })).await;
    assert!(seen[0].as_u64().is_some_and(|it| it < 5000) && seen[1] == "ENOSPC", "{seen}");
    abuse.check(json!({ "attack": "descriptors" }), json!([true, "EMFILE"])).await;
    abuse.bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bombs_of_processes_and_memory() {
    let Some(mut abuse) = Abuse::new().await else { return };
    abuse.spec.memory_mb = 1536;
    let other = abuse.bench.python("def handler(event, context):\n    return 'fine'");
    abuse.bench.invoke(&other, "{}").await;
    let bomb = async {
        let outcome = abuse.bench.invoke(&abuse.spec, r#"{"attack":"forks"}"#).await;
        let text = String::from_utf8_lossy(&outcome.payload).into_owned();
        // Where memory is not counted by the kernel, what children share counts for each of them.
        let ended = text == r#"{"bounded": true, "error": "EAGAIN"}"# || text.contains("Runtime.OutOfMemory");
        assert!(ended, "{text}");
    };
    let others = async {
        let began = Instant::now();
        abuse.bench.invoke(&other, "{}").await;
        // A fifth of a second is what matters; ten times as much when everybody else is busy too.
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    };
    tokio::join!(bomb, others);
    abuse.spec.name = "memory".to_owned();
    abuse.spec.memory_mb = 128;
    let outcome = abuse.bench.invoke(&abuse.spec, r#"{"attack":"memory"}"#).await;
    assert_eq!(outcome.error, Some(FunctionError::Unhandled));
    assert!(String::from_utf8_lossy(&outcome.payload).contains("Runtime.OutOfMemory"), "{outcome:?}");
    abuse.bench.end().await;
}

/// `/tmp` stays from one invocation to the next, and goes with its environment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn temporary_files() {
    let Some(abuse) = Abuse::new().await else { return };
    abuse.check(json!({ "attack": "files", "paths": ["/tmp/mine"] }), json!({ "/tmp/mine": "ENOENT" })).await;
    abuse.check(json!({ "attack": "leave" }), json!(["mine"])).await;
    abuse.check(json!({ "attack": "files", "paths": ["/tmp/mine"] }), json!({ "/tmp/mine": "done" })).await;
    abuse.bench.workers.retire(&abuse.spec.account, &abuse.spec.region, &abuse.spec.name);
    abuse.check(json!({ "attack": "files", "paths": ["/tmp/mine"] }), json!({ "/tmp/mine": "ENOENT" })).await;
    abuse.bench.end().await;
}

/// Who has answered and is not called again stands still, whatever it left running, and goes on when it is called.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_environments_stand_still() {
    let bench = Bench::new();
    let source = "import threading\ncount = 0\ndef work():\n    global count\n    while True:\n        count += 1\nthreading.Thread(target=work, daemon=True).start()\ndef handler(event, context):\n    return count > 0";
    let spec = bench.python(source);
    bench.invoke(&spec, "{}").await;
    bench.clock.advance(Duration::from_secs(1));
    bench.workers.sweep().await;
    let pid = bench.workers.status().environments[0].pid;
    let state = || {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is there");
        text.rsplit(')').next().and_then(|it| it.split_whitespace().next().map(str::to_owned))
    };
    while state().as_deref() != Some("T") {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.invoke(&spec, "{}").await.payload, "true");
    assert_eq!(bench.workers.status().environments[0].invocations, 2);
    bench.clock.advance(Duration::from_secs(1));
    bench.workers.sweep().await;
    bench.end().await;
}

/// Many environments come and go; processes, mounts, descriptors, namespaces and files are as they were.
/// `ALOFT_CYCLES` says how many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cycles_leave_nothing() {
    let Some(abuse) = Abuse::new().await else { return };
    let cycles: u32 = std::env::var("ALOFT_CYCLES").ok().and_then(|it| it.parse().ok()).unwrap_or(40);
    let bootstrap = r#"#!/bin/sh
exec 3<>/dev/null
exit 1
"#;
    let code = abuse.bench.code(&[("bootstrap", bootstrap)]);
    let spec = Arc::new(super::function("provided.al2023", "any", code));
    let run = async |count: u32| {
        for _ in 0..count {
            let outcome =
                abuse.bench.workers.invoke(spec.clone(), event("{}")).await.expect("it takes place");
            assert_eq!(outcome.error, Some(FunctionError::Unhandled));
        }
    };
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default().lines().count();
    let environments = abuse.bench.scratch.path().join("workers/environments");
    let files = || std::fs::read_dir(&environments).map_or(0, Iterator::count);
    run(5).await;
    let before = mounts();
    run(cycles).await;
    abuse.bench.workers.sweep().await;
    assert_eq!((mounts(), files()), (before, 0));
    abuse.bench.end().await;
}
