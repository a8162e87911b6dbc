//! What processes use: processor time, resident and proportional memory, from `/proc`.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

/// How long a tick of the kernel's accounting is.
const TICK: Duration = Duration::from_millis(10);

/// The processor time of a process and all below it, by process.
pub struct Usage(BTreeMap<u32, u64>);

impl Usage {
    pub fn of(pid: u32) -> Result<Self> {
        let all = descendants(pid)?.into_iter().chain([pid]);
        Ok(Self(all.filter_map(|pid| Some((pid, ticks(pid)?))).collect()))
    }

    /// What was used since; nothing when that cannot be told, as one that was at work has ended meanwhile.
    pub fn since(&self, before: &Self) -> Option<Duration> {
        if before.0.keys().any(|pid| !self.0.contains_key(pid)) {
            return None;
        }
        let used = self.0.iter().map(|(pid, now)| now - before.0.get(pid).copied().unwrap_or(0).min(*now));
        Some(TICK * u32::try_from(used.sum::<u64>()).unwrap_or(u32::MAX))
    }
}

/// Keeps the machine's processors from falling asleep, until it is dropped: with work that gives way to all other work at
/// once. To wake a processor, a virtual one above all, can take longer than what it is woken for.
pub struct Awake(Vec<Child>);

impl Awake {
    pub fn start() -> Result<Self> {
        let count = thread::available_parallelism()?.get();
        let spin = || {
            let mut command = Command::new("chrt");
            // Ended by itself when nobody is left to end it.
            command.args(["--idle", "0", "sh", "-c", "ulimit -t 60; while :; do :; done"]);
            command.spawn().context("cannot start `chrt`, of util-linux")
        };
        Ok(Self((0..count).map(|_| spin()).collect::<Result<_>>()?))
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The fields of `/proc/<pid>/stat` behind the name.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit(')').next()?.split_whitespace().map(str::to_owned).collect())
}

/// User and system time.
fn ticks(pid: u32) -> Option<u64> {
    let fields = stat(pid)?;
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

/// All processes below this one.
pub fn descendants(pid: u32) -> Result<Vec<u32>> {
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        if let Some(child) = name.to_str().and_then(|name| name.parse::<u32>().ok())
            && let Some(parent) = stat(child).and_then(|fields| fields.get(1)?.parse::<u32>().ok())
        {
            parents.insert(child, parent);
        }
    }
    let is_below = |mut child: u32| {
        while let Some(parent) = parents.get(&child) {
            if *parent == pid {
                return true;
            }
            child = *parent;
        }
        false
    };
    Ok(parents.keys().copied().filter(|child| is_below(*child)).collect())
}

/// Resident memory.
pub fn resident_mb(pid: u32) -> Result<f64> {
    super::super::resident_mb(pid)
}

/// Memory with what is shared divided among those that share it; nothing for a process that has gone.
pub fn proportional_mb(pid: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<f64>().ok()? / 1024.0)
}

/// The machine's load average over a minute.
pub fn load() -> Result<String> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().context("no load")?.to_owned())
}
