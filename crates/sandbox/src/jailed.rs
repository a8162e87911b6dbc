//! A process in its jail, and the task that watches over it until the whole tree is gone.

use crate::groups::Group;
use crate::isolated::{Doors, First, Furniture, Isolated, Zygote, has_ended};
use crate::launch::Limits;
use crate::processes;
use aloft_base::ByteSize;
use std::collections::HashSet;
use std::io::{self, PipeReader};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::process::Child;
use tokio::sync::{Notify, watch};

/// How often the watchdog looks where the kernel does not limit memory. Only such machines pay for it.
const WATCH_EVERY: Duration = Duration::from_millis(50);

/// How often, and how many times, the end of a killed tree is looked for.
const END_EVERY: Duration = Duration::from_millis(1);
const END_ATTEMPTS: usize = 500;

/// How many times a tree is looked through for processes that are new since it was stopped.
const STOP_ATTEMPTS: usize = 20;

/// How a jail ended.
#[derive(Debug, Clone, Copy)]
pub struct Exit {
    /// What the first process of the tree returned; `None` when the system could not tell.
    pub status: Option<ExitStatus>,
    /// Whether the kernel or the watchdog killed for want of memory.
    pub out_of_memory: bool,
}

/// A running jail. Dropping it kills nothing; [`Jailed::kill`] does.
#[derive(Debug)]
pub struct Jailed {
    shared: Arc<Shared>,
    output: Mutex<Option<PipeReader>>,
    doors: Mutex<Option<Doors>>,
    /// The first process of a jail that can be furnished.
    first: Option<OwnedFd>,
    hosts: Vec<PathBuf>,
    forked: bool,
    exit: watch::Receiver<Option<Exit>>,
}

/// The process that a jail lives and dies with.
#[derive(Debug)]
pub(crate) enum Process {
    /// The program itself, and its number.
    Gated(Child, u32),
    /// The first of a pid namespace, whose end is the end of all in it.
    Isolated(First),
}

impl Process {
    async fn wait(&mut self) -> io::Result<ExitStatus> {
        match self {
            Self::Gated(child, _) => child.wait().await,
            Self::Isolated(first) => first.wait().await,
        }
    }

    fn pid(&self) -> u32 {
        match self {
            Self::Gated(_, pid) => *pid,
            Self::Isolated(first) => first.pid,
        }
    }
}

#[derive(Debug)]
struct Shared {
    /// The first process of the tree.
    root: u32,
    /// The program: `root` itself, or its child.
    pid: u32,
    mark: String,
    group: Option<Group>,
    /// How much memory it may have, in bytes.
    memory: AtomicU64,
    /// The largest amount of memory seen, in bytes.
    peak: AtomicU64,
    /// Whether it stands still.
    frozen: watch::Sender<bool>,
    /// Whether it has a quota of the processor.
    has_quota: AtomicBool,
    kill: Notify,
}

/// Removes a group, whose last process may just be ending.
pub(crate) async fn remove(group: &Group) {
    for _ in 0..END_ATTEMPTS {
        if group.remove() {
            break;
        }
        tokio::time::sleep(END_EVERY).await;
    }
}

/// A process that has started, with all that is known of it.
pub(crate) struct Watched {
    pub(crate) process: Process,
    /// The program's number, where it is known.
    pub(crate) program: Option<u32>,
    pub(crate) group: Option<Group>,
    pub(crate) mark: String,
    /// What its group may have of files in memory.
    pub(crate) files: ByteSize,
    /// `None` where nobody watches over its memory.
    pub(crate) limits: Option<Limits>,
    /// Not empty where it can be furnished.
    pub(crate) hosts: Vec<PathBuf>,
    /// Which forked it, and stays for that long.
    pub(crate) zygote: Option<Arc<Zygote>>,
}

