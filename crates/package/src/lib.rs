//! What goes into a zip, and deterministic zips: the same input gives the same bytes.
//!
//! Knows no provider: it reads `package`, `functions.*.package`, `layers` and the files of the service. Runs no other
//! program. Keeps true: the files chosen are those that the original framework (3.40.0) chooses.

mod artifacts;
mod glob;
mod handlers;
mod npm;
mod sdks;
mod select;
mod source;
mod zip;

pub use artifacts::{Artifact, Artifacts, package, package_function};
pub use glob::Glob;
pub use sdks::{Sdk, sdks_asked_for};
pub use select::{Selection, select};
pub use source::S3Location;
pub use zip::{ZipEntry, write_zip, write_zip_of};

use aloft_diag::Diagnostic;
use serde_json::{Map, Value};

/// The text under a key.
fn text<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    map.get(key).and_then(Value::as_str)
}

/// The texts of a list under a key; what is no text is left out.
fn texts(map: &Map<String, Value>, key: &str) -> Vec<String> {
    map.get(key)
        .and_then(Value::as_array)
        .map(|list| list.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
        .unwrap_or_default()
}

/// `key: true` and what JavaScript takes for it.
fn flag(map: &Map<String, Value>, key: &str) -> bool {
    match map.get(key) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(_) => true,
    }
}

fn object<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Map<String, Value>> {
    map.get(key).and_then(Value::as_object)
}

/// Reading or writing a file failed.
fn io_error(action: &str, path: &std::path::Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::error("FILE_ACCESS_FAILED", format!("cannot {action} {}: {error}", path.display()))
}
