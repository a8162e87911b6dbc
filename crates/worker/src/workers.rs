//! Who runs what: takes an environment for an invocation, starts one when there is none, stops those that are not used.
//!
//! Which environments there are is in `pool`, behind one lock that is never held across a wait. Keeps true: a busy
//! environment belongs to exactly one task, which releases it.

use crate::checkout::Checkout;
use crate::environment::{Environment, Init, Setting};
use crate::function::{
    FunctionError, FunctionSpec, Invocation, InvokeError, LogSink, Outcome, TemporaryCredentials,
};
use crate::invocation::{self, Before, Ran};
use crate::keep_alive::Bounds;
use crate::limits::EnvironmentLimits;
use crate::lines::Processors;
use crate::logs::Logs;
use crate::outward::Outward;
use crate::pool::{Budget, Pool, Purpose, Status, function_key, version_key};
use crate::prewarmed::PrewarmedPool;
use crate::quotas::Quotas;
use crate::report;
use crate::runtimes::Installed;
use crate::to_its_end::ToItsEnd;
use aloft_base::{AccountId, Clock, Ids, Region};
use aloft_sandbox::{Destination, Isolation, Output, Sandbox};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::Notify;

/// How long an invocation waits for an environment that has answered but not yet asked for more.
const SETTLE: Duration = Duration::from_millis(20);
/// How often idle environments are looked at, at most.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Gives a function the credentials of its role.
pub type Credentials = dyn Fn(&FunctionSpec) -> TemporaryCredentials + Send + Sync;

/// What workers need.
pub struct WorkersOptions {
    /// The cloud's clock: log times and idle times follow it. How long a function takes does not.
    pub clock: Clock,
    /// Where names of environments and log streams come from.
    pub ids: Ids,
    /// A directory for bootstraps and temporary files, emptied at the start and removed at the end.
    pub directory: PathBuf,
    /// The cloud's address, for the functions' SDKs.
    pub endpoint_url: String,
    /// How long after a function's last invocation an environment of it may be there. Nothing: as long as the function's
    /// pattern says, see [`crate::keep_alive`].
    pub idle_timeout: Option<Duration>,
    /// How many environments there may be.
    pub max_environments: usize,
    /// How much memory they may have together, in MB. An environment counts with what it was seen to use.
    pub memory_budget_mb: u64,
    /// What each of them may use.
    pub limits: EnvironmentLimits,
    /// How functions are kept apart. With [`Isolation::Strict`] nothing runs where a layer is missing; ask [`lacking`]
    /// before.
    pub isolation: Isolation,
    /// What functions with a network of their own may reach besides this cloud and public addresses.
    pub allowed: Vec<Destination>,
    /// The directories below which the functions' code and layers lie. Processes that started before they are needed see
    /// these, until they are a function's; where there are none, no process waits.
    pub code_roots: Vec<PathBuf>,
    /// Where log lines go.
    pub logs: Arc<dyn LogSink>,
    /// What functions sign with; asked when an environment starts.
    pub credentials: Arc<Credentials>,
}

/// The layers of isolation and limits that this machine does not allow, in words for a person. It tries them, which takes
/// some milliseconds.
pub fn lacking() -> Vec<String> {
    let sandbox = Sandbox::open(Isolation::Strict, &[]);
    let lacking = all_lacking(&sandbox);
    sandbox.close();
    lacking
}

fn all_lacking(sandbox: &Sandbox) -> Vec<String> {
    let groups = sandbox.missing();
    let groups = (!groups.is_empty()).then(|| format!("control groups for {}", groups.join(" and ")));
    sandbox.lacking().iter().map(|it| (*it).to_owned()).chain(groups).collect()
}

/// Runs functions. See the crate's documentation.
pub struct Workers(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) setting: Arc<Setting>,
    /// Strict isolation was asked for, and is not to be had.
    refused: bool,
    init_limit: Duration,
    bounds: Bounds,
    pub(crate) budget: Budget,
    credentials: Arc<Credentials>,
    pool: Mutex<Pool>,
    pub(crate) processors: Processors,
    /// The number of environments became smaller.
    changed: Notify,
    /// There is something to sweep: a first environment, a jump of the clock, or many in line.
    pub(crate) wake: Arc<Notify>,
}

