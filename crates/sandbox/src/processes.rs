//! What `/proc` tells about a tree of processes, and signals to its members.
//!
//! Used where no control group knows the members. Where there is no `/proc` it knows nobody, and only the process group
//! is ended.

use rustix::process::{Pid, Signal, WaitOptions};
use std::collections::HashSet;
use std::fs;

/// Sends SIGKILL; a process that is gone already is no error.
pub(crate) fn kill(pid: u32) {
    send(pid, Signal::KILL);
}

/// Sends SIGSTOP, which nobody can catch.
pub(crate) fn stop(pid: u32) {
    send(pid, Signal::STOP);
}

/// Sends SIGCONT.
pub(crate) fn go_on(pid: u32) {
    send(pid, Signal::CONT);
}

fn send(pid: u32, signal: Signal) {
    if let Some(pid) = to_pid(pid) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Sends SIGKILL and waits, not for long, until the process has ended. It need not be a child.
#[cfg(target_os = "linux")]
pub(crate) fn kill_and_wait(pid: u32) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{PidfdFlags, pidfd_open};
    const PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
    let watched = to_pid(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    kill(pid);
    if let Some(watched) = watched {
        let _ = poll(&mut [PollFd::new(&watched, PollFlags::IN)], Some(&PATIENCE));
    }
}

/// Sends SIGKILL. Only Linux has groups whose members must be gone.
#[cfg(not(target_os = "linux"))]
pub(crate) fn kill_and_wait(pid: u32) {
    kill(pid);
}

/// Sends SIGKILL to a process group.
pub(crate) fn kill_process_group(leader: u32) {
    if let Some(pid) = to_pid(leader) {
        let _ = rustix::process::kill_process_group(pid, Signal::KILL);
    }
}

/// Collects a dead process, if it became a child of this one (which happens when this is process 1).
pub(crate) fn reap(pid: u32) {
    if let Some(pid) = to_pid(pid) {
        let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
    }
}

fn to_pid(pid: u32) -> Option<Pid> {
    // 0 and 1 would mean something else to `kill`, or the system's first process.
    (pid > 1).then(|| i32::try_from(pid).ok().and_then(Pid::from_raw)).flatten()
}

/// `root`, its descendants, its process group, and whoever has the entry `mark` in its environment.
/// Zombies are left out.
pub(crate) fn tree(root: u32, mark: &str) -> Vec<u32> {
    let own = std::process::id();
    let all: Vec<Status> =
        numbers().filter_map(Status::read).filter(|it| it.alive && it.pid != own).collect();
    let mut members: HashSet<u32> = all
        .iter()
        .filter(|it| it.pid == root || it.group == root || has_mark(it.pid, mark))
        .map(|it| it.pid)
        .collect();
    loop {
        let before = members.len();
        let children: Vec<u32> =
            all.iter().filter(|it| members.contains(&it.parent)).map(|it| it.pid).collect();
        members.extend(children);
        if members.len() == before {
            return members.into_iter().collect();
        }
    }
}

/// The first child of a process that has one thread.
pub(crate) fn child(pid: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// Resident memory of a process now, in bytes.
pub(crate) fn resident(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages: u64 = text.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0);
    pages * rustix::param::page_size() as u64
}

/// The most resident memory that a process ever had, in bytes.
pub(crate) fn peak(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kilobytes =
        text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    kilobytes.unwrap_or(0u64) * 1024
}

/// The descriptors of this process, beyond the three standard ones, that its children would inherit.
pub(crate) fn inherited_descriptors() -> Vec<u32> {
    const CLOSE_ON_EXEC: u32 = 0o2_000_000;
    let entries = fs::read_dir("/proc/self/fdinfo").into_iter().flatten().flatten();
    let mut numbers: Vec<u32> = entries.filter_map(|it| it.file_name().to_str()?.parse().ok()).collect();
    numbers.retain(|number| {
        let text = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
        let flags =
            text.lines().find_map(|line| u32::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok());
        *number > 2 && flags.is_some_and(|flags| flags & CLOSE_ON_EXEC == 0)
    });
    numbers
}

fn numbers() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|it| it.file_name().to_str()?.parse().ok())
}

fn has_mark(pid: u32, mark: &str) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
}

struct Status {
    pid: u32,
    parent: u32,
    group: u32,
    alive: bool,
}

impl Status {
    /// `/proc/<pid>/stat`: `pid (name) state parent group ...`, where the name may hold anything.
    fn read(pid: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = text[text.rfind(')')? + 1..].split_whitespace();
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        Some(Self { pid, parent, group, alive: !matches!(state, "Z" | "X") })
    }
}
