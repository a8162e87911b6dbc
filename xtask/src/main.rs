//! The project's own chores, one a word: `cargo xtask <word>`. A chore is a file.

mod bench;
mod cascades;
mod demo;
mod licences;
mod models;
mod parity;
mod setup;
mod shell;
mod simulate;
mod soak;
mod test;
mod tidy;

use anyhow::{Result, bail};
use std::env;
use std::fmt::Write;
use std::process::ExitCode;

/// A word, what it does, and the function that does it with the words behind it.
type Chore = (&'static str, &'static str, fn(&[String]) -> Result<()>);

const CHORES: &[Chore] = &[
    ("bench", "measure side by side with the original framework", bench::run),
    ("cascades", "make crates/faces/data/ again from OpenCV's classifiers", |_| cascades::run()),
    ("demo", "deploy an example to the local cloud, call it, show what happened [--keep]", demo::run),
    ("licences", "check the licences of what is built in", |_| licences::check()),
    ("models", "make models/ again from the public API models", |_| models::run()),
    ("parity", "compare compiled templates with the original's, by feature [filter]", parity::run),
    ("setup", "install what the tests need", |_| setup::run()),
    ("simulate", "print what keeping environments costs by several policies [seed]", simulate::run),
    (
        "soak",
        "start and end environments by the thousand, and show what is left [--cycles N] [--invocations N]",
        soak::run,
    ),
    ("test", "run all checks and tests; those of the feature `onnx` and no others with --onnx", test::run),
    ("tidy", "check what the compiler does not", |_| tidy::run()),
];

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    match chore(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn chore(words: &[String]) -> Result<()> {
    let asked = words.first().map(String::as_str).unwrap_or_default();
    match CHORES.iter().find(|(word, ..)| *word == asked) {
        Some((.., run)) => run(&words[1..]),
        None => bail!("{}", usage()),
    }
}

fn usage() -> String {
    let mut text = "usage: cargo xtask <chore>\n".to_owned();
    for (word, meaning, _) in CHORES {
        let _ = write!(text, "\n  {word:<10}{meaning}");
    }
    text
}
