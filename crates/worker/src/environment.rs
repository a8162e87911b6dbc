//! One execution environment: a jailed process, its listener, its log, its directory.
//!
//! It is started, initialised, used for one invocation at a time (see `invocation`) and stopped. It does not know the
//! pool that owns it.

use crate::channel::{self, Door};
use crate::exchange::{Exchange, Initialized};
use crate::extensions::{About, Extensions, RUNTIME_END};
use crate::function::{FunctionSpec, InvokeError, LogSink, TemporaryCredentials};
use crate::limits::EnvironmentLimits;
use crate::lines::SHORT;
use crate::logs::{Destination, Logs};
use crate::outward::{self, Outward};
use crate::places::Places;
use crate::prewarmed::{self, Prewarmed, PrewarmedPool};
use crate::quotas::Quotas;
use crate::report;
use crate::runtime_api;
use crate::runtimes::{self, Installed, RUNTIMES, Start};
use crate::telemetry::Telemetry;
use crate::variables::{Surroundings, variables};
use aloft_base::{ByteSize, Clock, Ids};
use aloft_sandbox::{API_PORT, CHANNEL, Doors, Exit, Furniture, Jailed, Launch, Limits, Output, Sandbox};
use bytes::Bytes;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, UdpSocket, UnixListener};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// The script that starts extensions, in each runtime's directory.
pub(crate) const SUPERVISE: &str = "supervise.sh";

/// How old a measurement of memory may be, for an invocation that takes next to nothing.
const MEASURE_EVERY: Duration = Duration::from_millis(100);

/// What all environments of this machine share.
pub(crate) struct Setting {
    pub(crate) sandbox: Sandbox,
    pub(crate) installed: Installed,
    /// Bootstraps in `runtimes/<name>`, environments in `environments/<id>`.
    pub(crate) directory: PathBuf,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) endpoint_url: Option<String>,
    /// Where functions with a network of their own may go.
    pub(crate) outward: Arc<Outward>,
    /// The directories below which code and layers lie, where processes may wait for functions.
    pub(crate) code_roots: Vec<PathBuf>,
    pub(crate) prewarmed: PrewarmedPool,
    pub(crate) sink: Option<Arc<dyn LogSink>>,
    pub(crate) output: Output,
    pub(crate) limits: EnvironmentLimits,
    pub(crate) quotas: Quotas,
}

impl Setting {
    /// Empties the directory and puts the bootstraps there.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        self.clear()?;
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(self.directory.join("environments"))?;
        for runtime in RUNTIMES {
            let directory = self.runtime_directory(runtime.name());
            builder.create(&directory)?;
            runtime.install(&directory)?;
            fs::write(directory.join(SUPERVISE), include_str!("supervise.sh"))?;
            // A jailed function is somebody else, and reads it nonetheless.
            readable(&directory)?;
        }
        Ok(())
    }

    /// Removes all that lies in the directory.
    pub(crate) fn clear(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn runtime_directory(&self, name: &str) -> PathBuf {
        self.directory.join("runtimes").join(name)
    }

    /// How environments of `spec` are started. Looks for the language, so it may take some milliseconds.
    pub(crate) async fn plan(self: &Arc<Self>, spec: &Arc<FunctionSpec>) -> Result<Start, InvokeError> {
        let (setting, spec) = (self.clone(), spec.clone());
        let planned = tokio::task::spawn_blocking(move || {
            let runtime = runtimes::find(&spec.runtime)?;
            let directory = setting.runtime_directory(runtime.name());
            Ok(runtime.start(&spec, &directory, &setting.installed)?.wrapped(&spec).extended(&spec))
        });
        planned.await.map_err(io::Error::other)?
    }

    /// Where the log of an environment goes.
    pub(crate) fn destination(&self, spec: &Arc<FunctionSpec>, stream: &str) -> Destination {
        Destination {
            function: spec.clone(),
            stream: stream.to_owned(),
            sink: self.sink.clone(),
            clock: self.clock.clone(),
            telemetry: None,
        }
    }

    /// A new log stream's name: `2026/11/23/[$LATEST]0123...`
    pub(crate) fn log_stream(&self, version: &str) -> String {
        format!("{}/[{version}]{}", self.clock.now().format("%Y/%m/%d"), self.ids.hex(32))
    }
}

/// A started environment.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) spec: Arc<FunctionSpec>,
    pub(crate) clock: Clock,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) jailed: Jailed,
    pub(crate) logs: Arc<Logs>,
    directory: PathBuf,
    started: Instant,
    /// Whether it has a quota of the processor from the end of its initialisation on.
    has_quota: bool,
    initialized: Mutex<Option<oneshot::Receiver<Initialized>>>,
    measured: Mutex<Option<(Instant, u32)>>,
    tasks: Vec<AbortHandle>,
}