impl Jailed {
    pub(crate) fn supervise(watched: Watched, output: Option<PipeReader>, doors: Option<Doors>) -> Self {
        let Watched { process, program, group, mark, files, limits, hosts, zygote } = watched;
        let first = match &process {
            Process::Isolated(first) if !hosts.is_empty() => first.descriptor().ok(),
            _ => None,
        };
        let root = process.pid();
        let pid = match &process {
            Process::Gated(..) => root,
            Process::Isolated(_) => program.or_else(|| processes::child(root)).unwrap_or(root),
        };
        let forked = zygote.is_some();
        let shared = Arc::new(Shared {
            root,
            pid,
            mark,
            group,
            memory: AtomicU64::new(limits.as_ref().map_or(u64::MAX, |it| it.memory.0)),
            peak: AtomicU64::new(0),
            frozen: watch::Sender::new(false),
            has_quota: AtomicBool::new(false),
            kill: Notify::new(),
        });
        let (sender, exit) = watch::channel(None);
        let watched = shared.clone();
        tokio::spawn(async move {
            let exit = watched.run(process, limits.as_ref(), files).await;
            drop(zygote);
            sender.send_replace(Some(exit));
        });
        Self { shared, output: Mutex::new(output), doors: Mutex::new(doors), first, hosts, forked, exit }
    }

    /// The process number of the program, on the host.
    pub fn pid(&self) -> u32 {
        self.shared.pid
    }

    /// The pipe that carries standard output and standard error, once.
    pub fn take_output(&self) -> Option<PipeReader> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The doors of its network, once; `None` where it shares the host's.
    pub fn take_doors(&self) -> Option<Doors> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// How it ended, if it has.
    pub fn exited(&self) -> Option<Exit> {
        *self.exit.borrow()
    }

    /// Whether it has ended, as far as can be seen at once: it may not have been told as [`Jailed::exited`] yet.
    pub fn has_ended(&self) -> bool {
        self.exited().is_some() || self.first.as_ref().is_some_and(has_ended)
    }

    /// Waits until the whole tree is gone, by itself or by [`Jailed::kill`].
    pub async fn wait(&self) -> Exit {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(exit) => (*exit).unwrap_or(Exit { status: None, out_of_memory: false }),
            // The runtime is shutting down and took the watching task with it.
            Err(_) => Exit { status: None, out_of_memory: false },
        }
    }

    /// Kills the whole tree and waits until it is gone.
    pub async fn kill(&self) -> Exit {
        self.shared.kill.notify_one();
        self.wait().await
    }

    pub(crate) fn furnish(
        &self,
        isolated: &Isolated,
        furniture: &Furniture,
        limits: &Limits,
    ) -> io::Result<()> {
        let first = self.first.as_ref().ok_or_else(|| io::Error::other("the jail cannot be furnished"))?;
        isolated.furnish(first.try_clone()?, &self.hosts, self.forked, furniture)?;
        self.shared.memory.store(limits.memory.0, Ordering::Relaxed);
        let files = ByteSize::mebibytes(furniture.temporary_mb.into());
        self.shared.group.as_ref().map_or(Ok(()), |group| group.limit(limits, files))
    }

    /// From now on the whole tree gets no more of the processors than belongs to its memory, one for 1,769 MB, also where
    /// nobody else wants them. False where this machine cannot do that.
    ///
    /// # Errors
    /// When the system refuses, because this process itself may have less, for instance.
    pub fn limit_processor(&self) -> io::Result<bool> {
        let Some(group) = &self.shared.group else { return Ok(false) };
        let limited = group.limit_processor(Some(self.shared.memory.load(Ordering::Relaxed)))?;
        self.shared.has_quota.store(limited, Ordering::Relaxed);
        Ok(limited)
    }

    /// Makes the whole tree stand still: it uses no processor until [`Jailed::thaw`]. It can be killed meanwhile.
    pub fn freeze(&self) {
        if !self.shared.frozen.send_replace(true) {
            self.shared.stop();
        }
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        if self.shared.frozen.send_replace(false) {
            self.shared.members().into_iter().for_each(processes::go_on);
        }
    }

    /// The most memory that the tree was seen to have, as far as this machine can tell.
    pub fn peak_memory(&self) -> ByteSize {
        if self.exited().is_none() {
            self.shared.measure();
        }
        ByteSize(self.shared.peak.load(Ordering::Relaxed))
    }
}

