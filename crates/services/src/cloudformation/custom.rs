//! Custom resources: a function or a topic is told to make, change or delete something, and answers over HTTP.
//!
//! Keeps true: a question that was sent is not sent again after a crash, unless the crash fell between sending and noting it;
//! its `RequestId` is the same then. Source: the "Custom resources" chapters of the CloudFormation user guide.

use super::records;
use super::requests::{self, Answer, Request};
use super::template::{invalid, text_of};
use crate::target::there;
use aloft_engine::{Resource, ResourceContext, ResourceHandler, ServiceError, Update, async_trait};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The type under which custom resources of any name are handled.
pub const KIND: &str = "AWS::CloudFormation::CustomResource";
/// How long an answer is waited for, unless `ServiceTimeout` says less; in seconds.
const MAX_TIMEOUT: u64 = 3600;
/// The most characters of a physical id that CloudFormation makes up.
const MAX_NAME: usize = 128;

/// Whether a type is a custom resource.
pub fn is_custom(kind: &str) -> bool {
    kind == KIND || kind.starts_with("Custom::")
}

/// The handler of them all.
pub struct CustomResource;

#[async_trait]
impl ResourceHandler for CustomResource {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let answer = ask(resource, "Create", None, None, properties).await?;
        let physical_id =
            answer.physical_id.ok_or_else(|| ServiceError::new("", 400, "Invalid PhysicalResourceId"))?;
        Ok(Resource { physical_id, attributes: answer.data })
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        let answer = ask(resource, "Update", Some(physical_id), Some(old), new).await?;
        let now = answer.physical_id.unwrap_or_else(|| physical_id.to_owned());
        let replaced = now != physical_id;
        let made = Resource { physical_id: now, attributes: answer.data };
        Ok(if replaced { Update::Replaced(made) } else { Update::InPlace(made) })
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        properties: &Value,
    ) -> Result<(), ServiceError> {
        ask(resource, "Delete", Some(physical_id), None, properties).await.map(drop)
    }

    async fn left_behind(&self, resource: &ResourceContext) -> Result<Option<Resource>, ServiceError> {
        let request = requests::find(&resource.context, &resource.stack_id, &resource.logical_id)?;
        let Some(request) =
            request.filter(|request| request.sent && request.event["RequestType"] == "Create")
        else {
            return Ok(None);
        };
        // Who failed may have made something; who did not answer is told of it by a name of ours.
        let named = request.answer.and_then(|answer| answer.physical_id);
        let physical_id = named.unwrap_or_else(|| resource.generated_name(MAX_NAME));
        Ok(Some(Resource { physical_id, attributes: Map::new() }))
    }
}

