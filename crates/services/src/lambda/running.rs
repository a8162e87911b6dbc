//! What runs functions: the workers and the caches around them, from the cloud's start to its stop.
//!
//! Nothing here is state: a restart makes all of it again from the store.

use super::credentials::{self, Credentials};
use super::dispatch::Dispatchers;
use super::gates::Gates;
use super::limits::bytes;
use super::name::FunctionKey;
use super::poller::Pollers;
use super::sink::Sink;
use super::targets::Targets;
use super::waiting::Waiting;
use super::{code, provisioned};
use aloft_engine::timers::Timer;
use aloft_engine::{Context, Engine, FunctionLimits, ServiceError, storage_failed};
use aloft_worker::{EnvironmentLimits, EnvironmentState, RESPONSE_LIMIT, Workers, WorkersOptions};
use std::path::PathBuf;
use std::sync::Arc;

/// What functions may use of the machine's memory when it cannot be asked, in MB.
const UNKNOWN_MEMORY_MB: u64 = 4096;

/// All of it. It does not hold the engine, which holds it.
pub(super) struct Running {
    pub workers: Arc<Workers>,
    /// Where code is unpacked.
    pub code: PathBuf,
    /// What Lambda's own runtimes bring along.
    pub libraries: PathBuf,
    pub targets: Targets,
    pub gates: Gates,
    pub credentials: Arc<Credentials>,
    pub dispatchers: Dispatchers,
    pub pollers: Pollers,
    pub waiting: Waiting,
}

impl Running {
    /// Starts the workers.
    pub fn start(engine: &Engine) -> Arc<Self> {
        let options = engine.options();
        let credentials = Arc::<Credentials>::default();
        let given = credentials.clone();
        let workers = Workers::start(WorkersOptions {
            clock: engine.clock().clone(),
            ids: engine.ids().clone(),
            directory: options.scratch.join("workers"),
            endpoint_url: engine.endpoint(),
            idle_timeout: options.environment_idle,
            max_environments: options.max_environments,
            memory_budget_mb: options.memory_budget_mb.unwrap_or_else(memory_budget_mb),
            limits: environment_limits(&options.limits),
            isolation: options.isolation,
            allowed: options.allowed.clone(),
            code_roots: vec![options.scratch.join("code"), options.runtimes.clone()],
            logs: Arc::new(Sink::new(engine.store().clone(), engine.clock().clone())),
            credentials: Arc::new(move |spec| given.of(spec)),
        });
        Arc::new(Self {
            workers,
            code: options.scratch.join("code"),
            libraries: options.runtimes.clone(),
            targets: Targets::default(),
            gates: Gates::new(&options.limits),
            credentials,
            dispatchers: Dispatchers::default(),
            pollers: Pollers::default(),
            waiting: Waiting::new(engine.clock()),
        })
    }

    /// Takes up events and event source mappings where the last run left them.
    pub async fn take_up(self: &Arc<Self>, engine: &Engine) -> Result<(), ServiceError> {
        let failed = |error| storage_failed(&error);
        code::sweep(engine.store(), &self.code).map_err(failed)?;
        provisioned::settle_all(self, engine).await?;
        self.dispatchers.take_up(engine, self).map_err(failed)?;
        self.pollers.take_up(engine, self).map_err(failed)
    }

    pub async fn stop(&self) {
        self.workers.shutdown().await;
    }

    /// How many execution environments there are, how many of them work, how many processes wait for a function that is
    /// not known yet or start to do so, and the memory of the environments.
    pub fn status(&self) -> serde_json::Value {
        let status = self.workers.status();
        let idle = status.environments.iter().filter(|it| it.state == EnvironmentState::Idle).count();
        serde_json::json!({
            "environments": status.environments.len(),
            "busy": status.environments.len() - idle,
            "waiting": self.workers.waiting(),
            "starting": self.workers.starting(),
            "memoryMb": status.memory_mb,
        })
    }

    /// The function is not what it was: it is looked up again.
    pub fn changed(&self, function: &FunctionKey) {
        self.targets.forget(function);
    }

    /// The function's code or settings are not what they were: idle environments end.
    pub fn replaced(&self, function: &FunctionKey) {
        self.changed(function);
        self.workers.retire(&function.account, &function.region, &function.name);
    }

    /// Forgets everything: the store is empty.
    pub fn forget(&self) {
        for environment in self.workers.status().environments {
            let (account, region) = (&environment.account, &environment.region);
            self.workers.keep(account, region, &environment.function, Vec::new());
            self.workers.retire(account, region, &environment.function);
        }
        self.workers.forget_uses();
        self.targets.forget_all();
        self.credentials.forget();
        self.gates.forget();
        self.pollers.forget();
    }
}

/// What the workers have to know of the limits.
fn environment_limits(limits: &FunctionLimits) -> EnvironmentLimits {
    let lambdas = FunctionLimits::default();
    // Lambda measures an answer a little more generously than an event.
    let more = RESPONSE_LIMIT - bytes(lambdas.synchronous_payload);
    EnvironmentLimits {
        init: limits.init_timeout,
        processes: limits.processes,
        open_files: limits.open_files,
        processor_quota: limits.processor_quota,
        invocations: EnvironmentLimits::default().invocations,
        response: bytes(limits.synchronous_payload).saturating_add(more),
        streamed: bytes(limits.streamed_response),
        streamed_burst: bytes(limits.streamed_burst),
        streamed_bandwidth: limits.streamed_bandwidth.map(|size| size.0),
    }
}

/// Half of the machine's memory.
fn memory_budget_mb() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes: Option<u64> = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    kilobytes.map_or(UNKNOWN_MEMORY_MB, |kilobytes| (kilobytes / 2048).max(512))
}

/// Does what a timer is due for.
pub(super) async fn timer(
    running: &Arc<Running>,
    context: &Context,
    timer: &Timer,
) -> Result<(), ServiceError> {
    match timer.name.split_once('/') {
        Some(("code", sha256)) => Ok(code::remove_unused(context.store(), &running.code, sha256).await?),
        Some(("credentials", id)) => {
            credentials::expire(context, id).await.map_err(|error| storage_failed(&error))
        }
        Some(("event", _)) => {
            if let Ok(function) = serde_json::from_value::<FunctionKey>(timer.payload.clone()) {
                running.dispatchers.wake(&context.engine, running, &function);
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
