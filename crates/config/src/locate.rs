//! Which file is the configuration, and what it says before variables are resolved.

use crate::LoadRequest;
use crate::places::Places;
use crate::script::{Script, ScriptError};
use aloft_diag::{Diagnostic, SourceMap};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// In the order in which they are looked for.
const EXTENSIONS: &[&str] = &["yml", "yaml", "json", "js", "mjs", "cjs", "ts"];

/// A configuration as it was read.
pub(crate) struct Raw {
    /// The file's name in the service directory.
    pub file_name: String,
    /// What it says.
    pub config: Value,
    /// Where it says it; empty for scripts.
    pub places: Places,
}

/// Finds and reads the configuration.
///
/// # Errors
/// The original's codes for a file that is missing, misplaced or no configuration.
pub(crate) fn read(request: &LoadRequest<'_>, sources: &mut SourceMap) -> Result<Raw, Diagnostic> {
    let file_name = find(&request.directory, request.config.as_deref())?;
    let path = request.directory.join(&file_name);
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_owned();
    let failed =
        |code: &str, what: &str| Diagnostic::error(code, format!("Cannot parse \"{file_name}\": {what}"));
    let mut places = Places::default();
    let config = if matches!(extension.as_str(), "yml" | "yaml" | "json") {
        let bytes = std::fs::read(&path)
            .map_err(|error| failed("CONFIGURATION_NOT_ACCESSIBLE", &error.to_string()))?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let source = sources.add(&file_name, text.as_str());
        let node = aloft_yaml::parse(source, &text);
        if extension == "json" {
            let value = serde_json::from_str(&text).map_err(|error| {
                failed("CONFIGURATION_PARSE_ERROR", &format!("JSON parse error: {error}"))
            })?;
            // JSON is YAML, which knows where things stand.
            places = node.as_ref().map(Places::new).unwrap_or_default();
            value
        } else {
            let node = node.map_err(|error| Diagnostic {
                message: format!("Cannot parse \"{file_name}\": {}", error.message),
                ..error
            })?;
            places = Places::new(&node);
            node.to_value()
        }
    } else {
        run(request, &path).map_err(|what| {
            let message = if what.starts_with("Cannot load ") {
                what
            } else {
                format!("Cannot load \"{file_name}\": {what}")
            };
            Diagnostic::error("CONFIGURATION_INITIALIZATION_ERROR", message)
        })?
    };
    if !config.is_object() {
        let message = format!("Invalid configuration at \"{file_name}\": Plain object expected");
        return Err(Diagnostic::error("INVALID_CONFIGURATION_EXPORT", message));
    }
    Ok(Raw { file_name, config: aloft_yaml::javascript_order(config), places })
}

/// What a configuration written in JavaScript or TypeScript exports.
fn run(request: &LoadRequest<'_>, path: &Path) -> Result<Value, String> {
    let script = Script {
        path,
        address: None,
        options: Value::Null,
        is_configuration: true,
        environment: &request.environment,
        directory: &request.directory,
    };
    match script.run(|_| Err(())) {
        Ok(value) => Ok(value.unwrap_or_default()),
        Err(ScriptError::Failed(what)) => Err(what),
        Err(ScriptError::Question(())) => Err("variables are resolved after the file is read".to_owned()),
    }
}

/// The name of a directory's configuration file.
///
/// # Errors
/// The original's codes for a file that is missing or misplaced.
pub fn find(directory: &Path, given: Option<&Path>) -> Result<String, Diagnostic> {
    let Some(given) = given else {
        let names = EXTENSIONS.iter().map(|extension| format!("serverless.{extension}"));
        let found = names.into_iter().find(|name| directory.join(name).is_file());
        return found.ok_or_else(|| {
            let message = "This command can only be run in a Serverless service directory. Make sure to reference a valid \
                           config file in the current working directory if you're using a custom config file";
            Diagnostic::error("MISSING_SERVICE_CONTEXT", message).help("write a serverless.yml here, or name one with --config")
        });
    };
    let invalid = |what: String| {
        Diagnostic::error("INVALID_SERVICE_CONFIG_PATH", format!("Invalid \"--config\" value: {what}"))
    };
    let shown = given.display();
    let extension = given.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if !EXTENSIONS.contains(&extension) {
        return Err(invalid(format!(
            "Unsupported file extension (expected one of: {})",
            EXTENSIONS.join(", ")
        )));
    }
    let path = directory.join(given);
    let Ok(metadata) = std::fs::metadata(&path) else {
        return Err(invalid(format!("Cannot find \"{shown}\" in service folder")));
    };
    if !metadata.is_file() {
        return Err(invalid(format!("\"{shown}\" is not a file")));
    }
    let canonical = |path: PathBuf| path.canonicalize().ok();
    let parent = path.parent().map(PathBuf::from).and_then(canonical);
    match path.file_name() {
        Some(name) if parent == canonical(directory.to_owned()) => Ok(name.to_string_lossy().into_owned()),
        _ => Err(Diagnostic::error(
            "NESTED_CUSTOM_CONFIGURATION_PATH",
            "Service configuration is expected to be placed in a root of a service (working directory). All paths, function \
             handlers in a configuration are resolved against service directory.\n",
        )),
    }
}
