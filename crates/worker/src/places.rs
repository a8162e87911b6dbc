//! Where a function finds its code, its layers and its bootstrap: on the host, or in its jail under Lambda's own paths.

use crate::environment::SUPERVISE;
use crate::function::FunctionSpec;
use crate::runtimes::{SHELL, Start};
use aloft_sandbox::View;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// One environment's places, as its process names them.
#[derive(Debug)]
pub(crate) struct Places {
    /// `LAMBDA_TASK_ROOT`
    pub(crate) code: PathBuf,
    /// What stands for the layers, best first.
    pub(crate) layers: Vec<PathBuf>,
    /// The private directory for temporary files.
    pub(crate) temporary: PathBuf,
    /// How the runtime is started there.
    pub(crate) start: Start,
    /// The executable of the process: the runtime's, or the function's own wrapper around it.
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    /// What the jail shows; `None` without one.
    pub(crate) view: Option<View>,
}

impl Places {
    /// Everything where it is on the host.
    pub(crate) fn of_host(spec: &FunctionSpec, start: &Start, temporary: &Path) -> Self {
        let (program, arguments) = command(start);
        Self {
            code: spec.code_directory.clone(),
            layers: spec.layer_directories.iter().rev().cloned().collect(),
            temporary: temporary.to_owned(),
            start: start.clone(),
            program,
            arguments,
            view: None,
        }
    }

    /// Everything where Lambda has it.
    pub(crate) fn of_jail(spec: &FunctionSpec, start: &Start) -> Self {
        let moves: Vec<(&Path, &str)> = [(spec.code_directory.as_path(), "/var/task")]
            .into_iter()
            .chain([(start.runtime_directory.as_path(), "/var/runtime")])
            .chain(spec.layer_directories.iter().map(|it| (it.as_path(), "/opt")))
            .collect();
        let program = moved(&moves, &start.program);
        let interpreter = (program == start.program).then(|| start.program.clone());
        let argument = |it: &OsString| moved(&moves, Path::new(it)).into_os_string();
        let list = |text: &String| {
            let mut parts: Vec<String> = Vec::new();
            for part in text.split(':') {
                let part = moved(&moves, Path::new(part)).to_string_lossy().into_owned();
                // Two layers with the same directory have become one.
                if !parts.contains(&part) {
                    parts.push(part);
                }
            }
            parts.join(":")
        };
        let runtime = start.runtime_directory.clone();
        let start = Start {
            program,
            arguments: start.arguments.iter().map(argument).collect(),
            variables: start.variables.iter().map(|(name, text)| (name.clone(), list(text))).collect(),
            runtime_directory: "/var/runtime".into(),
            wrapper: start.wrapper.as_deref().map(|it| moved(&moves, it)),
            extensions: start.extensions.iter().map(|it| moved(&moves, it)).collect(),
            ..start.clone()
        };
        let (program, arguments) = command(&start);
        Self {
            code: "/var/task".into(),
            layers: vec!["/opt".into()],
            temporary: "/tmp".into(),
            start,
            program,
            arguments,
            view: Some(View {
                code: spec.code_directory.clone(),
                // What the runtimes bring along is a layer that need not be installed.
                layers: spec.layer_directories.iter().filter(|it| it.is_dir()).cloned().collect(),
                runtime,
                interpreter,
                temporary_mb: spec.ephemeral_storage_mb,
                hosts: Vec::new(),
            }),
        }
    }
}

/// What is executed, and its arguments.
fn command(start: &Start) -> (PathBuf, Vec<OsString>) {
    let (mut program, mut arguments) = (start.program.clone(), start.arguments.clone());
    if let Some(wrapper) = &start.wrapper {
        arguments.insert(0, program.into_os_string());
        program = wrapper.clone();
    }
    if !start.extensions.is_empty() {
        let script = start.runtime_directory.join(SUPERVISE).into_os_string();
        let extensions = start.extensions.iter().map(|it| it.clone().into_os_string());
        let end = ["--".into(), program.into_os_string()];
        arguments = [script].into_iter().chain(extensions).chain(end).chain(arguments).collect();
        program = SHELL.into();
    }
    (program, arguments)
}

/// A program and its arguments as a jail has them that shows nothing but the runtime.
pub(crate) fn waiting(program: &Path, arguments: &[OsString], runtime: &Path) -> (PathBuf, Vec<OsString>) {
    let moves = [(runtime, "/var/runtime")];
    let arguments = arguments.iter().map(|it| moved(&moves, Path::new(it)).into_os_string());
    (moved(&moves, program), arguments.collect())
}

/// The path in the jail, for a path below one of those that are elsewhere there.
fn moved(moves: &[(&Path, &str)], path: &Path) -> PathBuf {
    let below = |(from, to): &(&Path, &str)| {
        let rest = path.strip_prefix(from).ok()?;
        Some(if rest.as_os_str().is_empty() { PathBuf::from(to) } else { Path::new(to).join(rest) })
    };
    moves.iter().find_map(below).unwrap_or_else(|| path.to_owned())
}
