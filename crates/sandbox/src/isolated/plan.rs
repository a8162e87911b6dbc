//! What a jailed process sees of the file system, as a list of steps that need no thought when they are taken.
//!
//! The root is made anew for each jail: the host's directories of programs and libraries, the few files of `/etc` that
//! they read, the function's code, its layers, its bootstrap. Whatever is not named here is not there. All of it is
//! read-only.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Where the new root is put together, before it becomes the root. Nothing below it is looked at meanwhile.
pub(super) const ROOT: &str = "/sys";

/// Host directories of programs and libraries.
const PROGRAMS: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store"];

/// What programs and libraries read in `/etc`.
const SETTINGS: [&str; 18] = [
    "alternatives",
    "ca-certificates",
    "crypto-policies",
    "fonts",
    "gai.conf",
    "host.conf",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "pki",
    "protocols",
    "resolv.conf",
    "services",
    "ssl",
    "timezone",
];

/// The user and the group that a function sees itself as, as on Lambda.
pub(super) const USER: u32 = 993;
pub(super) const GROUP: u32 = 990;

/// The name that a function has for itself, as on Lambda.
const HOSTS: &str = "127.0.0.1 sandbox.localdomain sandbox\n";

const PASSWD: &str = "root:x:0:0:root:/:/sbin/nologin\nsbx_user1051:x:993:990::/tmp:/sbin/nologin\nnobody:x:65534:65534::/:/sbin/nologin\n";
const GROUPS: &str = "root:x:0:\nsbx_user1051:x:990:\nnogroup:x:65534:\n";

/// What of this machine a jailed process sees besides the host's programs and libraries.
#[derive(Debug, Clone)]
pub struct View {
    /// Becomes `/var/task`.
    pub code: PathBuf,
    /// Merged they become `/opt`; a later one covers an earlier one.
    pub layers: Vec<PathBuf>,
    /// Becomes `/var/runtime`.
    pub runtime: PathBuf,
    /// The interpreter, which keeps its path together with the directory that it is installed in.
    pub interpreter: Option<PathBuf>,
    /// The size of `/tmp`, in MB.
    pub temporary_mb: u32,
    /// Directories whose parts may become its code and its layers later ([`crate::Sandbox::furnish`]). Until then it
    /// sees all of them, so what runs in it must not be anybody's.
    pub hosts: Vec<PathBuf>,
}

/// What a jail that waited shows from now on.
#[derive(Debug, Clone)]
pub struct Furniture {
    /// Becomes `/var/task`; below one of [`View::hosts`].
    pub code: PathBuf,
    /// As in [`View::layers`]; below some of [`View::hosts`].
    pub layers: Vec<PathBuf>,
    /// The size of `/tmp`, in MB.
    pub temporary_mb: u32,
}

/// One step. All paths are absolute; those of the new root begin with [`ROOT`].
#[derive(Debug, Clone)]
pub(super) enum Step {
    Directory(CString),
    File(CString, Vec<u8>),
    Link {
        target: CString,
        at: CString,
    },
    Bind {
        from: CString,
        to: CString,
    },
    Overlay {
        options: CString,
        at: CString,
    },
    /// Files in memory, over what is there.
    Temporary {
        options: CString,
        at: CString,
    },
    /// Files in memory get other bounds.
    Resize {
        options: CString,
        at: CString,
    },
    /// What is mounted there goes.
    Unmount(CString),
    /// What is there is not seen any more: an empty directory lies over it, which nothing can be written to.
    Cover(CString),
}

/// Collects steps, and makes every directory before it is needed.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) made: BTreeSet<PathBuf>,
    pub(super) bound: Vec<PathBuf>,
}

