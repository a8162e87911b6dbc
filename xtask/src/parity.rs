//! `cargo xtask parity [filter]`: the corpus of services that the original compiled, against ours.
//!
//! The comparison is the corpus test of `crates/compile`; this shows its table and keeps what differs in
//! `target/parity.txt`. Needs the reference material beside the workspace.

use crate::shell;
use anyhow::{Result, bail};
use std::fs;

/// Runs the comparison over the cases whose path contains the filter.
pub fn run(words: &[String]) -> Result<()> {
    if aloft_testkit::shared().is_none() {
        bail!("the corpus is absent: set ALOFT_SHARED to the folder that holds it");
    }
    let mut command = shell::cargo(&[
        "test",
        "--quiet",
        "--package",
        "aloft-compile",
        "--test",
        "corpus",
        "--",
        "--nocapture",
    ]);
    if let Some(filter) = words.first() {
        command.env("CORPUS_FILTER", filter);
    }
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let table: Vec<&str> = said.lines().skip_while(|line| !line.starts_with("feature")).collect();
    let end = table.iter().position(|line| line.trim().is_empty()).unwrap_or(table.len());
    println!("{}", table[..end].join("\n"));
    let report = shell::target().join("parity.txt");
    let listed = fs::read_to_string(shell::root().join("crates/compile/tests/corpus-differing.txt"))?;
    fs::write(&report, format!("{}\n\nKnown to differ:\n\n{listed}", table.join("\n")))?;
    println!("\nwhat differs is in {}", report.display());
    if !output.status.success() {
        bail!(
            "cases differ that are not listed, or are listed and do not differ\n{}",
            table[end..].join("\n")
        );
    }
    Ok(())
}
