//! `serverless-state.json`: the service as it was compiled, for deploying a package later and for other people's tools.

use super::context::Context;
use super::functions;
use super::values::{get, present};
use serde_json::{Map, Value, json};

/// The state; `serviceFilename` and the rest as the original writes them.
pub fn state(context: &Context<'_>, create: &Value, update: &Value) -> Value {
    let service = context.service;
    let mut provider = context.provider.clone();
    provider.insert("compiledCloudFormationTemplate".to_owned(), update.clone());
    provider.insert("coreCloudFormationTemplate".to_owned(), create.clone());
    let mut compiled = Map::new();
    for function in context.functions.values() {
        let mut entry = function.config.clone();
        entry.insert("name".to_owned(), json!(function.name));
        entry.insert("memory".to_owned(), functions::memory(context, function.config));
        entry.insert("timeout".to_owned(), functions::timeout(context, function.config));
        if get(function.config, "image").is_none() {
            entry.insert("runtime".to_owned(), json!(functions::runtime(context, function.config)));
        }
        if let Some(version) = &function.version {
            entry.insert("versionLogicalId".to_owned(), json!(version));
        }
        if let Some(alias) = &function.alias {
            entry.insert("targetAlias".to_owned(), json!({ "name": alias.name, "logicalId": alias.id }));
        }
        compiled.insert(function.key.to_owned(), Value::Object(entry));
    }
    let setting = |key: &str| present(&service.config, key).cloned();
    // Moved in one by one: `json!` would copy the templates.
    let entries = [
        ("service", json!(service.name)),
        ("serviceObject", json!({ "name": service.name })),
        ("provider", Value::Object(provider)),
        ("custom", setting("custom").unwrap_or_default()),
        ("plugins", setting("plugins").unwrap_or_else(|| json!([]))),
        ("pluginsData", json!({})),
        ("functions", Value::Object(compiled)),
        ("resources", setting("resources").unwrap_or_default()),
        ("configValidationMode", setting("configValidationMode").unwrap_or_else(|| json!("warn"))),
        ("serviceFilename", json!(service.file_name)),
        ("layers", setting("layers").unwrap_or_else(|| json!({}))),
    ];
    let package = json!({
        "individually": service.package().get("individually"),
        "artifactDirectoryName": context.artifact_directory,
        "artifact": context.artifacts.service.as_ref().map_or(String::new(), aloft_package::Artifact::file_name),
    });
    let service = entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let state = [("service".to_owned(), Value::Object(service)), ("package".to_owned(), package)];
    Value::Object(state.into_iter().collect())
}
