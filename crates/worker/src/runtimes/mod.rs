//! The languages, one file or folder each, and the list of them.
//!
//! A runtime knows which identifiers it serves, where its language is found on this machine, and how its bootstrap is
//! started. The bootstrap is an ordinary client of the Runtime API, or speaks over the channel (see
//! `channel`); nothing else here knows the language.

mod java;
mod locate;
mod nodejs;
mod provided;
mod python;
mod ruby;

use crate::extensions;
use crate::function::{FunctionSpec, InvokeError};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use locate::Found;
pub(crate) use locate::{Installed, is_executable};

/// The runtimes, in alphabetical order.
pub static RUNTIMES: &[&dyn Runtime] =
    &[&java::Java, &nodejs::NodeJs, &provided::Provided, &python::Python, &ruby::Ruby];

/// One language.
pub trait Runtime: Sync {
    /// Its name, which is also that of its folder.
    fn name(&self) -> &'static str;

    /// Whether it serves a runtime identifier, such as `nodejs20.x`.
    fn serves(&self, identifier: &str) -> bool;

    /// Writes its bootstrap into an empty directory of its own.
    ///
    /// # Errors
    /// When the directory cannot be written.
    fn install(&self, directory: &Path) -> io::Result<()>;

    /// How an environment of `spec` is started. May run the language once to ask for its version, so it may block.
    ///
    /// # Errors
    /// [`InvokeError::RuntimeMissing`] when the language is not installed.
    fn start(
        &self,
        spec: &FunctionSpec,
        directory: &Path,
        installed: &Installed,
    ) -> Result<Start, InvokeError>;

    /// How the same program starts and waits for a function, where the language can do that: it
    /// connects to `ALOFT_WAIT`, reads its environment from there as JSON, and goes on as if it had been started with it.
    fn waiting(&self, _spec: &FunctionSpec, _start: &Start) -> Option<Waiting> {
        None
    }

    /// Whether what waits, where it is not told `ALOFT_WAIT`, forks as [`aloft_sandbox::Zygote`] wants it, and each fork
    /// waits at its connection.
    fn forks(&self) -> bool {
        false
    }
}

/// How a process starts that waits for a function.
#[derive(Debug)]
pub struct Waiting {
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// What the function seems to make with the SDK that Lambda brings along, if it uses that: it is prepared meanwhile
    /// (`ALOFT_SDK`).
    pub sdk: Option<String>,
}

/// How an environment is started.
#[derive(Debug, Clone)]
pub struct Start {
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Defaults of environment variables that the language needs.
    pub variables: BTreeMap<String, String>,
    /// `LAMBDA_RUNTIME_DIR`
    pub runtime_directory: PathBuf,
    /// `AWS_EXECUTION_ENV`, where the runtime has one.
    pub execution_environment: Option<String>,
    /// Whether its bootstrap speaks over the channel, which `ALOFT_CHANNEL` names.
    pub channel: bool,
    /// Name and version of what really runs, such as `nodejs:20.20.2`.
    pub version: String,
    /// Set when the program cannot be started; an initialisation error of this message instead.
    pub invalid: Option<String>,
    /// A script of the function's that is started instead, with the program and its arguments behind it.
    pub wrapper: Option<PathBuf>,
    /// The external extensions, which are started before it.
    pub extensions: Vec<PathBuf>,
}

impl Start {
    /// With the external extensions of the function's layers.
    pub(crate) fn extended(mut self, spec: &FunctionSpec) -> Self {
        self.extensions = extensions::external(&spec.layer_directories);
        if !self.extensions.is_empty() && !Path::new(SHELL).exists() {
            self.invalid.get_or_insert_with(|| format!("extensions need {SHELL}, which is not installed"));
        }
        self
    }

    /// With the script that the function names in `AWS_LAMBDA_EXEC_WRAPPER`, below `/var/task` or `/opt`. Lambda knows it
    /// for its own languages only.
    pub(crate) fn wrapped(mut self, spec: &FunctionSpec) -> Self {
        let Some(named) = spec.environment.get(WRAPPER).filter(|_| self.execution_environment.is_some())
        else {
            return self;
        };
        let below = |root: &str| named.strip_prefix(root)?.strip_prefix('/');
        let candidates: Vec<PathBuf> = match (below("/var/task"), below("/opt")) {
            (Some(name), _) => vec![spec.code_directory.join(name)],
            (_, Some(name)) => spec.layer_directories.iter().rev().map(|it| it.join(name)).collect(),
            _ => vec![named.into()],
        };
        match candidates.into_iter().find(|it| it.is_file()) {
            Some(wrapper) if locate::is_executable(&wrapper) => self.wrapper = Some(wrapper),
            Some(_) => self.invalid = Some(format!("fork/exec {named}: permission denied")),
            None => self.invalid = Some(format!("fork/exec {named}: no such file or directory")),
        }
        self
    }
}

/// What runs `supervise.sh`.
pub(crate) const SHELL: &str = "/bin/bash";

const WRAPPER: &str = "AWS_LAMBDA_EXEC_WRAPPER";

/// The runtime that serves an identifier.
///
/// # Errors
/// [`InvokeError::RuntimeMissing`] when none does.
pub fn find(identifier: &str) -> Result<&'static dyn Runtime, InvokeError> {
    RUNTIMES.iter().copied().find(|it| it.serves(identifier)).ok_or_else(|| {
        let names: Vec<&str> = RUNTIMES.iter().map(|it| it.name()).collect();
        let message =
            format!("the runtime `{identifier}` is not supported here; supported are {}", names.join(", "));
        InvokeError::RuntimeMissing { message }
    })
}

/// Joins the directories of a search path, leaving out those that are not there.
fn search_path(directories: impl IntoIterator<Item = PathBuf>) -> String {
    let there: Vec<String> = directories
        .into_iter()
        .filter(|it| it.is_dir())
        .map(|it| it.to_string_lossy().into_owned())
        .collect();
    there.join(":")
}
