//! `cargo xtask simulate`: what the policy of keeping environments costs on made-up invocations, beside fixed times.
//!
//! The simulation is an example of the worker, whose policy it runs.

use crate::shell;
use anyhow::Result;

/// Prints the table, for a seed if one is given.
pub fn run(words: &[String]) -> Result<()> {
    let mut command =
        shell::cargo(&["run", "--quiet", "-p", "aloft-worker", "--example", "keep_alive", "--"]);
    shell::run(command.args(words))
}
