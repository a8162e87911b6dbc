//! The commands, a file each.

mod cloud;
mod deploy;
mod deploy_function;
mod explain;
mod explain_resource;
mod info;
mod invoke;
mod invoke_local;
mod logs;
mod package;
mod plan;
mod print;
mod remove;
mod schema;
mod sdks;

use crate::cli::{Cli, Cloud, Command, Deploy, DeployWhat, InvokeWhat};
use crate::failure::AlreadyShown;
use crate::session::Session;
use crate::terminal::Terminal;

/// Runs a command until it ends or the user interrupts it.
pub async fn run(cli: Cli, terminal: &'static Terminal) -> anyhow::Result<()> {
    if let Command::Cloud(Cloud::Start(start)) = &cli.command {
        // A cloud in the foreground ends in its own way.
        return cloud::start(start, terminal).await;
    }
    tokio::select! {
        result = dispatch(&cli, terminal) => result,
        _ = tokio::signal::ctrl_c() => {
            terminal.clear();
            terminal.say(interrupted(&cli.command));
            Err(AlreadyShown.into())
        }
    }
}

async fn dispatch(cli: &Cli, terminal: &'static Terminal) -> anyhow::Result<()> {
    if let Command::Cloud(command) = &cli.command {
        return cloud::run(command, terminal).await;
    }
    match &cli.command {
        Command::Explain(options) if options.what.len() == 1 => {
            return explain::run(cli, options, terminal).await;
        }
        Command::Schema => return schema::run(terminal),
        _ => {}
    }
    let mut session = Session::load(cli, terminal).await?;
    match &cli.command {
        Command::Cloud(_) | Command::Schema => Ok(()),
        Command::Deploy(Deploy { what: Some(DeployWhat::Function(options)), .. }) => {
            deploy_function::run(&mut session, options).await
        }
        Command::Deploy(options) => deploy::run(session, options).await,
        Command::Explain(options) => explain_resource::run(session, options).await,
        Command::Info(options) => info::run(&mut session, options).await,
        Command::Invoke(options) => match &options.what {
            Some(InvokeWhat::Local(local)) => invoke_local::run(&mut session, local).await,
            None => invoke::run(&mut session, options).await,
        },
        Command::Logs(options) => logs::run(&mut session, options).await,
        Command::Package(options) => package::run(session, options).await,
        Command::Plan(options) => plan::run(session, options).await,
        Command::Print(options) => print::run(&session, options),
        Command::Remove => remove::run(&mut session).await,
    }
}

fn interrupted(command: &Command) -> &'static str {
    match command {
        Command::Deploy(_) | Command::Remove => {
            "\nInterrupted. What the cloud has begun it goes on with: see `aloft info`."
        }
        _ => "\nInterrupted.",
    }
}
