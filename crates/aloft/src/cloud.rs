//! The local cloud's process: where it keeps its state, whether it runs, how it is started and stopped.

use crate::failure::Mistakes;
use crate::settings;
use crate::terminal::Terminal;
use aloft_base::Clock;
use aloft_client::{Client, Credentials, Endpoint};
use anyhow::Context;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long a cloud may take to answer after it was started, and to end after it was told to.
const WITHIN: Duration = Duration::from_secs(20);

/// A cloud that runs, as its record tells.
#[derive(Clone, Debug)]
pub struct Running {
    /// Its process.
    pub pid: u32,
    /// `http://127.0.0.1:4566`
    pub endpoint: String,
    /// Where its state is; nothing when it keeps none.
    pub data: Option<PathBuf>,
    /// The file with its settings, if there was one when it started.
    pub settings: Option<PathBuf>,
}

/// `$ALOFT_HOME`, else `~/.aloft`.
pub fn home() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("ALOFT_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".aloft")))
        .unwrap_or_else(|| PathBuf::from(".aloft"))
}

/// `$ALOFT_PORT`, else 4566.
pub fn default_port() -> u16 {
    std::env::var("ALOFT_PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(4566)
}

/// Where the SDKs are that Lambda's runtimes bring along: `$ALOFT_RUNTIMES`, else in the home.
pub fn runtimes() -> PathBuf {
    let set = std::env::var_os("ALOFT_RUNTIMES").filter(|value| !value.is_empty()).map(PathBuf::from);
    set.unwrap_or_else(|| home().join("runtimes"))
}

/// What names the networks that find faces and tell them apart: an option, else a variable.
pub const FACE_NETWORKS: [(&str, &str); 2] =
    [("--face-detector", "ALOFT_FACE_DETECTOR"), ("--face-embedder", "ALOFT_FACE_EMBEDDER")];

/// The file that a variable names, from the root on: a cloud in the background has another working directory.
pub fn named_file(variable: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).filter(|value| !value.is_empty())?;
    std::path::absolute(named).ok()
}

fn record_path() -> PathBuf {
    home().join("cloud.json")
}

/// Where a detached cloud writes what it has to say.
pub fn log_path() -> PathBuf {
    home().join("cloud.log")
}

/// Writes down that this process is the cloud.
pub fn record(endpoint: &str, data: Option<&Path>, settings: Option<&Path>) -> anyhow::Result<()> {
    let path = record_path();
    fs::create_dir_all(home()).with_context(|| format!("cannot make {}", home().display()))?;
    let record =
        json!({ "pid": std::process::id(), "endpoint": endpoint, "data": data, "settings": settings });
    let part = path.with_extension("json.part");
    fs::write(&part, record.to_string())
        .and_then(|()| fs::rename(&part, &path))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Removes the record of this process.
pub fn forget() {
    if running().is_some_and(|cloud| cloud.pid == std::process::id()) {
        drop(fs::remove_file(record_path()));
    }
}

/// The cloud that was started here, if its process is still there.
pub fn running() -> Option<Running> {
    let record: Value = serde_json::from_str(&fs::read_to_string(record_path()).ok()?).ok()?;
    let pid = u32::try_from(record["pid"].as_u64()?).ok()?;
    let cloud = Running {
        pid,
        endpoint: record["endpoint"].as_str()?.to_owned(),
        data: record["data"].as_str().map(PathBuf::from),
        settings: record["settings"].as_str().map(PathBuf::from),
    };
    is_aloft(pid).then_some(cloud)
}

/// Whether a process is there and is one of ours: process ids are used again.
fn is_aloft(pid: u32) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let is_zombie = state.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'));
    let name = |pid: u32| {
        fs::read_link(format!("/proc/{pid}/exe"))
            .ok()?
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
    };
    let (theirs, ours) = (name(pid), name(std::process::id()));
    // A rebuilt program's old file shows as `aloft (deleted)`.
    let same = |theirs: String, ours: String| {
        theirs.trim_end_matches(" (deleted)") == ours.trim_end_matches(" (deleted)")
    };
    !is_zombie && theirs.zip(ours).is_some_and(|(theirs, ours)| same(theirs, ours))
}

/// A client of a local cloud.
pub fn client(endpoint: &str) -> Client {
    let credentials = Credentials {
        access_key_id: "test".to_owned(),
        secret_access_key: "test".to_owned(),
        session_token: None,
    };
    Client::new(Endpoint::new(Some(endpoint)), aloft_base::Region::us_east_1(), credentials, Clock::system())
}

