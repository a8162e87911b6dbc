//! `AWS::SQS::Queue` and `AWS::SQS::QueuePolicy`.

use super::attributes;
use crate::properties;
use aloft_engine::{
    Context, Resource, ResourceContext, ResourceHandler, ResourceType, ServiceError, Update, async_trait,
    differs,
};
use serde_json::{Map, Value, json};

/// The types, by name.
pub static RESOURCES: &[ResourceType] = &[
    ResourceType { name: "AWS::SQS::Queue", handler: &QueueHandler },
    ResourceType { name: "AWS::SQS::QueuePolicy", handler: &PolicyHandler },
];

/// The properties that are attributes of the same name.
const ATTRIBUTES: &[&str] = &[
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
];

struct QueueHandler;

#[async_trait]
impl ResourceHandler for QueueHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let context = &resource.context;
        let fifo = properties::truth(properties, "FifoQueue");
        let suffix = if fifo { ".fifo" } else { "" };
        let generated = || resource.generated_name(80 - suffix.len()) + suffix;
        let name = properties::text(properties, "QueueName").unwrap_or_else(generated);
        if !resource.resuming
            && context.call("sqs", "GetQueueUrl", json!({ "QueueName": name })).await.is_ok()
        {
            let message =
                format!("Resource of type 'AWS::SQS::Queue' with identifier '{name}' already exists.");
            return Err(ServiceError::new("AlreadyExistsException", 400, message));
        }
        let input = json!({
            "QueueName": name,
            "Attributes": attributes_of(properties),
            "tags": properties::tags(resource, properties),
        });
        let answer = context.call("sqs", "CreateQueue", input).await?;
        describe(context, answer["QueueUrl"].as_str().unwrap_or_default())
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["QueueName"])
            || properties::truth(old, "FifoQueue") != properties::truth(new, "FifoQueue")
        {
            return Ok(Update::Replace);
        }
        let context = &resource.context;
        let mut wanted = attributes_of(new);
        for name in attributes_of(old).keys().filter(|name| new.get(name.as_str()).is_none()) {
            // What the template no longer says has its default again; documents and keys are removed by an empty text.
            let default = attributes::default(name, physical_id.ends_with(".fifo")).unwrap_or_default();
            wanted.insert(name.clone(), default.into());
        }
        wanted.remove("FifoQueue");
        if !wanted.is_empty() {
            context
                .call("sqs", "SetQueueAttributes", json!({ "QueueUrl": physical_id, "Attributes": wanted }))
                .await?;
        }
        let (before, after) = (properties::tags(resource, old), properties::tags(resource, new));
        let gone: Vec<&String> = before.keys().filter(|key| !after.contains_key(*key)).collect();
        if !gone.is_empty() {
            context.call("sqs", "UntagQueue", json!({ "QueueUrl": physical_id, "TagKeys": gone })).await?;
        }
        if !after.is_empty() {
            context.call("sqs", "TagQueue", json!({ "QueueUrl": physical_id, "Tags": after })).await?;
        }
        Ok(Update::InPlace(describe(context, physical_id)?))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        _: &Value,
    ) -> Result<(), ServiceError> {
        let deleted = resource.context.call("sqs", "DeleteQueue", json!({ "QueueUrl": physical_id })).await;
        unless_gone(deleted)
    }
}

fn attributes_of(properties: &Value) -> Map<String, Value> {
    let pair = |name: &&str| Some(((*name).to_owned(), properties::text(properties, name)?.into()));
    let mut attributes: Map<String, Value> = ATTRIBUTES.iter().filter_map(pair).collect();
    // The API has no word for a queue that is not FIFO.
    if attributes.get("FifoQueue").is_some_and(|value| value == "false") {
        attributes.remove("FifoQueue");
    }
    attributes
}

fn describe(context: &Context, url: &str) -> Result<Resource, ServiceError> {
    let name = url.rsplit('/').next().unwrap_or_default();
    let arn = context.arn("sqs", name).to_string();
    let attributes = properties::attributes([("Arn", arn.as_str()), ("QueueName", name), ("QueueUrl", url)]);
    Ok(Resource { physical_id: url.to_owned(), attributes })
}

fn unless_gone(result: Result<Value, ServiceError>) -> Result<(), ServiceError> {
    match result {
        Err(error) if error.code != "QueueDoesNotExist" => Err(error),
        _ => Ok(()),
    }
}

/// A policy is an attribute of each of its queues.
struct PolicyHandler;

async fn set_policy(context: &Context, queues: &[Value], policy: &str) -> Result<(), ServiceError> {
    for queue in queues {
        let input = json!({ "QueueUrl": queue, "Attributes": { "Policy": policy } });
        context.call("sqs", "SetQueueAttributes", input).await?;
    }
    Ok(())
}

#[async_trait]
impl ResourceHandler for PolicyHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let policy = properties::text(properties, "PolicyDocument").unwrap_or_default();
        set_policy(&resource.context, properties::list(properties, "Queues"), &policy).await?;
        let physical_id = resource.generated_name(128);
        let attributes = properties::attributes([("Id", &physical_id)]);
        Ok(Resource { physical_id, attributes })
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        let queues = properties::list(new, "Queues");
        let left: Vec<Value> =
            properties::list(old, "Queues").iter().filter(|queue| !queues.contains(queue)).cloned().collect();
        for queue in left {
            let removed = json!({ "QueueUrl": queue, "Attributes": { "Policy": "" } });
            unless_gone(resource.context.call("sqs", "SetQueueAttributes", removed).await)?;
        }
        let policy = properties::text(new, "PolicyDocument").unwrap_or_default();
        set_policy(&resource.context, queues, &policy).await?;
        let attributes = properties::attributes([("Id", physical_id)]);
        Ok(Update::InPlace(Resource { physical_id: physical_id.to_owned(), attributes }))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        _: &str,
        properties: &Value,
    ) -> Result<(), ServiceError> {
        for queue in properties::list(properties, "Queues") {
            let input = json!({ "QueueUrl": queue, "Attributes": { "Policy": "" } });
            unless_gone(resource.context.call("sqs", "SetQueueAttributes", input).await)?;
        }
        Ok(())
    }
}
