//! `cargo xtask bench package`: how long `package` takes beside the original, and how much memory, for services of several sizes.
//!
//! Both sides take turns on the same service, so that what else the machine does strikes both. Every run is a process of its own
//! with a clean environment, and its memory is the most that the system ever held for it.

use super::figures::{Figures, median};
use super::offline;
use aloft_testkit::{Project, clean_environment};
use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// How often each side packages one service: ours, and the original, which takes seconds.
const ROUNDS: (usize, usize) = (9, 3);
/// Numbers of functions that are compared, and how many times faster ours should be.
const COMPARED: [(usize, f64); 3] = [(1, 50.0), (100, 50.0), (500, 50.0)];
/// How many times faster with a large `node_modules`.
const WITH_MODULES: f64 = 20.0;
/// Which part of the original's memory ours should stay below.
const MEMORY: f64 = 10.0;
/// Numbers of functions that ours is tried with alone, to see how it grows.
const GROWTH: [usize; 5] = [125, 250, 500, 1000, 2000];

/// Measures all of it into the table, and prints how compilation grows.
pub fn measure_all(binary: &Path, figures: &mut Figures) -> Result<()> {
    for (count, least) in COMPARED {
        println!("measuring: package of {count} functions");
        compare(binary, figures, &format!("{count} functions"), &service(count), least)?;
    }
    println!("measuring: package with installed packages");
    let project = service(1);
    let packages = install(&project)?;
    compare(binary, figures, &format!("{packages} packages"), &project, WITH_MODULES)?;
    println!("measuring: growth");
    grow(binary)
}

/// A service of so many functions, each with an endpoint and an environment of its own.
fn service(count: usize) -> Project {
    let mut text =
        "service: bench\nframeworkVersion: '3'\nprovider:\n  name: aws\n  runtime: nodejs20.x\nfunctions:\n"
            .to_owned();
    for number in 0..count {
        text += &format!(
            "  function{number}:\n    handler: handler.hello\n    environment:\n      NUMBER: '{number}'\n      \
             STAGE: ${{sls:stage}}\n    events:\n      - httpApi: GET /items{number}/{{id}}\n"
        );
    }
    let handler = "exports.hello = async () => ({ statusCode: 200, body: 'hello' });\n";
    Project::new(&[("serverless.yml", &text), ("handler.js", handler)])
}

/// Gives the service what npm installed for the original itself, and says how many packages that is.
fn install(project: &Project) -> Result<usize> {
    let source = aloft_testkit::cache().join("original");
    for file in ["package.json", "package-lock.json"] {
        fs::copy(source.join(file), project.path().join(file))?;
    }
    let copied =
        Command::new("cp").arg("-a").arg(source.join("node_modules")).arg(project.path()).status()?;
    ensure!(copied.success(), "the packages cannot be copied");
    let lock: serde_json::Value = serde_json::from_str(&project.read("package-lock.json"))?;
    let packages = lock["packages"].as_object().context("the lock file names no packages")?;
    Ok(packages.keys().filter(|path| project.path().join(path).join("package.json").is_file()).count() - 1)
}

fn compare(binary: &Path, figures: &mut Figures, what: &str, project: &Project, least: f64) -> Result<()> {
    let home = Project::new(&[]);
    let our_run = || {
        let mut command = measuring(&home);
        command.arg(binary);
        measured(command, project)
    };
    let their_run = || {
        let mut command = measuring(&home);
        let original = offline::serverless("original", home.path());
        command.arg(original.get_program()).args(original.get_args());
        measured(command, project)
    };
    // The original keeps the compiled schema of its first run.
    their_run()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS.0 {
        if round * ROUNDS.1 % ROUNDS.0 < ROUNDS.1 {
            theirs.push(their_run()?);
        }
        ours.push(our_run()?);
    }
    let time = |runs: &[Run]| median(runs.iter().map(|run| run.milliseconds).collect());
    let memory = |runs: &[Run]| median(runs.iter().map(|run| run.megabytes).collect());
    figures.times_less(&format!("package, {what} (ms)"), time(&ours), time(&theirs), least);
    figures.times_less(&format!("package, {what} (MB)"), memory(&ours), memory(&theirs), MEMORY);
    Ok(())
}

/// Packages ever larger services with ours alone: the time for one more function should not rise with their number.
fn grow(binary: &Path) -> Result<()> {
    let home = Project::new(&[]);
    println!("\n{:<12}{:>10}{:>10}{:>16}", "functions", "ms", "MB", "ms a function");
    for count in GROWTH {
        let project = service(count);
        let runs: Result<Vec<Run>> = (0..ROUNDS.0)
            .map(|_| {
                let mut command = measuring(&home);
                command.arg(binary);
                measured(command, &project)
            })
            .collect();
        let runs = runs?;
        let took = median(runs.iter().map(|run| run.milliseconds).collect());
        let memory = median(runs.iter().map(|run| run.megabytes).collect());
        println!("{count:<12}{took:>10.1}{memory:>10.1}{:>16.4}", took / count as f64);
    }
    println!();
    Ok(())
}

/// What one process took.
struct Run {
    milliseconds: f64,
    megabytes: f64,
}

/// This program again, to measure a program that is named behind: the system tells only of all children together.
fn measuring(home: &Project) -> Command {
    let mut command = Command::new(env::current_exe().unwrap_or_else(|_| "xtask".into()));
    clean_environment(&mut command, home.path())
        .envs([("SLS_TELEMETRY_DISABLED", "1"), ("SLS_NOTIFICATIONS_MODE", "off")])
        .args(["bench", MEASURE]);
    command
}

fn measured(mut command: Command, project: &Project) -> Result<Run> {
    let finished = command.arg("package").current_dir(project.path()).output()?;
    let said = String::from_utf8_lossy(&finished.stdout).into_owned();
    ensure!(finished.status.success(), "{said}{}", String::from_utf8_lossy(&finished.stderr));
    let line = said.lines().last().unwrap_or_default();
    let (milliseconds, kilobytes) = line.split_once(' ').with_context(|| format!("no figures in {said}"))?;
    let megabytes = kilobytes.parse::<f64>()? / 1024.0;
    Ok(Run { milliseconds: milliseconds.parse()?, megabytes })
}

/// The word that the benchmark calls itself with.
pub const MEASURE: &str = "measure";

/// Runs one program and prints its milliseconds and the kilobytes that it, or the largest of its own children, held.
pub fn measure_one(words: &[String]) -> Result<()> {
    let (program, arguments) = words.split_first().context("a program is needed")?;
    let started = Instant::now();
    let status = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    let took = started.elapsed();
    ensure!(status.success(), "{program} failed ({status})");
    println!("{} {}", took.as_secs_f64() * 1000.0, getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss());
    Ok(())
}