/// A process that has started, and what surrounds it.
struct Launched {
    jailed: Jailed,
    logs: Arc<Logs>,
    api: TcpListener,
    channel: Door,
    tasks: Vec<AbortHandle>,
}

/// How an initialisation ended.
#[derive(Debug)]
pub(crate) enum Init {
    /// It asks for its first invocation, after this time.
    Ready(Duration),
    /// It reported an error: its JSON and its type.
    Failed(Bytes, Option<String>),
    Exited(Exit),
    TimedOut,
}

impl Environment {
    /// Starts the process. `inherit` is added to its environment, over everything else.
    pub(crate) async fn start(
        setting: &Setting,
        spec: &Arc<FunctionSpec>,
        start: &Start,
        stream: &str,
        credentials: Option<&TemporaryCredentials>,
        inherit: &BTreeMap<String, String>,
    ) -> Result<Self, InvokeError> {
        let started = Instant::now();
        let id = setting.ids.hex(16);
        let directory = setting.directory.join("environments").join(&id);
        let places = if setting.sandbox.isolates() {
            Places::of_jail(spec, start)
        } else {
            let temporary = directory.join("tmp");
            DirBuilder::new().recursive(true).mode(0o700).create(&temporary)?;
            Places::of_host(spec, start, &temporary)
        };
        let about = About {
            name: spec.name.clone(),
            version: spec.version.clone(),
            handler: spec.handler.clone(),
            account: spec.account.to_string(),
        };
        let mut telemetry = Telemetry::new(setting.clock.clone());
        if !start.extensions.is_empty() {
            telemetry.activate();
        }
        if setting.sandbox.has_networks() {
            telemetry.relay();
        }
        let telemetry = Arc::new(telemetry);
        let extensions = Extensions::new(setting.ids.clone(), telemetry.clone(), about);
        let mut destination = setting.destination(spec, stream);
        destination.telemetry = Some(telemetry.clone());
        let prewarmed = if inherit.is_empty() { Self::prewarmed(setting, spec, start).await } else { None };
        let launched =
            Self::launch(setting, spec, places, prewarmed, destination, credentials, inherit, &id).await;
        let Launched { jailed, logs, api, channel, mut tasks } = launched.inspect_err(|_| {
            let _ = fs::remove_dir_all(&directory);
        })?;
        let (exchange, initialized) = Exchange::new(extensions, setting.limits);
        logs.open(report::init_start(&start.version, spec.region.as_str()));
        telemetry.platform("initStart", || {
            report::phase([
                ("runtimeVersion", start.version.as_str().into()),
                ("functionName", spec.name.as_str().into()),
                ("functionVersion", spec.version.as_str().into()),
            ])
        });
        logs.flush();
        // What the process writes comes after that.
        tasks.push(tokio::spawn(runtime_api::serve(api, exchange.clone())).abort_handle());
        tasks.push(tokio::spawn(channel::serve(channel, exchange.clone())).abort_handle());
        tasks.push(tokio::spawn(logs.clone().pump()).abort_handle());
        Ok(Self {
            spec: spec.clone(),
            clock: setting.clock.clone(),
            exchange,
            jailed,
            logs,
            directory,
            started,
            has_quota: setting.quotas.count(spec, setting.clock.now()),
            initialized: Mutex::new(Some(initialized)),
            measured: Mutex::default(),
            tasks,
        })
    }

