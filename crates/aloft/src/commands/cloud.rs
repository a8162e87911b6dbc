//! `aloft cloud`: start, stop, status, reset.

use crate::cli::{Cloud, CloudStart, Isolation as Asked};
use crate::cloud::{self, Running};
use crate::failure::Mistakes;
use crate::settings::{self, Settings};
use crate::terminal::Terminal;
use aloft_base::{Clock, Ids};
use aloft_engine::{Engine, Isolation, Options, Service, StartError};
use aloft_services::rekognition::{NetworksError, Rekognition};
use aloft_store::{Store, StoreError};
use anyhow::Context;
use clap::ValueEnum;
use serde_json::{Value, json};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

pub async fn run(command: &Cloud, terminal: &Terminal) -> anyhow::Result<()> {
    match command {
        Cloud::Start(options) => start(options, terminal).await,
        Cloud::Stop => stop(terminal).await,
        Cloud::Status { json } => status(terminal, *json).await,
        Cloud::Reset => reset(terminal).await,
        Cloud::Sdks => super::sdks::run(terminal).await,
    }
}

/// Runs the cloud in this process until it is told to end, or with `--detach` in another.
pub async fn start(options: &CloudStart, terminal: &Terminal) -> anyhow::Result<()> {
    if let Some(cloud) = cloud::running()
        && cloud::health(&cloud).await.is_some()
    {
        let message = format!("a local cloud runs already at {} (process {})", cloud.endpoint, cloud.pid);
        return Err(Mistakes::plain(
            "CLOUD_RUNS",
            message,
            "stop it with `aloft cloud stop`, or set ALOFT_HOME for a second one",
        ));
    }
    let settings = settings(options)?;
    if options.detach {
        let cloud = cloud::start_detached(&arguments(options, &settings)).await?;
        terminal.success(&format!("The local cloud runs at {}", cloud.endpoint));
        return Ok(());
    }
    if std::env::var_os("ALOFT_DETACHED").is_some() {
        // No signal of the terminal that started it shall reach it.
        rustix::process::setsid().context("cannot leave the terminal")?;
    }
    let isolation = isolation(settings.isolation)?;
    let services = services(options, terminal)?;
    raise_descriptors();
    // Before anything can be recorded that a signal should remove.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let data = options.data.clone().unwrap_or_else(|| cloud::home().join("cloud"));
    let store = if options.ephemeral { Store::ephemeral() } else { open(&data).await };
    let store = store.map_err(|error| explain_store(&error))?;
    let scratch = if options.ephemeral {
        std::env::temp_dir().join(format!("aloft-{}", Ids::random().hex(12)))
    } else {
        data.join("scratch")
    };
    let engine_options = Options {
        host: options.host,
        port: options.port,
        scratch: scratch.clone(),
        runtimes: cloud::runtimes(),
        require_credentials: !options.host.is_loopback(),
        environment_idle: settings.idle_timeout,
        max_environments: settings.environments,
        memory_budget_mb: settings.memory_budget_mb,
        limits: settings.limits,
        isolation,
        allowed: settings.allow.clone(),
        ..Options::default()
    };
    let engine = Engine::start(engine_options, Clock::system(), Ids::random(), store, services).await;
    let engine = engine.map_err(|error| explain_start(&error))?;
    let kept = (!options.ephemeral).then_some(data.as_path());
    cloud::record(&engine.endpoint(), kept, settings.path.as_deref())?;
    terminal.say(&format!("The local cloud runs at {}", engine.endpoint()));
    terminal.detail(&format!(
        "State: {}",
        if options.ephemeral { "in memory".to_owned() } else { data.display().to_string() }
    ));
    if let Some(path) = &settings.path {
        terminal.detail(&format!("Settings: {}", path.display()));
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    terminal.say("Stopping the local cloud");
    engine.stop().await;
    if options.ephemeral {
        drop(std::fs::remove_dir_all(&scratch));
    }
    cloud::forget();
    Ok(())
}

/// What counts: the file's word where the command line has none.
fn settings(options: &CloudStart) -> anyhow::Result<Settings> {
    let path = match &options.settings {
        Some(path) => Some(path.clone()),
        None => settings::find(&std::env::current_dir()?),
    };
    let mut settings = settings::load(path.as_deref())?;
    if let Some(seconds) = options.idle_seconds {
        settings.idle_timeout = Some(Duration::from_secs(seconds));
    }
    if let Some(isolation) = options.isolation {
        settings.isolation = isolation;
    }
    if !options.allow.is_empty() {
        settings.allow.clone_from(&options.allow);
    }
    Ok(settings)
}

/// Those of the process that is started for these.
fn arguments(options: &CloudStart, settings: &Settings) -> Vec<String> {
    let mut arguments = vec![format!("--port={}", options.port), format!("--host={}", options.host)];
    arguments.extend(settings.path.as_ref().map(|path| format!("--settings={}", path.display())));
    arguments.extend(options.idle_seconds.map(|seconds| format!("--idle-seconds={seconds}")));
    let isolation = options.isolation.and_then(|isolation| isolation.to_possible_value());
    arguments.extend(isolation.map(|it| format!("--isolation={}", it.get_name())));
    arguments.extend(options.allow.iter().map(|it| format!("--allow={it}")));
    // The cloud's process has another working directory.
    let [(detector, _), (embedder, _)] = cloud::FACE_NETWORKS;
    let files =
        [("--data", &options.data), (detector, &options.face_detector), (embedder, &options.face_embedder)];
    for (name, file) in files {
        let absolute = file.as_ref().and_then(|file| std::path::absolute(file).ok());
        arguments.extend(absolute.map(|file| format!("{name}={}", file.display())));
    }
    arguments.extend(options.ephemeral.then(|| "--ephemeral".to_owned()));
    arguments
}

/// All services. Rekognition has the networks that were named, or none.
fn services(options: &CloudStart, terminal: &Terminal) -> anyhow::Result<Vec<Arc<dyn Service>>> {
    let [detector, embedder] = cloud::FACE_NETWORKS;
    let named = |option: &Option<PathBuf>, variable| option.clone().or_else(|| cloud::named_file(variable));
    let files = (named(&options.face_detector, detector.1), named(&options.face_embedder, embedder.1));
    let (there, missing) = match &files {
        (None, None) => return Ok(aloft_services::all()),
        (Some(detector), Some(embedder)) => {
            let service =
                Rekognition::with_networks(detector, embedder).map_err(|it| explain_networks(&it))?;
            terminal.detail(&format!("Faces: {}", service.face_model()));
            return Ok(aloft_services::all_with(Arc::new(service)));
        }
        (Some(_), None) => (detector, embedder),
        (None, Some(_)) => (embedder, detector),
    };
    Err(Mistakes::plain(
        "FACE_NETWORKS",
        format!("two networks are needed for faces, and only {} is given", there.0),
        format!("name the other one with {} or ${}", missing.0, missing.1),
    ))
}

fn explain_networks(error: &NetworksError) -> anyhow::Error {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    let help = match error {
        NetworksError::NotBuilt => {
            "build it with `cargo build --release --features onnx`, or name no networks and take the engine that is built in"
        }
        NetworksError::File { .. } => "name a file that is there and can be read",
        NetworksError::Unusable { .. } => {
            "finding faces takes YuNet or SCRFD with landmarks, telling them apart SFace or ArcFace; docs/rekognition.md says which"
        }
    };
    Mistakes::plain("FACE_NETWORKS", format!("{error}{cause}"), help)
}

/// Every environment takes some descriptors and every connection two: as many as the machine lets this process have.
fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::debug!(%error, "the limit of descriptors stays as it is");
    }
}

