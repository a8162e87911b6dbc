//! What is replaced changes what refers to it, though the text of the reference stays.

use super::identity::Resource;
use super::replacement::{self, Effect};
use super::{Action, Change, PropertyChange, new_change};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Adds to the changes what follows from replaced resources, until nothing follows any more.
pub fn propagate(new: &[Resource<'_>], pairs: &BTreeMap<usize, usize>, changes: &mut Vec<(usize, Change)>) {
    let replaced =
        |(_, change): &(usize, Change)| (change.action == Action::Replace).then(|| change.logical_id.clone());
    let mut waiting: Vec<String> = changes.iter().filter_map(replaced).collect();
    if waiting.is_empty() {
        return;
    }
    let references: Vec<(usize, &String, BTreeSet<String>)> = pairs
        .keys()
        .flat_map(|&index| {
            let properties = new[index].value.get("Properties").and_then(Value::as_object);
            properties.into_iter().flatten().map(move |(name, value)| (index, name, referred(value)))
        })
        .filter(|(_, _, ids)| !ids.is_empty())
        .collect();
    let mut done: HashSet<String> = HashSet::new();
    while let Some(id) = waiting.pop() {
        if !done.insert(id.clone()) {
            continue;
        }
        for (index, name, _) in references.iter().filter(|(_, _, ids)| ids.contains(&id)) {
            let resource = &new[*index];
            // A version follows its function by itself.
            if resource.kind == "AWS::Lambda::Version" || resource.kind.ends_with("::Deployment") {
                continue;
            }
            let effect = replacement::effect(resource.kind, std::slice::from_ref(*name));
            let position = changes.iter().position(|(changed, _)| changed == index);
            let position = position.unwrap_or_else(|| {
                changes.push((*index, new_change(resource, Action::Update)));
                changes.len() - 1
            });
            let change = &mut changes[position].1;
            change.properties.push(PropertyChange {
                path: (*name).clone(),
                before: None,
                after: None,
                effect,
                because: Some(id.clone()),
            });
            match effect {
                Effect::Replaces => {
                    change.action = Action::Replace;
                    waiting.push(resource.id.to_owned());
                }
                Effect::MayReplace => change.action = change.action.max(Action::MayReplace),
                Effect::InPlace => {}
            }
        }
    }
}

/// The logical ids that a value refers to.
fn referred(value: &Value) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    collect(value, &mut ids);
    ids
}

fn collect(value: &Value, ids: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, ids)),
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("Ref", Value::String(id)) => drop(ids.insert(id.clone())),
                    ("Fn::GetAtt", Value::String(text)) => {
                        ids.insert(text.split('.').next().unwrap_or_default().to_owned());
                    }
                    ("Fn::GetAtt", Value::Array(items)) => {
                        ids.extend(items.first().and_then(Value::as_str).map(str::to_owned));
                    }
                    ("Fn::Sub", Value::String(text)) => substituted(text, ids),
                    ("Fn::Sub", Value::Array(items)) => {
                        if let Some(Value::String(text)) = items.first() {
                            substituted(text, ids);
                        }
                        items.iter().skip(1).for_each(|item| collect(item, ids));
                    }
                    _ => collect(value, ids),
                }
            }
        }
        _ => {}
    }
}

/// The ids in `${Id}` and `${Id.Attribute}`.
fn substituted(text: &str, ids: &mut BTreeSet<String>) {
    for part in text.split("${").skip(1) {
        let name = part.split('}').next().unwrap_or_default();
        ids.insert(name.split('.').next().unwrap_or_default().to_owned());
    }
}
