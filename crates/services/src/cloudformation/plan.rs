//! From a version of a stack to what shall be there: parameters, conditions and resources worked out, and how that differs
//! from what is there. Does nothing itself.

use super::intrinsics::{Lookup, Scope, resolve};
use super::records::{self, Made, Output, Record, Stack, Version};
use super::template::{Declared, Template, invalid, text_of};
use aloft_engine::{Context, ServiceError};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A version of a stack, worked out as far as it can be before anything is made.
pub struct Plan {
    /// The template.
    pub template: Template,
    /// Parameters and pseudo parameters.
    pub parameters: BTreeMap<String, Value>,
    /// Whether each condition holds.
    pub conditions: BTreeMap<String, bool>,
    /// What other stacks export.
    pub exports: BTreeMap<String, String>,
    /// The resources that shall be there.
    pub declared: BTreeMap<String, Declared>,
}

impl Plan {
    /// Works a version out.
    pub fn of(context: &Context, name: &str, id: &str, version: &Version) -> Result<Self, ServiceError> {
        let template = Template::parse(&version.template)?;
        let mut parameters = template.parameters(&version.parameters, &version.resolved)?;
        for (key, value) in [
            ("AWS::AccountId", Value::from(context.account.as_str())),
            ("AWS::Region", Value::from(context.region.as_str())),
            ("AWS::StackName", Value::from(name)),
            ("AWS::StackId", Value::from(id)),
            ("AWS::Partition", Value::from(context.region.partition())),
            ("AWS::URLSuffix", Value::from("amazonaws.com")),
            (
                "AWS::NotificationARNs",
                version.notification_arns.iter().map(|arn| Value::from(arn.as_str())).collect(),
            ),
        ] {
            parameters.insert(key.to_owned(), value);
        }
        let exports = records::exports(context)?.into_iter().map(|(name, _, value)| (name, value)).collect();
        let none = BTreeMap::new();
        let scope = Scope {
            parameters: &parameters,
            mappings: template.section("Mappings"),
            conditions: &none,
            exports: &exports,
        };
        let conditions = template.conditions(&scope)?;
        let declared = template.declared(&conditions);
        Ok(Self { template, parameters, conditions, exports, declared })
    }

    fn scope(&self) -> Scope<'_> {
        let Self { parameters, conditions, exports, .. } = self;
        Scope { parameters, mappings: self.template.section("Mappings"), conditions, exports }
    }

    /// A resource's properties, given what is there already.
    pub fn properties(
        &self,
        declared: &Declared,
        made: &BTreeMap<String, Made>,
    ) -> Result<Value, ServiceError> {
        let find =
            |name: &str| made.get(name).map(|made| (made.physical_id.clone(), made.attributes.clone()));
        resolve(&declared.properties, &self.scope(), &Lookup::Resources(&find))
    }

    /// A resource's properties as far as they do not depend on other resources.
    fn sketch(&self, declared: &Declared) -> Result<Value, ServiceError> {
        resolve(&declared.properties, &self.scope(), &Lookup::Keep)
    }

    /// The outputs, given everything that is there.
    pub fn outputs(&self, made: &BTreeMap<String, Made>) -> Result<Vec<Output>, ServiceError> {
        let find =
            |name: &str| made.get(name).map(|made| (made.physical_id.clone(), made.attributes.clone()));
        let (scope, lookup) = (self.scope(), Lookup::Resources(&find));
        let mut outputs = Vec::new();
        for (key, declaration) in self.template.section("Outputs") {
            let condition = declaration.get("Condition").and_then(Value::as_str);
            if condition.is_some_and(|name| !self.conditions.get(name).copied().unwrap_or(false)) {
                continue;
            }
            let value = match resolve(&declaration["Value"], &scope, &lookup)? {
                Value::Array(_) | Value::Object(_) => {
                    return Err(invalid(format!(
                        "Template format error: Output {key} is malformed. The Value field of every Outputs member must evaluate to a String."
                    )));
                }
                scalar => text_of(&scalar),
            };
            let export = declaration.get("Export").and_then(|export| export.get("Name"));
            let export =
                export.map(|name| resolve(name, &scope, &lookup)).transpose()?.map(|name| text_of(&name));
            let description = declaration.get("Description").map(text_of);
            outputs.push(Output { key: key.clone(), value, description, export });
        }
        Ok(outputs)
    }

    /// The capabilities that this template needs and that were not given.
    pub fn check_capabilities(&self, given: &[String]) -> Result<(), ServiceError> {
        let iam = |declared: &&Declared| declared.kind.starts_with("AWS::IAM::");
        let is_named = |declared: &Declared| {
            ["RoleName", "UserName", "GroupName", "ManagedPolicyName", "InstanceProfileName"]
                .iter()
                .any(|name| declared.properties.get(*name).is_some())
        };
        let has = |name: &str| given.iter().any(|capability| capability == name);
        let needs_named = self.declared.values().filter(iam).any(is_named);
        let needs_any = self.declared.values().any(|declared| iam(&declared));
        let missing = if needs_named && !has("CAPABILITY_NAMED_IAM") {
            "CAPABILITY_NAMED_IAM"
        } else if needs_any && !has("CAPABILITY_IAM") && !has("CAPABILITY_NAMED_IAM") {
            "CAPABILITY_IAM"
        } else {
            return Ok(());
        };
        Err(ServiceError::new(
            "InsufficientCapabilitiesException",
            400,
            format!("Requires capabilities : [{missing}]"),
        ))
    }
}

