//! `schedule`: a rule of EventBridge, or a schedule of EventBridge Scheduler with `method: scheduler`.

use super::super::context::{Context, Event};
use super::super::naming::{self, ROLE};
use super::super::values::{display, get, stringify};
use aloft_diag::Diagnostic;
use serde_json::{Value, json};

/// Adds rules, schedules and permissions.
///
/// # Errors
/// `SCHEDULE_NAME_NOT_ALLOWED_MULTIPLE_RATES`, `SCHEDULE_PARAMETER_NOT_SUPPORTED`.
pub fn compile(context: &mut Context<'_>) -> Result<(), Diagnostic> {
    let mut invocable: Vec<Value> = Vec::new();
    let mut last_scheduled = "";
    let (mut current, mut number) = ("", 0);
    for event in context.events_of("schedule") {
        if current != event.function {
            (current, number) = (event.function, 0);
        }
        let schedule = schedule(context, event)?;
        for expression in &schedule.expressions {
            number += 1;
            if schedule.scheduler {
                add_schedule(context, event, &schedule, expression, number);
            } else {
                add_rule(context, event, &schedule, expression, number);
            }
        }
        if schedule.scheduler && last_scheduled != event.function {
            last_scheduled = event.function;
            let name = &context.functions[event.function].name;
            let arn = format!(
                "arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:${{AWS::AccountId}}:function:{name}"
            );
            invocable.extend([json!({ "Fn::Sub": arn }), json!({ "Fn::Sub": format!("{arn}:*") })]);
        }
    }
    if !invocable.is_empty() {
        let services = context
            .resources
            .get_mut(ROLE)
            .and_then(|role| {
                role.pointer_mut("/Properties/AssumeRolePolicyDocument/Statement/0/Principal/Service")
            })
            .and_then(Value::as_array_mut);
        if let Some(services) = services {
            services.push(json!("scheduler.amazonaws.com"));
        }
        context
            .allow(json!({ "Effect": "Allow", "Action": ["lambda:InvokeFunction"], "Resource": invocable }));
    }
    Ok(())
}

struct Schedule {
    expressions: Vec<Value>,
    state: &'static str,
    name: Option<Value>,
    description: Option<Value>,
    input: Option<String>,
    input_path: Option<Value>,
    input_transformer: Option<Value>,
    timezone: Option<Value>,
    scheduler: bool,
}

fn schedule(context: &Context<'_>, event: Event<'_>) -> Result<Schedule, Diagnostic> {
    let Some(settings) = event.value.as_object() else {
        return Ok(Schedule {
            expressions: vec![event.value.clone()],
            state: "ENABLED",
            name: None,
            description: None,
            input: None,
            input_path: None,
            input_transformer: None,
            timezone: None,
            scheduler: false,
        });
    };
    let setting = |key: &str| get(settings, key).cloned();
    let expressions = match settings.get("rate") {
        Some(Value::Array(rates)) => rates.clone(),
        Some(rate) => vec![rate.clone()],
        None => Vec::new(),
    };
    let scheduler = settings.get("method").and_then(Value::as_str) == Some("scheduler");
    let path = event.path();
    let refuse = |what: &str, help: &str| {
        let message = format!("Cannot setup \"schedule\" event: {what}");
        context.error("SCHEDULE_PARAMETER_NOT_SUPPORTED", message, &path).help(help.to_owned())
    };
    if expressions.len() > 1 && setting("name").is_some() {
        return Err(context
            .error(
                "SCHEDULE_NAME_NOT_ALLOWED_MULTIPLE_RATES",
                "You cannot specify a name when defining more than one rate expression",
                &format!("{path}.name"),
            )
            .help("remove `name`, or write one event for each rate"));
    }
    if scheduler && setting("inputTransformer").is_some() {
        return Err(refuse(
            "\"inputTransformer\" is not supported with \"scheduler\" mode",
            "remove `inputTransformer` or `method`",
        ));
    }
    if scheduler && setting("inputPath").is_some() {
        return Err(refuse(
            "\"inputPath\" is not supported with \"scheduler\" mode",
            "remove `inputPath` or `method`",
        ));
    }
    if !scheduler && setting("timezone").is_some() {
        return Err(refuse(
            "\"timezone\" is only supported with \"scheduler\" mode",
            "add `method: scheduler`",
        ));
    }
    Ok(Schedule {
        expressions,
        state: if settings.get("enabled") == Some(&Value::Bool(false)) { "DISABLED" } else { "ENABLED" },
        name: setting("name"),
        description: setting("description"),
        input: get(settings, "input").map(|input| input_text(input, scheduler)),
        input_path: setting("inputPath"),
        input_transformer: setting("inputTransformer"),
        timezone: setting("timezone"),
        scheduler,
    })
}

