//! `serverless-state.json`: the service as it was compiled, for deploying a package later and for other people's tools.

use super::context::{Context, Function};
use super::events::method_and_path;
use super::functions;
use super::values::{get, present};
use aloft_package::Artifact;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

/// Sections that the initial configuration refers to instead of repeating them: the original writes what it meets a second time
/// as a reference. Layers and outputs come behind the initial configuration, and so refer to it.
const SHARED: [&str; 6] = ["provider", "custom", "plugins", "functions", "resources", "disabledDeprecations"];

/// Members of the provider that hold templates.
const TEMPLATES: [&str; 2] = ["compiledCloudFormationTemplate", "coreCloudFormationTemplate"];

/// The state as it is written: with the templates, of which a copy would be the largest thing there is.
pub struct WholeState<'s> {
    /// What compiling left.
    pub state: &'s Value,
    /// The stack with nothing but the deployment bucket; null for a service with a bucket of its own, which has none.
    pub create_template: &'s Value,
    /// The whole stack.
    pub update_template: &'s Value,
}

impl Serialize for WholeState<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Within { whole: self, value: self.state, path: &["service", "provider"] }.serialize(serializer)
    }
}

/// A value on the way to the templates.
struct Within<'s> {
    whole: &'s WholeState<'s>,
    value: &'s Value,
    path: &'s [&'s str],
}

impl Serialize for Within<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(members) = self.value.as_object() else { return self.value.serialize(serializer) };
        let mut map = serializer.serialize_map(Some(members.len()))?;
        for (key, value) in members {
            match self.path.split_first() {
                Some((first, rest)) if first == key => {
                    map.serialize_entry(key, &Within { whole: self.whole, value, path: rest })?;
                }
                None if key == TEMPLATES[0] => map.serialize_entry(key, self.whole.update_template)?,
                None if key == TEMPLATES[1] && self.whole.create_template.is_null() => {}
                None if key == TEMPLATES[1] => map.serialize_entry(key, self.whole.create_template)?,
                _ => map.serialize_entry(key, value)?,
            }
        }
        map.end()
    }
}

/// The state, member by member as the original writes it, but for the templates: see [`WholeState`].
pub fn state(context: &Context<'_>) -> Value {
    let service = context.service;
    let mut provider = context.provider.clone();
    for name in TEMPLATES {
        provider.insert(name.to_owned(), Value::Null);
    }
    provider.entry("vpc").or_insert_with(|| json!({}));
    let functions: Map<String, Value> =
        context.functions.values().map(|one| (one.key.to_owned(), function(context, one))).collect();
    let setting = |key: &str| present(&service.config, key).cloned();
    let behind = |key: &str| {
        let is_shared = |value: &Value| value.is_object() || value.is_array();
        setting(key)
            .map(|value| if is_shared(&value) { reference(&["initialServerlessConfig", key]) } else { value })
    };
    let mut made = Map::new();
    let mut put =
        |key: &str, value: Option<Value>| drop(value.map(|value| made.insert(key.to_owned(), value)));
    put("service", Some(json!(service.name)));
    put("serviceObject", Some(json!({ "name": service.name })));
    put("provider", Some(Value::Object(provider)));
    put("custom", setting("custom"));
    put("plugins", setting("plugins"));
    put("pluginsData", Some(json!({})));
    put("functions", Some(Value::Object(functions)));
    put("resources", setting("resources"));
    put("configValidationMode", Some(setting("configValidationMode").unwrap_or_else(|| json!("warn"))));
    put("disabledDeprecations", setting("disabledDeprecations"));
    put("deprecationNotificationMode", setting("deprecationNotificationMode"));
    put("serviceFilename", Some(json!(service.file_name)));
    put("initialServerlessConfig", Some(initial(context)));
    put("app", setting("app"));
    put("org", setting("org"));
    put("layers", Some(behind("layers").unwrap_or_else(|| json!({}))));
    put("outputs", behind("outputs"));
    put("isDashboardMonitoringPreconfigured", Some(json!(false)));
    put("artifact", context.artifacts.service.as_ref().map(place));
    let mut package = Map::new();
    if let Some(individually) = present(service.package(), "individually") {
        package.insert("individually".to_owned(), individually.clone());
    }
    package.insert("artifactDirectoryName".to_owned(), json!(context.artifact_directory));
    let artifact = context.artifacts.service.as_ref().map_or(String::new(), Artifact::file_name);
    package.insert("artifact".to_owned(), json!(artifact));
    let state = [("service".to_owned(), Value::Object(made)), ("package".to_owned(), Value::Object(package))];
    Value::Object(state.into_iter().collect())
}

