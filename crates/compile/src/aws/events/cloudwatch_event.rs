//! `cloudwatchEvent`: a rule with an event pattern on the default bus.

use super::super::context::{Context, Event};
use super::super::naming;
use super::super::values::{display, stringify};
use super::mapping;
use super::schedule::{transformer, unescaped};
use aloft_diag::Diagnostic;
use serde_json::{Value, json};

/// Adds rules and permissions.
///
/// # Errors
/// `CLOUDWATCH_MULTIPLE_INPUT_PROPERTIES`.
pub fn compile(context: &mut Context<'_>) -> Result<(), Diagnostic> {
    for (function, events) in mapping::by_function(context.events_of("cloudwatchEvent")) {
        for (index, event) in events.into_iter().enumerate() {
            add(context, function, event, index + 1)?;
        }
    }
    Ok(())
}

fn add(context: &mut Context<'_>, function: &str, event: Event<'_>, number: usize) -> Result<(), Diagnostic> {
    let inputs = ["input", "inputPath", "inputTransformer"];
    if inputs.iter().filter(|key| event.truthy(key).is_some()).count() > 1 {
        return Err(context
            .error(
                "CLOUDWATCH_MULTIPLE_INPUT_PROPERTIES",
                "You can only set one of input, inputPath, or inputTransformer properties at the same time for cloudwatch events. \
                 Please check the AWS docs for more info",
                &event.path(),
            )
            .help("leave one of `input`, `inputPath` and `inputTransformer`"));
    }
    let pattern = event.get("event").map(|pattern| {
        let text = stringify(pattern).replace("\\n", "").replace("\\r", "");
        serde_json::from_str(&text).unwrap_or_else(|_| pattern.clone())
    });
    let input = event.truthy("input").map(|input| {
        let text = if input.is_string() { display(input) } else { stringify(input) };
        unescaped(&text.replace("\\n", "").replace("\\r", ""))
    });
    let (target, alias) = (context.target(function), context.alias_id(function));
    let id = format!("{}EventsRuleCloudWatchEvent{number}", naming::normalized(function));
    let disabled = event.get("enabled") == Some(&Value::Bool(false));
    context.merge(id.clone(), json!({
        "Type": "AWS::Events::Rule",
        "DependsOn": alias,
        "Properties": {
            "EventPattern": pattern,
            "State": if disabled { "DISABLED" } else { "ENABLED" },
            "Description": event.truthy("description"),
            "Name": event.truthy("name"),
            "Targets": [{
                "Input": input,
                "InputPath": event.truthy("inputPath").map(|path| display(path).replace("\r\n", "").replace('\n', "")),
                "InputTransformer": event.truthy("inputTransformer").map(transformer),
                "Arn": target,
                "Id": format!("{function}CloudWatchEvent"),
            }],
        },
    }));
    context.merge(
        naming::permission(function, &format!("EventsRuleCloudWatchEvent{number}")),
        json!({
            "Type": "AWS::Lambda::Permission",
            "DependsOn": alias,
            "Properties": {
                "FunctionName": target,
                "Action": "lambda:InvokeFunction",
                "Principal": "events.amazonaws.com",
                "SourceArn": { "Fn::GetAtt": [id, "Arn"] },
            },
        }),
    );
    Ok(())
}
