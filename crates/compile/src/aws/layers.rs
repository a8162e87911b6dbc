//! Layers of the service, their permissions and outputs.

use super::context::Context;
use super::naming::{self, BUCKET};
use super::values::{get, list};
use aloft_diag::Diagnostic;
use serde_json::{Map, Value, json};
use sha1::{Digest, Sha1};

/// Adds all layers.
///
/// # Errors
/// When an artifact cannot be read.
pub fn add(context: &mut Context<'_>) -> Result<(), Diagnostic> {
    let empty = Map::new();
    for (name, layer) in context.service.section("layers") {
        add_one(context, name, layer.as_object().unwrap_or(&empty))?;
    }
    Ok(())
}

fn add_one(context: &mut Context<'_>, name: &str, layer: &Map<String, Value>) -> Result<(), Diagnostic> {
    let place = format!("layers.{name}");
    let missing = || {
        context.error("LAYER_MISSING_IN_SERVICE", format!("layer \"{name}\" has not been packaged"), &place)
    };
    let artifact = context.artifacts.layers.get(name).ok_or_else(missing)?;
    let mut key = format!("{}/{}", context.artifact_directory, artifact.file_name());
    let bucket = context.deployment_bucket.clone().unwrap_or_else(|| json!({ "Ref": BUCKET }));
    let mut properties = json!({
        "Content": { "S3Bucket": bucket, "S3Key": key },
        "LayerName": get(layer, "name").cloned().unwrap_or_else(|| json!(name)),
    });
    for (setting, property) in [
        ("description", "Description"),
        ("licenseInfo", "LicenseInfo"),
        ("compatibleRuntimes", "CompatibleRuntimes"),
        ("compatibleArchitectures", "CompatibleArchitectures"),
    ] {
        if let Some(value) = get(layer, setting) {
            properties[property] = value.clone();
        }
    }
    let mut resource = json!({ "Type": "AWS::Lambda::LayerVersion", "Properties": properties });
    let hash = hash(&resource, &artifact.path).map_err(|error| {
        context.error(
            "FILE_ACCESS_FAILED",
            format!("cannot read {}: {error}", artifact.path.display()),
            &place,
        )
    })?;
    let base = format!("{}LambdaLayer", naming::normalized(name));
    let before = |what: &str| context.options.previous_outputs.get(&format!("{base}{what}"));
    if let Some(previous) = before("S3Key").filter(|_| before("Hash") == Some(&hash)) {
        key.clone_from(previous);
        resource["Properties"]["Content"]["S3Key"] = json!(key);
        context.unchanged_layers.push(name.to_owned());
    }
    let retain = get(layer, "retain").is_some();
    let suffix = if retain { hash.as_str() } else { "" };
    let policy = retain.then_some("Retain");
    let id = format!("{base}{suffix}");
    resource["DeletionPolicy"] = json!(policy);
    context.put(id.clone(), resource);
    for account in list(layer, "allowedAccounts") {
        let account_name = super::values::display(account).replacen('*', "Wild", 1);
        let permission = format!("{}{account_name}LambdaLayerPermission{suffix}", naming::normalized(name));
        context.put(permission, json!({
            "Type": "AWS::Lambda::LayerVersionPermission",
            "Properties": { "Action": "lambda:GetLayerVersion", "LayerVersionArn": { "Ref": id }, "Principal": account },
            "DeletionPolicy": policy,
        }));
    }
    let output = |description: &str, value: Value| json!({ "Description": description, "Value": value });
    context
        .output(format!("{base}QualifiedArn"), output("Current Lambda layer version", json!({ "Ref": id })));
    context.output(format!("{base}Hash"), output("Current Lambda layer hash", json!(hash)));
    context.output(format!("{base}S3Key"), output("Current Lambda layer S3Key", json!(key)));
    Ok(())
}

/// SHA-1 of the resource without its key, and of the artifact's bytes.
fn hash(resource: &Value, artifact: &std::path::Path) -> std::io::Result<String> {
    let mut hashed = resource.clone();
    if let Some(content) = hashed.pointer_mut("/Properties/Content").and_then(Value::as_object_mut) {
        content.shift_remove("S3Key");
    }
    let mut hash = Sha1::new();
    hash.update(super::values::stringify(&hashed));
    hash.update(std::fs::read(artifact)?);
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The key of the layer whose resource has this id.
pub fn layer_of(context: &Context<'_>, id: &str) -> Option<String> {
    context
        .service
        .section("layers")
        .iter()
        .find(|(name, layer)| {
            let base = format!("{}LambdaLayer", naming::normalized(name));
            let retained = layer.as_object().is_some_and(|layer| get(layer, "retain").is_some());
            if retained { id.starts_with(&base) && id.len() == base.len() + 40 } else { id == base }
        })
        .map(|(name, _)| name.clone())
}
