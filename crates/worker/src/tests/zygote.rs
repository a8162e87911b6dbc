//! What a zygote forks: environments like all others, quickly, and with nothing of each other.

use super::{Bench, Scratch, event, sdk};
use crate::{FunctionSpec, Outcome, WorkersOptions};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Whoever is forked has all of that already, and must not go on with it.
const USES_ITS_RANDOM_STATE: &str = "import random, ssl, tempfile, uuid\nrandom.random(), ssl.RAND_bytes(1), uuid.uuid4(), next(tempfile._get_candidate_names())";

struct Nest {
    bench: Bench,
    sdk: PathBuf,
    _scratch: Scratch,
}

impl Nest {
    /// With a zygote and one that waits, where there can be any.
    async fn new() -> Option<Self> {
        let scratch = sdk(USES_ITS_RANDOM_STATE);
        let sdk = scratch.path().to_owned();
        let bench = Bench::with_options(Duration::from_secs(10), |options| {
            let code_roots = options.code_roots.iter().cloned().chain([sdk.clone()]).collect();
            WorkersOptions { code_roots, ..options }
        });
        if !bench.workers.can_fork() {
            bench.end().await;
            return None;
        }
        let nest = Self { bench, sdk, _scratch: scratch };
        nest.call("first", "def handler(event, context):\n    return None").await;
        nest.until_ready().await;
        Some(nest)
    }

    async fn until_ready(&self) {
        while self.bench.workers.waiting() < 1 {
            tokio::task::yield_now().await;
        }
    }

    fn function(&self, name: &str, source: &str) -> FunctionSpec {
        let mut spec = self.bench.python(&format!("{source}\n# boto3"));
        (spec.name, spec.layer_directories) = (name.to_owned(), vec![self.sdk.clone()]);
        spec
    }

    async fn call(&self, name: &str, source: &str) -> Value {
        answer(&self.bench.invoke(&self.function(name, source), "{}").await)
    }

    /// The process numbers of environments of a function.
    fn environments(&self, of: &str) -> Vec<u32> {
        let all = self.bench.workers.status().environments;
        all.into_iter().filter(|it| it.function.starts_with(of)).map(|it| it.pid).collect()
    }
}

