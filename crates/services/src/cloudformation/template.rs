//! Templates: read, checked for their form, and with what does not depend on any resource worked out.
//!
//! Makes nothing and asks nobody. Keeps true: a template that is accepted has no reference to nothing and no cycle.

use super::dynamic;
use super::intrinsics::{Lookup, Scope, resolve};
use aloft_engine::ServiceError;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The most bytes a template may have, as AWS takes from S3.
const MAX_BYTES: usize = 1_000_000;
/// The most resources a template may have.
const MAX_RESOURCES: usize = 500;

/// A template as it was written.
#[derive(Clone, Debug)]
pub struct Template {
    /// The whole document, short tags written out.
    pub document: Map<String, Value>,
}

/// A resource as the template has it.
#[derive(Clone, Debug)]
pub struct Declared {
    /// `Type`.
    pub kind: String,
    /// `Properties`, intrinsic functions included.
    pub properties: Value,
    /// What must be there first: `DependsOn` and whatever its properties refer to.
    pub depends_on: BTreeSet<String>,
    /// `DeletionPolicy`: `Delete`, `Retain`, ...
    pub deletion_policy: String,
    /// `UpdateReplacePolicy`.
    pub update_replace_policy: String,
}

/// A `ValidationError`, as CloudFormation answers what it cannot accept.
pub fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ValidationError", 400, message)
}

impl Template {
    /// Reads JSON or YAML.
    pub fn parse(text: &str) -> Result<Self, ServiceError> {
        if text.len() > MAX_BYTES {
            return Err(invalid(format!("Template may not exceed {MAX_BYTES} bytes in size.")));
        }
        let value = if text.trim_start().starts_with('{') {
            serde_json::from_str(text)
                .map_err(|error| invalid(format!("Template format error: JSON not well-formed. ({error})")))?
        } else {
            let mut sources = aloft_diag::SourceMap::default();
            let source = sources.add("template", text);
            let node = aloft_yaml::parse(source, text).map_err(|error| {
                invalid(format!("Template format error: YAML not well-formed. ({error})"))
            })?;
            node.to_value()
        };
        let Value::Object(document) = value else {
            return Err(invalid("Template format error: unsupported structure."));
        };
        let template = Self { document };
        template.check()?;
        Ok(template)
    }

