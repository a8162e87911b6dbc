//! What differs between two values, each difference with its path.
//!
//! Knows templates only so far: an intrinsic function is one value, and lists are compared by the names of their items, or
//! as a whole regardless of what was inserted where.

use serde_json::{Map, Value};
use std::collections::HashSet;

/// One difference. Of a path's steps those in brackets pick an item of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where.
    pub path: Vec<String>,
    /// What was there.
    pub before: Option<Value>,
    /// What is there now.
    pub after: Option<Value>,
}

/// Members by which items of a list are known.
const NAMES: &[&str] =
    &["Key", "Name", "AttributeName", "IndexName", "PolicyName", "Sid", "Id", "ParameterKey"];

/// All differences.
pub fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(before, after, &mut Vec::new(), &mut found);
    found
}

/// The path as text: `Tags[STAGE].Value`.
pub fn dotted(path: &[String]) -> String {
    let mut text = String::new();
    for step in path {
        if !text.is_empty() && !step.starts_with('[') {
            text.push('.');
        }
        text.push_str(step);
    }
    text
}

/// Whether an object is a function of CloudFormation, such as `{"Ref": ...}`.
pub fn is_intrinsic(value: &Map<String, Value>) -> bool {
    value.len() == 1 && value.keys().all(|key| key == "Ref" || key == "Condition" || key.starts_with("Fn::"))
}

/// Equal as CloudFormation sees it, where all scalars are text.
fn is_equal(before: &Value, after: &Value) -> bool {
    let scalar = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number_text(number)),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    };
    before == after
        || match (before, after) {
            (Value::Object(left), Value::Object(right)) => {
                left.len() == right.len()
                    && left
                        .iter()
                        .all(|(key, value)| right.get(key).is_some_and(|other| is_equal(value, other)))
            }
            (Value::Array(left), Value::Array(right)) => {
                left.len() == right.len() && left.iter().zip(right).all(|(left, right)| is_equal(left, right))
            }
            _ => scalar(before).zip(scalar(after)).is_some_and(|(before, after)| before == after),
        }
}

/// `6.0` is `6`.
fn number_text(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9e15 => format!("{float:.0}"),
        _ => number.to_string(),
    }
}

fn compare(before: &Value, after: &Value, path: &mut Vec<String>, found: &mut Vec<Difference>) {
    if is_equal(before, after) {
        return;
    }
    match (before, after) {
        (Value::Object(left), Value::Object(right)) if !is_intrinsic(left) && !is_intrinsic(right) => {
            for (key, value) in left {
                let other = right.get(key);
                step(key.clone(), Some(value), other, path, found);
            }
            for (key, value) in right.iter().filter(|(key, _)| !left.contains_key(*key)) {
                step(key.clone(), None, Some(value), path, found);
            }
        }
        (Value::Array(left), Value::Array(right)) => lists(left, right, path, found),
        _ => found.push(Difference {
            path: path.clone(),
            before: Some(before.clone()),
            after: Some(after.clone()),
        }),
    }
}

fn step(
    name: String,
    before: Option<&Value>,
    after: Option<&Value>,
    path: &mut Vec<String>,
    found: &mut Vec<Difference>,
) {
    path.push(name);
    match (before, after) {
        (Some(before), Some(after)) => compare(before, after, path, found),
        _ => found.push(Difference { path: path.clone(), before: before.cloned(), after: after.cloned() }),
    }
    path.pop();
}

fn lists(left: &[Value], right: &[Value], path: &mut Vec<String>, found: &mut Vec<Difference>) {
    let start = found.len();
    if let Some(name) = NAMES.iter().find(|name| are_named(left, name) && are_named(right, name)) {
        let item = |items: &'_ [Value], wanted: &str| {
            items.iter().find(|item| item[*name].as_str() == Some(wanted)).cloned()
        };
        for value in left {
            let wanted = value[*name].as_str().unwrap_or_default();
            step(format!("[{wanted}]"), Some(value), item(right, wanted).as_ref(), path, found);
        }
        for value in right {
            let wanted = value[*name].as_str().unwrap_or_default();
            if item(left, wanted).is_none() {
                step(format!("[{wanted}]"), None, Some(value), path, found);
            }
        }
    } else {
        // Items that are on both sides are no difference, wherever they stand.
        let mut rest: Vec<(usize, &Value)> = right.iter().enumerate().collect();
        let mut gone: Vec<(usize, &Value)> = Vec::new();
        for (index, item) in left.iter().enumerate() {
            match rest.iter().position(|(_, other)| is_equal(item, other)) {
                Some(at) => drop(rest.remove(at)),
                None => gone.push((index, item)),
            }
        }
        if gone.len() == rest.len() {
            for ((index, before), (_, after)) in gone.iter().zip(&rest) {
                step(format!("[{index}]"), Some(before), Some(after), path, found);
            }
        } else {
            for (index, before) in gone {
                step(format!("[{index}]"), Some(before), None, path, found);
            }
            for (index, after) in rest {
                step(format!("[{index}]"), None, Some(after), path, found);
            }
        }
    }
    if found.len() == start {
        // The same items in another order.
        let whole = |items: &[Value]| Some(Value::Array(items.to_vec()));
        found.push(Difference { path: path.clone(), before: whole(left), after: whole(right) });
    }
}

/// Whether all items are objects with a name of their own.
fn are_named(items: &[Value], name: &str) -> bool {
    let mut seen = HashSet::new();
    items.iter().all(|item| item.get(name).and_then(Value::as_str).is_some_and(|name| seen.insert(name)))
}
