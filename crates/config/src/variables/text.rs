//! Values as text, and property paths as people write them.

use serde_json::Value;

/// The text that JavaScript makes of a value within a string; none for null and objects. Lists are joined by commas.
pub(super) fn coerce(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Object(_) => None,
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(aloft_yaml::number_text(number)),
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            let item = |item: &Value| match item {
                Value::Null => String::new(),
                Value::Object(_) => "[object Object]".to_owned(),
                item => coerce(item).unwrap_or_default(),
            };
            Some(items.iter().map(item).collect::<Vec<_>>().join(","))
        }
    }
}

/// `a.b.0` of keys joined by NUL.
pub(super) fn dotted(path: &str) -> String {
    path.replace('\0', ".")
}

/// What a value holds at the end of these keys, as in JavaScript; none for what is undefined.
pub(super) fn member(value: &Value, keys: &[&str]) -> Option<Value> {
    let Some((key, rest)) = keys.split_first() else { return Some(value.clone()) };
    match value {
        Value::Object(map) => member(map.get(*key)?, rest),
        Value::Array(items) if *key == "length" => member(&Value::from(items.len()), rest),
        Value::String(text) if *key == "length" => member(&Value::from(text.encode_utf16().count()), rest),
        Value::Array(items) => {
            let index = key.parse::<usize>().ok().filter(|index| index.to_string() == *key)?;
            member(items.get(index)?, rest)
        }
        _ => None,
    }
}

/// About how many bytes a value takes.
pub(crate) fn size(value: &Value) -> usize {
    8 + match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(map) => map.iter().map(|(key, value)| key.len() + size(value)).sum(),
        _ => 0,
    }
}
