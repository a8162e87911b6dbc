//! Whether all that is built in comes under a licence that `deny.toml` allows.
//!
//! The same list and the same rule as `cargo deny check licenses`, which need not be installed for it. Keeps true: a crate
//! without a licence expression, or with one that the list does not satisfy, is told by name.

use crate::shell;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

/// Looks at every crate of this platform's build.
pub fn check() -> Result<()> {
    let list = fs::read_to_string(shell::root().join("deny.toml")).context("cannot read deny.toml")?;
    let allowed = allowed(&list).context("deny.toml has no list `allow`")?;
    let version = shell::read(shell::command("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    // What only a feature builds in counts, too.
    let arguments =
        ["metadata", "--locked", "--all-features", "--format-version", "1", "--filter-platform", host];
    let metadata: Value = serde_json::from_str(&shell::read(&mut shell::cargo(&arguments))?)?;
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().context("no packages")? {
        let licence = package["license"].as_str().unwrap_or_default();
        if !is_satisfied(licence, &allowed) {
            let name = package["name"].as_str().unwrap_or_default();
            wrong.push(format!("{name}: `{licence}`"));
        }
    }
    ensure!(wrong.is_empty(), "licences that deny.toml does not allow:\n  {}", wrong.join("\n  "));
    Ok(())
}

/// The texts of `allow = [...]`.
fn allowed(list: &str) -> Option<BTreeSet<&str>> {
    let (_, rest) = list.split_once("\nallow = [")?;
    let (inside, _) = rest.split_once(']')?;
    Some(inside.split('"').skip(1).step_by(2).collect())
}

/// Whether a licence expression of SPDX, or its older form with slashes, can be satisfied by what is allowed.
fn is_satisfied(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut place = 0;
    let satisfied = any(&words, &mut place, allowed);
    satisfied && place == words.len()
}

fn any(words: &[&str], place: &mut usize, allowed: &BTreeSet<&str>) -> bool {
    let mut satisfied = all(words, place, allowed);
    while words.get(*place) == Some(&"OR") {
        *place += 1;
        satisfied |= all(words, place, allowed);
    }
    satisfied
}

fn all(words: &[&str], place: &mut usize, allowed: &BTreeSet<&str>) -> bool {
    let mut satisfied = one(words, place, allowed);
    while words.get(*place) == Some(&"AND") {
        *place += 1;
        satisfied &= one(words, place, allowed);
    }
    satisfied
}

fn one(words: &[&str], place: &mut usize, allowed: &BTreeSet<&str>) -> bool {
    let Some(word) = words.get(*place) else { return false };
    *place += 1;
    if *word == "(" {
        let satisfied = any(words, place, allowed);
        let is_closed = words.get(*place) == Some(&")");
        *place += 1;
        return satisfied && is_closed;
    }
    if words.get(*place) != Some(&"WITH") {
        return allowed.contains(word);
    }
    let exception = words.get(*place + 1).copied().unwrap_or_default();
    *place += 2;
    allowed.contains(format!("{word} WITH {exception}").as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_weighed() {
        let allowed =
            allowed("[licenses]\nallow = [\n  \"MIT\", # short\n  \"ISC\",\n  \"A WITH e\",\n]\n").unwrap();
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("GPL-3.0 OR MIT", true),
            ("Unlicense/MIT", true),
            ("MIT AND GPL-3.0", false),
            ("MIT AND ISC", true),
            ("(GPL-3.0 OR ISC) AND MIT", true),
            ("GPL-3.0 OR ISC AND BSD-2-Clause", false),
            ("A WITH e OR GPL-3.0", true),
            ("A WITH f", false),
            ("A", false),
            ("(MIT", false),
            ("MIT ISC", false),
            ("", false),
        ] {
            assert_eq!(is_satisfied(expression, &allowed), expected, "{expression}");
        }
    }
}
