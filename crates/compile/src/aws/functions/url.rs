//! A function's own URL.

use crate::aws::context::Context;
use crate::aws::naming;
use crate::aws::values::{at, get, present};
use serde_json::{Map, Value, json};

/// Adds the URL, its output and the permission to call it, when the function has `url`.
pub fn add(context: &mut Context<'_>, key: &str) {
    let Some(url) = get(context.functions[key].config, "url") else { return };
    let settings = url.as_object();
    let auth =
        if url.get("authorizer").and_then(Value::as_str) == Some("aws_iam") { "AWS_IAM" } else { "NONE" };
    let mut properties = json!({ "AuthType": auth, "TargetFunctionArn": context.target(key) });
    if let Some(cors) = settings.and_then(|settings| get(settings, "cors")) {
        properties["Cors"] = cors_of(cors);
    }
    let streams = settings.and_then(|settings| at(settings, &["invokeMode"]));
    if let Some(mode) = streams.filter(|mode| mode.as_str() == Some("RESPONSE_STREAM")) {
        properties["InvokeMode"] = mode.clone();
    }
    let id = format!("{}LambdaFunctionUrl", naming::normalized(key));
    let alias = context.alias_id(key);
    context
        .put(id.clone(), json!({ "Type": "AWS::Lambda::Url", "Properties": properties, "DependsOn": alias }));
    let value =
        json!({ "Description": "Lambda Function URL", "Value": { "Fn::GetAtt": [id, "FunctionUrl"] } });
    context.outputs.insert(id, value);
    if auth == "NONE" {
        let permission = json!({
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": context.target(key),
                "Action": "lambda:InvokeFunctionUrl",
                "Principal": "*",
                "FunctionUrlAuthType": auth,
            },
            "DependsOn": alias,
        });
        context.put(naming::permission(key, "FnUrl"), permission);
    }
}

fn cors_of(cors: &Value) -> Value {
    let headers = [
        "Content-Type",
        "X-Amz-Date",
        "Authorization",
        "X-Api-Key",
        "X-Amz-Security-Token",
        "X-Amzn-Trace-Id",
    ];
    let empty = Map::new();
    let settings = cors.as_object().unwrap_or(&empty);
    // Left out means the default, null means nothing at all.
    let setting = |key: &str, default: Value| match settings.get(key) {
        Some(Value::Null) => Value::Null,
        Some(value) if crate::aws::values::truthy(Some(value)) => unique(value),
        _ => default,
    };
    json!({
        "AllowCredentials": get(settings, "allowCredentials").map(|_| true),
        "AllowHeaders": setting("allowedHeaders", json!(headers)),
        "AllowMethods": setting("allowedMethods", json!(["*"])),
        "AllowOrigins": setting("allowedOrigins", json!(["*"])),
        "ExposeHeaders": get(settings, "exposedResponseHeaders").map(unique),
        "MaxAge": present(settings, "maxAge"),
    })
}

fn unique(value: &Value) -> Value {
    let mut seen: Vec<&Value> = Vec::new();
    for item in value.as_array().into_iter().flatten() {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    json!(seen)
}
