//! When environments are started, reused, replaced and stopped.

use super::{Bench, event, function, sdk};
use crate::{EnvironmentState, FunctionSpec, InvokeError, WorkersOptions};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Answers who it is, after `wait` milliseconds. (Its process number is the same in every jail.)
fn who(bench: &Bench) -> FunctionSpec {
    bench.node("exports.handler = async (event) => { await new Promise((done) => setTimeout(done, event.wait)); return process.env.AWS_LAMBDA_LOG_STREAM_NAME }")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn warm_environments_are_used_again() {
    let bench = Bench::new();
    let spec = who(&bench);
    let first = bench.invoke(&spec, "{}").await;
    assert!(first.init.is_some_and(|init| init > Duration::from_millis(1)));
    assert!(first.billed >= first.duration + first.init.unwrap_or_default());
    for _ in 0..20 {
        let again = bench.invoke(&spec, "{}").await;
        assert_eq!(
            (&again.payload, &again.log_stream, again.init),
            (&first.payload, &first.log_stream, None)
        );
    }
    let status = bench.workers.status();
    assert_eq!(status.environments.len(), 1);
    let only = &status.environments[0];
    assert_eq!(
        (only.state, only.invocations, only.function.as_str()),
        (EnvironmentState::Idle, 21, "greeter")
    );
    assert!(only.memory_mb > 10 && status.memory_mb == u64::from(only.memory_mb), "{status:?}");
    super::assert_like(&only.log_stream, "20*/*/*/[$LATEST]*");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests_have_environments_of_their_own() {
    let bench = Bench::new();
    let spec = Arc::new(who(&bench));
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (workers, spec) = (bench.workers.clone(), spec.clone());
        running.spawn(async move { workers.invoke(spec, event(r#"{"wait":1500}"#)).await });
    }
    let outcomes: Vec<_> =
        running.join_all().await.into_iter().map(|it| it.expect("it takes place")).collect();
    let processes: HashSet<_> = outcomes.iter().map(|it| it.payload.clone()).collect();
    assert_eq!((processes.len(), bench.workers.status().environments.len()), (10, 10));
    // Each event's log went to the stream of the environment that ran it.
    let streams: HashSet<_> = outcomes.iter().map(|it| it.log_stream.clone()).collect();
    let logged: HashSet<_> = bench.kept.0.lock().expect("no panic").iter().map(|it| it.0.clone()).collect();
    assert_eq!(streams, logged);
    bench.end().await;
}

/// Many quick requests at once do not start as many processes: they would not fit here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_quick_requests_shares_environments() {
    let bench = Bench::new();
    let spec = Arc::new(who(&bench));
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let (workers, spec) = (bench.workers.clone(), spec.clone());
        running.spawn(async move { workers.invoke(spec, event("{}")).await });
    }
    let answered = running.join_all().await;
    let refused = answered.iter().filter(|it| it.is_err()).count();
    assert_eq!(refused, 0);
    assert!(bench.workers.status().environments.len() <= 20);
    bench.end().await;
}

/// Nothing runs for ever, even where it is never idle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn environments_are_worn_out() {
    let bench = Bench::with_options(Duration::from_secs(10), |it| {
        let limits = crate::EnvironmentLimits { invocations: 3, ..it.limits };
        WorkersOptions { limits, ..it }
    });
    let spec = who(&bench);
    let mut seen = Vec::new();
    for _ in 0..7 {
        seen.push(bench.invoke(&spec, "{}").await.payload);
    }
    let changes: Vec<bool> = seen.windows(2).map(|it| it[0] != it[1]).collect();
    assert_eq!(changes, [false, false, true, false, false, true]);
    assert_eq!(bench.workers.status().environments.len(), 1);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_environments_stop() {
    let bench = Bench::new();
    let spec = who(&bench);
    let first = bench.invoke(&spec, "{}").await;
    bench.clock.advance(Duration::from_secs(590));
    bench.workers.sweep().await;
    assert_eq!(bench.workers.status().environments.len(), 1);
    bench.clock.advance(Duration::from_secs(11));
    bench.workers.sweep().await;
    assert!(bench.workers.status().environments.is_empty());
    let second = bench.invoke(&spec, "{}").await;
    assert_ne!(first.payload, second.payload);
    bench.end().await;
}

/// What is called each hour has no process in between, and one shortly before; which goes when nobody calls after all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expected_invocations_find_an_environment() {
    let bench =
        Bench::with_options(Duration::from_secs(10), |it| WorkersOptions { idle_timeout: None, ..it });
    let spec = bench.node("exports.handler = async () => process.env.AWS_LAMBDA_INITIALIZATION_TYPE");
    let minutes = |minutes: u64| bench.clock.advance(Duration::from_secs(60 * minutes));
    let count = || bench.workers.status().environments.len();
    for _ in 0..4 {
        minutes(60);
        bench.workers.sweep().await;
        assert!(bench.invoke(&spec, "{}").await.init.is_some());
    }
    for comes in [true, false] {
        bench.clock.advance(Duration::from_secs(11));
        bench.workers.sweep().await;
        assert_eq!(count(), 0);
        minutes(55);
        while bench.workers.status().environments.iter().all(|it| it.state != EnvironmentState::Idle) {
            tokio::task::yield_now().await;
        }
        if comes {
            minutes(5);
            let outcome = bench.invoke(&spec, "{}").await;
            assert_eq!((outcome.payload.as_ref(), outcome.init), (&br#""on-demand""#[..], None));
        }
    }
    for later in [15, 45, 600] {
        minutes(later);
        bench.workers.sweep().await;
        assert_eq!((count(), bench.workers.waiting()), (0, 0));
    }
    bench.end().await;
}

/// Where there is no room, the one goes that is not expected, though it was used later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_least_likely_makes_room() {
    let bench = Bench::with(2, 4096, Duration::from_secs(10));
    let named = |name: &str| FunctionSpec { name: name.to_owned(), ..who(&bench) };
    let (often, once, new) = (named("often"), named("once"), named("new"));
    for _ in 0..4 {
        bench.clock.advance(Duration::from_secs(305));
        bench.invoke(&often, "{}").await;
    }
    bench.invoke(&once, "{}").await;
    bench.clock.advance(Duration::from_secs(240));
    bench.invoke(&new, "{}").await;
    let left: Vec<String> = bench.workers.status().environments.into_iter().map(|it| it.function).collect();
    assert_eq!(left, ["new", "often"]);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_code_needs_new_environments() {
    let bench = Bench::new();
    let mut spec = who(&bench);
    let first = bench.invoke(&spec, "{}").await;
    // Another version lives beside it; another revision replaces it.
    spec.version = "1".to_owned();
    let other = bench.invoke(&spec, "{}").await;
    spec.version = "$LATEST".to_owned();
    assert_eq!(bench.invoke(&spec, "{}").await.payload, first.payload);
    spec.revision = "2".to_owned();
    let changed = bench.invoke(&spec, "{}").await;
    assert!(changed.payload != first.payload && changed.payload != other.payload);
    assert_eq!(bench.workers.status().environments.len(), 2);

    bench.workers.retire(&spec.account, &spec.region, "another");
    assert_eq!(bench.workers.status().environments.len(), 2);
    bench.workers.retire(&spec.account, &spec.region, &spec.name);
    assert!(bench.workers.status().environments.is_empty());
    bench.end().await;
}

/// An environment that is busy when it is retired ends its work first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_environments_retire_later() {
    let bench = Bench::new();
    let spec = Arc::new(bench.node(
        "exports.handler = async (event) => { console.log('begun'); await new Promise((done) => setTimeout(done, 300)); return 'done' }",
    ));
    let (workers, function) = (bench.workers.clone(), spec.clone());
    let running = tokio::spawn(async move { workers.invoke(function, event("{}")).await });
    while !bench.logged().iter().any(|it| it.ends_with("begun\n")) {
        tokio::task::yield_now().await;
    }
    bench.workers.retire(&spec.account, &spec.region, &spec.name);
    assert_eq!(bench.workers.status().environments.len(), 1);
    assert_eq!(running.await.expect("no panic").expect("it takes place").payload, "\"done\"");
    assert!(bench.workers.status().environments.is_empty());
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn budgets() {
    // Two environments, or the memory of two that have not been measured yet.
    let init = Duration::from_secs(10);
    for bench in [Bench::with(2, 4096, init), Bench::with(20, 300, init)] {
        let spec = Arc::new(bench.node(
            "exports.handler = async (event) => { console.log('begun'); await new Promise((done) => setTimeout(done, event.wait)); return process.pid }",
        ));
        let mut running = Vec::new();
        for count in 1..=2 {
            let (workers, spec) = (bench.workers.clone(), spec.clone());
            running.push(tokio::spawn(async move { workers.invoke(spec, event(r#"{"wait":3500}"#)).await }));
            while bench.logged().iter().filter(|it| it.ends_with("begun\n")).count() < count {
                tokio::task::yield_now().await;
            }
        }
        // It waits in line for less than that.
        let refused = bench.try_invoke(&spec, "{}").await.expect_err("there is no room");
        assert!(matches!(refused, InvokeError::TooManyEnvironments), "{refused}");
        for running in running {
            running.await.expect("no panic").expect("it takes place");
        }
        // Idle ones make room for another function.
        let mut other = who(&bench);
        other.name = "other".to_owned();
        bench.invoke(&other, "{}").await;
        assert!(bench.workers.status().environments.iter().any(|it| it.function == "other"));
        bench.end().await;
    }
}

/// A process that dies between two invocations is replaced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn environments_that_died_are_replaced() {
    let bench = Bench::new();
    let spec = who(&bench);
    let first = bench.invoke(&spec, "{}").await;
    let pid = i32::try_from(bench.workers.status().environments[0].pid).expect("a process number");
    let pid = rustix::process::Pid::from_raw(pid).expect("a process number");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is there");
    while !bench.workers.status().environments.is_empty() {
        bench.workers.sweep().await;
        tokio::task::yield_now().await;
    }
    assert_ne!(bench.invoke(&spec, "{}").await.payload, first.payload);
    bench.end().await;
}

/// An invocation whose caller goes away runs to its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_may_go_away() {
    let bench = Bench::new();
    let spec = Arc::new(bench.node(
        "exports.handler = async (event) => { console.log('begun'); await new Promise((done) => setTimeout(done, 50)) }",
    ));
    let (workers, function) = (bench.workers.clone(), spec.clone());
    let caller = tokio::spawn(async move { workers.invoke(function, event("{}")).await.is_ok() });
    while !bench.logged().iter().any(|it| it.ends_with("begun\n")) {
        tokio::task::yield_now().await;
    }
    caller.abort();
    while bench.workers.status().environments.iter().all(|it| it.invocations == 0) {
        tokio::task::yield_now().await;
    }
    assert!(bench.logged().iter().any(|it| it.starts_with("REPORT")));
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn environments_are_kept_whether_they_are_used_or_not() {
    let bench = Bench::new();
    let code =
        "import os\ndef handler(event, context):\n    return os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']";
    let spec = Arc::new(function("python3.11", "index.handler", bench.code(&[("index.py", code)])));
    let keep = |count: usize| {
        let versions = if count == 0 { vec![] } else { vec![(spec.clone(), count)] };
        bench.workers.keep(&spec.account, &spec.region, &spec.name, versions);
    };
    keep(2);
    bench.workers.sweep().await;
    let idle = || {
        let environments = bench.workers.status().environments;
        environments.iter().filter(|it| it.state == EnvironmentState::Idle).count()
    };
    while idle() < 2 {
        tokio::task::yield_now().await;
    }
    let outcome = bench.invoke(&spec, "{}").await;
    assert_eq!((outcome.payload.as_ref(), outcome.init), (&br#""provisioned-concurrency""#[..], None));
    bench.clock.advance(Duration::from_secs(3600));
    bench.workers.sweep().await;
    assert_eq!(idle(), 2);
    keep(1);
    bench.workers.sweep().await;
    assert_eq!(idle(), 1);
    keep(0);
    bench.workers.sweep().await;
    assert_eq!(idle(), 0);
    bench.end().await;
}

/// A cold start takes a process that waited, which knows nothing of others and becomes this function's alone; when
/// nobody starts, none waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_wait_for_functions() {
    let bench = Bench::new();
    if !bench.workers.has_networks() {
        return bench.end().await;
    }
    let source = "const fs = require('fs'); exports.handler = async () => [process.pid, process.env.WHO, process.cwd(), fs.readdirSync('.'), fs.readdirSync('/opt'), fs.readdirSync('/tmp'), Object.keys(process.env).filter((it) => it.startsWith('ALOFT_')), fs.existsSync('/.host/0/workers'), Math.random()]";
    let layer = bench.code(&[("here.txt", "")]);
    let function = |name: &str| {
        let mut spec = bench.node(source);
        spec.name = name.to_owned();
        spec.environment.insert("WHO".to_owned(), name.to_owned());
        spec.layer_directories = vec![layer.clone()];
        spec
    };
    let seen = async |name: &str| -> serde_json::Value {
        let outcome = bench.invoke(&function(name), "{}").await;
        serde_json::from_slice(&outcome.payload).expect("JSON")
    };
    let first = seen("first").await;
    while bench.workers.waiting() < 1 {
        tokio::task::yield_now().await;
    }
    let second = seen("second").await;
    for (name, seen) in [("first", &first), ("second", &second)] {
        let expected = serde_json::json!([name, "/var/task", ["index.js"], ["here.txt"], [], [], false]);
        assert_eq!(seen.as_array().map(|it| it[1..8].to_vec()), expected.as_array().cloned(), "{seen}");
    }
    assert_ne!(first[8], second[8]);
    while bench.workers.waiting() < 1 {
        tokio::task::yield_now().await;
    }
    bench.clock.advance(Duration::from_secs(601));
    bench.workers.sweep().await;
    while bench.workers.waiting() > 0 {
        tokio::task::yield_now().await;
    }
    bench.end().await;
}

/// Python imports the SDK while it waits, unless the function has another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sdk_is_there_already() {
    let sdk = sdk("import time\nthen = time.time()\nwhose = 'ours'");
    let root = sdk.path().to_owned();
    let bench = Bench::with_options(Duration::from_secs(10), |options| {
        let code_roots = options.code_roots.iter().cloned().chain([root.clone()]).collect();
        WorkersOptions { code_roots, ..options }
    });
    if !bench.workers.has_networks() {
        return bench.end().await;
    }
    let source = "import os, sys, time\nbegan = time.time()\nimport boto3\ndef handler(event, context):\n    return [os.environ['WHO'], boto3.whose, boto3.then < began, os.getcwd(), sys.path[0], os.path.exists('/.host/0/workers'), 'botocore' in sys.modules]";
    let seen = async |name: &str, files: &[(&str, &str)], mut layers: Vec<std::path::PathBuf>| {
        let mut spec = bench.python(source);
        spec.code_directory = bench.code(&[&[("index.py", source)], files].concat());
        spec.name = name.to_owned();
        spec.environment.insert("WHO".to_owned(), name.to_owned());
        layers.insert(0, root.clone());
        spec.layer_directories = layers;
        let outcome = bench.invoke(&spec, "{}").await;
        while bench.workers.waiting() < 1 {
            tokio::task::yield_now().await;
        }
        assert!(outcome.error.is_none(), "{name}: {:#?}", bench.logged());
        String::from_utf8_lossy(&outcome.payload).into_owned()
    };
    // The own one imports nothing else of the SDK.
    let check = |text: &str, who: &str, whose: &str, before: bool| {
        let rest = before && whose == "ours";
        let expected =
            format!("[\"{who}\", \"{whose}\", {before}, \"/var/task\", \"/var/task\", false, {rest}]");
        assert_eq!(text, expected);
    };
    check(&seen("first", &[], Vec::new()).await, "first", "ours", false);
    check(&seen("second", &[], Vec::new()).await, "second", "ours", true);
    let own = [("boto3/__init__.py", "then = 0\nwhose = 'its own'")];
    check(&seen("third", &own, Vec::new()).await, "third", "its own", true);
    let layer = bench.code(&[("python/boto3/__init__.py", "then = 0\nwhose = 'a layer'")]);
    check(&seen("fourth", &[], vec![layer]).await, "fourth", "a layer", true);
    bench.end().await;
}

/// What waited is as what is started: but for the random numbers, which nobody has twice, also where a function has a module
/// with the name of one that was imported meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_that_waited_is_as_if_just_started() {
    let bench = Bench::new();
    if !bench.workers.has_networks() {
        return bench.end().await;
    }
    let source = "import random, os, sys, logging, time\nimport uuid\nown = getattr(uuid, 'own', False)\nfiles = sorted(name for name, it in sys.modules.items() if (getattr(it, '__file__', None) or '').endswith('.py'))\ndef handler(event, context):\n    names = sorted(name for name in os.environ if name != 'AWS_LAMBDA_LOG_STREAM_NAME')\n    return [[names, os.environ['WHO'], sys.argv, sys.path, os.getcwd(), time.tzname, own, len(logging.root.handlers), time.time() - logging._startTime < 2, files if own else []], random.random()]";
    let function = |number: usize, own: bool| {
        let mut spec = bench.python(source);
        if own {
            let uuid = ("uuid.py", "own = True");
            spec.code_directory = bench.code(&[("index.py", source), uuid]);
        }
        spec.name = format!("numbered-{number}-{own}");
        spec.environment.insert("WHO".to_owned(), "somebody".to_owned());
        spec
    };
    let mut random = HashSet::new();
    for own in [false, true] {
        let mut seen = Vec::new();
        for number in 0..3 {
            let mut spec = function(number, own);
            if number == 0 {
                // This keeps it from taking one that waits.
                spec.environment.insert("SSL_NOTHING".to_owned(), String::new());
            }
            let outcome = bench.invoke(&spec, "{}").await;
            assert!(outcome.error.is_none(), "{:#?}", bench.logged());
            let text = String::from_utf8_lossy(&outcome.payload).replace("\"SSL_NOTHING\", ", "");
            let answer: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            random.insert(answer[1].to_string());
            seen.push(answer[0].clone());
            while number > 0 && bench.workers.waiting() < 1 {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(seen[0], seen[1], "own module: {own}");
        assert_eq!(seen[0], seen[2], "own module: {own}");
        assert_eq!(seen[2][6], own);
    }
    assert_eq!(random.len(), 6);
    bench.end().await;
}
