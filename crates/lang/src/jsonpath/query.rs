//! Walks a document along the segments of a path.

use super::{JsonPathError, Segment, filter};
use serde_json::{Map, Value, json};

/// Spends one visit.
fn spend(budget: &mut usize) -> Result<(), JsonPathError> {
    *budget = budget.checked_sub(1).ok_or(JsonPathError::TooLarge)?;
    Ok(())
}

pub(super) fn run(
    segments: &[Segment],
    from: &Value,
    root: &Value,
    budget: &mut usize,
) -> Result<Option<Value>, JsonPathError> {
    // A function works on what the path before it gives, not on each of its parts.
    if let Some((Segment::Function(name), before)) = segments.split_last() {
        return Ok(run(before, from, root, budget)?.and_then(|value| apply(name, &value)));
    }
    let mut found = Vec::new();
    walk(segments, from, root, budget, &mut found)?;
    if segments.iter().any(is_indefinite) {
        return Ok(Some(Value::Array(found)));
    }
    Ok(found.pop())
}

fn is_indefinite(segment: &Segment) -> bool {
    match segment {
        Segment::Child(_) | Segment::Children(_) | Segment::Index(_) | Segment::Function(_) => false,
        Segment::Indexes(_)
        | Segment::Slice(..)
        | Segment::Wildcard
        | Segment::DeepScan
        | Segment::Filter(_) => true,
    }
}

fn walk(
    segments: &[Segment],
    value: &Value,
    root: &Value,
    budget: &mut usize,
    found: &mut Vec<Value>,
) -> Result<(), JsonPathError> {
    spend(budget)?;
    let Some((segment, rest)) = segments.split_first() else {
        // A copy costs what it holds.
        spend_size(value, budget)?;
        found.push(value.clone());
        return Ok(());
    };
    match segment {
        Segment::Child(name) => match value.get(name) {
            Some(child) => walk(rest, child, root, budget, found),
            None => Ok(()),
        },
        Segment::Children(names) => {
            let Some(map) = value.as_object() else { return Ok(()) };
            let part: Map<String, Value> =
                names.iter().filter_map(|name| Some((name.clone(), map.get(name)?.clone()))).collect();
            walk(rest, &Value::Object(part), root, budget, found)
        }
        Segment::Index(index) => match element(value, *index) {
            Some(child) => walk(rest, child, root, budget, found),
            None => Ok(()),
        },
        Segment::Indexes(indexes) => {
            for child in indexes.iter().filter_map(|index| element(value, *index)) {
                walk(rest, child, root, budget, found)?;
            }
            Ok(())
        }
        Segment::Slice(from, to, step) => {
            let all = value.as_array().map(Vec::as_slice).unwrap_or_default();
            let length = all.len() as i64;
            let bound =
                |index: i64| if index < 0 { (index + length).max(0) } else { index.min(length) } as usize;
            let (from, to) = (bound(from.unwrap_or(0)), bound(to.unwrap_or(length)));
            let step = usize::try_from(*step).unwrap_or(usize::MAX);
            for child in all.get(from..to).unwrap_or_default().iter().step_by(step) {
                walk(rest, child, root, budget, found)?;
            }
            Ok(())
        }
        Segment::Wildcard => {
            for child in children(value) {
                walk(rest, child, root, budget, found)?;
            }
            Ok(())
        }
        Segment::DeepScan => {
            walk(rest, value, root, budget, found)?;
            for child in children(value) {
                walk(segments, child, root, budget, found)?;
            }
            Ok(())
        }
        Segment::Filter(predicate) => {
            let candidates = if value.is_array() { children(value) } else { vec![value] };
            for candidate in candidates {
                if predicate.accepts(candidate, root, budget)? {
                    walk(rest, candidate, root, budget, found)?;
                }
            }
            Ok(())
        }
        // Functions stand last and were taken off; one in the middle selects nothing.
        Segment::Function(_) => Ok(()),
    }
}

fn spend_size(value: &Value, budget: &mut usize) -> Result<(), JsonPathError> {
    for child in children(value) {
        spend(budget)?;
        spend_size(child, budget)?;
    }
    Ok(())
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(all) => all.iter().collect(),
        Value::Object(map) => map.values().collect(),
        _ => Vec::new(),
    }
}

fn element(value: &Value, index: i64) -> Option<&Value> {
    let all = value.as_array()?;
    let index = if index < 0 { index.checked_add(all.len() as i64)? } else { index };
    all.get(usize::try_from(index).ok()?)
}

fn apply(name: &str, value: &Value) -> Option<Value> {
    let numbers = || -> Option<Vec<f64>> {
        let all: Vec<f64> = value.as_array()?.iter().filter_map(Value::as_f64).collect();
        (!all.is_empty()).then_some(all)
    };
    match name {
        "length" | "size" => filter::length(value).map(|length| json!(length)),
        "keys" => value.as_object().map(|map| json!(map.keys().collect::<Vec<_>>())),
        "first" => value.as_array()?.first().cloned(),
        "last" => value.as_array()?.last().cloned(),
        "min" => numbers()?.into_iter().reduce(f64::min).map(|number| json!(number)),
        "max" => numbers()?.into_iter().reduce(f64::max).map(|number| json!(number)),
        "sum" => numbers().map(|all| json!(all.iter().sum::<f64>())),
        "avg" => numbers().map(|all| json!(all.iter().sum::<f64>() / all.len() as f64)),
        _ => None,
    }
}
