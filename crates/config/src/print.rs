//! The resolved configuration as the original's `print` shows it.

use crate::Service;
use crate::normalize::is_falsy;
use aloft_diag::Diagnostic;
use serde_json::Value;

/// The whole resolved configuration.
pub fn print(service: &Service) -> Value {
    Value::Object(service.config.clone())
}

/// A value as text.
///
/// `format` is `yaml` (the default), `json` or `text`; `path` picks a part by dotted keys; `transform` may be `keys`.
///
/// # Errors
/// `INVALID_PATH_ARGUMENT`, `INVALID_TRANSFORM`, `PRINT_INVALID_OBJECT_AS_TEXT`, `PRINT_INVALID_FORMAT`
pub fn format(
    value: &Value,
    format: Option<&str>,
    path: Option<&str>,
    transform: Option<&str>,
) -> Result<String, Diagnostic> {
    let mut value = value;
    for step in path.into_iter().flat_map(|path| path.split('.')) {
        let part = match value {
            Value::Object(map) => map.get(step),
            Value::Array(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => None,
        };
        value = part.filter(|part| !is_falsy(part)).ok_or_else(|| {
            Diagnostic::error(
                "INVALID_PATH_ARGUMENT",
                format!("Path \"{}\" not found", path.unwrap_or_default()),
            )
        })?;
    }
    let keys = match transform {
        None => None,
        Some("keys") => Some(match value {
            Value::Object(map) => map.keys().map(|key| Value::from(key.as_str())).collect(),
            Value::Array(items) => (0..items.len()).map(|index| Value::from(index.to_string())).collect(),
            _ => Value::Array(Vec::new()),
        }),
        Some(_) => return Err(Diagnostic::error("INVALID_TRANSFORM", "Transform can only be \"keys\"")),
    };
    let value = keys.as_ref().unwrap_or(value);
    match format.unwrap_or("yaml") {
        "yaml" => Ok(aloft_yaml::emit(value)),
        "json" => Ok(format!("{value:#}")),
        "text" => match value {
            Value::Array(items) => Ok(items.iter().map(text).collect::<Vec<_>>().join("\n")),
            Value::Object(_) => {
                Err(Diagnostic::error("PRINT_INVALID_OBJECT_AS_TEXT", "Cannot print an object as \"text\""))
            }
            Value::Null => Ok("null".to_owned()),
            value => Ok(text(value)),
        },
        _ => Err(Diagnostic::error("PRINT_INVALID_FORMAT", "Format must be \"yaml\", \"json\" or \"text\"")),
    }
}

/// What JavaScript makes of a value when it joins a list.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(number) => aloft_yaml::number_text(number),
        Value::Bool(value) => value.to_string(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        Value::Object(_) => "[object Object]".to_owned(),
    }
}
