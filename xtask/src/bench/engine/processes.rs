//! What processes use: processor time, resident and proportional memory, from `/proc`.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
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

    /// What was used since: of processes that have ended meanwhile, nothing is known.
    pub fn since(&self, before: Self) -> Duration {
        let used = self.0.iter().map(|(pid, now)| now - before.0.get(pid).copied().unwrap_or(0).min(*now));
        TICK * u32::try_from(used.sum::<u64>()).unwrap_or(u32::MAX)
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
