//! The expressions of DynamoDB: conditions and filters, key conditions, updates and projections.
//!
//! Works on items in wire form (`{"id": {"S": "x"}}`) and knows nothing of tables, requests or storage. Messages are
//! the service's own, ready for a `ValidationException`.
//! Keeps true: parsing and applying never panic, whatever the text, the placeholders or the item.
//! Source: "Expressions in DynamoDB" in the developer guide, and messages observed by others' conformance tests.

mod condition;
mod key_condition;
mod lexer;
pub mod number;
mod parser;
mod path;
mod projection;
mod reserved;
#[cfg(test)]
mod tests;
mod update;
pub mod value;

pub use condition::Condition;
pub use key_condition::{KeyCondition, SortCondition};
pub use path::{Path, Step};
pub use projection::Projection;
pub use update::Update;

use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// An item, or placeholders: names to attribute values.
pub type Item = Map<String, Value>;

/// The message of a `ValidationException`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    message: String,
}

impl ExpressionError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    /// The service's text.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// The placeholders that an expression uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// With their `#`.
    pub names: BTreeSet<String>,
    /// With their `:`.
    pub values: BTreeSet<String>,
}

/// Checks the placeholders of a request by themselves, before its expressions are parsed. `None` is a parameter that
/// the request does not have.
///
/// # Errors
/// One of them is empty, has a malformed key, or holds a malformed value.
pub fn check_placeholders(names: Option<&Item>, values: Option<&Item>) -> Result<(), ExpressionError> {
    let maps = [("ExpressionAttributeNames", '#', names), ("ExpressionAttributeValues", ':', values)];
    for (what, mark, map) in maps {
        let Some(map) = map else { continue };
        if map.is_empty() {
            return Err(ExpressionError::new(format!("{what} must not be empty")));
        }
        let fits = |key: &str| {
            let word = key.strip_prefix(mark).unwrap_or_default();
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if let Some(key) = map.keys().find(|key| !fits(key)) {
            return Err(ExpressionError::new(format!(
                "{what} contains invalid key: Syntax error; key: \"{key}\""
            )));
        }
    }
    for (key, value) in values.into_iter().flatten() {
        value::check(value).map_err(|error| {
            ExpressionError::new(format!(
                "ExpressionAttributeValues contains invalid value: {error} for key {key}"
            ))
        })?;
    }
    Ok(())
}

/// Refuses placeholders that none of a request's expressions uses.
///
/// # Errors
/// `Value provided in ExpressionAttributeNames unused in expressions: keys: {#x}`, and the same for values.
pub fn check_all_used(names: &Item, values: &Item, used: &[&Used]) -> Result<(), ExpressionError> {
    let unused = |map: &Item, is_used: &dyn Fn(&Used, &str) -> bool| {
        let keys = map.keys().filter(|key| !used.iter().any(|each| is_used(each, key)));
        keys.cloned().collect::<Vec<_>>().join(", ")
    };
    let checks = [
        ("ExpressionAttributeNames", unused(names, &|used, key| used.names.contains(key))),
        ("ExpressionAttributeValues", unused(values, &|used, key| used.values.contains(key))),
    ];
    match checks.iter().find(|(_, keys)| !keys.is_empty()) {
        None => Ok(()),
        Some((what, keys)) => Err(ExpressionError::new(format!(
            "Value provided in {what} unused in expressions: keys: {{{keys}}}"
        ))),
    }
}
