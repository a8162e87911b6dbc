//! Control groups, version 1 and 2, by their files.
//!
//! The groups of one sandbox lie under one directory per hierarchy, named after the pid namespace and the process that
//! made them, so that a successor can tell what a killed predecessor left and remove it. The parent is the nearest
//! directory, from this process's own group upwards, in which a child with the wanted controllers can be made.

use crate::Limits;
use aloft_base::ByteSize;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Memory at which Lambda gives a function one whole processor, in bytes.
const MEMORY_OF_ONE_PROCESSOR: u64 = 1769 * 1024 * 1024;

/// The period in which a quota of the processor is used up and given again, in microseconds. In the kernel's own, 100 ms, a
/// function of 128 MB could compute for 7 ms and would then stand still for 93: most requests would be over before they
/// notice, and the others would take steps of 100 ms. In this one they take about what their share says.
const QUOTA_PERIOD: u64 = 20_000;

/// The least quota that the kernel takes, in microseconds.
const LEAST_QUOTA: u64 = 1000;

/// The controllers used, as the kernel names them in both versions.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];

/// Where one controller's groups are made.
#[derive(Debug, Clone)]
struct Hierarchy {
    controller: &'static str,
    /// Version 2: one directory for all controllers.
    unified: bool,
    directory: PathBuf,
}

/// The sandbox's directory in each hierarchy that can be written.
#[derive(Debug)]
pub(crate) struct Groups(Vec<Hierarchy>);

/// The group of one jail.
#[derive(Debug)]
pub(crate) struct Group(Vec<Hierarchy>);

impl Groups {
    /// Finds what can be written.
    pub(crate) fn open() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{}{}-{}", prefix(), std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut found = Vec::new();
        for mount in mounts() {
            let wanted: Vec<&'static str> = match &mount.controllers {
                Some(mounted) => {
                    CONTROLLERS.into_iter().filter(|name| mounted.iter().any(|it| it == name)).collect()
                }
                None => CONTROLLERS.to_vec(),
            };
            if wanted.is_empty() {
                continue;
            }
            let unified = mount.controllers.is_none();
            for parent in mount.own.ancestors().take_while(|it| it.starts_with(&mount.point)) {
                sweep(parent);
                let got = make_parent(parent, &name, &wanted, unified);
                if !got.is_empty() {
                    let directory = parent.join(&name);
                    found.extend(got.into_iter().map(|controller| Hierarchy {
                        controller,
                        unified,
                        directory: directory.clone(),
                    }));
                    break;
                }
            }
        }
        Self(found)
    }

    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let words = [("memory", "memory"), ("pids", "processes"), ("cpu", "cpu")];
        let has = |controller: &&str| self.0.iter().any(|it| it.controller == *controller);
        words.into_iter().filter(|(controller, _)| !has(controller)).map(|(_, word)| word).collect()
    }

    pub(crate) fn directories(&self) -> Vec<PathBuf> {
        distinct(&self.0)
    }

    /// Whether quotas of the processor can be written, which not every kernel has.
    pub(crate) fn have_quotas(&self) -> bool {
        let cpu = self.0.iter().find(|it| it.controller == "cpu");
        let file = cpu.map(|it| it.directory.join(if it.unified { "cpu.max" } else { "cpu.cfs_quota_us" }));
        file.is_some_and(|file| fs::OpenOptions::new().write(true).open(file).is_ok())
    }

    /// Makes a group with `limits`, and with room for files in memory of that size besides; `None` where this machine
    /// has no control groups for us.
    pub(crate) fn make(&self, name: &str, limits: &Limits, files: ByteSize) -> io::Result<Option<Group>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let group = Group(
            self.0.iter().map(|it| Hierarchy { directory: it.directory.join(name), ..it.clone() }).collect(),
        );
        let made =
            distinct(&group.0).iter().try_for_each(fs::create_dir).and_then(|()| group.limit(limits, files));
        if let Err(error) = made {
            group.remove();
            return Err(error);
        }
        Ok(Some(group))
    }

    pub(crate) fn close(&self) {
        for directory in distinct(&self.0) {
            let _ = fs::remove_dir(directory);
        }
    }
}

