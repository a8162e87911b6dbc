//! What a deploy would change: one template compared with another, resource by resource.
//!
//! Pure, and knows neither clouds nor terminals. Keeps true: what is new in every package (folders of artifacts, ids of
//! deployments and versions) is no change by itself, and a value that looks like a secret leaves this module hidden.

pub(super) mod diff;
mod exposure;
pub(super) mod identity;
mod json;
mod loss;
mod references;
mod replacement;
mod secrets;
#[cfg(test)]
mod tests;

pub use replacement::Effect;
pub use secrets::HIDDEN;

use diff::Difference;
use identity::Resource;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a deploy would do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Resources that would change: those of the new template in its order, then those that go.
    pub changes: Vec<Change>,
    /// What would change beside resources: outputs, parameters, conditions and the like.
    pub sections: Vec<PropertyChange>,
    /// How many resources stay as they are.
    pub unchanged: usize,
    /// Ids of resources that every deploy makes anew, which says nothing about what they stand for.
    pub renewed: Vec<String>,
    /// Functions without versions, whose code the templates do not tell apart: their logical ids.
    pub unknown_code: Vec<String>,
}

/// What would happen to one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its logical id.
    pub logical_id: String,
    /// Its type, such as `AWS::S3::Bucket`.
    pub kind: String,
    /// What would be done.
    pub action: Action,
    /// What differs.
    pub properties: Vec<PropertyChange>,
    /// What to look at twice.
    pub hazards: Vec<Hazard>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
}

/// What would be done with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// It is made.
    Create,
    /// It stays and is changed.
    Update,
    /// Depending on the values, or on what nobody knows here, another takes its place.
    MayReplace,
    /// Another takes its place.
    Replace,
    /// It goes.
    Delete,
}

impl Action {
    /// The action in one word or two.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::MayReplace => "may replace",
            Self::Replace => "replace",
            Self::Delete => "delete",
        }
    }
}

/// One value that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct PropertyChange {
    /// Where, below the resource's properties: `Environment.Variables.TABLE`, `Tags[STAGE]`.
    pub path: String,
    /// What was there; none for what is added.
    pub before: Option<Value>,
    /// What will be there; none for what is removed.
    pub after: Option<Value>,
    /// What changing it does to the resource.
    pub effect: Effect,
    /// The resource whose replacement changes the value, when the template's text stays the same.
    pub because: Option<String>,
}

/// Something that cannot be undone, or lets strangers in.
#[derive(Clone, Debug, PartialEq)]
pub struct Hazard {
    /// Which of both.
    pub kind: HazardKind,
    /// A sentence about it.
    pub text: String,
}

/// Kinds of hazards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HazardKind {
    /// Data is lost.
    DataLoss,
    /// Something becomes public.
    Public,
}

impl HazardKind {
    /// Its name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::DataLoss => "data-loss",
            Self::Public => "public",
        }
    }
}

impl Plan {
    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.sections.is_empty()
    }

    /// How many resources there are of each action that occurs.
    pub fn counts(&self) -> BTreeMap<Action, usize> {
        let mut counts = BTreeMap::new();
        for change in &self.changes {
            *counts.entry(change.action).or_default() += 1;
        }
        counts
    }

    /// Adds what only hashes tell: the code of a function differs.
    pub fn code_differs(&mut self, logical_id: &str, kind: &str, hashes: [&str; 2]) {
        let property = code_change("Code", hashes);
        match self.changes.iter_mut().find(|change| change.logical_id == logical_id) {
            Some(change) => change.properties.insert(0, property),
            None => {
                self.unchanged = self.unchanged.saturating_sub(1);
                self.changes.push(Change {
                    logical_id: logical_id.to_owned(),
                    kind: kind.to_owned(),
                    action: Action::Update,
                    properties: vec![property],
                    hazards: Vec::new(),
                    notes: Vec::new(),
                });
            }
        }
    }
}

