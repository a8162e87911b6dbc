//! One worker's jail: namespaces with a root of its own, no privileges, a clean environment, limits that hold before its
//! first instruction, and an end that leaves nothing behind.
//!
//! Isolation is what the machine allows (see [`Sandbox::lacking`]). Limits come from control groups (version 1 or 2) where they can be written, otherwise from a watchdog over resident
//! memory, and always from resource limits. It knows nothing of HTTP, of Lambda or of the store.
//! Keeps true: an [`Exit`] is published only after every process of the tree is gone and its control group is removed.

mod destination;
mod groups;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[allow(unsafe_code)] // Nowhere else but in `turns`.
mod isolated;
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
#[path = "isolated/absent.rs"]
mod isolated;
mod jailed;
mod launch;
mod processes;
#[cfg(test)]
mod tests;
#[allow(unsafe_code)] // One system call that no crate wraps.
mod turns;

pub use destination::{Destination, DestinationError, OF_FUNCTIONS};
pub use isolated::{API_PORT, CHANNEL, Doors, Furniture, View, Zygote};
pub use jailed::{Exit, Jailed};
pub use launch::{Fork, Forked, Launch, Limits, Output};
pub use turns::take_short_turns;

use groups::Groups;
use isolated::Isolated;
use launch::Gate;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

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
    /// A zygote did not fork.
    #[error("failed to fork the jail `{name}`")]
    Fork {
        /// The jail's name.
        name: String,
        /// What the system or the zygote said.
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

/// How much isolation is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Isolation {
    /// All of it, or nothing runs.
    Strict,
    /// What this machine allows.
    #[default]
    BestEffort,
    /// Limits only.
    None,
}

/// The place where jails are made; one for each cloud process.
#[derive(Debug)]
pub struct Sandbox {
    groups: Groups,
    gate: Gate,
    isolated: Option<Isolated>,
    lacking: Vec<&'static str>,
}

impl Sandbox {
    /// Looks at what this machine offers and clears what a predecessor that was killed left behind. What is not
    /// available is done without; [`Sandbox::missing`] and [`Sandbox::lacking`] say what that is.
    ///
    /// Connections to these ports of loopback lead out of a jail too ([`Doors::outward`]); all others are its own.
    pub fn open(isolation: Isolation, loopback: &[u16]) -> Self {
        let (isolated, lacking) = match isolation {
            Isolation::None => (None, Vec::new()),
            _ => Isolated::open(loopback),
        };
        Self { groups: Groups::open(), gate: Gate::new(), isolated, lacking }
    }

    /// A sandbox without control groups and isolation: resource limits and the watchdog only.
    pub fn plain() -> Self {
        Self { groups: Groups::none(), gate: Gate::new(), isolated: None, lacking: Vec::new() }
    }

    /// Whether jails have a root of their own: [`Launch::view`] counts, and paths are those of the jail.
    pub fn isolates(&self) -> bool {
        self.isolated.is_some()
    }

    /// Whether jails have networks of their own: [`Jailed::take_doors`] gives the ways out.
    pub fn has_networks(&self) -> bool {
        self.isolated.as_ref().is_some_and(Isolated::has_networks)
    }

    /// The layers of isolation that were asked for and that this machine does not allow, in words for a person.
    pub fn lacking(&self) -> &[&'static str] {
        &self.lacking
    }

    /// The limits for which no control group can be written, in words for a person: `memory`, `processes`, `cpu`.
    pub fn missing(&self) -> Vec<&'static str> {
        self.groups.missing()
    }

    /// Whether [`Jailed::limit_processor`] can do something here.
    pub fn can_limit_processor(&self) -> bool {
        self.groups.have_quotas()
    }

    /// Starts a process in a jail of its own.
    ///
    /// # Errors
    /// When the system refuses the process or its control group. Nothing is left behind then.
    pub fn spawn(&self, launch: Launch) -> Result<Jailed, SandboxError> {
        launch::spawn(&self.gate, self.isolated.as_ref(), &self.groups, launch)
    }

    /// Whether there can be zygotes here.
    pub fn can_fork(&self) -> bool {
        self.isolated.as_ref().is_some_and(Isolated::can_fork)
    }

    /// Starts a jail whose program forks others ([`Sandbox::fork`]): it has a socket for commands as descriptor 3. What
    /// runs in it must not be anybody's. Its program must have one thread when it forks.
    ///
    /// # Errors
    /// As [`Sandbox::spawn`], and where [`Sandbox::can_fork`] says so.
    pub fn zygote(&self, launch: Launch) -> Result<Zygote, SandboxError> {
        match self.isolated.as_ref().filter(|it| it.can_fork()) {
            Some(isolated) => launch::zygote(isolated, &self.groups, launch),
            None => {
                let source = io::ErrorKind::Unsupported.into();
                Err(SandboxError::Start { program: launch.program, source })
            }
        }
    }

    /// Has a zygote fork a jail, which shows what the zygote does and waits to be furnished. It is in namespaces and in a
    /// control group of its own, has no privileges, and is the same user on the host as its zygote.
    ///
    /// # Errors
    /// When the system or the zygote refuses. Nothing is left behind then.
    pub async fn fork(&self, zygote: &Arc<Zygote>, fork: Fork) -> Result<Forked, SandboxError> {
        match &self.isolated {
            Some(isolated) => launch::fork(isolated, &self.groups, zygote, fork).await,
            None => Err(SandboxError::Fork { name: fork.name, source: io::ErrorKind::Unsupported.into() }),
        }
    }

    /// Makes a jail that was started or forked with [`View::hosts`] show code and layers from them, and nothing else of them, and
    /// gives it other limits of memory and processor. Once.
    ///
    /// # Errors
    /// When a directory lies below no host, or the system refuses. The jail must be ended then.
    pub fn furnish(
        &self,
        jailed: &Jailed,
        furniture: &Furniture,
        limits: &Limits,
    ) -> Result<(), SandboxError> {
        let furnished = match &self.isolated {
            Some(isolated) => jailed.furnish(isolated, furniture, limits),
            None => Err(io::Error::other("jails have no root of their own")),
        };
        furnished.map_err(|source| SandboxError::Start { program: furniture.code.clone(), source })
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

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |it| it.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
