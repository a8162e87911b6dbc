//! Validation and coercion of a configuration by the original's JSON schema, united with what its maintained fork adds.
//!
//! Changes the configuration as the original's validator does: scalars become lists, texts become numbers where the schema
//! asks for them. Keeps true: an unknown runtime or region is never a reason to refuse a service.

mod coerce;
mod editor;
mod formats;
mod keywords;
mod refine;
mod validate;

pub use editor::json_schema;

use crate::nearest::nearest;
use keywords::{Below, Schema};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// `{"$ref": name}` stands for `definitions.<name>`.
const TEXT: &str = include_str!("../../schema/serverless.json");

/// The schema for provider aws.
static SCHEMA: LazyLock<Schema> =
    LazyLock::new(|| serde_json::from_str(TEXT).expect("the schema is JSON: a test parses it"));

/// The schema for other providers: their own sections are not looked into.
static OTHER_PROVIDERS: LazyLock<Schema> = LazyLock::new(|| {
    let mut schema = document();
    let properties = &mut schema["properties"];
    properties["provider"] = json!({"type": "object", "required": ["name"]});
    properties["functions"] = json!({"type": "object", "additionalProperties": {
        "type": "object", "properties": {"name": {"type": "string"}, "events": {"type": "array"}}
    }});
    properties["resources"] = json!({});
    properties["layers"] = json!({});
    serde_json::from_value(schema).expect("the schema is JSON: a test parses it")
});

/// The schema for provider aws as a document.
fn document() -> Value {
    serde_json::from_str(TEXT).expect("the schema is JSON: a test parses it")
}

/// A place where the configuration is not as the schema wants it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Issue {
    /// Dotted; empty for the whole.
    pub path: String,
    /// The key in the value at the path that should not be there, if that is the matter.
    pub key: Option<String>,
    /// The original's sentence: `at 'functions.a': unrecognized property 'x'`.
    pub message: String,
    /// What to write instead, if that can be guessed.
    pub help: Option<String>,
    /// Whether it never refuses a service.
    pub is_lenient: bool,
}

/// Coerces the configuration in place and tells what is wrong with it. Null values of maps count as absent.
pub(crate) fn validate(config: &mut Value, provider: &str) -> Vec<Issue> {
    let schema = if provider == "aws" { &*SCHEMA } else { &*OTHER_PROVIDERS };
    let mut removed = Vec::new();
    remove_nulls(config, &mut Vec::new(), &mut removed);
    let errors = validate::validate(schema, config);
    for path in removed {
        restore_null(config, &path);
    }
    refine::refine(errors).into_iter().map(issue).collect()
}

/// Takes nulls out of maps and notes where they were.
fn remove_nulls(value: &mut Value, path: &mut Vec<String>, removed: &mut Vec<Vec<String>>) {
    let mut within = |step: &dyn Fn() -> String, value: &mut Value| {
        // Most values hold no null, and need no path.
        if value.is_null() || holds_null(value) {
            path.push(step());
            match value {
                Value::Null => removed.push(path.clone()),
                value => remove_nulls(value, path, removed),
            }
            path.pop();
        }
    };
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate().filter(|(_, item)| !item.is_null()) {
                within(&|| index.to_string(), item);
            }
        }
        Value::Object(map) => map.retain(|key, value| {
            within(&|| key.clone(), value);
            !value.is_null()
        }),
        _ => {}
    }
}

fn holds_null(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(holds_null),
        Value::Object(map) => map.values().any(|value| value.is_null() || holds_null(value)),
        _ => false,
    }
}

/// Nulls come back at the end of their maps, as the original puts them.
fn restore_null(config: &mut Value, path: &[String]) {
    let Some((last, parents)) = path.split_last() else { return };
    let parent = parents.iter().try_fold(config, |value, key| match value {
        Value::Object(map) => map.get_mut(key),
        Value::Array(items) => items.get_mut(key.parse::<usize>().ok()?),
        _ => None,
    });
    if let Some(Value::Object(map)) = parent {
        map.insert(last.clone(), Value::Null);
    }
}

fn issue(error: validate::Error<'_>) -> Issue {
    let path = error.instance.trim_start_matches('/').replace('/', ".").replace("~1", "/").replace("~0", "~");
    let is_lenient = error.keyword == "enum"
        && (path.ends_with("untime") || path.ends_with("region") || path.contains("compatibleRuntimes"));
    let guess = |word: &str| nearest(word, error.allowed.iter().copied());
    let help = match (error.keyword, &error.key) {
        ("additionalProperties", Some(key)) => guess(key).map(|name| format!("did you mean `{name}`?")),
        ("enum", _) => {
            let text = error.text.as_deref().and_then(guess);
            text.map(|name| format!("did you mean `{name}`?"))
        }
        ("anyOf", _) if error.message.ends_with("unsupported function event") => {
            let name = error.first_key.as_deref();
            name.and_then(|name| nearest(name, event_names().into_iter()))
                .map(|name| format!("did you mean `{name}`?"))
        }
        ("anyOf" | "oneOf", Some(key)) => guess(key).map(|name| format!("did you mean `{name}`?")),
        _ => None,
    };
    let help = help.or_else(|| expectation(&path, &error.message, error.text.as_deref()));
    Issue { path, key: error.key, message: error.message.into_owned(), help, is_lenient }
}

/// What a sentence of the original's says only to those who read patterns.
fn expectation(path: &str, message: &str, given: Option<&str>) -> Option<String> {
    let last = path.rsplit('.').find(|key| key.parse::<usize>().is_err()).unwrap_or_default();
    let text = match last {
        _ if message.contains("^[a-zA-Z][0-9a-zA-Z-]+$") => {
            "letters, digits and dashes, two characters at least, a letter first"
        }
        _ if message.contains("^[a-zA-Z0-9-]+$") => "letters, digits and dashes",
        _ if message.contains(r"rate\(") => "write `rate(1 hour)`, `rate(5 minutes)` or `cron(0 12 * * ? *)`",
        "http" | "httpApi" if message.contains("pattern") => {
            "write a method and a path, such as `GET /items/{id}`, or `*` for all"
        }
        _ if message.ends_with("unsupported string format")
            && (last.to_lowercase().ends_with("arn")
                || matches!(last, "layers" | "managedPolicies" | "role" | "sqs" | "stream")) =>
        {
            "write an ARN (`arn:aws:...`), or a function of CloudFormation such as `Ref` or `Fn::GetAtt`"
        }
        "events" if message.ends_with("must be object") => {
            let name = given?;
            return Some(format!("write a map, such as `- {name}: ...`"));
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// The events that functions of provider aws may have.
fn event_names() -> Vec<&'static str> {
    let branches = || {
        let (_, function) = SCHEMA.property("functions")?.pattern_properties.as_ref()?.first()?;
        match &function.property("events")?.items {
            Some(Below::Each(event)) => event.any_of.as_deref(),
            _ => None,
        }
    };
    let names = branches().into_iter().flatten().filter_map(|branch| branch.properties.as_ref());
    names.flatten().map(|(name, _)| &**name).filter(|name| !name.starts_with('_')).collect()
}

#[cfg(test)]
mod tests;
