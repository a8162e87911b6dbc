//! Cold starts: of bare interpreters, of functions whose process is started for them, and of those for which one waited.
//!
//! What waits is there as in use: because other functions of its kind were called for the first time before.

use super::super::{figures::median, load};
use super::STARTS;
use super::table::{Side, Table};
use aloft_testkit::{Project, TempCloud, clean_environment, try_http};
use anyhow::{Context, Result, ensure};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// How many functions of a kind are called for the first time.
const COLD: usize = 7;
/// How long processes may take to start that wait.
const WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);

const NODE: &str = "exports.hello = async () => ({ statusCode: 200, body: 'hello' });\n";
const PYTHON: &str = "def hello(event, context):\n    return {'statusCode': 200, 'body': 'hello'}\n";
const BOTO3: &str = "import boto3\ns3 = boto3.client('s3', region_name='us-east-1')\n\n\ndef hello(event, context):\n    return {'statusCode': 200, 'body': 'hello'}\n";

/// The handlers, by file.
pub const FILES: [(&str, &str); 3] = [("node.js", NODE), ("plain.py", PYTHON), ("boto.py", BOTO3)];

struct Language {
    name: &'static str,
    runtime: &'static str,
    /// The file of the handler, without its ending.
    module: &'static str,
    /// The most milliseconds that a cold start should take, of a process that is started.
    started: Option<f64>,
    /// And of one that waited.
    waited: Option<f64>,
}

const LANGUAGES: [Language; 3] = [
    Language {
        name: "Node.js",
        runtime: "nodejs20.x",
        module: "node",
        started: Some(35.0),
        waited: Some(5.0),
    },
    Language { name: "Python", runtime: "python3.12", module: "plain", started: None, waited: None },
    Language {
        name: "Python with boto3",
        runtime: "python3.12",
        module: "boto",
        started: None,
        waited: Some(10.0),
    },
];

fn row(name: &str) -> String {
    format!("cold start, {name} (ms)")
}

/// Interpreters that load the same handlers, call them once and end.
pub fn bare(table: &mut Table) -> Result<()> {
    let project = Project::new(&FILES);
    for Language { name, module, .. } in LANGUAGES {
        let times: Result<Vec<f64>> = (0..STARTS)
            .map(|_| {
                let mut command = if name == "Node.js" {
                    let mut command = Command::new("node");
                    command.args([
                        "-e",
                        &format!("require('./{module}').hello().then((it) => console.log(it.body))"),
                    ]);
                    command
                } else {
                    let mut command = Command::new("python3");
                    command
                        .args(["-c", &format!("import {module}; print({module}.hello({{}}, None)['body'])")]);
                    command
                };
                clean_environment(&mut command, project.path()).current_dir(project.path());
                command.env("PYTHONPATH", aloft_testkit::runtimes().join("python"));
                let started = Instant::now();
                let output = command.output().context("cannot start an interpreter")?;
                let took = started.elapsed();
                ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                Ok(took.as_secs_f64() * 1000.0)
            })
            .collect();
        table.put(&row(name), Side::Bare, median(times?));
    }
    Ok(())
}

/// The functions that are called for the first time, for `serverless.yml`.
pub fn functions() -> String {
    let mut text = String::new();
    for (language, Language { runtime, module, .. }) in LANGUAGES.iter().enumerate() {
        for number in 0..COLD {
            for kind in ["started", "waited"] {
                text += &format!(
                    "  {kind}{language}x{number}:\n    runtime: {runtime}\n    handler: {module}.hello\n    events:\n      - httpApi: GET /{kind}/{language}/{number}\n"
                );
                if kind == "started" {
                    // What is read when a process starts cannot be told to one that waits.
                    text += "    environment:\n      LC_ALL: C.UTF-8\n";
                }
            }
        }
    }
    text
}

/// Functions whose process is started for them.
pub fn started(address: &str, table: &mut Table) -> Result<()> {
    for (language, Language { name, started: most, .. }) in LANGUAGES.iter().enumerate() {
        let times: Result<Vec<f64>> =
            (0..COLD).map(|number| first(&format!("{address}/started/{language}/{number}"))).collect();
        let times = times?;
        put(table, name, &times, *most);
        table.put(&row(name), Side::Aloft, median(times));
    }
    Ok(())
}

/// Functions that get a process that waited.
pub fn waited(address: &str, cloud: &TempCloud, table: &mut Table) -> Result<()> {
    for (language, Language { name, waited: most, .. }) in LANGUAGES.iter().enumerate() {
        // The first one finds none that waits, and has others start.
        let mut times = Vec::new();
        for number in 0..COLD {
            times.push(first(&format!("{address}/waited/{language}/{number}"))?);
            until_ready(cloud)?;
        }
        let name = format!("{name}, of a process that waited");
        let times = times.split_off(1);
        put(table, &name, &times, *most);
        table.put(&row(&name), Side::Aloft, median(times));
    }
    Ok(())
}

fn put(table: &mut Table, name: &str, times: &[f64], most: Option<f64>) {
    let best = times.iter().copied().fold(f64::INFINITY, f64::min);
    if let Some(most) = most {
        table.target(&format!("cold start, {name}, best of {} (ms)", times.len()), best, most);
    }
}

fn first(address: &str) -> Result<f64> {
    Ok(load::in_turn(address, 1)?[0])
}

/// Until processes wait, and no other one starts.
fn until_ready(cloud: &TempCloud) -> Result<()> {
    let started = Instant::now();
    loop {
        let health = try_http("GET", &format!("{}/_aloft/health", cloud.endpoint()), &[], b"");
        let health = health.map_err(anyhow::Error::msg)?.json();
        let number = |name: &str| health["running"]["lambda"][name].as_u64();
        if number("starting") == Some(0) && number("waiting") > Some(0) {
            return Ok(());
        }
        ensure!(started.elapsed() < WITHIN, "no process waits");
        thread::park_timeout(LOOK_EVERY);
    }
}
