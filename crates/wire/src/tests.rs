//! Tests across the crate.

mod models;
mod protocols;
mod random;

use serde_json::Value;
use std::path::Path;

/// Reads a file of recorded vectors; says so and gives nothing when they are not there.
pub(crate) fn vectors(name: &str) -> Option<Value> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("ALOFT_SHARED").map_or(beside, Into::into);
    let file = shared.join("vectors").join(name);
    let Ok(text) = std::fs::read_to_string(&file) else {
        eprintln!("{} is absent: skipped", file.display());
        return None;
    };
    Some(serde_json::from_str(&text).expect("JSON"))
}
