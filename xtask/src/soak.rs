//! `cargo xtask soak [--cycles 10000] [--invocations 100000]`: what a cloud holds of the machine after many cold starts and
//! many warm invocations, beside what it held before.
//!
//! Fails when a count has grown, or when memory goes on growing. `ALOFT_BINARY` names a program that is built already.
//! A day's soak is a matter of the numbers: `--invocations 10000000`.

use crate::{setup, shell};
use aloft_testkit::{CloudOptions, Cycles, Held, TempCloud};
use anyhow::{Context, Result, bail, ensure};
use std::time::Instant;

/// Rounds before anything is counted: caches, threads and the pools of what waits have their size then.
const WARM_UP: usize = 40;
/// How often memory is looked at.
const SAMPLES: usize = 40;
/// The growth that is taken for none, in KB: for each thousand cold starts, each of which has a log stream of its own, and
/// for each thousand invocations.
const FLAT: (f64, f64) = (256.0, 64.0);

/// Runs it and prints the table.
pub fn run(words: &[String]) -> Result<()> {
    let cycles = number(words, "--cycles", 10_000)?;
    let invocations = number(words, "--invocations", 100_000)?;
    let binary = shell::binary("release")?;
    setup::runtimes()?;
    let cloud = TempCloud::with(CloudOptions {
        binary: Some(binary),
        arguments: Cycles::arguments(),
        ..CloudOptions::default()
    });
    let functions = Cycles::deploy(&cloud);
    for _ in 0..WARM_UP {
        functions.round(&cloud);
    }
    functions.warm(&cloud, 1000);
    let before = functions.rest(&cloud);
    println!("before: {before}");

    let (began, mut done, mut memory) = (Instant::now(), 0, Memory::default());
    while done < cycles {
        done += functions.round(&cloud);
        if done * SAMPLES / cycles > memory.0.len() {
            let held = Held::by(&cloud);
            println!("{done:>10}: {held}");
            memory.sample(done, held.resident_kb);
        }
    }
    let took = began.elapsed().as_secs_f64();
    let after = functions.rest(&cloud);
    println!(
        "after {done} cold starts and ends in {took:.0} s ({:.1} a second): {after}",
        done as f64 / took
    );
    let of_cycles = memory.slope();
    println!("memory of the cloud: {of_cycles:+.1} KB for each thousand of them, over the second half");

    let (began, mut memory) = (Instant::now(), Memory::default());
    let step = (invocations / SAMPLES).max(1);
    for done in (step..=invocations).step_by(step) {
        functions.warm(&cloud, step);
        memory.sample(done, Held::by(&cloud).resident_kb);
    }
    let took = began.elapsed().as_secs_f64();
    let last = functions.rest(&cloud);
    println!("after {invocations} warm invocations in {took:.0} s: {last}");
    let of_invocations = memory.slope();
    println!("memory of the cloud: {of_invocations:+.1} KB for each thousand of them, over the second half");

    println!("\n{:<16}{:>10}{:>10}{:>10}", "", "before", "cycles", "warm");
    for (((name, before), (_, after)), (_, last)) in
        before.counts().into_iter().zip(after.counts()).zip(last.counts())
    {
        println!("{name:<16}{before:>10}{after:>10}{last:>10}");
    }
    let mb = |held: &Held| held.resident_kb as f64 / 1024.0;
    println!("{:<16}{:>10.1}{:>10.1}{:>10.1}", "memory (MB)", mb(&before), mb(&after), mb(&last));
    for (held, when) in [(&after, "cold starts"), (&last, "warm invocations")] {
        for ((name, before), (_, now)) in before.counts().into_iter().zip(held.counts()) {
            // What tokio starts of threads for work that blocks comes and goes with the load.
            ensure!(now <= before || name == "threads", "{when} left {name}: {before} before, {now} now");
        }
    }
    ensure!(of_cycles < FLAT.0 && of_invocations < FLAT.1, "memory goes on growing");
    Ok(())
}

/// The number behind a word.
fn number(words: &[String], name: &str, default: usize) -> Result<usize> {
    match words.iter().position(|word| word == name) {
        None => Ok(default),
        Some(at) => match words.get(at + 1).context("a number is missing")?.parse() {
            Ok(number) if number > 0 => Ok(number),
            _ => bail!("{name} wants a number"),
        },
    }
}

/// Samples: how much was done, and the memory then, in KB.
#[derive(Default)]
struct Memory(Vec<(f64, f64)>);

impl Memory {
    fn sample(&mut self, done: usize, resident_kb: u64) {
        self.0.push((done as f64 / 1000.0, resident_kb as f64));
    }

    /// The growth in KB for each thousand, by least squares over the second half.
    fn slope(&self) -> f64 {
        let half = &self.0[self.0.len() / 2..];
        let count = half.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| half.iter().map(of).sum::<f64>() / count;
        let (x, y) = (mean(|it| it.0), mean(|it| it.1));
        let above: f64 = half.iter().map(|it| (it.0 - x) * (it.1 - y)).sum();
        let below: f64 = half.iter().map(|it| (it.0 - x) * (it.0 - x)).sum();
        if below == 0.0 { 0.0 } else { above / below }
    }
}
