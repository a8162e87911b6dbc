//! `${file(path)}` and `${file(path):a.b}`: a file of the service: YAML, JSON, Terraform state or text.
//! JavaScript files are run by Node.

use super::{Found, Request, SourceError, text};
use crate::script::{Script, ScriptError};
use aloft_diag::SourceMap;
use serde_json::Value;
use std::io::ErrorKind;
use std::path::Path;

pub(super) fn resolve(request: &mut Request<'_, '_>) -> Result<Found, SourceError> {
    let Some(path) = request.param(0) else {
        return Err(SourceError::Text("Missing path argument in variable \"file\" source".to_owned()));
    };
    let Some(path) = text::coerce(path) else {
        return Err(SourceError::Text(format!(
            "Non-string path argument in variable \"file\" source: {path}"
        )));
    };
    let address = match request.address.as_ref().filter(|address| !address.is_null()) {
        None => None,
        Some(address) => Some(text::coerce(address).ok_or_else(|| {
            SourceError::Text(format!("Non-string address argument for variable \"file\" source: {address}"))
        })?),
    };
    let address = address.filter(|address| !address.is_empty());
    let undefined =
        || SourceError::Text("Source \"file\" returned not supported result: \"undefined\"".to_owned());
    if matches!(
        Path::new(&path).extension().and_then(|extension| extension.to_str()),
        Some("js" | "cjs" | "mjs")
    ) {
        let value = run(request, &path, address.as_deref())?;
        return value.map(Found::from).ok_or_else(undefined);
    }
    let content = read(request, &path)?;
    let Some(address) = address else {
        return content.map(Found::from).ok_or_else(undefined);
    };
    let mut value = content.unwrap_or_default();
    for key in address.split('.') {
        if let Value::String(raw) = &value {
            value = request.resolver.string(request.path, raw)?;
        }
        match text::member(&value, &[key]) {
            Some(member) if !member.is_null() => value = member,
            _ => return Ok(Value::Null.into()),
        }
    }
    Ok(value.into())
}

/// What a JavaScript file exports; null when there is no such file, none for `undefined`.
fn run(
    request: &mut Request<'_, '_>,
    path: &str,
    address: Option<&str>,
) -> Result<Option<Value>, SourceError> {
    let context = &request.resolver.context;
    let full = context.directory.join(path);
    if !full.is_file() {
        return Ok(Some(Value::Null));
    }
    let (directory, environment) = (context.directory.clone(), context.environment.clone());
    let script = Script {
        path: &full,
        address,
        options: Value::Object(context.options.clone()),
        is_configuration: false,
        environment: &environment,
        directory: &directory,
    };
    let answered = script.run(|question| {
        if let Some(Value::Array(keys)) = question.get("property") {
            let keys: Vec<String> = keys.iter().filter_map(text::coerce).collect();
            return request.property(&keys.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let raw = |kind: &str| question.get(kind).and_then(Value::as_str);
        match (raw("variable"), raw("string")) {
            (Some(variable), _) => request.resolver.string(request.path, &format!("${{{variable}}}")),
            (None, Some(string)) => request.resolver.string(request.path, string),
            (None, None) => Err(SourceError::Text(format!("Invalid variable value: {question}"))),
        }
    });
    answered.map_err(|error| match error {
        ScriptError::Question(error) => error,
        ScriptError::Failed(what) => SourceError::Text(what),
    })
}

/// The content; null for a file that is missing, none for one that holds nothing.
fn read(request: &mut Request<'_, '_>, path: &str) -> Result<Option<Value>, SourceError> {
    let full = request.resolver.context.directory.join(path);
    if let Some(known) = request.resolver.files.get(&full) {
        return known.clone().map_err(SourceError::Text);
    }
    let content =
        load(&full, path.trim_start_matches("./")).map(|content| content.map(aloft_yaml::javascript_order));
    request.resolver.files.insert(full, content.clone());
    content.map_err(SourceError::Text)
}

fn load(full: &Path, shown: &str) -> Result<Option<Value>, String> {
    let bytes = match std::fs::read(full) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Some(Value::Null));
        }
        Err(error) if error.kind() == ErrorKind::IsADirectory => {
            return Err(format!("Cannot parse \"{shown}\": EISDIR: illegal operation on a directory, read"));
        }
        Err(error) => return Err(format!("Cannot parse \"{shown}\": {error}")),
    };
    let content = String::from_utf8_lossy(&bytes).into_owned();
    match full.extension().and_then(|extension| extension.to_str()) {
        Some("yml" | "yaml") => {
            let mut sources = SourceMap::default();
            let source = sources.add(shown, content.as_str());
            let node = aloft_yaml::parse(source, &content).map_err(|error| {
                let place = error.labels.first().map(|label| sources.line_column(source, label.span.start));
                let place = place.map(|(line, column)| format!(" ({line}:{column})")).unwrap_or_default();
                format!("Cannot parse \"{shown}\": {}{place}", error.message)
            })?;
            Ok((!content.is_empty()).then(|| node.to_value()))
        }
        Some("json" | "tfstate") => serde_json::from_str(&content)
            .map(Some)
            .map_err(|error| format!("Cannot parse \"{shown}\": JSON parse error: {error}")),
        _ => Ok(Some(Value::String(content))),
    }
}