fn answer(outcome: &Outcome) -> Value {
    let text = String::from_utf8_lossy(&outcome.payload);
    assert_eq!(outcome.error, None, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

/// A field of `/proc/<pid>/status`.
fn status(pid: u32, field: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value.unwrap_or_default().trim().to_owned()
}

/// Who forked an environment: the parent of the first process of its jail.
pub(super) fn forked_by(pid: u32) -> u32 {
    let first = status(pid, "PPid").parse().unwrap_or(0);
    status(first, "PPid").parse().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_zygote_forks_all() {
    let Some(nest) = Nest::new().await else { return };
    let source = "import os, random, secrets, ssl, sys, tempfile, time, uuid\nmine = random.random()\ndef handler(event, context):\n    time.sleep(0.3)\n    names = ['boto3' in sys.modules, os.getpid(), os.listdir('/proc/self/fd'), os.listdir('/.host'), os.listdir('/tmp'), sorted(int(it) for it in os.listdir('/proc') if it.isdigit()), os.environ['AWS_LAMBDA_FUNCTION_NAME'][:-1], open('/proc/mounts').read().count(' /.host ') > 0]\n    return [names, mine, random.random(), random.Random().random(), str(uuid.uuid4()), str(uuid.uuid1()), os.urandom(8).hex(), secrets.token_hex(8), ssl.RAND_bytes(8).hex(), tempfile.mktemp()]";
    let mut running = JoinSet::new();
    for number in 0..8 {
        let (workers, spec) =
            (nest.bench.workers.clone(), nest.function(&format!("forked-{number}"), source));
        running.spawn(async move { workers.invoke(Arc::new(spec), event("{}")).await });
    }
    let answers: Vec<Value> =
        running.join_all().await.into_iter().map(|it| answer(&it.expect("it takes place"))).collect();
    let zygotes = nest.bench.workers.zygotes();
    assert_eq!(zygotes.len(), 1);
    let environments = nest.environments("forked-");
    assert_eq!(environments.len(), 8);
    for pid in environments {
        assert_eq!(forked_by(pid), zygotes[0]);
    }
    let expected = json!([true, 2, ["0", "1", "2", "3", "4", "5"], [], [], [1, 2], "forked-", true]);
    let mut seen = HashSet::new();
    for answer in &answers {
        assert_eq!(answer[0], expected);
        for value in answer.as_array().into_iter().flatten().skip(1) {
            assert!(seen.insert(value.to_string()), "{value} twice in {answers:#?}");
        }
    }
    nest.bench.end().await;
}

/// An environment that was forked ends as one that was started does, and that is told in the same words.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endings() {
    let Some(nest) = Nest::new().await else { return };
    let endings = [
        "import os\ndef handler(event, context):\n    os._exit(3)",
        "import sys\ndef handler(event, context):\n    sys.exit(4)",
        "import os, signal\ndef handler(event, context):\n    os.kill(os.getpid(), signal.SIGSEGV)\n    signal.pause()",
        "def handler(event, context):\n    return nothing",
        "kept = [bytearray(b'x' * (1 << 20)) for _ in range(400)]\ndef handler(event, context):\n    return None",
    ];
    for (number, source) in endings.into_iter().enumerate() {
        let mut seen = Vec::new();
        for early in [true, false] {
            let mut spec = nest.function(&format!("ends-{number}"), source);
            if early {
                // This keeps it from taking one that waits.
                spec.environment.insert("SSL_NOTHING".to_owned(), String::new());
            }
            let outcome = nest.bench.invoke(&spec, "{}").await;
            seen.push((outcome.error, String::from_utf8_lossy(&outcome.payload).into_owned()));
            nest.bench.workers.retire(&spec.account, &spec.region, &spec.name);
            nest.until_ready().await;
        }
        assert!(seen[0].0.is_some() && seen[0] == seen[1], "{seen:#?}");
    }
    nest.bench.end().await;
}

/// Whoever kills the zygote kills what it forked, and nothing else is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zygote_is_killed() {
    let Some(nest) = Nest::new().await else { return };
    let source = "def handler(event, context):\n    return 'here'";
    assert_eq!(nest.call("before", source).await, "here");
    let (forked, zygote) = (nest.environments("before")[0], nest.bench.workers.zygotes()[0]);
    assert_eq!(forked_by(forked), zygote);
    let pid = i32::try_from(zygote).ok().and_then(rustix::process::Pid::from_raw).expect("a number");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is there");
    while is_there(forked) {
        tokio::task::yield_now().await;
    }
    for name in ["before", "after"] {
        assert_eq!(nest.call(name, source).await, "here");
    }
    // Another one takes its place.
    while nest.bench.workers.zygotes().iter().all(|it| *it == zygote) || nest.bench.workers.waiting() < 1 {
        tokio::task::yield_now().await;
    }
    nest.bench.end().await;
}

/// When no more cold starts are expected, and what was forked has ended, there is nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left() {
    let Some(nest) = Nest::new().await else { return };
    let workers = &nest.bench.workers;
    let stays = nest.function("stays", "def handler(event, context):\n    return None");
    nest.bench.invoke(&stays, "{}").await;
    nest.until_ready().await;
    let zygote = workers.zygotes()[0];
    nest.bench.clock.advance(Duration::from_secs(500));
    nest.bench.invoke(&stays, "{}").await;
    nest.bench.clock.advance(Duration::from_secs(200));
    while workers.waiting() > 0 {
        workers.sweep().await;
    }
    // It stays for the one that is still kept.
    assert_eq!((workers.status().environments.len(), workers.zygotes()), (1, vec![zygote]));
    nest.bench.clock.advance(Duration::from_secs(500));
    while !workers.status().environments.is_empty() || !workers.zygotes().is_empty() {
        workers.sweep().await;
    }
    let groups = workers.group_directories();
    let left = || {
        let directories = groups.iter().flat_map(|it| std::fs::read_dir(it).expect("it is there").flatten());
        directories.filter(|it| it.path().is_dir()).count()
    };
    while is_there(zygote) || left() > 0 {
        tokio::task::yield_now().await;
    }
    nest.bench.end().await;
}

fn is_there(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}
