//! `AWS::Lambda::EventSourceMapping` and `AWS::Lambda::EventInvokeConfig`

use super::{only, required, typed, unless_gone};
use crate::properties;
use aloft_engine::{
    Context, Resource, ResourceContext, ResourceHandler, ServiceError, Update, async_trait, differs,
};
use serde_json::{Map, Value, json};

/// The properties that can be changed where they are, which the API takes by the same name.
const CHANGEABLE: &[&str] = &[
    "AmazonManagedKafkaEventSourceConfig",
    "BatchSize",
    "BisectBatchOnFunctionError",
    "DestinationConfig",
    "DocumentDBEventSourceConfig",
    "Enabled",
    "FilterCriteria",
    "FunctionName",
    "FunctionResponseTypes",
    "MaximumBatchingWindowInSeconds",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "ParallelizationFactor",
    "ProvisionedPollerConfig",
    "Queues",
    "ScalingConfig",
    "SourceAccessConfigurations",
    "Topics",
    "TumblingWindowInSeconds",
];
/// Those that are told once only.
const FIXED: &[&str] = &[
    "EventSourceArn",
    "SelfManagedEventSource",
    "SelfManagedKafkaEventSourceConfig",
    "StartingPosition",
    "StartingPositionTimestamp",
];
const TYPED: &[&str] = &[
    "BatchSize",
    "BisectBatchOnFunctionError",
    "Enabled",
    "MaximumBatchingWindowInSeconds",
    "MaximumConcurrency",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "ParallelizationFactor",
    "StartingPositionTimestamp",
    "TumblingWindowInSeconds",
];

pub(super) struct MappingHandler;

fn input(properties: &Value, names: &[&str]) -> Value {
    let mut input = Value::Object(only(properties, names));
    typed(&mut input, TYPED);
    // A pattern may stand in the template as an object.
    let filters = input.pointer_mut("/FilterCriteria/Filters").and_then(Value::as_array_mut);
    for filter in filters.into_iter().flatten() {
        if let Some(pattern) = properties::text(filter, "Pattern") {
            filter["Pattern"] = pattern.into();
        }
    }
    input
}

fn described(answer: &Value) -> Resource {
    let id = answer["UUID"].as_str().unwrap_or_default();
    let arn = answer["EventSourceMappingArn"].as_str().unwrap_or_default();
    let attributes = properties::attributes([("Id", id), ("EventSourceMappingArn", arn)]);
    Resource { physical_id: id.to_owned(), attributes }
}

#[async_trait]
impl ResourceHandler for MappingHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let context = &resource.context;
        let all = input(properties, &[CHANGEABLE, FIXED].concat());
        match context.call("lambda", "CreateEventSourceMapping", all).await {
            Err(error) if error.code == "ResourceConflictException" && resource.resuming => {
                let same = only(properties, &["EventSourceArn", "FunctionName"]);
                let answer = context.call("lambda", "ListEventSourceMappings", same.into()).await?;
                Ok(described(&answer["EventSourceMappings"][0]))
            }
            other => Ok(described(&other?)),
        }
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, FIXED) {
            return Ok(Update::Replace);
        }
        let mut wanted = json!({
            "BatchSize": 10,
            "Enabled": true,
            "FilterCriteria": { "Filters": [] },
            "FunctionResponseTypes": [],
            "MaximumBatchingWindowInSeconds": 0,
            "ScalingConfig": {},
            "UUID": physical_id,
        });
        if let (Some(wanted), Value::Object(new)) = (wanted.as_object_mut(), input(new, CHANGEABLE)) {
            wanted.extend(new);
        }
        let answer = resource.context.call("lambda", "UpdateEventSourceMapping", wanted).await?;
        Ok(Update::InPlace(described(&answer)))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        _: &Value,
    ) -> Result<(), ServiceError> {
        let input = json!({ "UUID": physical_id });
        unless_gone(resource.context.call("lambda", "DeleteEventSourceMapping", input).await)
    }
}

pub(super) struct EventInvokeHandler;

fn event_invoke(properties: &Value) -> Value {
    let names = [
        "DestinationConfig",
        "FunctionName",
        "MaximumEventAgeInSeconds",
        "MaximumRetryAttempts",
        "Qualifier",
    ];
    let mut input: Map<String, Value> = only(properties, &names);
    // All that it has is optional, but for what it is for.
    input.entry("DestinationConfig").or_insert_with(|| json!({}));
    let mut input = Value::Object(input);
    typed(&mut input, &["MaximumEventAgeInSeconds", "MaximumRetryAttempts"]);
    input
}

async fn put_event_invoke(context: &Context, properties: &Value) -> Result<(), ServiceError> {
    context.call("lambda", "PutFunctionEventInvokeConfig", event_invoke(properties)).await.map(drop)
}

#[async_trait]
impl ResourceHandler for EventInvokeHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        put_event_invoke(&resource.context, properties).await?;
        let function = required(properties, "FunctionName")?;
        let qualifier = required(properties, "Qualifier")?;
        Ok(Resource { physical_id: format!("{function}|{qualifier}"), ..Resource::default() })
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["FunctionName", "Qualifier"]) {
            return Ok(Update::Replace);
        }
        put_event_invoke(&resource.context, new).await?;
        Ok(Update::InPlace(Resource { physical_id: physical_id.to_owned(), ..Resource::default() }))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        _: &str,
        properties: &Value,
    ) -> Result<(), ServiceError> {
        let input = only(properties, &["FunctionName", "Qualifier"]);
        unless_gone(resource.context.call("lambda", "DeleteFunctionEventInvokeConfig", input.into()).await)
    }
}
