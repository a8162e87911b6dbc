//! `eventBridge`: rules on event buses, by CloudFormation or, when that is turned off, by a custom resource.

use super::super::context::{Context, Event};
use super::super::custom_resources;
use super::super::naming;
use super::super::values::{at, display, object, stringify, truthy, upper_first};
use aloft_diag::Diagnostic;
use serde_json::{Map, Value, json};

/// Adds buses, rules, permissions and custom resources.
///
/// # Errors
/// `EVENTBRIDGE_MULTIPLE_INPUT_PROPERTIES` and what a custom resource cannot do.
pub fn compile(context: &mut Context<'_>) -> Result<(), Diagnostic> {
    let events = context.events_of("eventBridge");
    if events.is_empty() {
        return Ok(());
    }
    let native = object(context.provider, "eventBridge").is_none()
        || truthy(at(context.provider, &["eventBridge", "useCloudFormation"]));
    let mut statements = Vec::new();
    for event in events {
        let rule = Rule::read(context, event)?;
        if native {
            add_rule(context, event, &rule);
        } else {
            add_custom_resource(context, event, &rule, &mut statements)?;
        }
    }
    if !native {
        for (parts, actions) in [
            (
                &["events", "rule/*"][..],
                &["events:PutRule", "events:RemoveTargets", "events:PutTargets", "events:DeleteRule"][..],
            ),
            (&["lambda", "function", "*"], &["lambda:AddPermission", "lambda:RemovePermission"]),
        ] {
            statements.push(
                json!({ "Effect": "Allow", "Resource": own_arn(parts[0], &parts[1..]), "Action": actions }),
            );
        }
        custom_resources::add(context, &custom_resources::EVENT_BRIDGE, statements);
    }
    Ok(())
}

fn own_arn(service: &str, tail: &[&str]) -> Value {
    let mut parts = vec![
        json!("arn"),
        json!({ "Ref": "AWS::Partition" }),
        json!(service),
        json!({ "Ref": "AWS::Region" }),
        json!({ "Ref": "AWS::AccountId" }),
    ];
    parts.extend(tail.iter().map(|part| json!(part)));
    json!({ "Fn::Join": [":", parts] })
}

struct Rule<'a> {
    /// The event's place in its function, from 1.
    number: usize,
    name: String,
    bus: Option<&'a Value>,
    state: &'static str,
    transformer: Option<Map<String, Value>>,
}

impl<'a> Rule<'a> {
    fn read(context: &Context<'_>, event: Event<'a>) -> Result<Self, Diagnostic> {
        let inputs = ["input", "inputPath", "inputTransformer"];
        if inputs.iter().filter(|key| event.truthy(key).is_some()).count() > 1 {
            return Err(context
                .error(
                    "EVENTBRIDGE_MULTIPLE_INPUT_PROPERTIES",
                    "You can only set one of input, inputPath, or inputTransformer properties for eventBridge events.",
                    &event.path(),
                )
                .help("leave one of `input`, `inputPath` and `inputTransformer`"));
        }
        let number = event.index + 1;
        let transformer = event.truthy("inputTransformer").and_then(Value::as_object);
        Ok(Self {
            number,
            name: event
                .truthy("name")
                .map_or_else(|| rule_name(&context.functions[event.function].name, number), display),
            bus: event.truthy("eventBus"),
            state: if event.get("enabled") == Some(&Value::Bool(false)) { "DISABLED" } else { "ENABLED" },
            transformer: transformer
                .map(|map| map.iter().map(|(key, value)| (upper_first(key), value.clone())).collect()),
        })
    }
}

/// At most 64 characters, as EventBridge allows.
fn rule_name(function: &str, number: usize) -> String {
    let suffix = format!("rule-{number}");
    shortened(&format!("{function}-{suffix}"), &suffix)
}

fn shortened(name: &str, suffix: &str) -> String {
    if name.chars().count() <= 64 {
        return name.to_owned();
    }
    format!("{}{}-{suffix}", naming::cut(name, 31 - suffix.len()), naming::md5_hex(name))
}

/// The name of a bus that is given by its ARN, or as it is.
fn bus_name(bus: &Value) -> Value {
    match bus.as_str() {
        Some(arn) if arn.starts_with("arn") => json!(arn.split_once('/').map_or(arn, |(_, name)| name)),
        _ => bus.clone(),
    }
}