/// Compares the deployed template, if there is one, with the one to deploy.
pub fn plan(before: Option<&Value>, after: &Value) -> Plan {
    let empty = json!({});
    let is_first = before.is_none();
    let before = before.unwrap_or(&empty);
    let (old, new) = (identity::resources(before), identity::resources(after));
    let pairs = identity::pairs(&old, &new);
    let mut plan = Plan::default();
    let mut changes: Vec<(usize, Change)> = Vec::new();
    let code = changed_code(before, after, &old, &new);
    for (index, resource) in new.iter().enumerate() {
        let Some(old) = pairs.get(&index).and_then(|&old_index| old.get(old_index)) else {
            changes.push((index, new_change(resource, Action::Create)));
            continue;
        };
        if resource.is_renewed(old) {
            plan.renewed.push(resource.id.to_owned());
        }
        if let Some(change) = compare(old, resource, code.get(resource.id).copied()) {
            changes.push((index, change));
        }
        if resource.kind == "AWS::Lambda::Function" && !has_version(&new, resource.id) {
            plan.unknown_code.push(resource.id.to_owned());
        }
    }
    references::propagate(&new, &pairs, &mut changes);
    changes.sort_by_key(|(index, _)| *index);
    for (index, change) in &mut changes {
        let old = pairs.get(index).and_then(|&old_index| old.get(old_index));
        change.hazards = loss::of(change, old, new.get(*index));
        change.hazards.extend(exposure::added(before, old, after, &new[*index]));
        change.notes.extend(stuck(change, &new[*index]));
    }
    plan.unchanged = new.len() - changes.len();
    plan.changes = changes.into_iter().map(|(_, change)| change).collect();
    for (index, resource) in old.iter().enumerate() {
        if !pairs.values().any(|&kept| kept == index) {
            let mut change = new_change(resource, Action::Delete);
            change.hazards = loss::of(&change, Some(resource), None);
            change.notes.extend(
                loss::keeps(resource).then(|| "stays in the account, outside of the stack".to_owned()),
            );
            plan.changes.push(change);
        }
    }
    if !is_first {
        plan.sections = sections(before, after);
    }
    plan
}

fn new_change(resource: &Resource<'_>, action: Action) -> Change {
    Change {
        logical_id: resource.id.to_owned(),
        kind: resource.kind.to_owned(),
        action,
        properties: Vec::new(),
        hazards: Vec::new(),
        notes: Vec::new(),
    }
}

/// What differs between two states of a resource; none when nothing does.
fn compare(old: &Resource<'_>, new: &Resource<'_>, code: Option<[&str; 2]>) -> Option<Change> {
    let mut change = new_change(new, Action::Update);
    if old.kind != new.kind {
        change.action = Action::Replace;
        change.properties.push(property(
            vec!["Type".to_owned()],
            Some(json!(old.kind)),
            Some(json!(new.kind)),
            Effect::Replaces,
        ));
        change.notes.push(
            "CloudFormation refuses to change the type of a resource: give it another logical id".to_owned(),
        );
        return Some(change);
    }
    // A version holds nothing of its own: what makes a new one is a change of its function.
    if new.kind == "AWS::Lambda::Version" {
        return None;
    }
    if let Some(hashes) = code {
        let name = if new.kind == "AWS::Lambda::LayerVersion" { "Content" } else { "Code" };
        change.properties.push(code_change(name, hashes));
        if name == "Content" {
            change.action = Action::Replace;
        }
    }
    for Difference { path, before, after } in diff::differences(&old.properties(), &new.properties()) {
        let effect = replacement::effect(new.kind, &path);
        change.action = change.action.max(match effect {
            Effect::InPlace => Action::Update,
            Effect::MayReplace => Action::MayReplace,
            Effect::Replaces => Action::Replace,
        });
        change.properties.push(property(path, before, after, effect));
    }
    for attribute in
        ["Condition", "CreationPolicy", "DeletionPolicy", "UpdatePolicy", "UpdateReplacePolicy", "Metadata"]
    {
        let (before, after) = (old.attribute(attribute), new.attribute(attribute));
        if before != after {
            change.properties.push(property(vec![attribute.to_owned()], before, after, Effect::InPlace));
        }
    }
    (!change.properties.is_empty()).then_some(change)
}