impl Group {
    /// Limits the group, from now on.
    pub(crate) fn limit(&self, limits: &Limits, files: ByteSize) -> io::Result<()> {
        let (own, memory) = (limits.memory.0, limits.memory.0 + files.0);
        for Hierarchy { controller, unified, directory } in &self.0 {
            let set = |file: &str, value: u64| fs::write(directory.join(file), value.to_string());
            match (*controller, unified) {
                ("memory", false) => {
                    // Absent where the kernel does not account for swap; never below the other, so it is raised first.
                    let _ = set("memory.memsw.limit_in_bytes", memory);
                    set("memory.limit_in_bytes", memory)?;
                    let _ = set("memory.memsw.limit_in_bytes", memory);
                }
                ("memory", true) => {
                    set("memory.max", memory)?;
                    let _ = set("memory.swap.max", 0);
                    set("memory.oom.group", 1)?;
                }
                ("pids", _) => set("pids.max", u64::from(limits.processes))?,
                ("cpu", false) => {
                    set("cpu.shares", (1024 * own / MEMORY_OF_ONE_PROCESSOR).clamp(2, 262_144))?
                }
                _ => set("cpu.weight", (100 * own / MEMORY_OF_ONE_PROCESSOR).clamp(1, 10_000))?,
            }
        }
        Ok(())
    }

    /// Limits the processor to what belongs to so many bytes of memory, also where nobody else wants it; without them,
    /// not any more. False where there is no group for that.
    pub(crate) fn limit_processor(&self, memory: Option<u64>) -> io::Result<bool> {
        let Some(it) = self.0.iter().find(|it| it.controller == "cpu") else { return Ok(false) };
        let set = |file: &str, value: String| fs::write(it.directory.join(file), value);
        let quota = memory.map(|memory| (QUOTA_PERIOD * memory / MEMORY_OF_ONE_PROCESSOR).max(LEAST_QUOTA));
        if it.unified {
            let quota = quota.map_or_else(|| "max".to_owned(), |quota| quota.to_string());
            set("cpu.max", format!("{quota} {QUOTA_PERIOD}"))?;
        } else {
            set("cpu.cfs_period_us", QUOTA_PERIOD.to_string())?;
            set("cpu.cfs_quota_us", quota.map_or_else(|| "-1".to_owned(), |quota| quota.to_string()))?;
        }
        Ok(true)
    }

    /// Moves a process, which must not have forked yet, into the group.
    pub(crate) fn add(&self, pid: u32) -> io::Result<()> {
        distinct(&self.0).iter().try_for_each(|it| fs::write(it.join("cgroup.procs"), pid.to_string()))
    }

    /// Where a process of one thread writes `0` to become a member, one file for each hierarchy.
    #[cfg(target_os = "linux")]
    pub(crate) fn memberships(&self) -> io::Result<Vec<fs::File>> {
        let mut hierarchies: Vec<&Hierarchy> = self.0.iter().collect();
        hierarchies.dedup_by_key(|it| &it.directory);
        let open = |it: &Hierarchy| {
            // For a thread that moves itself the kernel need not wait until no processor forks, which takes it up to some
            // twenty milliseconds. Version 2 moves whole processes only.
            let file = if it.unified { "cgroup.procs" } else { "tasks" };
            fs::OpenOptions::new().write(true).open(it.directory.join(file))
        };
        hierarchies.into_iter().map(open).collect()
    }

    /// Whether the memory of this group is limited by the kernel.
    pub(crate) fn limits_memory(&self) -> bool {
        self.0.iter().any(|it| it.controller == "memory")
    }

    /// The processes in the group, in this process's pid namespace.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let text = self.0.first().and_then(|it| fs::read_to_string(it.directory.join("cgroup.procs")).ok());
        text.unwrap_or_default().lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Forbids further forks, so that killing what is there ends.
    pub(crate) fn freeze_count(&self) {
        if let Some(it) = self.0.iter().find(|it| it.controller == "pids") {
            let _ = fs::write(it.directory.join("pids.max"), "0");
        }
    }

