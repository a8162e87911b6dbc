//! `AWS::Scheduler::Schedule` and `AWS::Scheduler::ScheduleGroup`.

use super::errors;
use crate::properties;
use aloft_base::Timestamp;
use aloft_engine::{
    Context, Resource, ResourceContext, ResourceHandler, ResourceType, ServiceError, Update, async_trait,
    differs,
};
use serde_json::{Value, json};

/// The types, by name.
pub static RESOURCES: &[ResourceType] = &[
    ResourceType { name: "AWS::Scheduler::Schedule", handler: &ScheduleHandler },
    ResourceType { name: "AWS::Scheduler::ScheduleGroup", handler: &GroupHandler },
];

struct ScheduleHandler;

/// The input of `CreateSchedule` and `UpdateSchedule`: numbers that came as text are numbers, documents that came as such are
/// text, and dates are seconds.
fn input(resource: &ResourceContext, name: &str, properties: &Value) -> Result<Value, ServiceError> {
    let text = |name: &str| properties::text(properties, name);
    let date = |name: &str| match text(name) {
        None => Ok(Value::Null),
        Some(date) => Timestamp::parse_iso8601(&date)
            .map(|at| at.as_seconds_f64().into())
            .ok_or_else(|| errors::invalid(format!("{name} {date} is no date and time."))),
    };
    let mut target = properties.get("Target").cloned().unwrap_or_default();
    if let Some(policy) = target.get_mut("RetryPolicy") {
        number(policy, "MaximumEventAgeInSeconds");
        number(policy, "MaximumRetryAttempts");
    }
    if let Some(input) = properties::text(&target, "Input") {
        target["Input"] = input.into();
    }
    let mut window = properties.get("FlexibleTimeWindow").cloned().unwrap_or_default();
    number(&mut window, "MaximumWindowInMinutes");
    Ok(json!({
        "Name": name,
        "GroupName": text("GroupName"),
        "ClientToken": resource.token,
        "ScheduleExpression": text("ScheduleExpression"),
        "ScheduleExpressionTimezone": text("ScheduleExpressionTimezone"),
        "StartDate": date("StartDate")?,
        "EndDate": date("EndDate")?,
        "Description": text("Description"),
        "State": text("State"),
        "KmsKeyArn": text("KmsKeyArn"),
        "ActionAfterCompletion": text("ActionAfterCompletion"),
        "Target": target,
        "FlexibleTimeWindow": window,
    }))
}

/// Makes a number of one that came as text.
fn number(object: &mut Value, name: &str) {
    if let Some(number) = properties::text(object, name).and_then(|text| text.parse::<u64>().ok()) {
        object[name] = number.into();
    }
}

fn described(name: &str, arn: &Value) -> Resource {
    let attributes = properties::attributes([("Arn", arn.as_str().unwrap_or_default())]);
    Resource { physical_id: name.to_owned(), attributes }
}

#[async_trait]
impl ResourceHandler for ScheduleHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let name = properties::text(properties, "Name").unwrap_or_else(|| resource.generated_name(64));
        let input = input(resource, &name, properties)?;
        let answer = resource.context.call("scheduler", "CreateSchedule", input).await?;
        Ok(described(&name, &answer["ScheduleArn"]))
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["GroupName", "Name"]) {
            return Ok(Update::Replace);
        }
        let input = input(resource, physical_id, new)?;
        let answer = resource.context.call("scheduler", "UpdateSchedule", input).await?;
        Ok(Update::InPlace(described(physical_id, &answer["ScheduleArn"])))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        properties: &Value,
    ) -> Result<(), ServiceError> {
        let input = json!({ "Name": physical_id, "GroupName": properties::text(properties, "GroupName") });
        gone(resource.context.call("scheduler", "DeleteSchedule", input).await)
    }
}

/// What is gone already is no error.
fn gone(answer: Result<Value, ServiceError>) -> Result<(), ServiceError> {
    match answer {
        Err(error) if error.code != "ResourceNotFoundException" => Err(error),
        _ => Ok(()),
    }
}

struct GroupHandler;

async fn describe_group(context: &Context, name: &str) -> Result<Resource, ServiceError> {
    let group = context.call("scheduler", "GetScheduleGroup", json!({ "Name": name })).await?;
    let date = |name: &str| Timestamp::from_seconds_f64(group[name].as_f64().unwrap_or(0.0)).iso8601();
    let attributes = properties::attributes([
        ("Arn", group["Arn"].as_str().unwrap_or_default()),
        ("State", group["State"].as_str().unwrap_or_default()),
        ("CreationDate", &date("CreationDate")),
        ("LastModificationDate", &date("LastModificationDate")),
    ]);
    Ok(Resource { physical_id: name.to_owned(), attributes })
}

#[async_trait]
impl ResourceHandler for GroupHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let name = properties::text(properties, "Name").unwrap_or_else(|| resource.generated_name(64));
        let tags = crate::tags::list(&properties::tags(resource, properties));
        let input = json!({ "Name": name, "Tags": tags, "ClientToken": resource.token });
        resource.context.call("scheduler", "CreateScheduleGroup", input).await?;
        describe_group(&resource.context, &name).await
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
        let arn = context.arn("scheduler", format!("schedule-group/{physical_id}")).to_string();
        let (before, after) = (properties::tags(resource, old), properties::tags(resource, new));
        let gone: Vec<&String> = before.keys().filter(|key| !after.contains_key(*key)).collect();
        if !gone.is_empty() {
            let input = json!({ "ResourceArn": arn, "TagKeys": gone });
            context.call("scheduler", "UntagResource", input).await?;
        }
        if !after.is_empty() {
            let input = json!({ "ResourceArn": arn, "Tags": crate::tags::list(&after) });
            context.call("scheduler", "TagResource", input).await?;
        }
        Ok(Update::InPlace(describe_group(context, physical_id).await?))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        _: &Value,
    ) -> Result<(), ServiceError> {
        let input = json!({ "Name": physical_id });
        gone(resource.context.call("scheduler", "DeleteScheduleGroup", input).await)
    }
}
