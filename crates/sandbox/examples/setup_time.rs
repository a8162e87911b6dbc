//! Measures what a jail costs: a program that does nothing, in a jail and as a bare process.
//!
//! `cargo run --release -p aloft-sandbox --example setup_time`. It prints one line of JSON with medians and minima in
//! milliseconds. Numbers, not a test: nothing is compared.

use aloft_base::ByteSize;
use aloft_sandbox::{Isolation, Launch, Limits, Output, Sandbox, View};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

const ROUNDS: usize = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::temp_dir().join(format!("aloft-setup-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let sandbox = Sandbox::open(Isolation::BestEffort, &[]);
    let (mut jailed, mut bare) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let started = Instant::now();
        let status = tokio::process::Command::new("/bin/true").env_clear().status().await?;
        bare.push(started.elapsed());
        let name = format!("setup-{}-{round}", std::process::id());
        let launch = Launch {
            mark: format!("MARK={name}"),
            environment: BTreeMap::from([("MARK".to_owned(), name.clone())]),
            name,
            program: "/bin/true".into(),
            arguments: Vec::new(),
            directory: if sandbox.isolates() { "/var/task".into() } else { directory.clone() },
            view: Some(View {
                code: directory.clone(),
                layers: Vec::new(),
                runtime: directory.clone(),
                interpreter: None,
                temporary_mb: 64,
                hosts: Vec::new(),
            }),
            limits: Limits {
                memory: ByteSize::mebibytes(128),
                processes: 1024,
                open_files: 1024,
                file_size: ByteSize::mebibytes(512),
            },
            output: Output::Inherited,
        };
        let started = Instant::now();
        let exit = sandbox.spawn(launch)?.wait().await;
        jailed.push(started.elapsed());
        if !status.success() || exit.status.is_none_or(|status| !status.success()) {
            return Err("a program that does nothing failed".into());
        }
    }
    sandbox.close();
    std::fs::remove_dir_all(&directory)?;
    let (jailed, bare) = (figures(jailed), figures(bare));
    let lacking = [sandbox.lacking(), &sandbox.missing()].concat().join(", ");
    writeln!(
        std::io::stdout(),
        r#"{{"jailed": {:.3}, "jailedBest": {:.3}, "bare": {:.3}, "bareBest": {:.3}, "lacking": "{lacking}"}}"#,
        jailed.0,
        jailed.1,
        bare.0,
        bare.1
    )?;
    Ok(())
}

/// The median and the least, in milliseconds.
fn figures(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort();
    let millis = |at: usize| times.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0);
    (millis(times.len() / 2), millis(0))
}
