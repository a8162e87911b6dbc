//! The pool: which environment runs an invocation, when one is started, reused, stopped.
//!
//! All of its state is behind one lock that is never held across a wait. Keeps true: a busy environment belongs to
//! exactly one task, which gives it back or removes it; counts and budgets include environments that are starting.

use crate::environment::{Environment, Init, Setting};
use crate::function::{FunctionSpec, Invocation, InvokeError, LogSink, Outcome, TemporaryCredentials};
use crate::invocation::{self, Before, Ran};
use crate::logs::Logs;
use crate::report;
use crate::runtimes::Installed;
use aloft_base::{AccountId, Clock, Ids, Region, Timestamp};
use aloft_sandbox::{Output, Sandbox};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::Notify;

/// How long an initialisation may take before it is repeated as part of the invocation.
const INIT_LIMIT: Duration = Duration::from_secs(10);
/// How long an invocation waits for an environment that has answered but not yet asked for more.
const SETTLE: Duration = Duration::from_millis(20);
/// How often idle environments are looked at, at most.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// What an environment counts for in the budget until it has been measured, in MB.
const UNMEASURED_MB: u32 = 128;

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
    /// How long an environment may be idle.
    pub idle_timeout: Duration,
    /// How many environments there may be.
    pub max_environments: usize,
    /// How much memory they may have together, in MB. An environment counts with what it was seen to use.
    pub memory_budget_mb: u64,
    /// Where log lines go.
    pub logs: Arc<dyn LogSink>,
    /// What functions sign with; asked when an environment starts.
    pub credentials: Arc<Credentials>,
}

/// What an environment is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvironmentState {
    /// It initialises for its first invocation.
    Starting,
    /// It runs an invocation.
    Busy,
    /// It waits for one.
    Idle,
}

/// One environment, as [`Workers::status`] shows it.
#[derive(Debug, Clone)]
pub struct EnvironmentStatus {
    /// Whose function it is.
    pub account: AccountId,
    /// Where the function is.
    pub region: Region,
    /// The function's name.
    pub function: String,
    /// The function's version.
    pub version: String,
    /// Its log stream.
    pub log_stream: String,
    /// The number of its first process; 0 while it starts.
    pub pid: u32,
    /// What it does.
    pub state: EnvironmentState,
    /// The most memory it was seen to use, in MB; 0 before its first invocation has ended.
    pub memory_mb: u32,
    /// How many invocations it has run.
    pub invocations: u64,
    /// When it was last used.
    pub last_used: Timestamp,
}

/// All environments, and what they count for in the memory budget.
#[derive(Debug, Clone)]
pub struct Status {
    /// By function, then by age.
    pub environments: Vec<EnvironmentStatus>,
    /// In MB.
    pub memory_mb: u64,
}

/// Runs functions. See the crate's documentation.
pub struct Workers(Arc<Inner>);

struct Inner {
    setting: Arc<Setting>,
    idle_timeout: Duration,
    max_environments: usize,
    memory_budget_mb: u64,
    credentials: Arc<Credentials>,
    pool: Mutex<Pool>,
    /// The number of environments became smaller.
    changed: Notify,
    /// There is something to sweep: a first environment, or a jump of the clock.
    wake: Arc<Notify>,
}

#[derive(Default)]
struct Pool {
    members: BTreeMap<u64, Member>,
    /// Idle members by function, the most recently used last.
    idle: HashMap<String, Vec<u64>>,
    last: u64,
    /// Environments that are no members any more but whose processes may not be gone yet.
    stopping: usize,
    closed: bool,
}

struct Member {
    key: String,
    spec: Arc<FunctionSpec>,
    log_stream: String,
    environment: Option<Arc<Environment>>,
    state: EnvironmentState,
    used_mb: u32,
    invocations: u64,
    last_used: Timestamp,
    retired: bool,
}

