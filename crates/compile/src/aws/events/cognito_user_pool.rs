//! `cognitoUserPool`: triggers of user pools, of the stack or existing ones.

use super::super::context::{Context, Event};
use super::super::custom_resources;
use super::super::naming;
use super::super::values::{display, truthy};
use super::mapping;
use aloft_diag::Diagnostic;
use indexmap::{IndexMap, IndexSet};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Adds pools, permissions and custom resources.
///
/// # Errors
/// `COGNITO_KMS_KEY_NOT_SET`, `COGNITO_KMS_KEY_ID_NOT_SAME_FOR_SINGLE_USER_POOL`, `COGNITO_MULTIPLE_USER_POOLS_PER_FUNCTION`.
pub fn compile(context: &mut Context<'_>) -> Result<(), Diagnostic> {
    let (existing, new): (Vec<_>, Vec<_>) = context
        .events_of("cognitoUserPool")
        .into_iter()
        .partition(|event| event.truthy("existing").is_some());
    add_new(context, &new)?;
    add_existing(context, existing)
}

fn pool(event: Event<'_>) -> String {
    event.get("pool").map(display).unwrap_or_default()
}

fn trigger(event: Event<'_>) -> String {
    event.get("trigger").map(display).unwrap_or_default()
}

/// Triggers that get an encrypted code and so need a key.
fn is_custom_sender(trigger: &str) -> bool {
    matches!(trigger, "CustomSMSSender" | "CustomEmailSender")
}

fn lambda_version(event: Event<'_>) -> Value {
    event.truthy("lambdaVersion").cloned().unwrap_or_else(|| json!("V1_0"))
}

/// The key of a pool's custom senders, the same for all of them.
#[derive(Default)]
struct Keys(HashMap<String, Value>);

impl Keys {
    fn check(&mut self, context: &Context<'_>, event: Event<'_>) -> Result<Value, Diagnostic> {
        let pool = pool(event);
        let Some(key) = event.truthy("kmsKeyId") else {
            let message = format!(
                "KMS Key must be set when using a Custom Sender Source Trigger (CustomSMSSender and/or CustomEmailSender). Affected \
                 Cognito User Pool: \"{pool}\"."
            );
            return Err(context
                .error("COGNITO_KMS_KEY_NOT_SET", message, &event.path())
                .help("add `kmsKeyId:`"));
        };
        if self.0.get(&pool).is_some_and(|before| before != key) {
            let message = format!(
                "Only one KMS Key for can be configured per Cognito User Pool. Affected Cognito User Pool: \"{pool}\"."
            );
            return Err(context
                .error(
                    "COGNITO_KMS_KEY_ID_NOT_SAME_FOR_SINGLE_USER_POOL",
                    message,
                    &format!("{}.kmsKeyId", event.path()),
                )
                .help("use the same `kmsKeyId` for all triggers of the pool"));
        }
        self.0.insert(pool, key.clone());
        Ok(key.clone())
    }
}

fn add_new(context: &mut Context<'_>, events: &[Event<'_>]) -> Result<(), Diagnostic> {
    let mut pools: IndexMap<String, Vec<Event<'_>>> = IndexMap::new();
    for event in events {
        pools.entry(pool(*event)).or_default().push(*event);
    }
    let mut keys = Keys::default();
    for (name, events) in &pools {
        let mut config = Map::new();
        let mut depends_on = Vec::new();
        for event in events {
            let target = context.target(event.function);
            let trigger = trigger(*event);
            if is_custom_sender(&trigger) {
                config.insert("KMSKeyID".to_owned(), keys.check(context, *event)?);
                config
                    .insert(trigger, json!({ "LambdaArn": target, "LambdaVersion": lambda_version(*event) }));
            } else {
                config.insert(trigger, target);
            }
            depends_on
                .push(context.alias_id(event.function).unwrap_or_else(|| naming::function(event.function)));
        }
        context.merge(
            pool_id(name),
            json!({
                "Type": "AWS::Cognito::UserPool",
                "Properties": { "UserPoolName": name, "LambdaConfig": config },
                "DependsOn": depends_on,
            }),
        );
    }
    for event in events {
        let name = pool(*event);
        let what = format!(
            "CognitoUserPool{}TriggerSource{}",
            naming::plain(&name),
            naming::plain(&trigger(*event))
        );
        let permission = json!({
            "Type": "AWS::Lambda::Permission",
            "DependsOn": context.alias_id(event.function),
            "Properties": {
                "FunctionName": context.target(event.function),
                "Action": "lambda:InvokeFunction",
                "Principal": "cognito-idp.amazonaws.com",
                "SourceArn": { "Fn::GetAtt": [pool_id(&name), "Arn"] },
            },
        });
        context.merge(naming::permission(event.function, &what), permission);
    }
    Ok(())
}

