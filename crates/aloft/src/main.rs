//! The `aloft` command: reads the arguments, runs one command, and tells how it ended.
//!
//! Only wiring lives here; each command is a file in `commands/`.

mod cli;
mod cloud;
mod commands;
mod compose;
mod cost;
mod deploy;
mod encoding;
mod failure;
mod lifecycle;
mod sdks;
mod session;
mod settings;
mod terminal;
mod variables;

use clap::Parser;
use std::process::ExitCode;
use terminal::Terminal;

/// Requests make many small things, some of which another thread ends.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let typed: Vec<_> = std::env::args_os().collect();
    match compose::composed(&typed) {
        Some(Ok(composed)) => return finish(&composed.common(), |terminal| composed.run(terminal)),
        Some(Err(code)) => return code,
        None => {}
    }
    match cli::Cli::try_parse_from(cli::rewritten(typed.into_iter())) {
        Ok(cli) => finish(&cli.common.clone(), |terminal| commands::run(cli, terminal)),
        Err(error) => cli::explain(&error),
    }
}

/// Runs a command to its end.
fn finish<F>(common: &cli::Common, command: impl FnOnce(&'static Terminal) -> F) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    // One for the whole run, which all of it refers to.
    let terminal: &'static Terminal = Box::leak(Box::new(Terminal::new(common)));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // The cloud answers also beside functions that take all the processor they can get.
        .on_thread_start(aloft_worker::take_short_turns)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return failure::report(terminal, &anyhow::anyhow!("cannot start: {error}")),
    };
    let result = runtime.block_on(command(terminal));
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(terminal, &error),
    }
}
