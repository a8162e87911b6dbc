//! The settings of a version: what may be asked for, what is refused, how they are told.

use super::errors::{self, invalid};
use super::layers;
use super::name::FunctionKey;
use crate::storage::{Fault, Rows};
use aloft_base::ByteSize;
use aloft_engine::{FunctionLimits, ServiceError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Names that only the runtime may set. Source: the developer guide, "Defined runtime environment variables".
const RESERVED: &[&str] = &[
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];

/// What no function of the local cloud can have.
pub(super) const NOT_BUILT: &[&str] = &[
    "AcceleratorConfig",
    "CapacityProviderConfig",
    "CodeSigningConfigArn",
    "DurableConfig",
    "FileSystemConfigs",
    "ImageConfig",
    "PublishTo",
    "RuntimeConfig",
    "TenancyConfig",
];

/// The settings of a version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Settings {
    pub runtime: String,
    pub handler: String,
    pub role: String,
    pub description: String,
    pub timeout: u32,
    pub memory: u32,
    pub environment: Option<BTreeMap<String, String>>,
    pub layers: Vec<Layer>,
    pub dead_letter: Option<String>,
    pub storage: u32,
    /// What is kept and returned as it came.
    pub others: Map<String, Value>,
}

/// A layer that a version uses. It is used even when the layer's version has been deleted since.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Layer {
    pub arn: String,
    pub size: u64,
    pub sha256: String,
}

