//! Reads policy documents.

use super::condition::Conditions;
use super::principal::PrincipalTest;
use super::{Names, Policy, PolicyError, Statement};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The longest policy: more than any service takes. Bounds the work of deciding.
const MAX_STATEMENTS: usize = 1000;

fn fail<T>(message: impl Into<String>) -> Result<T, PolicyError> {
    Err(PolicyError { message: message.into() })
}

fn syntax<T>() -> Result<T, PolicyError> {
    fail("Syntax errors in policy.")
}

pub(super) fn parse(document: &Value) -> Result<Policy, PolicyError> {
    let Some(map) = document.as_object() else { return syntax() };
    if map.keys().any(|key| !["Version", "Id", "Statement"].contains(&key.as_str())) {
        return syntax();
    }
    let has_variables = match map.get("Version").map(Value::as_str) {
        Some(Some("2012-10-17")) => true,
        None | Some(Some("2008-10-17")) => false,
        Some(_) => return fail("The policy must contain a valid version string"),
    };
    let all = match map.get("Statement") {
        Some(Value::Array(all)) => all.as_slice(),
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        _ => return syntax(),
    };
    if all.len() > MAX_STATEMENTS {
        return fail("The policy has too many statements");
    }
    let mut ids = BTreeSet::new();
    let mut statements = Vec::new();
    for each in all {
        let Some(map) = each.as_object() else { return syntax() };
        match map.get("Sid") {
            None => {}
            Some(Value::String(id)) if id.is_empty() || ids.insert(id.clone()) => {}
            Some(Value::String(_)) => return fail("Statement IDs (SID) in a single policy must be unique."),
            Some(_) => return syntax(),
        }
        statements.push(statement(map)?);
    }
    Ok(Policy { statements, has_variables })
}

fn statement(map: &Map<String, Value>) -> Result<Statement, PolicyError> {
    const KEYS: [&str; 9] = [
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    ];
    if map.keys().any(|key| !KEYS.contains(&key.as_str())) {
        return syntax();
    }
    let allows = match map.get("Effect").and_then(Value::as_str) {
        Some("Allow") => true,
        Some("Deny") => false,
        _ => return syntax(),
    };
    let principal = match (map.get("Principal"), map.get("NotPrincipal")) {
        (None, None) => None,
        (Some(value), None) => Some(PrincipalTest::parse(value, false).map_or_else(syntax, Ok)?),
        (None, Some(value)) => Some(PrincipalTest::parse(value, true).map_or_else(syntax, Ok)?),
        (Some(_), Some(_)) => return syntax(),
    };
    let Some(actions) = names(map, "Action", "NotAction")? else {
        return fail("Policy statement must contain actions.");
    };
    if actions.patterns.iter().any(|action| action != "*" && !action.contains(':')) {
        return fail("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.");
    }
    let resources = names(map, "Resource", "NotResource")?;
    match &resources {
        None if principal.is_none() => return fail("Policy statement must contain resources."),
        Some(names) => {
            if let Some(bad) = names.patterns.iter().find(|name| *name != "*" && !name.starts_with("arn:")) {
                return fail(format!("Resource {bad} must be in ARN format or \"*\"."));
            }
        }
        None => {}
    }
    let conditions = match map.get("Condition") {
        None => Conditions::default(),
        Some(value) => Conditions::parse(value).map_or_else(syntax, Ok)?,
    };
    Ok(Statement { allows, principal, actions, resources, conditions })
}

fn names(map: &Map<String, Value>, name: &str, not_name: &str) -> Result<Option<Names>, PolicyError> {
    let (value, excludes) = match (map.get(name), map.get(not_name)) {
        (None, None) => return Ok(None),
        (Some(value), None) => (value, false),
        (None, Some(value)) => (value, true),
        (Some(_), Some(_)) => return syntax(),
    };
    match texts(value) {
        Some(patterns) if !patterns.is_empty() => Ok(Some(Names { excludes, patterns })),
        Some(_) => Ok(None),
        None => syntax(),
    }
}

/// A text or a list of texts.
pub(super) fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(all) => all.iter().map(|each| each.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}
