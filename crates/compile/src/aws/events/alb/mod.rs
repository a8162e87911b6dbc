//! `alb`: target groups and listener rules of an Application Load Balancer.

mod event;
mod rules;

use super::super::context::Context;
use super::super::naming;
use super::super::values::{at, display, truthy};
use aloft_diag::Diagnostic;
use event::Rule;
use serde_json::{Value, json};

/// Adds target groups, listener rules and permissions.
///
/// # Errors
/// The original's for listeners, conditions, priorities and authorizers that are wrong.
pub fn compile(context: &mut Context<'_>) -> Result<(), Diagnostic> {
    let rules = event::read(context)?;
    for rule in &rules {
        add_target_group(context, rule);
    }
    for rule in &rules {
        rules::add(context, rule);
    }
    for rule in &rules {
        add_permissions(context, rule);
    }
    Ok(())
}

fn target_group_id(rule: &Rule<'_>) -> String {
    let multi = if rule.multi_value { "MultiValue" } else { "" };
    format!("{}Alb{multi}TargetGroup{}", naming::normalized(rule.function), rule.load_balancer)
}

fn name_tag(context: &Context<'_>, rule: &Rule<'_>, multi_value: bool) -> String {
    let multi = if multi_value { "multi-value-" } else { "" };
    let service = context.service;
    format!("{}-{}-{}-{multi}{}", service.name, rule.function, rule.load_balancer, service.stage)
}

fn target_group_name(context: &Context<'_>, rule: &Rule<'_>) -> Value {
    if let Some(name) = rule.event.truthy("targetGroupName") {
        return name.clone();
    }
    let prefix = at(context.provider, &["alb", "targetGroupPrefix"]).filter(|prefix| truthy(Some(prefix)));
    let hash = naming::md5_hex(&name_tag(context, rule, rule.multi_value));
    json!(naming::cut(&format!("{}{hash}", prefix.map(display).unwrap_or_default()), 32))
}

fn add_target_group(context: &mut Context<'_>, rule: &Rule<'_>) {
    let permission = naming::permission(rule.function, "RegisterTarget");
    let depends_on: Vec<String> =
        [Some(permission), context.alias_id(rule.function)].into_iter().flatten().collect();
    let multi_value = rule.event.truthy("multiValueHeaders").cloned().unwrap_or(json!(false));
    let mut properties = json!({
        "TargetType": "lambda",
        "Targets": [{ "Id": context.target(rule.function) }],
        "Name": target_group_name(context, rule),
        "Tags": [{ "Key": "Name", "Value": name_tag(context, rule, false) }],
        "TargetGroupAttributes": [{ "Key": "lambda.multi_value_headers.enabled", "Value": multi_value }],
        "HealthCheckEnabled": false,
    });
    if let Some(check) = rule.event.truthy("healthCheck") {
        let setting = |key: &str, default: Value| {
            check.get(key).filter(|value| !value.is_null()).cloned().unwrap_or(default)
        };
        properties["HealthCheckEnabled"] = json!(true);
        properties["HealthCheckPath"] = setting("path", json!("/"));
        properties["HealthCheckIntervalSeconds"] = setting("intervalSeconds", json!(35));
        properties["HealthCheckTimeoutSeconds"] = setting("timeoutSeconds", json!(30));
        properties["HealthyThresholdCount"] = setting("healthyThresholdCount", json!(5));
        properties["UnhealthyThresholdCount"] = setting("unhealthyThresholdCount", json!(5));
        let code = check
            .get("matcher")
            .and_then(|matcher| matcher.get("httpCode"))
            .filter(|code| truthy(Some(code)));
        properties["Matcher"] = json!({ "HttpCode": code.cloned().unwrap_or_else(|| json!("200")) });
    }
    context.put(
        target_group_id(rule),
        json!({
            "Type": "AWS::ElasticLoadBalancingV2::TargetGroup",
            "Properties": properties,
            "DependsOn": depends_on,
        }),
    );
}

fn add_permissions(context: &mut Context<'_>, rule: &Rule<'_>) {
    let permission = |source: Option<Value>| {
        json!({
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": context.target(rule.function),
                "Action": "lambda:InvokeFunction",
                "Principal": "elasticloadbalancing.amazonaws.com",
                "SourceArn": source,
            },
            "DependsOn": context.alias_id(rule.function).map(|alias| vec![alias]),
        })
    };
    let (invoke, register) = (permission(Some(json!({ "Ref": target_group_id(rule) }))), permission(None));
    context.merge(naming::permission(rule.function, "Alb"), invoke);
    context.merge(naming::permission(rule.function, "RegisterTarget"), register);
}