impl Shared {
    async fn run(&self, mut process: Process, limits: Option<&Limits>, files: ByteSize) -> Exit {
        let mut watched_out = false;
        let status = tokio::select! {
            status = process.wait() => status,
            () = self.kill.notified() => {
                self.end_first(&process);
                process.wait().await
            }
            () = self.watchdog(limits, files) => {
                watched_out = true;
                self.end_first(&process);
                process.wait().await
            }
        };
        if matches!(process, Process::Gated(..)) {
            self.end_rest().await;
        }
        let mut killed = 0;
        if let Some(group) = &self.group {
            killed = group.out_of_memory_kills();
            let most = self.memory.load(Ordering::Relaxed);
            // Who was killed for it had all of it; of who ended before anybody looked, only the sum with files is known.
            if killed > 0 {
                self.peak.fetch_max(most, Ordering::Relaxed);
            } else if self.peak.load(Ordering::Relaxed) == 0 {
                self.peak.store(group.peak().unwrap_or(0).min(most), Ordering::Relaxed);
            }
            remove(group).await;
        }
        let status =
            status.inspect_err(|error| tracing::warn!(%error, "cannot wait for a function's process")).ok();
        let by_signal = status.is_none_or(|status| status.code().is_none() || status.code() == Some(137));
        Exit { status, out_of_memory: watched_out || (killed > 0 && by_signal) }
    }

    /// Kills while the first process still ties the tree together.
    fn end_first(&self, process: &Process) {
        self.measure();
        if let Some(group) = self.group.as_ref().filter(|_| self.has_quota.load(Ordering::Relaxed)) {
            // To end takes the processor, too.
            let _ = group.limit_processor(None);
        }
        if let Process::Isolated(first) = process {
            return first.kill();
        }
        if let Some(group) = &self.group {
            group.freeze_count();
        }
        self.members().into_iter().for_each(processes::kill);
        processes::kill(self.pid);
    }

    /// The processes of the tree.
    fn members(&self) -> Vec<u32> {
        match &self.group {
            Some(group) => group.processes(),
            None => processes::tree(self.root, &self.mark),
        }
    }

    /// Stops what there is, and what that started meanwhile.
    fn stop(&self) {
        let mut stopped = HashSet::new();
        for _ in 0..STOP_ATTEMPTS {
            let new: Vec<u32> = self.members().into_iter().filter(|pid| stopped.insert(*pid)).collect();
            if new.is_empty() {
                return;
            }
            new.into_iter().for_each(processes::stop);
        }
    }

    /// Kills what outlived the first process, until nothing is left.
    async fn end_rest(&self) {
        processes::kill_process_group(self.pid);
        if let Some(group) = &self.group {
            group.freeze_count();
        }
        for _ in 0..END_ATTEMPTS {
            let members = self.members();
            if members.is_empty() {
                return;
            }
            for pid in members {
                processes::kill(pid);
                processes::reap(pid);
            }
            tokio::time::sleep(END_EVERY).await;
        }
        tracing::warn!(pid = self.pid, "processes of a function do not end");
    }

    /// Returns when the tree has more memory or processes than it may. Never where the kernel limits both.
    async fn watchdog(&self, limits: Option<&Limits>, files: ByteSize) {
        let Some(limits) = limits else { return std::future::pending().await };
        let mut frozen = self.frozen.subscribe();
        loop {
            // Who stands still does not grow.
            let _ = frozen.wait_for(|frozen| !frozen).await;
            tokio::time::sleep(WATCH_EVERY).await;
            match self.group.as_ref().filter(|it| it.limits_memory()) {
                Some(_) if files.0 == 0 => return std::future::pending().await,
                Some(group) => {
                    // The kernel's limit has room for files that memory may not take.
                    let most = self.memory.load(Ordering::Relaxed);
                    if group.usage().is_some_and(|it| it > most) {
                        let memory = group.memory().unwrap_or(0);
                        self.peak.fetch_max(memory, Ordering::Relaxed);
                        if memory > most {
                            return;
                        }
                    }
                }
                None => {
                    let members = processes::tree(self.root, &self.mark);
                    let resident: u64 = members.iter().map(|pid| processes::resident(*pid)).sum();
                    self.peak.fetch_max(resident, Ordering::Relaxed);
                    if resident > self.memory.load(Ordering::Relaxed)
                        || members.len() > limits.processes as usize
                    {
                        return;
                    }
                }
            }
        }
    }

    /// The group's count leaves out what the process shares with others (its own executable, for instance); the
    /// process's own count leaves out its children. The larger one is nearer to what a machine of its own would show.
    fn measure(&self) {
        let of_group = self.group.as_ref().and_then(Group::memory).unwrap_or(0);
        self.peak.fetch_max(of_group.max(processes::peak(self.pid)), Ordering::Relaxed);
    }
}