/// The input as a text; a `body` that is a text itself holds JSON.
fn input_text(input: &Value, scheduler: bool) -> String {
    let text = match input {
        Value::String(text) => text.clone(),
        other => {
            let mut made = other.clone();
            let body =
                made.get("body").and_then(Value::as_str).and_then(|body| serde_json::from_str(body).ok());
            if let Some(body) = body {
                made["body"] = body;
            }
            stringify(&made)
        }
    };
    if scheduler { text } else { unescaped(&text) }
}

/// A text between quotes of a JSON document, where only its own quotes were escaped before.
pub fn unescaped(text: &str) -> String {
    let document = format!("\"{}\"", text.replace('"', "\\\""));
    serde_json::from_str(&document).unwrap_or_else(|_| text.to_owned())
}

/// `inputTransformer` as CloudFormation takes it.
pub fn transformer(settings: &Value) -> Value {
    let mut made = json!({ "InputTemplate": settings.get("inputTemplate") });
    if let Some(paths) = settings.get("inputPathsMap").filter(|paths| !paths.is_null()) {
        made["InputPathsMap"] = paths.clone();
    }
    made
}

fn add_schedule(
    context: &mut Context<'_>,
    event: Event<'_>,
    schedule: &Schedule,
    expression: &Value,
    number: usize,
) {
    let role = context
        .resources
        .get(&naming::function(event.function))
        .and_then(|function| function.pointer("/Properties/Role"))
        .cloned();
    let resource = json!({
        "Type": "AWS::Scheduler::Schedule",
        "DependsOn": context.alias_id(event.function),
        "Properties": {
            "ScheduleExpression": expression,
            "State": schedule.state,
            "Target": { "Arn": context.target(event.function), "RoleArn": role, "Input": schedule.input },
            "FlexibleTimeWindow": { "Mode": "OFF" },
            "Name": schedule.name,
            "Description": schedule.description,
            "ScheduleExpressionTimezone": schedule.timezone,
        },
    });
    context.put(format!("{}SchedulerSchedule{number}", naming::normalized(event.function)), resource);
}

fn add_rule(
    context: &mut Context<'_>,
    event: Event<'_>,
    schedule: &Schedule,
    expression: &Value,
    number: usize,
) {
    let (target, alias) = (context.target(event.function), context.alias_id(event.function));
    let id = format!("{}EventsRuleSchedule{number}", naming::normalized(event.function));
    context.put(
        id.clone(),
        json!({
            "Type": "AWS::Events::Rule",
            "DependsOn": alias,
            "Properties": {
                "ScheduleExpression": expression,
                "State": schedule.state,
                "Name": schedule.name.as_ref().map(display),
                "Description": schedule.description.as_ref().map(display),
                "Targets": [{
                    "Input": schedule.input,
                    "InputPath": schedule.input_path,
                    "InputTransformer": schedule.input_transformer.as_ref().map(transformer),
                    "Arn": target,
                    "Id": format!("{}Schedule", event.function),
                }],
            },
        }),
    );
    context.put(
        naming::permission(event.function, &format!("EventsRuleSchedule{number}")),
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
}
