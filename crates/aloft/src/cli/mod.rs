//! The command line, with the original's commands and options. What was typed, not what it means.

mod options;

pub use options::*;

use clap::{Args, Parser, Subcommand};
use serde_json::{Map, Value};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Serverless services on any cloud, and a serverless cloud of your own.
#[derive(Parser, Debug)]
#[command(
    name = "aloft",
    version,
    disable_version_flag = true,
    propagate_version = true,
    max_term_width = 110
)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
    /// Show the version
    #[arg(short = 'v', long, action = clap::ArgAction::Version)]
    version: Option<bool>,
}

/// Options of every command.
#[derive(Args, Debug, Clone, Default)]
pub struct Common {
    /// The configuration file, when it is not serverless.yml
    #[arg(short, long, global = true)]
    pub config: Option<PathBuf>,
    /// The stage [default: provider.stage, else dev]
    #[arg(short, long, global = true)]
    pub stage: Option<String>,
    /// The region [default: provider.region, else us-east-1]
    #[arg(short, long, global = true)]
    pub region: Option<String>,
    /// A parameter for ${param:}, as key=value; may be given again
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub param: Vec<String>,
    /// The profile of the AWS tools to take credentials from
    #[arg(long, global = true)]
    pub aws_profile: Option<String>,
    /// Work with the local cloud, which is started when it is not running
    #[arg(long, global = true)]
    pub local: bool,
    /// Say more
    #[arg(long, global = true)]
    pub verbose: bool,
    /// Show debug messages of a part of the program ("*" for all)
    #[arg(long, global = true, value_name = "NAMESPACE")]
    pub debug: Option<String>,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run, stop and look at the local cloud
    #[command(subcommand)]
    Cloud(Cloud),
    /// Configure what this machine deploys with
    #[command(subcommand)]
    Config(Config),
    /// Show what the local cloud's work would have cost on AWS
    Cost(Cost),
    /// Make a new service
    Create(Create),
    /// Deploy the service, or with `function` one function; with `list` show what was deployed
    Deploy(Deploy),
    /// Show what the last command used that will be taken away one day
    Doctor,
    /// Show where a value of the configuration comes from, or which lines make a resource
    Explain(Explain),
    /// Show what is deployed
    Info(Info),
    /// Invoke a deployed function, or with `local` run it here
    Invoke(Box<Invoke>),
    /// Show the logs of a deployed function
    Logs(Logs),
    /// Show how often functions were invoked, failed and how long they took
    Metrics(Metrics),
    /// Package the service without deploying it
    Package(Package),
    /// Show what a deploy would change
    Plan(Plan),
    /// Show the resolved configuration
    Print(Print),
    /// Remove the deployed service
    Remove,
    /// Deploy an earlier deployment again, or with `function` a function's earlier version
    Rollback(Rollback),
    /// Print the JSON Schema of the configuration, for editors
    Schema,
    /// Run a deployed function with several memory sizes, and show duration and price of each
    Tune(Tune),
}

