//! The CloudFormation types of Lambda, and what their handlers share.

mod function;
mod layer;
mod mapping;
mod permission;
mod url;
mod version;

use crate::properties;
use aloft_engine::{ResourceType, ServiceError};
use serde_json::{Map, Value};

/// The types, by name.
pub static RESOURCES: &[ResourceType] = &[
    ResourceType { name: "AWS::Lambda::Alias", handler: &version::AliasHandler },
    ResourceType { name: "AWS::Lambda::EventInvokeConfig", handler: &mapping::EventInvokeHandler },
    ResourceType { name: "AWS::Lambda::EventSourceMapping", handler: &mapping::MappingHandler },
    ResourceType { name: "AWS::Lambda::Function", handler: &function::FunctionHandler },
    ResourceType { name: "AWS::Lambda::LayerVersion", handler: &layer::LayerHandler },
    ResourceType { name: "AWS::Lambda::LayerVersionPermission", handler: &layer::PermissionHandler },
    ResourceType { name: "AWS::Lambda::Permission", handler: &permission::PermissionHandler },
    ResourceType { name: "AWS::Lambda::Url", handler: &url::UrlHandler },
    ResourceType { name: "AWS::Lambda::Version", handler: &version::VersionHandler },
];

/// The properties of these names, as they are.
fn only(properties: &Value, names: &[&str]) -> Map<String, Value> {
    let taken = names.iter().filter_map(|name| Some(((*name).to_owned(), properties.get(*name)?.clone())));
    taken.filter(|(_, value)| !value.is_null()).collect()
}

/// Makes numbers and truths of what templates write as text, wherever these names stand.
fn typed(value: &mut Value, names: &[&str]) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if names.contains(&name.as_str()) => {
                        if let Ok(scalar @ (Value::Number(_) | Value::Bool(_))) = serde_json::from_str(text) {
                            *member = scalar;
                        }
                    }
                    _ => typed(member, names),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| typed(item, names)),
        _ => {}
    }
}

/// A property that must be there.
fn required(properties: &Value, name: &str) -> Result<String, ServiceError> {
    properties::text(properties, name)
        .ok_or_else(|| ServiceError::validation(format!("Property {name} cannot be empty.")))
}

/// Deleting what is gone is no error.
fn unless_gone(result: Result<Value, ServiceError>) -> Result<(), ServiceError> {
    match result {
        Err(error) if error.code != "ResourceNotFoundException" => Err(error),
        _ => Ok(()),
    }
}
