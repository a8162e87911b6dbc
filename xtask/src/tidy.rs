//! `cargo xtask tidy`: what the compiler and clippy do not see. Which crate may use which, headers, lengths, and words that
//! do not belong in this project's files.

use crate::shell;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The crates by tier. One uses only those of lower tiers.
const TIERS: &[&[&str]] = &[
    &["base", "diag"],
    &["faces", "lang", "wire", "yaml"],
    &["config", "store"],
    &["client", "package", "sandbox"],
    &["compile", "engine", "worker"],
    &["console", "services"],
    &["aloft"],
];

/// Crates that only tests and chores use. They may use anything.
const FOR_TESTS: &[&str] = &["testkit", "xtask"];

/// The longest a file may be, unless it is a list.
const LONGEST: usize = 600;

/// Files that are lists, and may be longer.
const LISTS: &[&str] = &[];

/// What no code may contain, the files where it may stand nonetheless (by a part of their path), and what to do instead.
/// The texts are cut in two, so that this file does not contain them.
const FORBIDDEN: &[(&[&str], &[&str], &str)] = &[
    (&["print", "ln!("], OUTPUT, "say it through `aloft`'s terminal"),
    (&["eprint", "ln!("], OUTPUT, "say it through `aloft`'s terminal, or log it with tracing"),
    (&["db", "g!("], &[], "remove it"),
    (&["to", "do!("], &[], "write it"),
    (&["unimple", "mented!("], &[], "write it"),
    (&["#[ign", "ore"], &[], "a test runs, or is not there"),
    (&["should_", "panic"], &[], "give an error, and look at it"),
    (&["SystemTime", "::now"], &["crates/base/"], "take an `aloft_base::Clock`"),
    (
        &["thread", "::sleep"],
        &["crates/base/", "crates/testkit/src/wait.rs"],
        "wait for an event, or for the clock",
    ),
];

/// Who may print: chores, tests that tell why they have nothing to look at, programs that show something.
const OUTPUT: &[&str] = &["xtask/", "/tests", "/examples/"];

/// Places of one machine, cut in two.
const MACHINE_PATHS: &[&[&str]] = &[&["/wo", "rk/"], &["/ro", "ot/"], &["/Use", "rs/"]];

/// Where the project's own files are.
const FOLDERS: &[&str] = &[".cargo", ".ci", "crates", "docs", "examples", "tests", "xtask"];

/// What is not a source.
const SKIPPED: &[&str] = &[".cache", ".serverless", "__pycache__", "node_modules", "target"];

/// Checks everything and tells all that is wrong.
pub fn run() -> Result<()> {
    let root = shell::root();
    let mut wrong = Vec::new();
    arrows(&mut wrong)?;
    map(&root, &mut wrong)?;
    promises(&root, &mut wrong)?;
    for folder in FOLDERS {
        walk(&root, &root.join(folder), &mut wrong)?;
    }
    for entry in fs::read_dir(&root)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "md" || extension == "toml") {
            file(&root, &path, &mut wrong)?;
        }
    }
    ensure!(wrong.is_empty(), "not tidy:\n  {}", wrong.join("\n  "));
    Ok(())
}

/// Every test that `docs/reliability.md` names is there: `crates/.../file.rs::name` in backquotes.
fn promises(root: &Path, wrong: &mut Vec<String>) -> Result<()> {
    let text = fs::read_to_string(root.join("docs/reliability.md")).context("docs/reliability.md")?;
    for named in text.split('`').filter(|it| it.starts_with("crates/")) {
        let Some((path, test)) = named.split_once("::") else { continue };
        let source = fs::read_to_string(root.join(path)).unwrap_or_default();
        if !source.contains(&format!("fn {test}(")) {
            wrong.push(format!("docs/reliability.md names {named}, which is not there"));
        }
    }
    Ok(())
}

fn tier(name: &str) -> Option<usize> {
    TIERS.iter().position(|tier| tier.contains(&name))
}