impl Member {
    /// What it counts for in the memory budget.
    fn weight(&self) -> u64 {
        u64::from(if self.used_mb > 0 { self.used_mb } else { self.spec.memory_mb.min(UNMEASURED_MB) })
    }
}

enum Checkout {
    Warm(u64, Arc<Environment>),
    Cold(u64, String),
}

fn key(account: &AccountId, region: &Region, name: &str) -> String {
    format!("{account}/{region}/{name}")
}

impl Workers {
    /// Empties the directory, looks at what the machine offers, and waits for work. Call it within a tokio runtime.
    /// A directory that cannot be written is logged here and refused at each invocation.
    pub fn start(options: WorkersOptions) -> Arc<Self> {
        let sandbox = Sandbox::open();
        let missing = sandbox.missing();
        if !missing.is_empty() {
            tracing::warn!(
                "no control groups can be written for {}: resource limits and a watchdog take their place",
                missing.join(", ")
            );
        }
        let setting = Setting {
            sandbox,
            installed: Installed::default(),
            directory: options.directory,
            clock: options.clock,
            ids: options.ids,
            endpoint_url: Some(options.endpoint_url),
            sink: Some(options.logs),
            output: Output::Piped,
        };
        if let Err(error) = setting.prepare() {
            tracing::error!(%error, "cannot prepare {}", setting.directory.display());
        }
        let inner = Arc::new(Inner {
            setting: Arc::new(setting),
            idle_timeout: options.idle_timeout,
            max_environments: options.max_environments,
            memory_budget_mb: options.memory_budget_mb,
            credentials: options.credentials,
            pool: Mutex::default(),
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
        let inner = self.0.clone();
        tokio::spawn(async move { inner.drive(spec, invocation).await }).await.map_err(io::Error::other)?
    }

    /// Stops the environments of a function: idle ones now, busy ones after their invocation.
    pub fn retire(&self, account: &AccountId, region: &Region, name: &str) {
        let key = key(account, region, name);
        let mut stopped = Vec::new();
        {
            let mut pool = self.0.lock();
            for id in pool.idle.remove(&key).unwrap_or_default() {
                stopped.extend(pool.remove(id));
            }
            for member in pool.members.values_mut().filter(|member| member.key == key) {
                member.retired = true;
            }
        }
        stopped.into_iter().for_each(|environment| self.0.stop(environment));
    }

    /// Stops the environments that have been idle for too long, or whose process has ended, and waits for their end.
    /// It happens by itself, about once a second and at each jump of the clock.
    pub async fn sweep(&self) {
        self.0.sweep().await;
    }

    /// What there is.
    pub fn status(&self) -> Status {
        let pool = self.0.lock();
        let mut members: Vec<&Member> = pool.members.values().collect();
        members.sort_by(|a, b| a.key.cmp(&b.key));
        let environments = members.into_iter().map(|member| EnvironmentStatus {
            account: member.spec.account.clone(),
            region: member.spec.region.clone(),
            function: member.spec.name.clone(),
            version: member.spec.version.clone(),
            log_stream: member.log_stream.clone(),
            pid: member.environment.as_ref().map_or(0, |it| it.jailed.pid()),
            state: member.state,
            memory_mb: member.used_mb,
            invocations: member.invocations,
            last_used: member.last_used,
        });
        Status { environments: environments.collect(), memory_mb: pool.memory() }
    }

    /// Ends everything, running invocations too, and waits until nothing is left.
    pub async fn shutdown(&self) {
        let environments: Vec<Arc<Environment>> = {
            let mut pool = self.0.lock();
            pool.closed = true;
            pool.idle.clear();
            let idle: Vec<u64> = pool
                .members
                .iter()
                .filter(|(_, it)| it.state == EnvironmentState::Idle)
                .map(|(id, _)| *id)
                .collect();
            let mut stopped: Vec<_> = idle.into_iter().filter_map(|id| pool.remove(id)).collect();
            // Whoever runs in the others removes them when he sees them dead.
            let busy: Vec<_> = pool.members.values().filter_map(|it| it.environment.clone()).collect();
            pool.stopping += busy.len();
            stopped.extend(busy);
            stopped
        };
        environments.into_iter().for_each(|environment| self.0.stop(environment));
        loop {
            let changed = self.0.changed.notified();
            if self.0.lock().is_empty() {
                break;
            }
            changed.await;
        }
        self.0.setting.sandbox.close();
        if let Err(error) = self.0.setting.clear() {
            tracing::warn!(%error, "cannot remove {}", self.0.setting.directory.display());
        }
    }
}

impl Pool {
    fn is_empty(&self) -> bool {
        self.members.is_empty() && self.stopping == 0
    }

    fn memory(&self) -> u64 {
        self.members.values().map(Member::weight).sum()
    }

    /// Takes a member out. Whoever gets the environment must stop it: it is counted as stopping.
    fn remove(&mut self, id: u64) -> Option<Arc<Environment>> {
        let member = self.members.remove(&id)?;
        if let Some(idle) = self.idle.get_mut(&member.key) {
            idle.retain(|it| *it != id);
            if idle.is_empty() {
                self.idle.remove(&member.key);
            }
        }
        self.stopping += usize::from(member.environment.is_some());
        member.environment
    }

    /// The idle member that was used the longest ago.
    fn oldest_idle(&self) -> Option<u64> {
        let idle = self.members.iter().filter(|(_, it)| it.state == EnvironmentState::Idle);
        idle.min_by_key(|(_, it)| it.last_used).map(|(id, _)| *id)
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends an environment that was removed from the pool.
    fn stop(self: &Arc<Self>, environment: Arc<Environment>) {
        let inner = self.clone();
        tokio::spawn(async move { inner.stopped(&environment).await });
    }

    async fn stopped(&self, environment: &Environment) {
        environment.stop().await;
        self.lock().stopping -= 1;
        self.changed.notify_waiters();
    }

    async fn drive(
        self: Arc<Self>,
        spec: Arc<FunctionSpec>,
        invocation: Invocation,
    ) -> Result<Outcome, InvokeError> {
        let invocation = Arc::new(invocation);
        loop {
            let (id, environment) = match self.checkout(&spec)? {
                Checkout::Cold(id, stream) => return self.cold(id, &stream, &spec, &invocation).await,
                Checkout::Warm(id, environment) => (id, environment),
            };
            if tokio::time::timeout(SETTLE, environment.exchange.until_parked()).await.is_err() {
                self.release_when_parked(id, environment);
                continue;
            }
            let ran = invocation::run(&environment, &invocation, Before::default()).await;
            self.release(id, environment.is_alive(), Some(&ran));
            match ran {
                Ran::Finished(outcome) => return self.unless_closed(outcome),
                Ran::Untouched => {}
            }
        }
    }

    /// An outcome that only shows that the workers are being shut down is none.
    fn unless_closed(&self, outcome: Outcome) -> Result<Outcome, InvokeError> {
        let killed = outcome.error == Some(crate::FunctionError::Unhandled);
        if killed && self.lock().closed { Err(InvokeError::Shutdown) } else { Ok(outcome) }
    }

    /// An idle environment of this revision, or the right to start one.
    fn checkout(self: &Arc<Self>, spec: &Arc<FunctionSpec>) -> Result<Checkout, InvokeError> {
        let key = key(&spec.account, &spec.region, &spec.name);
        let mut removed = Vec::new();
        let mut pool = self.lock();
        let checkout = loop {
            if pool.closed {
                break Err(InvokeError::Shutdown);
            }
            let Pool { idle, members, .. } = &mut *pool;
            let same_version = |id: &u64| members.get(id).is_some_and(|it| it.spec.version == spec.version);
            let candidates = idle.get_mut(&key);
            let found = candidates.and_then(|ids| Some(ids.remove(ids.iter().rposition(same_version)?)));
            let Some(id) = found else { break self.reserve(&mut pool, &mut removed, key, spec) };
            let usable = members.get_mut(&id).and_then(|member| {
                let environment = member.environment.clone().filter(|it| it.is_alive())?;
                (member.spec.revision == spec.revision).then(|| {
                    member.state = EnvironmentState::Busy;
                    environment
                })
            });
            match usable {
                Some(environment) => break Ok(Checkout::Warm(id, environment)),
                None => removed.extend(pool.remove(id)),
            }
        };
        drop(pool);
        removed.into_iter().for_each(|environment| self.stop(environment));
        checkout
    }

    /// Makes a member that is starting. Idle environments give way when there are too many.
    fn reserve(
        &self,
        pool: &mut Pool,
        removed: &mut Vec<Arc<Environment>>,
        key: String,
        spec: &Arc<FunctionSpec>,
    ) -> Result<Checkout, InvokeError> {
        let weight = u64::from(spec.memory_mb.min(UNMEASURED_MB));
        while pool.members.len() >= self.max_environments || pool.memory() + weight > self.memory_budget_mb {
            let oldest = pool.oldest_idle().ok_or(InvokeError::TooManyEnvironments)?;
            removed.extend(pool.remove(oldest));
        }
        pool.last += 1;
        let log_stream = self.setting.log_stream(&spec.version);
        let member = Member {
            key,
            spec: spec.clone(),
            log_stream: log_stream.clone(),
            environment: None,
            state: EnvironmentState::Starting,
            used_mb: 0,
            invocations: 0,
            last_used: self.setting.clock.now(),
            retired: false,
        };
        let id = pool.last;
        if pool.members.is_empty() {
            self.wake.notify_one();
        }
        pool.members.insert(id, member);
        Ok(Checkout::Cold(id, log_stream))
    }

    /// Starts an environment and runs its first invocation.
    async fn cold(
        self: &Arc<Self>,
        id: u64,
        stream: &str,
        spec: &Arc<FunctionSpec>,
        invocation: &Arc<Invocation>,
    ) -> Result<Outcome, InvokeError> {
        let outcome = self.first(id, stream, spec, invocation).await;
        let alive = self
            .lock()
            .members
            .get(&id)
            .and_then(|it| it.environment.clone())
            .is_some_and(|it| it.is_alive());
        match outcome {
            Ok((ran, ready)) => {
                self.release(id, alive && ready, Some(&ran));
                match ran {
                    Ran::Finished(outcome) => self.unless_closed(outcome),
                    Ran::Untouched => Err(InvokeError::Shutdown),
                }
            }
            Err(error) => {
                self.release(id, false, None);
                if self.lock().closed { Err(InvokeError::Shutdown) } else { Err(error) }
            }
        }
    }

    /// The first invocation of a member, and whether its environment is fit for another one.
    async fn first(
        self: &Arc<Self>,
        id: u64,
        stream: &str,
        spec: &Arc<FunctionSpec>,
        invocation: &Arc<Invocation>,
    ) -> Result<(Ran, bool), InvokeError> {
        let start = self.setting.plan(spec).await?;
        if let Some(reason) = &start.invalid {
            let logs = Logs::new(self.setting.destination(spec, stream), None)?;
            let outcome = invocation::not_startable(&logs, spec.memory_mb, &spec.version, invocation, reason);
            return Ok((Ran::Finished(outcome), false));
        }
        let mut repeated = false;
        loop {
            let credentials = (self.credentials)(spec);
            let nothing = BTreeMap::new();
            let started =
                Environment::start(&self.setting, spec, &start, stream, Some(&credentials), &nothing).await?;
            let environment = Arc::new(started);
            self.attach(id, &environment).await?;
            let limit = if repeated { spec.timeout } else { INIT_LIMIT };
            let before = match environment.initialize(limit).await {
                Init::Ready(took) if repeated => Before { init: None, spent: took },
                Init::Ready(took) => Before { init: Some(took), spent: Duration::ZERO },
                Init::TimedOut if !repeated => {
                    let line = report::init_report(INIT_LIMIT, report::Status::Timeout);
                    environment.jailed.kill().await;
                    environment.logs.finish([line]);
                    repeated = true;
                    continue;
                }
                failed => {
                    let outcome = invocation::not_initialized(&environment, invocation, failed);
                    return Ok((Ran::Finished(outcome), false));
                }
            };
            return Ok((invocation::run(&environment, invocation, before).await, true));
        }
    }

    /// Makes an environment the member's own, instead of one that failed before it.
    async fn attach(self: &Arc<Self>, id: u64, environment: &Arc<Environment>) -> Result<(), InvokeError> {
        let stopped = {
            let mut pool = self.lock();
            let closed = pool.closed;
            let replaced = match pool.members.get_mut(&id).filter(|_| !closed) {
                Some(member) => {
                    member.state = EnvironmentState::Starting;
                    member.environment.replace(environment.clone())
                }
                None => Some(environment.clone()),
            };
            pool.stopping += usize::from(replaced.is_some());
            replaced.map(|it| (it, closed))
        };
        match stopped {
            Some((it, closed)) => {
                self.stopped(&it).await;
                if closed { Err(InvokeError::Shutdown) } else { Ok(()) }
            }
            None => Ok(()),
        }
    }

    /// Gives a member back after an invocation: to the idle ones when it is fit, otherwise to be stopped.
    fn release(self: &Arc<Self>, id: u64, fit: bool, ran: Option<&Ran>) {
        let now = self.setting.clock.now();
        let stopped = {
            let mut pool = self.lock();
            let closed = pool.closed;
            let Some(member) = pool.members.get_mut(&id) else { return };
            member.last_used = now;
            if let Some(Ran::Finished(outcome)) = ran {
                member.invocations += 1;
                member.used_mb = outcome.max_memory_mb;
            }
            if fit && !member.retired && !closed {
                member.state = EnvironmentState::Idle;
                let key = member.key.clone();
                pool.idle.entry(key).or_default().push(id);
                None
            } else {
                pool.remove(id)
            }
        };
        if let Some(environment) = stopped {
            self.stop(environment);
        }
        self.changed.notify_waiters();
    }

    /// Keeps a busy member that still works after its answer, until it asks for more.
    fn release_when_parked(self: &Arc<Self>, id: u64, environment: Arc<Environment>) {
        let inner = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = environment.exchange.until_parked() => {}
                _ = environment.jailed.wait() => {}
            }
            inner.release(id, environment.is_alive(), None);
        });
    }

