//! Several services at once, as `serverless-compose.yml` has them: deployed in the order that their dependencies want, with one's
//! outputs as another's parameters.
//!
//! Knows no provider: each service is this program again, run in the service's directory. Keeps true: a service runs after all
//! that it depends on, and not at all when one of these failed; services that are run leave no process behind.

mod arguments;
mod commands;
mod display;
mod file;
mod graph;
mod run;
mod state;
mod variables;

#[cfg(test)]
mod tests;

use crate::cli::Common;
use crate::failure::AlreadyShown;
use crate::terminal::Terminal;
use anyhow::Context;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

pub use arguments::Composed;

/// Set for the services that are run, so that they are services.
const WITHIN: &str = "ALOFT_COMPOSE";
/// The same for plugins of the original.
const WITHIN_ORIGINAL: &str = "SLS_COMPOSE";

/// What was typed, when it is for several services: there is such a file here, and the command is one about services.
pub fn composed(arguments: &[OsString]) -> Option<Result<Composed, ExitCode>> {
    if std::env::var_os(WITHIN).is_some() {
        return None;
    }
    let directory = std::env::current_dir().ok()?;
    let path = file::find(&directory)?;
    arguments::read(arguments, directory, path)
}

impl Composed {
    /// What the terminal needs to know of the command line.
    pub fn common(&self) -> Common {
        self.options().common()
    }

    /// Does it, until it ends or the user interrupts it.
    pub async fn run(self, terminal: &'static Terminal) -> anyhow::Result<()> {
        tokio::select! {
            result = self.dispatch(terminal) => result,
            _ = tokio::signal::ctrl_c() => {
                terminal.clear();
                terminal.say("\nInterrupted. What the cloud has begun it goes on with.");
                Err(AlreadyShown.into())
            }
        }
    }

    async fn dispatch(self, terminal: &'static Terminal) -> anyhow::Result<()> {
        let (directory, path) = self.place();
        let options = self.options().clone();
        let environment = std::env::vars().collect();
        let project = file::load(directory, path, &options.stage, &environment)?;
        let state = state::State::load(directory, &options.stage, options.local)?;
        let project = run::Project {
            services: project,
            options,
            directory: directory.to_owned(),
            program: std::env::current_exe().context("cannot find this program")?,
            log: run::Log::create(directory)?,
        };
        commands::run(self, Arc::new(project), state, terminal).await
    }
}
