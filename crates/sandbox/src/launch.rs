//! How a jailed process starts: in namespaces (see `isolated`), or behind a gate that opens only when every limit holds.
//!
//! The gate is for machines without namespaces, and for whoever wants none. It is a shell that waits for one line and then becomes the program. Until that line is written it is moved into
//! its control group and gets its resource limits, so that not one instruction of the program runs without them. When
//! this process dies before, the gate closes by itself.

use crate::groups::{Group, Groups};
use crate::isolated::{self, Isolated, View, Zygote};
use crate::jailed::{Jailed, Process, Watched};
use crate::{SandboxError, processes, turns};
use aloft_base::ByteSize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, PipeReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use tokio::process::Command;

/// The shell that waits at the gate, and what it runs.
#[derive(Debug)]
pub(crate) struct Gate {
    shell: &'static str,
    script: String,
}

impl Gate {
    /// Looks at what this process inherited without the close-on-exec flag: the gate closes it. (What Rust opens has
    /// the flag, so this need not be repeated for each jail.)
    pub(crate) fn new() -> Self {
        let inherited = processes::inherited_descriptors();
        // Only `bash` can name descriptors of more than one digit.
        let bash = inherited.iter().any(|it| *it > 9) && Path::new("/bin/bash").exists();
        let closing: String =
            inherited.iter().filter(|it| bash || **it <= 9).map(|it| format!(" {it}>&-")).collect();
        let exec = if closing.is_empty() { String::new() } else { format!("exec{closing}; ") };
        let script = format!("{exec}read -r _ || exit 126; unset _ OLDPWD; exec \"$@\" </dev/null");
        Self { shell: if bash { "/bin/bash" } else { "/bin/sh" }, script }
    }
}

/// What to start, and in which bounds.
#[derive(Debug)]
pub struct Launch {
    /// A name for the control group, unique within the sandbox: letters, digits, hyphens.
    pub name: String,
    /// The executable, as an absolute path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// The whole environment; nothing is inherited.
    pub environment: BTreeMap<String, String>,
    /// A `NAME=value` of `environment` that no other process has. Stragglers are known by it where there are no
    /// control groups.
    pub mark: String,
    /// The working directory.
    pub directory: PathBuf,
    /// What it sees, where this sandbox isolates. All paths above are those of the jail then.
    pub view: Option<View>,
    /// The bounds.
    pub limits: Limits,
    /// Where its output goes.
    pub output: Output,
}

#[cfg(target_os = "linux")]
impl Launch {
    /// Something that does nothing, successfully.
    pub(crate) fn probe() -> Self {
        let limits = Limits {
            memory: ByteSize::mebibytes(64),
            processes: 8,
            open_files: 64,
            file_size: ByteSize::mebibytes(1),
        };
        Self {
            name: "probe".to_owned(),
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), ":".into()],
            environment: BTreeMap::new(),
            mark: String::new(),
            directory: "/".into(),
            view: None,
            limits,
            output: Output::Inherited,
        }
    }
}

/// The bounds of a jail.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Memory of the whole tree.
    pub memory: ByteSize,
    /// Processes and threads of the whole tree.
    pub processes: u32,
    /// File descriptors of each process.
    pub open_files: u64,
    /// The largest file that may be written.
    pub file_size: ByteSize,
}

/// What a zygote is to fork.
#[derive(Debug)]
pub struct Fork {
    /// As [`Launch::name`].
    pub name: String,
    /// The bounds.
    pub limits: Limits,
    /// The size of `/tmp`, in MB.
    pub temporary_mb: u32,
    /// Whether nobody waits for it, so that it may do now what takes time later.
    pub ahead: bool,
}

/// What a zygote forked.
#[derive(Debug)]
pub struct Forked {
    /// The jail. What it writes is [`Output::Piped`].
    pub jailed: Jailed,
    /// The other end of the socket that its program waits at.
    pub connection: UnixStream,
}

/// Where standard output and standard error go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Both into one pipe, in the order of writing: [`Jailed::take_output`].
    Piped,
    /// To this process's own.
    Inherited,
}

pub(crate) fn spawn(
    gate: &Gate,
    isolated: Option<&Isolated>,
    groups: &Groups,
    launch: Launch,
) -> Result<Jailed, SandboxError> {
    // Temporary files of a jail are in memory, and are no part of the program's.
    let files = match (isolated, &launch.view) {
        (Some(_), Some(view)) => ByteSize::mebibytes(view.temporary_mb.into()),
        _ => ByteSize(0),
    };
    let group = groups
        .make(&launch.name, &launch.limits, files)
        .map_err(|source| SandboxError::Group { name: launch.name.clone(), source })?;
    let started = match (isolated, &launch.view) {
        (Some(isolated), Some(view)) => isolated
            .start(&launch, view, group.as_ref(), None)
            .map(|begun| (Process::Isolated(begun.first), begun.output, begun.doors)),
        _ => start(gate, &launch, group.as_ref()).map(|(process, output)| (process, output, None)),
    };
    match started {
        Ok((process, output, doors)) => {
            let hosts = launch.view.map(|view| view.hosts).unwrap_or_default();
            let watched = Watched {
                process,
                program: None,
                group,
                mark: launch.mark,
                files,
                limits: Some(launch.limits),
                hosts,
                zygote: None,
            };
            Ok(Jailed::supervise(watched, output, doors))
        }
        Err(source) => {
            if let Some(group) = group {
                group.remove();
            }
            Err(SandboxError::Start { program: launch.program, source })
        }
    }
}