fn pool_id(name: &str) -> String {
    format!("CognitoUserPool{}", naming::plain(name))
}

fn add_existing(context: &mut Context<'_>, events: Vec<Event<'_>>) -> Result<(), Diagnostic> {
    if events.is_empty() {
        return Ok(());
    }
    let mut statements = Vec::new();
    let mut keys = Keys::default();
    let mut by_pool: IndexMap<String, IndexSet<String>> = IndexMap::new();
    for (function, events) in mapping::by_function(events) {
        let name = context.functions[function].name.clone();
        let own = pool(events[0]);
        let id = format!("{}CustomCognitoUserPool1", naming::normalized(function));
        let mut configs = Vec::new();
        for (index, event) in events.iter().enumerate() {
            let other = pool(*event);
            if other != own {
                return Err(two_pools(context, *event, &name, &own, &other));
            }
            let trigger = trigger(*event);
            let sender = is_custom_sender(&trigger);
            let mut config =
                event.get("trigger").map_or_else(|| json!({}), |_| json!({ "Trigger": trigger }));
            if sender {
                config["LambdaVersion"] = lambda_version(*event);
                config["KMSKeyID"] = keys.check(context, *event)?;
            }
            if index == 0 {
                let key = event.truthy("kmsKeyId").filter(|_| sender);
                statements.extend(
                    key.map(
                        |key| json!({ "Effect": "Allow", "Resource": key, "Action": ["kms:CreateGrant"] }),
                    ),
                );
                statements.push(json!({
                    "Effect": "Allow",
                    "Resource": "*",
                    "Action": ["cognito-idp:ListUserPools", "cognito-idp:DescribeUserPool", "cognito-idp:UpdateUserPool"],
                }));
            }
            configs.push(config);
        }
        by_pool.entry(own.clone()).or_default().insert(id.clone());
        let handler = custom_resources::COGNITO.id();
        let force = truthy(events[0].get("forceDeploy")).then(|| context.options.now.millis());
        context.merge(
            id,
            json!({
                "Type": "Custom::CognitoUserPool",
                "Version": 1,
                "DependsOn": [naming::function(function), handler],
                "Properties": {
                    "ServiceToken": { "Fn::GetAtt": [handler, "Arn"] },
                    "FunctionName": name,
                    "UserPoolName": events[0].get("pool").map(|_| &own),
                    "UserPoolConfigs": configs,
                    "ForceDeploy": force,
                },
            }),
        );
        statements.push(json!({
            "Effect": "Allow",
            "Resource": { "Fn::Sub": format!("arn:${{AWS::Partition}}:lambda:*:*:function:{name}") },
            "Action": ["lambda:AddPermission", "lambda:RemovePermission"],
        }));
    }
    statements.push(json!({
        "Effect": "Allow",
        "Resource": { "Fn::Sub": "arn:${AWS::Partition}:iam::*:role/*" },
        "Action": ["iam:PassRole"],
    }));
    // One after the other: two that write one pool's settings at a time would lose one's.
    for ids in by_pool.values() {
        for (previous, id) in ids.iter().zip(ids.iter().skip(1)) {
            if let Some(depends_on) = context.resources[id]["DependsOn"].as_array_mut() {
                depends_on.push(json!(previous));
            }
        }
    }
    custom_resources::add(context, &custom_resources::COGNITO, statements);
    Ok(())
}

fn two_pools(context: &Context<'_>, event: Event<'_>, function: &str, own: &str, other: &str) -> Diagnostic {
    let message = format!(
        "Only one Cognito User Pool can be configured per function. In \"{function}\" you're attempting to configure \"{own}\" and \
         \"{other}\" at the same time."
    );
    context
        .error("COGNITO_MULTIPLE_USER_POOLS_PER_FUNCTION", message, &format!("{}.pool", event.path()))
        .help("write a function for each pool")
}
