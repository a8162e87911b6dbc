//! The resource of a function.

use super::image::Image;
use super::{memory, runtime, timeout, vpc_setting};
use crate::aws::context::Context;
use crate::aws::naming::{self, BUCKET};
use crate::aws::values::{at, get, object, present, truthy};
use aloft_diag::Diagnostic;
use serde_json::{Map, Value, json};

/// `AWS::Lambda::Function`, with the statements that its settings need added to the default role.
///
/// # Errors
/// `LAMBDA_FILE_SYSTEM_CONFIG_MISSING_VPC`.
pub fn resource(context: &mut Context<'_>, key: &str, image: Option<&Image>) -> Result<Value, Diagnostic> {
    let config = context.functions[key].config;
    let mut resource = Map::new();
    let mut properties = Map::new();
    let mut depends_on = Vec::new();
    let mut set = |name: &str, value: Value| {
        properties.insert(name.to_owned(), value);
    };
    match image {
        Some(image) => {
            set("Code", json!({ "ImageUri": image.uri }));
            if let Some(settings) = &image.config {
                set("ImageConfig", settings.clone());
            }
            set("PackageType", json!("Image"));
        }
        None => {
            set("Code", code(context, key));
            if let Some(management) = runtime_management(context, config) {
                set("RuntimeManagementConfig", management);
            }
            set("Handler", config.get("handler").cloned().unwrap_or_default());
            set("Runtime", json!(runtime(context, config)));
        }
    }
    set("FunctionName", json!(context.functions[key].name));
    set("MemorySize", memory(context, config));
    set("Timeout", timeout(context, config));
    if let Some(architecture) = get(config, "architecture").or_else(|| get(context.provider, "architecture"))
    {
        set("Architectures", json!([architecture]));
    }
    if let Some(description) = get(config, "description") {
        set("Description", description.clone());
    }
    if let Some(tags) = tags(context, config) {
        set("Tags", tags);
    }
    if let Some(size) = get(config, "ephemeralStorageSize") {
        set("EphemeralStorage", json!({ "Size": size }));
    }
    if let Some(target) = get(config, "onError") {
        set("DeadLetterConfig", json!({ "TargetArn": target }));
        if target.is_string() {
            context.allow(json!({ "Effect": "Allow", "Action": ["sns:Publish"], "Resource": [target] }));
        }
    }
    if let Some(kms) = get(config, "kmsKeyArn").or_else(|| get(context.provider, "kmsKeyArn")) {
        set("KmsKeyArn", kms.clone());
        if kms.is_string() {
            context.allow_once(json!({ "Effect": "Allow", "Action": ["kms:Decrypt"], "Resource": [kms] }));
        }
    }
    let tracing = get(config, "tracing").or_else(|| {
        at(context.provider, &["tracing", "lambda"]).filter(|value| value != &&Value::Bool(false))
    });
    if let Some(tracing) = tracing {
        let mode = if tracing.is_boolean() { json!("Active") } else { tracing.clone() };
        set("TracingConfig", json!({ "Mode": mode }));
        context.allow_once(json!({
            "Effect": "Allow", "Action": ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], "Resource": ["*"],
        }));
    }
    if let Some(environment) = environment(context, config) {
        set("Environment", json!({ "Variables": environment }));
    }
    let role = context.custom_role(config).cloned().unwrap_or_else(|| json!(naming::ROLE));
    set("Role", role_reference(&role, &mut depends_on));
    let in_vpc = vpc(context, config);
    if let Some(vpc) = &in_vpc {
        set("VpcConfig", vpc.clone());
    }
    if let Some(file_system) = object(config, "fileSystemConfig") {
        if in_vpc.is_none() {
            let message = format!(
                "Function \"{key}\": when using fileSystemConfig, ensure that function has vpc configured on function or provider level"
            );
            return Err(context
                .error(
                    "LAMBDA_FILE_SYSTEM_CONFIG_MISSING_VPC",
                    message,
                    &format!("functions.{key}.fileSystemConfig"),
                )
                .help("add `vpc:` with `securityGroupIds` and `subnetIds` to the function or the provider"));
        }
        let arn = file_system.get("arn");
        context.allow(json!({
            "Effect": "Allow",
            "Action": ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"],
            "Resource": [arn],
        }));
        set(
            "FileSystemConfigs",
            json!([{ "Arn": arn, "LocalMountPath": file_system.get("localMountPath") }]),
        );
    }
    // None at all is a number too: it keeps the function from running.
    let reserved = present(config, "reservedConcurrency");
    if let Some(concurrency) = reserved.filter(|value| value.is_number() || truthy(Some(value))) {
        set("ReservedConcurrentExecutions", concurrency.clone());
    }
    if let Some(layers) = get(config, "layers").or_else(|| get(context.provider, "layers")) {
        set("Layers", layers.clone());
    }
    resource.insert("Type".to_owned(), json!("AWS::Lambda::Function"));
    resource.insert("Properties".to_owned(), Value::Object(properties));
    if let Some(condition) = get(config, "condition") {
        resource.insert("Condition".to_owned(), condition.clone());
    }
    let dependencies = dependencies(config, key, depends_on);
    if !dependencies.is_empty() {
        resource.insert("DependsOn".to_owned(), Value::Array(dependencies));
    }
    Ok(Value::Object(resource))
}

