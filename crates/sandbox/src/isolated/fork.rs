//! Zygotes: jails whose program has done what takes long, and forks jails that begin with that.
//!
//! A zygote is a jail as others are, but that it may make namespaces and mount (in those that it makes: it has no capability
//! itself), writes to its own `/proc`, and takes commands on descriptor 3. What it forks becomes a jail in namespaces of
//! its own below the zygote's, of which it makes the half that nobody else can, and this process the other half:
//!
//! 1. The program sends some bytes when it is ready. A command is one packet: JSON ([`Isolated::command`]), and beside it the
//!    descriptors of the jail's connection, its output, its input, its status pipe, the first process's program, and its
//!    groups. The program clones itself with the flags that it was given, as its parent's child, closes them, and
//!    answers with the number of the error, or 0.
//! 2. The first process of the new jail says who is who in it and sends `1` through its connection, by which this process knows
//!    its number. It mounts `/proc`, gives up all privileges, applies the filters, and forks.
//! 3. The one becomes the first process's program (see `init`). The other joins the groups, limits itself, closes all but its
//!    standard descriptors and the connection, sends `2`, and waits for what the connection will bring. Meanwhile this
//!    process has made the jail's network and its temporary files.
//!
//! Instead of `1` and `2` comes what went wrong, in words. Keeps true: a zygote ends after all that it forked; a jail that was
//! forked shares no descriptor, no group and no namespace with its zygote, but its users.

use super::network::{self, Doors, Wiring};
use super::{Begun, First, Identity, Isolated, gone, limits, plan, watched};
use crate::groups::Group;
use crate::jailed::{Exit, Jailed};
use crate::launch::{Fork, Output};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{IoSlice, IoSliceMut};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use seccompiler::BpfProgram;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::sync::Mutex;

/// How long a fork may take.
const LIMIT: Duration = Duration::from_secs(10);
/// How many descriptors go with a command: five, and those of the groups.
const MOST_DESCRIPTORS: usize = 16;
/// The longest text of what went wrong.
const MOST_WORDS: usize = 1024;

/// A jail whose program forks others.
#[derive(Debug)]
pub struct Zygote {
    jailed: Jailed,
    identity: Identity,
    hosts: Vec<PathBuf>,
    commands: Mutex<AsyncFd<OwnedFd>>,
    /// A command was not answered as it should be.
    broken: AtomicBool,
}

impl Zygote {
    pub(crate) fn new(
        jailed: Jailed,
        identity: Identity,
        hosts: Vec<PathBuf>,
        commands: OwnedFd,
    ) -> io::Result<Self> {
        let commands = Mutex::new(watched(commands)?);
        Ok(Self { jailed, identity, hosts, commands, broken: AtomicBool::new(false) })
    }

    /// Waits until it can fork.
    ///
    /// # Errors
    /// When it ends before.
    pub async fn ready(&self) -> io::Result<()> {
        receive(&*self.commands.lock().await, &mut [0; 16]).await.map(drop)
    }

    /// Whether it can fork, as far as is known.
    pub fn is_usable(&self) -> bool {
        !self.broken.load(Ordering::Relaxed) && !self.jailed.has_ended()
    }

    /// The process number of its program, on the host.
    pub fn pid(&self) -> u32 {
        self.jailed.pid()
    }

    /// Kills it, and by that all that it forked, and waits until it is gone.
    pub async fn kill(&self) -> Exit {
        self.jailed.kill().await
    }

    pub(crate) fn hosts(&self) -> &[PathBuf] {
        &self.hosts
    }

    /// Has it fork, and waits until what it was sent is in the new jail alone.
    async fn command(&self, text: &str, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let commands = self.commands.lock().await;
        let mut answered = Answered { broken: &self.broken, is_answered: false };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::Error::other("too many descriptors"));
        }
        rustix::net::sendmsg(
            commands.get_ref(),
            &[IoSlice::new(text.as_bytes())],
            &mut control,
            SendFlags::NOSIGNAL,
        )?;
        let mut answer = [0; 16];
        let length = receive(&commands, &mut answer).await?;
        let answer = std::str::from_utf8(answer.get(..length).unwrap_or_default()).map(str::parse);
        let Ok(Ok(error)) = answer else { return Err(io::Error::other("the zygote says nonsense")) };
        answered.is_answered = true;
        if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
    }
}

/// A zygote whose answer nobody waited for is broken: the next one would get it.
struct Answered<'a> {
    broken: &'a AtomicBool,
    is_answered: bool,
}

impl Drop for Answered<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.broken.store(true, Ordering::Relaxed);
        }
    }
}

/// The next packet of a zygote.
async fn receive(commands: &AsyncFd<OwnedFd>, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        let mut guard = commands.readable().await?;
        let received =
            guard.try_io(|it| Ok(rustix::net::recv(it.get_ref(), &mut *buffer, RecvFlags::DONTWAIT)?.0));
        match received {
            Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(received) => return received,
            Err(_) => {}
        }
    }
}

