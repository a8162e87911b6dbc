//! Pre-warmed processes, which wait for a function: a language that has started, in a jail that shows no code yet.
//!
//! One that is needed is told its function's environment and shown its code, and is that function's for the rest of its
//! life; nobody's code has run in it before. Keeps true: there are only as many as cold starts of the same kind came
//! together of late, while the pattern of those expects another (see [`crate::keep_alive`]), never more than [`MOST`], and no
//! more than the memory budget has room for, zygotes ([`crate::zygote`]) counted.

use crate::environment::Setting;
use crate::function::FunctionSpec;
use crate::keep_alive::{Bounds, Pattern};
use crate::runtimes::{self, Start};
use crate::zygote::{self, Source};
use aloft_base::{ByteSize, Timestamp};
use aloft_sandbox::{API_PORT, Doors, Jailed, Launch, Limits, Output, View, Zygote};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

/// How many wait at most: of a kind, and of all kinds.
const MOST_OF_A_KIND: usize = 4;
const MOST: usize = 8;
/// What one counts for in the memory budget, in MB: a language with the SDK.
const WAITING_MB: u64 = 65;
/// How many kinds are remembered.
const KINDS: usize = 64;
/// How many zygotes of a kind are tried.
const MOST_FAILURES: u32 = 2;
/// The time within which cold starts count as coming together.
const TOGETHER: Duration = Duration::from_secs(10);
/// How long a language may take to start.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(20);
/// What Lambda gives at most: until it is furnished, memory is not what bounds one.
const MEMORY: ByteSize = ByteSize::mebibytes(10_240);
/// The size of `/tmp` until then, in MB.
pub(crate) const TEMPORARY_MB: u32 = 512;

/// Variables that are read when a process starts, and cannot be told later.
const READ_AT_START: [&str; 11] =
    ["BOTO_", "DYLD_", "GLIBC_", "LANG", "LC_", "LD_", "MALLOC_", "NODE_", "OPENSSL_", "PYTHON", "SSL_"];

/// What is started alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Kind {
    program: PathBuf,
    arguments: Vec<OsString>,
    runtime_directory: PathBuf,
    /// The layer with the SDK, where that is imported, and what of it is prepared.
    sdk: Option<(PathBuf, String)>,
    /// Whether one of them can fork the others.
    forks: bool,
}

/// A process that waits.
pub(crate) struct Prewarmed {
    pub(crate) jailed: Jailed,
    pub(crate) doors: Doors,
    /// By which it is told its environment.
    pub(crate) connection: Box<dyn AsyncWrite + Send + Unpin>,
}

/// All that wait.
pub(crate) struct PrewarmedPool {
    inner: Mutex<Inner>,
    bounds: Bounds,
}

#[derive(Default)]
struct Inner {
    kinds: HashMap<Kind, OfKind>,
    /// Zygotes that fork no more, and wait for the end of what they forked.
    retired: Vec<Arc<Zygote>>,
    closed: bool,
}

impl Inner {
    /// How many wait or are about to, and the zygotes.
    fn count(&self) -> usize {
        let zygotes = self.kinds.values().filter(|it| it.source.is_there()).count() + self.retired.len();
        self.kinds.values().map(OfKind::count).sum::<usize>() + zygotes
    }

    /// Retires zygotes that have ended, whoever ended them. They can be made again.
    fn retire_ended(&mut self) {
        for of_kind in self.kinds.values_mut() {
            if let Source::Ready(zygote) = &of_kind.source
                && !zygote.is_usable()
            {
                self.retired.push(zygote.clone());
                of_kind.source = Source::Absent;
            }
        }
    }

    /// One that makes room for a kind of which there are so many: of another with more than one more.
    fn spare(&mut self, count: usize) -> Option<Prewarmed> {
        let most = self.kinds.values_mut().max_by_key(|it| it.waiting.len())?;
        if most.waiting.len() > count + 1 { most.waiting.pop() } else { None }
    }
}

#[derive(Default)]
struct OfKind {
    waiting: Vec<Prewarmed>,
    starting: usize,
    /// What forks them.
    source: Source,
    /// How many zygotes in a row did not fork.
    failures: u32,
    /// The last cold starts, the latest last.
    asked: VecDeque<Timestamp>,
    /// When they come.
    pattern: Pattern,
}

