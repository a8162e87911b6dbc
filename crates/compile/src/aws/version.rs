//! The version of a function, whose logical id holds a hash of everything that makes a new version.

use super::context::Context;
use super::layers::layer_of;
use super::values::{display, get, locale_compare, stringify, stringify_sorted};
use aloft_diag::Diagnostic;
use base64::Engine;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Where the code of the version comes from.
pub enum Code<'a> {
    /// A zip, with its base64 SHA-256.
    Zip { sha256: &'a str, path: &'a std::path::Path },
    /// An image, with the hexadecimal part of its digest.
    Image { sha256: &'a str },
}

impl Code<'_> {
    /// What `CodeSha256` says.
    pub fn sha256(&self) -> &str {
        match self {
            Self::Zip { sha256, .. } | Self::Image { sha256 } => sha256,
        }
    }
}

/// The base64 hash for a function with these properties.
///
/// # Errors
/// When an artifact cannot be read.
pub fn digest(
    context: &Context<'_>,
    properties: &Map<String, Value>,
    code: &Code<'_>,
) -> Result<String, Diagnostic> {
    let old = old_algorithm(context);
    let mut hash = Sha256::new();
    let mut add_file = |sha256: &str, path: &std::path::Path| -> Result<(), Diagnostic> {
        if old {
            let bytes = std::fs::read(path).map_err(|error| {
                Diagnostic::error("FILE_ACCESS_FAILED", format!("cannot read {}: {error}", path.display()))
            })?;
            hash.update(bytes);
        } else {
            hash.update(sha256);
        }
        Ok(())
    };
    if let Code::Zip { sha256, path } = code {
        add_file(sha256, path)?;
    }
    let layers = local_layers(context, properties);
    let mut artifacts: Vec<_> =
        layers.iter().filter_map(|layer| context.artifacts.layers.get(&layer.name)).collect();
    artifacts.sort_by(|left, right| left.path.cmp(&right.path));
    for artifact in artifacts {
        add_file(&artifact.sha256, &artifact.path)?;
    }
    let is_zip = matches!(code, Code::Zip { .. });
    let is_hashed = |key: &str| match key {
        "Code" => !is_zip,
        "ReservedConcurrentExecutions" | "Tags" => false,
        _ => true,
    };
    let mut hashed: Map<String, Value> = Map::with_capacity(properties.len() + 1);
    hashed.extend(
        properties.iter().filter(|(key, _)| is_hashed(key)).map(|(key, value)| (key.clone(), value.clone())),
    );
    if old {
        let by_name = layers.iter().map(|layer| (layer.name.clone(), sorted(&layer.properties))).collect();
        hashed.insert("layerConfigurations".to_owned(), Value::Object(by_name));
        hash.update(stringify(&sorted(&hashed)));
    } else {
        let list = layers
            .iter()
            .map(|layer| json!({ "name": layer.name, "ref": layer.id, "properties": layer.properties }))
            .collect();
        hashed.insert("layerConfigurations".to_owned(), Value::Array(list));
        hash.update(stringify_sorted(&Value::Object(hashed)));
    }
    Ok(base64::engine::general_purpose::STANDARD.encode(hash.finalize()))
}

/// `provider.lambdaHashingVersion: 20200924`.
fn old_algorithm(context: &Context<'_>) -> bool {
    let version =
        get(context.provider, "lambdaHashingVersion").map(display).and_then(|text| text.parse::<u64>().ok());
    version.is_some_and(|version| version < 20_201_221) && !context.options.enforce_hash_update
}

/// Only the keys of the object itself are sorted.
fn sorted(map: &Map<String, Value>) -> Value {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by(|(left, _), (right, _)| locale_compare(left, right));
    Value::Object(entries.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect())
}

struct LocalLayer {
    name: String,
    id: String,
    properties: Map<String, Value>,
}

/// The layers of this service that the function refers to.
fn local_layers(context: &Context<'_>, properties: &Map<String, Value>) -> Vec<LocalLayer> {
    let references = properties.get("Layers").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    references
        .iter()
        .filter_map(|layer| {
            let id = layer.get("Ref")?.as_str()?;
            let mut properties = context.resources.get(id)?.get("Properties")?.as_object()?.clone();
            if let Some(content) = properties.get_mut("Content").and_then(Value::as_object_mut) {
                content.shift_remove("S3Key");
            }
            Some(LocalLayer { name: layer_of(context, id)?, id: id.to_owned(), properties })
        })
        .collect()
}