impl Workers {
    /// Empties the directory, looks at what the machine offers, and waits for work. Call it within a tokio runtime.
    /// A directory that cannot be written is logged here and refused at each invocation.
    pub fn start(options: WorkersOptions) -> Arc<Self> {
        let outward = Outward::new(&options.endpoint_url, options.allowed);
        let sandbox = Sandbox::open(options.isolation, &outward.loopback_ports());
        let lacking = all_lacking(&sandbox);
        let refused = options.isolation == Isolation::Strict && !lacking.is_empty();
        if !lacking.is_empty() {
            tracing::warn!(
                "functions run with what isolation this machine allows, which lacks: {}",
                lacking.join(", ")
            );
        }
        let bounds = Bounds::new(options.idle_timeout);
        let setting = Setting {
            sandbox,
            installed: Installed::default(),
            directory: options.directory,
            clock: options.clock,
            ids: options.ids,
            endpoint_url: Some(options.endpoint_url),
            outward: Arc::new(outward),
            code_roots: options.code_roots,
            prewarmed: PrewarmedPool::new(bounds),
            sink: Some(options.logs),
            output: Output::Piped,
            limits: options.limits,
            quotas: Quotas::new(options.limits.processor_quota),
        };
        if let Err(error) = setting.prepare() {
            tracing::error!(%error, "cannot prepare {}", setting.directory.display());
        }
        let inner = Arc::new(Inner {
            setting: Arc::new(setting),
            refused,
            init_limit: options.limits.init,
            bounds,
            budget: Budget { environments: options.max_environments, memory_mb: options.memory_budget_mb },
            credentials: options.credentials,
            pool: Mutex::new(Pool::new(bounds)),
            processors: Processors::new(),
            changed: Notify::new(),
            wake: Arc::default(),
        });
        let wake = inner.wake.clone();
        inner.setting.clock.on_advance(move || wake.notify_one());
        tokio::spawn(sweep_forever(Arc::downgrade(&inner), inner.wake.clone()));
        Arc::new(Self(inner))
    }

    /// Runs one invocation, in a warm environment if there is one. It runs to its end even when the caller goes away.
    ///
    /// # Errors
    /// See [`InvokeError`]. What goes wrong within the function is not one of them: that is an [`Outcome`].
    pub async fn invoke(
        &self,
        spec: Arc<FunctionSpec>,
        invocation: Invocation,
    ) -> Result<Outcome, InvokeError> {
        self.invoke_then(spec, invocation, |_| ()).await
    }

    /// Like [`Workers::invoke`]; `ended` hears what came of it even when the caller has gone away meanwhile.
    ///
    /// # Errors
    /// As there.
    pub async fn invoke_then(
        &self,
        spec: Arc<FunctionSpec>,
        invocation: Invocation,
        ended: impl FnOnce(&Result<Outcome, InvokeError>) + Send + 'static,
    ) -> Result<Outcome, InvokeError> {
        if self.0.refused {
            let refused = Err(io::Error::other("strict isolation is not possible on this machine").into());
            ended(&refused);
            return refused;
        }
        let inner = self.0.clone();
        let driven = async move {
            let result = inner.drive(spec, invocation).await;
            ended(&result);
            result
        };
        ToItsEnd::new(driven).await
    }

    /// Keeps so many environments of these versions of a function started from now on, used or not, and of no others.
    pub fn keep(
        &self,
        account: &AccountId,
        region: &Region,
        name: &str,
        versions: Vec<(Arc<FunctionSpec>, usize)>,
    ) {
        self.0.lock().keep((account, region, name), versions);
        self.0.wake.notify_one();
    }

    /// Gives a function no more of the processors than belongs to its memory size for so long, whatever the limits say, so
    /// that its durations mean something; with no time, not any longer. Its environments start anew. False where this
    /// machine cannot limit them.
    pub fn limit_processors(
        &self,
        account: &AccountId,
        region: &Region,
        name: &str,
        within: Duration,
    ) -> bool {
        let (setting, now) = (&self.0.setting, self.0.setting.clock.now());
        setting.quotas.measure(function_key(account, region, name), now, now.add(within));
        self.retire(account, region, name);
        setting.sandbox.can_limit_processor()
    }

