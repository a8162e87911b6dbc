//! The original framework, and its plugin serverless-offline as a server that runs.

use aloft_testkit::{Project, clean_environment, http, until};
use anyhow::{Context, Result};
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that ends when dropped.
pub struct Offline {
    child: Child,
    /// From its start to the first answered request.
    pub took: Duration,
    /// `http://127.0.0.1:<port>`
    pub address: String,
    _project: Project,
}

/// The original's command, as `tests/<lock>` brings it.
pub fn serverless(lock: &str, home: &Path) -> Command {
    let program = aloft_testkit::cache().join(lock).join("node_modules/serverless/bin/serverless.js");
    let mut command = Command::new("node");
    clean_environment(&mut command, home)
        .env("SLS_TELEMETRY_DISABLED", "1")
        .env("SLS_NOTIFICATIONS_MODE", "off")
        .arg(program);
    command
}

impl Offline {
    /// Serves a service, which is copied and gets the plugin.
    pub fn start(service: &Project) -> Result<Self> {
        let project = Project::new(&[("handler.js", &service.read("handler.js"))]);
        let text = service.read("serverless.yml").replace("plugins: []", "plugins: [serverless-offline]");
        project.write("serverless.yml", &text);
        let modules = aloft_testkit::cache().join("offline/node_modules");
        std::os::unix::fs::symlink(modules, project.path().join("node_modules"))?;
        let (port, lambda, balancer) = (super::free_port()?, super::free_port()?, super::free_port()?);
        let log = project.path().join("offline.log");
        let started = Instant::now();
        let mut child = serverless("offline", project.path())
            .args(["offline", "start", "--host", "127.0.0.1"])
            .args(["--httpPort", &port.to_string()])
            .args(["--lambdaPort", &lambda.to_string()])
            .args(["--albPort", &balancer.to_string()])
            .current_dir(project.path())
            .stdin(Stdio::null())
            .stdout(fs::File::create(&log)?)
            .stderr(fs::File::options().append(true).open(&log)?)
            .spawn()
            .context("cannot start node")?;
        let address = format!("http://127.0.0.1:{port}");
        until("serverless-offline listens", Duration::from_secs(60), || {
            if let Ok(Some(status)) = child.try_wait() {
                panic!(
                    "serverless-offline ended with {status}\n{}",
                    fs::read_to_string(&log).unwrap_or_default()
                );
            }
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        let answer = http("GET", &format!("{address}/hello"), &[], b"");
        let took = started.elapsed();
        let server = Self { child, took, address, _project: project };
        anyhow::ensure!(answer.status == 200, "serverless-offline answered {answer}");
        Ok(server)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Offline {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
