//! The engines of others, each serving the same function that answers at once: from npm, as its users start it.

use super::super::offline::Offline;
use super::super::{free_port, service};
use super::table::Side;
use aloft_testkit::{Project, clean_environment, try_http};
use anyhow::{Context, Result, bail};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long one may take to answer.
const WITHIN: Duration = Duration::from_secs(60);

/// Its column, its name, and how it is started.
pub type Peer = (Side, &'static str, fn() -> Result<Server>);

/// All of them.
pub const ALL: &[Peer] = &[
    (Side::Offline, "serverless-offline", offline),
    (Side::Framework, "functions-framework", framework),
    (Side::Workerd, "workerd", workerd),
];

/// A server that runs, and ends when dropped.
pub struct Server {
    /// From its start to the first answer.
    pub took: Duration,
    /// Where the function answers.
    pub address: String,
    process: Process,
    _project: Option<Project>,
}

enum Process {
    Offline(Box<Offline>),
    Child(Child),
}

impl Server {
    pub fn pid(&self) -> u32 {
        match &self.process {
            Process::Offline(offline) => offline.pid(),
            Process::Child(child) => child.id(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Process::Child(child) = &mut self.process {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn offline() -> Result<Server> {
    let server = Offline::start(&service())?;
    let (took, address) = (server.took, format!("{}/hello", server.address));
    Ok(Server { took, address, process: Process::Offline(Box::new(server)), _project: None })
}

fn framework() -> Result<Server> {
    let project =
        Project::new(&[("index.js", "exports.hello = (request, response) => response.send('hello');\n")]);
    let port = free_port()?;
    let program =
        aloft_testkit::cache().join("peers/node_modules/@google-cloud/functions-framework/build/src/main.js");
    let mut command = Command::new("node");
    clean_environment(&mut command, project.path());
    command.arg(program).args(["--target=hello", &format!("--port={port}"), "--host=127.0.0.1"]);
    start(command, port, project)
}

fn workerd() -> Result<Server> {
    let port = free_port()?;
    let configuration = format!(
        "using Workerd = import \"/workerd/workerd.capnp\";\n\
         const config :Workerd.Config = (\n\
           services = [(name = \"main\", worker = (modules = [(name = \"worker\", esModule = embed \"worker.mjs\")], \
           compatibilityDate = \"2025-01-01\"))],\n\
           sockets = [(name = \"http\", address = \"127.0.0.1:{port}\", http = (), service = \"main\")]);\n"
    );
    let worker = "export default { async fetch() { return new Response('hello'); } };\n";
    let project = Project::new(&[("config.capnp", configuration.as_str()), ("worker.mjs", worker)]);
    let platform = if cfg!(target_arch = "aarch64") { "linux-arm64" } else { "linux-64" };
    let program =
        aloft_testkit::cache().join(format!("peers/node_modules/@cloudflare/workerd-{platform}/bin/workerd"));
    anyhow::ensure!(program.exists(), "npm has no workerd for this machine");
    let mut command = Command::new(program);
    clean_environment(&mut command, project.path());
    command.args(["serve", "config.capnp"]);
    start(command, port, project)
}

fn start(mut command: Command, port: u16, project: Project) -> Result<Server> {
    let log = project.path().join("server.log");
    let output = fs::File::create(&log)?;
    command.current_dir(project.path()).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let started = Instant::now();
    let mut child = command.spawn().context("cannot start it")?;
    let address = format!("http://127.0.0.1:{port}/");
    loop {
        if try_http("GET", &address, &[], b"").is_ok_and(|answer| answer.status == 200) {
            let took = started.elapsed();
            return Ok(Server { took, address, process: Process::Child(child), _project: Some(project) });
        }
        if child.try_wait()?.is_some() || started.elapsed() > WITHIN {
            let _ = child.kill();
            let _ = child.wait();
            bail!("it does not answer: {}", fs::read_to_string(&log).unwrap_or_default());
        }
        std::thread::yield_now();
    }
}
