//! `cargo xtask bench`: Aloft and the original side by side in one run, on the same service, with a clean environment.
//!
//! Against serverless 3.40.0 and its plugin serverless-offline, from npm. Every number is a median of a bounded count, and
//! what stands in one row was measured in the same way. A benchmark, not a test: nothing here fails because it is slow.

mod engine;
mod figures;
mod load;
mod offline;
mod packaging;

use crate::{setup, shell};
use aloft_testkit::{CloudOptions, Project, TempCloud, clean_environment, finish};
use anyhow::{Context, Result};
use figures::{Figures, median};
use offline::Offline;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How often a start of a program is measured: ours, and the original's, which takes seconds.
const STARTS: (usize, usize) = (15, 5);
/// How often a whole deployment is measured.
const DEPLOYMENTS: usize = 5;
/// How many functions are called for the first time.
const COLD: usize = 5;
/// How many requests go one after another to a warm function.
const WARM: usize = 500;
/// How long requests are counted, by connections.
const COUNTED: Duration = Duration::from_secs(4);

/// Measures all of it, or with the word `package` only that, or with `engine` how functions run, and prints the table.
pub fn run(words: &[String]) -> Result<()> {
    match words.first().map(String::as_str) {
        Some("engine") => return engine::run(),
        Some(packaging::MEASURE) => return packaging::measure_one(&words[1..]),
        Some("package") => {
            let binary = shell::binary("dist")?;
            setup::npm("original", "original")?;
            let mut figures = Figures::default();
            packaging::measure_all(&binary, &mut figures)?;
            println!("{figures}");
            return Ok(());
        }
        Some(other) => anyhow::bail!("no part `{other}`: all, `engine`, or `package`"),
        None => {}
    }
    let binary = shell::binary("dist")?;
    setup::runtimes()?;
    setup::npm("original", "original")?;
    setup::npm("offline", "offline")?;
    let service = service();
    let mut figures = Figures::default();
    println!("measuring: package");
    figures.less("package of examples/notes-api (ms)", package_ours(&binary)?, package_theirs()?, Some(50.0));
    println!("measuring: from nothing to the first answer");
    let ours = repeat(DEPLOYMENTS, || first_answer(&binary, &service))?;
    let theirs = repeat(DEPLOYMENTS, || Ok(Offline::start(&service)?.took))?;
    figures.less("stopped to first answer (ms)", ours, theirs, Some(1500.0));
    println!("measuring: a running cloud");
    let cloud = TempCloud::with(options(&binary));
    let idle = resident_mb(cloud.pid())?;
    let address = deploy(&cloud, &service)?;
    let deployed = resident_mb(cloud.pid())?;
    let (ours, our_pid) = (Running::measure(&address)?, cloud.pid());
    let worked = resident_mb(our_pid)?;
    drop(cloud);
    let offline = Offline::start(&service)?;
    let their_idle = resident_mb(offline.pid())?;
    let theirs = Running::measure(&offline.address)?;
    let their_worked = resident_mb(offline.pid())?;
    drop(offline);
    figures.less("cold invocation over HTTP (ms)", ours.cold, theirs.cold, None);
    figures.less("warm invocation over HTTP (ms)", ours.warm, theirs.warm, Some(2.0));
    for ((connections, ours), (_, theirs)) in ours.rates.into_iter().zip(theirs.rates) {
        figures.more(&format!("requests per second, {connections} connections"), ours, theirs);
    }
    figures.less("memory idle, nothing deployed (MB)", idle, f64::NAN, Some(40.0));
    figures.less("memory idle, service deployed (MB)", deployed, their_idle, Some(40.0));
    figures.less("memory after the load (MB)", worked, their_worked, None);
    packaging::measure_all(&binary, &mut figures)?;
    println!("\n{figures}");
    Ok(())
}

/// The service that both sides run: a function that answers at once, and others to be called for the first time.
fn service() -> Project {
    let mut text =
        "service: bench\nframeworkVersion: '3'\nplugins: []\nprovider:\n  name: aws\n  runtime: nodejs20.x\n\
        functions:\n  hello:\n    handler: handler.hello\n    events:\n      - httpApi: GET /hello\n"
            .to_owned();
    for number in 0..COLD {
        text += &format!(
            "  cold{number}:\n    handler: handler.hello\n    events:\n      - httpApi: GET /cold{number}\n"
        );
    }
    let handler = "exports.hello = async () => ({ statusCode: 200, body: 'hello' });\n";
    Project::new(&[("serverless.yml", &text), ("handler.js", handler)])
}

