//! Many at once: bursts within the budget, neighbours that take all they can get, and what thousands of invocations leave.

use super::{Bench, event, function};
use crate::{FunctionError, InvokeError};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// From none to fifty at once: each accepted event runs once, none beyond the budget, and who is refused has not run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_from_none() {
    const ROOM: usize = 50;
    const SENT: usize = 80;
    // Environments that have not been measured yet count with 128 MB.
    let bench = Bench::with(1000, 128 * ROOM as u64, Duration::from_secs(30));
    let spec = Arc::new(bench.python(
        "import time\n\ndef handler(event, context):\n    print(f\"ran {event['n']}.\")\n    time.sleep(event['s'])\n    return event['n']",
    ));
    let send = |number: usize, seconds: f64| {
        let (workers, spec) = (bench.workers.clone(), spec.clone());
        let payload = format!(r#"{{"n":{number},"s":{seconds}}}"#);
        tokio::spawn(async move { (number, workers.invoke(spec, event(&payload)).await) })
    };
    // Longer than any of them waits for another's environment, so that none is measured before all have begun.
    let sent: Vec<_> = (0..SENT).map(|number| send(number, 4.0)).collect();
    let mut most = (0, 0);
    while sent.iter().any(|it| !it.is_finished()) {
        let status = bench.workers.status();
        most = (most.0.max(status.environments.len()), most.1.max(status.memory_mb));
        tokio::task::yield_now().await;
    }
    let (mut answered, mut refused) = (Vec::new(), Vec::new());
    for one in sent {
        match one.await.expect("no panic") {
            (number, Ok(outcome)) => {
                assert_eq!((outcome.error, outcome.payload), (None, number.to_string().into()));
                answered.push(number);
            }
            (number, Err(InvokeError::TooManyEnvironments)) => refused.push(number),
            (number, Err(error)) => panic!("{number}: {error}"),
        }
    }
    assert!(answered.len() >= ROOM && !refused.is_empty(), "{} answered", answered.len());
    assert!(most.0 <= ROOM && most.1 <= 128 * ROOM as u64, "{most:?}");
    let ran = |number: usize| bench.logged().iter().filter(|it| **it == format!("ran {number}.\n")).count();
    assert!(
        answered.iter().all(|number| ran(*number) == 1) && refused.iter().all(|number| ran(*number) == 0)
    );
    // What was refused finds room when it comes again.
    for number in refused {
        assert!(send(number, 0.0).await.expect("no panic").1.is_ok());
    }
    bench.end().await;
}

/// The middle one of some measured times.
fn median(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all[all.len() / 2]
}

/// A function that takes all the processor it can get leaves others theirs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisonous_neighbour() {
    let bench = Bench::new();
    // About ten milliseconds of the processor.
    let work = bench.python("def handler(event, context):\n    return sum(range(400000))");
    let mut poison = bench.python(
        // (`print` writes a line in two parts, between which the others' come.)
        "import os\n\ndef handler(event, context):\n    for _ in range(3):\n        if os.fork() == 0:\n            break\n    os.write(1, b'spins\\n')\n    while True:\n        pass",
    );
    (poison.name, poison.memory_mb) = ("poison".to_owned(), 256);
    let poison = Arc::new(poison);
    let measure = async || {
        let mut took = Vec::new();
        for _ in 0..15 {
            let began = Instant::now();
            bench.invoke(&work, "{}").await;
            took.push(began.elapsed());
        }
        median(took)
    };
    measure().await;
    // The best of a few rounds: others use this machine too.
    let mut seen = Vec::new();
    for _ in 0..4 {
        let alone = measure().await;
        bench.kept.0.lock().expect("no panic").clear();
        let (workers, spec) = (bench.workers.clone(), poison.clone());
        let spinning = tokio::spawn(async move { workers.invoke(spec, event("{}")).await });
        while !bench.logged().iter().any(|it| it == "spins\n") {
            assert!(!spinning.is_finished(), "{:?}", bench.logged());
            tokio::task::yield_now().await;
        }
        let beside = measure().await;
        assert!(!spinning.is_finished());
        bench.workers.retire(&poison.account, &poison.region, &poison.name);
        let pids = bench.workers.status().environments;
        for it in pids.iter().filter(|it| it.function == "poison") {
            let pid = i32::try_from(it.pid).ok().and_then(rustix::process::Pid::from_raw).expect("a number");
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is there");
        }
        let ended = spinning.await.expect("no panic").expect("it takes place");
        assert_eq!(ended.error, Some(FunctionError::Unhandled));
        seen.push(beside.as_secs_f64() / alone.as_secs_f64());
        if seen.last() <= Some(&2.0) {
            break;
        }
    }
    assert!(seen.iter().any(|it| *it <= 2.0), "{seen:?}");
    bench.end().await;
}

/// A warm environment that is called again and again uses no more memory and no more descriptors than at the beginning.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_invocations() {
    let bench = Bench::new();
    let spec = Arc::new(function(
        "python3.11",
        "index.handler",
        bench.code(&[("index.py", "def handler(event, context):\n    return event")]),
    ));
    let run = async |count: usize| {
        for _ in 0..count {
            let outcome = bench.workers.invoke(spec.clone(), event("{}")).await.expect("it takes place");
            assert_eq!(outcome.error, None);
        }
        bench.kept.0.lock().expect("no panic").clear();
    };
    run(300).await;
    let pid = bench.workers.status().environments[0].pid;
    let resident = || {
        let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).expect("it is there");
        text.split(' ').nth(1).and_then(|pages| pages.parse::<i64>().ok()).expect("pages") * 4096
    };
    let descriptors = || std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    let before = (resident(), descriptors());
    run(1000).await;
    let after = (resident(), descriptors());
    assert_eq!(before.1, after.1);
    assert!(after.0 - before.0 < 512 * 1024, "{before:?} {after:?}");
    let environments = bench.workers.status().environments;
    assert_eq!((environments.len(), environments[0].invocations), (1, 1300));
    bench.end().await;
}