/// What a change set says of a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// `Add`, `Modify` or `Remove`.
    pub action: &'static str,
    /// The logical id.
    pub logical_id: String,
    /// The type.
    pub kind: String,
    /// The properties that differ.
    pub properties: Vec<String>,
}

/// How two versions differ, resource by resource, before anything is done.
pub fn changes(old: Option<&Plan>, new: &Plan) -> Result<Vec<Change>, ServiceError> {
    let nothing = BTreeMap::new();
    let old_declared = old.map_or(&nothing, |old| &old.declared);
    let mut changes = Vec::new();
    let change = |action, logical_id: &String, kind: &str, properties| Change {
        action,
        logical_id: logical_id.clone(),
        kind: kind.to_owned(),
        properties,
    };
    for (id, declared) in &new.declared {
        match (old_declared.get(id), old) {
            (Some(before), Some(old)) if before.kind == declared.kind => {
                let properties = differing(&old.sketch(before)?, &new.sketch(declared)?);
                let policies = before.deletion_policy != declared.deletion_policy;
                if !properties.is_empty() || policies {
                    changes.push(change("Modify", id, &declared.kind, properties));
                }
            }
            (Some(before), _) => {
                changes.push(change("Remove", id, &before.kind, Vec::new()));
                changes.push(change("Add", id, &declared.kind, Vec::new()));
            }
            (None, _) => changes.push(change("Add", id, &declared.kind, Vec::new())),
        }
    }
    for (id, before) in old_declared {
        if !new.declared.contains_key(id) {
            changes.push(change("Remove", id, &before.kind, Vec::new()));
        }
    }
    Ok(changes)
}

/// Whether going from one version to the other would do anything at all.
pub fn is_same(stack: &Stack, old: &Plan, new: &Plan, version: &Version) -> Result<bool, ServiceError> {
    let outputs = |plan: &Plan| -> Result<Map<String, Value>, ServiceError> {
        let resolve = |(key, value): (&String, &Value)| {
            Ok((key.clone(), resolve(value, &plan.scope(), &Lookup::Keep)?))
        };
        plan.template.section("Outputs").iter().map(resolve).collect()
    };
    Ok(changes(Some(old), new)?.is_empty()
        && stack.version.tags == version.tags
        && stack.version.notification_arns == version.notification_arns
        && outputs(old)? == outputs(new)?)
}

fn differing(old: &Value, new: &Value) -> Vec<String> {
    let empty = Map::new();
    let (old, new) = (old.as_object().unwrap_or(&empty), new.as_object().unwrap_or(&empty));
    let changed = new.iter().filter(|(key, value)| old.get(*key) != Some(value)).map(|(key, _)| key.clone());
    changed.chain(old.keys().filter(|key| !new.contains_key(*key)).cloned()).collect()
}

/// What is there, by logical id.
pub fn made(records: &BTreeMap<String, Record>) -> BTreeMap<String, Made> {
    records.iter().filter_map(|(id, record)| Some((id.clone(), record.made.clone()?))).collect()
}