impl OfKind {
    /// How many wait or are about to.
    fn count(&self) -> usize {
        self.waiting.len() + self.starting
    }

    /// It was asked for one. What comes together counts once.
    fn ask(&mut self, now: Timestamp) {
        let idle = self.asked.back().map(|last| now.since(*last));
        if let Some(idle) = idle.filter(|idle| *idle >= TOGETHER) {
            self.pattern.observe(idle);
        }
        self.asked.push_back(now);
        if self.asked.len() > 2 * MOST_OF_A_KIND {
            self.asked.pop_front();
        }
    }

    /// In how long some should wait: zero while they should, nothing when none is expected any more.
    fn due(&mut self, now: Timestamp, bounds: &Bounds) -> Option<Duration> {
        let idle = now.since(*self.asked.back()?);
        let windows = bounds.windows(&mut self.pattern);
        (idle < windows.end()).then(|| windows.pre_warm.saturating_sub(idle))
    }

    /// How many should wait then: as many as were asked for together.
    fn wanted(&self) -> usize {
        let together = |first: &Timestamp| {
            self.asked.iter().filter(|it| *it >= first && it.since(*first) < TOGETHER).count()
        };
        self.asked.iter().map(together).max().unwrap_or(0).min(MOST_OF_A_KIND)
    }
}

/// The kind of an environment, where it is one that can wait.
pub(crate) fn kind(setting: &Setting, spec: &FunctionSpec, start: &Start) -> Option<Kind> {
    if start.wrapper.is_some() || !start.extensions.is_empty() {
        return None;
    }
    let runtime = runtimes::find(&spec.runtime).ok()?;
    let waiting = runtime.waiting(spec, start)?;
    let real = start.program.canonicalize().ok()?;
    // What lies in `/opt` would be covered by layers.
    let covered = start.program.starts_with("/opt") || real.starts_with("/opt");
    let early = spec.environment.keys().any(|name| READ_AT_START.iter().any(|it| name.starts_with(it)));
    // What Lambda brings along is a layer for itself.
    let mut layers = spec.layer_directories.iter();
    let sdk = layers.find(|it| setting.code_roots.contains(it) && it.join("python/boto3").is_dir());
    (!covered && !early).then(|| Kind {
        program: start.program.clone(),
        arguments: waiting.arguments,
        runtime_directory: start.runtime_directory.clone(),
        sdk: sdk.cloned().zip(waiting.sdk),
        forks: runtime.forks() && setting.sandbox.can_fork(),
    })
}

impl Prewarmed {
    /// Tells it who it is. It goes on by itself.
    pub(crate) async fn tell(
        connection: &mut (dyn AsyncWrite + Send + Unpin),
        environment: &BTreeMap<String, String>,
    ) -> io::Result<()> {
        connection.write_all(serde_json::to_string(environment)?.as_bytes()).await?;
        connection.shutdown().await
    }
}

impl PrewarmedPool {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { inner: Mutex::default(), bounds }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that waits, if there is one. That it was asked for is remembered.
    pub(crate) fn take(&self, kind: &Kind, now: Timestamp) -> Option<Prewarmed> {
        let mut inner = self.lock();
        if inner.kinds.len() >= KINDS && !inner.kinds.contains_key(kind) {
            return None;
        }
        let of_kind = inner.kinds.entry(kind.clone()).or_default();
        of_kind.ask(now);
        loop {
            let prewarmed = of_kind.waiting.pop()?;
            if !prewarmed.jailed.has_ended() {
                return Some(prewarmed);
            }
        }
    }

    /// The process numbers of the zygotes.
    #[cfg(test)]
    pub(crate) fn zygotes(&self) -> Vec<u32> {
        let inner = self.lock();
        let of_kinds = inner.kinds.values().filter_map(|it| match &it.source {
            Source::Ready(zygote) => Some(zygote),
            _ => None,
        });
        of_kinds.chain(&inner.retired).map(|it| it.pid()).collect()
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().kinds.values().map(|it| it.waiting.len()).sum()
    }

    /// How many are about to, zygotes too.
    pub(crate) fn starting(&self) -> usize {
        let of_kind = |it: &OfKind| it.starting + usize::from(it.source.is_starting());
        self.lock().kinds.values().map(of_kind).sum()
    }

