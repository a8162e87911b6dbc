//! What a cloud holds of the machine at a moment, for tests that nothing of it grows.

use crate::cloud::TempCloud;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Counts of what must not grow, and the memory of the cloud's process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Open descriptors of the cloud's process.
    pub descriptors: usize,
    /// Threads of it.
    pub threads: usize,
    /// Processes below it, ended ones that nobody has waited for included.
    pub processes: usize,
    /// Control groups that it made.
    pub groups: usize,
    /// Mounts that it sees.
    pub mounts: usize,
    /// Networks of it and of the processes below it.
    pub networks: usize,
    /// Files and directories for its functions.
    pub files: usize,
    /// Resident memory of it, in KB.
    pub resident_kb: u64,
}

impl Held {
    /// What this one holds now.
    pub fn by(cloud: &TempCloud) -> Self {
        let process = PathBuf::from(format!("/proc/{}", cloud.pid()));
        let status = fs::read_to_string(process.join("status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        let mine = format!("-{}-", cloud.pid());
        let is_mine = |path: &Path| path.file_name().is_some_and(|it| it.to_string_lossy().contains(&mine));
        let mounts = fs::read_to_string(process.join("mountinfo")).unwrap_or_default();
        Self {
            descriptors: fs::read_dir(process.join("fd")).map_or(0, Iterator::count),
            threads: usize::try_from(field("Threads:")).unwrap_or(0),
            processes: descendants(cloud.pid()).len(),
            groups: below(Path::new("/sys/fs/cgroup"), &|it| it.ancestors().any(is_mine)),
            mounts: mounts.lines().count(),
            networks: networks(cloud.pid()),
            // The unpacked code stays as long as its function is there.
            files: below(&cloud.home().join("cloud/scratch"), &|it| !it.ends_with("code")),
            resident_kb: field("VmRSS:"),
        }
    }

    /// The counts by name, without memory.
    pub fn counts(&self) -> [(&'static str, usize); 7] {
        [
            ("descriptors", self.descriptors),
            ("threads", self.threads),
            ("processes", self.processes),
            ("control groups", self.groups),
            ("mounts", self.mounts),
            ("networks", self.networks),
            ("files", self.files),
        ]
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in self.counts() {
            write!(f, "{count} {name}, ")?;
        }
        write!(f, "{:.1} MB", self.resident_kb as f64 / 1024.0)
    }
}

/// All processes below this one.
fn descendants(pid: u32) -> Vec<u32> {
    let mut parents = BTreeMap::new();
    for number in processes() {
        let stat = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        parents.extend(parent.map(|parent: u32| (number, parent)));
    }
    let is_below = |child: &u32| {
        std::iter::successors(parents.get(child), |parent| parents.get(parent)).any(|parent| *parent == pid)
    };
    parents.keys().copied().filter(is_below).collect()
}

fn processes() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|it| it.file_name().to_str()?.parse().ok())
}

/// The networks of a process and those below it, and those that it holds on to by a descriptor.
fn networks(pid: u32) -> usize {
    let all = descendants(pid).into_iter().chain([pid]);
    let own = all.filter_map(|pid| fs::read_link(format!("/proc/{pid}/ns/net")).ok());
    let held = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let held = held.filter_map(|it| fs::read_link(it.path()).ok());
    own.chain(held.filter(|it| it.to_string_lossy().starts_with("net:"))).collect::<BTreeSet<_>>().len()
}

/// How many entries there are below a directory that count.
fn below(directory: &Path, counts: &dyn Fn(&Path) -> bool) -> usize {
    let mut found = 0;
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|it| it.is_dir()) {
            found +=
                usize::from(counts(&path)) + if path.ends_with("code") { 0 } else { below(&path, counts) };
        } else if !directory.starts_with("/sys") {
            found += usize::from(counts(&path));
        }
    }
    found
}
