//! The command line, with the original's commands and options. What was typed, not what it means.

use clap::{Args, Parser, Subcommand};
use serde_json::{Map, Value};
use std::ffi::OsString;
use std::net::IpAddr;
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

#[derive(Subcommand, Debug)]
pub enum Cloud {
    /// Start the local cloud
    Start(CloudStart),
    /// Stop the local cloud
    Stop,
    /// Show whether the local cloud runs
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Forget everything that the local cloud holds
    Reset,
    /// Install the AWS SDKs that Lambda's own runtimes bring along, for functions that do not package them
    Sdks,
}

#[derive(Args, Debug)]
pub struct CloudStart {
    /// The port; 0 has the system choose
    #[arg(long, default_value_t = crate::cloud::default_port())]
    pub port: u16,
    /// The address to listen on; beyond this machine credentials are required
    #[arg(long, default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// Where state is kept [default: $ALOFT_HOME/cloud, else ~/.aloft/cloud]
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Keep nothing on disk
    #[arg(long)]
    pub ephemeral: bool,
    /// Return once it answers
    #[arg(long)]
    pub detach: bool,
    /// How many seconds a warm execution environment waits for another request
    #[arg(long, default_value_t = 300)]
    pub idle_seconds: u64,
    /// How functions are kept apart: `strict` starts only where all of it is possible
    #[arg(long, value_enum, default_value_t)]
    pub isolation: Isolation,
    /// What functions may reach besides this cloud and public addresses: ADDRESS[/PREFIX][:PORT], such as
    /// 127.0.0.1:5432 for a database on this machine (may be repeated)
    #[arg(long, value_name = "ADDRESS")]
    pub allow: Vec<aloft_engine::Destination>,
}

/// How functions are kept apart.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    Strict,
    #[default]
    BestEffort,
    None,
}

#[derive(Args, Debug)]
pub struct Cost {
    /// Only this function, by its deployed name
    #[arg(short, long)]
    pub function: Option<String>,
    /// From when on: 2h, 7d, or a time [default: 30d]
    #[arg(long = "startTime", alias = "start-time")]
    pub start_time: Option<String>,
    /// Until when [default: now]
    #[arg(long = "endTime", alias = "end-time")]
    pub end_time: Option<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug, Default)]
#[command(args_conflicts_with_subcommands = false)]
pub struct Deploy {
    #[command(subcommand)]
    pub what: Option<DeployWhat>,
    /// Deploy what `package` made in this directory
    #[arg(short, long)]
    pub package: Option<PathBuf>,
    /// Deploy even if nothing changed
    #[arg(long)]
    pub force: bool,
    /// Do not show values of outputs
    #[arg(long)]
    pub conceal: bool,
    /// Give every function a new version
    #[arg(long)]
    pub enforce_hash_update: bool,
    /// Upload through S3's transfer acceleration
    #[arg(long)]
    pub aws_s3_accelerate: bool,
    /// Turn S3's transfer acceleration off
    #[arg(long, hide = true, conflicts_with = "aws_s3_accelerate")]
    pub no_aws_s3_accelerate: bool,
    /// Write the template without white space
    #[arg(long)]
    pub minify_template: bool,
}

#[derive(Subcommand, Debug)]
pub enum DeployWhat {
    /// Deploy one function's code and configuration, without CloudFormation
    Function(DeployFunction),
    /// Show the deployments that lie in the bucket, or with `functions` the versions of each function
    List(DeployList),
}

impl Deploy {
    /// Whether the deployment bucket is to be accelerated, if anything was said about it.
    pub fn accelerates(&self) -> Option<bool> {
        self.aws_s3_accelerate.then_some(true).or(self.no_aws_s3_accelerate.then_some(false))
    }
}

#[derive(Args, Debug)]
pub struct DeployList {
    #[command(subcommand)]
    pub what: Option<DeployListWhat>,
}

#[derive(Subcommand, Debug)]
pub enum DeployListWhat {
    /// Show the functions and their versions
    Functions,
}

#[derive(Subcommand, Debug)]
pub enum Config {
    /// Write a profile into the shared file of the AWS tools
    Credentials(ConfigCredentials),
}

#[derive(Args, Debug)]
pub struct ConfigCredentials {
    /// The provider: aws
    #[arg(short = 'p', long)]
    pub provider: String,
    /// The access key's id
    #[arg(short, long)]
    pub key: String,
    /// The secret access key
    #[arg(long)]
    pub secret: String,
    /// The profile's name
    #[arg(short = 'n', long, default_value = "default")]
    pub profile: String,
    /// Replace the keys of a profile that is there
    #[arg(short, long)]
    pub overwrite: bool,
}

#[derive(Args, Debug)]
pub struct Create {
    /// What is built in: aws-nodejs, aws-python3, hello-world
    #[arg(short, long)]
    pub template: Option<String>,
    /// A folder to copy
    #[arg(long)]
    pub template_path: Option<PathBuf>,
    /// Where to make it
    #[arg(short, long)]
    pub path: Option<PathBuf>,
    /// The service's name
    #[arg(short, long)]
    pub name: Option<String>,
}