/// What was asked for, unless this machine cannot give it.
fn isolation(asked: Asked) -> anyhow::Result<Isolation> {
    let isolation = match asked {
        Asked::Strict => Isolation::Strict,
        Asked::BestEffort => Isolation::BestEffort,
        Asked::None => Isolation::None,
    };
    let lacking = if asked == Asked::Strict { aloft_worker::lacking() } else { Vec::new() };
    if lacking.is_empty() {
        return Ok(isolation);
    }
    Err(Mistakes::plain(
        "CLOUD_NOT_ISOLATED",
        format!("this machine does not allow functions all isolation: {} missing", lacking.join(", ")),
        "start it as root, outside of containers, or take what there is with --isolation best-effort",
    ))
}

fn explain_start(error: &StartError) -> anyhow::Error {
    let help = match error {
        StartError::Listen { .. } => "choose another port with --port, or end what listens there",
        StartError::Directory { .. } => "choose another place with --data",
        StartError::Store(_) | StartError::Service { .. } => "see the log above",
    };
    Mistakes::plain("CLOUD_DID_NOT_START", error.to_string(), help)
}

/// Opens the store. What a killed cloud was about to start has its files open for a moment longer than it lived.
async fn open(data: &Path) -> Result<Store, StoreError> {
    for _ in 0..20 {
        match Store::open(data) {
            Err(StoreError::InUse(_)) => tokio::time::sleep(Duration::from_millis(100)).await,
            other => return other,
        }
    }
    Store::open(data)
}