    /// Stops the environments of a function: idle ones now, busy ones after their invocation.
    pub fn retire(&self, account: &AccountId, region: &Region, name: &str) {
        let stopped = self.0.lock().retire(account, region, name);
        stopped.into_iter().for_each(|environment| self.0.stop(environment));
    }

    /// Forgets when functions were used: none is expected to be used again.
    pub fn forget_uses(&self) {
        self.0.lock().forget_uses();
    }

    /// Freezes idle environments; stops those that are not expected to be used, or whose process has ended, and waits for
    /// their end; starts those whose next invocation is near.
    /// It happens by itself, about once a second and at each jump of the clock.
    pub async fn sweep(&self) {
        self.0.sweep().await;
    }

    /// Whether functions have a root of their own.
    pub fn isolates(&self) -> bool {
        self.0.setting.sandbox.isolates()
    }

    /// Whether functions have networks of their own.
    #[cfg(test)]
    pub(crate) fn has_networks(&self) -> bool {
        self.0.setting.sandbox.has_networks()
    }

    /// Whether languages that can fork do.
    #[cfg(test)]
    pub(crate) fn can_fork(&self) -> bool {
        self.0.setting.sandbox.can_fork()
    }

    /// The process numbers of what forks processes that wait.
    #[cfg(test)]
    pub(crate) fn zygotes(&self) -> Vec<u32> {
        self.0.setting.prewarmed.zygotes()
    }

    /// The directories of the control groups of all jails.
    #[cfg(test)]
    pub(crate) fn group_directories(&self) -> Vec<PathBuf> {
        self.0.setting.sandbox.group_directories()
    }

    /// How many processes wait for a function that is not known yet.
    pub fn waiting(&self) -> usize {
        self.0.setting.prewarmed.waiting()
    }

    /// How many more are about to.
    pub fn starting(&self) -> usize {
        self.0.setting.prewarmed.starting()
    }

    /// What there is.
    pub fn status(&self) -> Status {
        self.0.lock().status()
    }

    /// Ends everything, running invocations too, and waits until nothing is left.
    pub async fn shutdown(&self) {
        let environments = self.0.lock().close();
        environments.into_iter().for_each(|environment| self.0.stop(environment));
        for prewarmed in self.0.setting.prewarmed.close() {
            prewarmed.jailed.kill().await;
        }
        while self.0.setting.prewarmed.starting() > 0 {
            // Those that are just starting see that it is closed.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        loop {
            let changed = self.0.changed.notified();
            if self.0.lock().is_gone() {
                break;
            }
            changed.await;
        }
        for zygote in self.0.setting.prewarmed.close_zygotes() {
            zygote.kill().await;
        }
        self.0.setting.sandbox.close();
        if let Err(error) = self.0.setting.clear() {
            tracing::warn!(%error, "cannot remove {}", self.0.setting.directory.display());
        }
    }
}

impl Inner {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends an environment that came out of the pool.
    pub(crate) fn stop(self: &Arc<Self>, environment: Arc<Environment>) {
        let inner = self.clone();
        tokio::spawn(async move { inner.stopped(&environment).await });
    }

    async fn stopped(&self, environment: &Environment) {
        environment.stop().await;
        self.lock().stopped();
        self.changed.notify_waiters();
    }

    async fn drive(
        self: Arc<Self>,
        spec: Arc<FunctionSpec>,
        invocation: Invocation,
    ) -> Result<Outcome, InvokeError> {
        let invocation = Arc::new(invocation);
        let key = version_key(&spec);
        let mut place = None;
        loop {
            let (id, environment) = match self.checkout(&key, &spec, &mut place)? {
                Checkout::Warm(id, environment) => (id, environment),
                Checkout::Cold(id, stream) => {
                    drop(place);
                    return Box::pin(self.cold(id, &stream, &spec, &invocation)).await;
                }
                Checkout::Later(at_most) => {
                    if let Some(place) = &mut place {
                        place.wait(at_most).await;
                    }
                    continue;
                }
            };
            place = None;
            if tokio::time::timeout(SETTLE, environment.exchange.until_parked()).await.is_err() {
                self.release_when_parked(id, environment);
                continue;
            }
            match invocation::run(&environment, &invocation, Before::default()).await {
                Ran::Finished(outcome) => return self.finish(id, true, outcome),
                Ran::Untouched => self.release(id, false),
            }
        }
    }

