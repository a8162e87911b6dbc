//! `iot`: topic rules, and `iotFleetProvisioning`: provisioning templates with a hook.

use super::super::context::{Context, Event};
use super::super::naming;
use super::super::values::{display, stringify};
use super::mapping;
use aloft_diag::Diagnostic;
use serde_json::{Value, json};

/// Adds topic rules and permissions.
///
/// # Errors
/// None of its own.
pub fn compile_rules(context: &mut Context<'_>) -> Result<(), Diagnostic> {
    for (function, events) in mapping::by_function(context.events_of("iot")) {
        for (index, event) in events.into_iter().enumerate() {
            add_rule(context, function, event, index + 1);
        }
    }
    Ok(())
}

fn add_rule(context: &mut Context<'_>, function: &str, event: Event<'_>, number: usize) {
    let one_line =
        |key: &str| event.truthy(key).map(|text| display(text).replace("\r\n", "").replace('\n', ""));
    let (target, alias) = (context.target(function), context.alias_id(function));
    let id = format!("{}IotTopicRule{number}", naming::normalized(function));
    context.merge(
        id.clone(),
        json!({
            "Type": "AWS::IoT::TopicRule",
            "DependsOn": alias,
            "Properties": {
                "RuleName": one_line("name"),
                "TopicRulePayload": {
                    "RuleDisabled": event.get("enabled") == Some(&Value::Bool(false)),
                    "Sql": one_line("sql"),
                    "Actions": [{ "Lambda": { "FunctionArn": target } }],
                    "Description": one_line("description"),
                    "AwsIotSqlVersion": one_line("sqlVersion"),
                },
            },
        }),
    );
    context.merge(naming::permission(function, &format!("IotTopicRule{number}")), json!({
        "Type": "AWS::Lambda::Permission",
        "DependsOn": alias,
        "Properties": {
            "FunctionName": target,
            "Action": "lambda:InvokeFunction",
            "Principal": "iot.amazonaws.com",
            "SourceArn": {
                "Fn::Join": ["", [
                    "arn:", { "Ref": "AWS::Partition" }, ":iot:", { "Ref": "AWS::Region" }, ":", { "Ref": "AWS::AccountId" },
                    ":rule/", { "Ref": id },
                ]],
            },
        },
    }));
}

/// Adds provisioning templates and permissions.
///
/// # Errors
/// `MULTIPLE_IOT_PROVISIONING_TEMPLATE_HOOK`.
pub fn compile_fleet_provisioning(context: &mut Context<'_>) -> Result<(), Diagnostic> {
    for (function, events) in mapping::by_function(context.events_of("iotFleetProvisioning")) {
        if let [_, second, ..] = events.as_slice() {
            let message = format!("Found more than one iotFleetProvision event for function {function}");
            return Err(context
                .error("MULTIPLE_IOT_PROVISIONING_TEMPLATE_HOOK", message, &second.path())
                .help("write a function for each template"));
        }
        for event in events {
            add_template(context, function, event);
        }
    }
    Ok(())
}

fn add_template(context: &mut Context<'_>, function: &str, event: Event<'_>) {
    let (target, alias) = (context.target(function), context.alias_id(function));
    let permission = naming::permission(function, "IotProvisioningTemplate");
    let depends_on: Vec<String> = [Some(permission.clone()), alias.clone()].into_iter().flatten().collect();
    context.put(
        format!("{}IotProvisioningTemplate", naming::normalized(function)),
        json!({
            "Type": "AWS::IoT::ProvisioningTemplate",
            "Properties": {
                "Enabled": event.get("enabled").cloned().unwrap_or(json!(true)),
                "PreProvisioningHook": { "TargetArn": target },
                "ProvisioningRoleArn": event.get("provisioningRoleArn"),
                "TemplateBody": event.get("templateBody").map(stringify),
                "TemplateName": event.truthy("templateName"),
            },
            "DependsOn": depends_on,
        }),
    );
    context.put(permission, json!({
        "Type": "AWS::Lambda::Permission",
        "DependsOn": alias,
        "Properties": { "FunctionName": target, "Action": "lambda:InvokeFunction", "Principal": "iot.amazonaws.com" },
    }));
}