/// The log group, what the user names, and the role.
fn dependencies(config: &Map<String, Value>, key: &str, role: Vec<Value>) -> Vec<Value> {
    let mut all = Vec::new();
    if get(config, "disableLogs").is_none() {
        all.push(json!(naming::log_group(key)));
    }
    match get(config, "dependsOn") {
        Some(Value::Array(names)) => all.extend(names.iter().cloned()),
        Some(name) => all.push(name.clone()),
        None => {}
    }
    all.extend(role);
    all
}

fn code(context: &Context<'_>, key: &str) -> Value {
    let bucket = context.deployment_bucket.clone().unwrap_or_else(|| json!({ "Ref": BUCKET }));
    let file = context
        .artifacts
        .functions
        .get(key)
        .map_or_else(|| format!("{}.zip", context.service.name), aloft_package::Artifact::file_name);
    json!({ "S3Bucket": bucket, "S3Key": format!("{}/{file}", context.artifact_directory) })
}

fn runtime_management(context: &Context<'_>, config: &Map<String, Value>) -> Option<Value> {
    let mut settings = Map::new();
    for source in [present(context.provider, "runtimeManagement"), present(config, "runtimeManagement")] {
        match source {
            Some(Value::Object(map)) => settings.extend(map.clone()),
            Some(mode) => {
                settings.insert("mode".to_owned(), mode.clone());
            }
            None => {}
        }
    }
    let mode = settings.get("mode")?.as_str()?;
    let update = match mode {
        "auto" => return None,
        "onFunctionUpdate" => "FunctionUpdate",
        "manual" => "Manual",
        other => other,
    };
    let mut made = json!({ "UpdateRuntimeOn": update });
    if mode == "manual" {
        made["RuntimeVersionArn"] = settings.get("arn").cloned().unwrap_or_default();
    }
    Some(made)
}

fn tags(context: &Context<'_>, config: &Map<String, Value>) -> Option<Value> {
    let (provider, own) = (object(context.provider, "tags"), object(config, "tags"));
    if provider.is_none() && own.is_none() {
        return None;
    }
    let mut merged = provider.cloned().unwrap_or_default();
    merged.extend(own.cloned().unwrap_or_default());
    Some(crate::aws::bucket::tag_list(&merged))
}

fn environment(context: &Context<'_>, config: &Map<String, Value>) -> Option<Map<String, Value>> {
    let (provider, own) = (get(context.provider, "environment"), get(config, "environment"));
    if provider.is_none() && own.is_none() {
        return None;
    }
    let mut merged = provider.and_then(Value::as_object).cloned().unwrap_or_default();
    merged.extend(own.and_then(Value::as_object).cloned().unwrap_or_default());
    Some(merged)
}

/// An ARN or a reference as it is; a name as the ARN of that resource, which has to be there first.
fn role_reference(role: &Value, depends_on: &mut Vec<Value>) -> Value {
    match role {
        Value::String(arn) if arn.starts_with("arn:") => role.clone(),
        Value::String(name) => {
            if name != naming::ROLE {
                depends_on.push(role.clone());
            }
            json!({ "Fn::GetAtt": [name, "Arn"] })
        }
        other => {
            if let Some(name) = other.get("Fn::GetAtt").and_then(|attribute| attribute.get(0)) {
                depends_on.push(name.clone());
            }
            other.clone()
        }
    }
}

/// Both settings, from the function or the provider; none when the function opts out with `vpc: null` or `false`.
fn vpc<'a>(context: &Context<'a>, config: &'a Map<String, Value>) -> Option<Value> {
    if matches!(config.get("vpc"), Some(Value::Null | Value::Bool(false))) {
        return None;
    }
    let groups = vpc_setting(context, config, "securityGroupIds")?;
    let subnets = vpc_setting(context, config, "subnetIds")?;
    Some(json!({ "SecurityGroupIds": groups, "SubnetIds": subnets }))
}