/// The sockets of a zygote's commands: ours, and its own.
pub(crate) fn commands() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    Ok(rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

/// A jail that was forked, and the connection that it waits at.
pub(crate) struct Born {
    pub(crate) begun: Begun,
    pub(crate) connection: UnixStream,
}

impl Isolated {
    /// Whether there can be zygotes.
    pub(crate) fn can_fork(&self) -> bool {
        self.powers.users && self.powers.network && self.filters.is_some()
    }

    /// Has a zygote fork a jail.
    pub(crate) async fn fork(&self, zygote: &Zygote, fork: &Fork, group: Option<&Group>) -> io::Result<Born> {
        let forking = tokio::time::timeout(LIMIT, self.forked(zygote, fork, group)).await;
        forking.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    async fn forked(&self, zygote: &Zygote, fork: &Fork, group: Option<&Group>) -> io::Result<Born> {
        let (output, standard) = self.standard(Output::Piped, zygote.identity)?;
        let (status, status_writer) = io::pipe()?;
        rustix::io::ioctl_fionbio(&status, true)?;
        let (own, theirs) = UnixStream::pair()?;
        own.set_nonblocking(true)?;
        rustix::net::sockopt::set_socket_passcred(&own, true)?;
        {
            let memberships = group.map(Group::memberships).transpose()?.unwrap_or_default();
            let [input, writer, _] = &standard;
            let mut descriptors =
                vec![theirs.as_fd(), writer.as_fd(), input.as_fd(), status_writer.as_fd(), self.init.as_fd()];
            descriptors.extend(memberships.iter().map(AsFd::as_fd));
            zygote.command(&self.command(fork), &descriptors).await?;
        }
        drop((theirs, standard, status_writer));
        let connection = watched(own.into())?;
        let pid = told(&connection, b'1').await?;
        let descriptor = pidfd_open(pid, PidfdFlags::empty())?;
        // Had the jail ended before, the number could be somebody else's by now; but nobody else holds the connection.
        if has_hung_up(connection.get_ref()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let first = First { descriptor, status, is_child: false, pid: number(pid) };
        let settled = async {
            let doors = self.settle(first.descriptor()?, fork)?;
            Ok((told(&connection, b'2').await?, doors))
        };
        let (program, doors) = settled.await.inspect_err(|_: &io::Error| first.kill())?;
        let (program, doors) = (Some(number(program)), Some(doors));
        let begun = Begun { first, program, output, doors, identity: zygote.identity };
        Ok(Born { begun, connection: connection.into_inner().into() })
    }

    /// Makes what a jail that was forked cannot make for itself.
    fn settle(&self, first: OwnedFd, fork: &Fork) -> io::Result<Doors> {
        let messages = self.messages.as_ref().ok_or_else(gone)?;
        let (wiring, handover) = Wiring::new(messages)?;
        self.rearrange(first, Some(wiring), plan::settle(fork.temporary_mb)?)?;
        network::take(&handover)
    }

    /// What a zygote is told, besides descriptors.
    fn command(&self, fork: &Fork) -> String {
        // Of the user that the zygote is, whom older kernels count as one.
        let limits = limits(&fork.limits, super::counts_by_namespace());
        let limits: Vec<[u64; 2]> =
            limits.iter().map(|(resource, limit)| [*resource as u64, limit.current.unwrap_or(0)]).collect();
        let filters: Vec<String> = self.filters.iter().flat_map(|it| it.iter().map(hexadecimal)).collect();
        let map = |id: u32| format!("{id} {id} 1");
        let flags = libc::CLONE_NEWUSER
            | libc::CLONE_NEWPID
            | libc::CLONE_NEWNS
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUTS
            | libc::CLONE_NEWNET
            | libc::CLONE_PARENT
            | libc::SIGCHLD;
        format!(
            r#"{{"clone":[{},{flags}],"execveat":{},"users":{:?},"groups":{:?},"ahead":{},"limits":{limits:?},"filters":{filters:?}}}"#,
            libc::SYS_clone,
            libc::SYS_execveat,
            map(plan::USER),
            map(plan::GROUP),
            fork.ahead,
        )
    }
}

fn hexadecimal(program: &BpfProgram) -> String {
    let line = |it: &seccompiler::sock_filter| {
        [&it.code.to_ne_bytes()[..], &[it.jt, it.jf], &it.k.to_ne_bytes()].concat()
    };
    program.iter().flat_map(line).map(|byte| format!("{byte:02x}")).collect()
}

/// Waits for a byte, and gives who sent it, as the kernel knows.
async fn told(connection: &AsyncFd<OwnedFd>, wanted: u8) -> io::Result<Pid> {
    loop {
        let mut guard = connection.readable().await?;
        let Ok(received) = guard.try_io(|it| receive_from(it.get_ref())) else { continue };
        return match received? {
            (Some(byte), Some(sender)) if byte == wanted => Ok(sender),
            (Some(byte), _) => {
                let mut words = [0; MOST_WORDS];
                let length = rustix::net::recv(connection.get_ref(), &mut words, RecvFlags::DONTWAIT);
                let words = words.get(..length.map_or(0, |it| it.0)).unwrap_or_default();
                Err(io::Error::other(format!("{}{}", char::from(byte), String::from_utf8_lossy(words))))
            }
            (None, _) => Err(io::ErrorKind::UnexpectedEof.into()),
        };
    }
}

/// A byte, and who sent it.
fn receive_from(connection: &OwnedFd) -> io::Result<(Option<u8>, Option<Pid>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received = rustix::net::recvmsg(connection, &mut [IoSliceMut::new(&mut byte)], &mut control, flags)?;
    let sender = control.drain().find_map(|it| match it {
        RecvAncillaryMessage::ScmCredentials(credentials) => Some(credentials.pid),
        _ => None,
    });
    Ok(((received.bytes > 0).then_some(byte[0]), sender))
}

fn has_hung_up(connection: &OwnedFd) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut polled = [PollFd::new(connection, PollFlags::RDHUP)];
    poll(&mut polled, Some(&at_once)).is_ok_and(|ready| ready > 0)
}

fn number(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}