impl Plan {
    /// What is the same for all jails.
    pub(super) fn of_host() -> io::Result<Self> {
        let mut plan = Self::default();
        for path in ["/dev", "/etc", "/opt", "/proc", "/tmp", "/var/runtime", "/var/task"] {
            plan.directory(Path::new(path))?;
        }
        for path in PROGRAMS.map(Path::new) {
            match std::fs::read_link(path) {
                Ok(target) => plan.link(&target, path)?,
                Err(_) if path.is_dir() => plan.bind(path, path)?,
                Err(_) => {}
            }
        }
        for name in SETTINGS {
            let path = Path::new("/etc").join(name);
            if path.exists() {
                plan.bind(&path, &path)?;
            }
        }
        // JDKs of Linux distributions have theirs in directories of their own, with their versions.
        for path in std::fs::read_dir("/etc").into_iter().flatten().flatten().map(|it| it.path()) {
            let name = path.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
            if (name == "java" || name.starts_with("java-")) && path.is_dir() {
                plan.bind(&path, &path)?;
            }
        }
        let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
        plan.file(Path::new("/etc/hosts"), &format!("{hosts}\n{HOSTS}"))?;
        plan.file(Path::new("/etc/passwd"), PASSWD)?;
        plan.file(Path::new("/etc/group"), GROUPS)?;
        for (at, target) in
            [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")]
        {
            plan.link(Path::new(target), &Path::new("/dev").join(at))?;
        }
        for device in DEVICES {
            plan.file(Path::new(device), "")?;
        }
        Ok(plan)
    }

    /// Adds what one jail sees.
    pub(super) fn view(&mut self, view: &View) -> io::Result<()> {
        self.bind(&view.code, Path::new("/var/task"))?;
        self.bind(&view.runtime, Path::new("/var/runtime"))?;
        let prefixes = view.interpreter.as_deref().map(prefixes).unwrap_or_default();
        let prefixes: Vec<PathBuf> =
            prefixes.into_iter().filter(|it| !self.bound.iter().any(|bound| it.starts_with(bound))).collect();
        if !view.layers.is_empty() {
            // Below the layers lies what makes room for an interpreter that is installed in `/opt`.
            self.directory(Path::new("/.opt"))?;
            for prefix in prefixes.iter().filter_map(|it| it.strip_prefix("/opt").ok()) {
                self.directory(&Path::new("/.opt").join(prefix))?;
            }
            let options = merged(&view.layers, &format!("{ROOT}/.opt"))?;
            self.steps.push(Step::Overlay { options, at: text(format!("{ROOT}/opt"))? });
            self.made.extend(prefixes.iter().filter(|it| it.starts_with("/opt")).cloned());
        }
        for (number, host) in view.hosts.iter().enumerate() {
            self.directory(Path::new("/.opt"))?;
            self.bind(host, &Path::new(HOST_DIRECTORIES).join(number.to_string()))?;
        }
        prefixes.iter().try_for_each(|prefix| self.bind(prefix, prefix))
    }

    fn directory(&mut self, path: &Path) -> io::Result<()> {
        if path == Path::new("/") || !self.made.insert(path.to_owned()) {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.directory(parent)?;
        }
        self.steps.push(Step::Directory(inside(path)?));
        Ok(())
    }

    fn file(&mut self, path: &Path, content: &str) -> io::Result<()> {
        self.directory(path.parent().unwrap_or(Path::new("/")))?;
        self.steps.push(Step::File(inside(path)?, content.as_bytes().to_vec()));
        Ok(())
    }

    fn link(&mut self, target: &Path, at: &Path) -> io::Result<()> {
        self.steps.push(Step::Link { target: text(target.as_os_str().as_bytes())?, at: inside(at)? });
        Ok(())
    }

    fn bind(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        if from.is_dir() {
            self.directory(to)?;
            self.bound.push(to.to_owned());
        } else {
            self.file(to, "")?;
        }
        self.steps.push(Step::Bind { from: text(from.as_os_str().as_bytes())?, to: inside(to)? });
        Ok(())
    }
}

/// Where [`View::hosts`] are, by number, until the jail is furnished.
const HOST_DIRECTORIES: &str = "/.host";

/// The steps within a jail that make it show what it should, and its hosts no more.
///
/// In one that was forked the hosts cannot be unmounted: its mount namespace belongs to a user namespace with less power
/// than the one where they were mounted, which locks them in place. What covers them is locked in the same way for whoever has no capabilities.
pub(super) fn furnish(hosts: &[PathBuf], forked: bool, furniture: &Furniture) -> io::Result<Vec<Step>> {
    let shown = |path: &PathBuf| {
        let below = |(number, host): (usize, &PathBuf)| {
            path.strip_prefix(host)
                .ok()
                .map(|rest| Path::new(HOST_DIRECTORIES).join(number.to_string()).join(rest))
        };
        hosts.iter().enumerate().find_map(below).ok_or_else(|| io::Error::other("the jail cannot show this"))
    };
    let code = shown(&furniture.code)?;
    let mut steps = vec![Step::Bind { from: text(code.as_os_str().as_bytes())?, to: text("/var/task")? }];
    if !furniture.layers.is_empty() {
        let layers = furniture.layers.iter().map(shown).collect::<io::Result<Vec<_>>>()?;
        steps.push(Step::Overlay { options: merged(&layers, "/.opt")?, at: text("/opt")? });
    }
    steps.push(Step::Resize { options: temporary_options(furniture.temporary_mb)?, at: text("/tmp")? });
    if forked {
        steps.push(Step::Cover(text(HOST_DIRECTORIES)?));
        return Ok(steps);
    }
    for number in 0..hosts.len() {
        steps.push(Step::Unmount(text(format!("{HOST_DIRECTORIES}/{number}"))?));
    }
    Ok(steps)
}

/// The steps within a jail that was just forked: temporary files of its own.
pub(super) fn settle(temporary_mb: u32) -> io::Result<Vec<Step>> {
    Ok(vec![Step::Temporary { options: temporary_options(temporary_mb)?, at: text("/tmp")? }])
}

/// The options of an overlay of layers, a later one over an earlier one, over the path `lowest`.
fn merged(layers: &[PathBuf], lowest: &str) -> io::Result<CString> {
    let mut options = b"lowerdir=".to_vec();
    for layer in layers.iter().rev() {
        for byte in layer.as_os_str().as_bytes() {
            if matches!(byte, b':' | b',' | b'\\') {
                options.push(b'\\');
            }
            options.push(*byte);
        }
        options.push(b':');
    }
    options.extend_from_slice(lowest.as_bytes());
    text(&options)
}

/// The options of a `/tmp` of this size.
pub(super) fn temporary_options(megabytes: u32) -> io::Result<CString> {
    let names = (u64::from(megabytes) * 256).max(4096);
    text(format!("mode=1777,size={}m,nr_inodes={names}", megabytes.max(1)))
}

/// The devices that there are.
pub(super) const DEVICES: [&str; 6] =
    ["/dev/full", "/dev/null", "/dev/random", "/dev/tty", "/dev/urandom", "/dev/zero"];

/// A path in the new root.
pub(super) fn inside(path: &Path) -> io::Result<CString> {
    let mut whole = ROOT.as_bytes().to_vec();
    whole.extend_from_slice(path.as_os_str().as_bytes());
    text(whole)
}

pub(super) fn text(bytes: impl AsRef<[u8]>) -> io::Result<CString> {
    CString::new(bytes.as_ref()).map_err(io::Error::other)
}

/// The directories that an interpreter needs: those above `bin` of its path and of what that leads to. A directory that
/// holds more than an installation (a home, the root) is never one: then it is the interpreter's file alone.
fn prefixes(interpreter: &Path) -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let real = interpreter.canonicalize().ok();
    let mut found: Vec<PathBuf> = Vec::new();
    for path in [Some(interpreter.to_owned()), real].into_iter().flatten() {
        let prefix = path.parent().filter(|it| it.ends_with("bin")).and_then(Path::parent);
        let is_own = |it: &&Path| {
            let depth = it.components().filter(|part| matches!(part, Component::Normal(_))).count();
            depth > 1
                && !home.as_ref().is_some_and(|home| home.starts_with(it))
                && it.parent() != Some(Path::new("/home"))
        };
        let path = prefix.filter(is_own).map(Path::to_owned).unwrap_or(path);
        if !found.iter().any(|it| path.starts_with(it)) {
            found.push(path);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_installations_are_shown() {
        let check = |interpreter: &str, expected: &str| {
            assert_eq!(prefixes(Path::new(interpreter)), [PathBuf::from(expected)], "{interpreter}");
        };
        check("/srv/tools/python/bin/python3.11", "/srv/tools/python");
        check("/home/someone/.nvm/versions/node/v20/bin/node", "/home/someone/.nvm/versions/node/v20");
        check("/home/someone/bin/node", "/home/someone/bin/node");
        check("/srv/bin/node", "/srv/bin/node");
        check("/srv/node", "/srv/node");
    }
}