/// A function as the original leaves it: with its defaults, its events resolved, its artifact.
fn function(context: &Context<'_>, function: &Function<'_>) -> Value {
    // With room for what is added below: there may be thousands of them.
    let mut entry = Map::with_capacity(function.config.len() + 7);
    entry.extend(function.config.iter().map(|(key, value)| (key.clone(), value.clone())));
    entry.insert("name".to_owned(), json!(function.name));
    let is_image = get(function.config, "image").is_some();
    if !is_image {
        let package = entry.entry("package").or_insert_with(|| json!({}));
        let artifact = context.artifacts.functions.get(function.key);
        if let (Some(artifact), Some(package)) = (artifact, package.as_object_mut())
            && context.artifacts.service.as_ref() != Some(artifact)
        {
            package.insert("artifact".to_owned(), place(artifact));
        }
    }
    entry.insert("memory".to_owned(), functions::memory(context, function.config));
    entry.insert("timeout".to_owned(), functions::timeout(context, function.config));
    if !is_image {
        entry.insert("runtime".to_owned(), json!(functions::runtime(context, function.config)));
    }
    entry.entry("vpc").or_insert_with(|| json!({}));
    if let Some(version) = &function.version {
        entry.insert("versionLogicalId".to_owned(), json!(version));
    }
    if let Some(alias) = &function.alias {
        entry.insert("targetAlias".to_owned(), json!({ "name": alias.name, "logicalId": alias.id }));
    }
    for event in entry.get_mut("events").and_then(Value::as_array_mut).into_iter().flatten() {
        resolve_route(event);
    }
    Value::Object(entry)
}

/// What the original notes beside an event of an HTTP API.
fn resolve_route(event: &mut Value) {
    let Some((method, path)) = event.get("httpApi").map(method_and_path) else { return };
    let Some(event) = event.as_object_mut() else { return };
    let method = method
        .filter(|method| method != "*")
        .map_or_else(|| "ANY".to_owned(), |method| method.to_uppercase());
    event.insert("resolvedMethod".to_owned(), json!(method));
    if path != "*" {
        event.insert("resolvedPath".to_owned(), json!(path));
    }
}

/// The configuration before it was compiled. What the state holds elsewhere is a reference to there.
fn initial(context: &Context<'_>) -> Value {
    let is_shared =
        |key: &str, value: &Value| SHARED.contains(&key) && (value.is_object() || value.is_array());
    let mut made = Map::new();
    for (key, value) in &context.service.config {
        let value = if is_shared(key, value) { reference(&[key]) } else { value.clone() };
        made.insert(key.clone(), value);
    }
    if let Some(package) = made.get_mut("package").and_then(Value::as_object_mut) {
        let directory = &context.artifact_directory;
        let parent = directory.rsplit_once('/').map_or("", |(parent, _)| parent);
        package.insert("artifactsS3KeyDirname".to_owned(), json!(format!("{parent}/code-artifacts")));
        if let Some(artifact) = &context.artifacts.service {
            package.insert("artifact".to_owned(), place(artifact));
        }
        package.insert("artifactDirectoryName".to_owned(), json!(directory));
    }
    Value::Object(made)
}

/// A reference within the state, as the original's JSON library writes it.
fn reference(path: &[&str]) -> Value {
    let steps: String = ["service"].iter().chain(path).map(|step| format!("[\"{step}\"]")).collect();
    json!({ "$ref": format!("${steps}") })
}

fn place(artifact: &Artifact) -> Value {
    json!(artifact.path.to_string_lossy())
}
