//! `cargo xtask bench engine`: the execution engine beside bare processes and the engines that others run functions with.
//!
//! In one run on one machine, each in turn: what a jail costs, cold starts, warm requests over 1, 10 and 50 connections with
//! the processor time of each (over one connection also while no processor sleeps), memory, and ten thousand functions that
//! nobody calls. All counts are bounded: it takes a few minutes. A machine that does other things shows it in every number;
//! compare columns, not runs.

mod cold;
mod idle;
mod peers;
mod processes;
mod table;

use super::load::{self, Load};
use super::{deploy, figures::median, options};
use crate::{setup, shell};
use aloft_testkit::{Project, TempCloud};
use anyhow::{Context, Result, bail};
use peers::Server;
use processes::{Awake, Usage};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};
use table::{Side, Table};

/// How often a bare process or another engine is started.
const STARTS: usize = 5;
/// How long requests are counted, by connections.
const COUNTED: Duration = Duration::from_secs(4);

/// Measures all of it and prints the table.
pub fn run() -> Result<()> {
    let began = Instant::now();
    let binary = shell::binary("dist")?;
    setup::runtimes()?;
    setup::npm("offline", "offline")?;
    setup::npm("peers", "peers")?;
    let mut table = Table::default();
    println!("measuring: a jail");
    jail(&mut table)?;
    println!("measuring: cold starts of bare processes");
    cold::bare(&mut table)?;
    println!("measuring: aloft");
    ours(&binary, &mut table)?;
    for (side, name, start) in peers::ALL {
        println!("measuring: {name}");
        match theirs(*start) {
            Ok((first, running)) => {
                table.put("start of the engine to the first answer (ms)", *side, first);
                running.put(&mut table, *side);
            }
            Err(error) => println!("{name} is left out: {error:#}"),
        }
    }
    println!("measuring: ten thousand functions");
    idle::measure(&binary, &mut table)?;
    println!("\n{table}");
    println!("{} s, load of the machine at the end {}", began.elapsed().as_secs(), processes::load()?);
    Ok(())
}

/// A program that does nothing, in a jail and without.
fn jail(table: &mut Table) -> Result<()> {
    let arguments = ["run", "--quiet", "--release", "-p", "aloft-sandbox", "--example", "setup_time"];
    let said = shell::read(&mut shell::cargo(&arguments))?;
    let told: Value = serde_json::from_str(&said).context("the example prints JSON")?;
    let number = |name: &str| told[name].as_f64().unwrap_or(f64::NAN);
    table.row(
        "a program that does nothing, whole life (ms)",
        &[(Side::Aloft, number("jailed")), (Side::Bare, number("bare"))],
    );
    table.row(
        "the same, best of 100 (ms)",
        &[(Side::Aloft, number("jailedBest")), (Side::Bare, number("bareBest"))],
    );
    table.target(
        "sandbox set-up, the difference of the best (ms)",
        number("jailedBest") - number("bareBest"),
        2.0,
    );
    if let Some(lacking) = told["lacking"].as_str().filter(|lacking| !lacking.is_empty()) {
        println!("this machine lacks: {lacking}");
    }
    Ok(())
}

/// How many there are at once, one number after the other.
const CONNECTIONS: [usize; 3] = [1, 10, 50];

/// One connection leaves the processors without work most of the time.
const AWAKE: &str = "1 connection, no processor asleep";
/// How often a load is measured until none of the processes that serve it ends meanwhile.
const TRIES: usize = 3;

fn in_words(connections: usize) -> String {
    if connections == 1 { "1 connection".to_owned() } else { format!("{connections} connections") }
}

/// The service that is deployed here: a function that answers at once, and those that are called for the first time.
fn service() -> Project {
    let text = format!(
        "service: bench\nframeworkVersion: '3'\nprovider:\n  name: aws\n  runtime: nodejs20.x\n  memorySize: 1769\n\
         functions:\n  hello:\n    handler: node.hello\n    events:\n      - httpApi: GET /hello\n{}",
        cold::functions()
    );
    let mut files = vec![("serverless.yml", text.as_str())];
    files.extend(cold::FILES);
    Project::new(&files)
}