fn options(binary: &Path) -> CloudOptions {
    CloudOptions { binary: Some(binary.to_owned()), ..CloudOptions::default() }
}

fn repeat(count: usize, mut measure: impl FnMut() -> Result<Duration>) -> Result<f64> {
    let all: Result<Vec<f64>> = (0..count).map(|_| Ok(measure()?.as_secs_f64() * 1000.0)).collect();
    Ok(median(all?))
}

fn package_ours(binary: &Path) -> Result<f64> {
    let (project, home) = (Project::copy_of("examples/notes-api"), Project::new(&[]));
    repeat(STARTS.0, || {
        let mut command = Command::new(binary);
        clean_environment(&mut command, home.path()).arg("package").current_dir(project.path());
        timed(&mut command)
    })
}

fn package_theirs() -> Result<f64> {
    let (project, home) = (Project::copy_of("examples/notes-api"), Project::new(&[]));
    repeat(STARTS.1, || {
        timed(offline::serverless("original", home.path()).arg("package").current_dir(project.path()))
    })
}

fn timed(command: &mut Command) -> Result<Duration> {
    let started = Instant::now();
    let finished = finish_quickly(command)?;
    anyhow::ensure!(finished, "{command:?} failed");
    Ok(started.elapsed())
}

/// Waits without looking at intervals, which would be measured too.
fn finish_quickly(command: &mut Command) -> Result<bool> {
    Ok(command.output().context("cannot start a program to be measured")?.status.success())
}

/// From a stopped cloud without state: `deploy --local`, and the first request.
fn first_answer(binary: &Path, service: &Project) -> Result<Duration> {
    let home = TempCloud::stopped(options(binary));
    fs::remove_dir_all(service.path().join(".serverless")).or_else(absent)?;
    let mut command = home.command(service.path(), &["deploy", "--local"]);
    command.env("ALOFT_PORT", free_port()?.to_string());
    let started = Instant::now();
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    anyhow::ensure!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let answer = aloft_testkit::http("GET", &endpoint(&said)?, &[], b"");
    anyhow::ensure!(answer.status == 200, "{answer}");
    Ok(started.elapsed())
}

fn deploy(cloud: &TempCloud, service: &Project) -> Result<String> {
    fs::remove_dir_all(service.path().join(".serverless")).or_else(absent)?;
    let deployed = finish(&mut cloud.command(service.path(), &["deploy", "--local"]), "");
    anyhow::ensure!(deployed.code == 0, "{deployed}");
    let address = endpoint(&deployed.stdout)?;
    Ok(address.trim_end_matches("/hello").to_owned())
}

fn endpoint(said: &str) -> Result<String> {
    let line =
        said.lines().find_map(|line| line.trim().strip_prefix("GET - ").filter(|it| it.ends_with("/hello")));
    Ok(line.with_context(|| format!("no endpoint in {said}"))?.to_owned())
}

fn absent(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// A port that is free now.
fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Resident memory of a process.
fn resident_mb(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(PathBuf::from(format!("/proc/{pid}/status")))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes / 1024.0)
}

/// What is measured on a side that runs.
struct Running {
    cold: f64,
    warm: f64,
    rates: Vec<(usize, f64)>,
}

impl Running {
    fn measure(address: &str) -> Result<Self> {
        let mut cold = Vec::new();
        for number in 0..COLD {
            cold.push(load::in_turn(&format!("{address}/cold{number}"), 1)?[0]);
        }
        let hello = format!("{address}/hello");
        load::in_turn(&hello, 50)?;
        let warm = median(load::in_turn(&hello, WARM)?);
        let mut rates = Vec::new();
        for connections in [1, 10, 50] {
            // Once without counting, so that environments are there.
            load::at_once(&hello, connections, COUNTED / 4)?;
            rates.push((connections, load::at_once(&hello, connections, COUNTED)?));
        }
        Ok(Self { cold: median(cold), warm, rates })
    }
}