    fn check(&self) -> Result<(), ServiceError> {
        const SECTIONS: &[&str] = &[
            "AWSTemplateFormatVersion",
            "Conditions",
            "Description",
            "Hooks",
            "Mappings",
            "Metadata",
            "Outputs",
            "Parameters",
            "Resources",
            "Rules",
            "Transform",
        ];
        if let Some(unknown) = self.document.keys().find(|key| !SECTIONS.contains(&key.as_str())) {
            return Err(invalid(format!("Invalid template property or properties [{unknown}]")));
        }
        if self.document.contains_key("Transform") {
            return Err(invalid(
                "Template error: the local cloud has no transforms (macros, AWS::Serverless, AWS::Include); expand the template first",
            ));
        }
        let resources = self.resources();
        if resources.is_empty() {
            return Err(invalid("Template format error: At least one Resources member must be defined."));
        }
        if resources.len() > MAX_RESOURCES {
            return Err(invalid(format!(
                "Template format error: Number of resources, {}, is greater than maximum allowed, {MAX_RESOURCES}",
                resources.len()
            )));
        }
        let mut unresolved = BTreeSet::new();
        for (id, resource) in resources {
            if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(invalid(format!(
                    "Template format error: Resource name {id} is non alphanumeric."
                )));
            }
            if resource.get("Type").and_then(Value::as_str).is_none() {
                return Err(invalid(format!(
                    "Template format error: [/Resources/{id}] Every Resources object must contain a Type member."
                )));
            }
            unresolved.extend(self.unknown_references(resource));
            unresolved.extend(depends_on(resource).filter(|name| !resources.contains_key(name)));
        }
        if !unresolved.is_empty() {
            let names: Vec<_> = unresolved.into_iter().collect();
            return Err(invalid(format!(
                "Template format error: Unresolved resource dependencies [{}] in the Resources block of the template",
                names.join(", ")
            )));
        }
        for (id, output) in self.section("Outputs") {
            if output.get("Value").is_none() {
                return Err(invalid(format!(
                    "Template format error: Every Outputs member must contain a Value object ({id})"
                )));
            }
            if let Some(name) = self.unknown_references(output).into_iter().next() {
                return Err(invalid(format!(
                    "Template format error: Unresolved resource dependencies [{name}] in the Outputs block of the template"
                )));
            }
        }
        self.check_cycles()
    }

    fn check_cycles(&self) -> Result<(), ServiceError> {
        let mut open: BTreeMap<&str, BTreeSet<String>> = self
            .resources()
            .iter()
            .map(|(id, resource)| (id.as_str(), self.dependencies(resource)))
            .collect();
        loop {
            let free: Vec<&str> = open
                .iter()
                .filter(|(_, needs)| needs.iter().all(|need| !open.contains_key(need.as_str())))
                .map(|(id, _)| *id)
                .collect();
            if free.is_empty() {
                break;
            }
            free.iter().for_each(|id| drop(open.remove(id)));
        }
        if open.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = open.into_keys().collect();
        Err(invalid(format!("Circular dependency between resources: [{}]", names.join(", "))))
    }

    /// A section of the document.
    pub fn section(&self, name: &str) -> &Map<String, Value> {
        static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        self.document.get(name).and_then(Value::as_object).unwrap_or(&EMPTY)
    }

    /// `Resources`.
    pub fn resources(&self) -> &Map<String, Value> {
        self.section("Resources")
    }

    /// The resources that its conditions let be, by logical id.
    pub fn declared(&self, conditions: &BTreeMap<String, bool>) -> BTreeMap<String, Declared> {
        let is_wanted = |resource: &Value| match resource.get("Condition").and_then(Value::as_str) {
            Some(condition) => conditions.get(condition).copied().unwrap_or(false),
            None => true,
        };
        let wanted: Vec<_> = self.resources().iter().filter(|(_, resource)| is_wanted(resource)).collect();
        let ids: BTreeSet<&str> = wanted.iter().map(|(id, _)| id.as_str()).collect();
        let text = |resource: &Value, name: &str| {
            resource.get(name).and_then(Value::as_str).unwrap_or("Delete").to_owned()
        };
        wanted
            .iter()
            .map(|(id, resource)| {
                let mut depends_on = self.dependencies(resource);
                depends_on.retain(|name| ids.contains(name.as_str()));
                let declared = Declared {
                    kind: text(resource, "Type"),
                    properties: resource
                        .get("Properties")
                        .cloned()
                        .unwrap_or_else(|| Value::Object(Map::new())),
                    depends_on,
                    deletion_policy: text(resource, "DeletionPolicy"),
                    update_replace_policy: text(resource, "UpdateReplacePolicy"),
                };
                ((*id).clone(), declared)
            })
            .collect()
    }

    /// The values of the parameters: given, kept or defaults; of those that name one in Parameter Store, what that holds.
    pub fn parameters(
        &self,
        given: &BTreeMap<String, String>,
        resolved: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, Value>, ServiceError> {
        let declared = self.section("Parameters");
        if let Some(unknown) = given.keys().find(|name| !declared.contains_key(*name)) {
            return Err(invalid(format!("Parameters: [{unknown}] do not exist in the template")));
        }
        let (mut values, mut missing) = (BTreeMap::new(), Vec::new());
        for (name, declaration) in declared {
            let given = resolved.get(name).or_else(|| given.get(name)).cloned();
            match given.or_else(|| declaration.get("Default").map(text_of)) {
                None => missing.push(name.as_str()),
                Some(text) => drop(values.insert(name.clone(), parameter(name, declaration, text)?)),
            }
        }
        if !missing.is_empty() {
            return Err(invalid(format!("Parameters: [{}] must have values", missing.join(", "))));
        }
        Ok(values)
    }

    /// Whether each condition holds.
    pub fn conditions(&self, scope: &Scope<'_>) -> Result<BTreeMap<String, bool>, ServiceError> {
        let mut values = BTreeMap::new();
        for name in self.section("Conditions").keys() {
            self.condition(name, scope, &mut values, 0)?;
        }
        Ok(values)
    }

    fn condition(
        &self,
        name: &str,
        scope: &Scope<'_>,
        values: &mut BTreeMap<String, bool>,
        depth: usize,
    ) -> Result<bool, ServiceError> {
        if let Some(value) = values.get(name) {
            return Ok(*value);
        }
        let unresolved = || {
            invalid(format!(
                "Template format error: Unresolved condition dependency {name} in the Conditions block of the template"
            ))
        };
        let body = self.section("Conditions").get(name).filter(|_| depth < 64).ok_or_else(unresolved)?;
        for needed in named_conditions(body) {
            self.condition(&needed, scope, values, depth + 1)?;
        }
        let within = Scope { conditions: values, ..*scope };
        let holds = resolve(body, &within, &Lookup::Nothing)? == Value::Bool(true);
        values.insert(name.to_owned(), holds);
        Ok(holds)
    }

    /// The resources that a value depends on.
    fn dependencies(&self, resource: &Value) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = depends_on(resource).collect();
        if let Some(properties) = resource.get("Properties") {
            references(properties, &mut |name| {
                if self.resources().contains_key(name) {
                    names.insert(name.to_owned());
                }
            });
        }
        names
    }

    fn unknown_references(&self, value: &Value) -> Vec<String> {
        let mut unknown = Vec::new();
        references(value, &mut |name| {
            let known = name.starts_with("AWS::")
                || self.resources().contains_key(name)
                || self.section("Parameters").contains_key(name);
            if !known {
                unknown.push(name.to_owned());
            }
        });
        unknown
    }
}

