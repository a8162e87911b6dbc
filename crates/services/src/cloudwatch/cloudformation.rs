//! `AWS::CloudWatch::Alarm`.

use crate::properties;
use aloft_engine::{
    Resource, ResourceContext, ResourceHandler, ResourceType, ServiceError, Update, async_trait, differs,
};
use serde_json::{Map, Value, json};

/// The types, by name.
pub static RESOURCES: &[ResourceType] =
    &[ResourceType { name: "AWS::CloudWatch::Alarm", handler: &AlarmHandler }];

/// Members that are numbers, which templates may write as text.
const NUMBERS: &[&str] = &["DatapointsToAlarm", "EvaluationPeriods", "Period", "Threshold"];

struct AlarmHandler;

/// The properties as `PutMetricAlarm` takes them: their names are the same.
fn input(resource: &ResourceContext, name: &str, properties: &Value) -> Value {
    let mut input: Map<String, Value> = properties.as_object().cloned().unwrap_or_default();
    input.insert("AlarmName".to_owned(), name.into());
    for (name, value) in &mut input {
        typed(name, value);
    }
    if let Some(Value::Array(queries)) = input.get_mut("Metrics") {
        for query in queries {
            typed_members(query);
            typed_members(&mut query["MetricStat"]);
            if query["MetricStat"].is_null() {
                query.as_object_mut().map(|query| query.remove("MetricStat"));
            }
        }
    }
    input.insert("Tags".to_owned(), crate::tags::list(&properties::tags(resource, properties)));
    Value::Object(input)
}

fn typed_members(value: &mut Value) {
    if let Value::Object(members) = value {
        members.iter_mut().for_each(|(name, value)| typed(name, value));
    }
}

fn typed(name: &str, value: &mut Value) {
    let Some(text) = value.as_str() else { return };
    if NUMBERS.contains(&name) {
        let whole = text.parse::<i64>().map(Value::from);
        if let Ok(number) = whole.or_else(|_| text.parse::<f64>().map(Value::from)) {
            *value = number;
        }
    } else if matches!(name, "ActionsEnabled" | "ReturnData") {
        *value = json!(text == "true");
    }
}

async fn put(resource: &ResourceContext, name: &str, properties: &Value) -> Result<Resource, ServiceError> {
    let context = &resource.context;
    context.call("cloudwatch", "PutMetricAlarm", input(resource, name, properties)).await?;
    let arn = context.arn("cloudwatch", format!("alarm:{name}")).to_string();
    let attributes = properties::attributes([("Arn", &arn)]);
    Ok(Resource { physical_id: name.to_owned(), attributes })
}

#[async_trait]
impl ResourceHandler for AlarmHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let name = properties::text(properties, "AlarmName").unwrap_or_else(|| resource.generated_name(255));
        put(resource, &name, properties).await
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["AlarmName"]) {
            return Ok(Update::Replace);
        }
        Ok(Update::InPlace(put(resource, physical_id, new).await?))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        _: &Value,
    ) -> Result<(), ServiceError> {
        let input = json!({ "AlarmNames": [physical_id] });
        resource.context.call("cloudwatch", "DeleteAlarms", input).await.map(drop)
    }
}
