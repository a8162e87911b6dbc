//! How a command that failed says so: the original's `Error:` block, with the places in the text, and exit code 1.

use crate::terminal::Terminal;
use aloft_config::LoadError;
use aloft_diag::{Diagnostic, SourceMap, render};
use std::fmt;
use std::process::ExitCode;

/// Mistakes of the user, with the texts that they stand in.
#[derive(Debug)]
pub struct Mistakes {
    pub diagnostics: Vec<Diagnostic>,
    pub sources: SourceMap,
}

impl Mistakes {
    /// One mistake.
    pub fn one(diagnostic: Diagnostic, sources: &SourceMap) -> anyhow::Error {
        Self { diagnostics: vec![diagnostic], sources: sources.clone() }.into()
    }

    /// A mistake that stands in no file.
    pub fn plain(code: &str, message: impl Into<String>, help: impl Into<String>) -> anyhow::Error {
        Self::one(Diagnostic::error(code, message).help(help), &SourceMap::default())
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let messages: Vec<&str> = self.diagnostics.iter().map(|one| one.message.as_str()).collect();
        f.write_str(&messages.join("\n"))
    }
}

impl std::error::Error for Mistakes {}

impl From<LoadError> for Mistakes {
    fn from(error: LoadError) -> Self {
        Self { diagnostics: error.diagnostics, sources: error.sources }
    }
}

/// The command has shown all there is to say, and failed.
#[derive(Debug)]
pub struct AlreadyShown;

impl fmt::Display for AlreadyShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed")
    }
}

impl std::error::Error for AlreadyShown {}

/// The command has done its work, and its answer is an exit code.
#[derive(Debug)]
pub struct Ended(pub u8);

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ended with {}", self.0)
    }
}

impl std::error::Error for Ended {}

/// Prints the error and gives the exit code.
pub fn report(terminal: &Terminal, error: &anyhow::Error) -> ExitCode {
    terminal.clear();
    if error.is::<AlreadyShown>() {
        return ExitCode::from(1);
    }
    if let Some(Ended(code)) = error.downcast_ref::<Ended>() {
        return ExitCode::from(*code);
    }
    terminal.print(&format!("\nError:\n{}", text_of(error, terminal).trim_end()));
    ExitCode::from(1)
}

/// All that there is to say about an error.
pub fn text_of(error: &anyhow::Error, terminal: &Terminal) -> String {
    match error.downcast_ref::<Mistakes>() {
        Some(mistakes) => {
            let render = |one: &Diagnostic| render(one, &mistakes.sources, terminal.colours_out);
            mistakes.diagnostics.iter().map(render).collect::<Vec<_>>().join("\n\n")
        }
        None => format!("{error:#}"),
    }
}

/// Shows warnings on standard error.
pub fn warn(terminal: &Terminal, warnings: &[Diagnostic], sources: &SourceMap) {
    for warning in warnings {
        terminal.say(&render(warning, sources, false));
    }
}
