//! The YAML reader meets text that nobody meant: whatever is read, it ends, and it does not panic.
//!
//! Deterministic: the seeds and their mutations are the same in every run. More rounds with `ALOFT_FUZZ=<rounds>`.

use aloft_base::Ids;
use aloft_diag::SourceMap;
use std::path::{Path, PathBuf};

/// What a mutation may put in: what means something in YAML.
const PIECES: &[&str] = &[
    ":",
    "- ",
    "\n",
    "\n  ",
    "\t",
    "\"",
    "'",
    "[",
    "]",
    "{",
    "}",
    ",",
    "&a ",
    "*a",
    "<<: *a",
    "!Ref ",
    "!Sub [",
    "!GetAtt a.b",
    "!!binary ",
    "!<tag:x> ",
    "|\n",
    ">-\n ",
    "#",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "? ",
    "~",
    "0x",
    "1e999",
    "-.inf",
    "2001-01-01",
    "\u{feff}",
    "\u{0}",
    "\u{85}",
    "\\u12",
    "é",
    "😀",
    "${self:a}",
    "null",
    "true",
    "@",
    "`",
];

/// Services of this repository, and of the corpus when it is there.
fn seeds() -> Vec<String> {
    let mut seeds: Vec<String> = [
        "a: 1\nb: [1, 2, {c: d}]\n",
        "a: &x {b: 1}\nc:\n  <<: *x\n  d: |\n    text\n     more\n  e: >-\n    folded\n",
        "- !Ref a\n- !Sub '${b}'\n- !GetAtt [a, b]\n- ? complex\n  : key\n",
        "\"quoted \\u00e9\\n\": 'single ''quoted'''\n? [a, b]\n: 2001-12-14t21:59:43.10-05:00\n",
    ]
    .map(str::to_owned)
    .to_vec();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared = std::env::var_os("ALOFT_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    for (folder, most) in
        [(root.join("examples"), 20), (shared.join("corpus/probe"), 60), (shared.join("corpus/docs"), 60)]
    {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        let mut files: Vec<PathBuf> =
            entries.flatten().map(|entry| entry.path().join("serverless.yml")).collect();
        files.sort();
        let step = (files.len() / most).max(1);
        seeds.extend(files.iter().step_by(step).filter_map(|file| std::fs::read_to_string(file).ok()));
    }
    seeds
}

fn mutated(ids: &Ids, seed: &str, others: &[String]) -> String {
    let mut bytes = seed.as_bytes().to_vec();
    let place = |length: usize| usize::try_from(ids.below(length as u64 + 1)).unwrap();
    for _ in 0..=ids.below(6) {
        let (start, end) = (place(bytes.len()), place(bytes.len()));
        let (start, end) = (start.min(end), start.max(end).min(start.min(end) + 40));
        match ids.below(7) {
            0 => drop(bytes.drain(start..end)),
            1 => bytes.splice(start..start, PIECES[place(PIECES.len() - 1)].bytes()).for_each(drop),
            2 => {
                let piece = bytes[start..end].to_vec();
                drop(bytes.splice(start..start, piece.repeat(1 + place(20))));
            }
            3 => {
                let other = others[place(others.len() - 1)].as_bytes();
                let from = place(other.len());
                drop(bytes.splice(start..end, other[from..(from + 60).min(other.len())].to_vec()));
            }
            4 if start < bytes.len() => bytes[start] = u8::try_from(ids.below(256)).unwrap(),
            5 => bytes.truncate(end),
            _ => {
                drop(bytes.splice(
                    start..start,
                    PIECES[place(PIECES.len() - 1)].repeat(1 + place(200)).into_bytes(),
                ))
            }
        }
    }
    bytes.truncate(64 * 1024);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads, and if it can be read, writes it and reads it again: the same has to come out.
fn check(text: &str) {
    let read = |text: &str| {
        let mut sources = SourceMap::default();
        let source = sources.add("serverless.yml", text);
        aloft_yaml::parse(source, text).map(|node| node.to_value())
    };
    let Ok(value) = read(text) else { return };
    let written = aloft_yaml::emit(&value);
    if let Err(error) = read(&written) {
        panic!("{text:?}\nis written as\n{written}\nwhich cannot be read: {}", error.message);
    }
}

#[test]
fn no_text_is_too_much_for_the_reader() {
    let rounds: u64 = std::env::var("ALOFT_FUZZ").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(4000);
    let (seeds, ids) = (seeds(), Ids::seeded(0x_a10f7));
    for round in 0..rounds {
        let seed = &seeds[usize::try_from(round).unwrap() % seeds.len()];
        check(&mutated(&ids, seed, &seeds));
    }
    for piece in PIECES {
        for count in [1, 100, 5000] {
            check(&piece.repeat(count));
        }
    }
}
