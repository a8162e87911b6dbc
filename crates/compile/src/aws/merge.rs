//! The user's own `resources` over the template, and lodash's merge.

use super::values::list;
use aloft_config::Service;
use aloft_diag::Diagnostic;
use serde_json::{Map, Value, json};

/// Merges as lodash does: objects by key, lists by place, everything else is replaced.
pub fn merge(target: &mut Value, source: Value) {
    match (target, source) {
        (Value::Object(target), Value::Object(source)) => {
            for (key, value) in source {
                match target.get_mut(&key) {
                    Some(existing) => merge(existing, value),
                    None => {
                        target.insert(key, value);
                    }
                }
            }
        }
        (Value::Array(target), Value::Array(source)) => {
            for (index, value) in source.into_iter().enumerate() {
                match target.get_mut(index) {
                    Some(existing) => merge(existing, value),
                    None => target.push(value),
                }
            }
        }
        (target, source) => *target = source,
    }
}

/// Merges `resources` into the template and applies `resources.extensions`.
///
/// # Errors
/// `RESOURCE_EXTENSION_NOT_EXISTING`, `RESOURCE_EXTENSION_UNSUPPORTED_ATTRIBUTE`, and
/// `LEGACY_CONFIGURATION_PROPERTY_MERGE_INVALID_INPUT` for a list with something else than objects.
pub fn add_resources(service: &Service, template: &mut Value) -> Result<(), Diagnostic> {
    let mut resources = match service.config.get("resources") {
        Some(Value::Object(map)) => Value::Object(map.clone()),
        Some(Value::Array(items)) => merged_list(service, items)?,
        _ => return Ok(()),
    };
    let extensions = resources.as_object_mut().and_then(|map| map.shift_remove("extensions"));
    if let Some(map) = resources.as_object_mut() {
        for section in ["Resources", "Outputs"] {
            let missing = map.get(section).is_none_or(|value| !super::values::truthy(Some(value)));
            if missing {
                map.insert(section.to_owned(), json!({}));
            }
        }
    }
    merge(template, resources);
    let Some(Value::Object(extensions)) = extensions else { return Ok(()) };
    for (name, extension) in &extensions {
        for (attribute, value) in extension.as_object().into_iter().flatten() {
            let at = format!("resources.extensions.{name}.{attribute}");
            let Some(resource) = template["Resources"].get_mut(name).and_then(Value::as_object_mut) else {
                let message =
                    format!("Cannot extend \"{name}\" resource, as it's not found in generated stack");
                return Err(Diagnostic::error("RESOURCE_EXTENSION_NOT_EXISTING", message)
                    .at_opt(service.span(&format!("resources.extensions.{name}")), "is not in the stack")
                    .help("`aloft package` writes the stack to .serverless/cloudformation-template-update-stack.json; name a resource of it"));
            };
            extend(resource, name, attribute, value).map_err(|error| error.at_opt(service.span(&at), ""))?;
        }
    }
    Ok(())
}

fn merged_list(service: &Service, items: &[Value]) -> Result<Value, Diagnostic> {
    let mut merged = json!({});
    for (index, item) in items.iter().enumerate() {
        match item {
            Value::Null => {}
            Value::Object(_) => merge(&mut merged, item.clone()),
            other => {
                let message = format!(
                    "Non-object value specified in resources array: {}",
                    super::values::display(other)
                );
                return Err(Diagnostic::error("LEGACY_CONFIGURATION_PROPERTY_MERGE_INVALID_INPUT", message)
                    .at_opt(service.span(&format!("resources.{index}")), "is no object")
                    .help("write `Resources:` and the like, or `${file(...)}` to an object, as an item of the list"));
            }
        }
    }
    Ok(merged)
}

fn extend(
    resource: &mut Map<String, Value>,
    name: &str,
    attribute: &str,
    value: &Value,
) -> Result<(), Diagnostic> {
    match attribute {
        "Condition" | "CreationPolicy" | "DeletionPolicy" | "UpdatePolicy" | "UpdateReplacePolicy" => {
            resource.insert(attribute.to_owned(), value.clone());
        }
        "Properties" | "Metadata" => {
            let existing = resource.entry(attribute).or_insert_with(|| json!({}));
            if let (Some(existing), Some(value)) = (existing.as_object_mut(), value.as_object()) {
                existing.extend(value.clone());
            }
        }
        "DependsOn" => {
            let mut names = match resource.get("DependsOn") {
                Some(Value::Array(_)) => list(resource, "DependsOn").to_vec(),
                Some(Value::Null) | None => Vec::new(),
                Some(one) => vec![one.clone()],
            };
            match value {
                Value::Array(more) => names.extend(more.iter().cloned()),
                // The original spreads a text into its letters; what is meant is one name.
                one => names.push(one.clone()),
            }
            resource.insert("DependsOn".to_owned(), Value::Array(names));
        }
        _ => {
            let message = format!(
                "Cannot extend \"{name}\" resource, as extending the \"{attribute}\" attribute at this point is not \
                 supported. Feel free to propose support for it in the Framework issue tracker: \
                 https://github.com/serverless/serverless/issues"
            );
            return Err(Diagnostic::error("RESOURCE_EXTENSION_UNSUPPORTED_ATTRIBUTE", message).help(
                "extend Properties, Metadata, DependsOn, Condition, CreationPolicy, DeletionPolicy, UpdatePolicy or UpdateReplacePolicy",
            ));
        }
    }
    Ok(())
}

/// Takes out the null members of all objects in the properties of resources; an empty item of a list stays.
pub fn strip_nulls(template: &mut Value) {
    let resources = template.get_mut("Resources").and_then(Value::as_object_mut);
    for resource in resources.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
        match resource.get_mut("Properties") {
            Some(properties) if super::values::truthy(Some(properties)) => strip(properties),
            Some(_) => {
                resource.shift_remove("Properties");
            }
            None => {}
        }
    }
}

/// Takes out null members, all the way down.
pub fn strip(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, member| !member.is_null());
            map.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}
