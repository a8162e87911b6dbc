//! What the original makes of a resolved configuration before anything is compiled: lists merged, functions named, defaults.

use crate::places::Places;
use aloft_diag::Diagnostic;
use serde_json::{Map, Value, json};

/// `functions` and `resources` given as lists become one map each.
///
/// # Errors
/// `LEGACY_CONFIGURATION_PROPERTY_MERGE_INVALID_INPUT` for an item that is no map.
pub(crate) fn merge_lists(config: &mut Map<String, Value>, places: &mut Places) -> Result<(), Diagnostic> {
    for section in ["resources", "functions"] {
        let Some(Value::Array(items)) = config.get_mut(section) else { continue };
        let mut merged = json!({});
        for (index, item) in std::mem::take(items).into_iter().enumerate() {
            match item {
                Value::Object(_) => merge(&mut merged, item),
                item if is_falsy(&item) => {}
                item => {
                    let message = format!("Non-object value specified in {section} array: {}", shown(&item));
                    let code = "LEGACY_CONFIGURATION_PROPERTY_MERGE_INVALID_INPUT";
                    return Err(Diagnostic::error(code, message)
                        .at_opt(places.value(&format!("{section}.{index}")), ""));
                }
            }
        }
        config.insert(section.to_owned(), merged);
        places.flatten(section);
    }
    Ok(())
}

/// Deeply: maps key by key, lists item by item.
fn merge(target: &mut Value, source: Value) {
    match (target, source) {
        (Value::Object(target), Value::Object(source)) => {
            for (key, value) in source {
                match target.get_mut(&key) {
                    Some(known) => merge(known, value),
                    None => {
                        target.insert(key, value);
                    }
                }
            }
        }
        (Value::Array(target), Value::Array(source)) => {
            for (index, value) in source.into_iter().enumerate() {
                match target.get_mut(index) {
                    Some(known) => merge(known, value),
                    None => target.push(value),
                }
            }
        }
        (target, source) => *target = source,
    }
}

/// Each function gets its events and its name; functions that are null are dropped.
///
/// # Errors
/// `NON_OBJECT_FUNCTIONS_CONFIGURATION`, `NON_OBJECT_FUNCTION_CONFIGURATION_ERROR`
pub(crate) fn name_functions(
    config: &mut Map<String, Value>,
    service: &str,
    stage: &str,
    places: &Places,
) -> Result<(), Diagnostic> {
    let functions = match config.get_mut("functions") {
        None => return Ok(()),
        Some(value) if is_falsy(value) => return Ok(()),
        Some(Value::Object(functions)) => functions,
        Some(value) => {
            let message = format!(
                "Unexpected \"functions\" configuration: Expected object received: {}",
                inspect(value)
            );
            let diagnostic = Diagnostic::error("NON_OBJECT_FUNCTIONS_CONFIGURATION", message);
            return Err(diagnostic.at_opt(places.value("functions"), "expected a map of functions"));
        }
    };
    functions.retain(|_, function| !function.is_null());
    for (key, function) in functions.iter_mut() {
        let Value::Object(function) = function else {
            let message = format!(
                "Unexpected \"{key}\" function configuration: Expected object received {})",
                inspect(function)
            );
            let diagnostic = Diagnostic::error("NON_OBJECT_FUNCTION_CONFIGURATION_ERROR", message);
            return Err(diagnostic.at_opt(
                places.value(&format!("functions.{key}")),
                "expected a map, such as `handler: file.name`",
            ));
        };
        let is_missing = |function: &Map<String, Value>, name: &str| function.get(name).is_none_or(is_falsy);
        if is_missing(function, "events") {
            function.insert("events".to_owned(), json!([]));
        }
        if is_missing(function, "name") {
            function.insert("name".to_owned(), Value::String(format!("{service}-{stage}-{key}")));
        }
    }
    Ok(())
}

/// What plugins of provider aws fill in when they start.
pub(crate) fn fill_in(config: &mut Map<String, Value>, service: &str, stage: &str) {
    let prefix = config.get("provider").and_then(|provider| provider.get("deploymentPrefix"));
    let prefix = prefix.filter(|prefix| !prefix.is_null()).map_or_else(|| "serverless".to_owned(), shown);
    if let Some(Value::Object(package)) = config.get_mut("package") {
        let directory = format!("{prefix}/{service}/{stage}/code-artifacts");
        package.insert("artifactsS3KeyDirname".to_owned(), Value::String(directory));
    }
    let Some(Value::Object(provider)) = config.get_mut("provider") else { return };
    if provider.get("versionFunctions").is_none_or(Value::is_null) {
        provider.insert("versionFunctions".to_owned(), Value::Bool(true));
    }
    if let Some(bucket @ Value::Object(_)) = provider.get_mut("deploymentBucket") {
        let bucket = bucket.take();
        let name = bucket.get("name").filter(|name| !is_falsy(name)).cloned().unwrap_or_default();
        provider.insert("deploymentBucket".to_owned(), name);
        provider.insert("deploymentBucketObject".to_owned(), bucket);
    }
}

/// What JavaScript takes for false.
pub(crate) fn is_falsy(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// A value within a JavaScript text.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A value as Node's `util.inspect` writes it, for messages.
fn inspect(value: &Value) -> String {
    match value {
        Value::String(text) if !text.contains('\'') => format!("'{text}'"),
        Value::String(text) if !text.contains('"') => format!("\"{text}\""),
        Value::String(text) => format!("`{text}`"),
        value => value.to_string(),
    }
}