/// Which crate uses which. Tests may use the test tools besides.
fn arrows(wrong: &mut Vec<String>) -> Result<()> {
    let metadata =
        shell::read(&mut shell::cargo(&["metadata", "--no-deps", "--offline", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let short = |name: &str| name.strip_prefix("aloft-").unwrap_or(name).to_owned();
    for package in metadata["packages"].as_array().context("no packages")? {
        let name = short(package["name"].as_str().unwrap_or_default());
        if FOR_TESTS.contains(&&*name) {
            continue;
        }
        let Some(own) = tier(&name) else {
            wrong.push(format!("crates/{name} has no tier in xtask/src/tidy.rs"));
            continue;
        };
        for used in package["dependencies"].as_array().into_iter().flatten() {
            let full = used["name"].as_str().unwrap_or_default();
            let (is_ours, used_name) = (full.starts_with("aloft-"), short(full));
            let is_for_tests = used["kind"] == "dev" && FOR_TESTS.contains(&&*used_name);
            if is_ours && !is_for_tests && tier(&used_name).is_none_or(|tier| tier >= own) {
                wrong.push(format!("crates/{name} uses {used_name}, which is not of a lower tier"));
            }
        }
    }
    Ok(())
}

/// Whether the map names every crate.
fn map(root: &Path, wrong: &mut Vec<String>) -> Result<()> {
    let Ok(map) = fs::read_to_string(root.join("ARCHITECTURE.md")) else {
        wrong.push("ARCHITECTURE.md is missing".to_owned());
        return Ok(());
    };
    for entry in fs::read_dir(root.join("crates"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !map.contains(&format!("`{name}`")) && !map.contains(&format!("crates/{name}")) {
            wrong.push(format!("ARCHITECTURE.md does not name crates/{name}"));
        }
    }
    Ok(())
}

fn walk(root: &Path, folder: &Path, wrong: &mut Vec<String>) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    let paths: BTreeMap<PathBuf, String> = entries
        .map(|entry| entry.map(|entry| (entry.path(), entry.file_name().to_string_lossy().into_owned())))
        .collect::<Result<_, _>>()?;
    for (path, name) in paths {
        if SKIPPED.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, wrong)?;
        } else {
            file(root, &path, wrong)?;
        }
    }
    Ok(())
}

fn file(root: &Path, path: &Path, wrong: &mut Vec<String>) -> Result<()> {
    let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
    // What is no text has no words.
    let Ok(text) = String::from_utf8(fs::read(path)?) else { return Ok(()) };
    for parts in MACHINE_PATHS {
        for (number, line) in text.lines().enumerate() {
            let found = line.find(&parts.concat());
            // Behind a longer path, or the name of a host, it is no path of a machine.
            let begins =
                |at: usize| !line[..at].ends_with(|it: char| it.is_alphanumeric() || ".-_}>*".contains(it));
            if found.is_some_and(begins) {
                wrong.push(format!("{name}:{}: a path of one machine", number + 1));
            }
        }
    }
    if path.extension().is_some_and(|extension| extension == "rs") {
        source(&name, &text, wrong);
    }
    Ok(())
}

fn source(name: &str, text: &str, wrong: &mut Vec<String>) {
    if !text.starts_with("//!") {
        wrong.push(format!("{name}: begins without `//!`: what it is, what it is not, what it keeps true"));
    }
    let length = text.lines().count();
    if length > LONGEST && !LISTS.contains(&name) {
        wrong.push(format!("{name}: {length} lines; {LONGEST} are the most"));
    }
    // Tests at a file's end may tell why they have nothing to look at.
    let tests = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    for (parts, allowed, instead) in FORBIDDEN {
        let sought = parts.concat();
        let is_allowed = allowed.iter().any(|part| name.contains(part));
        for (at, _) in text.match_indices(&sought) {
            let is_word = !text[..at].ends_with(|it: char| it.is_alphanumeric() || it == '_');
            let is_output_of_test = *allowed == OUTPUT && at > tests;
            if is_word && !is_allowed && !is_output_of_test {
                let line = text[..at].lines().count();
                wrong.push(format!("{name}:{line}: `{sought}`: {instead}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_looked_at() {
        let check = |name: &str, text: &str, expected: &[&str]| {
            let mut wrong = Vec::new();
            source(name, text, &mut wrong);
            assert_eq!(wrong, expected, "{text}");
        };
        let printing = ["//! x\nfn f() {\n    print", "ln!();\n}\n"].concat();
        let told = ["crates/a/src/lib.rs:3: `print", "ln!(`: say it through `aloft`'s terminal"].concat();
        check("crates/a/src/lib.rs", &printing, &[&told]);
        check("crates/a/tests/lib.rs", &printing, &[]);
        check(
            "crates/a/src/lib.rs",
            "fn f() {}",
            &["crates/a/src/lib.rs: begins without `//!`: what it is, what it is not, what it keeps true"],
        );
    }
}
