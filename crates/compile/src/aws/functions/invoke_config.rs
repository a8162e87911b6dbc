//! Asynchronous invocation: destinations, the oldest event, the number of retries.

use crate::aws::context::Context;
use crate::aws::naming;
use crate::aws::values::{get, object, present};
use aloft_diag::Diagnostic;
use serde_json::{Map, Value, json};

/// Adds `AWS::Lambda::EventInvokeConfig` and the permissions to reach the destinations.
///
/// # Errors
/// `UNSUPPORTED_DESTINATION_TARGET`, `FUNCTION_MISSING_IN_SERVICE`.
pub fn add(context: &mut Context<'_>, key: &str) -> Result<(), Diagnostic> {
    let config = context.functions[key].config;
    let (age, retries) = (get(config, "maximumEventAge"), present(config, "maximumRetryAttempts"));
    let destinations = object(config, "destinations");
    if destinations.is_none() && age.is_none() && retries.is_none() {
        return Ok(());
    }
    let mut reached = Map::new();
    let default_role = context.custom_role(config).is_none();
    for (setting, property) in [("onSuccess", "OnSuccess"), ("onFailure", "OnFailure")] {
        let Some(target) = destinations.and_then(|map| get(map, setting)) else { continue };
        let place = format!("functions.{key}.destinations.{setting}");
        reached.insert(property.to_owned(), json!({ "Destination": arn(context, target, &place)? }));
        if default_role {
            permit(context, target, &place)?;
        }
    }
    let alias = context.functions[key].alias.clone();
    context.put(
        format!("{}LambdaEvConf", naming::normalized(key)),
        json!({
            "Type": "AWS::Lambda::EventInvokeConfig",
            "Properties": {
                "FunctionName": { "Ref": naming::function(key) },
                "DestinationConfig": reached,
                "Qualifier": alias.as_ref().map_or("$LATEST", |alias| alias.name),
                "MaximumEventAgeInSeconds": age,
                "MaximumRetryAttempts": retries,
            },
            "DependsOn": alias.map(|alias| alias.id),
        }),
    );
    Ok(())
}

fn arn(context: &Context<'_>, target: &Value, place: &str) -> Result<Value, Diagnostic> {
    match target {
        Value::String(text) if text.starts_with("arn:") => Ok(target.clone()),
        Value::String(key) => {
            context.function(key, place)?;
            Ok(context.target(key))
        }
        other => Ok(other.get("arn").cloned().unwrap_or_default()),
    }
}

/// The original grants the same destination once.
fn permit(context: &mut Context<'_>, target: &Value, place: &str) -> Result<(), Diagnostic> {
    let kind = match target {
        Value::String(text) if !text.starts_with("arn:") || text.contains(":function:") => Some("function"),
        Value::String(text) if text.contains(":sqs:") => Some("sqs"),
        Value::String(text) if text.contains(":sns:") => Some("sns"),
        Value::String(text) if text.contains(":event-bus/") => Some("eventBus"),
        other => other.get("type").and_then(Value::as_str),
    };
    let action = match kind {
        Some("function") => "lambda:InvokeFunction",
        Some("sqs") => "sqs:SendMessage",
        Some("sns") => "sns:Publish",
        Some("eventBus") => "events:PutEvents",
        _ => {
            let message = format!("Unsupported destination target {}", crate::aws::values::display(target));
            return Err(context.error("UNSUPPORTED_DESTINATION_TARGET", message, place).help(
                "name a function of this service, or the ARN of a function, a queue, a topic or an event bus",
            ));
        }
    };
    let resource = match target {
        Value::String(text) if !text.starts_with("arn:") => {
            let name = &context.function(text, place)?.name;
            // Not by attribute: the target may run under the same role, and then each would wait for the other.
            json!({ "Fn::Sub": format!("arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:${{AWS::AccountId}}:function:{name}") })
        }
        Value::String(_) => target.clone(),
        other => other.get("arn").cloned().unwrap_or_default(),
    };
    // Objects are granted each time, texts only once.
    if target.is_string() && !context.granted.insert(target.to_string()) {
        return Ok(());
    }
    context.allow(json!({ "Effect": "Allow", "Action": action, "Resource": resource }));
    Ok(())
}
