//! The variables of a whole configuration, by property path.

use super::parse::{self, Text};
use super::{Failure, text};
use indexmap::IndexMap;
use serde_json::Value;
use std::fmt::{Display, Write};
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
#[derive(Default)]
pub(super) struct Properties {
    /// One that was taken out leaves its place empty: to close the gap, all behind it would have to move.
    places: IndexMap<String, Option<Property>>,
    count: usize,
}

impl Properties {
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = (&String, &Property)> {
        self.places.iter().filter_map(|(path, property)| Some((path, property.as_ref()?)))
    }

    pub fn paths(&self) -> impl Iterator<Item = &String> {
        self.iter().map(|(path, _)| path)
    }

    pub fn contains(&self, path: &str) -> bool {
        self.get(path).is_some()
    }

    pub fn get(&self, path: &str) -> Option<&Property> {
        self.places.get(path)?.as_ref()
    }

    pub fn get_mut(&mut self, path: &str) -> Option<&mut Property> {
        self.places.get_mut(path)?.as_mut()
    }

    pub fn insert(&mut self, path: String, property: Property) {
        if self.places.insert(path, Some(property)).flatten().is_none() {
            self.count += 1;
        }
    }

    pub fn remove(&mut self, path: &str) {
        if self.places.get_mut(path).and_then(Option::take).is_some() {
            self.count -= 1;
        }
    }

    /// Closes the gaps.
    pub fn compact(&mut self) {
        self.places.retain(|_, property| property.is_some());
    }
}

impl IntoIterator for Properties {
    type Item = (String, Property);
    type IntoIter = Box<dyn Iterator<Item = Self::Item>>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.places.into_iter().filter_map(|(path, property)| Some((path, property?))))
    }
}

/// The properties below a value that hold variables, or what looks like one and is not.
pub(super) fn collect(value: &Value, path: &str, found: &mut Properties) {
    collect_below(value, &mut path.to_owned(), found);
}

fn collect_below(value: &Value, path: &mut String, found: &mut Properties) {
    let mut below = |key: &dyn Display, value: &Value| {
        let length = path.len();
        let separator = if path.is_empty() { "" } else { "\0" };
        // Writing to a text does not fail.
        let _ = write!(path, "{separator}{key}");
        collect_below(value, path, found);
        path.truncate(length);
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| below(key, value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, value)| below(&index, value)),
        Value::String(raw) if raw.contains('$') => {
            let value = value.clone();
            match parse::parse(raw) {
                Ok(variables) if variables.is_empty() => {}
                Ok(variables) => {
                    let text = Text { value, variables, pieces: None };
                    found.insert(path.clone(), Property { text, failure: None });
                }
                Err(message) => {
                    let dotted = text::dotted(path);
                    let message = format!("Variable syntax error at \"{dotted}\": {message}");
                    let text = Text { value, ..Text::default() };
                    let failure = Some(Rc::new(Failure { message, path: dotted }));
                    found.insert(path.clone(), Property { text, failure });
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
