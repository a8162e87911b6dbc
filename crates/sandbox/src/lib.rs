//! One worker's jail: its own process group, a clean environment, limits that hold before its first instruction, and
//! an end that leaves nothing behind.
//!
//! Limits come from control groups (version 1 or 2) where they can be written, otherwise from a watchdog over resident
//! memory, and always from resource limits. It knows nothing of HTTP, of Lambda or of the store.
//! Keeps true: an [`Exit`] is published only after every process of the tree is gone and its control group is removed.

mod groups;
mod jailed;
mod launch;
mod processes;
#[cfg(test)]
mod tests;

pub use jailed::{Exit, Jailed};
pub use launch::{Launch, Limits, Output};

use groups::Groups;
use launch::Gate;
use std::io;
use std::path::PathBuf;

/// Why a process could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A pipe, the process itself or its limits could not be made.
    #[error("failed to start {}", program.display())]
    Start {
        /// What was to run.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A control group could not be made or configured.
    #[error("failed to prepare the control group `{name}`")]
    Group {
        /// The group's name.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

/// The place where jails are made; one for each cloud process.
#[derive(Debug)]
pub struct Sandbox {
    groups: Groups,
    gate: Gate,
}

impl Sandbox {
    /// Looks at what this machine offers and clears what a predecessor that was killed left behind. What is not
    /// available is done without; [`Sandbox::missing`] says what that is.
    pub fn open() -> Self {
        Self { groups: Groups::open(), gate: Gate::new() }
    }

    /// A sandbox without control groups: resource limits and the watchdog only.
    pub fn plain() -> Self {
        Self { groups: Groups::none(), gate: Gate::new() }
    }

    /// The limits for which no control group can be written, in words for a person: `memory`, `processes`, `cpu`.
    pub fn missing(&self) -> Vec<&'static str> {
        self.groups.missing()
    }

    /// Starts a process in a jail of its own.
    ///
    /// # Errors
    /// When the system refuses the process or its control group. Nothing is left behind then.
    pub fn spawn(&self, launch: Launch) -> Result<Jailed, SandboxError> {
        launch::spawn(&self.gate, &self.groups, launch)
    }

    /// Removes the control group that held the jails. Call it when all of them have ended.
    pub fn close(&self) {
        self.groups.close();
    }

    /// The directories of the control groups that this sandbox made for itself.
    pub fn group_directories(&self) -> Vec<PathBuf> {
        self.groups.directories()
    }
}
