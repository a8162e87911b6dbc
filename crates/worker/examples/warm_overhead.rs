//! Measures what an invocation costs besides the handler: cold, and warm, for each language that is installed.
//!
//! `cargo run --release -p aloft-worker --example warm_overhead [-- none]` (without isolation). It prints wall time and the processor time of this
//! process and of the function's, per invocation. Numbers, not a test: nothing is compared.

use aloft_base::{AccountId, Clock, Ids, Region};
use aloft_worker::{
    FunctionSpec, Invocation, Isolation, LogLine, LogSink, Outcome, TemporaryCredentials, Workers,
    WorkersOptions,
};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: u32 = 10_000;

struct Ignored;

impl LogSink for Ignored {
    fn write(&self, _: &FunctionSpec, _: &str, _: Vec<LogLine>) {}
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::temp_dir().join(format!("aloft-warm-{}", std::process::id()));
    let workers = Workers::start(WorkersOptions {
        clock: Clock::system(),
        ids: Ids::random(),
        directory: directory.join("workers"),
        endpoint_url: "http://127.0.0.1:4566".to_owned(),
        idle_timeout: None,
        max_environments: 10,
        memory_budget_mb: 4096,
        limits: Default::default(),
        isolation: if std::env::args().any(|it| it == "none") {
            Isolation::None
        } else {
            Isolation::BestEffort
        },
        allowed: Vec::new(),
        code_roots: vec![directory.clone()],
        logs: Arc::new(Ignored),
        credentials: Arc::new(|_| TemporaryCredentials::default()),
    });
    let mut out = std::io::stdout().lock();
    for (runtime, file, source) in [
        ("nodejs20.x", "index.js", "exports.handler = async (event) => event"),
        ("python3.11", "index.py", "def handler(event, context):\n    return event"),
    ] {
        let code = directory.join(runtime);
        std::fs::create_dir_all(&code)?;
        std::fs::write(code.join(file), source)?;
        let mut colds = Vec::new();
        for round in 0..10 {
            let spec = Arc::new(function(runtime, &code, &format!("cold-{round}")));
            let began = Instant::now();
            invoke(&workers, &spec).await?;
            colds.push(began.elapsed());
            // So that the next one finds a process that waits, where the language can do that.
            tokio::time::sleep(Duration::from_millis(300)).await;
            workers.retire(&spec.account, &spec.region, &spec.name);
        }
        let spec = Arc::new(function(runtime, &code, "warm"));
        for _ in 0..1000 {
            invoke(&workers, &spec).await?;
        }
        let pid =
            workers.status().environments.iter().find(|it| it.function == "warm").map_or(0, |it| it.pid);
        let (own, its) = (ticks("self"), ticks(&pid.to_string()));
        let mut warms = Vec::new();
        let mut handlers = Vec::new();
        for _ in 0..ROUNDS {
            let began = Instant::now();
            handlers.push(invoke(&workers, &spec).await?.duration);
            warms.push(began.elapsed());
        }
        let micros = |ticks: u64| ticks * 10_000 / u64::from(ROUNDS);
        let (own, its) = (micros(ticks("self") - own), micros(ticks(&pid.to_string()) - its));
        writeln!(out, "{runtime}: cold {:?} (best {:?})", middle(&mut colds), colds[0])?;
        writeln!(
            out,
            "  warm {:?} (best {:?}), of which until the answer {:?}",
            middle(&mut warms),
            warms[0],
            middle(&mut handlers)
        )?;
        writeln!(out, "  processor time per invocation: {own} us here, {its} us in the function")?;
    }
    workers.shutdown().await;
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}

async fn invoke(workers: &Workers, spec: &Arc<FunctionSpec>) -> Result<Outcome, Box<dyn Error>> {
    let invocation = Invocation {
        request_id: "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned(),
        function_arn: "arn:aws:lambda:us-east-1:000000000000:function:warm".to_owned(),
        payload: r#"{"name":"Ada"}"#.into(),
        client_context: None,
        cognito_identity: None,
        trace_id: String::new(),
        stream: None,
    };
    let outcome = workers.invoke(spec.clone(), invocation).await?;
    match outcome.error {
        None => Ok(outcome),
        Some(_) => Err(String::from_utf8_lossy(&outcome.payload).into()),
    }
}

/// The median; the times are in order afterwards.
fn middle(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// User and system time of a process, in hundredths of a second.
fn ticks(pid: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = text.rsplit(')').next().unwrap_or_default();
    after.split_whitespace().skip(11).take(2).filter_map(|it| it.parse::<u64>().ok()).sum()
}

fn function(runtime: &str, code: &Path, name: &str) -> FunctionSpec {
    FunctionSpec {
        account: AccountId::local(),
        region: Region::us_east_1(),
        name: name.to_owned(),
        version: "$LATEST".to_owned(),
        revision: String::new(),
        runtime: runtime.to_owned(),
        handler: "index.handler".to_owned(),
        memory_mb: 128,
        timeout: Duration::from_secs(3),
        environment: BTreeMap::new(),
        code_directory: PathBuf::from(code),
        layer_directories: Vec::new(),
        role_arn: String::new(),
        log_group: String::new(),
        ephemeral_storage_mb: 512,
    }
}