fn property(
    path: Vec<String>,
    before: Option<Value>,
    after: Option<Value>,
    effect: Effect,
) -> PropertyChange {
    let hide = |value: Value| secrets::hide(&path, value);
    let (before, after) = (before.map(hide), after.map(hide));
    PropertyChange { path: diff::dotted(&path), before, after, effect, because: None }
}

fn code_change(name: &str, [before, after]: [&str; 2]) -> PropertyChange {
    let short = |hash: &str| json!(hash.chars().take(12).collect::<String>());
    PropertyChange {
        path: name.to_owned(),
        before: Some(short(before)),
        after: Some(short(after)),
        effect: if name == "Content" { Effect::Replaces } else { Effect::InPlace },
        because: None,
    }
}

fn has_version(resources: &[Resource<'_>], function: &str) -> bool {
    resources.iter().any(|resource| resource.version_of() == Some(function))
}

/// The hashes before and after of what functions and layers run, where they differ, by logical id.
fn changed_code<'a>(
    before: &'a Value,
    after: &'a Value,
    old: &[Resource<'a>],
    new: &[Resource<'a>],
) -> BTreeMap<&'a str, [&'a str; 2]> {
    let functions = |resources: &[Resource<'a>]| -> BTreeMap<&'a str, &'a str> {
        resources.iter().filter_map(|one| Some((one.version_of()?, one.code_hash()?))).collect()
    };
    let layers = |template: &'a Value, resources: &[Resource<'a>]| -> BTreeMap<&'a str, &'a str> {
        let layers = resources.iter().filter(|one| one.kind == "AWS::Lambda::LayerVersion");
        layers.filter_map(|one| Some((one.id, one.layer_hash(template)?))).collect()
    };
    let mut all = functions(new);
    all.extend(layers(after, new));
    let mut known = functions(old);
    known.extend(layers(before, old));
    all.into_iter()
        .filter_map(|(id, hash)| Some((id, [*known.get(id)?, hash])))
        .filter(|(_, [a, b])| a != b)
        .collect()
}

/// A resource with a name of its own cannot be replaced while it has that name.
fn stuck(change: &Change, new: &Resource<'_>) -> Option<String> {
    if change.action != Action::Replace {
        return None;
    }
    let name = replacement::name_property(new.kind)?;
    let value = new.properties().get(name)?.clone();
    let is_renamed = change.properties.iter().any(|property| property.path == name);
    (!is_renamed && !value.is_null()).then(|| {
        format!("the deploy would fail while `{name}` stays: two cannot have the same name, so change it too")
    })
}

/// Everything of the templates but resources.
fn sections(before: &Value, after: &Value) -> Vec<PropertyChange> {
    let empty = Map::new();
    let map = |value: &Value| value.as_object().unwrap_or(&empty).clone();
    let rest = |template: &Value| {
        let mut map = map(&identity::stable(template));
        map.shift_remove("Resources");
        map.shift_remove("AWSTemplateFormatVersion");
        // Hashes of layers are told with the layers.
        if let Some(outputs) = map.get_mut("Outputs").and_then(Value::as_object_mut) {
            outputs.retain(|id, _| !id.ends_with("LambdaLayerHash") && !id.ends_with("LambdaLayerS3Key"));
        }
        map.retain(|_, section| section.as_object().is_none_or(|section| !section.is_empty()));
        Value::Object(map)
    };
    let mut found = Vec::new();
    let (old, new) = (rest(before), rest(after));
    let mut names: Vec<&String> = new.as_object().into_iter().flat_map(Map::keys).collect();
    names.extend(old.as_object().into_iter().flat_map(Map::keys).filter(|name| new.get(*name).is_none()));
    for name in names {
        let section = |template: &Value| template.get(name).cloned().unwrap_or_else(|| json!({}));
        let differences = diff::differences(&section(&old), &section(&new));
        found.extend(differences.into_iter().map(|Difference { mut path, before, after }| {
            path.insert(0, name.clone());
            property(path, before, after, Effect::InPlace)
        }));
    }
    found
}
