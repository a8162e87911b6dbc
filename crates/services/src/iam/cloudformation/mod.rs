//! CloudFormation's types: roles, users, access keys, managed policies, and policies put into several roles and users.

mod holders;
mod keys;
mod policies;

use aloft_engine::{Context, ResourceContext, ResourceType, ServiceError};
use holders::HolderHandler;
use keys::AccessKeyHandler;
use policies::{ManagedPolicyHandler, PolicyHandler};
use serde_json::{Map, Value, json};

/// The types that IAM makes.
pub(super) static RESOURCES: &[ResourceType] = &[
    ResourceType { name: "AWS::IAM::AccessKey", handler: &AccessKeyHandler },
    ResourceType { name: "AWS::IAM::ManagedPolicy", handler: &ManagedPolicyHandler },
    ResourceType { name: "AWS::IAM::Policy", handler: &PolicyHandler },
    ResourceType { name: "AWS::IAM::Role", handler: &HolderHandler { kind: "Role" } },
    ResourceType { name: "AWS::IAM::User", handler: &HolderHandler { kind: "User" } },
];

async fn call(context: &Context, operation: &str, params: Value) -> Result<Value, ServiceError> {
    context.call("iam", operation, params).await
}

/// What is gone already need not be removed.
fn gone_is_fine(result: Result<Value, ServiceError>) -> Result<(), ServiceError> {
    match result {
        Err(error) if error.code == "NoSuchEntity" => Ok(()),
        other => other.map(drop),
    }
}

/// What an earlier try made need not be made again.
fn there_is_fine(
    resource: &ResourceContext,
    result: Result<Value, ServiceError>,
) -> Result<(), ServiceError> {
    match result {
        Err(error) if error.code == "EntityAlreadyExists" && resource.resuming => Ok(()),
        other => other.map(drop),
    }
}

/// A document as IAM's operations take it.
fn document(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A number, or its digits.
fn number(value: &Value) -> Value {
    value
        .as_str()
        .and_then(|text| text.parse::<u64>().ok())
        .map_or_else(|| value.clone(), |number| json!(number))
}

/// The stack's tags under the resource's own, as IAM takes them.
fn tags(resource: &ResourceContext, properties: &Value) -> Value {
    let mut tags: Map<String, Value> = resource.tags.clone();
    for tag in properties["Tags"].as_array().into_iter().flatten() {
        tags.insert(tag["Key"].as_str().unwrap_or_default().to_owned(), tag["Value"].clone());
    }
    tags.into_iter().map(|(name, value)| json!({ "Key": name, "Value": value })).collect()
}

/// `params` with those of the properties that are there, under the same names.
fn with(mut params: Value, properties: &Value, names: &[&str]) -> Value {
    for name in names {
        if let Some(value) = properties.get(*name).filter(|value| !value.is_null()) {
            params[*name] = value.clone();
        }
    }
    params
}
