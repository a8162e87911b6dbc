//! Other people's clients, as `cargo xtask setup` installed them, in an environment that points them at a cloud.

use crate::places::{cache, chromium, runtimes, workspace};
use crate::process::{Finished, finish};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Gives a child only what every child needs: the search path, a home, and a language. Nothing of the caller's account,
/// configuration or stage reaches it.
pub fn clean_environment<'a>(command: &'a mut Command, home: &Path) -> &'a mut Command {
    command.env_clear();
    for name in ["PATH", "TMPDIR"] {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("HOME", home).env("LANG", "C.UTF-8")
}

/// Clients of one endpoint.
pub struct Clients<'a> {
    pub(crate) endpoint: &'a str,
    pub(crate) home: &'a Path,
}

impl Clients<'_> {
    /// Runs a Python script of `tests/clients`, with boto3 within its reach.
    pub fn python(&self, script: &str, arguments: &[&str]) -> Finished {
        let mut command = self.command(&installed("venv/bin/python"));
        finish(command.arg(client_script(script)).args(arguments), "")
    }

    /// Runs Python code with boto3 within its reach, and gives what it printed.
    #[track_caller]
    pub fn boto3(&self, code: &str) -> String {
        let mut command = self.command(&installed("venv/bin/python"));
        let code = format!("import boto3, json\nfrom check import *\n{code}");
        command.env("PYTHONPATH", workspace().join("tests/clients"));
        finish(command.args(["-c", &code]), "").success().stdout.trim().to_owned()
    }

    /// Runs a JavaScript file of `tests/clients`, with `@aws-sdk` within its reach.
    pub fn node(&self, script: &str, arguments: &[&str]) -> Finished {
        let modules = installed("runtimes/nodejs/node_modules");
        let mut command = self.command(Path::new("node"));
        command.env("NODE_PATH", modules).arg("--no-warnings");
        finish(command.arg(client_script(script)).args(arguments), "")
    }

    /// Runs a shell script of `tests/clients`, with the AWS CLI within its reach.
    pub fn shell(&self, script: &str) -> Finished {
        let mut command = self.command(Path::new("bash"));
        let ours = installed("venv/bin/aws").parent().map(Path::to_owned);
        let others = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths(ours.into_iter().chain(env::split_paths(&others)));
        finish(command.env("PATH", path.expect("a search path")).arg(client_script(script)), "")
    }

    /// Runs the original framework in a project. It knows no other cloud than AWS.
    pub fn original(&self, project: &Path, arguments: &[&str]) -> Finished {
        self.serverless("original/node_modules/serverless/bin/serverless.js", project, arguments, &[])
    }

    /// Runs the original's maintained fork in a project.
    pub fn fork(&self, project: &Path, arguments: &[&str]) -> Finished {
        self.fork_with(project, arguments, &[])
    }

    /// The same, with further variables in its environment.
    pub fn fork_with(&self, project: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Finished {
        self.serverless("fork/node_modules/osls/bin/serverless.js", project, arguments, environment)
    }

    /// Runs a JavaScript file of `tests/browser`, with Playwright within its reach and the browser's place in `CHROMIUM`.
    #[track_caller]
    pub fn browser(&self, script: &str, arguments: &[&str]) -> Finished {
        let chromium = chromium().unwrap_or_else(|| {
            panic!("there is no browser: run `cargo xtask setup`, or install Debian's package chromium")
        });
        let mut command = self.command(Path::new("node"));
        command.env("NODE_PATH", installed("browser/node_modules")).env("CHROMIUM", chromium);
        finish(command.arg(workspace().join("tests/browser").join(script)).args(arguments), "")
    }

    fn serverless(
        &self,
        program: &str,
        project: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Finished {
        let mut command = self.command(Path::new("node"));
        let program = installed(program);
        command.current_dir(project).env("SLS_TELEMETRY_DISABLED", "1").env("SLS_NOTIFICATIONS_MODE", "off");
        finish(command.envs(environment.iter().copied()).arg(program).args(arguments), "")
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        clean_environment(&mut command, self.home)
            .env("AWS_ENDPOINT_URL", self.endpoint)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_PAGER", "")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("ALOFT_RUNTIMES", runtimes());
        command
    }
}

fn client_script(name: &str) -> PathBuf {
    workspace().join("tests/clients").join(name)
}

/// Something that the setup installed.
#[track_caller]
pub(crate) fn installed(path: &str) -> PathBuf {
    let path = cache().join(path);
    assert!(path.exists(), "{} is missing: run `cargo xtask setup`", path.display());
    path
}
