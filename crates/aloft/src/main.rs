//! The `aloft` command: reads the arguments, runs one command, and tells how it ended.
//!
//! Only wiring lives here; each command is a file in `commands/`.

mod cli;
mod cloud;
mod commands;
mod deploy;
mod encoding;
mod failure;
mod lifecycle;
mod session;
mod terminal;
mod variables;

use clap::Parser;
use std::process::ExitCode;
use terminal::Terminal;

fn main() -> ExitCode {
    let arguments = cli::rewritten(std::env::args_os());
    let cli = match cli::Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return cli::explain(&error),
    };
    // One for the whole run, which all of it refers to.
    let terminal: &'static Terminal = Box::leak(Box::new(Terminal::new(&cli.common)));
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::report(terminal, &anyhow::anyhow!("cannot start: {error}")),
    };
    let result = runtime.block_on(commands::run(cli, terminal));
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(terminal, &error),
    }
}
