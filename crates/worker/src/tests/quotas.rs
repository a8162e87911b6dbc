//! Processors by memory, where nobody else wants them.

use super::{Bench, FunctionSpec};
use crate::{EnvironmentLimits, WorkersOptions};
use std::fs;
use std::time::Duration;

/// Computes while it is initialised, and when the event says so.
const SPIN: &str = "
from time import process_time
def spin():
    computed = process_time()
    while process_time() - computed < 0.03: pass
spin()
def handler(event, context):
    return event and spin()
";

fn bench(processor_quota: bool) -> (Bench, FunctionSpec) {
    let bench = Bench::with_options(Duration::from_secs(10), |options| WorkersOptions {
        limits: EnvironmentLimits { processor_quota, ..options.limits },
        ..options
    });
    let spec = FunctionSpec { memory_mb: 128, ..bench.python(SPIN) };
    (bench, spec)
}

/// In how many periods the environment was held back: others who compute make it slow, but not that.
fn held_back(bench: &Bench) -> u64 {
    let pid = bench.workers.status().environments[0].pid;
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("groups");
    let of_processor = |line: &str| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let is_one = controllers.is_empty() || controllers.split(',').any(|it| it == "cpu");
        is_one.then(|| path.to_owned())
    };
    let paths: Vec<String> = groups.lines().filter_map(of_processor).collect();
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let mounts = mounts.lines().filter(|line| line.contains(" - cgroup"));
    let files = mounts.filter_map(|line| line.split(' ').nth(4)).flat_map(|mount| {
        paths
            .iter()
            .map(move |path| fs::read_to_string(format!("{mount}{path}/cpu.stat")).unwrap_or_default())
    });
    let count =
        |text: String| text.lines().find_map(|line| line.strip_prefix("nr_throttled ")?.parse::<u64>().ok());
    files.filter_map(count).sum()
}

/// The initialisation is free, and the handler is held back or not.
async fn check(bench: &Bench, spec: &FunctionSpec, limited: bool) {
    bench.invoke(spec, "0").await;
    let initialized = held_back(bench);
    bench.invoke(spec, "1").await;
    let computed = held_back(bench) - initialized;
    // It computes for what it has in twenty periods. To be asked and to answer takes what it has in one or two.
    let fits = if limited { initialized <= 4 && computed > 5 } else { initialized + computed == 0 };
    assert!(fits, "{initialized} and {computed}, limited: {limited}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processors_are_limited_where_the_settings_or_a_measurement_say_so() {
    let (free, spec) = bench(false);
    let within = |seconds| {
        free.workers.limit_processors(&spec.account, &spec.region, &spec.name, Duration::from_secs(seconds))
    };
    check(&free, &spec, false).await;
    if within(600) {
        check(&free, &spec, true).await;
        assert!(within(0));
        check(&free, &spec, false).await;
        let (limited, spec) = bench(true);
        check(&limited, &spec, true).await;
        limited.end().await;
    }
    free.end().await;
}
