//! What was typed in a directory with a compose file: a command for all services, or one for a single service, which takes
//! whatever options that command has.

use crate::cli::Common;
use crate::failure::Mistakes;
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Commands that are about no service, and so mean the same everywhere.
const ELSEWHERE: &[&str] = &["cloud", "schema"];
/// Options that have a value, and so are not followed by a command.
const WITH_VALUE: &[&str] = &[
    "--aws-profile",
    "--config",
    "--debug",
    "--max-concurrency",
    "--param",
    "--region",
    "--service",
    "--stage",
    "-c",
    "-r",
    "-s",
];

/// A command line for several services.
pub struct Composed {
    directory: PathBuf,
    path: PathBuf,
    options: Options,
    /// What is to be done.
    pub task: Task,
}

/// What is to be done.
pub enum Task {
    /// Something to all services.
    All(Global),
    /// A command of one service.
    One {
        /// The service.
        service: String,
        /// The command and its options, as they were typed.
        arguments: Vec<OsString>,
    },
    /// A command that is not for all services.
    Unknown(String),
}

/// Several services at once, as serverless-compose.yml has them.
#[derive(Parser, Debug)]
#[command(
    name = "aloft",
    version,
    max_term_width = 110,
    after_help = "For one service, with all its options:\n  aloft <service>:<command> ...\n  aloft <command> --service=<service> ..."
)]
struct Typed {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Global,
}

/// Options of every command for all services.
#[derive(Args, Debug, Clone, Default)]
pub struct Options {
    /// The stage
    #[arg(short, long, global = true, default_value = "dev")]
    pub stage: String,
    /// The region, where a service names none
    #[arg(short, long, global = true)]
    pub region: Option<String>,
    /// The profile of the AWS tools to take credentials from
    #[arg(long, global = true)]
    pub aws_profile: Option<String>,
    /// Work with the local cloud, which is started when it is not running
    #[arg(long, global = true)]
    pub local: bool,
    /// Show what the services say
    #[arg(long, global = true)]
    pub verbose: bool,
    /// How many services may be worked on at once [default: all]
    #[arg(long, global = true, value_name = "N")]
    pub max_concurrency: Option<NonZeroUsize>,
    /// Only this service
    #[arg(long, global = true)]
    pub service: Option<String>,
}

/// What can be done to all services.
#[derive(Subcommand, Debug)]
pub enum Global {
    /// Deploy all services
    Deploy {
        /// Deploy even if nothing changed
        #[arg(long)]
        force: bool,
    },
    /// Show what is deployed
    Info,
    /// Show the logs of all functions of all services
    Logs {
        /// Go on as new lines come
        #[arg(short, long)]
        tail: bool,
    },
    /// Show the outputs of the services, as the last deploy left them
    Outputs,
    /// Package all services
    Package,
    /// Ask the cloud for the outputs of the services
    RefreshOutputs,
    /// Remove all services, each before those that it depends on
    Remove,
}

const GLOBAL: &[&str] = &["deploy", "info", "logs", "outputs", "package", "refresh-outputs", "remove"];

impl Options {
    /// The options that the terminal and the cloud look at.
    pub fn common(&self) -> Common {
        Common { verbose: self.verbose, local: self.local, ..Common::default() }
    }
}

impl Composed {
    /// The options.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The directory, and the compose file in it.
    pub fn place(&self) -> (&Path, &Path) {
        (&self.directory, &self.path)
    }
}

/// Reads a command line; nothing when it is for no service.
pub fn read(arguments: &[OsString], directory: PathBuf, path: PathBuf) -> Option<Result<Composed, ExitCode>> {
    let composed =
        |options, task| Composed { directory: directory.clone(), path: path.clone(), options, task };
    let texts: Vec<String> = arguments.iter().skip(1).map(|one| one.to_string_lossy().into_owned()).collect();
    let Some(at) = command_at(&texts) else {
        let is_version = texts.iter().any(|one| one == "--version" || one == "-v");
        return (!is_version)
            .then(|| parse(arguments).map(|typed| composed(typed.options, Task::All(typed.command))));
    };
    let command = &texts[at];
    if ELSEWHERE.contains(&command.as_str()) {
        return None;
    }
    let single = match command.split_once(':') {
        Some((service, command)) => {
            Some((service.to_owned(), command.split(':').map(OsString::from).collect()))
        }
        None => service_of(&texts)
            .filter(|_| !["outputs", "refresh-outputs"].contains(&command.as_str()))
            .map(|service| (service, vec![OsString::from(command)])),
    };
    if let Some((service, command)) = single {
        let command: Vec<OsString> = command;
        let rest = without_service(arguments.iter().skip(1).cloned().collect(), &texts, at);
        let options = Options {
            stage: value_of(&texts, &["--stage", "-s"]).unwrap_or_else(|| "dev".to_owned()),
            region: value_of(&texts, &["--region", "-r"]),
            local: texts.iter().any(|one| one == "--local"),
            verbose: texts.iter().any(|one| one == "--verbose"),
            ..Options::default()
        };
        let arguments = command.into_iter().chain(rest).collect();
        return Some(Ok(composed(options, Task::One { service, arguments })));
    }
    if !GLOBAL.contains(&command.as_str()) && command != "help" {
        return Some(Ok(composed(Options::default(), Task::Unknown(command.clone()))));
    }
    Some(parse(arguments).map(|typed| composed(typed.options, Task::All(typed.command))))
}

