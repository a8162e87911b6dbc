//! Measures cold starts, from the call to the answer: of processes that are started for it, and of processes that waited.
//!
//! `cargo run --release -p aloft-worker --example cold_start [-- DIRECTORY]`, where the directory is a layer with boto3. It prints the best and the median of each in milliseconds. Numbers, not a test:
//! nothing is compared.

use aloft_base::{AccountId, Clock, Ids, Region};
use aloft_worker::{
    FunctionSpec, Invocation, Isolation, LogLine, LogSink, TemporaryCredentials, Workers, WorkersOptions,
};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: usize = 15;
const SETTLE: Duration = Duration::from_millis(250);

const NODE: &str = "exports.handler = async (event) => event";
const PYTHON: &str = "def handler(event, context):\n    return event";
const BOTO3: &str =
    "import boto3\n\ns3 = boto3.client('s3')\n\n\ndef handler(event, context):\n    return event";

struct Ignored;

impl LogSink for Ignored {
    fn write(&self, _: &FunctionSpec, _: &str, _: Vec<LogLine>) {}
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::temp_dir().join(format!("aloft-cold-{}", std::process::id()));
    let sdk = std::env::args_os().nth(1).map(PathBuf::from);
    let mut languages = vec![
        ("Node.js", "nodejs20.x", "index.js", NODE, None),
        ("Python", "python3.11", "index.py", PYTHON, None),
    ];
    if let Some(sdk) = sdk {
        languages.push(("Python with boto3", "python3.11", "index.py", BOTO3, Some(sdk.canonicalize()?)));
    }
    let mut out = std::io::stdout().lock();
    for (name, runtime, file, source, layer) in languages {
        let code = directory.join(name.replace(' ', "-"));
        std::fs::create_dir_all(&code)?;
        std::fs::write(code.join(file), source)?;
        for waits in [false, true] {
            let roots = layer.iter().chain([&directory]).filter(|_| waits).cloned().collect();
            let workers = start(&directory, roots);
            let mut times = Vec::new();
            // The first one looks for the language, and makes one wait.
            for round in 0..=ROUNDS {
                let spec = Arc::new(function(runtime, &code, layer.as_deref(), &format!("cold-{round}")));
                let began = Instant::now();
                invoke(&workers, &spec).await?;
                times.push(began.elapsed());
                workers.retire(&spec.account, &spec.region, &spec.name);
                // Until nothing starts or ends any more, which would take the processor from what is measured.
                tokio::time::sleep(SETTLE).await;
                while workers.starting() > 0 || waits && workers.waiting() == 0 {
                    tokio::time::sleep(SETTLE).await;
                }
            }
            workers.shutdown().await;
            let mut times = times.split_off(1);
            times.sort();
            let words = if waits { "that waited" } else { "that is started" };
            writeln!(out, "{name}, {words}: best {:?}, median {:?}", times[0], times[ROUNDS / 2])?;
        }
    }
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}

fn start(directory: &Path, code_roots: Vec<PathBuf>) -> Arc<Workers> {
    Workers::start(WorkersOptions {
        clock: Clock::system(),
        ids: Ids::random(),
        directory: directory.join("workers"),
        endpoint_url: "http://127.0.0.1:4566".to_owned(),
        idle_timeout: None,
        max_environments: 10,
        memory_budget_mb: 4096,
        limits: Default::default(),
        isolation: Isolation::BestEffort,
        allowed: Vec::new(),
        code_roots,
        logs: Arc::new(Ignored),
        // Without any the SDK would look for them everywhere.
        credentials: Arc::new(|_| TemporaryCredentials {
            access_key_id: "ASIAEXAMPLE".to_owned(),
            secret_access_key: "secret".to_owned(),
            session_token: "token".to_owned(),
        }),
    })
}

async fn invoke(workers: &Workers, spec: &Arc<FunctionSpec>) -> Result<(), Box<dyn Error>> {
    let invocation = Invocation {
        request_id: "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned(),
        function_arn: "arn:aws:lambda:us-east-1:000000000000:function:cold".to_owned(),
        payload: r#"{"name":"Ada"}"#.into(),
        client_context: None,
        cognito_identity: None,
        trace_id: String::new(),
        stream: None,
    };
    let outcome = workers.invoke(spec.clone(), invocation).await?;
    match outcome.error {
        None => Ok(()),
        Some(_) => Err(String::from_utf8_lossy(&outcome.payload).into()),
    }
}

fn function(runtime: &str, code: &Path, layer: Option<&Path>, name: &str) -> FunctionSpec {
    FunctionSpec {
        account: AccountId::local(),
        region: Region::us_east_1(),
        name: name.to_owned(),
        version: "$LATEST".to_owned(),
        revision: String::new(),
        runtime: runtime.to_owned(),
        handler: "index.handler".to_owned(),
        memory_mb: 1769,
        timeout: Duration::from_secs(3),
        environment: BTreeMap::new(),
        code_directory: PathBuf::from(code),
        layer_directories: layer.iter().map(|it| it.to_path_buf()).collect(),
        role_arn: String::new(),
        log_group: String::new(),
        ephemeral_storage_mb: 512,
    }
}
