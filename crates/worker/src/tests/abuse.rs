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

    /// In an environment that is started, and in one that is forked, where that can be.
    async fn both() -> Vec<Self> {
        let mut both: Vec<Self> = Self::new().await.into_iter().collect();
        for started in &both {
            // Before there is a zygote.
            started.attack(&json!({ "attack": "environment" })).await;
        }
        if let Some(forked) = Self::new().await {
            if forked.bench.workers.can_fork() {
                let mut other = forked.bench.python("def handler(event, context):\n    return None");
                other.name = "first".to_owned();
                forked.bench.invoke(&other, "{}").await;
                while forked.bench.workers.waiting() < 1 {
                    tokio::task::yield_now().await;
                }
                both.push(forked);
            } else {
                forked.bench.end().await;
            }
        }
        both
    }

    /// What attacked was forked if anything could be.
    fn check_origin(&self, is_first: bool) {
        let all = self.bench.workers.status().environments;
        let pid = all.iter().find(|it| it.function == self.spec.name).map_or(0, |it| it.pid);
        let zygotes = self.bench.workers.zygotes();
        assert_eq!(zygotes.contains(&super::zygote::forked_by(pid)), !is_first, "{zygotes:?}");
    }

    /// Ends it.
    async fn end(self, is_first: bool) {
        self.check_origin(is_first);
        self.bench.end().await;
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
    for (number, abuse) in Abuse::both().await.into_iter().enumerate() {
        let seen = abuse.attack(&json!({ "attack": "calls" })).await;
        for (name, result) in seen.as_object().expect("an object") {
            assert_eq!(result, if name == "clone3" { "ENOSYS" } else { "EPERM" }, "{name}");
        }
        assert!(seen.as_object().is_some_and(|it| it.len() > 15));
        let refused = json!({ "raw": "EPERM", "raw6": "EPERM", "packet": "EPERM", "crypto": "EPERM", "stream": "done" });
        abuse.check(json!({ "attack": "sockets" }), refused).await;
        abuse.end(number == 0).await;
    }
}

