//! Measures what warm invocations cost besides the handler, for one caller and for many at once.
//!
//! `cargo run --release -p aloft-worker --example warm_overhead [-- none]` (without isolation). It prints the rate, the times
//! that callers wait, and the processor time of this process and of the functions' for each invocation. Numbers, not a test:
//! nothing is compared.

mod bench;

use aloft_worker::{Isolation, Workers};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

const WARMING: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(3);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> bench::Result<()> {
    let directory = std::env::temp_dir().join(format!("aloft-warm-{}", std::process::id()));
    let none = std::env::args().any(|it| it == "none");
    let isolation = if none { Isolation::None } else { Isolation::BestEffort };
    let workers = bench::workers(&directory, isolation, vec![directory.clone()]);
    let mut out = std::io::stdout().lock();
    for (runtime, file, source) in [
        ("nodejs20.x", "index.js", "exports.handler = async (event) => event"),
        ("python3.11", "index.py", "def handler(event, context):\n    return event"),
    ] {
        let code = directory.join(runtime);
        std::fs::create_dir_all(&code)?;
        std::fs::write(code.join(file), source)?;
        for callers in [1, 10, 50] {
            let spec = bench::function(runtime, &code, None, &format!("warm-{callers}"));
            let call = async |limit: Duration| -> bench::Result<Vec<Duration>> {
                let until = Instant::now() + limit;
                let calling = (0..callers).map(|_| {
                    let (workers, spec) = (workers.clone(), spec.clone());
                    tokio::spawn(async move {
                        let mut times = Vec::new();
                        while Instant::now() < until {
                            let began = Instant::now();
                            bench::invoke(&workers, &spec).await?;
                            times.push(began.elapsed());
                        }
                        bench::Result::Ok(times)
                    })
                });
                let mut times = Vec::new();
                for one in calling.collect::<Vec<_>>() {
                    times.extend(one.await??);
                }
                times.sort();
                Ok(times)
            };
            call(WARMING).await?;
            let before = (ticks("self"), of_functions(&workers));
            let times = call(MEASURED).await?;
            let after = (ticks("self"), of_functions(&workers));
            let each = |ticks: u64| ticks * 10_000 / times.len() as u64;
            // What began meanwhile counts whole.
            let its = after.1.iter().map(|(pid, ticks)| ticks - before.1.get(pid).unwrap_or(&0)).sum();
            writeln!(
                out,
                "{runtime}, {callers} at once: {} a second, median {:?}, 99 of 100 within {:?}; processor time {} us \
                 here, {} us in {} environments",
                times.len() as u64 / MEASURED.as_secs(),
                times[times.len() / 2],
                times[times.len() * 99 / 100],
                each(after.0 - before.0),
                each(its),
                after.1.len(),
            )?;
            workers.retire(&spec.account, &spec.region, &spec.name);
        }
    }
    workers.shutdown().await;
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}

/// The processor time of each environment's program, by its number.
fn of_functions(workers: &Arc<Workers>) -> BTreeMap<u32, u64> {
    workers.status().environments.iter().map(|it| (it.pid, ticks(&it.pid.to_string()))).collect()
}

/// User and system time of a process, in hundredths of a second.
fn ticks(pid: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = text.rsplit(')').next().unwrap_or_default();
    after.split_whitespace().skip(11).take(2).filter_map(|it| it.parse::<u64>().ok()).sum()
}