    /// How often the kernel killed a process of the group for want of memory.
    pub(crate) fn out_of_memory_kills(&self) -> u64 {
        let Some(it) = self.0.iter().find(|it| it.controller == "memory") else { return 0 };
        let file = if it.unified { "memory.events" } else { "memory.oom_control" };
        let text = fs::read_to_string(it.directory.join(file)).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()).unwrap_or(0)
    }

    /// The memory of the group's processes now, in bytes, without what they have of files on disk and in memory; `None`
    /// where the kernel does not tell.
    pub(crate) fn memory(&self) -> Option<u64> {
        let it = self.0.iter().find(|it| it.controller == "memory")?;
        let text = fs::read_to_string(it.directory.join("memory.stat")).ok()?;
        let files = if it.unified { "file " } else { "cache " };
        let files: u64 = text.lines().find_map(|line| line.strip_prefix(files)?.trim().parse().ok())?;
        Some(self.usage()?.saturating_sub(files))
    }

    /// The most memory that the group was ever charged with, in bytes, files included; `None` where the kernel does not
    /// tell.
    pub(crate) fn peak(&self) -> Option<u64> {
        let it = self.0.iter().find(|it| it.controller == "memory")?;
        let file = if it.unified { "memory.peak" } else { "memory.max_usage_in_bytes" };
        fs::read_to_string(it.directory.join(file)).ok()?.trim().parse().ok()
    }

    /// All memory that the group is charged with now, in bytes. Costs less than [`Group::memory`] and is never less.
    pub(crate) fn usage(&self) -> Option<u64> {
        let it = self.0.iter().find(|it| it.controller == "memory")?;
        let file = if it.unified { "memory.current" } else { "memory.usage_in_bytes" };
        fs::read_to_string(it.directory.join(file)).ok()?.trim().parse().ok()
    }

    /// Removes the group's directories; false while the kernel still holds one.
    pub(crate) fn remove(&self) -> bool {
        let gone = |it: &PathBuf| match fs::remove_dir(it) {
            Ok(()) => true,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        // All of them are tried, not only those before the first that is busy.
        distinct(&self.0).iter().filter(|it| !gone(it)).count() == 0
    }
}

fn distinct(hierarchies: &[Hierarchy]) -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = hierarchies.iter().map(|it| it.directory.clone()).collect();
    directories.dedup();
    directories
}

/// `aloft-<pid namespace>-`: a process number means something only within its namespace.
fn prefix() -> String {
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let digits: String = namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    format!("aloft-{digits}-")
}

/// Makes `parent/name` and says which of the `wanted` controllers work in it. When none does, nothing is left there.
fn make_parent(parent: &Path, name: &str, wanted: &[&'static str], unified: bool) -> Vec<&'static str> {
    let directory = parent.join(name);
    if unified {
        enable(parent, wanted);
    }
    if fs::create_dir(&directory).is_err() {
        return Vec::new();
    }
    if unified {
        enable(&directory, wanted);
    }
    // A child shows what a jail's group would have; files that exist can still refuse to be written.
    let probe = directory.join("probe");
    let writable = |controller: &&&'static str| {
        let file = match (**controller, unified) {
            ("memory", true) => "memory.max",
            ("memory", false) => "memory.limit_in_bytes",
            ("pids", _) => "pids.max",
            (_, true) => "cpu.weight",
            (_, false) => "cpu.shares",
        };
        fs::OpenOptions::new().write(true).open(probe.join(file)).is_ok()
    };
    let got = match fs::create_dir(&probe) {
        Ok(()) => wanted.iter().filter(writable).copied().collect(),
        Err(_) => Vec::new(),
    };
    let _ = fs::remove_dir(&probe);
    if got.is_empty() {
        let _ = fs::remove_dir(&directory);
    }
    got
}

/// Passes controllers on to the children of a version 2 directory, one by one, since one refusal refuses all.
fn enable(directory: &Path, controllers: &[&str]) {
    let control = directory.join("cgroup.subtree_control");
    let enabled = fs::read_to_string(&control).unwrap_or_default();
    for controller in controllers {
        if !enabled.split_whitespace().any(|it| it == *controller) {
            let _ = fs::write(&control, format!("+{controller}"));
        }
    }
}

/// Ends and removes the groups under `parent` whose maker is no longer there.
fn sweep(parent: &Path) {
    let prefix = prefix();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let maker =
            name.to_str().and_then(|name| name.strip_prefix(&prefix)).and_then(|rest| rest.split('-').next());
        let Some(maker) = maker.and_then(|pid| pid.parse::<u32>().ok()) else { continue };
        if Path::new("/proc").join(maker.to_string()).exists() {
            continue;
        }
        for child in fs::read_dir(entry.path()).into_iter().flatten().flatten() {
            let processes = fs::read_to_string(child.path().join("cgroup.procs")).unwrap_or_default();
            for pid in processes.lines().filter_map(|line| line.parse().ok()) {
                crate::processes::kill_and_wait(pid);
            }
            let _ = fs::remove_dir(child.path());
        }
        let _ = fs::remove_dir(entry.path());
    }
}

