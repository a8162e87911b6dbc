//! `aloft cloud sdks`: installs what Lambda's own runtimes bring along, by the languages' own installers.
//!
//! Aloft ships no SDK itself: their licences, sizes and versions are the user's choice.

use crate::cloud::runtimes;
use crate::failure::Mistakes;
use crate::terminal::Terminal;
use anyhow::Context;
use std::process::Stdio;
use tokio::process::Command;

/// The clients of `@aws-sdk` that functions commonly use.
const CLIENTS: &[&str] = &[
    "client-api-gateway",
    "client-cloudwatch-logs",
    "client-dynamodb",
    "client-eventbridge",
    "client-iam",
    "client-lambda",
    "client-s3",
    "client-secrets-manager",
    "client-sns",
    "client-sqs",
    "client-ssm",
    "client-sts",
    "lib-dynamodb",
    "s3-request-presigner",
];

pub async fn run(terminal: &Terminal) -> anyhow::Result<()> {
    let (nodejs, python) = (runtimes().join("nodejs"), runtimes().join("python"));
    for directory in [&nodejs, &python] {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    }
    terminal.progress("Installing the AWS SDK for JavaScript");
    let packages = CLIENTS.iter().map(|client| format!("@aws-sdk/{client}"));
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--omit=dev", "--prefix"]).arg(&nodejs).args(packages);
    let with_nodejs = install(terminal, npm, "npm").await?;
    terminal.progress("Installing the AWS SDK for Python");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--upgrade", "--target"]).arg(&python).arg("boto3");
    let with_python = install(terminal, pip, "python3 with pip").await?;
    if !with_nodejs && !with_python {
        return Err(Mistakes::plain(
            "NOTHING_INSTALLED",
            "no SDK was installed",
            "install Node.js with npm, or Python with pip",
        ));
    }
    terminal.success(&format!("The SDKs are in {}", runtimes().display()));
    Ok(())
}

/// Runs an installer; false when the language is not there, which is no mistake.
async fn install(terminal: &Terminal, mut command: Command, program: &str) -> anyhow::Result<bool> {
    let command = command.stdin(Stdio::null()).kill_on_drop(true);
    let output = match command.output().await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            terminal.say(&format!("{program} is not installed: its SDK is left out"));
            return Ok(false);
        }
        other => other.with_context(|| format!("cannot run {program}"))?,
    };
    if output.status.success() {
        return Ok(true);
    }
    let reason = String::from_utf8_lossy(&output.stderr);
    Err(Mistakes::plain(
        "SDK_NOT_INSTALLED",
        format!("{program} failed:\n{}", reason.trim()),
        "is the package registry in reach?",
    ))
}
