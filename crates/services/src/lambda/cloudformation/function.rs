//! `AWS::Lambda::Function`

use super::{only, required, typed, unless_gone};
use crate::lambda::zip;
use crate::properties;
use aloft_engine::{
    Context, Resource, ResourceContext, ResourceHandler, ServiceError, Update, async_trait, differs,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

/// The properties that the API takes by the same name.
const SAME: &[&str] = &[
    "CapacityProviderConfig",
    "CodeSigningConfigArn",
    "DeadLetterConfig",
    "Description",
    "DurableConfig",
    "EphemeralStorage",
    "FileSystemConfigs",
    "Handler",
    "ImageConfig",
    "Layers",
    "LoggingConfig",
    "MemorySize",
    "Role",
    "Runtime",
    "SnapStart",
    "TenancyConfig",
    "Timeout",
    "TracingConfig",
    "VpcConfig",
];

/// Members that are numbers or truths, though templates may write text.
const TYPED: &[&str] = &["Ipv6AllowedForDualStack", "MemorySize", "Size", "Timeout"];

pub(super) struct FunctionHandler;

#[async_trait]
impl ResourceHandler for FunctionHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let context = &resource.context;
        let name =
            properties::text(properties, "FunctionName").unwrap_or_else(|| resource.generated_name(64));
        let mut input = settings(properties);
        input.insert("FunctionName".to_owned(), name.clone().into());
        input.insert("Code".to_owned(), code(properties)?);
        input.insert("Tags".to_owned(), json!(properties::tags(resource, properties)));
        input.extend(only(properties, &["Architectures", "PackageType"]));
        match context.call("lambda", "CreateFunction", input.into()).await {
            Err(error) if error.code == "ResourceConflictException" && resource.resuming => {}
            other => drop(other?),
        }
        reserve(context, &name, properties).await?;
        if properties.get("RecursiveLoop").is_some() {
            recur(context, &name, properties).await?;
        }
        Ok(described(context, &name))
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["FunctionName", "PackageType", "TenancyConfig"]) {
            return Ok(Update::Replace);
        }
        let context = &resource.context;
        if differs(old, new, &["Architectures", "Code"])
            || (new["Code"].get("ZipFile").is_some() && differs(old, new, &["Runtime"]))
        {
            let mut input = code(new)?;
            input["FunctionName"] = physical_id.into();
            input["Architectures"] = new.get("Architectures").cloned().unwrap_or_else(|| json!(["x86_64"]));
            context.call("lambda", "UpdateFunctionCode", input).await?;
        }
        let mut wanted = defaults();
        wanted.extend(settings(new));
        let mut before = defaults();
        before.extend(settings(old));
        if wanted != before {
            wanted.insert("FunctionName".to_owned(), physical_id.into());
            context.call("lambda", "UpdateFunctionConfiguration", wanted.into()).await?;
        }
        if differs(old, new, &["ReservedConcurrentExecutions"]) {
            reserve(context, physical_id, new).await?;
        }
        if differs(old, new, &["RecursiveLoop"]) {
            recur(context, physical_id, new).await?;
        }
        let arn = context.arn("lambda", format!("function:{physical_id}")).to_string();
        let (before, after) = (properties::tags(resource, old), properties::tags(resource, new));
        let gone: Vec<&String> = before.keys().filter(|key| !after.contains_key(*key)).collect();
        if !gone.is_empty() {
            context.call("lambda", "UntagResource", json!({ "Resource": arn, "TagKeys": gone })).await?;
        }
        if before != after && !after.is_empty() {
            context.call("lambda", "TagResource", json!({ "Resource": arn, "Tags": after })).await?;
        }
        Ok(Update::InPlace(described(context, physical_id)))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        _: &Value,
    ) -> Result<(), ServiceError> {
        let input = json!({ "FunctionName": physical_id });
        unless_gone(resource.context.call("lambda", "DeleteFunction", input).await)
    }
}

