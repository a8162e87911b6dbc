//! The languages, one file or folder each, and the list of them.
//!
//! A runtime knows which identifiers it serves, where its language is found on this machine, and how its bootstrap is
//! started. The bootstrap is an ordinary client of the Runtime API; nothing else here knows the language.

mod locate;
mod nodejs;
mod provided;
mod python;

use crate::function::{FunctionSpec, InvokeError};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use locate::Installed;

/// The runtimes, in alphabetical order.
pub static RUNTIMES: &[&dyn Runtime] = &[&nodejs::NodeJs, &provided::Provided, &python::Python];

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
    /// Name and version of what really runs, such as `nodejs:20.20.2`.
    pub version: String,
    /// Set when the program cannot be started; an initialisation error of this message instead.
    pub invalid: Option<String>,
}

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