#[derive(Args, Debug)]
pub struct DeployFunction {
    /// The function
    #[arg(short, long)]
    pub function: String,
    /// Deploy even if nothing changed
    #[arg(long)]
    pub force: bool,
    /// Change only the configuration
    #[arg(short, long)]
    pub update_config: bool,
}

#[derive(Args, Debug)]
pub struct Explain {
    /// A path such as provider.environment.TABLE, or `resource` and a logical id
    #[arg(required = true, num_args = 1..=2, value_names = ["PATH", "LOGICAL ID"])]
    pub what: Vec<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct Info {
    /// Do not show values of outputs
    #[arg(long)]
    pub conceal: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct Invoke {
    #[command(subcommand)]
    pub what: Option<InvokeWhat>,
    /// The function
    #[arg(short, long)]
    pub function: Option<String>,
    /// A version or an alias
    #[arg(short, long)]
    pub qualifier: Option<String>,
    #[command(flatten)]
    pub input: InvokeInput,
    /// RequestResponse, Event or DryRun
    #[arg(short = 't', long = "type", default_value = "RequestResponse")]
    pub kind: String,
    /// Show the end of the function's log
    #[arg(short, long)]
    pub log: bool,
}

#[derive(Args, Debug, Clone)]
pub struct InvokeInput {
    /// A file with the event, JSON or YAML
    #[arg(short, long)]
    pub path: Option<PathBuf>,
    /// The event
    #[arg(short, long)]
    pub data: Option<String>,
    /// Take the event as text, not as JSON
    #[arg(long)]
    pub raw: bool,
    /// The client context, as JSON
    #[arg(long)]
    pub context: Option<String>,
    /// A file with the client context
    #[arg(short = 'x', long = "contextPath", alias = "context-path")]
    pub context_path: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub enum InvokeWhat {
    /// Run a function here, without deploying it
    Local(InvokeLocal),
}

#[derive(Args, Debug)]
pub struct InvokeLocal {
    /// The function
    #[arg(short, long)]
    pub function: String,
    #[command(flatten)]
    pub input: InvokeInput,
    /// An environment variable, as NAME=VALUE; may be given again
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
}

#[derive(Args, Debug)]
pub struct Logs {
    /// The function
    #[arg(short, long)]
    pub function: String,
    /// Go on as new lines come
    #[arg(short, long)]
    pub tail: bool,
    /// From when on: 30m, 2h, 1d, or a time [default: 10m]
    #[arg(long = "startTime", alias = "start-time")]
    pub start_time: Option<String>,
    /// A filter pattern
    #[arg(long)]
    pub filter: Option<String>,
    /// Milliseconds between looks for new lines
    #[arg(short, long, default_value_t = 1000)]
    pub interval: u64,
}

#[derive(Args, Debug)]
pub struct Metrics {
    /// Only this function
    #[arg(short, long)]
    pub function: Option<String>,
    /// From when on: 30m, 2h, 1d, or a time [default: 1d]
    #[arg(long = "startTime", alias = "start-time")]
    pub start_time: Option<String>,
    /// Until when [default: now]
    #[arg(long = "endTime", alias = "end-time")]
    pub end_time: Option<String>,
}

#[derive(Args, Debug, Default)]
pub struct Package {
    /// The directory to package into [default: .serverless]
    #[arg(short, long)]
    pub package: Option<PathBuf>,
    /// Write the template without white space
    #[arg(long)]
    pub minify_template: bool,
}

#[derive(Args, Debug, Default)]
pub struct Plan {
    /// Compare with this template or serverless-state.json instead of the deployed stack
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// Take what `package` made in this directory
    #[arg(short, long)]
    pub package: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct Print {
    /// yaml, json or text
    #[arg(long)]
    pub format: Option<String>,
    /// A part of the configuration, by dotted keys
    #[arg(long)]
    pub path: Option<String>,
    /// `keys` shows only the keys
    #[arg(long)]
    pub transform: Option<String>,
}

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = false)]
pub struct Rollback {
    #[command(subcommand)]
    pub what: Option<RollbackWhat>,
    /// The deployment's time, as `deploy list` shows it
    #[arg(short, long)]
    pub timestamp: Option<String>,
}

#[derive(Subcommand, Debug)]
pub enum RollbackWhat {
    /// Give a function the code of an earlier version
    Function(RollbackFunction),
}

#[derive(Args, Debug)]
pub struct RollbackFunction {
    /// The function
    #[arg(short, long)]
    pub function: String,
    /// The version
    #[arg(long)]
    pub function_version: String,
}

#[derive(Args, Debug)]
pub struct Tune {
    /// The function
    pub function: String,
    /// Memory sizes in MB, with commas between [default: 128,256,512,1024,1769,3008]
    #[arg(short, long, value_delimiter = ',')]
    pub memory: Vec<u32>,
    /// How many warm invocations with each size
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    #[command(flatten)]
    pub input: InvokeInput,
    /// As JSON
    #[arg(long)]
    pub json: bool,
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
