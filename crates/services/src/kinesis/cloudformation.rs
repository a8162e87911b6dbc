//! `AWS::Kinesis::Stream` and `AWS::Kinesis::StreamConsumer`

use crate::properties;
use aloft_engine::{
    Context, Resource, ResourceContext, ResourceHandler, ResourceType, ServiceError, Update, async_trait,
    differs,
};
use serde_json::{Value, json};

/// The types, by name.
pub static RESOURCES: &[ResourceType] = &[
    ResourceType { name: "AWS::Kinesis::Stream", handler: &StreamHandler },
    ResourceType { name: "AWS::Kinesis::StreamConsumer", handler: &ConsumerHandler },
];

/// The hours that records are kept, when the template does not say.
const RETENTION: u64 = 24;

struct StreamHandler;

fn mode(properties: &Value) -> String {
    let details = properties.get("StreamModeDetails").and_then(|it| properties::text(it, "StreamMode"));
    details.unwrap_or_else(|| "PROVISIONED".to_owned())
}

fn number(properties: &Value, name: &str) -> Result<Option<u64>, ServiceError> {
    let parse = |text: String| {
        text.parse().map_err(|_| ServiceError::validation(format!("{name} is not a number: {text}")))
    };
    properties::text(properties, name).map(parse).transpose()
}

fn described(context: &Context, name: &str) -> Resource {
    let arn = context.arn("kinesis", format!("stream/{name}")).to_string();
    Resource { physical_id: name.to_owned(), attributes: properties::attributes([("Arn", &arn)]) }
}

/// Brings retention, encryption and metrics to what the properties say.
async fn settle(context: &Context, name: &str, properties: &Value) -> Result<(), ServiceError> {
    let answer = context.call("kinesis", "DescribeStreamSummary", json!({ "StreamName": name })).await?;
    let now = &answer["StreamDescriptionSummary"];
    let wanted = number(properties, "RetentionPeriodHours")?.unwrap_or(RETENTION);
    let hours = now["RetentionPeriodHours"].as_u64().unwrap_or(RETENTION);
    if wanted != hours {
        let operation =
            if wanted > hours { "IncreaseStreamRetentionPeriod" } else { "DecreaseStreamRetentionPeriod" };
        let input = json!({ "StreamName": name, "RetentionPeriodHours": wanted });
        context.call("kinesis", operation, input).await?;
    }
    match properties.get("StreamEncryption").filter(|it| !it.is_null()) {
        Some(encryption) => {
            let input = json!({ "StreamName": name, "EncryptionType": "KMS", "KeyId": encryption["KeyId"] });
            context.call("kinesis", "StartStreamEncryption", input).await?;
        }
        None if now["EncryptionType"] == "KMS" => {
            let input = json!({ "StreamName": name, "EncryptionType": "KMS", "KeyId": now["KeyId"] });
            context.call("kinesis", "StopStreamEncryption", input).await?;
        }
        None => {}
    }
    let metrics = properties::list(properties, "DesiredShardLevelMetrics");
    if !metrics.is_empty() {
        let input = json!({ "StreamName": name, "ShardLevelMetrics": metrics });
        context.call("kinesis", "EnableEnhancedMonitoring", input).await?;
    }
    Ok(())
}

#[async_trait]
impl ResourceHandler for StreamHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let context = &resource.context;
        let name = properties::text(properties, "Name").unwrap_or_else(|| resource.generated_name(128));
        let mode = mode(properties);
        let mut input = json!({
            "StreamName": name,
            "StreamModeDetails": { "StreamMode": mode },
            "Tags": properties::tags(resource, properties),
        });
        if mode == "PROVISIONED" {
            input["ShardCount"] = number(properties, "ShardCount")?.unwrap_or(1).into();
        }
        match context.call("kinesis", "CreateStream", input).await {
            Err(error) if error.code == "ResourceInUseException" && resource.resuming => {}
            other => drop(other?),
        }
        settle(context, &name, properties).await?;
        Ok(described(context, &name))
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["Name"]) {
            return Ok(Update::Replace);
        }
        let context = &resource.context;
        let arn = context.arn("kinesis", format!("stream/{physical_id}")).to_string();
        if mode(old) != mode(new) {
            let input = json!({ "StreamARN": arn, "StreamModeDetails": { "StreamMode": mode(new) } });
            context.call("kinesis", "UpdateStreamMode", input).await?;
        }
        if mode(new) == "PROVISIONED" && differs(old, new, &["ShardCount"]) {
            let count = number(new, "ShardCount")?.unwrap_or(1);
            let input = json!({
                "StreamName": physical_id,
                "TargetShardCount": count,
                "ScalingType": "UNIFORM_SCALING",
            });
            context.call("kinesis", "UpdateShardCount", input).await?;
        }
        settle(context, physical_id, new).await?;
        let (before, after) = (properties::tags(resource, old), properties::tags(resource, new));
        let gone: Vec<&String> = before.keys().filter(|key| !after.contains_key(*key)).collect();
        if !gone.is_empty() {
            let input = json!({ "StreamName": physical_id, "TagKeys": gone });
            context.call("kinesis", "RemoveTagsFromStream", input).await?;
        }
        if before != after && !after.is_empty() {
            let input = json!({ "StreamName": physical_id, "Tags": after });
            context.call("kinesis", "AddTagsToStream", input).await?;
        }
        Ok(Update::InPlace(described(context, physical_id)))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        _: &Value,
    ) -> Result<(), ServiceError> {
        let input = json!({ "StreamName": physical_id, "EnforceConsumerDeletion": true });
        unless_gone(resource.context.call("kinesis", "DeleteStream", input).await)
    }
}

struct ConsumerHandler;

fn consumer(told: &Value, stream: &Value) -> Resource {
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    let arn = text("ConsumerARN");
    let attributes = properties::attributes([
        ("ConsumerARN", &arn),
        ("ConsumerCreationTimestamp", &told["ConsumerCreationTimestamp"].to_string()),
        ("ConsumerName", &text("ConsumerName")),
        ("ConsumerStatus", &text("ConsumerStatus")),
        ("StreamARN", stream.as_str().unwrap_or_default()),
    ]);
    Resource { physical_id: arn, attributes }
}

#[async_trait]
impl ResourceHandler for ConsumerHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let stream = &properties["StreamARN"];
        let input = json!({ "StreamARN": stream, "ConsumerName": properties["ConsumerName"] });
        let context = &resource.context;
        match context.call("kinesis", "RegisterStreamConsumer", input.clone()).await {
            Err(error) if error.code == "ResourceInUseException" && resource.resuming => {
                let answer = context.call("kinesis", "DescribeStreamConsumer", input).await?;
                Ok(consumer(&answer["ConsumerDescription"], stream))
            }
            other => Ok(consumer(&other?["Consumer"], stream)),
        }
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["ConsumerName", "StreamARN"]) {
            return Ok(Update::Replace);
        }
        let input = json!({ "ConsumerARN": physical_id });
        let answer = resource.context.call("kinesis", "DescribeStreamConsumer", input).await?;
        Ok(Update::InPlace(consumer(&answer["ConsumerDescription"], &new["StreamARN"])))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        _: &Value,
    ) -> Result<(), ServiceError> {
        let input = json!({ "ConsumerARN": physical_id });
        unless_gone(resource.context.call("kinesis", "DeregisterStreamConsumer", input).await)
    }
}

/// Deleting what is gone is no error.
fn unless_gone(result: Result<Value, ServiceError>) -> Result<(), ServiceError> {
    match result {
        Err(error) if error.code != "ResourceNotFoundException" => Err(error),
        _ => Ok(()),
    }
}
