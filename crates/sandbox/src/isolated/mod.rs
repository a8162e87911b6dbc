//! Jails with namespaces: what this machine allows, and how one is started.
//!
//! Two ways lead to the same jail. A privileged process mounts everything itself and then becomes a user that nobody
//! else is. Another one does all of that within a user namespace, where the function stays the user that it was.
//! Keeps true: when the thread that starts jails ends, by [`Isolated`]'s end or by this process's, every jail ends.

mod child;
mod filter;
mod fork;
mod init;
mod network;
mod plan;
#[cfg(test)]
mod tests;

use crate::groups::Group;
use crate::launch::{Launch, Limits, Output};
use child::{Furnishing, Orders, Powers};
use network::{Messages, Network, Way, Wiring};
use plan::{Plan, Step};
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::{Resource, Rlimit, WaitId, WaitIdOptions, WaitIdStatus, getrlimit, waitid};
use seccompiler::BpfProgram;
use std::ffi::CString;
use std::io::{self, PipeReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub use fork::Zygote;
pub(crate) use fork::commands;
pub use network::{API_PORT, CHANNEL, Doors};
pub use plan::{Furniture, View};

/// The users that functions are, where this process can choose: numbers that no system gives to anybody.
const FIRST_USER: u32 = 0x7000_0000;
const USERS: u32 = 0x1_0000;

/// Descriptors below are the standard ones and the first process's.
const FIRST_DESCRIPTOR: i32 = 10;

/// Starts jails with namespaces.
#[derive(Debug)]
pub(crate) struct Isolated {
    powers: Powers,
    plan: Plan,
    shared_steps: Arc<Vec<Step>>,
    devices: Arc<Vec<(CString, CString)>>,
    filters: Option<Arc<Vec<BpfProgram>>>,
    filters_of_zygotes: Option<Arc<Vec<BpfProgram>>>,
    init: Arc<OwnedFd>,
    ignored: Arc<Vec<i32>>,
    count: AtomicU32,
    messages: Option<Arc<Messages>>,
    starter: Sender<Request>,
}

/// The first process, its number, and what the doors come through.
type Answer = io::Result<(OwnedFd, u32, Option<OwnedFd>)>;

enum Request {
    Start(Box<Orders>, SyncSender<Answer>),
    Furnish(Furnishing, SyncSender<io::Result<()>>),
}

/// A jail's first process, as seen from outside.
#[derive(Debug)]
pub(crate) struct First {
    descriptor: OwnedFd,
    status: PipeReader,
    /// Whether it is this process's child; otherwise another one collects it.
    is_child: bool,
    /// Its process number.
    pub(crate) pid: u32,
}

/// A jail that has started.
pub(crate) struct Begun {
    pub(crate) first: First,
    /// The program's number, where it is known.
    pub(crate) program: Option<u32>,
    pub(crate) output: Option<PipeReader>,
    pub(crate) doors: Option<Doors>,
    /// Who the function is on the host: user and group.
    pub(crate) identity: Identity,
}

/// Who a jail is on the host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    user: u32,
    group: u32,
}

impl Isolated {
    /// Tries what this machine allows. Gives also what is missing, in words for a person. The network of each jail leads
    /// out from these ports of loopback too.
    pub(crate) fn open(loopback: &[u16]) -> (Option<Self>, Vec<&'static str>) {
        let may_choose_users = rustix::process::geteuid().is_root()
            && ["/proc/self/uid_map", "/proc/self/gid_map"].iter().all(|it| maps_our_users(it));
        let powers = |privileged, users| [true, false].map(|network| Powers { privileged, users, network });
        let ways = if may_choose_users {
            [powers(true, true), powers(true, false), powers(false, true)].concat()
        } else {
            powers(false, true).to_vec()
        };
        for powers in ways {
            let attempt = || Self::with(powers, loopback).and_then(|it| it.probe().map(|()| it));
            // Once more, since a child that another thread is just starting may hold the first process's file.
            match attempt().or_else(|_| attempt()) {
                Ok(isolated) => {
                    let mut missing = Vec::new();
                    if !powers.users {
                        missing.push("user namespaces");
                    }
                    if !powers.network {
                        missing.push("networks of their own");
                    }
                    if isolated.filters.is_none() {
                        missing.push("system call filters");
                    }
                    return (Some(isolated), missing);
                }
                Err(error) => tracing::debug!(error = %crate::chain(&error), "no isolation with {powers:?}"),
            }
        }
        (None, vec!["namespaces"])
    }

