//! The options of each command.

use clap::{Args, Subcommand};
use std::net::IpAddr;
use std::path::PathBuf;

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
    /// The settings [default: aloft.toml in this directory, else in the cloud's home]
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// How many seconds after a function's last request a warm execution environment is kept at most [default: as long as
    /// the times of its requests suggest, 300 at first]
    #[arg(long)]
    pub idle_seconds: Option<u64>,
    /// How functions are kept apart: `strict` starts only where all of it is possible [default: best-effort]
    #[arg(long, value_enum)]
    pub isolation: Option<Isolation>,
    /// What functions may reach besides this cloud and public addresses: ADDRESS[/PREFIX][:PORT], such as
    /// 127.0.0.1:5432 for a database on this machine (may be repeated)
    #[arg(long, value_name = "ADDRESS")]
    pub allow: Vec<aloft_engine::Destination>,
    /// Find faces by this network, YuNet or SCRFD as an ONNX file [default: $ALOFT_FACE_DETECTOR]
    #[arg(long, value_name = "FILE")]
    pub face_detector: Option<PathBuf>,
    /// Tell faces apart by this network, SFace or ArcFace as an ONNX file [default: $ALOFT_FACE_EMBEDDER]
    #[arg(long, value_name = "FILE")]
    pub face_embedder: Option<PathBuf>,
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
    /// Write a line of JSON for each event: its time in milliseconds and its message
    #[arg(long)]
    pub json: bool,
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
