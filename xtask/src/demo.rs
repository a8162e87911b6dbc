//! `cargo xtask demo [--keep]`: the main job before one's eyes. A cloud, an HTTP API over a table, a queue with a worker.
//!
//! Everything happens in temporary directories, which are gone afterwards; `--keep` leaves the cloud running.

use crate::{setup, shell};
use aloft_testkit::{CloudOptions, Project, TempCloud, until_some};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use std::{env, fs, mem, panic, thread};

/// How long a log line may take to come.
const WITHIN: Duration = Duration::from_secs(30);

/// Runs the demo, and stops the cloud also when it is interrupted.
pub fn run(words: &[String]) -> Result<()> {
    let keep = words.iter().any(|word| word == "--keep");
    step("Build aloft, and get the libraries that functions expect");
    let binary = shell::binary("release")?;
    setup::runtimes()?;
    let started = Instant::now();
    step("Start a cloud of our own");
    let cloud = Arc::new(TempCloud::with(CloudOptions { binary: Some(binary), ..CloudOptions::default() }));
    println!("It answers at {} after {} ms.", cloud.endpoint(), started.elapsed().as_millis());
    let (done, ended) = mpsc::channel();
    let interrupted = done.clone();
    thread::spawn(move || interrupted.send(wait_for_interrupt().map(|()| false)));
    // In a thread of its own, so that an interrupt is heeded in the middle of a step.
    let shown = cloud.clone();
    thread::spawn(move || done.send(show(&shown, started).map(|()| true)));
    let is_whole = ended.recv().context("the demo broke off");
    if !matches!(is_whole, Ok(Ok(true))) {
        // The step that is at work loses its cloud, and nobody wants to read that.
        panic::set_hook(Box::new(|_| {}));
    } else if keep {
        let (at, pid, home) = (cloud.endpoint(), cloud.pid(), cloud.home().display());
        println!("\nThe cloud goes on at {at}; its home is {home}.\nStop it with: kill {pid}");
        mem::forget(cloud);
        return Ok(());
    }
    step("Stop the cloud");
    cloud.stop();
    drop(fs::remove_dir_all(cloud.home()));
    match is_whole?? {
        true => println!("That was all. To do it yourself: cd examples/notes-api && aloft deploy --local"),
        false => println!("The demo was interrupted."),
    }
    Ok(())
}

fn wait_for_interrupt() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(tokio::signal::ctrl_c())?)
}

fn show(cloud: &TempCloud, started: Instant) -> Result<()> {
    let notes = Project::copy_of("examples/notes-api");
    aloft(cloud, notes.path(), "examples/notes-api", &["deploy", "--local"])?;
    notes_api(cloud, notes.path())?;
    let orders = Project::copy_of("examples/order-worker");
    aloft(cloud, orders.path(), "examples/order-worker", &["deploy", "--local"])?;
    order_worker(cloud, orders.path())?;
    println!("\nAll of it took {:.1} s after the build.", started.elapsed().as_secs_f64());
    Ok(())
}

fn notes_api(cloud: &TempCloud, project: &Path) -> Result<()> {
    step("Call the API");
    let info = cloud.aloft(project, &["info", "--local"]).success().stdout;
    let address =
        info.lines().find_map(|line| line.split_once("GET - ")).context("no endpoint")?.1.trim().to_owned();
    let text = r#"{"text": "buy milk"}"#;
    let created = call(cloud, "POST", &address, text, 201)?;
    let id = created["id"].as_str().context("the note has no id")?;
    let note = format!("{address}/{id}");
    call(cloud, "PUT", &note, r#"{"text": "buy oat milk"}"#, 200)?;
    call(cloud, "GET", &note, "", 200)?;
    call(cloud, "GET", &address, "", 200)?;
    call(cloud, "DELETE", &note, "", 204)?;
    call(cloud, "GET", &note, "", 404)?;
    step("Look at the log of `create`: what it wrote, how long it ran, what is billed");
    let logs = logs(cloud, project, "create", |logs| logs.contains("REPORT"));
    println!("{}", logs.trim_end());
    Ok(())
}

fn order_worker(cloud: &TempCloud, project: &Path) -> Result<()> {
    step("Send three orders to the queue, one of which is wrong");
    let info = cloud.aloft(project, &["info", "--local", "--verbose"]).success().stdout;
    let output = |name: &str| {
        let found = info.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "));
        found.map(str::to_owned).with_context(|| format!("no output {name}"))
    };
    let queue = output("OrdersUrl")?;
    for (id, quantity) in [("a1", 2), ("a2", 0), ("a3", 5)] {
        let body = format!(r#"{{"id": "{id}", "product": "kite", "quantity": {quantity}}}"#);
        println!("  {body}");
        let message = serde_json::json!({ "QueueUrl": queue, "MessageBody": body }).to_string();
        let headers =
            [("Content-Type", "application/x-amz-json-1.0"), ("X-Amz-Target", "AmazonSQS.SendMessage")];
        let answer = cloud.http("POST", "/", &headers, &message);
        ensure!(answer.status == 200, "the queue answered {answer}");
    }
    step("Look at the log of `work`");
    let logs = logs(cloud, project, "work", |logs| {
        ["a1", "a2", "a3"].iter().all(|id| logs.contains(&format!("order {id}:")))
    });
    println!("{}", logs.trim_end());
    Ok(())
}

/// The log, once it has what is sought.
fn logs(cloud: &TempCloud, project: &Path, function: &str, has: impl Fn(&str) -> bool) -> String {
    println!("$ aloft logs --local --function {function}");
    until_some("the log lines come", WITHIN, || {
        let logs = cloud.aloft(project, &["logs", "--local", "--function", function]).stdout;
        has(&logs).then_some(logs)
    })
}

/// Runs `aloft` before the user's eyes.
fn aloft(cloud: &TempCloud, project: &Path, shown: &str, arguments: &[&str]) -> Result<()> {
    step(&format!("cd {shown} && aloft {}", arguments.join(" ")));
    let started = Instant::now();
    let status = cloud.command(project, arguments).status().context("cannot start aloft")?;
    ensure!(status.success(), "aloft {} failed", arguments.join(" "));
    println!("({} ms)", started.elapsed().as_millis());
    Ok(())
}

fn call(_: &TempCloud, method: &str, address: &str, body: &str, expected: u16) -> Result<Value> {
    let given = if body.is_empty() { String::new() } else { format!(" -d '{body}'") };
    println!("\n$ curl -X {method} {address}{given}");
    let started = Instant::now();
    let answer =
        aloft_testkit::http(method, address, &[("Content-Type", "application/json")], body.as_bytes());
    println!("{answer}   ({:.1} ms)", started.elapsed().as_secs_f64() * 1000.0);
    ensure!(answer.status == expected, "{expected} was expected");
    Ok(if answer.body.is_empty() { Value::Null } else { answer.json() })
}

fn step(text: &str) {
    let (bold, plain) = if env::var_os("NO_COLOR").is_some() { ("", "") } else { ("\x1b[1m", "\x1b[0m") };
    println!("\n{bold}==> {text}{plain}");
}