    fn with(powers: Powers, loopback: &[u16]) -> io::Result<Self> {
        let plan = Plan::of_host()?;
        let device = |path: &&str| Ok((plan::text(path)?, plan::inside(Path::new(path))?));
        let devices = plan::DEVICES.iter().filter(|it| Path::new(it).exists()).map(device);
        let (starter, requests) = channel();
        let messages = powers.network.then(|| Arc::new(Messages::new(loopback)));
        let starting = Starter { powers, messages: messages.clone(), spare: None };
        let thread = std::thread::Builder::new().name("aloft-sandbox".to_owned());
        thread.spawn(move || starting.serve(&requests))?;
        Ok(Self {
            powers,
            shared_steps: Arc::new(plan.steps.clone()),
            plan: Plan { steps: Vec::new(), ..plan },
            devices: Arc::new(devices.collect::<io::Result<_>>()?),
            filters: filter::programs().map(Arc::new),
            filters_of_zygotes: filter::of_zygotes().map(Arc::new),
            init: Arc::new(high(init::program()?)?),
            ignored: Arc::new(child::ignored_signals()),
            count: AtomicU32::new(0),
            messages,
            starter,
        })
    }

    /// Whether a program really runs.
    fn probe(&self) -> io::Result<()> {
        let launch = Launch::probe();
        let view = View {
            code: "/usr".into(),
            layers: Vec::new(),
            runtime: "/usr".into(),
            interpreter: None,
            temporary_mb: 1,
            hosts: Vec::new(),
        };
        let status = self.start(&launch, &view, None, None)?.first.collect(WaitIdOptions::EXITED)?;
        match status {
            Some(status) if status.success() => Ok(()),
            status => Err(io::Error::other(format!("the probe ended with {status:?}"))),
        }
    }

    /// Whether jails have networks of their own.
    pub(crate) fn has_networks(&self) -> bool {
        self.powers.network
    }

    /// Starts a jail. Its program may fork others where it has a socket for commands.
    pub(crate) fn start(
        &self,
        launch: &Launch,
        view: &View,
        group: Option<&Group>,
        commands: Option<OwnedFd>,
    ) -> io::Result<Begun> {
        let number = self.count.fetch_add(1, Ordering::Relaxed) % USERS;
        let identity = if self.powers.privileged {
            Identity { user: FIRST_USER + number, group: FIRST_USER + number }
        } else {
            Identity { user: rustix::process::geteuid().as_raw(), group: rustix::process::getegid().as_raw() }
        };
        let Identity { user, group: of_group } = identity;
        let (output, standard) = self.standard(launch.output, identity)?;
        let filters = if commands.is_some() { &self.filters_of_zygotes } else { &self.filters };
        // The processes of a user; that is this jail's alone where it has a number of its own, or a namespace that counts.
        let counted = self.powers.privileged || self.powers.users && counts_by_namespace();
        let (status, status_writer) = io::pipe()?;
        let mut plan = self.plan.clone();
        plan.view(view)?;
        let variable = |(name, value): (&String, &String)| plan::text(format!("{name}={value}"));
        let program = plan::text(launch.program.as_os_str().as_bytes())?;
        let arguments = launch.arguments.iter().map(|it| plan::text(it.as_bytes()));
        let memberships = group.map(Group::memberships).transpose()?.unwrap_or_default();
        let orders = Orders {
            powers: self.powers,
            user,
            group: of_group,
            shared_steps: self.shared_steps.clone(),
            steps: plan.steps,
            devices: self.devices.clone(),
            temporary_options: plan::temporary_options(view.temporary_mb)?,
            filters: filters.clone(),
            user_map: plan::text(format!("{} {user} 1", plan::USER))?,
            group_map: plan::text(format!("{} {of_group} 1", plan::GROUP))?,
            directory: plan::text(launch.directory.as_os_str().as_bytes())?,
            arguments: [Ok(program.clone())].into_iter().chain(arguments).collect::<io::Result<_>>()?,
            program,
            environment: launch.environment.iter().map(variable).collect::<io::Result<_>>()?,
            limits: limits(&launch.limits, counted),
            memberships: memberships.into_iter().map(|it| high(it.into())).collect::<io::Result<_>>()?,
            standard,
            status: high(status_writer.into())?,
            init: self.init.clone(),
            ignored: self.ignored.clone(),
            way: None,
            commands: commands.map(high).transpose()?,
        };
        let (answer, answered) = sync_channel(1);
        self.starter.send(Request::Start(Box::new(orders), answer)).map_err(|_| gone())?;
        let (descriptor, pid, handover) = answered.recv().map_err(|_| gone())??;
        let first = First { descriptor, status, is_child: true, pid };
        let doors = handover.map(|it| network::take(&it)).transpose();
        // Nobody else would end it.
        let doors = doors.inspect_err(|_| {
            first.kill();
            let _ = first.collect(WaitIdOptions::EXITED);
        })?;
        Ok(Begun { first, program: None, output, doors, identity })
    }