/// Sends a question, unless the same was sent before a crash, and waits for the answer.
async fn ask(
    resource: &ResourceContext,
    verb: &str,
    physical_id: Option<&str>,
    old: Option<&Value>,
    properties: &Value,
) -> Result<Answer, ServiceError> {
    let (context, stack_id, logical_id) = (&resource.context, &resource.stack_id, &resource.logical_id);
    let service_token = properties
        .get("ServiceToken")
        .and_then(Value::as_str)
        .ok_or_else(|| invalid("Missing required property: ServiceToken"))?;
    let seconds = timeout(properties)?;
    let kind = records::resource(context, stack_id, logical_id)?
        .map_or_else(|| KIND.to_owned(), |record| record.kind);
    let mut event = json!({
        "RequestType": verb,
        "ServiceToken": service_token,
        "StackId": stack_id,
        "LogicalResourceId": logical_id,
        "ResourceType": kind,
        "ResourceProperties": stringified(properties),
    });
    if let Some(physical_id) = physical_id {
        event["PhysicalResourceId"] = json!(physical_id);
    }
    if let Some(old) = old {
        event["OldResourceProperties"] = stringified(old);
    }
    let earlier = requests::find(context, stack_id, logical_id)?
        .filter(|earlier| resource.resuming && is_same(&earlier.event, &event));
    let request = match earlier {
        // One that failed is asked again: the user may have tried again.
        Some(earlier) if earlier.answer.as_ref().is_none_or(|answer| answer.succeeded) => earlier,
        _ => {
            let token = format!("{}-{}", context.ids().uuid(), context.ids().lower(16));
            event["RequestId"] = json!(context.ids().uuid());
            event["ResponseURL"] = json!(super::door::response_url(context, &token));
            let request = Request { token, event, sent: false, answer: None };
            let until = context.now().add(Duration::from_secs(seconds));
            requests::put(context, stack_id, logical_id, request.clone(), until).await?;
            request
        }
    };
    if !request.sent && request.answer.is_none() {
        send(resource, service_token, &request.event).await?;
        requests::sent(context, &request.token).await?;
    }
    let answer = requests::answered(context, stack_id, logical_id, &request.token).await?;
    if answer.succeeded {
        return Ok(answer);
    }
    let id = text_of(&request.event["RequestId"]);
    let reason = if answer.reason.starts_with("CloudFormation did not receive") {
        answer.reason
    } else {
        format!(
            "Received response status [FAILED] from custom resource. Message returned: {} (RequestId: {id})",
            answer.reason
        )
    };
    Err(ServiceError::new("", 400, reason))
}

async fn send(resource: &ResourceContext, service_token: &str, event: &Value) -> Result<(), ServiceError> {
    let context = there(&resource.context, service_token);
    if service_token.split(':').nth(2) == Some("sns") {
        let params = json!({
            "TopicArn": service_token,
            "Subject": "AWS CloudFormation custom resource request",
            "Message": event.to_string(),
        });
        return context.call("sns", "Publish", params).await.map(drop);
    }
    let params = json!({ "FunctionName": service_token, "InvocationType": "Event" });
    let payload = event.to_string().into();
    context.call_with_body("lambda", "Invoke", params, Some(payload)).await.map(drop)
}

/// Whether two questions are one, but for what names them.
fn is_same(earlier: &Value, event: &Value) -> bool {
    let mut earlier = earlier.clone();
    if let Some(members) = earlier.as_object_mut() {
        members.remove("RequestId");
        members.remove("ResponseURL");
    }
    earlier == *event
}

fn timeout(properties: &Value) -> Result<u64, ServiceError> {
    let Some(given) = properties.get("ServiceTimeout").filter(|given| !given.is_null()) else {
        return Ok(MAX_TIMEOUT);
    };
    let seconds = text_of(given).parse().ok().filter(|seconds| (1..=MAX_TIMEOUT).contains(seconds));
    seconds
        .ok_or_else(|| invalid(format!("ServiceTimeout must be a number of seconds from 1 to {MAX_TIMEOUT}")))
}

/// CloudFormation hands numbers and truths over as text.
fn stringified(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(stringified).collect(),
        Value::Object(members) => members
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), stringified(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::String(_) | Value::Null => value.clone(),
        scalar => Value::from(text_of(scalar)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_handed_over_as_text() {
        let given = json!({ "a": 1, "b": [true, null, { "c": 1.5, "d": null }], "e": "x" });
        let expected = json!({ "a": "1", "b": ["true", null, { "c": "1.5" }], "e": "x" });
        assert_eq!(stringified(&given), expected);
    }

    #[test]
    fn the_timeout_has_bounds() {
        for (given, expected) in [
            (json!({}), Some(3600)),
            (json!({ "ServiceTimeout": "30" }), Some(30)),
            (json!({ "ServiceTimeout": 1 }), Some(1)),
            (json!({ "ServiceTimeout": 0 }), None),
            (json!({ "ServiceTimeout": 3601 }), None),
            (json!({ "ServiceTimeout": "soon" }), None),
        ] {
            assert_eq!(timeout(&given).ok(), expected, "{given}");
        }
    }
}