fn add_rule(context: &mut Context<'_>, event: Event<'_>, rule: &Rule<'_>) {
    let bus = rule.bus.map(bus_name);
    let new_bus =
        rule.bus.and_then(Value::as_str).filter(|name| *name != "default" && !name.starts_with("arn"));
    let bus_id = new_bus.map(|name| format!("{}EventBridgeEventBus", naming::normalized(name)));
    if let (Some(id), Some(name)) = (&bus_id, new_bus) {
        context.put(id.clone(), json!({ "Type": "AWS::Events::EventBus", "Properties": { "Name": name } }));
    }
    let (target, alias) = (context.target(event.function), context.alias_id(event.function));
    let function_name = &context.functions[event.function].name;
    let id = format!("{}EventBridgeRule", naming::plain(&format!("{function_name}-rule-{}", rule.number)));
    let retry = event.truthy("retryPolicy").map(|policy| {
        json!({
            "MaximumEventAgeInSeconds": policy.get("maximumEventAge"),
            "MaximumRetryAttempts": policy.get("maximumRetryAttempts"),
        })
    });
    context.put(
        id,
        json!({
            "Type": "AWS::Events::Rule",
            "DependsOn": bus_id.or_else(|| alias.clone()),
            "Properties": {
                "Description": event.get("description"),
                "EventBusName": bus.as_ref().filter(|bus| bus.as_str() != Some("default")),
                "EventPattern": event.get("pattern"),
                "Name": rule.name,
                "ScheduleExpression": event.get("schedule"),
                "State": rule.state,
                "Targets": [{
                    "Arn": target,
                    "Id": shortened(&format!("{}-target", rule.name), "target"),
                    "RetryPolicy": retry,
                    "DeadLetterConfig": event.truthy("deadLetterQueueArn").map(|arn| json!({ "Arn": arn })),
                    "Input": event.truthy("input").map(stringify),
                    "InputPath": event.truthy("inputPath"),
                    "InputTransformer": rule.transformer,
                }],
            },
        }),
    );
    let path: Vec<Value> = [Some(json!("rule")), bus, Some(json!(rule.name))].into_iter().flatten().collect();
    let mut source = own_arn("events", &[]);
    if let Some(parts) = source["Fn::Join"][1].as_array_mut() {
        parts.push(json!({ "Fn::Join": ["/", path] }));
    }
    context.put(
        format!("{}EventBridgeLambdaPermission{}", naming::normalized(event.function), rule.number),
        json!({
            "Type": "AWS::Lambda::Permission",
            "DependsOn": alias,
            "Properties": {
                "Action": "lambda:InvokeFunction",
                "FunctionName": target,
                "Principal": "events.amazonaws.com",
                "SourceArn": source,
            },
        }),
    );
}

fn add_custom_resource(
    context: &mut Context<'_>,
    event: Event<'_>,
    rule: &Rule<'_>,
    statements: &mut Vec<Value>,
) -> Result<(), Diagnostic> {
    refuse_what_needs_cloudformation(context, event, rule)?;
    let handler = custom_resources::EVENT_BRIDGE.id();
    let resource = json!({
        "Type": "Custom::EventBridge",
        "Version": 1,
        "DependsOn": [naming::function(event.function), handler],
        "Properties": {
            "ServiceToken": { "Fn::GetAtt": [handler, "Arn"] },
            "FunctionName": context.functions[event.function].name,
            "EventBridgeConfig": {
                "RuleName": rule.name,
                "State": rule.state,
                "EventBus": rule.bus,
                "Schedule": event.get("schedule"),
                "Pattern": event.get("pattern"),
                "Input": event.get("input"),
                "InputPath": event.get("inputPath"),
                "InputTransformer": rule.transformer,
            },
        },
    });
    context.put(format!("{}CustomEventBridge{}", naming::normalized(event.function), rule.number), resource);
    let own_bus = rule.bus.map(bus_name).is_some_and(|bus| bus.as_str() != Some("default"));
    if own_bus && statements.is_empty() {
        statements.push(json!({
            "Effect": "Allow",
            "Resource": own_arn("events", &["event-bus/*"]),
            "Action": ["events:CreateEventBus", "events:DeleteEventBus"],
        }));
    }
    Ok(())
}

fn refuse_what_needs_cloudformation(
    context: &Context<'_>,
    event: Event<'_>,
    rule: &Rule<'_>,
) -> Result<(), Diagnostic> {
    let advice = "EventBridge integration backed by Custom Resources. Please use";
    let native = "setting to use native CloudFormation support for EventBridge.";
    let refused = if event.truthy("retryPolicy").is_some() {
        Some((
            "retryPolicy",
            "ERROR_INVALID_RETRY_POLICY_TO_EVENT_BUS_CUSTOM_RESOURCE",
            format!(
                "Configuring RetryPolicy is not supported for {advice} \"provider.eventBridge.useCloudFormation\" {native}"
            ),
        ))
    } else if event.truthy("deadLetterQueueArn").is_some() {
        Some((
            "deadLetterQueueArn",
            "ERROR_INVALID_DEAD_LETTER_CONFIG_TO_EVENT_BUS_CUSTOM_RESOURCE",
            format!(
                "Configuring DeadLetterConfig is not supported for {advice} \"provider.eventBridge.useCloudFormation\" {native}"
            ),
        ))
    } else if rule.bus.is_some_and(Value::is_object) {
        Some((
            "eventBus",
            "ERROR_INVALID_REFERENCE_TO_EVENT_BUS_CUSTOM_RESOURCE",
            format!(
                "Referencing event bus with CloudFormation intrinsic functions is not supported for {advice} \
             `provider.eventBridge.useCloudFormation` {native}"
            ),
        ))
    } else {
        None
    };
    match refused {
        Some((setting, code, message)) => Err(context
            .error(code, message, &format!("{}.{setting}", event.path()))
            .help("set `provider.eventBridge.useCloudFormation: true`")),
        None => Ok(()),
    }
}