    /// Makes a jail, known by its first process, show parts of what it was given as hosts.
    pub(crate) fn furnish(
        &self,
        first: OwnedFd,
        hosts: &[PathBuf],
        forked: bool,
        furniture: &Furniture,
    ) -> io::Result<()> {
        self.rearrange(first, None, plan::furnish(hosts, forked, furniture)?)
    }

    /// Takes steps in a jail, known by its first process.
    fn rearrange(&self, jail: OwnedFd, wiring: Option<Wiring>, steps: Vec<Step>) -> io::Result<()> {
        let furnishing = Furnishing { jail, privileged: self.powers.privileged, wiring, steps };
        let (answer, answered) = sync_channel(1);
        self.starter.send(Request::Furnish(furnishing, answer)).map_err(|_| gone())?;
        answered.recv().map_err(|_| gone())?
    }

    fn standard(
        &self,
        output: Output,
        Identity { user, group }: Identity,
    ) -> io::Result<(Option<PipeReader>, [OwnedFd; 3])> {
        let input = high(std::fs::File::open("/dev/null")?.into())?;
        Ok(match output {
            Output::Inherited => {
                let own = |descriptor: &dyn AsFd| -> io::Result<OwnedFd> {
                    Ok(rustix::io::fcntl_dupfd_cloexec(descriptor.as_fd(), FIRST_DESCRIPTOR)?)
                };
                (None, [input, own(&io::stdout())?, own(&io::stderr())?])
            }
            Output::Piped => {
                let (reader, writer) = io::pipe()?;
                if self.powers.privileged {
                    // So that the function may open it again by the name `/dev/stdout`.
                    let (user, group) = (rustix::fs::Uid::from_raw(user), rustix::fs::Gid::from_raw(group));
                    rustix::fs::fchown(&writer, Some(user), Some(group))?;
                }
                let second = high(writer.try_clone()?.into())?;
                (Some(reader), [input, high(writer.into())?, second])
            }
        })
    }
}

/// The limits of each process, and of their number where that is counted for the jail alone.
fn limits(limits: &Limits, counted: bool) -> Vec<(Resource, Rlimit)> {
    let processes = (Resource::Nproc, u64::from(limits.processes));
    let limit = |(resource, value): (Resource, u64)| {
        let value = getrlimit(resource).maximum.map_or(value, |hard| hard.min(value));
        (resource, Rlimit { current: Some(value), maximum: Some(value) })
    };
    let resources = crate::launch::resources(limits);
    resources.into_iter().chain(counted.then_some(processes)).map(limit).collect()
}

/// What the thread that starts jails has.
struct Starter {
    powers: Powers,
    messages: Option<Arc<Messages>>,
    /// For the next jail: a network takes as long as all else that a jail needs.
    spare: Option<Network>,
}

impl Starter {
    /// Starts what is asked for, until nobody can ask any more.
    fn serve(mut self, requests: &Receiver<Request>) {
        child::block_signals();
        let own_network = network::of_this_thread().ok();
        /// All that share this process's memory change whether it can be traced: one at a time, in whichever sandbox.
        static TURN: Mutex<()> = Mutex::new(());
        loop {
            let request = match requests.try_recv() {
                Err(TryRecvError::Empty) => {
                    if self.spare.is_none() {
                        self.spare = self.network(own_network.as_ref()).and_then(Result::ok);
                    }
                    requests.recv().ok()
                }
                request => request.ok(),
            };
            let Some(request) = request else { return };
            match request {
                Request::Start(mut orders, answer) => {
                    let started = self.prepare(&mut orders, own_network.as_ref()).and_then(|handover| {
                        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
                        let (descriptor, pid) = child::start(&orders).map_err(io::Error::other)?;
                        Ok((descriptor, pid, handover))
                    });
                    let _ = answer.send(started);
                }
                Request::Furnish(furnishing, answer) => {
                    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
                    let _ = answer.send(child::furnish(&furnishing));
                }
            }
        }
    }

    /// A network that a jail can enter, where this process may make one.
    fn network(&self, own: Option<&OwnedFd>) -> Option<io::Result<Network>> {
        let messages = self.messages.as_ref().filter(|_| self.powers.privileged)?;
        Some(Network::make(messages, own?))
    }

