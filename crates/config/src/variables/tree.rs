//! The variables of a whole configuration, by property path.

use super::parse::{self, Text};
use super::{Failure, text};
use indexmap::IndexMap;
use serde_json::Value;
use std::rc::Rc;

/// A property that holds variables.
#[derive(Clone, Debug)]
pub(super) struct Property {
    /// Its text, in whatever state of resolution.
    pub text: Text,
    /// Why it will never be resolved.
    pub failure: Option<Rc<Failure>>,
}

/// Properties by path: keys joined by NUL. In the order in which they were found.
pub(super) type Properties = IndexMap<String, Property>;

/// The properties below a value that hold variables, or what looks like one and is not.
pub(super) fn collect(value: &Value, path: &str, found: &mut Properties) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}\0{key}") };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| collect(value, &below(key), found)),
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, value)| collect(value, &below(&index.to_string()), found));
        }
        Value::String(raw) if raw.contains('$') => {
            let value = value.clone();
            match parse::parse(raw) {
                Ok(variables) if variables.is_empty() => {}
                Ok(variables) => {
                    let text = Text { value, variables, pieces: None };
                    found.insert(path.to_owned(), Property { text, failure: None });
                }
                Err(message) => {
                    let dotted = text::dotted(path);
                    let message = format!("Variable syntax error at \"{dotted}\": {message}");
                    let text = Text { value, ..Text::default() };
                    let failure = Some(Rc::new(Failure { message, path: dotted }));
                    found.insert(path.to_owned(), Property { text, failure });
                }
            }
        }
        _ => {}
    }
}

/// The value at a path, for writing.
pub(super) fn at_mut<'v>(value: &'v mut Value, path: &str) -> Option<&'v mut Value> {
    if path.is_empty() {
        return Some(value);
    }
    path.split('\0').try_fold(value, |value, key| match value {
        Value::Object(map) => map.get_mut(key),
        Value::Array(items) => items.get_mut(key.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Whether the path is this property, above it or below it.
pub(super) fn touches(path: &str, property: &str) -> bool {
    let is_below =
        |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('\0'));
    path == property || is_below(path, property) || is_below(property, path)
}