    /// Ends processes that wait, until they fit into so much memory.
    pub(crate) fn shed(&self, room_mb: u64) {
        let (shed, zygotes) = self.setting.prewarmed.shed(room_mb);
        for prewarmed in shed {
            tokio::spawn(async move { prewarmed.jailed.kill().await });
        }
        for zygote in zygotes {
            tokio::spawn(async move { zygote.kill().await });
        }
    }

    /// Starts processes that wait, as many as are wanted and the budget has room for.
    fn refill(&self) {
        let room_mb = self.lock().room_mb(self.budget, None);
        PrewarmedPool::refill(&self.setting, room_mb);
    }

    /// Starts an environment and runs its first invocation.
    async fn cold(
        self: &Arc<Self>,
        id: u64,
        stream: &str,
        spec: &Arc<FunctionSpec>,
        invocation: &Arc<Invocation>,
    ) -> Result<Outcome, InvokeError> {
        match self.first(id, stream, spec, invocation).await {
            Ok((outcome, initialized)) => {
                // After the first invocation, not beside it.
                self.refill();
                self.finish(id, initialized, outcome)
            }
            Err(error) => {
                self.release(id, false);
                if self.lock().is_closed() { Err(InvokeError::Shutdown) } else { Err(error) }
            }
        }
    }

    /// The first invocation of a member, and whether its environment initialised.
    async fn first(
        self: &Arc<Self>,
        id: u64,
        stream: &str,
        spec: &Arc<FunctionSpec>,
        invocation: &Arc<Invocation>,
    ) -> Result<(Outcome, bool), InvokeError> {
        let start = self.setting.plan(spec).await?;
        if let Some(reason) = &start.invalid {
            let logs = Logs::new(self.setting.destination(spec, stream), None)?;
            let outcome = invocation::not_startable(&logs, spec.memory_mb, &spec.version, invocation, reason);
            return Ok((outcome, false));
        }
        let mut repeated = false;
        loop {
            let credentials = (self.credentials)(spec);
            let nothing = BTreeMap::new();
            let started =
                Environment::start(&self.setting, spec, &start, stream, Some(&credentials), &nothing).await?;
            let environment = Arc::new(started);
            let replaced = self.lock().attach(id, &environment);
            if let Some(replaced) = replaced {
                self.stopped(&replaced).await;
            }
            let limit = if repeated { spec.timeout } else { self.init_limit };
            let before = match environment.initialize(limit).await {
                Init::Ready(took) if repeated => Before { init: None, spent: took },
                Init::Ready(took) => Before { init: Some(took), spent: Duration::ZERO },
                Init::TimedOut if !repeated => {
                    let line = report::init_report(self.init_limit, report::Status::Timeout);
                    environment.jailed.kill().await;
                    environment.logs.finish([line]);
                    repeated = true;
                    continue;
                }
                failed => return Ok((invocation::not_initialized(&environment, invocation, failed), false)),
            };
            self.lock().started(id);
            return match invocation::run(&environment, invocation, before).await {
                Ran::Finished(outcome) => Ok((outcome, true)),
                Ran::Untouched => Err(InvokeError::Shutdown),
            };
        }
    }

    /// After an invocation: releases its member and hands out the outcome, unless that only shows the shutdown.
    fn finish(
        self: &Arc<Self>,
        id: u64,
        initialized: bool,
        outcome: Outcome,
    ) -> Result<Outcome, InvokeError> {
        let count = self.lock().count(id, outcome.max_memory_mb);
        self.release(id, initialized && count < self.setting.limits.invocations);
        let killed = outcome.error == Some(FunctionError::Unhandled);
        if killed && self.lock().is_closed() { Err(InvokeError::Shutdown) } else { Ok(outcome) }
    }

    /// Gives a member back: to the idle ones when it is fit and alive, otherwise to be stopped.
    fn release(self: &Arc<Self>, id: u64, fit: bool) {
        let stopped = self.lock().release(id, fit, self.setting.clock.now());
        match stopped {
            Some(environment) => self.stop(environment),
            None => self.changed.notify_waiters(),
        }
    }