    /// Whether none waits or is about to, and there is no zygote.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().count() == 0
    }

    /// One that its zygote forks now, where there is one.
    pub(crate) async fn fork(setting: &Setting, kind: &Kind) -> Option<Prewarmed> {
        let zygote = {
            let mut inner = setting.prewarmed.lock();
            inner.retire_ended();
            match inner.kinds.get(kind).map(|it| &it.source) {
                Some(Source::Ready(zygote)) => zygote.clone(),
                _ => return None,
            }
        };
        setting.prewarmed.forked(kind, &zygote, zygote::fork(setting, &zygote, false).await).ok()
    }

    /// After a fork: a zygote that did not do it is not asked again. Another one may do better, whoever ended this one.
    fn forked(
        &self,
        kind: &Kind,
        zygote: &Arc<Zygote>,
        forked: io::Result<Prewarmed>,
    ) -> io::Result<Prewarmed> {
        let mut inner = self.lock();
        let of_kind = inner.kinds.entry(kind.clone()).or_default();
        match &forked {
            Ok(_) => of_kind.failures = 0,
            Err(error) => {
                tracing::debug!(%error, "nothing is forked for a function");
                if matches!(&of_kind.source, Source::Ready(it) if Arc::ptr_eq(it, zygote)) {
                    of_kind.failures += 1;
                    of_kind.source =
                        if of_kind.failures < MOST_FAILURES { Source::Absent } else { Source::Impossible };
                    inner.retired.push(zygote.clone());
                }
            }
        }
        forked
    }

    /// Starts what is wanted now and not there, in the background, as far as all find room in so much memory.
    pub(crate) fn refill(setting: &Arc<Setting>, room_mb: u64) {
        let (now, bounds) = (setting.clock.now(), setting.prewarmed.bounds);
        loop {
            let (kind, goes, how) = {
                let mut inner = setting.prewarmed.lock();
                inner.retire_ended();
                let most = MOST.min(usize::try_from(room_mb / WAITING_MB).unwrap_or(MOST));
                let is_full = inner.count() >= most;
                let lacking = inner.kinds.iter_mut().filter_map(|(kind, it)| {
                    // Where a zygote starts it forks them.
                    let lacks = it.count() < it.wanted()
                        && it.due(now, &bounds) == Some(Duration::ZERO)
                        && !it.source.is_starting();
                    lacks.then(|| (it.asked.back().copied(), it.count(), kind.clone()))
                });
                // Who was asked for last is likely to be asked for next.
                let Some((_, count, kind)) = lacking.max_by_key(|it| it.0).filter(|_| !inner.closed) else {
                    return;
                };
                let goes = if is_full { inner.spare(count) } else { None };
                if is_full && goes.is_none() {
                    return;
                }
                let of_kind = inner.kinds.entry(kind.clone()).or_default();
                let how = match &of_kind.source {
                    Source::Ready(zygote) => How::Forked(zygote.clone()),
                    Source::Absent if kind.forks => How::ByZygote,
                    _ => How::Started,
                };
                match &how {
                    How::ByZygote => of_kind.source = Source::Starting,
                    _ => of_kind.starting += 1,
                }
                (kind, goes, how)
            };
            if let Some(goes) = goes {
                tokio::spawn(async move { goes.jailed.kill().await });
            }
            let setting = setting.clone();
            tokio::spawn(async move {
                let pool = &setting.prewarmed;
                let again = match how {
                    How::ByZygote => {
                        pool.zygote_started(&kind, zygote::start(&setting, &kind).await);
                        true
                    }
                    How::Forked(zygote) => {
                        let forked = zygote::fork(&setting, &zygote, true).await;
                        let forked = pool.forked(&kind, &zygote, forked);
                        let failed = forked.is_err();
                        pool.started(&kind, forked, failed).await;
                        failed
                    }
                    How::Started => {
                        pool.started(&kind, start(&setting, &kind).await, false).await;
                        false
                    }
                };
                if again {
                    Self::refill(&setting, room_mb);
                }
            });
        }
    }

    /// A zygote has started, or has not.
    fn zygote_started(&self, kind: &Kind, started: io::Result<Zygote>) {
        let source = match started {
            Ok(zygote) => Source::Ready(Arc::new(zygote)),
            Err(error) => {
                tracing::debug!(%error, "nothing will be forked for functions");
                Source::Impossible
            }
        };
        // One that is there when the pool is closed is ended last.
        self.lock().kinds.entry(kind.clone()).or_default().source = source;
    }

    /// A process has started, or has not; then it is tried `again` in another way, or not before somebody asks for one.
    async fn started(&self, kind: &Kind, started: io::Result<Prewarmed>, again: bool) {
        let refused = {
            let mut inner = self.lock();
            let closed = inner.closed;
            let of_kind = inner.kinds.entry(kind.clone()).or_default();
            match started {
                Ok(prewarmed) if closed => Some(prewarmed),
                Ok(prewarmed) => {
                    of_kind.waiting.push(prewarmed);
                    None
                }
                Err(error) => {
                    if !again {
                        tracing::debug!(%error, "no process waits for a function");
                        of_kind.asked.clear();
                    }
                    None
                }
            }
        };
        if let Some(prewarmed) = refused {
            prewarmed.jailed.kill().await;
        }
        let mut inner = self.lock();
        let of_kind = inner.kinds.entry(kind.clone()).or_default();
        of_kind.starting = of_kind.starting.saturating_sub(1);
    }

    /// Takes out those that nobody is expected to ask for now. They must be ended.
    pub(crate) fn expire(&self, now: Timestamp) -> Vec<Prewarmed> {
        let mut expired = Vec::new();
        let mut inner = self.lock();
        for of_kind in inner.kinds.values_mut() {
            let due = of_kind.due(now, &self.bounds);
            if due != Some(Duration::ZERO) {
                expired.append(&mut of_kind.waiting);
            }
            if due.is_none() {
                // The pattern stays.
                let last = of_kind.asked.pop_back();
                of_kind.asked.clear();
                of_kind.asked.extend(last);
            }
        }
        expired
    }

    /// Takes out the zygotes of which nothing is left, and that nobody is expected to need now. They must be ended.
    pub(crate) fn expire_zygotes(&self, now: Timestamp) -> Vec<Arc<Zygote>> {
        let mut inner = self.lock();
        inner.retire_ended();
        let mut expired: Vec<_> = inner.retired.extract_if(.., |it| zygote::has_no_forks(it)).collect();
        for of_kind in inner.kinds.values_mut() {
            let due = of_kind.due(now, &self.bounds);
            if due != Some(Duration::ZERO) {
                expired.extend(of_kind.source.take_idle());
            }
            // It is tried again when somebody asks again.
            if due.is_none() && matches!(of_kind.source, Source::Impossible) {
                (of_kind.source, of_kind.failures) = (Source::Absent, 0);
            }
        }
        expired
    }

    /// In how long the next should wait.
    pub(crate) fn next(&self, now: Timestamp) -> Option<Duration> {
        let mut inner = self.lock();
        inner.kinds.values_mut().filter_map(|it| it.due(now, &self.bounds)).min()
    }

    /// Takes out as many as find no room in so much memory, and zygotes of which nothing is left. They must be ended.
    pub(crate) fn shed(&self, room_mb: u64) -> (Vec<Prewarmed>, Vec<Arc<Zygote>>) {
        let mut inner = self.lock();
        let most = usize::try_from(room_mb / WAITING_MB).unwrap_or(usize::MAX);
        let mut beyond = inner.count().saturating_sub(most);
        let (mut shed, mut zygotes) = (Vec::new(), Vec::new());
        for of_kind in inner.kinds.values_mut() {
            let stay = of_kind.waiting.len().saturating_sub(beyond);
            let goes = of_kind.waiting.split_off(stay);
            beyond -= goes.len();
            shed.extend(goes);
            if beyond > 0
                && let Some(zygote) = of_kind.source.take_idle()
            {
                beyond -= 1;
                zygotes.push(zygote);
            }
        }
        (shed, zygotes)
    }

    /// Takes out the zygotes, when it is closed and nothing starts any more. They must be ended.
    pub(crate) fn close_zygotes(&self) -> Vec<Arc<Zygote>> {
        let mut inner = self.lock();
        let mut zygotes = std::mem::take(&mut inner.retired);
        for of_kind in inner.kinds.values_mut() {
            if let Source::Ready(zygote) = std::mem::take(&mut of_kind.source) {
                zygotes.push(zygote);
            }
        }
        zygotes
    }

    /// Takes out all that wait, for good.
    pub(crate) fn close(&self) -> Vec<Prewarmed> {
        let mut inner = self.lock();
        inner.closed = true;
        inner.kinds.values_mut().flat_map(|it| it.waiting.drain(..)).collect()
    }
}