/// The settings that `CreateFunction` and `UpdateFunctionConfiguration` take.
fn settings(properties: &Value) -> Map<String, Value> {
    let mut input = Value::Object(only(properties, SAME));
    typed(&mut input, TYPED);
    let mut input = input.as_object().cloned().unwrap_or_default();
    if let Some(key) = properties::text(properties, "KmsKeyArn") {
        input.insert("KMSKeyArn".to_owned(), key.into());
    }
    if let Some(Value::Object(variables)) = properties.get("Environment").and_then(|it| it.get("Variables")) {
        let variables = variables
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), Value::String(properties::as_text(value)?))));
        input.insert("Environment".to_owned(), json!({ "Variables": variables.collect::<Map<_, _>>() }));
    }
    input
}

/// What a setting is that the template does not mention any more.
fn defaults() -> Map<String, Value> {
    let defaults = json!({
        "DeadLetterConfig": {},
        "Description": "",
        "Environment": {},
        "EphemeralStorage": { "Size": 512 },
        "KMSKeyArn": "",
        "Layers": [],
        "LoggingConfig": {},
        "MemorySize": 128,
        "SnapStart": { "ApplyOn": "None" },
        "Timeout": 3,
        "TracingConfig": { "Mode": "PassThrough" },
        "VpcConfig": {},
    });
    defaults.as_object().cloned().unwrap_or_default()
}

/// The code as the API takes it. Text in the template becomes a file named as the handler expects it, beside the module that
/// such code answers CloudFormation with.
fn code(properties: &Value) -> Result<Value, ServiceError> {
    let code = &properties["Code"];
    let Some(text) = properties::text(code, "ZipFile") else {
        let names =
            ["ImageUri", "S3Bucket", "S3Key", "S3ObjectVersion", "S3ObjectStorageMode", "SourceKMSKeyArn"];
        return Ok(Value::Object(only(code, &names)));
    };
    let runtime = required(properties, "Runtime")?;
    let (file, module) = match runtime.as_str() {
        runtime if runtime.starts_with("nodejs") => {
            ("index.js", ("node_modules/cfn-response/index.js", include_str!("inline/cfn-response.js")))
        }
        runtime if runtime.starts_with("python") => {
            ("index.py", ("cfnresponse.py", include_str!("inline/cfnresponse.py")))
        }
        other => {
            return Err(ServiceError::validation(format!(
                "ZipFile can only be used when Runtime is set to either of nodejs, python; it is {other}."
            )));
        }
    };
    let files = [(file, text.as_bytes()), (module.0, module.1.as_bytes())];
    Ok(json!({ "ZipFile": BASE64.encode(zip::stored(&files)) }))
}

async fn recur(context: &Context, name: &str, properties: &Value) -> Result<(), ServiceError> {
    let wanted = properties::text(properties, "RecursiveLoop").unwrap_or_else(|| "Terminate".to_owned());
    let input = json!({ "FunctionName": name, "RecursiveLoop": wanted });
    context.call("lambda", "PutFunctionRecursionConfig", input).await.map(drop)
}

async fn reserve(context: &Context, name: &str, properties: &Value) -> Result<(), ServiceError> {
    match properties::text(properties, "ReservedConcurrentExecutions") {
        Some(text) => {
            let number: u32 = text.parse().map_err(|_| {
                ServiceError::validation(format!("ReservedConcurrentExecutions is not a number: {text}"))
            })?;
            let input = json!({ "FunctionName": name, "ReservedConcurrentExecutions": number });
            context.call("lambda", "PutFunctionConcurrency", input).await?;
        }
        None => {
            context.call("lambda", "DeleteFunctionConcurrency", json!({ "FunctionName": name })).await?;
        }
    }
    Ok(())
}

fn described(context: &Context, name: &str) -> Resource {
    let arn = context.arn("lambda", format!("function:{name}")).to_string();
    let attributes = properties::attributes([
        ("Arn", &arn),
        ("SnapStartResponse.ApplyOn", "None"),
        ("SnapStartResponse.OptimizationStatus", "Off"),
    ]);
    Resource { physical_id: name.to_owned(), attributes }
}
