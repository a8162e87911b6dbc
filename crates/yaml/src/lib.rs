//! YAML as the original framework reads and writes it: YAML 1.2 core scalars as js-yaml 4 sees them, dates, merge keys,
//! and the short tags of CloudFormation turned into their long forms.
//!
//! A tree with the place of every value; no IO. Keeps true: no input makes it panic, nest without bound or grow without bound.

mod emit;
mod number;
mod parse;
mod scalar;
mod tags;

pub use emit::emit;
pub use number::{integral, number_text};
pub use parse::parse;

use aloft_diag::Span;
use serde_json::Value;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where.
    pub span: Span,
    /// What.
    pub kind: Kind,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A scalar; dates are strings in ISO 8601, numbers are what JavaScript makes of them.
    Scalar(Value),
    /// A list.
    Sequence(Vec<Node>),
    /// A map, in the text's order.
    Mapping(Vec<Entry>),
}

/// One entry of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key as text.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The plain value, keys in the text's order; see [`javascript_order`].
    pub fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::Sequence(items) => items.iter().map(Self::to_value).collect(),
            Kind::Mapping(entries) => {
                let entry = |entry: &Entry| (entry.key.clone(), entry.value.to_value());
                Value::Object(entries.iter().map(entry).collect())
            }
        }
    }
}

/// The value with the keys of its maps in JavaScript's order: array indices first, ascending.
pub fn javascript_order(mut value: Value) -> Value {
    order(&mut value);
    value
}

fn order(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(order),
        Value::Object(map) => {
            if map.keys().any(|key| index_key(key).is_some()) {
                let mut entries: Vec<(String, Value)> = std::mem::take(map).into_iter().collect();
                entries.sort_by_key(|(key, _)| index_key(key).unwrap_or(u32::MAX));
                map.extend(entries);
            }
            map.values_mut().for_each(order);
        }
        _ => {}
    }
}

/// The number that a key stands for when JavaScript would treat it as an array index.
fn index_key(key: &str) -> Option<u32> {
    let canonical = key == "0" || (!key.starts_with('0') && key.bytes().all(|byte| byte.is_ascii_digit()));
    if canonical { key.parse().ok().filter(|index| *index < u32::MAX) } else { None }
}

#[cfg(test)]
mod tests;
