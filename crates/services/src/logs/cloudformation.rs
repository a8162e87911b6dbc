//! `AWS::Logs::LogGroup`, `AWS::Logs::LogStream` and `AWS::Logs::SubscriptionFilter`.

use crate::properties;
use aloft_engine::{
    Context, Resource, ResourceContext, ResourceHandler, ResourceType, ServiceError, Update, async_trait,
    differs,
};
use serde_json::{Value, json};

/// The types, by name.
pub static RESOURCES: &[ResourceType] = &[
    ResourceType { name: "AWS::Logs::LogGroup", handler: &GroupHandler },
    ResourceType { name: "AWS::Logs::LogStream", handler: &StreamHandler },
    ResourceType { name: "AWS::Logs::SubscriptionFilter", handler: &FilterHandler },
];

struct GroupHandler;

#[async_trait]
impl ResourceHandler for GroupHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let context = &resource.context;
        let name =
            properties::text(properties, "LogGroupName").unwrap_or_else(|| resource.generated_name(512));
        let mut input = json!({ "logGroupName": name, "tags": properties::tags(resource, properties) });
        for (property, member) in [("KmsKeyId", "kmsKeyId"), ("LogGroupClass", "logGroupClass")] {
            if let Some(value) = properties::text(properties, property) {
                input[member] = value.into();
            }
        }
        match context.call("logs", "CreateLogGroup", input).await {
            Err(error) if error.code == "ResourceAlreadyExistsException" && resource.resuming => {}
            Err(error) if error.code == "ResourceAlreadyExistsException" => {
                let message = format!(
                    "Resource of type 'AWS::Logs::LogGroup' with identifier '{name}' already exists."
                );
                return Err(ServiceError::new("AlreadyExistsException", 400, message));
            }
            other => drop(other?),
        }
        retain(context, &name, properties).await?;
        Ok(described(context, &name))
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["LogGroupName", "LogGroupClass"]) {
            return Ok(Update::Replace);
        }
        let context = &resource.context;
        if differs(old, new, &["RetentionInDays"]) {
            retain(context, physical_id, new).await?;
        }
        let arn = context.arn("logs", format!("log-group:{physical_id}")).to_string();
        let (before, after) = (properties::tags(resource, old), properties::tags(resource, new));
        let gone: Vec<&String> = before.keys().filter(|key| !after.contains_key(*key)).collect();
        if !gone.is_empty() {
            context.call("logs", "UntagResource", json!({ "resourceArn": arn, "tagKeys": gone })).await?;
        }
        if before != after {
            context.call("logs", "TagResource", json!({ "resourceArn": arn, "tags": after })).await?;
        }
        Ok(Update::InPlace(described(context, physical_id)))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        _: &Value,
    ) -> Result<(), ServiceError> {
        let input = json!({ "logGroupName": physical_id });
        unless_gone(resource.context.call("logs", "DeleteLogGroup", input).await)
    }
}

async fn retain(context: &Context, name: &str, properties: &Value) -> Result<(), ServiceError> {
    let days = properties::text(properties, "RetentionInDays");
    match days {
        Some(days) => {
            let days: u32 = days.parse().map_err(|_| {
                ServiceError::validation(format!("RetentionInDays is not a number of days: {days}"))
            })?;
            let input = json!({ "logGroupName": name, "retentionInDays": days });
            context.call("logs", "PutRetentionPolicy", input).await?;
        }
        None => {
            context.call("logs", "DeleteRetentionPolicy", json!({ "logGroupName": name })).await?;
        }
    }
    Ok(())
}

fn described(context: &Context, name: &str) -> Resource {
    let arn = format!("{}:*", context.arn("logs", format!("log-group:{name}")));
    Resource { physical_id: name.to_owned(), attributes: properties::attributes([("Arn", &arn)]) }
}

fn unless_gone(result: Result<Value, ServiceError>) -> Result<(), ServiceError> {
    match result {
        Err(error) if error.code != "ResourceNotFoundException" => Err(error),
        _ => Ok(()),
    }
}

struct StreamHandler;

#[async_trait]
impl ResourceHandler for StreamHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let name =
            properties::text(properties, "LogStreamName").unwrap_or_else(|| resource.generated_name(512));
        let group = properties::text(properties, "LogGroupName").unwrap_or_default();
        let input = json!({ "logGroupName": group, "logStreamName": name });
        match resource.context.call("logs", "CreateLogStream", input).await {
            Err(error) if error.code == "ResourceAlreadyExistsException" && resource.resuming => {}
            other => drop(other?),
        }
        Ok(Resource { physical_id: name, ..Resource::default() })
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        properties: &Value,
    ) -> Result<(), ServiceError> {
        let group = properties::text(properties, "LogGroupName").unwrap_or_default();
        let input = json!({ "logGroupName": group, "logStreamName": physical_id });
        unless_gone(resource.context.call("logs", "DeleteLogStream", input).await)
    }
}

struct FilterHandler;

async fn put_filter(context: &Context, name: &str, properties: &Value) -> Result<Resource, ServiceError> {
    let text = |name: &str| properties::text(properties, name);
    let input = json!({
        "logGroupName": text("LogGroupName"),
        "filterName": name,
        "filterPattern": text("FilterPattern").unwrap_or_default(),
        "destinationArn": text("DestinationArn"),
        "roleArn": text("RoleArn"),
        "distribution": text("Distribution"),
        "fieldSelectionCriteria": text("FieldSelectionCriteria"),
        "emitSystemFields": properties.get("EmitSystemFields"),
    });
    context.call("logs", "PutSubscriptionFilter", input).await?;
    Ok(Resource { physical_id: name.to_owned(), ..Resource::default() })
}

#[async_trait]
impl ResourceHandler for FilterHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let name = properties::text(properties, "FilterName").unwrap_or_else(|| resource.generated_name(512));
        put_filter(&resource.context, &name, properties).await
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["FilterName", "LogGroupName"]) {
            return Ok(Update::Replace);
        }
        Ok(Update::InPlace(put_filter(&resource.context, physical_id, new).await?))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        properties: &Value,
    ) -> Result<(), ServiceError> {
        let group = properties::text(properties, "LogGroupName").unwrap_or_default();
        let input = json!({ "logGroupName": group, "filterName": physical_id });
        unless_gone(resource.context.call("logs", "DeleteSubscriptionFilter", input).await)
    }
}
