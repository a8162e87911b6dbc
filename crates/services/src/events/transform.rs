//! What a target gets of an event: all of it, a part, a constant, or a template filled from it.

use aloft_base::Timestamp;
use aloft_engine::ServiceError;
use aloft_lang::jsonpath;
use serde_json::{Map, Value};

/// What a template may name beside its own variables.
pub(super) struct Surroundings<'a> {
    pub rule_arn: &'a str,
    pub rule_name: &'a str,
    pub taken: Timestamp,
}

/// Checks a target's input settings before they are stored.
pub(super) fn check(target: &Value) -> Result<(), ServiceError> {
    let transformer = &target["InputTransformer"];
    let paths = transformer["InputPathsMap"].as_object();
    let texts = paths
        .into_iter()
        .flatten()
        .map(|(_, path)| path)
        .chain([&target["InputPath"]])
        .filter_map(Value::as_str);
    for path in texts {
        if !path.starts_with('$')
            || jsonpath::query(path, &Value::Null)
                .is_err_and(|error| matches!(error, jsonpath::JsonPathError::Syntax { .. }))
        {
            return Err(ServiceError::validation(format!(
                "Invalid JSON path {path} in target {}.",
                target["Id"]
            )));
        }
    }
    if let Some(name) = paths
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
        .find(|name| name.to_ascii_lowercase().starts_with("aws"))
    {
        return Err(ServiceError::validation(format!("Variable {name} must not begin with AWS.")));
    }
    Ok(())
}

/// The text that the target gets.
pub(super) fn apply(target: &Value, event: &Value, surroundings: &Surroundings<'_>) -> String {
    if let Some(input) = target["Input"].as_str() {
        return input.to_owned();
    }
    if let Some(path) = target["InputPath"].as_str() {
        return select(path, event).unwrap_or_default().to_string();
    }
    let Some(template) = target["InputTransformer"]["InputTemplate"].as_str() else {
        return event.to_string();
    };
    let empty = Map::new();
    let paths = target["InputTransformer"]["InputPathsMap"].as_object().unwrap_or(&empty);
    fill(template, |name| match name {
        "aws.events.rule-arn" => Some(surroundings.rule_arn.into()),
        "aws.events.rule-name" => Some(surroundings.rule_name.into()),
        "aws.events.event.ingestion-time" => Some(surroundings.taken.iso8601().into()),
        "aws.events.event.json" => Some(event.clone()),
        "aws.events.event" => {
            let mut event = event.clone();
            if let Some(members) = event.as_object_mut() {
                members.shift_remove("detail");
            }
            Some(event)
        }
        _ => Some(select(paths.get(name)?.as_str()?, event).unwrap_or_default()),
    })
}

fn select(path: &str, event: &Value) -> Option<Value> {
    jsonpath::query(path, event).ok().flatten()
}

/// Puts values in place of `<name>`. Between quotes a text stands without quotes of its own, elsewhere any value is JSON.
/// What looks like a placeholder and names nothing stays.
fn fill(template: &str, value: impl Fn(&str) -> Option<Value>) -> String {
    let (mut filled, mut rest, mut quoted) = (String::new(), template, false);
    while let Some(c) = rest.chars().next() {
        let name = rest.strip_prefix('<').and_then(|rest| Some(rest.split_once('>')?.0));
        if let Some((name, value)) = name.and_then(|name| Some((name, value(name)?))) {
            filled.push_str(&written(&value, quoted));
            rest = &rest[name.len() + 2..];
            continue;
        }
        let mut length = c.len_utf8();
        if c == '\\' && quoted {
            length += rest[1..].chars().next().map_or(0, char::len_utf8);
        } else if c == '"' {
            quoted = !quoted;
        }
        filled.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    filled
}

fn written(value: &Value, quoted: bool) -> String {
    let json = value.to_string();
    match value {
        _ if !quoted => json,
        Value::Null => String::new(),
        Value::String(_) => json[1..json.len() - 1].to_owned(),
        // An object or list between quotes: its own quotes must not end the text.
        _ => {
            let text = Value::String(json).to_string();
            text[1..text.len() - 1].to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn inputs() {
        let event = json!({ "source": "shop", "detail": { "id": 7, "name": "a \"b\"", "list": [1, 2], "gone": null } });
        let surroundings = Surroundings { rule_arn: "arn:r", rule_name: "r", taken: Timestamp(0) };
        let paths = json!({ "id": "$.detail.id", "name": "$.detail.name", "list": "$.detail.list", "none": "$.detail.x" });
        let template =
            |text: &str| json!({ "InputTransformer": { "InputPathsMap": paths, "InputTemplate": text } });
        for (target, expected) in [
            (json!({}), event.to_string()),
            (json!({ "Input": "{\"a\":1}" }), "{\"a\":1}".to_owned()),
            (json!({ "InputPath": "$.detail.list" }), "[1,2]".to_owned()),
            (json!({ "InputPath": "$.detail.name" }), "\"a \\\"b\\\"\"".to_owned()),
            (
                template("\"<name> has <id> of <list>, <other>\""),
                "\"a \\\"b\\\" has 7 of [1,2], <other>\"".to_owned(),
            ),
            (
                template(
                    "{\"n\": <name>, \"i\": <id>, \"l\": <list>, \"x\": <none>, \"q\": \"<id>-<none>\"}",
                ),
                "{\"n\": \"a \\\"b\\\"\", \"i\": 7, \"l\": [1,2], \"x\": null, \"q\": \"7-\"}".to_owned(),
            ),
            (
                template(
                    "{\"rule\": <aws.events.rule-arn>, \"at\": \"<aws.events.event.ingestion-time>\", \"e\": <aws.events.event>}",
                ),
                "{\"rule\": \"arn:r\", \"at\": \"1970-01-01T00:00:00.000Z\", \"e\": {\"source\":\"shop\"}}"
                    .to_owned(),
            ),
            (template("\"\\\" <id> < >"), "\"\\\" 7 < >".to_owned()),
        ] {
            assert_eq!(apply(&target, &event, &surroundings), expected, "{target}");
        }
    }
}
