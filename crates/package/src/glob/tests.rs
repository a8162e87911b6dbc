//! The answers of micromatch 4.0.8 with `{ dot: true }` to a table of patterns and paths.

use super::Glob;
use serde_json::Value;

#[test]
fn agrees_with_micromatch() {
    let table: Value = serde_json::from_str(include_str!("../../tests/micromatch.json")).unwrap();
    let paths: Vec<&str> = table["paths"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let mut wrong = Vec::new();
    for (pattern, expected) in table["cases"].as_object().unwrap() {
        let glob = Glob::new(pattern);
        let expected: Vec<&str> = expected.as_array().unwrap().iter().filter_map(Value::as_str).collect();
        for path in &paths {
            if glob.is_match(path) != expected.contains(path) {
                wrong.push(format!("{pattern} on {path}: expected {}", expected.contains(path)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn directories_that_can_be_left_out() {
    assert!(Glob::new("node_modules/**").covers("node_modules"));
    assert!(Glob::new("**/node_modules/**").covers("a/node_modules"));
    assert!(Glob::new("**").covers("a/b"));
    assert!(!Glob::new("src/*.js").covers("src"));
    assert!(Glob::new("src/a/*.js").reaches_into("src"));
    assert!(!Glob::new("src/a/*.js").reaches_into("lib"));
    assert!(Glob::new("**/*.py").reaches_into("lib"));
}