fn depends_on(resource: &Value) -> impl Iterator<Item = String> {
    let names = match resource.get("DependsOn") {
        Some(Value::String(name)) => vec![name.clone()],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    names.into_iter()
}

/// Tells `seen` every resource or parameter that a value refers to.
pub fn references(value: &Value, seen: &mut dyn FnMut(&str)) {
    match value {
        Value::Array(list) => list.iter().for_each(|item| references(item, seen)),
        Value::Object(map) => {
            for (key, inner) in map {
                match (key.as_str(), inner) {
                    ("Ref", Value::String(name)) if map.len() == 1 => seen(name),
                    ("Fn::GetAtt", Value::String(path)) => seen(path.split('.').next().unwrap_or(path)),
                    ("Fn::GetAtt", Value::Array(parts)) => {
                        if let Some(name) = parts.first().and_then(Value::as_str) {
                            seen(name);
                        }
                        parts.iter().skip(1).for_each(|part| references(part, seen));
                    }
                    ("Fn::Sub", Value::String(text)) => substitutions(text, &Map::new(), seen),
                    ("Fn::Sub", Value::Array(parts)) => {
                        let empty = Map::new();
                        let own = parts.get(1).and_then(Value::as_object).unwrap_or(&empty);
                        if let Some(text) = parts.first().and_then(Value::as_str) {
                            substitutions(text, own, seen);
                        }
                        own.values().for_each(|inner| references(inner, seen));
                    }
                    _ => references(inner, seen),
                }
            }
        }
        _ => {}
    }
}

fn substitutions(text: &str, own: &Map<String, Value>, seen: &mut dyn FnMut(&str)) {
    for piece in text.split("${").skip(1) {
        let Some((name, _)) = piece.split_once('}') else { continue };
        if !name.starts_with('!') && !own.contains_key(name) {
            seen(name.split('.').next().unwrap_or(name));
        }
    }
}

fn named_conditions(body: &Value) -> Vec<String> {
    match body {
        Value::Object(map) => match map.get("Condition") {
            Some(Value::String(name)) if map.len() == 1 => vec![name.clone()],
            _ => map.values().flat_map(named_conditions).collect(),
        },
        Value::Array(list) => list.iter().flat_map(named_conditions).collect(),
        _ => Vec::new(),
    }
}

fn parameter(name: &str, declaration: &Value, text: String) -> Result<Value, ServiceError> {
    let kind = declaration.get("Type").and_then(Value::as_str).unwrap_or("String");
    let kind = dynamic::stored_kind(declaration).unwrap_or(kind);
    if let Some(Value::Array(allowed)) = declaration.get("AllowedValues")
        && !allowed.iter().any(|value| text_of(value) == text)
    {
        let list: Vec<String> = allowed.iter().map(text_of).collect();
        return Err(invalid(format!(
            "Parameter '{name}' must be one of AllowedValues: [{}]",
            list.join(", ")
        )));
    }
    if let Some(pattern) = declaration.get("AllowedPattern").and_then(Value::as_str)
        && let Ok(regex) = regex::Regex::new(&format!("^(?:{pattern})$"))
        && !regex.is_match(&text)
    {
        let constraint = declaration.get("ConstraintDescription").and_then(Value::as_str);
        let reason = constraint.map_or_else(
            || format!("must match pattern {pattern}"),
            |text| format!("failed to satisfy constraint: {text}"),
        );
        return Err(invalid(format!("Parameter '{name}' {reason}")));
    }
    let length = declaration
        .get("MinLength")
        .and_then(number_of)
        .is_some_and(|least| (text.chars().count() as f64) < least);
    if length {
        return Err(invalid(format!(
            "Parameter '{name}' must contain at least {} characters",
            text_of(&declaration["MinLength"])
        )));
    }
    match kind {
        "Number" if text.parse::<f64>().is_err() => {
            Err(invalid(format!("Parameter '{name}' must be a number.")))
        }
        "CommaDelimitedList" => Ok(text.split(',').map(|item| Value::from(item.trim())).collect()),
        _ if kind.starts_with("List<") => Ok(text.split(',').map(|item| Value::from(item.trim())).collect()),
        _ => Ok(Value::String(text)),
    }
}

/// A scalar as CloudFormation writes it.
pub fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn number_of(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}