/// Settings as they are asked for; absent ones stay as they are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Changes {
    runtime: Option<String>,
    handler: Option<String>,
    role: Option<String>,
    description: Option<String>,
    timeout: Option<u32>,
    memory_size: Option<u32>,
    environment: Option<Environment>,
    layers: Option<Vec<String>>,
    dead_letter_config: Option<DeadLetter>,
    ephemeral_storage: Option<Storage>,
    architectures: Option<Value>,
    #[serde(rename = "KMSKeyArn")]
    kms_key_arn: Option<Value>,
    logging_config: Option<Value>,
    snap_start: Option<Value>,
    tracing_config: Option<Value>,
    vpc_config: Option<Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Environment {
    variables: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct DeadLetter {
    target_arn: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Storage {
    size: u32,
}

impl Changes {
    /// The changed settings, checked.
    pub fn apply(
        &self,
        rows: &impl Rows,
        before: Option<&Settings>,
        limits: &FunctionLimits,
    ) -> Result<Settings, Fault> {
        let changes = self.clone();
        let mut settings = before.cloned().unwrap_or_else(Settings::new);
        if before.is_none() && (self.runtime.is_none() || self.handler.is_none()) {
            let message = "Runtime and Handler are mandatory parameters for functions created with deployment packages.";
            return Err(invalid(message).into());
        }
        set(&mut settings.runtime, changes.runtime);
        set(&mut settings.handler, changes.handler);
        set(&mut settings.role, changes.role);
        set(&mut settings.description, changes.description);
        set(&mut settings.timeout, changes.timeout);
        set(&mut settings.memory, changes.memory_size);
        set(&mut settings.storage, changes.ephemeral_storage.map(|storage| storage.size));
        if let Some(environment) = changes.environment {
            settings.environment = (!environment.variables.is_empty()).then_some(environment.variables);
        }
        if let Some(dead_letter) = changes.dead_letter_config {
            settings.dead_letter = dead_letter.target_arn.filter(|arn| !arn.is_empty());
        }
        if let Some(arns) = changes.layers {
            settings.layers = find_layers(rows, arns, limits)?;
        }
        for (name, value) in [
            ("Architectures", changes.architectures),
            ("KMSKeyArn", changes.kms_key_arn.filter(|key| key != "")),
            ("LoggingConfig", changes.logging_config),
            ("SnapStart", changes.snap_start),
            ("TracingConfig", changes.tracing_config),
            ("VpcConfig", changes.vpc_config),
        ] {
            if let Some(value) = value {
                settings.others.insert(name.to_owned(), value);
            }
        }
        if settings
            .others
            .get("VpcConfig")
            .is_some_and(|it| it["SubnetIds"].as_array().is_none_or(Vec::is_empty))
        {
            settings.others.remove("VpcConfig");
        }
        settings.check(limits)?;
        Ok(settings)
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn find_layers(rows: &impl Rows, arns: Vec<String>, limits: &FunctionLimits) -> Result<Vec<Layer>, Fault> {
    if arns.len() > limits.layers as usize {
        let message = format!("Cannot reference more than {} layers.", limits.layers);
        return Err(invalid(message).into());
    }
    let mut found: Vec<Layer> = Vec::new();
    for arn in arns {
        let missing = || invalid(format!("Layer version {arn} does not exist."));
        let (layer, number) = layers::parse_version(&arn).ok_or_else(missing)?;
        let version = layers::find(rows, &layer, number)?.ok_or_else(missing)?;
        if found.iter().any(|other| layers::parse_version(&other.arn).is_some_and(|(it, _)| it == layer)) {
            return Err(invalid("Two different versions of the same layer are not allowed to be referenced in the same function.").into());
        }
        found.push(Layer { arn, size: version.code.size, sha256: version.code.sha256 });
    }
    Ok(found)
}

impl Settings {
    fn new() -> Self {
        Self {
            runtime: String::new(),
            handler: String::new(),
            role: String::new(),
            description: String::new(),
            timeout: 3,
            memory: 128,
            environment: None,
            layers: Vec::new(),
            dead_letter: None,
            storage: 512,
            others: Map::new(),
        }
    }

    fn check(&self, limits: &FunctionLimits) -> Result<(), ServiceError> {
        let out_of_range = |name: &str, value: u32, bound: u32, words: &str| {
            invalid(format!(
                "1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: Member must have value {words} than or equal to {bound}"
            ))
        };
        for (name, value, least, most) in [
            ("timeout", self.timeout, 1, 900),
            ("memorySize", self.memory, 128, 10_240),
            ("ephemeralStorage.size", self.storage, 512, 10_240),
        ] {
            if value < least {
                return Err(out_of_range(name, value, least, "greater"));
            }
            if value > most {
                return Err(out_of_range(name, value, most, "less"));
            }
        }
        if let Some(environment) = &self.environment {
            check_environment(environment, limits.environment)?;
        }
        if let Some(arn) = &self.dead_letter {
            check_target(arn, &["sns", "sqs"])?;
        }
        Ok(())
    }

    /// The log group that its lines go to.
    pub fn log_group(&self, function: &FunctionKey) -> String {
        let own = self.others.get("LoggingConfig").and_then(|config| config.get("LogGroup")?.as_str());
        own.map_or_else(|| format!("/aws/lambda/{}", function.name), str::to_owned)
    }

    /// As the API tells them.
    pub fn tell(&self, function: &FunctionKey) -> Value {
        let other = |name: &str| self.others.get(name).cloned();
        let logging = other("LoggingConfig").unwrap_or_else(|| json!({}));
        let format = logging.get("LogFormat").cloned().unwrap_or_else(|| "Text".into());
        let mut told = json!({
            "Runtime": self.runtime,
            "Role": self.role,
            "Handler": self.handler,
            "Description": self.description,
            "Timeout": self.timeout,
            "MemorySize": self.memory,
            "TracingConfig": other("TracingConfig").unwrap_or_else(|| json!({ "Mode": "PassThrough" })),
            "Architectures": other("Architectures").unwrap_or_else(|| json!(["x86_64"])),
            "EphemeralStorage": { "Size": self.storage },
            "SnapStart": {
                "ApplyOn": other("SnapStart").and_then(|it| it.get("ApplyOn").cloned()).unwrap_or_else(|| "None".into()),
                "OptimizationStatus": "Off",
            },
            "LoggingConfig": { "LogFormat": format, "LogGroup": self.log_group(function) },
        });
        if let (Some(told), Some(logging)) = (told["LoggingConfig"].as_object_mut(), logging.as_object()) {
            told.extend(logging.clone());
        }
        if let Some(variables) = &self.environment {
            told["Environment"] = json!({ "Variables": variables });
        }
        if let Some(arn) = &self.dead_letter {
            told["DeadLetterConfig"] = json!({ "TargetArn": arn });
        }
        if let Some(key) = other("KMSKeyArn") {
            told["KMSKeyArn"] = key;
        }
        if let Some(mut network) = other("VpcConfig") {
            network["VpcId"] = "".into();
            told["VpcConfig"] = network;
        }
        if !self.layers.is_empty() {
            let layers = self.layers.iter().map(|it| json!({ "Arn": it.arn, "CodeSize": it.size }));
            told["Layers"] = layers.collect();
        }
        told
    }
}

fn check_environment(environment: &BTreeMap<String, String>, limit: ByteSize) -> Result<(), ServiceError> {
    let why = "Lambda was unable to configure your environment variables because the environment variables you have provided";
    let reserved: Vec<&str> =
        environment.keys().map(String::as_str).filter(|it| RESERVED.contains(it)).collect();
    if !reserved.is_empty() {
        return Err(invalid(format!(
            "{why} contains reserved keys that are currently not supported for modification. Reserved keys used in this request: {}",
            reserved.join(", ")
        )));
    }
    let measured = serde_json::to_string(environment).unwrap_or_default();
    if measured.len() as u64 > limit.0 {
        return Err(invalid(format!(
            "{why} exceeded the {}KB limit. String measured: {measured}",
            limit.0 / 1024
        )));
    }
    for name in environment.keys() {
        let mut letters = name.chars();
        let begins = letters.next().is_some_and(|it| it.is_ascii_alphabetic());
        if !begins || name.len() < 2 || !letters.all(|it| it.is_ascii_alphanumeric() || it == '_') {
            return Err(ServiceError::validation(format!(
                "1 validation error detected: Value at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]: {name}"
            )));
        }
    }
    Ok(())
}

/// Whether an ARN is one of these services'.
pub(super) fn check_target(arn: &str, services: &[&str]) -> Result<(), ServiceError> {
    let parsed = arn.parse::<aloft_base::Arn>().ok();
    if parsed.is_some_and(|arn| services.contains(&arn.service.as_str())) {
        return Ok(());
    }
    Err(errors::invalid(format!("The provided target {arn} is not supported.")))
}