    #[allow(clippy::too_many_arguments)] // One step of `start`, apart so that its failure can be cleaned up after.
    async fn launch(
        setting: &Setting,
        spec: &Arc<FunctionSpec>,
        places: Places,
        prewarmed: Option<Prewarmed>,
        destination: Destination,
        credentials: Option<&TemporaryCredentials>,
        inherit: &BTreeMap<String, String>,
        id: &str,
    ) -> Result<Launched, InvokeError> {
        // In a network of its own the environment brings the listener along.
        let listeners = match setting.sandbox.has_networks() {
            true => None,
            false => {
                let bind = || TcpListener::bind(("127.0.0.1", 0));
                Some((bind().await?, bind().await?))
            }
        };
        let (runtime_api, channel) = match &listeners {
            Some((api, channel)) => (api.local_addr()?.to_string(), channel.local_addr()?.to_string()),
            None => (format!("127.0.0.1:{API_PORT}"), CHANNEL.to_owned()),
        };
        let surroundings = Surroundings {
            runtime_api: &runtime_api,
            channel: &channel,
            log_stream: &destination.stream,
            endpoint_url: setting.endpoint_url.as_deref(),
            credentials,
        };
        let mut environment = variables(spec, &places, &surroundings);
        environment.extend(inherit.iter().map(|(name, value)| (name.clone(), value.clone())));
        if let Some(Prewarmed { jailed, doors, mut connection }) = prewarmed {
            match Prewarmed::tell(&mut *connection, &environment).await {
                Ok(()) => return Self::attach(setting, spec, destination, jailed, Some(doors), None).await,
                Err(error) => {
                    tracing::debug!(%error, "a process that waited has ended");
                    jailed.kill().await;
                }
            }
        }
        let jailed = setting.sandbox.spawn(Launch {
            name: id.to_owned(),
            program: places.program,
            arguments: places.arguments,
            environment,
            // Nobody else writes there.
            mark: format!("AWS_LAMBDA_LOG_STREAM_NAME={}", destination.stream),
            directory: places.code,
            view: places.view,
            limits: limits(setting, spec),
            output: setting.output,
        })?;
        let doors = jailed.take_doors();
        Self::attach(setting, spec, destination, jailed, doors, listeners).await
    }

    /// A process that waited and shows this function's code now.
    async fn prewarmed(setting: &Setting, spec: &FunctionSpec, start: &Start) -> Option<Prewarmed> {
        let layers: Vec<PathBuf> = spec.layer_directories.iter().filter(|it| it.is_dir()).cloned().collect();
        let shown = |path: &PathBuf| setting.code_roots.iter().any(|root| path.starts_with(root));
        let can_wait =
            setting.sandbox.has_networks() && layers.iter().chain([&spec.code_directory]).all(shown);
        let kind = can_wait.then(|| prewarmed::kind(setting, spec, start)).flatten()?;
        let prewarmed = match setting.prewarmed.take(&kind, setting.clock.now()) {
            Some(prewarmed) => prewarmed,
            None => PrewarmedPool::fork(setting, &kind).await?,
        };
        let code = spec.code_directory.clone();
        let furniture = Furniture { code, layers, temporary_mb: spec.ephemeral_storage_mb };
        if let Err(error) = setting.sandbox.furnish(&prewarmed.jailed, &furniture, &limits(setting, spec)) {
            tracing::debug!(%error, "a process that waited cannot be used");
            prewarmed.jailed.kill().await;
            return None;
        }
        Some(prewarmed)
    }

    /// Surrounds a process with what it writes to and speaks to; ends it where that failed.
    async fn attach(
        setting: &Setting,
        spec: &Arc<FunctionSpec>,
        destination: Destination,
        jailed: Jailed,
        doors: Option<Doors>,
        listeners: Option<(TcpListener, TcpListener)>,
    ) -> Result<Launched, InvokeError> {
        let attached = Logs::new(destination, jailed.take_output())
            .and_then(|logs| Ok((logs, Self::open_doors(setting, spec, doors, listeners)?)));
        match attached {
            Ok((logs, (api, channel, tasks))) => Ok(Launched { jailed, logs, api, channel, tasks }),
            Err(error) => {
                jailed.kill().await;
                Err(error.into())
            }
        }
    }

    /// Gives the listeners of the Runtime API and of the channel, and starts what passes on the rest.
    fn open_doors(
        setting: &Setting,
        spec: &FunctionSpec,
        doors: Option<Doors>,
        listeners: Option<(TcpListener, TcpListener)>,
    ) -> io::Result<(TcpListener, Door, Vec<AbortHandle>)> {
        let Some(doors) = doors else {
            let (api, channel) = listeners.ok_or_else(|| io::Error::other("the environment has no doors"))?;
            return Ok((api, Door::Shared(channel), Vec::new()));
        };
        let (api, channel) = (TcpListener::from_std(doors.api)?, UnixListener::from_std(doors.channel)?);
        let (connections, names) = (TcpListener::from_std(doors.outward)?, UdpSocket::from_std(doors.names)?);
        let who = format!("the function `{}`", spec.name);
        let connections = outward::connections(connections, setting.outward.clone(), who);
        let questions = outward::questions(names, outward::name_servers);
        Ok((
            api,
            Door::Own(channel),
            vec![tokio::spawn(connections).abort_handle(), tokio::spawn(questions).abort_handle()],
        ))
    }