/// The cloud's health page, when it answers.
pub async fn health(cloud: &Running) -> Option<Value> {
    let asked =
        tokio::time::timeout(Duration::from_secs(2), exchange(&cloud.endpoint, "GET", "/_aloft/health"))
            .await;
    serde_json::from_slice(&asked.ok()?.ok()?).ok()
}

/// Sends to one of the cloud's own pages, without trying again.
pub async fn exchange(endpoint: &str, method: &str, path: &str) -> anyhow::Result<Vec<u8>> {
    let client = client(endpoint);
    let (status, body) =
        if method == "GET" { client.get(path).await? } else { client.post(path, Default::default()).await? };
    anyhow::ensure!(status == 200, "the local cloud answered {status}: {}", String::from_utf8_lossy(&body));
    Ok(body.to_vec())
}

/// The running cloud; one is started in the background when there is none, with the settings that count here.
pub async fn ensure_running(terminal: &Terminal) -> anyhow::Result<Running> {
    // Its mistakes are shown whether it is needed or not.
    let settings = settings::load(settings::find(&std::env::current_dir()?).as_deref())?.path;
    if let Some(cloud) = running()
        && health(&cloud).await.is_some()
    {
        if let Some(path) = settings.as_ref().filter(|path| cloud.settings.as_ref() != Some(path)) {
            terminal.say(&format!(
                "The local cloud was not started with {}: `aloft cloud stop` lets the next command do so",
                path.display()
            ));
        }
        return Ok(cloud);
    }
    terminal.progress("Starting the local cloud");
    let arguments: Vec<String> =
        settings.iter().map(|path| format!("--settings={}", path.display())).collect();
    let cloud = start_detached(&arguments).await?;
    terminal.say(&format!("The local cloud runs at {}", cloud.endpoint));
    Ok(cloud)
}

/// Starts a cloud in a process of its own and waits for it to answer.
pub async fn start_detached(arguments: &[String]) -> anyhow::Result<Running> {
    fs::create_dir_all(home()).with_context(|| format!("cannot make {}", home().display()))?;
    let log =
        fs::File::create(log_path()).with_context(|| format!("cannot write {}", log_path().display()))?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(["cloud", "start"])
        .args(arguments)
        .env("ALOFT_DETACHED", "1")
        .envs(FACE_NETWORKS.iter().filter_map(|(_, variable)| Some((variable, named_file(variable)?))))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("cannot start the local cloud")?;
    let attempt = async {
        loop {
            if let Some(status) = child.try_wait()? {
                return Err(did_not_start(status));
            }
            if let Some(cloud) = running().filter(|cloud| cloud.pid == child.id())
                && health(&cloud).await.is_some()
            {
                return Ok(cloud);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    match tokio::time::timeout(WITHIN, attempt).await {
        Ok(result) => result,
        Err(_) => anyhow::bail!("the local cloud does not answer; see {}", log_path().display()),
    }
}

fn did_not_start(status: std::process::ExitStatus) -> anyhow::Error {
    let log = fs::read_to_string(log_path()).unwrap_or_default();
    let reason = log.trim().trim_start_matches("Error:").trim();
    if reason.is_empty() {
        return anyhow::anyhow!("the local cloud ended with {status}; see {}", log_path().display());
    }
    // A mistake says by its code already that it kept the cloud from starting.
    if reason.starts_with("error[") {
        return anyhow::anyhow!("{reason}");
    }
    anyhow::anyhow!("the local cloud did not start\n{reason}")
}

/// Asks the cloud's process to end, and waits until it has.
pub async fn stop(cloud: &Running) -> anyhow::Result<()> {
    let pid =
        i32::try_from(cloud.pid).ok().and_then(rustix::process::Pid::from_raw).context("no process id")?;
    rustix::process::kill_process(pid, rustix::process::Signal::TERM)
        .context("cannot stop the local cloud")?;
    let ended = async {
        while is_aloft(cloud.pid) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(WITHIN, ended).await.map_err(|_| {
        Mistakes::plain(
            "CLOUD_DOES_NOT_STOP",
            format!("the local cloud (process {}) does not end", cloud.pid),
            "end the process yourself, or wait",
        )
    })
}
