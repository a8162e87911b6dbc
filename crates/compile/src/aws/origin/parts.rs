//! Parts of a configuration by their paths, and resources that are alike but for their numbers.

use crate::aws::plan::diff::is_intrinsic;
use crate::aws::plan::identity::stable;
use serde_json::{Map, Value};

/// Parts that people think of as one: a function, an event, a resource, a layer, a setting of the provider.
pub fn is_unit(path: &[String]) -> bool {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    match names[..] {
        ["functions"] | ["functions", _] | ["functions", _, "events"] | ["functions", _, "events", _] => true,
        ["functions", _, setting] => setting != "events" && setting != "handler",
        ["functions", ..] => false,
        ["resources", ..] => names.len() <= 3,
        ["layers", ..] => names.len() <= 2,
        _ => true,
    }
}

/// Whether a value holds this text as a key or as a whole text.
pub fn mentions(value: &Value, text: &str) -> bool {
    match value {
        Value::String(value) => value == text,
        Value::Array(items) => items.iter().any(|item| mentions(item, text)),
        Value::Object(map) => map.iter().any(|(key, value)| key == text || mentions(value, text)),
        _ => false,
    }
}

/// The paths of the members of a map or a list.
pub fn members(config: &Map<String, Value>, path: &[String]) -> Vec<Vec<String>> {
    let below = |key: String| path.iter().cloned().chain([key]).collect();
    let value = path.split_first().and_then(|(first, rest)| {
        rest.iter().try_fold(config.get(first)?, |value, key| match value {
            Value::Object(map) => map.get(key),
            Value::Array(items) => items.get(key.parse::<usize>().ok()?),
            _ => None,
        })
    });
    match value {
        Some(Value::Object(map)) if !is_intrinsic(map) => map.keys().cloned().map(below).collect(),
        Some(Value::Array(items)) => (0..items.len()).map(|index| below(index.to_string())).collect(),
        _ => Vec::new(),
    }
}

/// Takes a part out; an item of a list leaves null behind, so that the others keep their places.
pub fn remove(config: &mut Map<String, Value>, path: &[String]) {
    let Some((last, parents)) = path.split_last() else { return };
    let Some((first, rest)) = parents.split_first() else {
        config.shift_remove(last);
        return;
    };
    let parent = config.get_mut(first).and_then(|value| {
        rest.iter().try_fold(value, |value, key| match value {
            Value::Object(map) => map.get_mut(key),
            Value::Array(items) => items.get_mut(key.parse::<usize>().ok()?),
            _ => None,
        })
    });
    match parent {
        Some(Value::Object(map)) => drop(map.shift_remove(last)),
        Some(Value::Array(items)) => {
            if let Some(item) = last.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
                *item = Value::Null;
            }
        }
        _ => {}
    }
}

/// Resources whose ids differ from this one's in the number at the end alone, numbers left out.
pub fn neighbours(resources: &Map<String, Value>, id: &str) -> Vec<Value> {
    let base = |id: &str| id.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let stem = &id[..base(id)];
    let is_one = |other: &&String| *other != id && &other[..base(other)] == stem && base(id) < id.len();
    resources.iter().filter(|(other, _)| is_one(other)).map(|(_, value)| anonymous(&stable(value))).collect()
}

/// How many resources look like this one, numbers left out.
pub fn alike(resources: &Map<String, Value>, anonymous_resource: &Value) -> usize {
    resources.values().filter(|other| anonymous(&stable(other)) == *anonymous_resource).count()
}

/// A resource without the numbers in the ids that it refers to, which depend on its neighbours.
pub fn anonymous(value: &Value) -> Value {
    let letters = |text: &str| Value::from(text.replace(|c: char| c.is_ascii_digit(), ""));
    match value {
        Value::Object(map) => {
            let member = |(key, value): (&String, &Value)| {
                let value = match (key.as_str(), value) {
                    ("Ref", Value::String(text)) => letters(text),
                    ("Fn::GetAtt", Value::Array(items)) => {
                        items.iter().map(|item| item.as_str().map_or_else(|| item.clone(), letters)).collect()
                    }
                    (_, value) => anonymous(value),
                };
                (key.clone(), value)
            };
            Value::Object(map.iter().map(member).collect())
        }
        Value::Array(items) => items.iter().map(anonymous).collect(),
        other => other.clone(),
    }
}
