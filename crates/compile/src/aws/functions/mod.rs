//! Functions: the resource, its version and alias, its URL and its asynchronous invocation settings.
//!
//! The original starts all functions and finishes them when their artifacts have been hashed, so statements of the first half of
//! all functions come before those of the second half of any; functions without a version finish at once.

mod image;
mod invoke_config;
mod properties;
mod url;

pub use image::tags as image_tags;

use super::context::{Alias, Context};
use super::naming;
use super::values::{at, display, get, present, truthy};
use super::version::{self, Code};
use aloft_diag::Diagnostic;
use serde_json::{Map, Value, json};

/// Adds all functions.
///
/// # Errors
/// One for each function that cannot be compiled.
pub fn add(context: &mut Context<'_>) -> Result<(), Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let mut later = Vec::new();
    let keys: Vec<&str> = context.functions.keys().copied().collect();
    let (images, zips): (Vec<&str>, Vec<&str>) =
        keys.into_iter().partition(|key| get(context.functions[key].config, "image").is_some());
    for key in zips.into_iter().chain(images) {
        match start(context, key) {
            Ok(Some(started)) => later.push(started),
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
    }
    for started in later {
        if let Err(error) = finish(context, &started) {
            errors.push(error);
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// A function whose version waits for the others to start.
struct Started<'a> {
    key: &'a str,
    image_sha256: Option<String>,
}

fn start<'a>(context: &mut Context<'a>, key: &'a str) -> Result<Option<Started<'a>>, Diagnostic> {
    let config = context.functions[key].config;
    let place = format!("functions.{key}");
    let (handler, image) = (get(config, "handler"), get(config, "image"));
    match (handler, image) {
        (None, None) => {
            let message =
                format!("Either \"handler\" or \"image\" property needs to be set on function \"{key}\"");
            return Err(context
                .error("FUNCTION_NEITHER_HANDLER_NOR_IMAGE_DEFINED_ERROR", message, &place)
                .help(
                    "add `handler: <file without its ending>.<function>`, such as `handler: src/app.handler`",
                ));
        }
        (Some(_), Some(_)) => {
            let message = format!(
                "Either \"handler\" or \"image\" property (not both) needs to be set on function \"{key}\"."
            );
            return Err(context
                .error("FUNCTION_BOTH_HANDLER_AND_IMAGE_DEFINED_ERROR", message, &place)
                .help("remove `handler` to run the image, or `image` to run the code"));
        }
        _ => {}
    }
    let image = image.map(|image| image::resolve(context, key, image)).transpose()?;
    let resource = properties::resource(context, key, image.as_ref())?;
    context.put(naming::function(key), resource);
    let started = Started { key, image_sha256: image.map(|image| image.sha256) };
    if !has_version(context, config) {
        url::add(context, key);
        invoke_config::add(context, key)?;
        return Ok(None);
    }
    if started.image_sha256.is_some() {
        finish(context, &started)?;
        return Ok(None);
    }
    Ok(Some(started))
}

/// `versionFunction` of the function, else `versionFunctions` of the provider, which is on unless said otherwise.
fn keeps_versions(context: &Context<'_>, config: &Map<String, Value>) -> bool {
    if runs_at_edge(config) {
        return true;
    }
    match present(config, "versionFunction").or_else(|| present(context.provider, "versionFunctions")) {
        Some(value) => truthy(Some(value)),
        None => true,
    }
}

fn has_version(context: &Context<'_>, config: &Map<String, Value>) -> bool {
    keeps_versions(context, config)
        || ["provisionedConcurrency", "snapStart"].iter().any(|key| get(config, key).is_some())
}

fn finish(context: &mut Context<'_>, started: &Started<'_>) -> Result<(), Diagnostic> {
    let key = started.key;
    let config = context.functions[key].config;
    let id = naming::function(key);
    if context.options.enforce_hash_update {
        context.resources[&id]["Properties"]["Description"] =
            json!("temporary-description-to-enforce-hash-update");
    }
    let version = version_id(context, started, &id)?;
    let keeps = keeps_versions(context, config);
    let (provisioned, snap_start) = (get(config, "provisionedConcurrency"), get(config, "snapStart"));
    let has_alias = provisioned.is_some() || snap_start.is_some();
    let code = code_sha256(context, started)?;
    context.put(
        version.clone(),
        json!({
            "Type": "AWS::Lambda::Version",
            "DeletionPolicy": (keeps || !has_alias).then_some("Retain"),
            "Properties": {
                "FunctionName": { "Ref": id },
                "CodeSha256": code,
                "Description": get(config, "description"),
            },
        }),
    );
    context.outputs.insert(
        format!("{id}QualifiedArn"),
        json!({ "Description": "Current Lambda function version", "Value": { "Ref": version } }),
    );
    if provisioned.is_some() && snap_start.is_some() {
        let message = format!(
            "Functions with enabled SnapStart does not support provisioned concurrency. Please remove at least one of the \
             settings on function \"{key}\"."
        );
        return Err(context
            .error(
                "FUNCTION_BOTH_PROVISIONED_CONCURRENCY_AND_SNAPSTART_ENABLED_ERROR",
                message,
                &format!("functions.{key}.snapStart"),
            )
            .help("remove `snapStart` or `provisionedConcurrency`"));
    }
    let alias = match (provisioned, snap_start) {
        (Some(_), _) => Some(("provisioned", "ProvConcLambdaAlias")),
        (None, Some(_)) => Some(("snapstart", "SnapStartLambdaAlias")),
        (None, None) => None,
    };
    if let Some((name, suffix)) = alias {
        let alias_id = format!("{}{suffix}", naming::normalized(key));
        let concurrency = provisioned.map(|count| json!({ "ProvisionedConcurrentExecutions": count }));
        context.put(
            alias_id.clone(),
            json!({
                "Type": "AWS::Lambda::Alias",
                "Properties": {
                    "FunctionName": { "Ref": id },
                    "FunctionVersion": { "Fn::GetAtt": [version, "Version"] },
                    "Name": name,
                    "ProvisionedConcurrencyConfig": concurrency,
                },
                "DependsOn": id,
            }),
        );
        if snap_start.is_some() {
            context.resources[&id]["Properties"]["SnapStart"] = json!({ "ApplyOn": "PublishedVersions" });
        }
        if let Some(function) = context.functions.get_mut(key) {
            function.alias = Some(Alias { name, id: alias_id });
        }
    }
    if let Some(function) = context.functions.get_mut(key) {
        function.version = Some(version);
    }
    url::add(context, key);
    invoke_config::add(context, key)
}

fn code_sha256(context: &Context<'_>, started: &Started<'_>) -> Result<String, Diagnostic> {
    with_code(context, started, |code| Ok(code.sha256().to_owned()))
}

fn version_id(context: &Context<'_>, started: &Started<'_>, id: &str) -> Result<String, Diagnostic> {
    let empty = Map::new();
    let properties = context
        .resources
        .get(id)
        .and_then(|resource| resource.get("Properties")?.as_object())
        .unwrap_or(&empty);
    with_code(context, started, |code| {
        Ok(naming::version(started.key, &version::digest(context, properties, code)?))
    })
}

fn with_code<T>(
    context: &Context<'_>,
    started: &Started<'_>,
    then: impl Fn(&Code<'_>) -> Result<T, Diagnostic>,
) -> Result<T, Diagnostic> {
    if let Some(sha256) = &started.image_sha256 {
        return then(&Code::Image { sha256 });
    }
    let missing =
        |text: String| context.error("FUNCTION_NOT_PACKAGED", text, &format!("functions.{}", started.key));
    let artifact = context
        .artifacts
        .functions
        .get(started.key)
        .ok_or_else(|| missing(format!("function \"{}\" has not been packaged", started.key)))?;
    if let Some(remote) = artifact.remote.as_ref().filter(|_| artifact.sha256.is_empty()) {
        return Err(missing(format!(
            "the artifact s3://{}/{} has not been fetched",
            remote.bucket, remote.key
        ))
        .help("use a file on disk as `package.artifact`, or make sure that the object can be read"));
    }
    then(&Code::Zip { sha256: &artifact.sha256, path: &artifact.path })
}

/// The runtime of a function that runs code.
pub fn runtime(context: &Context<'_>, config: &Map<String, Value>) -> String {
    get(config, "runtime")
        .or_else(|| get(context.provider, "runtime"))
        .map_or("nodejs16.x".to_owned(), display)
}

/// A function of a CloudFront distribution, which has other defaults and always a version.
fn runs_at_edge(config: &Map<String, Value>) -> bool {
    let events = config.get("events").and_then(Value::as_array);
    events.is_some_and(|events| events.iter().any(|event| truthy(event.get("cloudFront"))))
}

/// Seconds.
pub fn timeout(context: &Context<'_>, config: &Map<String, Value>) -> Value {
    if runs_at_edge(config) {
        return get(config, "timeout").cloned().unwrap_or_else(|| json!(5));
    }
    get(config, "timeout").or_else(|| get(context.provider, "timeout")).cloned().unwrap_or_else(|| json!(6))
}

/// Megabytes.
pub fn memory(context: &Context<'_>, config: &Map<String, Value>) -> Value {
    if runs_at_edge(config) {
        return get(config, "memorySize").cloned().unwrap_or_else(|| json!(128));
    }
    get(config, "memorySize")
        .or_else(|| get(context.provider, "memorySize"))
        .cloned()
        .unwrap_or_else(|| json!(1024))
}

/// A setting of the VPC, the function's before the provider's.
fn vpc_setting<'a>(context: &Context<'a>, config: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    at(config, &["vpc", key])
        .filter(|value| truthy(Some(value)))
        .or_else(|| at(context.provider, &["vpc", key]))
}
