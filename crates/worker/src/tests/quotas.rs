//! Processors by memory, where nobody else wants them.

use super::{Bench, FunctionSpec};
use crate::{EnvironmentLimits, WorkersOptions};
use std::time::Duration;

/// Answers how many times as long as it computed it took, while it was initialised and now: the least of some, as others
/// may compute meanwhile.
const SPIN: &str = "
from time import monotonic, process_time
def once():
    begun, computed = monotonic(), process_time()
    while process_time() - computed < 0.03: pass
    return (monotonic() - begun) / (process_time() - computed)
at_first = min(once() for _ in range(4))
def handler(event, context):
    return [at_first, min(once() for _ in range(4))]
";

fn bench(processor_quota: bool) -> (Bench, FunctionSpec) {
    let bench = Bench::with_options(Duration::from_secs(10), |options| WorkersOptions {
        limits: EnvironmentLimits { processor_quota, ..options.limits },
        ..options
    });
    let spec = FunctionSpec { memory_mb: 1769 / 4, ..bench.python(SPIN) };
    (bench, spec)
}

/// Invokes it twice, cold and warm: the initialisation is free, and the handler is limited or not.
async fn check(bench: &Bench, spec: &FunctionSpec, limited: bool) {
    for _ in 0..2 {
        let payload = bench.invoke(spec, "{}").await.payload;
        let [first, now]: [f64; 2] = serde_json::from_slice(&payload).expect("two numbers");
        let fits = if limited { (2.5..8.0).contains(&now) } else { now < 2.0 };
        assert!(first < 2.0 && fits, "{first} and {now}, limited: {limited}");
    }
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
