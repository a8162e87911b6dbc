//! `cargo xtask test`: everything that has to hold before a change goes in, in the order in which failures show soonest.
//!
//! Ends with the line `N passed, N failed`, which tests and checks are counted in.

use crate::{licences, setup, shell, tidy};
use anyhow::{Context, Result, bail, ensure};
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

/// How a test program's summary begins.
const OF_CARGO: &str = "test result:";

/// What was counted so far.
#[derive(Default)]
struct Count {
    passed: u64,
    failed: u64,
}

/// What the feature `onnx` changes: a package, its features, and which of its tests.
const WITH_ONNX: [(&str, &str, &[&str]); 3] = [
    ("aloft-faces", "onnx,portraits", &["--lib"]),
    ("aloft-services", "onnx", &["--lib", "rekognition"]),
    ("aloft", "onnx", &["--test", "it", "face_networks"]),
];

/// Runs all checks and tests, or with `--onnx` those of that feature, which takes minutes to build and is off by default. One
/// that fails does not keep the next from running.
pub fn run(words: &[String]) -> Result<()> {
    let started = Instant::now();
    let mut count = Count::default();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => count.everything()?,
        ["--onnx"] => count.onnx()?,
        _ => bail!("usage: cargo xtask test [--onnx]"),
    }
    println!("\nin {} s", started.elapsed().as_secs());
    println!("{} passed, {} failed", count.passed, count.failed);
    ensure!(count.failed == 0, "{} failed", count.failed);
    Ok(())
}

impl Count {
    fn everything(&mut self) -> Result<()> {
        self.check("format", || shell::run(&mut shell::cargo(&["fmt", "--all", "--check"])));
        self.check("tidy", tidy::run);
        self.check("licences", licences::check);
        self.check("setup", setup::run);
        self.tests()?;
        let clippy = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
        self.check("clippy", || shell::run(&mut shell::cargo(&clippy)));
        Ok(())
    }

    fn onnx(&mut self) -> Result<()> {
        for (package, features, tests) in WITH_ONNX {
            println!("== {package} with {features}");
            let before = self.failed;
            let chosen = ["test", "--package", package, "--features", features];
            let is_good = self.watch(&mut shell::cargo(&[&chosen[..], tests].concat()), OF_CARGO)?;
            self.failed += u64::from(!is_good && self.failed == before);
            let clippy = ["clippy", "--package", package, "--features", features, "--all-targets", "--quiet"];
            let clippy = [&clippy[..], &["--", "-D", "warnings"]].concat();
            self.check("clippy", || shell::run(&mut shell::cargo(&clippy)));
        }
        Ok(())
    }

    fn check(&mut self, name: &str, run: impl FnOnce() -> Result<()>) {
        println!("== {name}");
        match run() {
            Ok(()) => self.passed += 1,
            Err(error) => {
                println!("{error:#}");
                self.failed += 1;
            }
        }
    }

    /// The tests of the workspace: by nextest when it is installed, else by Cargo.
    fn tests(&mut self) -> Result<()> {
        println!("== tests");
        let has_nextest =
            shell::cargo(&["nextest", "--version"]).output().is_ok_and(|it| it.status.success());
        let before = self.failed;
        let everything = if has_nextest {
            let nextest =
                ["nextest", "run", "--workspace", "--no-fail-fast", "--color=never", "--status-level=fail"];
            self.watch(&mut shell::cargo(&nextest), "Summary [")?
        } else {
            self.watch(
                &mut shell::cargo(&["test", "--workspace", "--no-fail-fast", "--lib", "--bins", "--tests"]),
                OF_CARGO,
            )?
        };
        let examples = self.watch(
            &mut shell::cargo(&["test", "--workspace", "--no-fail-fast", "--doc", "--quiet"]),
            OF_CARGO,
        )?;
        // Something that did not build is a failure that no test told of.
        if !(everything && examples) && self.failed == before {
            self.failed += 1;
        }
        Ok(())
    }

    /// Runs tests, passes on what they print, counts the summaries that begin so. True when all of it succeeded.
    fn watch(&mut self, command: &mut Command, beginning: &str) -> Result<bool> {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("cannot start cargo")?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        thread::scope(|scope| {
            let reader = scope.spawn(|| follow(err, beginning));
            let mut found = follow(out, beginning);
            found.extend(reader.join().unwrap_or_default());
            for (passed, failed) in found {
                self.passed += passed;
                self.failed += failed;
            }
        });
        Ok(child.wait()?.success())
    }
}

fn follow(pipe: Option<impl Read>, beginning: &str) -> Vec<(u64, u64)> {
    let lines = pipe.into_iter().flat_map(|pipe| BufReader::new(pipe).lines().map_while(Result::ok));
    lines.inspect(|line| println!("{line}")).filter_map(|line| summary(&line, beginning)).collect()
}

/// How many passed and failed, in the last line of nextest or of a test program. Nextest shows what failed tests print, their
/// own summaries among it: `beginning` says which lines count.
fn summary(line: &str, beginning: &str) -> Option<(u64, u64)> {
    let line = line.trim_start();
    if !line.starts_with(beginning) {
        return None;
    }
    let number = |word: &str| {
        let before = line.split([',', ';', '.', ':', ')']).map(str::trim).find(|part| part.contains(word))?;
        before
            .split(' ')
            .rev()
            .skip_while(|it| !it.starts_with(word))
            .nth(1)?
            .trim_start_matches('(')
            .parse()
            .ok()
    };
    let failed: u64 = ["failed", "timed"].into_iter().filter_map(number).sum();
    Some((number("passed").unwrap_or(0), failed))
}

#[cfg(test)]
mod tests {
    use super::summary;

    #[test]
    fn summaries_are_understood() {
        for (line, expected) in [
            ("test result: ok. 12 passed; 3 failed; 0 ignored; 0 measured", Some((12, 3))),
            (
                "     Summary [   1.234s] 40 tests run: 38 passed (1 slow, 2 leaky), 2 failed, 0 skipped",
                Some((38, 2)),
            ),
            ("     Summary [   0.034s] 1 test run: 1 passed, 0 skipped", Some((1, 0))),
            (
                "     Summary [   0.034s] 3 tests run: 1 passed, 1 failed, 1 timed out, 0 skipped",
                Some((1, 2)),
            ),
            ("test a::b ... ok", None),
        ] {
            let beginning = if line.starts_with("test") { super::OF_CARGO } else { "Summary [" };
            assert_eq!(summary(line, beginning), expected, "{line}");
            assert_eq!(summary(line, "other"), None);
        }
    }
}
