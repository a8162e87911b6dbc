//! The commands, a file each.

mod cloud;
mod cost;
mod create;
mod credentials;
mod deploy;
mod deploy_function;
mod deploy_list;
mod doctor;
mod explain;
mod explain_resource;
mod info;
mod invoke;
mod invoke_local;
pub mod logs;
mod metrics;
mod package;
mod plan;
mod print;
mod remove;
mod rollback;
mod schema;
mod sdks;
mod tune;

use doctor::Deprecations;

use crate::cli::{Cli, Cloud, Command, Config, Deploy, DeployWhat, InvokeWhat, RollbackWhat};
use crate::failure::AlreadyShown;
use crate::session::Session;
use crate::terminal::Terminal;

/// Runs a command until it ends or the user interrupts it.
pub async fn run(cli: Cli, terminal: &'static Terminal) -> anyhow::Result<()> {
    if let Command::Cloud(Cloud::Start(start)) = &cli.command {
        // A cloud in the foreground ends in its own way.
        return cloud::start(start, terminal).await;
    }
    if let Command::Tune(options) = &cli.command {
        // It has something to put in order when it is interrupted.
        return tune::run(&cli, options, terminal).await;
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
        Command::Cost(options) => return cost::run(options, terminal).await,
        Command::Explain(options) if options.what.len() == 1 => {
            return explain::run(cli, options, terminal).await;
        }
        Command::Config(Config::Credentials(options)) => return credentials::run(options, terminal),
        Command::Create(options) => return create::run(options, terminal),
        Command::Doctor => {
            doctor::run(terminal);
            return Ok(());
        }
        Command::Schema => return schema::run(terminal),
        _ => {}
    }
    let mut session = Session::load(cli, terminal).await?;
    let deprecations = Deprecations::of(&mut session);
    let result = with_service(cli, session).await;
    deprecations.tell(terminal);
    result
}

async fn with_service(cli: &Cli, mut session: Session) -> anyhow::Result<()> {
    match &cli.command {
        Command::Cloud(_)
        | Command::Config(_)
        | Command::Cost(_)
        | Command::Create(_)
        | Command::Doctor
        | Command::Schema
        | Command::Tune(_) => Ok(()),
        Command::Deploy(Deploy { what: Some(DeployWhat::Function(options)), .. }) => {
            deploy_function::run(&mut session, options).await
        }
        Command::Deploy(Deploy { what: Some(DeployWhat::List(options)), .. }) => match options.what {
            Some(_) => deploy_list::functions(&mut session).await,
            None => deploy_list::run(&mut session).await,
        },
        Command::Deploy(options) => deploy::run(session, options).await,
        Command::Explain(options) => explain_resource::run(session, options).await,
        Command::Info(options) => info::run(&mut session, options).await,
        Command::Invoke(options) => match &options.what {
            Some(InvokeWhat::Local(local)) => invoke_local::run(&mut session, local).await,
            None => invoke::run(&mut session, options).await,
        },
        Command::Logs(options) => logs::run(&mut session, options).await,
        Command::Metrics(options) => metrics::run(&mut session, options).await,
        Command::Package(options) => package::run(session, options).await,
        Command::Plan(options) => plan::run(session, options).await,
        Command::Print(options) => print::run(&session, options),
        Command::Remove => remove::run(&mut session).await,
        Command::Rollback(options) => match &options.what {
            Some(RollbackWhat::Function(function)) => rollback::function(&mut session, function).await,
            None => rollback::run(session, options).await,
        },
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
