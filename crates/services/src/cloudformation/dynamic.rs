//! Values that stand elsewhere: parameters of the type `AWS::SSM::Parameter::Value<...>`, and `{{resolve:...}}` in properties.
//!
//! Keeps true: what a reference stands for is looked up when a resource is made, and is never stored with the stack, since
//! it may be a secret. Parameters are looked up once, when an operation is accepted.
//! Source: "Dynamic references" and "SSM parameter types" in the CloudFormation user guide.

use super::template::{Template, invalid, text_of};
use aloft_engine::{Context, ServiceError};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// References in one value.
const MOST: usize = 60;

/// What kind of parameter holds the name of one of Parameter Store's, and what that must be: `List<String>`.
pub fn stored_kind(declaration: &Value) -> Option<&str> {
    let kind = declaration.get("Type")?.as_str()?;
    kind.strip_prefix("AWS::SSM::Parameter::Value<")?.strip_suffix('>')
}

/// The values of the template's parameters that stand in Parameter Store.
///
/// # Errors
/// `ValidationError` when one is not there.
pub async fn parameters(
    context: &Context,
    template: &str,
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, ServiceError> {
    let template = Template::parse(template)?;
    let (mut resolved, mut missing) = (BTreeMap::new(), Vec::new());
    for (name, declaration) in template.section("Parameters") {
        if stored_kind(declaration).is_none() {
            continue;
        }
        let default = || declaration.get("Default").map(text_of);
        let Some(stored) = given.get(name).cloned().or_else(default) else { continue };
        match context.call("ssm", "GetParameter", json!({ "Name": stored })).await {
            Ok(answer) => drop(resolved.insert(name.clone(), text_of(&answer["Parameter"]["Value"]))),
            Err(error) if error.code.starts_with("Parameter") => missing.push(stored),
            Err(error) => return Err(error),
        }
    }
    if missing.is_empty() {
        return Ok(resolved);
    }
    let missing = missing.join(",");
    Err(invalid(format!("Unable to fetch parameters [{missing}] from parameter store for this account.")))
}

/// A value with every `{{resolve:...}}` in its texts replaced by what it stands for.
///
/// # Errors
/// When one is no reference that CloudFormation knows, or stands for nothing.
pub async fn resolve(context: &Context, value: &Value) -> Result<Value, ServiceError> {
    let mut references = BTreeSet::new();
    collect(value, &mut references);
    if references.len() > MOST {
        return Err(invalid(format!("You can include up to {MOST} dynamic references in a stack template.")));
    }
    let mut known = BTreeMap::new();
    for reference in references {
        let found = look_up(context, &reference).await?;
        known.insert(reference, found);
    }
    let mut value = value.clone();
    if !known.is_empty() {
        replace(&mut value, &known);
    }
    Ok(value)
}

/// Where the first reference of a text begins and ends: `{{resolve:ssm:name}}`.
fn find(text: &str) -> Option<(usize, usize)> {
    let start = text.find("{{resolve:")?;
    let end = start + text[start..].find("}}")? + 2;
    Some((start, end))
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            let mut rest = text.as_str();
            while let Some((start, end)) = find(rest) {
                references.insert(rest[start..end].to_owned());
                rest = &rest[end..];
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        Value::Object(map) => map.values().for_each(|value| collect(value, references)),
        _ => {}
    }
}

fn replace(value: &mut Value, known: &BTreeMap<String, String>) {
    match value {
        Value::String(text) => {
            let (mut done, mut rest) = (String::new(), text.as_str());
            while let Some((start, end)) = find(rest) {
                done += &rest[..start];
                done += known.get(&rest[start..end]).map_or("", String::as_str);
                rest = &rest[end..];
            }
            *text = done + rest;
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, known)),
        Value::Object(map) => map.values_mut().for_each(|value| replace(value, known)),
        _ => {}
    }
}

async fn look_up(context: &Context, reference: &str) -> Result<String, ServiceError> {
    let inner = reference.trim_start_matches("{{resolve:").trim_end_matches("}}");
    let wrong = || invalid(format!("Incorrect format is used in the following SSM reference: [{reference}]"));
    match inner.split_once(':') {
        Some((service @ ("ssm" | "ssm-secure"), name)) => {
            let input = json!({ "Name": name, "WithDecryption": service == "ssm-secure" });
            let answer = context.call("ssm", "GetParameter", input).await;
            let found = answer.map_err(|error| match error.code.starts_with("Parameter") {
                true => invalid(format!("Parameters: [{inner}] cannot be found.")),
                false => error,
            })?;
            if service == "ssm" && found["Parameter"]["Type"] == "SecureString" {
                return Err(invalid(format!("Non-secure reference to the secure parameter [{name}]")));
            }
            Ok(text_of(&found["Parameter"]["Value"]))
        }
        Some(("secretsmanager", rest)) => secret(context, rest).await,
        _ => Err(wrong()),
    }
}

/// `secret-id:SecretString:json-key:version-stage:version-id`, where the id may be an ARN.
async fn secret(context: &Context, text: &str) -> Result<String, ServiceError> {
    let parts: Vec<&str> = text.split(':').collect();
    let id_length = if parts[0] == "arn" { 7.min(parts.len()) } else { 1 };
    let (id, rest) = parts.split_at(id_length);
    let part = |place: usize| rest.get(place).copied().filter(|part| !part.is_empty());
    let mut input = json!({ "SecretId": id.join(":") });
    for (member, value) in [("VersionStage", part(2)), ("VersionId", part(3))] {
        if let Some(value) = value {
            input[member] = value.into();
        }
    }
    let found = context.call("secretsmanager", "GetSecretValue", input).await?;
    let text = found["SecretString"].as_str().unwrap_or_default();
    let Some(key) = part(1) else { return Ok(text.to_owned()) };
    let members: Value = serde_json::from_str(text).unwrap_or_default();
    members.get(key).map(text_of).ok_or_else(|| {
        invalid(format!("Could not find a value associated with JSONKey in SecretString: {key}"))
    })
}