    async fn sweep(&self) {
        let now = self.setting.clock.now();
        let stopped: Vec<Arc<Environment>> = {
            let mut pool = self.lock();
            let over = |member: &Member| {
                let dead = member.environment.as_ref().is_none_or(|it| !it.is_alive());
                member.state == EnvironmentState::Idle
                    && (dead || now.since(member.last_used) >= self.idle_timeout)
            };
            let ids: Vec<u64> = pool.members.iter().filter(|(_, it)| over(it)).map(|(id, _)| *id).collect();
            ids.into_iter().filter_map(|id| pool.remove(id)).collect()
        };
        for environment in stopped {
            self.stopped(&environment).await;
        }
    }
}

/// Sweeps for as long as the workers live; costs nothing while there are no environments.
async fn sweep_forever(inner: Weak<Inner>, wake: Arc<Notify>) {
    loop {
        let every = match inner.upgrade() {
            None => return,
            Some(inner) => {
                inner.sweep().await;
                let pool = inner.lock();
                if pool.closed {
                    return;
                }
                let every = (inner.idle_timeout / 4).clamp(Duration::from_millis(10), SWEEP_EVERY);
                (!pool.members.is_empty()).then_some(every)
            }
        };
        match every {
            Some(every) => drop(tokio::time::timeout(every, wake.notified()).await),
            None => wake.notified().await,
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // The sweeping task waits without holding on to this; now it can see that there is nothing left to do.
        self.0.wake.notify_one();
    }
}
