//! A service's command as a process of its own: this program in the service's directory, with what it says read line by line
//! and written to the log.
//!
//! Keeps true: a process ends when nobody waits for it any more.

use super::arguments::Options;
use super::file::{Service, Services};
use super::state::{Outputs, State};
use super::{WITHIN, WITHIN_ORIGINAL, variables};
use crate::failure::Mistakes;
use anyhow::Context;
use serde_json::Value;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc::UnboundedSender;

/// The services and how they are run.
pub struct Project {
    /// The services.
    pub services: Services,
    /// What was typed.
    pub options: Options,
    /// Where the compose file is.
    pub directory: PathBuf,
    /// This program.
    pub program: PathBuf,
    /// What all services say.
    pub log: Log,
}

/// A command of a service, ready to run.
#[derive(Clone, Debug)]
pub struct Call {
    /// The service's name.
    pub service: String,
    directory: PathBuf,
    /// The command and its own options.
    arguments: Vec<OsString>,
    /// Options that say which service it is: stage, region, parameters.
    placing: Vec<OsString>,
}

/// A line that a service said.
pub type Said = (String, String);

/// What a service's process said, and how it ended.
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Call {
    /// Another command of the same service.
    pub fn instead(&self, arguments: Vec<OsString>) -> Self {
        Self { arguments, ..self.clone() }
    }
}

impl Finished {
    /// Why it failed: what follows `Error:`, else the last that was said.
    pub fn reason(&self) -> String {
        let text = self.stdout.rsplit_once("Error:\n").map_or(self.stderr.as_str(), |(_, reason)| reason);
        text.trim().to_owned()
    }
}

/// `.serverless/compose.log`
pub struct Log(Mutex<File>);

impl Log {
    /// Begins a log; an earlier one is gone.
    pub fn create(directory: &Path) -> anyhow::Result<Self> {
        let directory = directory.join(".serverless");
        let path = directory.join("compose.log");
        let create = || {
            fs::create_dir_all(&directory)?;
            File::create(&path)
        };
        Ok(Self(Mutex::new(create().with_context(|| format!("cannot write {}", path.display()))?)))
    }

    fn line(&self, service: &str, line: &str) {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk does not stop a deploy.
        let _ = writeln!(file, "{service} › {line}");
    }
}

impl Project {
    /// The name of what is composed: the directory's.
    pub fn name(&self) -> String {
        self.directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The names of the services, in the file's order.
    pub fn names(&self) -> Vec<&str> {
        self.services.all.iter().map(|service| service.name.as_str()).collect()
    }

    /// The service of that name.
    ///
    /// # Errors
    /// When there is none.
    pub fn service(&self, name: &str) -> anyhow::Result<&Service> {
        self.services.all.iter().find(|service| service.name == name).ok_or_else(|| {
            let help = format!("services: {}", self.names().join(", "));
            Mistakes::plain("COMPONENT_NOT_FOUND", format!("Unknown service \"{name}\""), help)
        })
    }

    /// A command of a service, with its parameters worked out from the outputs of others.
    ///
    /// # Errors
    /// For an output that is not known.
    pub fn call(&self, name: &str, arguments: Vec<OsString>, state: &State) -> anyhow::Result<Call> {
        let service = self.service(name)?;
        let mut placing: Vec<OsString> = vec!["--stage".into(), self.options.stage.as_str().into()];
        let mut put = |option: &str, value: &str| placing.push(format!("{option}={value}").into());
        if let Some(region) = service.region.as_ref().or(self.options.region.as_ref()) {
            put("--region", region);
        }
        if let Some(config) = &service.config {
            put("--config", config);
        }
        if let Some(profile) = &self.options.aws_profile {
            put("--aws-profile", profile);
        }
        let output = |service: &str, name: &str| state.outputs(service)?.get(name).cloned();
        for param in &service.params {
            let value = variables::put_outputs_in(&param.value, output)
                .map_err(|error| Mistakes::one(error.at(param.span, ""), &self.services.sources))?;
            put("--param", &format!("{}={value}", param.name));
        }
        if self.options.local {
            placing.push("--local".into());
        }
        Ok(Call { service: name.to_owned(), directory: service.path.clone(), arguments, placing })
    }

    /// Runs a command to its end, and sends each line as it comes.
    pub async fn run(&self, call: &Call, lines: Option<UnboundedSender<Said>>) -> anyhow::Result<Finished> {
        let mut command = self.command(call);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Values of parameters may be secrets: the log has the command only.
        let typed: Vec<_> = call.arguments.iter().map(|one| one.to_string_lossy()).collect();
        self.log.line(&call.service, &format!("Running \"aloft {}\"", typed.join(" ")));
        let mut child = command.spawn().with_context(|| format!("cannot run {}", self.program.display()))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (stdout, stderr, status) = tokio::join!(
            self.read(&call.service, stdout, lines.as_ref()),
            self.read(&call.service, stderr, lines.as_ref()),
            child.wait(),
        );
        Ok(Finished { status: status?, stdout, stderr })
    }

    /// Runs a command with the user's own terminal.
    pub async fn run_here(&self, call: &Call) -> anyhow::Result<ExitStatus> {
        let mut command = self.command(call);
        let status = command.status().await;
        status.with_context(|| format!("cannot run {}", self.program.display()))
    }

    /// Asks for a service's outputs; nothing when it is not deployed.
    pub async fn outputs(&self, call: &Call) -> anyhow::Result<Option<Outputs>> {
        let call = call.instead(vec!["info".into(), "--json".into()]);
        let finished = self.run(&call, None).await?;
        if !finished.status.success() {
            let reason = finished.reason();
            anyhow::ensure!(reason.contains("does not exist"), "{reason}");
            return Ok(None);
        }
        let answer: Value = serde_json::from_str(&finished.stdout).context("`info --json` gave no JSON")?;
        let outputs = answer["outputs"].as_object().cloned().unwrap_or_default();
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Ok(Some(outputs.into_iter().map(|(name, value)| (name, text(value))).collect()))
    }

    fn command(&self, call: &Call) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&call.arguments)
            .args(&call.placing)
            .current_dir(&call.directory)
            .env(WITHIN, "1")
            .env(WITHIN_ORIGINAL, "1")
            .kill_on_drop(true);
        command
    }

    async fn read(
        &self,
        service: &str,
        pipe: Option<impl AsyncRead + Unpin>,
        lines: Option<&UnboundedSender<Said>>,
    ) -> String {
        let mut all = String::new();
        let Some(pipe) = pipe else { return all };
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).await.is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(&line).into_owned();
            let said = text.trim_end();
            self.log.line(service, said);
            if let Some(lines) = lines.filter(|_| !said.is_empty()) {
                // Who no longer listens does not matter to the service.
                let _ = lines.send((service.to_owned(), said.to_owned()));
            }
            all.push_str(&text);
            line.clear();
        }
        all
    }
}
