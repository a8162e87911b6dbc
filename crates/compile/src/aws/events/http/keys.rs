//! API keys and usage plans.

use super::api;
use crate::aws::context::Context;
use crate::aws::values::{display, get, present, upper_first};
use aloft_diag::Diagnostic;
use serde_json::{Map, Value, json};

/// Adds keys, plans, and the keys of the plans.
///
/// # Errors
/// `API_GATEWAY_KEY_WITHOUT_USAGE_PLAN`.
pub fn add(context: &mut Context<'_>, deployment: &str) -> Result<(), Diagnostic> {
    let Some(settings) = context.api_gateway() else { return Ok(()) };
    let (keys, plans) = (get(settings, "apiKeys"), get(settings, "usagePlan"));
    if keys.is_none() && plans.is_none() {
        return Ok(());
    }
    let keys = keys.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let named: Vec<(&String, &Value)> = plans
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|plan| plan.as_object()?.iter().next())
        .collect();
    let is_list = plans.is_some_and(Value::is_array);
    let names: Vec<&str> =
        if is_list { named.iter().map(|(name, _)| name.as_str()).collect() } else { vec!["default"] };
    let groups = groups(context, keys, &names, is_list)?;
    for group in &groups {
        for (number, key) in &group.keys {
            let resource = key_resource(context, key, deployment);
            context.merge(format!("ApiGatewayApiKey{}{number}", group.suffix()), resource);
        }
    }
    if is_list {
        for (name, plan) in named {
            let id = format!("ApiGatewayUsagePlan{}", upper_first(name));
            let resource = plan_resource(context, name, Some(plan), deployment);
            context.merge(id, resource);
        }
    } else {
        let resource = plan_resource(context, "default", plans, deployment);
        context.merge("ApiGatewayUsagePlan", resource);
    }
    for group in &groups {
        for (number, _) in &group.keys {
            let suffix = group.suffix();
            context.merge(
                format!("ApiGatewayUsagePlanKey{suffix}{number}"),
                json!({
                    "Type": "AWS::ApiGateway::UsagePlanKey",
                    "Properties": {
                        "KeyId": { "Ref": format!("ApiGatewayApiKey{suffix}{number}") },
                        "KeyType": "API_KEY",
                        "UsagePlanId": { "Ref": format!("ApiGatewayUsagePlan{suffix}") },
                    },
                }),
            );
        }
    }
    Ok(())
}

/// Keys of one plan, numbered from 1.
struct Group<'a> {
    plan: Option<&'a str>,
    keys: Vec<(usize, &'a Value)>,
}

impl Group<'_> {
    fn suffix(&self) -> String {
        self.plan.map(upper_first).unwrap_or_default()
    }
}

fn groups<'a>(
    context: &Context<'_>,
    keys: &'a [Value],
    plans: &[&str],
    is_list: bool,
) -> Result<Vec<Group<'a>>, Diagnostic> {
    let mut groups = Vec::new();
    let mut number = 0;
    for (index, key) in keys.iter().enumerate() {
        let first = key.as_object().and_then(|map| map.iter().next());
        match first {
            Some((name, Value::Array(list))) if is_list && plans.contains(&name.as_str()) => {
                number = list.len();
                let numbered = list.iter().enumerate().map(|(index, key)| (index + 1, key)).collect();
                groups.push(Group { plan: Some(name), keys: numbered });
            }
            Some((name, Value::Array(_) | Value::Object(_))) if !plans.contains(&name.as_str()) => {
                let message = format!("API key \"{name}\" has no usage plan defined");
                return Err(context
                    .error(
                        "API_GATEWAY_KEY_WITHOUT_USAGE_PLAN",
                        message,
                        &format!("provider.apiGateway.apiKeys.{index}"),
                    )
                    .help(format!("add a plan `{name}` to `provider.apiGateway.usagePlan`")));
            }
            _ => {
                number += 1;
                groups.push(Group { plan: None, keys: vec![(number, key)] });
            }
        }
    }
    Ok(groups)
}

fn key_resource(context: &Context<'_>, key: &Value, deployment: &str) -> Value {
    let setting = |name: &str| key.as_object().and_then(|settings| present(settings, name));
    let name = if key.is_object() { setting("name").cloned() } else { Some(json!(display(key))) };
    json!({
        "Type": "AWS::ApiGateway::ApiKey",
        "Properties": {
            "Enabled": setting("enabled").cloned().unwrap_or(json!(true)),
            "Name": name,
            "Value": setting("value").filter(|value| value.as_str() != Some("")),
            "Description": setting("description"),
            "CustomerId": setting("customerId"),
            "StageKeys": [{ "RestApiId": api(context), "StageName": context.service.stage }],
        },
        "DependsOn": deployment,
    })
}

fn plan_resource(context: &Context<'_>, name: &str, plan: Option<&Value>, deployment: &str) -> Value {
    let (service, stage) = (&context.service.name, &context.service.stage);
    let empty = Map::new();
    let settings = plan.and_then(Value::as_object).unwrap_or(&empty);
    let (description, plan_name) = if name == "default" {
        (format!("Usage plan for {service} {stage} stage"), format!("{service}-{stage}"))
    } else {
        (format!("Usage plan \"{name}\" for {service} {stage} stage"), format!("{service}-{name}-{stage}"))
    };
    let part = |key: &str, fields: &[(&str, &str)]| -> Option<Value> {
        let part = get(settings, key)?.as_object()?;
        Some(Value::Object(
            fields
                .iter()
                .filter_map(|(field, property)| Some(((*property).to_owned(), present(part, field)?.clone())))
                .collect(),
        ))
    };
    json!({
        "Type": "AWS::ApiGateway::UsagePlan",
        "DependsOn": deployment,
        "Properties": {
            "ApiStages": [{ "ApiId": api(context), "Stage": stage }],
            "Description": description,
            "UsagePlanName": plan_name,
            "Quota": part("quota", &[("limit", "Limit"), ("offset", "Offset"), ("period", "Period")]),
            "Throttle": part("throttle", &[("burstLimit", "BurstLimit"), ("rateLimit", "RateLimit")]),
        },
    })
}
