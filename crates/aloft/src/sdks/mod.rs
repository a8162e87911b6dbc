//! What Lambda's own runtimes bring along: AWS's SDKs, installed once a machine by the languages' own installers.
//!
//! Aloft ships no SDK itself: the lists here say which versions, and npm and pip check what they bring. Keeps true: a folder
//! is there only when it is complete, and code that asks for no SDK never waits for one.

use crate::cloud::runtimes;
use crate::deploy::Deployment;
use crate::failure::Mistakes;
use crate::terminal::Terminal;
use aloft_package::{Sdk, sdks_asked_for};
use anyhow::Context;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// What npm installs.
const PACKAGE: &str = include_str!("package.json");
const PACKAGE_LOCK: &str = include_str!("package-lock.json");
/// What pip installs.
const REQUIREMENTS: &str = include_str!("requirements.txt");
/// What to do when it could not be done.
pub const HELP: &str = "run `aloft cloud sdks` when the package registry is in reach";

/// Installs the SDKs that the packaged functions ask for, when the cloud is this machine's and they are not there yet. That
/// one cannot be installed is told, and stops nothing: the code may never use it.
pub async fn provide(deployment: &mut Deployment) -> anyhow::Result<()> {
    if !deployment.session.common.local || deployment.unchanged {
        return Ok(());
    }
    let mut missing: Vec<Sdk> = Vec::new();
    for file in deployment.files()?.iter().filter(|_| !Sdk::ALL.into_iter().all(is_there)) {
        // What is no zip is refused where it is used.
        let asked_for = sdks_asked_for(file).unwrap_or_default();
        missing.extend(asked_for.into_iter().filter(|sdk| !is_there(*sdk)));
    }
    missing.sort();
    missing.dedup();
    let terminal = deployment.session.terminal;
    for sdk in missing {
        if let Err(error) = install(terminal, sdk).await {
            terminal.say(&format!(
                "The functions ask for the {}, which is not there: {error:#}\n{HELP}",
                name(sdk)
            ));
        }
    }
    Ok(())
}

/// What to say when a function's error is that an SDK is missing.
pub fn hint(error: &str) -> Option<String> {
    let is_missing = error.contains("Cannot find ") || error.contains("No module named ");
    let of = |sdk: &Sdk| match sdk {
        Sdk::JavaScript => error.contains("@aws-sdk/"),
        Sdk::Python => error.contains("boto"),
    };
    let sdk = Sdk::ALL.into_iter().find(of).filter(|sdk| is_missing && !is_there(*sdk))?;
    Some(format!("the {} is not installed on this machine: {HELP}", name(sdk)))
}

/// Installs one, in the place of what is there.
pub async fn install(terminal: &Terminal, sdk: Sdk) -> anyhow::Result<()> {
    terminal.progress(&format!("Installing the {}, once for this machine", name(sdk)));
    let (target, partial) = (folder(sdk), folder(sdk).with_extension("partial"));
    remove(&partial)?;
    fs::create_dir_all(&partial).with_context(|| format!("cannot make {}", partial.display()))?;
    if let Err(error) = fill(&partial, sdk).await {
        remove(&partial)?;
        return Err(error);
    }
    remove(&target)?;
    fs::rename(&partial, &target).with_context(|| format!("cannot make {}", target.display()))
}

async fn fill(folder: &Path, sdk: Sdk) -> anyhow::Result<()> {
    match sdk {
        Sdk::JavaScript => {
            fs::write(folder.join("package.json"), PACKAGE)?;
            fs::write(folder.join("package-lock.json"), PACKAGE_LOCK)?;
            let flags = ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
            let patience =
                ["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000", "--fetch-timeout=60000"];
            run("npm", &[&flags[..], &patience].concat(), folder).await
        }
        Sdk::Python => {
            fs::write(folder.join("requirements.txt"), REQUIREMENTS)?;
            let flags = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
            let what = ["--retries=2", "--timeout=30", "--target", ".", "--requirement", "requirements.txt"];
            run("python3", &[&flags[..], &what].concat(), folder).await
        }
    }
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn name(sdk: Sdk) -> &'static str {
    match sdk {
        Sdk::JavaScript => "AWS SDK for JavaScript",
        Sdk::Python => "AWS SDK for Python",
    }
}

fn folder(sdk: Sdk) -> PathBuf {
    runtimes().join(match sdk {
        Sdk::JavaScript => "nodejs",
        Sdk::Python => "python",
    })
}

fn is_there(sdk: Sdk) -> bool {
    folder(sdk).exists()
}

/// Whether an SDK is not installed since its language is not.
pub fn is_without_installer(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Runs an installer in a folder.
async fn run(program: &str, arguments: &[&str], folder: &Path) -> anyhow::Result<()> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env("PIP_ROOT_USER_ACTION", "ignore");
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.with_context(|| format!("cannot run {program}, so its SDK is left out"))?;
    if output.status.success() {
        return Ok(());
    }
    let reason = String::from_utf8_lossy(&output.stderr);
    let message = format!("{program} failed:\n{}", reason.trim());
    Err(Mistakes::plain("SDK_NOT_INSTALLED", message, "is the package registry in reach?"))
}