    /// Keeps a busy member that still works after its answer, until it asks for more.
    fn release_when_parked(self: &Arc<Self>, id: u64, environment: Arc<Environment>) {
        let inner = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = environment.exchange.until_parked() => {}
                _ = environment.jailed.wait() => {}
            }
            inner.release(id, true);
        });
    }

    async fn sweep(self: &Arc<Self>) {
        let now = self.setting.clock.now();
        let (expired, expected, pressed) = {
            let mut pool = self.lock();
            pool.freeze(now);
            (pool.expire(now), pool.expected(now), pool.pressed(&self.processors))
        };
        for prewarmed in self.setting.prewarmed.expire(now) {
            prewarmed.jailed.kill().await;
        }
        for environment in expired {
            self.stopped(&environment).await;
        }
        for zygote in self.setting.prewarmed.expire_zygotes(now) {
            zygote.kill().await;
        }
        for spec in expected.into_iter().chain(pressed) {
            let inner = self.clone();
            tokio::spawn(async move { inner.prepare(&spec, Purpose::Expected).await });
        }
        self.refill();
        let missing = self.lock().missing();
        for spec in missing {
            if !self.prepare(&spec, Purpose::Kept).await {
                tracing::warn!(function = spec.name, version = spec.version, "no environment can be kept");
                self.lock().give_up(&spec);
            }
        }
    }

    /// Starts an environment that waits for its first invocation. False when it cannot be started.
    async fn prepare(self: &Arc<Self>, spec: &Arc<FunctionSpec>, purpose: Purpose) -> bool {
        let (stream, now) = (self.setting.log_stream(&spec.version), self.setting.clock.now());
        let mut removed = Vec::new();
        let reserved = {
            let mut pool = self.lock();
            // Somebody else may have started it meanwhile.
            if purpose == Purpose::Kept && pool.spare(spec).is_none_or(|spare| spare >= 0) {
                return true;
            }
            pool.reserve(spec, purpose, stream.clone(), now, self.budget, &mut removed)
        };
        removed.into_iter().for_each(|environment| self.stop(environment));
        // Without room it is tried again later.
        let Ok(id) = reserved else { return true };
        let initialized = self.initialized(id, &stream, spec, purpose).await.unwrap_or_else(|error| {
            tracing::warn!(%error, function = spec.name, "an environment did not start");
            false
        });
        self.release(id, initialized);
        initialized || self.lock().is_closed()
    }

    async fn initialized(
        self: &Arc<Self>,
        id: u64,
        stream: &str,
        spec: &Arc<FunctionSpec>,
        purpose: Purpose,
    ) -> Result<bool, InvokeError> {
        let start = self.setting.plan(spec).await?;
        if start.invalid.is_some() {
            return Ok(false);
        }
        let credentials = (self.credentials)(spec);
        let kind = if purpose == Purpose::Kept { "provisioned-concurrency" } else { "on-demand" };
        let variables = BTreeMap::from([("AWS_LAMBDA_INITIALIZATION_TYPE".to_owned(), kind.to_owned())]);
        let started =
            Environment::start(&self.setting, spec, &start, stream, Some(&credentials), &variables).await?;
        let environment = Arc::new(started);
        let replaced = self.lock().attach(id, &environment);
        if let Some(replaced) = replaced {
            self.stopped(&replaced).await;
        }
        Ok(matches!(environment.initialize(self.init_limit).await, Init::Ready(_)))
    }
}

/// Sweeps for as long as the workers live; costs nothing while there are no environments and none is expected.
async fn sweep_forever(inner: Weak<Inner>, wake: Arc<Notify>) {
    loop {
        let every = match inner.upgrade() {
            None => return,
            Some(inner) => {
                inner.sweep().await;
                let mut pool = inner.lock();
                if pool.is_closed() {
                    return;
                }
                if pool.is_at_rest() && inner.setting.prewarmed.is_empty() {
                    let now = inner.setting.clock.now();
                    let next = pool.next_expected(now).into_iter().chain(inner.setting.prewarmed.next(now));
                    // What is due and has no room is not looked at all the time.
                    next.min().map(|next| next.max(SWEEP_EVERY))
                } else {
                    Some((inner.bounds.standard / 4).clamp(Duration::from_millis(10), SWEEP_EVERY))
                }
            }
        };
        match every {
            Some(every) => drop(tokio::time::timeout(every, wake.notified()).await),
            None => wake.notified().await,
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The sweeping task waits without holding on to this; now it can see that there is nothing left to do.
        self.wake.notify_one();
    }
}