/// A mounted hierarchy.
struct Mount {
    /// Where it is mounted.
    point: PathBuf,
    /// This process's own directory in it.
    own: PathBuf,
    /// Version 1: its controllers. `None` is version 2.
    controllers: Option<Vec<String>>,
}

fn mounts() -> Vec<Mount> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let memberships = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    mounts.lines().filter_map(|line| parse_mount(line, &memberships)).collect()
}

/// Reads one line of `mountinfo`: `id parent device root point options ... - type source super-options`.
fn parse_mount(line: &str, memberships: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let before: Vec<&str> = before.split(' ').collect();
    let after: Vec<&str> = after.split(' ').collect();
    let (root, point) = (before.get(3)?, PathBuf::from(before.get(4)?));
    let controllers = match *after.first()? {
        "cgroup2" => None,
        "cgroup" => Some(after.get(2)?.split(',').map(str::to_owned).collect::<Vec<_>>()),
        _ => return None,
    };
    let path = memberships.lines().find_map(|line| {
        let (names, path) = line.split_once(':')?.1.split_once(':')?;
        let ours = match &controllers {
            None => names.is_empty(),
            Some(mounted) => {
                !names.is_empty() && names.split(',').any(|name| mounted.iter().any(|it| it == name))
            }
        };
        ours.then_some(path)
    })?;
    // In a container the mount shows only a part of the hierarchy, and the path may be told from its real root.
    let inside = Path::new(path).strip_prefix(root).unwrap_or(Path::new(""));
    let own = point.join(inside.strip_prefix("/").unwrap_or(inside));
    Some(Mount { own: if own.is_dir() { own } else { point.clone() }, point, controllers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read() {
        let memberships = "5:memory:/a/b\n2:cpu,cpuacct:/\n0::/user.slice\n";
        let check = |line: &str, expected: Option<(&str, bool)>| {
            let mount = parse_mount(line, memberships);
            let seen = mount.as_ref().map(|it| (it.point.to_str().expect("text"), it.controllers.is_none()));
            assert_eq!(seen, expected, "{line}");
        };
        check("30 24 0:26 / /nowhere/memory rw - cgroup cgroup rw,memory", Some(("/nowhere/memory", false)));
        check(
            "31 24 0:27 / /nowhere/cpu rw shared:9 - cgroup cgroup rw,cpu,cpuacct",
            Some(("/nowhere/cpu", false)),
        );
        check("32 24 0:28 / /nowhere/unified rw - cgroup2 cgroup2 rw", Some(("/nowhere/unified", true)));
        check("33 24 0:29 / /nowhere/blkio rw - cgroup cgroup rw,blkio", None);
        check("34 24 0:30 / / rw - ext4 /dev/vda rw", None);
    }
}