/// Starts a jail whose program forks others.
pub(crate) fn zygote(isolated: &Isolated, groups: &Groups, launch: Launch) -> Result<Zygote, SandboxError> {
    let Launch { program, name, mark, limits, view, .. } = &launch;
    let failed = |source| SandboxError::Start { program: program.clone(), source };
    let view = view.as_ref().ok_or_else(|| failed(io::Error::other("it would see nothing")))?;
    let files = ByteSize::mebibytes(view.temporary_mb.into());
    let (own, theirs) = isolated::commands().map_err(failed)?;
    let group = groups
        .make(name, limits, files)
        .map_err(|source| SandboxError::Group { name: name.clone(), source })?;
    let begun = isolated.start(&launch, view, group.as_ref(), Some(theirs)).inspect_err(|_| {
        group.as_ref().map(Group::remove);
    });
    let begun = begun.map_err(failed)?;
    let watched = Watched {
        process: Process::Isolated(begun.first),
        program: None,
        group,
        mark: mark.clone(),
        files,
        // It runs nobody's code, and what its descendants take is theirs.
        limits: None,
        hosts: view.hosts.clone(),
        zygote: None,
    };
    let jailed = Jailed::supervise(watched, begun.output, None);
    Zygote::new(jailed, begun.identity, view.hosts.clone(), own).map_err(failed)
}

/// Has a zygote fork a jail.
pub(crate) async fn fork(
    isolated: &Isolated,
    groups: &Groups,
    zygote: &Arc<Zygote>,
    fork: Fork,
) -> Result<Forked, SandboxError> {
    let files = ByteSize::mebibytes(fork.temporary_mb.into());
    let group = groups
        .make(&fork.name, &fork.limits, files)
        .map_err(|source| SandboxError::Group { name: fork.name.clone(), source })?;
    let born = match isolated.fork(zygote, &fork, group.as_ref()).await {
        Ok(born) => born,
        Err(source) => {
            if let Some(group) = &group {
                crate::jailed::remove(group).await;
            }
            return Err(SandboxError::Fork { name: fork.name, source });
        }
    };
    let watched = Watched {
        process: Process::Isolated(born.begun.first),
        program: born.begun.program,
        group,
        // Nobody has it: where they are looked for, all its processes are descendants of its first one.
        mark: format!("ALOFT_FORKED={}", fork.name),
        files,
        limits: Some(fork.limits),
        hosts: zygote.hosts().to_vec(),
        zygote: Some(zygote.clone()),
    };
    let jailed = Jailed::supervise(watched, born.begun.output, born.begun.doors);
    Ok(Forked { jailed, connection: born.connection })
}

type Started = (Process, Option<PipeReader>);

fn start(gate: &Gate, launch: &Launch, group: Option<&crate::groups::Group>) -> io::Result<Started> {
    let (waiting, mut opening) = io::pipe()?;
    let mut command = Command::new(gate.shell);
    command.args(["-c", &gate.script, "aloft"]).arg(&launch.program).args(&launch.arguments);
    command.env_clear().envs(&launch.environment).current_dir(&launch.directory);
    command.process_group(0).kill_on_drop(true).stdin(waiting);
    let output = match launch.output {
        Output::Inherited => None,
        Output::Piped => {
            let (reader, writer) = io::pipe()?;
            command.stdout(Stdio::from(writer.try_clone()?)).stderr(writer);
            Some(reader)
        }
    };
    let child = command.spawn()?;
    let pid = child.id().ok_or_else(|| io::Error::other("the process ended at once"))?;
    turns::stand_back(Some(pid));
    let opened = group
        .map_or(Ok(()), |group| group.add(pid))
        .and_then(|()| limit(pid, &launch.limits))
        .and_then(|()| opening.write_all(b"\n"));
    match opened {
        Ok(()) => Ok((Process::Gated(child, pid), output)),
        Err(error) => {
            processes::kill(pid);
            Err(error)
        }
    }
}

/// The limits that each process has for itself.
#[cfg(target_os = "linux")]
pub(crate) fn resources(limits: &Limits) -> [(rustix::process::Resource, u64); 3] {
    use rustix::process::Resource;
    [(Resource::Nofile, limits.open_files), (Resource::Fsize, limits.file_size.0), (Resource::Core, 0)]
}

/// Sets the resource limits of a process, never above the hard limits that it has.
#[cfg(target_os = "linux")]
fn limit(pid: u32, limits: &Limits) -> io::Result<()> {
    use rustix::process::{Pid, Rlimit, getrlimit, prlimit};
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(()) };
    for (resource, value) in resources(limits) {
        let value = getrlimit(resource).maximum.map_or(value, |hard| hard.min(value));
        prlimit(Some(pid), resource, Rlimit { current: Some(value), maximum: Some(value) })?;
    }
    Ok(())
}

/// Only Linux can limit another process.
#[cfg(not(target_os = "linux"))]
fn limit(_pid: u32, _limits: &Limits) -> io::Result<()> {
    Ok(())
}
