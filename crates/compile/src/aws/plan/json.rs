//! The plan for programs.

use super::{Change, Plan, PropertyChange};
use serde_json::{Map, Value, json};

impl Plan {
    /// `{changes: bool, summary: {create, update, ...}, resources: [...], template: [...], unchanged, renewed, unknownCode}`.
    pub fn json(&self) -> Value {
        let count = |action| self.changes.iter().filter(|change| change.action == action).count();
        use super::Action::{Create, Delete, MayReplace, Replace, Update};
        let summary: Map<String, Value> = [Create, Update, MayReplace, Replace, Delete]
            .into_iter()
            .map(|action| (key(action.name()), json!(count(action))))
            .collect();
        let hazards = self.changes.iter().flat_map(|change| &change.hazards);
        json!({
            "changes": !self.is_empty(),
            "summary": summary,
            "hazards": hazards.count(),
            "resources": self.changes.iter().map(resource).collect::<Vec<_>>(),
            "template": self.sections.iter().map(property).collect::<Vec<_>>(),
            "unchanged": self.unchanged,
            "renewed": self.renewed,
            "unknownCode": self.unknown_code,
        })
    }
}

fn resource(change: &Change) -> Value {
    let hazards = change.hazards.iter();
    json!({
        "logicalId": change.logical_id,
        "type": change.kind,
        "action": key(change.action.name()),
        "properties": change.properties.iter().map(property).collect::<Vec<_>>(),
        "hazards": hazards.map(|one| json!({ "kind": one.kind.name(), "text": one.text })).collect::<Vec<_>>(),
        "notes": change.notes,
    })
}

fn property(change: &PropertyChange) -> Value {
    let mut value = json!({ "path": change.path, "effect": key(change.effect.name()) });
    for (name, side) in [("before", &change.before), ("after", &change.after)] {
        if let Some(side) = side {
            value[name] = side.clone();
        }
    }
    if let Some(because) = &change.because {
        value["because"] = json!(because);
    }
    value
}

/// `may replace` is `mayReplace`.
fn key(name: &str) -> String {
    match name.split_once(' ') {
        Some((first, second)) => {
            let mut letters = second.chars();
            let capital = letters.next().map(|letter| letter.to_ascii_uppercase());
            first.chars().chain(capital).chain(letters).collect()
        }
        None => name.to_owned(),
    }
}
