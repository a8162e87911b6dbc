//! A cloud in a process of its own, with a home in a temporary directory.

use crate::clients::{Clients, clean_environment, installed};
use crate::http::{Response, http, try_http};
use crate::places;
use crate::process::{Finished, finish};
use crate::project::temporary;
use crate::wait::{pause, until_some};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long it may take to answer, and to end.
const WITHIN: Duration = Duration::from_secs(30);

/// How a cloud is to be started.
#[derive(Clone, Debug, Default)]
pub struct CloudOptions {
    /// The program; nothing for [`places::binary`].
    pub binary: Option<PathBuf>,
    /// Further arguments of `aloft cloud start`.
    pub arguments: Vec<String>,
    /// Further variables of its environment, and of every `aloft` that is run against it.
    pub environment: Vec<(String, String)>,
}

/// A cloud that ends when dropped, and takes all that it held with it.
pub struct TempCloud {
    options: CloudOptions,
    home: TempDir,
    child: Mutex<Option<Child>>,
    endpoint: String,
}

impl TempCloud {
    /// Starts one and waits until it answers.
    #[track_caller]
    pub fn start() -> Self {
        Self::with(CloudOptions::default())
    }

    /// The same, with options.
    #[track_caller]
    pub fn with(options: CloudOptions) -> Self {
        installed("runtimes/nodejs/node_modules");
        installed("runtimes/python");
        let mut cloud = Self::stopped(options);
        cloud.launch("0");
        cloud
    }

    /// A home without a running cloud: for commands that need none, or start one by themselves.
    pub fn stopped(options: CloudOptions) -> Self {
        Self { options, home: temporary("aloft-home-"), child: Mutex::default(), endpoint: String::new() }
    }

    /// `http://127.0.0.1:<port>`
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Its port.
    pub fn port(&self) -> &str {
        self.endpoint.rsplit(':').next().unwrap_or_default()
    }

    /// Its `ALOFT_HOME`.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child().as_ref().map_or(0, Child::id)
    }

    /// Runs `aloft` in a directory, in a clean environment with this cloud's home.
    #[track_caller]
    pub fn aloft(&self, directory: &Path, arguments: &[&str]) -> Finished {
        finish(&mut self.command(directory, arguments), "")
    }

    /// The command that [`Self::aloft`] runs.
    pub fn command(&self, directory: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.options.binary.clone().unwrap_or_else(places::binary));
        clean_environment(&mut command, self.home())
            .env("ALOFT_HOME", self.home())
            .env("ALOFT_RUNTIMES", places::runtimes())
            .envs(self.options.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(directory)
            .args(arguments);
        command
    }

    /// Other people's clients, pointed at this cloud.
    pub fn clients(&self) -> Clients<'_> {
        Clients { endpoint: &self.endpoint, home: self.home() }
    }

    /// Sends a request to a path of this cloud.
    #[track_caller]
    pub fn http(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        http(method, &format!("{}{path}", self.endpoint), headers, body.as_bytes())
    }

    /// Moves the cloud's clock forward.
    #[track_caller]
    pub fn advance(&self, seconds: u64) {
        let answer = self.http("POST", "/_aloft/clock", &[], &format!("{{\"advance\": {seconds}}}"));
        assert_eq!(answer.status, 200, "{answer}");
    }

    /// Ends it at once, as a power failure would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child().take() {
            child.kill().expect("a child can be ended");
            child.wait().expect("a child can be waited for");
        }
    }

    /// Starts it again on the same port with the same state.
    #[track_caller]
    pub fn restart(&mut self) {
        self.kill();
        let port = self.port().to_owned();
        self.launch(&port);
    }

    /// What the cloud wrote so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.home().join("test-cloud.log")).unwrap_or_default()
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[track_caller]
    fn launch(&mut self, port: &str) {
        let log = File::options().create(true).append(true).open(self.home().join("test-cloud.log"));
        let log = log.expect("a log can be written");
        let mut command = self.command(self.home(), &["cloud", "start", "--port", port]);
        command.args(&self.options.arguments).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a file can be shared")).stderr(log);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let pid = child.id();
        let endpoint = until_some("the cloud answers", WITHIN, || {
            if let Ok(Some(status)) = child.try_wait() {
                panic!("the cloud ended with {status}\n{}", self.log());
            }
            let record = fs::read(self.home().join("cloud.json")).ok()?;
            let record: Value = serde_json::from_slice(&record).ok()?;
            let endpoint = record["endpoint"].as_str().filter(|_| record["pid"] == pid)?.to_owned();
            let health = try_http("GET", &format!("{endpoint}/_aloft/health"), &[], b"").ok()?;
            (health.status == 200).then_some(endpoint)
        });
        *self.child() = Some(child);
        self.endpoint = endpoint;
    }

    /// Asks it to end, and ends it when it does not.
    pub fn stop(&self) {
        let Some(mut child) = self.child().take() else { return };
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let asked = pid.is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
        let started = Instant::now();
        let mut ended = false;
        while asked && !ended && started.elapsed() < WITHIN {
            pause();
            ended = matches!(child.try_wait(), Ok(Some(_)));
        }
        if !ended {
            let _ = child.kill();
            let _ = child.wait();
            // One panic is enough.
            assert!(std::thread::panicking(), "the cloud did not end when it was told to\n{}", self.log());
        }
    }
}

impl Drop for TempCloud {
    fn drop(&mut self) {
        // A cloud that a command started in the background.
        if self.child().is_none() && self.home().join("cloud.json").exists() {
            let _ = finish(&mut self.command(self.home.path(), &["cloud", "stop"]), "");
        }
        self.stop();
        if std::thread::panicking() {
            let _ = std::io::Write::write_all(&mut std::io::stderr(), self.log().as_bytes());
        }
    }
}
