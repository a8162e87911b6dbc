//! `AWS::Events::EventBus` and `AWS::Events::Rule`.

use crate::properties;
use aloft_engine::{
    Context, Resource, ResourceContext, ResourceHandler, ResourceType, ServiceError, Update, async_trait,
    differs,
};
use serde_json::{Value, json};

/// The types, by name.
pub static RESOURCES: &[ResourceType] = &[
    ResourceType { name: "AWS::Events::EventBus", handler: &BusHandler },
    ResourceType { name: "AWS::Events::Rule", handler: &RuleHandler },
];

struct BusHandler;

fn bus_input(name: &str, properties: &Value) -> Value {
    json!({
        "Name": name,
        "EventSourceName": properties::text(properties, "EventSourceName"),
        "Description": properties::text(properties, "Description"),
        "KmsKeyIdentifier": properties::text(properties, "KmsKeyIdentifier"),
        "DeadLetterConfig": properties.get("DeadLetterConfig"),
        "LogConfig": properties.get("LogConfig"),
    })
}

async fn describe_bus(context: &Context, name: &str, properties: &Value) -> Result<Resource, ServiceError> {
    let policy = properties::text(properties, "Policy");
    if let Some(policy) = &policy {
        context.call("events", "PutPermission", json!({ "EventBusName": name, "Policy": policy })).await?;
    }
    let arn = context.arn("events", format!("event-bus/{name}")).to_string();
    let attributes = properties::attributes([
        ("Arn", arn.as_str()),
        ("Name", name),
        ("Policy", policy.as_deref().unwrap_or_default()),
    ]);
    Ok(Resource { physical_id: name.to_owned(), attributes })
}

#[async_trait]
impl ResourceHandler for BusHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let name = properties::text(properties, "Name").unwrap_or_else(|| resource.generated_name(256));
        let mut input = bus_input(&name, properties);
        input["Tags"] = crate::tags::list(&properties::tags(resource, properties));
        match resource.context.call("events", "CreateEventBus", input).await {
            Err(error) if !(resource.resuming && error.code == "ResourceAlreadyExistsException") => {
                Err(error)
            }
            _ => describe_bus(&resource.context, &name, properties).await,
        }
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["Name", "EventSourceName"]) {
            return Ok(Update::Replace);
        }
        let context = &resource.context;
        context.call("events", "UpdateEventBus", bus_input(physical_id, new)).await?;
        let arn = context.arn("events", format!("event-bus/{physical_id}")).to_string();
        retag(resource, &arn, old, new).await?;
        if old.get("Policy").is_some() && new.get("Policy").is_none() {
            let input = json!({ "EventBusName": physical_id, "RemoveAllPermissions": true });
            context.call("events", "RemovePermission", input).await?;
        }
        Ok(Update::InPlace(describe_bus(context, physical_id, new).await?))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        _: &Value,
    ) -> Result<(), ServiceError> {
        resource.context.call("events", "DeleteEventBus", json!({ "Name": physical_id })).await.map(drop)
    }
}

async fn retag(resource: &ResourceContext, arn: &str, old: &Value, new: &Value) -> Result<(), ServiceError> {
    let (before, after) = (properties::tags(resource, old), properties::tags(resource, new));
    let gone: Vec<&String> = before.keys().filter(|key| !after.contains_key(*key)).collect();
    if !gone.is_empty() {
        resource
            .context
            .call("events", "UntagResource", json!({ "ResourceARN": arn, "TagKeys": gone }))
            .await?;
    }
    if !after.is_empty() {
        let input = json!({ "ResourceARN": arn, "Tags": crate::tags::list(&after) });
        resource.context.call("events", "TagResource", input).await?;
    }
    Ok(())
}

struct RuleHandler;

/// The name of a rule's bus: properties may have its ARN.
fn bus_of(properties: &Value) -> String {
    let text = properties::text(properties, "EventBusName").unwrap_or_else(|| "default".to_owned());
    text.rsplit_once("event-bus/").map_or(text.clone(), |(_, name)| name.to_owned())
}