fn explain_store(error: &StoreError) -> anyhow::Error {
    let help = match error {
        StoreError::InUse(_) => {
            "stop the other cloud with `aloft cloud stop`, or choose another place with --data"
        }
        _ => "choose another place with --data, or keep nothing with --ephemeral",
    };
    Mistakes::plain("CLOUD_DID_NOT_START", error.to_string(), help)
}

async fn stop(terminal: &Terminal) -> anyhow::Result<()> {
    let Some(cloud) = cloud::running() else {
        terminal.skipped("The local cloud does not run");
        return Ok(());
    };
    terminal.progress("Stopping the local cloud");
    cloud::stop(&cloud).await?;
    terminal.success("The local cloud has stopped");
    Ok(())
}

async fn status(terminal: &Terminal, as_json: bool) -> anyhow::Result<()> {
    let running = cloud::running();
    let health = match &running {
        Some(cloud) => cloud::health(cloud).await,
        None => None,
    };
    if as_json {
        terminal.print(&serde_json::to_string_pretty(&status_json(running.as_ref(), health.as_ref()))?);
    } else {
        terminal.print(&status_text(running.as_ref(), health.as_ref()));
    }
    Ok(())
}

fn status_json(running: Option<&Running>, health: Option<&Value>) -> Value {
    json!({
        "running": health.is_some(),
        "endpoint": running.map(|cloud| &cloud.endpoint),
        "pid": running.map(|cloud| cloud.pid),
        "data": running.and_then(|cloud| cloud.data.as_ref()),
        "settings": running.and_then(|cloud| cloud.settings.as_ref()),
        "version": health.map(|health| &health["version"]),
        "services": health.map(|health| &health["services"]),
        "functions": health.map(|health| &health["running"]["lambda"]),
    })
}

fn status_text(running: Option<&Running>, health: Option<&Value>) -> String {
    let (Some(cloud), Some(health)) = (running, health) else {
        return "stopped".to_owned();
    };
    let services: Vec<&str> =
        health["services"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let state = cloud.data.as_ref().map_or_else(|| "in memory".to_owned(), |data| data.display().to_string());
    let settings =
        cloud.settings.as_ref().map_or_else(String::new, |path| format!("\nsettings: {}", path.display()));
    let functions = &health["running"]["lambda"];
    let number = |name: &str| functions[name].as_u64().unwrap_or(0);
    let functions = format!(
        "{} environments with {} MB, {} of them busy; {} processes wait for a function",
        number("environments"),
        number("memoryMb"),
        number("busy"),
        number("waiting")
    );
    format!(
        "running\nendpoint: {}\nprocess: {}\nstate: {state}{settings}\nfunctions: {functions}\nservices: {}",
        cloud.endpoint,
        cloud.pid,
        services.join(", ")
    )
}

async fn reset(terminal: &Terminal) -> anyhow::Result<()> {
    match cloud::running() {
        Some(cloud) => drop(cloud::exchange(&cloud.endpoint, "POST", "/_aloft/reset").await?),
        None => {
            let data = cloud::home().join("cloud");
            // Held meanwhile, so that no cloud starts on it; what cannot be read is forgotten as well.
            let store = Store::open(&data);
            if let Err(error @ StoreError::InUse(_)) = &store {
                return Err(explain_store(error));
            }
            std::fs::remove_dir_all(&data).with_context(|| format!("cannot remove {}", data.display()))?;
        }
    }
    terminal.success("The local cloud is empty");
    Ok(())
}