fn ours(binary: &Path, table: &mut Table) -> Result<()> {
    let service = service();
    let cloud = TempCloud::with(options(binary));
    let address = deploy(&cloud, &service)?;
    let idle = processes::resident_mb(cloud.pid())?;
    cold::started(&address, table)?;
    let environments = processes::descendants(cloud.pid())?;
    let shared: f64 = environments.iter().filter_map(|pid| processes::proportional_mb(*pid)).sum();
    table.put("memory of the idle engine (MB)", Side::Aloft, idle);
    table.put("memory of a warm environment (MB)", Side::Aloft, shared / environments.len() as f64);
    cold::waited(&address, &cloud, table)?;
    let running = Running::measure(&format!("{address}/hello"), cloud.pid())?;
    running.put(table, Side::Aloft);
    let target = |table: &mut Table, words: &str, processor: f64| {
        table.target(&format!("warm Node.js, processor time in all, {words} (us)"), processor, 70.0);
    };
    for (connections, (_, processor)) in CONNECTIONS.into_iter().zip(&running.loads) {
        target(table, &in_words(connections), *processor);
    }
    target(table, AWAKE, running.awake);
    let (ten, fifty) = (running.loads[1].0.rate, running.loads[2].0.rate);
    table.target_least("requests per second, 50 connections over 10", fifty / ten, 1.0);
    Ok(())
}

/// Another engine: how long it takes from its start to the first answer, and how it serves.
fn theirs(start: fn() -> Result<Server>) -> Result<(f64, Running)> {
    let starts: Result<Vec<f64>> =
        (0..STARTS.min(3)).map(|_| Ok(start()?.took.as_secs_f64() * 1000.0)).collect();
    let server = start()?;
    Ok((median(starts?), Running::measure(&server.address, server.pid())?))
}

/// How an engine serves a function that answers at once.
struct Running {
    /// By [`CONNECTIONS`]; with the processor time of a request, in microseconds.
    loads: Vec<(Load, f64)>,
    /// The processor time of a request over one connection while no processor sleeps.
    awake: f64,
    /// Of the engine with all its processes, after the load.
    memory_mb: f64,
}

impl Running {
    fn measure(address: &str, pid: u32) -> Result<Self> {
        load::in_turn(address, 50)?;
        let mut loads = Vec::new();
        for connections in CONNECTIONS {
            loads.push(Self::measure_load(address, pid, connections)?);
        }
        let awake = {
            let _awake = Awake::start()?;
            Self::measure_load(address, pid, 1)?.1
        };
        let all = processes::descendants(pid)?.into_iter().chain([pid]);
        let memory_mb = all.filter_map(processes::proportional_mb).sum();
        Ok(Self { loads, awake, memory_mb })
    }

    fn measure_load(address: &str, pid: u32, connections: usize) -> Result<(Load, f64)> {
        for _ in 0..TRIES {
            // Once without counting, so that environments are there.
            load::measured(address, connections, COUNTED / 4)?;
            let before = Usage::of(pid)?;
            let load = load::measured(address, connections, COUNTED)?;
            if let Some(used) = Usage::of(pid)?.since(&before) {
                return Ok((load, used.as_secs_f64() * 1e6 / load.answered as f64));
            }
        }
        bail!("its processes end while it is measured")
    }

    fn put(&self, table: &mut Table, side: Side) {
        for (connections, (load, processor)) in CONNECTIONS.into_iter().zip(&self.loads) {
            let words = in_words(connections);
            table.put(&format!("requests per second, {words}"), side, load.rate);
            table.put(&format!("median of a request, {words} (ms)"), side, load.median_ms);
            table.put(&format!("processor time of a request, {words} (us)"), side, *processor);
        }
        table.put(&format!("processor time of a request, {AWAKE} (us)"), side, self.awake);
        table.put("memory after the load, with all processes (MB)", side, self.memory_mb);
    }
}
