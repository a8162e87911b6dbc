//! One invocation without a cloud, for a developer's terminal: the same bootstraps, the output passed through.

use crate::environment::{Environment, Init, Setting};
use crate::function::{FunctionSpec, Invocation, InvokeError, Outcome};
use crate::invocation::{self, Before, Ran};
use crate::keep_alive::Bounds;
use crate::limits::EnvironmentLimits;
use crate::logs::Logs;
use crate::prewarmed::PrewarmedPool;
use crate::quotas::Quotas;
use crate::runtimes::Installed;
use aloft_base::{Clock, Ids};
use aloft_sandbox::{Output, Sandbox};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long an initialisation may take: a person who waits can stop it.
const INIT_LIMIT: Duration = Duration::from_secs(300);

/// Starts an environment, runs one invocation in it and ends it. What the function writes goes to this process's own
/// output, without timestamps and without the platform's lines. `inherit` is added to the function's environment, over
/// everything else: credentials, an endpoint, a search path.
///
/// # Errors
/// When the language is not installed, or the machine refuses a process or a temporary directory.
pub async fn run_once(
    spec: Arc<FunctionSpec>,
    invocation: Invocation,
    mut inherit: BTreeMap<String, String>,
) -> Result<Outcome, InvokeError> {
    let ids = Ids::random();
    let setting = Arc::new(Setting {
        sandbox: Sandbox::plain(),
        installed: Installed::default(),
        directory: std::env::temp_dir().join(format!("aloft-once-{}", ids.hex(16))),
        clock: Clock::system(),
        ids,
        endpoint_url: None,
        outward: Arc::default(),
        code_roots: Vec::new(),
        prewarmed: PrewarmedPool::new(Bounds::FREE),
        sink: None,
        output: Output::Inherited,
        limits: EnvironmentLimits::default(),
        quotas: Quotas::default(),
    });
    inherit.insert("ALOFT_PLAIN_LOGS".to_owned(), "1".to_owned());
    let outcome = match setting.prepare() {
        Ok(()) => run(&setting, &spec, &Arc::new(invocation), &inherit).await,
        Err(error) => Err(error.into()),
    };
    if let Err(error) = setting.clear() {
        tracing::warn!(%error, "cannot remove {}", setting.directory.display());
    }
    outcome
}

async fn run(
    setting: &Arc<Setting>,
    spec: &Arc<FunctionSpec>,
    invocation: &Arc<Invocation>,
    inherit: &BTreeMap<String, String>,
) -> Result<Outcome, InvokeError> {
    let stream = setting.log_stream(&spec.version);
    let start = setting.plan(spec).await?;
    if let Some(reason) = &start.invalid {
        let logs = Logs::new(setting.destination(spec, &stream), None)?;
        return Ok(invocation::not_startable(&logs, spec.memory_mb, &spec.version, invocation, reason));
    }
    let environment = Environment::start(setting, spec, &start, &stream, None, inherit).await?;
    let outcome = match environment.initialize(INIT_LIMIT).await {
        Init::Ready(took) => {
            let before = Before { init: Some(took), spent: Duration::ZERO };
            match invocation::run(&environment, invocation, before).await {
                Ran::Finished(outcome) => Ok(outcome),
                Ran::Untouched => Err(InvokeError::Shutdown),
            }
        }
        failed => Ok(invocation::not_initialized(&environment, invocation, failed)),
    };
    environment.stop().await;
    outcome
}