    /// Waits until the runtime is ready, or is not going to be. Once.
    pub(crate) async fn initialize(&self, limit: Duration) -> Init {
        let receiver = self.initialized.lock().unwrap_or_else(PoisonError::into_inner).take();
        let reported = async {
            match receiver {
                Some(receiver) => receiver.await.ok(),
                None => None,
            }
        };
        let extensions = &self.exchange.extensions;
        tokio::select! {
            biased;
            Some(initialized) = reported => match initialized {
                Initialized::Ready(at) => {
                    let took = at.duration_since(self.started);
                    self.limit_processor();
                    let status = ("status", "success".into());
                    let metrics = ("metrics", json!({ "durationMs": took.as_secs_f64() * 1e3 }));
                    extensions.telemetry.platform("initRuntimeDone", || report::phase([status.clone()]));
                    extensions.telemetry.platform("initReport", || report::phase([status, metrics]));
                    Init::Ready(took)
                }
                Initialized::Failed(body, kind) => Init::Failed(body, kind),
            },
            (kind, reason) = extensions.until_failed() => Init::Failed(report::error(&kind, &reason), Some(kind)),
            exit = self.jailed.wait() => Init::Exited(exit),
            () = tokio::time::sleep(limit) => Init::TimedOut,
        }
    }

    fn limit_processor(&self) {
        if self.has_quota
            && let Err(error) = self.jailed.limit_processor()
        {
            // It is limited all the same where this process is, which is why the kernel may refuse.
            tracing::debug!(%error, function = self.spec.name, "the processor is not limited by memory");
        }
    }

    /// How long ago it was started.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Whether its process can take another invocation.
    pub(crate) fn is_alive(&self) -> bool {
        self.jailed.exited().is_none() && !self.exchange.extensions.has_failed()
    }

    /// Gives a runtime that has extensions, and them, the time to end that they have on Lambda.
    pub(crate) async fn end(&self, reason: &'static str) {
        let extensions = &self.exchange.extensions;
        if extensions.is_empty() || self.jailed.exited().is_some() {
            return;
        }
        extensions.end(reason);
        self.jailed.thaw();
        if let Some(pid) = i32::try_from(self.jailed.pid()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        extensions.until_ended().await;
        let _ = tokio::time::timeout(RUNTIME_END, self.jailed.wait()).await;
    }

    /// The most memory it ever had, in MB, rounded up, after an invocation that took so long. Looking costs as much as a short
    /// handler, so an environment that is called for such all the time is looked at now and then.
    pub(crate) fn peak_memory_mb(&self, took: Duration) -> u32 {
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        match *measured {
            Some((at, mb)) if took < SHORT && at.elapsed() < MEASURE_EVERY && self.is_alive() => mb,
            _ => {
                let mb = self.jailed.peak_memory().0.div_ceil(1024 * 1024);
                let mb = u32::try_from(mb).unwrap_or(u32::MAX).min(self.spec.memory_mb);
                *measured = Some((Instant::now(), mb));
                mb
            }
        }
    }

    /// Ends the whole tree and removes what the environment had. What it wrote last is in the log.
    pub(crate) async fn stop(&self) {
        self.exchange.close();
        self.end("spindown").await;
        self.jailed.kill().await;
        self.logs.finish([]);
        for task in &self.tasks {
            task.abort();
        }
        let directory = self.directory.clone();
        let removed = tokio::task::spawn_blocking(move || remove(&directory)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(%error, directory = %self.directory.display(), "cannot remove an environment's files");
        }
    }
}

/// What an environment of a function may take.
fn limits(setting: &Setting, spec: &FunctionSpec) -> Limits {
    Limits {
        memory: ByteSize::mebibytes(u64::from(spec.memory_mb)),
        processes: setting.limits.processes,
        open_files: setting.limits.open_files.into(),
        file_size: ByteSize::mebibytes(u64::from(spec.ephemeral_storage_mb.max(512))),
    }
}

/// Lets everybody read a directory and the files in it, whatever this process's mask is.
pub(crate) fn readable(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(directory)? {
        fs::set_permissions(entry?.path(), fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

/// Removes a tree, also where the function took the permission away from its directories.
fn remove(directory: &Path) -> io::Result<()> {
    let first = fs::remove_dir_all(directory);
    match &first {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        _ => return first,
    }
    let mut open = vec![directory.to_owned()];
    while let Some(at) = open.pop() {
        fs::set_permissions(&at, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&at)?.flatten() {
            if entry.file_type().is_ok_and(|it| it.is_dir()) {
                open.push(entry.path());
            }
        }
    }
    fs::remove_dir_all(directory)
}
