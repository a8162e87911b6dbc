//! Measures cold starts, from the call to the answer: of processes that are started for it, of processes that waited, and of
//! more at once than wait.
//!
//! `cargo run --release -p aloft-worker --example cold_start [-- DIRECTORY]`, where the directory is a layer with boto3. It
//! prints the best and the median of each in milliseconds. Numbers, not a test: nothing is compared.

mod bench;

use aloft_worker::Isolation;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const ROUNDS: usize = 15;
/// How many are called at once, and how often.
const AT_ONCE: usize = 8;
const BURSTS: usize = 5;
const SETTLE: Duration = Duration::from_millis(250);

const NODE: &str = "exports.handler = async (event) => event";
const PYTHON: &str = "def handler(event, context):\n    return event";
const BOTO3: &str =
    "import boto3\n\ns3 = boto3.client('s3')\n\n\ndef handler(event, context):\n    return event";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> bench::Result<()> {
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
            let workers = bench::workers(&directory, Isolation::BestEffort, roots);
            let mut times = Vec::new();
            // The first one looks for the language, and makes one wait.
            for round in 0..=ROUNDS {
                let spec = bench::function(runtime, &code, layer.as_deref(), &format!("cold-{round}"));
                let began = Instant::now();
                bench::invoke(&workers, &spec).await?;
                times.push(began.elapsed());
                workers.retire(&spec.account, &spec.region, &spec.name);
                // Until nothing starts or ends any more, which would take the processor from what is measured.
                tokio::time::sleep(SETTLE).await;
                while workers.starting() > 0 || waits && workers.waiting() == 0 {
                    tokio::time::sleep(SETTLE).await;
                }
            }
            let mut bursts = Vec::new();
            for round in 0..BURSTS {
                let mut running = JoinSet::new();
                for number in 0..AT_ONCE {
                    let name = format!("burst-{round}-{number}");
                    let spec = bench::function(runtime, &code, layer.as_deref(), &name);
                    let workers = workers.clone();
                    running.spawn(async move {
                        let began = Instant::now();
                        bench::invoke(&workers, &spec).await.map(|_| (began.elapsed(), spec))
                    });
                }
                let mut times = Vec::new();
                for ended in running.join_all().await {
                    let (took, spec) = ended?;
                    workers.retire(&spec.account, &spec.region, &spec.name);
                    times.push(took);
                }
                times.sort();
                bursts.push(times);
                tokio::time::sleep(SETTLE).await;
                while workers.starting() > 0 {
                    tokio::time::sleep(SETTLE).await;
                }
            }
            workers.shutdown().await;
            bursts.sort_by_key(|times| times[AT_ONCE - 1]);
            let burst = &bursts[BURSTS / 2];
            let mut times = times.split_off(1);
            times.sort();
            let words = if waits { "that waited" } else { "that is started" };
            writeln!(out, "{name}, {words}: best {:?}, median {:?}", times[0], times[ROUNDS / 2])?;
            writeln!(out, "{name}, {words}, {AT_ONCE} at once: {burst:.1?}")?;
        }
    }
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}