/// The host, its processes and other functions are not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours() {
    for (number, abuse) in Abuse::both().await.into_iter().enumerate() {
        let mut other = abuse.bench.python(SOURCE);
        other.name = "other".to_owned();
        abuse.bench.invoke(&other, r#"{"attack":"leave"}"#).await;
        let pid = std::process::id();
        let host = abuse.bench.scratch.path().to_string_lossy().into_owned();
        let home = std::env::var("HOME").unwrap_or_else(|_| "/root".to_owned());
        let paths = [
            host.clone(),
            format!("{home}/.aws/credentials"),
            format!("{home}/.ssh"),
            format!("/proc/{pid}/environ"),
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
        let names: Vec<&str> =
            seen["names"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert!(!names.iter().any(|it| ["HOME", "CARGO_MANIFEST_DIR", "USER"].contains(it)), "{names:?}");
        // Besides the three: the two of the channel, and the directory that is being listed.
        assert_eq!(seen["descriptors"], json!(["0", "1", "2", "3", "4", "5"]));
        abuse.check(json!({ "attack": "writes" }), json!(["/tmp"])).await;
        abuse.end(number == 0).await;
    }
}

/// What there is no end to ends, and the same environment goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bombs() {
    for (number, abuse) in Abuse::both().await.into_iter().enumerate() {
        abuse.check(json!({ "attack": "fill" }), json!([8 * 1024 * 1024, "ENOSPC"])).await;
        // Another one has all of its own room meanwhile.
        let hoard = "import os\n\ndef handler(event, context):\n    try:\n        with open('/tmp/hoard', 'wb', buffering=0) as file:\n            while True:\n                file.write(b'x' * 65536)\n    except OSError as error:\n        return error.errno";
        let mut hoard = abuse.bench.python(hoard);
        (hoard.name, hoard.ephemeral_storage_mb) = ("hoard".to_owned(), 8);
        assert_eq!(abuse.bench.invoke(&hoard, "{}").await.payload, "28");
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
        abuse.end(number == 0).await;
    }
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
    for (number, abuse) in Abuse::both().await.into_iter().enumerate() {
        abuse
            .check(json!({ "attack": "files", "paths": ["/tmp/mine"] }), json!({ "/tmp/mine": "ENOENT" }))
            .await;
        abuse.check(json!({ "attack": "leave" }), json!(["mine"])).await;
        abuse
            .check(json!({ "attack": "files", "paths": ["/tmp/mine"] }), json!({ "/tmp/mine": "done" }))
            .await;
        // The next one may be forked from the zygote that came meanwhile.
        abuse.check_origin(number == 0);
        abuse.bench.workers.retire(&abuse.spec.account, &abuse.spec.region, &abuse.spec.name);
        abuse
            .check(json!({ "attack": "files", "paths": ["/tmp/mine"] }), json!({ "/tmp/mine": "ENOENT" }))
            .await;
        abuse.bench.end().await;
    }
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
    // It gets none of the processor while another one works.
    let ticks = || {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is there");
        let fields: Vec<u64> = text.rsplit(')').next().map_or(Vec::new(), |rest| {
            rest.split_whitespace().skip(11).take(2).filter_map(|it| it.parse().ok()).collect()
        });
        fields.iter().sum::<u64>()
    };
    let before = ticks();
    let mut other = bench.python("def handler(event, context):\n    return sum(range(2000000))");
    other.name = "other".to_owned();
    for _ in 0..5 {
        bench.invoke(&other, "{}").await;
    }
    assert_eq!((state().as_deref(), ticks()), (Some("T"), before));
    bench.workers.retire(&other.account, &other.region, &other.name);
    assert_eq!(bench.invoke(&spec, "{}").await.payload, "true");
    assert_eq!(bench.workers.status().environments[0].invocations, 2);
    bench.clock.advance(Duration::from_secs(1));
    bench.workers.sweep().await;
    bench.end().await;
}

/// What there is of a kind that must not grow.
#[derive(Debug, PartialEq)]
struct Left {
    mounts: usize,
    groups: usize,
    networks: usize,
    files: usize,
    children: usize,
}

impl Left {
    fn of(bench: &Bench) -> Self {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default().lines().count();
        let own = format!("-{}-", std::process::id());
        let (mut groups, mut open) = (0, vec![std::path::PathBuf::from("/sys/fs/cgroup")]);
        while let Some(at) = open.pop() {
            for entry in std::fs::read_dir(at).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|it| it.is_dir()) {
                    groups += usize::from(entry.path().to_string_lossy().contains(&own));
                    open.push(entry.path());
                }
            }
        }
        let mut networks = std::collections::BTreeSet::new();
        let mut children = 0;
        for entry in std::fs::read_dir("/proc").expect("processes").flatten() {
            networks.extend(std::fs::read_link(entry.path().join("ns/net")));
            let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let parent =
                stat.rsplit(')').next().and_then(|it| it.split_whitespace().nth(1).map(str::to_owned));
            children += usize::from(parent == Some(std::process::id().to_string()));
        }
        let environments = bench.scratch.path().join("workers/environments");
        let files = std::fs::read_dir(environments).map_or(0, Iterator::count);
        Self { mounts, groups, networks: networks.len(), files, children }
    }
}

/// Many environments come and go; processes, mounts, control groups, networks and files are as they were.
/// `ALOFT_CYCLES` says how many; `cargo xtask soak` looks at a whole cloud, its descriptors and its memory too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cycles_leave_nothing() {
    let Some(abuse) = Abuse::new().await else { return };
    let cycles: u32 = std::env::var("ALOFT_CYCLES").ok().and_then(|it| it.parse().ok()).unwrap_or(200);
    let bootstrap = "#!/bin/sh\nexec 3<>/dev/null\nsleep 600 &\nexit 1\n";
    let code = abuse.bench.code(&[("bootstrap", bootstrap)]);
    let spec = Arc::new(super::function("provided.al2023", "any", code));
    let run = async |count: u32| {
        for _ in 0..count {
            let outcome =
                abuse.bench.workers.invoke(spec.clone(), event("{}")).await.expect("it takes place");
            assert_eq!(outcome.error, Some(FunctionError::Unhandled));
        }
        // The last one is stopped beside its answer.
        while Left::of(&abuse.bench).files > 0 || !abuse.bench.workers.status().environments.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    run(5).await;
    let before = Left::of(&abuse.bench);
    run(cycles).await;
    // Other tests may have processes of their own at the same time, unless each test is a process.
    let after = Left::of(&abuse.bench);
    if std::env::var_os("NEXTEST").is_some() {
        assert_eq!(after, Left { networks: after.networks, ..before });
    } else {
        assert_eq!((after.mounts, after.files), (before.mounts, before.files));
    }
    abuse.bench.end().await;
}