    /// Says how the jail comes by its network, and gives what its doors come through.
    fn prepare(&mut self, orders: &mut Orders, own: Option<&OwnedFd>) -> io::Result<Option<OwnedFd>> {
        let Some(messages) = &self.messages else { return Ok(None) };
        let (way, handover) = match self.spare.take().map(Ok).or_else(|| self.network(own)) {
            Some(network) => {
                let Network { descriptor, handover } = network?;
                (Way::Enter(descriptor), handover)
            }
            None => {
                let (wiring, handover) = Wiring::new(messages)?;
                (Way::Make(wiring), handover)
            }
        };
        orders.way = Some(way);
        Ok(Some(handover))
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that starts jails has ended")
}

impl First {
    /// How the jail ended, if it has (or when it does, without [`WaitIdOptions::NOHANG`]). Once.
    fn collect(&self, options: WaitIdOptions) -> io::Result<Option<ExitStatus>> {
        let own = if self.is_child {
            wait_with(&self.descriptor, options)?
        } else {
            self.has_ended().then(|| ExitStatus::from_raw(libc::SIGKILL))
        };
        let Some(own) = own else { return Ok(None) };
        // What the program came to. Nothing is there when the first process was killed, and that is how it ended then.
        let mut bytes = [0; 4];
        let mut status = &self.status;
        Ok(Some(match status.read_exact(&mut bytes) {
            Ok(()) => ExitStatus::from_raw(i32::from_ne_bytes(bytes)),
            Err(_) => own,
        }))
    }

    /// Whether nothing of the jail runs any more.
    fn has_ended(&self) -> bool {
        has_ended(&self.descriptor)
    }

    /// Another descriptor of the same process.
    pub(crate) fn descriptor(&self) -> io::Result<OwnedFd> {
        self.descriptor.try_clone()
    }

    /// Kills the first process, and by that all.
    pub(crate) fn kill(&self) {
        let _ = rustix::process::pidfd_send_signal(&self.descriptor, rustix::process::Signal::KILL);
    }

    /// Waits until nothing of the jail runs any more.
    pub(crate) async fn wait(&self) -> io::Result<ExitStatus> {
        let descriptor = self.descriptor.try_clone()?;
        let readable = watched(descriptor)?;
        loop {
            let mut guard = readable.readable().await?;
            if let Some(status) = self.collect(WaitIdOptions::EXITED | WaitIdOptions::NOHANG)? {
                return Ok(status);
            }
            guard.clear_ready();
        }
    }
}

/// A descriptor that can be waited for until it can be read.
fn watched(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` stays the same open descriptor until it is dropped, here with its registration.
    Ok(unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE)? })
}

/// Whether the process has ended.
pub(crate) fn has_ended(process: &OwnedFd) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&at_once)).is_ok_and(|ready| ready > 0)
}

/// Waits for a first process that could not become what it should.
fn wait(descriptor: &OwnedFd) -> io::Result<Option<ExitStatus>> {
    wait_with(descriptor, WaitIdOptions::EXITED)
}

fn wait_with(descriptor: &OwnedFd, options: WaitIdOptions) -> io::Result<Option<ExitStatus>> {
    let status = rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(descriptor.as_fd()), options))?;
    let raw = |status: WaitIdStatus| {
        let signal = status.terminating_signal().unwrap_or(0);
        status.exit_status().map_or(signal, |code| code << 8)
    };
    Ok(status.map(|status| ExitStatus::from_raw(raw(status))))
}

/// Moves a descriptor out of the way of those that a jail begins with.
fn high(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(&descriptor, FIRST_DESCRIPTOR)?)
}

/// Whether this kernel counts the processes of a user in each user namespace apart, as since 5.14.
fn counts_by_namespace() -> bool {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut numbers = release.split(|it: char| !it.is_ascii_digit()).map(|it| it.parse().unwrap_or(0u32));
    (numbers.next(), numbers.next()) >= (Some(5), Some(14))
}

/// Whether a map of identifiers, of this process's own namespace, has the numbers that we give to functions.
fn maps_our_users(path: &str) -> bool {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().any(|line| {
        let mut numbers = line.split_whitespace().map(|it| it.parse::<u64>().unwrap_or(0));
        let (first, _, count) = (numbers.next(), numbers.next(), numbers.next());
        let (first, count) = (first.unwrap_or(0), count.unwrap_or(0));
        first <= u64::from(FIRST_USER) && first + count >= u64::from(FIRST_USER + USERS)
    })
}
