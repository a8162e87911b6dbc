//! Finds a language on this machine: on the search path of this process, then in the usual places.
//!
//! What was found is remembered; what was not is looked for again, so that it can be installed meanwhile.

use crate::function::InvokeError;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// Where package managers put executables besides the search path.
const USUAL_PLACES: [&str; 5] = ["/usr/local/bin", "/usr/bin", "/bin", "/opt/homebrew/bin", "/snap/bin"];

/// A language as it is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// The executable itself, not a shim.
    pub(crate) program: PathBuf,
    /// Such as `20.20.2`.
    pub(crate) version: String,
}

/// The languages found on this machine. Clones share what was found.
#[derive(Debug, Clone, Default)]
pub struct Installed(Arc<Mutex<HashMap<String, Found>>>);

/// How to find one language.
pub(crate) struct Search<'a> {
    /// For messages: `Node.js`.
    pub(crate) language: &'a str,
    /// The executables to try, best first.
    pub(crate) names: &'a [String],
    /// Makes it print its real path and its version, on one line each.
    pub(crate) question: &'a [&'a str],
    /// What to install.
    pub(crate) advice: &'a str,
}

impl Installed {
    /// The language for a runtime identifier, whose version is said once in the log where it is another one.
    pub(crate) fn find(&self, identifier: &str, search: &Search<'_>) -> Result<Found, InvokeError> {
        self.find_by(identifier, search.language, search.advice, || search.run())
    }

    /// The same for a language that is found in another way.
    pub(crate) fn find_by(
        &self,
        identifier: &str,
        language: &str,
        advice: &str,
        look: impl FnOnce() -> Option<Found>,
    ) -> Result<Found, InvokeError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(identifier).filter(|it| it.program.exists()) {
            return Ok(found.clone());
        }
        let found = look().ok_or_else(|| InvokeError::RuntimeMissing {
            message: format!("the runtime `{identifier}` needs {language}, which is not installed: {advice}"),
        })?;
        if !found.serves(identifier) {
            tracing::warn!("{identifier} runs on {language} {}, which is what is installed", found.version);
        }
        known.insert(identifier.to_owned(), found.clone());
        Ok(found)
    }
}

impl Found {
    /// Whether `nodejs20.x` or `python3.12` names this version.
    fn serves(&self, identifier: &str) -> bool {
        let wanted = wanted_version(identifier);
        self.version == wanted || self.version.starts_with(&format!("{wanted}."))
    }
}

/// `20` of `nodejs20.x`, `3.12` of `python3.12`, `8` of `java8.al2`.
pub(crate) fn wanted_version(identifier: &str) -> &str {
    let digits = identifier.find(|it: char| it.is_ascii_digit()).unwrap_or(identifier.len());
    identifier[digits..].trim_end_matches(".x").trim_end_matches(".al2")
}

impl Search<'_> {
    fn run(&self) -> Option<Found> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let places: Vec<PathBuf> =
            std::env::split_paths(&path).chain(USUAL_PLACES.iter().map(PathBuf::from)).collect();
        self.names.iter().flat_map(|name| places.iter().map(move |place| place.join(name))).find_map(
            |candidate| {
                if candidate.is_absolute() && is_executable(&candidate) { self.ask(&candidate) } else { None }
            },
        )
    }

    /// Asks a candidate who it is. A shim of a version manager without that version fails, and the next one is tried.
    fn ask(&self, candidate: &Path) -> Option<Found> {
        let mut command = Command::new(candidate);
        command.args(self.question).stdin(Stdio::null()).stderr(Stdio::null());
        // Version managers need `HOME`; nothing else of this process's environment may slow the answer down.
        command
            .env_clear()
            .envs(["HOME", "PATH"].into_iter().filter_map(|it| Some((it, std::env::var_os(it)?))));
        let output = command.output().ok().filter(|output| output.status.success())?;
        let text = String::from_utf8(output.stdout).ok()?;
        let mut lines = text.lines();
        let program = PathBuf::from(lines.next()?.trim());
        let version = lines.next()?.trim().trim_start_matches('v').to_owned();
        Some(Found { program: if program.is_absolute() { program } else { candidate.to_owned() }, version })
    }
}

/// Whether somebody may execute the file.
pub(crate) fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let check = |identifier: &str, version: &str, expected: bool| {
            let found = Found { program: PathBuf::new(), version: version.to_owned() };
            assert_eq!(found.serves(identifier), expected, "{identifier} {version}");
        };
        check("nodejs20.x", "20.20.2", true);
        check("nodejs18.x", "20.20.2", false);
        check("nodejs2.x", "20.20.2", false);
        check("python3.1", "3.11.7", false);
        check("python3.11", "3.11.7", true);
        check("java8.al2", "8.0_412", true);
        check("java11", "17.0.15", false);
    }

    #[test]
    fn what_is_missing_is_named() {
        let search = Search {
            language: "Cobol",
            names: &["no-such-program".to_owned()],
            question: &[],
            advice: "install the package `cobol`",
        };
        let error = Installed::default().find("cobol85", &search).expect_err("it is not there");
        assert_eq!(
            error.to_string(),
            "the runtime `cobol85` needs Cobol, which is not installed: install the package `cobol`"
        );
    }
}