/// Links that lead out of the temporary directory, and a directory and a link that change places all the time: whoever
/// removes what an environment had follows none of them, with isolation or without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_are_not_followed() {
    use std::os::unix::fs::PermissionsExt;
    let source = r#"
import os, tempfile
def handler(event, context):
    there, tmp = event["there"], tempfile.gettempdir()
    os.symlink(there, tmp + "/directory")
    os.symlink(there + "/file", tmp + "/file")
    os.makedirs(tmp + "/closed/below")
    os.symlink(there, tmp + "/closed/below/directory")
    os.chmod(tmp + "/closed/below", 0)
    os.makedirs(tmp + "/a/below")
    os.symlink(there, tmp + "/b")
    if os.fork() == 0:
        while True:
            for one, other in ("a", "c"), ("b", "a"), ("a", "b"), ("c", "a"):
                os.rename(f"{tmp}/{one}", f"{tmp}/{other}")
    return "planted"
"#;
    for isolation in [crate::Isolation::BestEffort, crate::Isolation::None] {
        let bench = Bench::with_options(Duration::from_secs(10), |options| crate::WorkersOptions {
            isolation,
            ..options
        });
        let there = bench.code(&[("file", "precious"), ("below/file", "precious too")]);
        let spec = bench.python(source);
        let outcome = bench.invoke(&spec, &json!({ "there": there }).to_string()).await;
        assert_eq!(outcome.payload, "\"planted\"", "{outcome:?}");
        bench.workers.retire(&spec.account, &spec.region, &spec.name);
        let environments = bench.scratch.path().join("workers/environments");
        while std::fs::read_dir(&environments).is_ok_and(|mut it| it.next().is_some()) {
            tokio::task::yield_now().await;
        }
        for (name, text) in [("file", "precious"), ("below/file", "precious too")] {
            assert_eq!(std::fs::read_to_string(there.join(name)).ok().as_deref(), Some(text));
        }
        let mode = |name: &str| std::fs::metadata(there.join(name)).map(|it| it.permissions().mode() & 0o777);
        assert!(mode("below").is_ok_and(|it| it != 0o700) && mode("file").is_ok_and(|it| it != 0o700));
        bench.end().await;
    }
}

/// Two environments of one function have neither their random numbers nor anything else of each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn environments_draw_their_own_numbers() {
    let bench = Bench::new();
    let python = "import os, random, secrets, ssl, uuid\nmine = random.random()\n\ndef handler(event, context):\n    return [mine, random.random(), random.getrandbits(64), random.Random().random(), str(uuid.uuid4()), os.urandom(8).hex(), secrets.token_hex(8), ssl.RAND_bytes(8).hex()]";
    let node = "const crypto = require('crypto')\nconst mine = Math.random()\nexports.handler = async () => [mine, Math.random(), crypto.randomUUID(), crypto.randomBytes(8).toString('hex'), crypto.webcrypto.getRandomValues(new Uint32Array(2)).join()]";
    for spec in [bench.python(python), bench.node(node)] {
        let mut seen: Vec<Vec<Value>> = Vec::new();
        for _ in 0..4 {
            let outcome = bench.invoke(&spec, "{}").await;
            seen.push(serde_json::from_slice(&outcome.payload).expect("a list"));
            bench.workers.retire(&spec.account, &spec.region, &spec.name);
        }
        for (number, value) in seen.iter().flatten().enumerate() {
            let times = seen.iter().flatten().filter(|it| *it == value).count();
            assert_eq!(times, 1, "{number}: {value} in {seen:?}");
        }
    }
    bench.end().await;
}