/// Puts the rule and its targets as the properties say. Targets that they do not name are left.
async fn put(resource: &ResourceContext, name: &str, properties: &Value) -> Result<Resource, ServiceError> {
    let (context, bus) = (&resource.context, bus_of(properties));
    let rule = json!({
        "Name": name,
        "EventBusName": bus,
        "ScheduleExpression": properties::text(properties, "ScheduleExpression"),
        "EventPattern": properties::text(properties, "EventPattern"),
        "State": properties::text(properties, "State"),
        "Description": properties::text(properties, "Description"),
        "RoleArn": properties::text(properties, "RoleArn"),
        "Tags": crate::tags::list(&properties::tags(resource, properties)),
    });
    let answer = context.call("events", "PutRule", rule).await?;
    let targets: Vec<Value> = properties::list(properties, "Targets").iter().cloned().map(target).collect();
    if !targets.is_empty() {
        let input = json!({ "Rule": name, "EventBusName": bus, "Targets": targets });
        context.call("events", "PutTargets", input).await?;
    }
    // A rule of another bus than the default one is known by both names.
    let physical_id = if bus == "default" { name.to_owned() } else { format!("{bus}|{name}") };
    let arn = answer["RuleArn"].as_str().unwrap_or_default();
    Ok(Resource { physical_id, attributes: properties::attributes([("Arn", arn)]) })
}

/// A target as the API has it: numbers that came as text are numbers, documents that came as such are text.
fn target(mut target: Value) -> Value {
    for name in ["MaximumEventAgeInSeconds", "MaximumRetryAttempts"] {
        if let Some(number) =
            properties::text(&target["RetryPolicy"], name).and_then(|text| text.parse::<u64>().ok())
        {
            target["RetryPolicy"][name] = number.into();
        }
    }
    if let Some(input) = properties::text(&target, "Input") {
        target["Input"] = input.into();
    }
    target
}

fn name_of(physical_id: &str) -> &str {
    physical_id.rsplit('|').next().unwrap_or_default()
}

async fn remove_targets(
    context: &Context,
    physical_id: &str,
    properties: &Value,
    ids: Vec<&Value>,
) -> Result<(), ServiceError> {
    if ids.is_empty() {
        return Ok(());
    }
    let input = json!({ "Rule": name_of(physical_id), "EventBusName": bus_of(properties), "Ids": ids });
    match context.call("events", "RemoveTargets", input).await {
        Err(error) if error.code != "ResourceNotFoundException" => Err(error),
        _ => Ok(()),
    }
}

#[async_trait]
impl ResourceHandler for RuleHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let name = properties::text(properties, "Name").unwrap_or_else(|| resource.generated_name(64));
        put(resource, &name, properties).await
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["Name"]) || bus_of(old) != bus_of(new) {
            return Ok(Update::Replace);
        }
        let wanted = properties::list(new, "Targets");
        let is_wanted = |target: &&Value| wanted.iter().any(|wanted| wanted["Id"] == target["Id"]);
        let gone = properties::list(old, "Targets")
            .iter()
            .filter(|target| !is_wanted(target))
            .map(|target| &target["Id"]);
        remove_targets(&resource.context, physical_id, old, gone.collect()).await?;
        let updated = put(resource, name_of(physical_id), new).await?;
        retag(resource, updated.attributes["Arn"].as_str().unwrap_or_default(), old, new).await?;
        Ok(Update::InPlace(updated))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        properties: &Value,
    ) -> Result<(), ServiceError> {
        let context = &resource.context;
        let (name, bus) = (name_of(physical_id), bus_of(properties));
        // Whatever targets it has by now.
        let listed =
            context.call("events", "ListTargetsByRule", json!({ "Rule": name, "EventBusName": bus })).await;
        let listed = listed.unwrap_or_default();
        let ids = properties::list(&listed, "Targets").iter().map(|target| &target["Id"]).collect();
        remove_targets(context, physical_id, properties, ids).await?;
        match context.call("events", "DeleteRule", json!({ "Name": name, "EventBusName": bus })).await {
            Err(error) if error.code != "ResourceNotFoundException" => Err(error),
            _ => Ok(()),
        }
    }
}
