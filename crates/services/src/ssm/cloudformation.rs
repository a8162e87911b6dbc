//! `AWS::SSM::Parameter`

use crate::properties;
use crate::tags::{self, Tags};
use aloft_engine::{
    Resource, ResourceContext, ResourceHandler, ResourceType, ServiceError, Update, async_trait, differs,
};
use serde_json::{Value, json};

/// The types, by name.
pub static RESOURCES: &[ResourceType] =
    &[ResourceType { name: "AWS::SSM::Parameter", handler: &ParameterHandler }];

struct ParameterHandler;

/// The stack's tags and the resource's own, which are a map for this type.
fn tags_of(resource: &ResourceContext, properties: &Value) -> Tags {
    let own = properties.get("Tags").and_then(Value::as_object);
    let all = resource.tags.iter().chain(own.into_iter().flatten());
    all.filter_map(|(key, value)| Some((key.clone(), properties::as_text(value)?))).collect()
}

async fn put(
    resource: &ResourceContext,
    name: &str,
    properties: &Value,
    overwrite: bool,
) -> Result<Resource, ServiceError> {
    let mut input = json!({ "Name": name, "Overwrite": overwrite });
    for member in ["AllowedPattern", "DataType", "Description", "Policies", "Tier", "Type", "Value"] {
        if let Some(value) = properties::text(properties, member) {
            input[member] = value.into();
        }
    }
    if !overwrite {
        input["Tags"] = tags::list(&tags_of(resource, properties));
    }
    resource.context.call("ssm", "PutParameter", input).await?;
    let text = |member: &str| properties::text(properties, member).unwrap_or_default();
    let attributes = properties::attributes([("Type", &text("Type")), ("Value", &text("Value"))]);
    Ok(Resource { physical_id: name.to_owned(), attributes })
}

#[async_trait]
impl ResourceHandler for ParameterHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let name = properties::text(properties, "Name").unwrap_or_else(|| resource.generated_name(512));
        put(resource, &name, properties, resource.resuming).await
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["Name", "Type"]) {
            return Ok(Update::Replace);
        }
        let (before, after) = (tags_of(resource, old), tags_of(resource, new));
        let of = |member: &str, value: Value| json!({ "ResourceType": "Parameter", "ResourceId": physical_id, member: value });
        let gone: Vec<&String> = before.keys().filter(|key| !after.contains_key(*key)).collect();
        if !gone.is_empty() {
            resource.context.call("ssm", "RemoveTagsFromResource", of("TagKeys", json!(gone))).await?;
        }
        if before != after {
            resource.context.call("ssm", "AddTagsToResource", of("Tags", tags::list(&after))).await?;
        }
        Ok(Update::InPlace(put(resource, physical_id, new, true).await?))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        _: &Value,
    ) -> Result<(), ServiceError> {
        match resource.context.call("ssm", "DeleteParameter", json!({ "Name": physical_id })).await {
            Err(error) if error.code != "ParameterNotFound" => Err(error),
            _ => Ok(()),
        }
    }
}