fn parse(arguments: &[OsString]) -> Result<Typed, ExitCode> {
    Typed::try_parse_from(arguments).map_err(|error| crate::cli::explain(&error))
}

/// Where the command stands among the arguments.
fn command_at(texts: &[String]) -> Option<usize> {
    let mut skip = false;
    texts.iter().position(|text| {
        if std::mem::take(&mut skip) {
            return false;
        }
        skip = WITH_VALUE.contains(&text.as_str());
        !text.starts_with('-')
    })
}

fn service_of(texts: &[String]) -> Option<String> {
    value_of(texts, &["--service"])
}

/// The value of an option, behind a space or an equals sign.
fn value_of(texts: &[String], names: &[&str]) -> Option<String> {
    texts.iter().enumerate().find_map(|(at, text)| {
        if names.contains(&text.as_str()) {
            return texts.get(at + 1).cloned();
        }
        let (name, value) = text.split_once('=')?;
        names.contains(&name).then(|| value.to_owned())
    })
}

/// All arguments but the command, `--service` and what each service gets from here anyway.
fn without_service(all: Vec<OsString>, texts: &[String], command: usize) -> Vec<OsString> {
    const OURS: &[&str] = &["--service", "--stage", "-s", "--region", "-r"];
    let mut skip = false;
    let kept = all.into_iter().enumerate().filter(|(at, _)| {
        let text = texts[*at].as_str();
        if std::mem::take(&mut skip) {
            return false;
        }
        skip = OURS.contains(&text);
        let is_ours = skip || text.split_once('=').is_some_and(|(name, _)| OURS.contains(&name));
        !is_ours && *at != command && text != "--local"
    });
    kept.map(|(_, argument)| argument).collect()
}

/// The error for a command that is not one for all services.
pub fn unknown(command: &str, services: &[&str]) -> anyhow::Error {
    let message = format!("\"{command}\" is not a command for all services");
    let one = services.first().copied().unwrap_or("service");
    let help = format!("for all: {}; for one: `aloft {one}:{command}`", GLOBAL.join(", "));
    Mistakes::plain("COMMAND_NOT_FOUND", message, help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(typed: &str, expected: &str) {
        let arguments: Vec<OsString> = typed.split(' ').map(OsString::from).collect();
        let read = read(&arguments, PathBuf::new(), PathBuf::new());
        let shown = match read {
            None => "elsewhere".to_owned(),
            Some(Err(_)) => "mistake".to_owned(),
            Some(Ok(composed)) => {
                let stage = &composed.options.stage;
                match composed.task {
                    Task::All(command) => format!("all {stage} {command:?}"),
                    Task::One { service, arguments } => {
                        let arguments: Vec<_> = arguments.iter().map(|one| one.to_string_lossy()).collect();
                        format!("{service} {stage} {}", arguments.join(" "))
                    }
                    Task::Unknown(command) => format!("unknown {command}"),
                }
            }
        };
        assert_eq!(shown, expected, "{typed}");
    }

    #[test]
    fn commands_for_all_and_for_one() {
        check("aloft deploy", "all dev Deploy { force: false }");
        check("aloft deploy --stage prod --max-concurrency 2 --force", "all prod Deploy { force: true }");
        check("aloft -s prod logs --tail", "all prod Logs { tail: true }");
        check("aloft outputs --service=a", "all dev Outputs");
        check("aloft deploy --max-concurrency 0", "mistake");
        check("aloft deploy --param a=b", "mistake");
        check("aloft a:deploy", "a dev deploy");
        check("aloft a:deploy:function -f x --stage=prod", "a prod deploy function -f x");
        check("aloft deploy --service=a", "a dev deploy");
        check("aloft --service a deploy function -f x", "a dev deploy function -f x");
        check("aloft invoke local -f x --service a --data {} --local", "a dev invoke local -f x --data {}");
        check("aloft invoke -f x", "unknown invoke");
        check("aloft cloud start", "elsewhere");
        check("aloft --version", "elsewhere");
    }
}