impl Cli {
    /// The command's name, as the original has it.
    pub fn command_name(&self) -> &'static str {
        match &self.command {
            Command::Cloud(_) => "cloud",
            Command::Config(_) => "config credentials",
            Command::Cost(_) => "cost",
            Command::Create(_) => "create",
            Command::Deploy(Deploy { what: Some(DeployWhat::Function(_)), .. }) => "deploy function",
            Command::Deploy(Deploy { what: Some(DeployWhat::List(list)), .. }) => match list.what {
                Some(_) => "deploy list functions",
                None => "deploy list",
            },
            Command::Deploy(_) => "deploy",
            Command::Doctor => "doctor",
            Command::Explain(_) => "explain",
            Command::Info(_) => "info",
            Command::Invoke(invoke) if invoke.what.is_some() => "invoke local",
            Command::Invoke(_) => "invoke",
            Command::Logs(_) => "logs",
            Command::Metrics(_) => "metrics",
            Command::Package(_) => "package",
            Command::Plan(_) => "plan",
            Command::Print(_) => "print",
            Command::Remove => "remove",
            Command::Rollback(rollback) if rollback.what.is_some() => "rollback function",
            Command::Rollback(_) => "rollback",
            Command::Schema => "schema",
            Command::Tune(_) => "tune",
        }
    }

    /// The options that `${opt:}` can ask for, by their long names.
    pub fn options(&self) -> Map<String, Value> {
        let mut options = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            drop(value.map(|value| options.insert(name.to_owned(), value)))
        };
        let text = |value: &Option<String>| value.as_deref().map(Value::from);
        let path = |value: &Option<PathBuf>| value.as_ref().map(|path| Value::from(path.to_string_lossy()));
        put("stage", text(&self.common.stage));
        put("region", text(&self.common.region));
        put("config", path(&self.common.config));
        put("aws-profile", text(&self.common.aws_profile));
        put("verbose", self.common.verbose.then_some(Value::Bool(true)));
        if !self.common.param.is_empty() {
            put("param", Some(self.common.param.iter().map(|one| Value::from(one.as_str())).collect()));
        }
        match &self.command {
            Command::Deploy(Deploy { what: Some(DeployWhat::Function(deploy)), .. }) => {
                put("function", Some(Value::from(deploy.function.as_str())));
            }
            Command::Deploy(deploy) => put("package", path(&deploy.package)),
            Command::Package(package) => put("package", path(&package.package)),
            Command::Plan(plan) => put("package", path(&plan.package)),
            Command::Invoke(invoke) => match &invoke.what {
                Some(InvokeWhat::Local(local)) => put("function", Some(Value::from(local.function.as_str()))),
                None => put("function", text(&invoke.function)),
            },
            Command::Logs(logs) => put("function", Some(Value::from(logs.function.as_str()))),
            Command::Metrics(metrics) => put("function", text(&metrics.function)),
            Command::Tune(tune) => put("function", Some(Value::from(tune.function.as_str()))),
            _ => {}
        }
        options
    }
}

/// The arguments, with the original's short cut: `deploy -f x` deploys a function.
pub fn rewritten(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.collect();
    let is_function = |argument: &OsString| {
        argument
            .to_str()
            .is_some_and(|text| text == "-f" || text == "--function" || text.starts_with("--function="))
    };
    let deploy = arguments.iter().position(|argument| argument == "deploy");
    if let Some(at) = deploy
        && arguments.get(at + 1).is_none_or(|next| next != "function")
        && arguments.iter().any(is_function)
    {
        arguments.insert(at + 1, OsString::from("function"));
    }
    arguments
}

/// Prints what the parser has to say: help and version on success, else the mistake, with exit code 1 as the original.
pub fn explain(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    drop(error.print());
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => ExitCode::SUCCESS,
        _ => ExitCode::from(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(typed: &str, command: &str) {
        let arguments = rewritten(typed.split(' ').map(OsString::from));
        let cli = Cli::try_parse_from(arguments).unwrap_or_else(|error| panic!("{typed}: {error}"));
        assert_eq!(cli.command_name(), command, "{typed}");
    }

    #[test]
    fn the_originals_spellings() {
        check("aloft deploy", "deploy");
        check("aloft deploy --stage prod -r eu-west-1 --verbose", "deploy");
        check("aloft deploy -f hello", "deploy function");
        check("aloft deploy function --function hello", "deploy function");
        check("aloft -s prod deploy --function=hello", "deploy function");
        check("aloft invoke -f hello --data {} --log", "invoke");
        check("aloft invoke local -f hello --path event.json", "invoke local");
        check("aloft logs -f hello --tail --startTime 5m", "logs");
        check("aloft package --package out --param a=1 --param b=2", "package");
        check("aloft print --format json --path provider.name", "print");
        check("aloft plan --against old.json --json", "plan");
        check("aloft explain functions.hello.timeout --stage prod", "explain");
        check("aloft deploy list", "deploy list");
        check("aloft deploy list functions --stage prod", "deploy list functions");
        check("aloft rollback -t 1476790110568", "rollback");
        check("aloft rollback function -f hello --function-version 3", "rollback function");
        check("aloft metrics --startTime 1d -f hello", "metrics");
        check("aloft create --template aws-nodejs --path x", "create");
        check("aloft explain resource HelloLambdaFunction", "explain");
        check("aloft schema", "schema");
        check("aloft metrics -f hello --startTime 2h --endTime 1h", "metrics");
        check("aloft cost --json --startTime 7d", "cost");
        check("aloft tune hello --memory 128,512 --rounds 3 --data {}", "tune");
    }
}
