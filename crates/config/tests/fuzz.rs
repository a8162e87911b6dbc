//! Variables meet text that nobody meant: whatever stands in a configuration, loading it ends, and does not panic.
//!
//! Deterministic: the seeds and their mutations are the same in every run. More rounds with `ALOFT_FUZZ=<rounds>`. Files are
//! named in the text, so that only the folder of the test is read; JavaScript is never run.

use aloft_base::Ids;
use aloft_config::LoadRequest;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What a mutation may put in: what means something in a variable.
const PIECES: &[&str] = &[
    "${",
    "}",
    ":",
    ",",
    ", ",
    "(",
    ")",
    "'",
    "\"",
    "\\",
    "\\${",
    "$",
    "{",
    ".",
    "~",
    "self:",
    "env:",
    "opt:",
    "sls:stage",
    "param:a",
    "file(a.yml)",
    "file(a.json):a.b",
    "strToBool(",
    "aws:region",
    "AWS::Region",
    "${self:}",
    "${self:a}",
    "${self:b, 'c'}",
    "null",
    "true",
    "0",
    "-1e5",
    " ",
    "\t",
    "\u{0}",
    "é",
    "😀",
    "custom",
    "length",
    "unknown:x",
    "${${",
];

const SEEDS: &[&str] = &[
    "${self:a}",
    "${self:b.c, self:a, 'x'}",
    "pre ${env:HOME, ''} mid ${opt:stage, \"dev\"} post",
    "${file(a.yml):${self:a}.b, file(a.json), null}",
    "${strToBool(${self:a, 'true'})}",
    "${param:a, ${param:b, 1}} \\${escaped} ${AWS::Region}",
    "${sls:instanceId}-${sls:stage}",
    "${self:custom.${self:a}.${self:b, 'c'}}",
    "${self:}",
];

/// Values of the corpus that hold variables, when it is there.
fn seeds() -> Vec<String> {
    let mut seeds: BTreeSet<String> = SEEDS.iter().map(|seed| (*seed).to_owned()).collect();
    let shared = std::env::var_os("ALOFT_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let folders = fs::read_dir(shared.join("corpus/probe")).into_iter().flatten().flatten();
    for folder in folders {
        let text = fs::read_to_string(folder.path().join("serverless.yml")).unwrap_or_default();
        let values = text.lines().filter_map(|line| line.split_once(": ")).map(|(_, value)| value.trim());
        seeds.extend(values.filter(|value| value.contains("${") && !value.contains("js")).map(str::to_owned));
    }
    seeds.into_iter().collect()
}

fn mutated(ids: &Ids, seed: &str) -> String {
    let mut text: Vec<char> = seed.chars().collect();
    let below = |bound: usize| usize::try_from(ids.below(bound as u64)).unwrap();
    for _ in 0..=ids.below(4) {
        let (first, second) = (below(text.len() + 1), below(text.len() + 1));
        let (start, end) = (first.min(second), first.max(second));
        match ids.below(5) {
            0 => drop(text.drain(start..end)),
            1 | 2 => drop(text.splice(start..start, PIECES[below(PIECES.len())].chars())),
            3 => {
                let piece = text[start..end].to_vec();
                drop(text.splice(start..start, piece.repeat(1 + below(8))));
            }
            _ => drop(text.splice(start..start, PIECES[below(PIECES.len())].repeat(1 + below(60)).chars())),
        }
    }
    text.truncate(4000);
    // A script would be run.
    text.into_iter().collect::<String>().replace("js", "j")
}

/// Loads a service with these values.
fn check(directory: &Path, values: &[String]) {
    let mut custom = serde_json::Map::new();
    for (name, value) in ["a", "b", "c", "dev"].iter().zip(values) {
        custom.insert((*name).to_owned(), value.as_str().into());
    }
    let service = serde_json::json!({
        "service": "s", "provider": { "name": "aws", "environment": custom }, "custom": custom, "params": { "default": custom },
        "a": values.first(), "functions": { "f": { "handler": "a.b", "description": values.last() } },
    });
    fs::write(directory.join("serverless.json"), service.to_string()).unwrap();
    fs::write(directory.join("a.json"), serde_json::Value::from(custom.clone()).to_string()).unwrap();
    fs::write(directory.join("a.yml"), serde_json::Value::from(custom).to_string()).unwrap();
    drop(aloft_config::load(LoadRequest::new(directory, "package")));
    drop(aloft_config::explain::explain(LoadRequest::new(directory, "explain"), "custom"));
}

#[test]
fn no_variable_is_too_much_for_the_resolver() {
    let rounds: u64 = std::env::var("ALOFT_FUZZ").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1200);
    let (seeds, ids) = (seeds(), Ids::seeded(0x_a10f7));
    let place = tempfile::tempdir().unwrap();
    let below = |bound: usize| usize::try_from(ids.below(bound as u64)).unwrap();
    for _ in 0..rounds {
        let values: Vec<String> = (0..4).map(|_| mutated(&ids, &seeds[below(seeds.len())])).collect();
        check(place.path(), &values);
    }
    for piece in PIECES {
        check(place.path(), &[piece.repeat(300), format!("${{{}}}", piece.repeat(300))]);
    }
    // It comes back in what it resolves to, twice and more at each turn: an explanation of it all would never end.
    let again = "${param::a, ${param:b, 1}} \\${escaped} $1}} \\${escaped} ${AWS::Region}";
    check(place.path(), &["${ se${".to_owned(), again.to_owned(), "${self:custom.b}".to_owned()]);
}