/// How one more comes to wait.
enum How {
    Started,
    Forked(Arc<Zygote>),
    /// First its zygote is started.
    ByZygote,
}

/// What is started for a kind: it connects to `address`, or forks.
pub(crate) fn launch(setting: &Setting, kind: &Kind, address: Option<String>) -> Launch {
    let id = setting.ids.hex(16);
    let places = crate::places::waiting(&kind.program, &kind.arguments, &kind.runtime_directory);
    let programs = kind.program.parent().map(|it| format!("{}:", it.display())).unwrap_or_default();
    let mark = format!("ALOFT_PREWARMED={id}");
    let mut environment = BTreeMap::from(
        [
            ("ALOFT_PREWARMED", id.as_str()),
            ("LANG", "en_US.UTF-8"),
            // As in `variables`, for every function.
            ("LD_LIBRARY_PATH", "/var/task:/var/task/lib:/opt/lib"),
            ("PATH", &format!("{programs}/usr/local/bin:/usr/bin:/bin:/opt/bin")),
            ("TMPDIR", "/tmp"),
            ("TZ", ":UTC"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    environment.extend(kind.sdk.iter().map(|(_, wanted)| ("ALOFT_SDK".to_owned(), wanted.clone())));
    environment.extend(address.map(|it| ("ALOFT_WAIT".to_owned(), it)));
    Launch {
        name: id,
        program: places.0,
        arguments: places.1,
        environment,
        mark,
        directory: "/".into(),
        view: Some(View {
            // Something must be there for the code to cover.
            code: kind.runtime_directory.clone(),
            layers: kind.sdk.iter().map(|(layer, _)| layer.clone()).collect(),
            runtime: kind.runtime_directory.clone(),
            interpreter: Some(kind.program.clone()),
            temporary_mb: TEMPORARY_MB,
            hosts: setting.code_roots.iter().filter(|it| it.is_dir()).cloned().collect(),
        }),
        limits: limits(setting),
        output: Output::Piped,
    }
}

/// The limits of what is nobody's yet.
pub(crate) fn limits(setting: &Setting) -> Limits {
    Limits {
        memory: MEMORY,
        processes: setting.limits.processes,
        open_files: setting.limits.open_files.into(),
        file_size: MEMORY,
    }
}

async fn start(setting: &Setting, kind: &Kind) -> io::Result<Prewarmed> {
    let launch = launch(setting, kind, Some(format!("127.0.0.1:{API_PORT}")));
    let jailed = setting.sandbox.spawn(launch).map_err(io::Error::other)?;
    let connected = async {
        let doors = jailed.take_doors().ok_or_else(|| io::Error::other("there are no doors"))?;
        let api = TcpListener::from_std(doors.api.try_clone()?)?;
        let accepted = tokio::time::timeout(START_LIMIT, api.accept()).await;
        let (connection, _) = accepted.map_err(|_| io::Error::other("it did not start in time"))??;
        Ok((doors, connection))
    };
    match connected.await {
        Ok((doors, connection)) => Ok(Prewarmed { jailed, doors, connection: Box::new(connection) }),
        Err(error) => {
            jailed.kill().await;
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cold starts each hour, two at a time: two processes wait shortly before, and none in between.
    #[test]
    fn processes_wait_when_cold_starts_are_expected() {
        let bounds = Bounds::FREE;
        let mut kind = OfKind::default();
        let minutes = |minutes: i64| Timestamp(minutes * 60_000);
        kind.ask(minutes(0));
        kind.ask(minutes(0));
        assert_eq!((kind.wanted(), kind.due(minutes(4), &bounds)), (2, Some(Duration::ZERO)));
        assert_eq!(kind.due(minutes(5), &bounds), None);
        for hour in 1..=3 {
            kind.ask(minutes(hour * 60));
            kind.ask(minutes(hour * 60));
        }
        let due = |kind: &mut OfKind, at: i64| kind.due(minutes(180 + at), &bounds);
        assert_eq!((due(&mut kind, 4), kind.wanted()), (Some(Duration::from_secs(50 * 60)), 2));
        assert_eq!((due(&mut kind, 55), due(&mut kind, 70)), (Some(Duration::ZERO), None));
    }
}
