//! The operations on the targets of rules.

use super::bus::Address;
use super::rule::{RULES, Rule, TARGETS};
use super::{Events, errors, transform};
use crate::storage::Outcome;
use aloft_base::Arn;
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// How many targets a rule may have.
const MOST: usize = 5;

/// The members of a target that belong to services which are not built.
const FOREIGN: &[&str] = &[
    "AppSyncParameters",
    "BatchParameters",
    "EcsParameters",
    "HttpParameters",
    "RedshiftDataParameters",
    "RunCommandParameters",
    "SageMakerPipelineParameters",
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Put {
    rule: String,
    event_bus_name: Option<String>,
    targets: Vec<Value>,
}

/// `PutTargets`: a target of the same id is replaced.
pub(super) async fn put(_: &Events, context: &Context, input: Put) -> Outcome<Value> {
    let bus = Address::of(context, input.event_bus_name.as_deref())?;
    input.targets.iter().try_for_each(check)?;
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Value> {
        bus.load(transaction)?;
        let rule = Rule::load(transaction, &bus, &input.rule)?;
        for target in &input.targets {
            let id = target["Id"].as_str().unwrap_or_default();
            transaction.put_json(TARGETS, rule.key().text(id), target)?;
        }
        if rule.targets(transaction)?.len() > MOST {
            return Err(
                errors::limit_exceeded("The requested resource exceeds the maximum number allowed.").into()
            );
        }
        Ok(json!({ "FailedEntryCount": 0, "FailedEntries": [] }))
    };
    context.store().write(write).await
}

fn check(target: &Value) -> Result<(), ServiceError> {
    let text = |name: &str| target[name].as_str();
    let arn = text("Arn").unwrap_or_default();
    let invalid = |reason: String| Err(ServiceError::validation(reason));
    let Ok(parsed) = arn.parse::<Arn>() else {
        return invalid(format!(
            "Parameter {arn} is not valid. Reason: Provided Arn is not in correct format."
        ));
    };
    if !matches!(parsed.service.as_str(), "events" | "kinesis" | "lambda" | "logs" | "sns" | "sqs")
        || (parsed.service == "events" && Address::of_arn(arn).is_none())
    {
        return Err(errors::not_built(&format!("events for targets such as {arn}")));
    }
    if let Some(name) = FOREIGN.iter().find(|name| !target[**name].is_null()) {
        return Err(errors::not_built(&format!("{name} of targets")));
    }
    let inputs =
        ["Input", "InputPath", "InputTransformer"].iter().filter(|name| !target[**name].is_null()).count();
    if inputs > 1 {
        return invalid(format!(
            "Only one of Input, InputPath, or InputTransformer must be provided for target {}.",
            target["Id"]
        ));
    }
    if text("Input").is_some_and(|input| serde_json::from_str::<Value>(input).is_err()) {
        return invalid(format!("JSON syntax error in input for target {}.", text("Id").unwrap_or_default()));
    }
    let fifo = parsed.service == "sqs" && parsed.resource.ends_with(".fifo");
    if fifo && target["SqsParameters"]["MessageGroupId"].is_null() {
        let id = text("Id").unwrap_or_default();
        return invalid(format!("Parameter(s) SqsParameters must be specified for target: {id}."));
    }
    transform::check(target)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Remove {
    rule: String,
    event_bus_name: Option<String>,
    ids: Vec<String>,
}

/// `RemoveTargets`: one that is gone is told as a failed entry.
pub(super) async fn remove(_: &Events, context: &Context, input: Remove) -> Outcome<Value> {
    let bus = Address::of(context, input.event_bus_name.as_deref())?;
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Value> {
        bus.load(transaction)?;
        let rule = Rule::load(transaction, &bus, &input.rule)?;
        let mut failed = Vec::new();
        for id in input.ids {
            let row = rule.key().text(&id);
            if transaction.get(TARGETS, &row)?.is_none() {
                failed.push(json!({
                    "TargetId": id,
                    "ErrorCode": "ResourceNotFoundException",
                    "ErrorMessage": format!("Rule {} does not have target {id}.", rule.name),
                }));
            }
            transaction.delete(TARGETS, row);
        }
        Ok(json!({ "FailedEntryCount": failed.len(), "FailedEntries": failed }))
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    rule: String,
    event_bus_name: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
}

/// `ListTargetsByRule`
pub(super) async fn list(_: &Events, context: &Context, input: List) -> Outcome<Value> {
    let (bus, snapshot) = (Address::of(context, input.event_bus_name.as_deref())?, context.store().read()?);
    bus.find(&snapshot)?;
    let rule = Rule::find(&snapshot, &bus, &input.rule)?;
    let rows = snapshot.scan_json::<Value>(TARGETS, rule.key(), usize::MAX)?;
    let targets = rows.into_iter().map(|(_, target)| target).collect();
    let (page, next) = crate::page::of(targets, input.limit.unwrap_or(100), input.next_token.as_deref());
    Ok(json!({ "Targets": page, "NextToken": next }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListRuleNames {
    target_arn: String,
    event_bus_name: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
}

/// `ListRuleNamesByTarget`
pub(super) async fn list_rule_names(_: &Events, context: &Context, input: ListRuleNames) -> Outcome<Value> {
    let (bus, snapshot) = (Address::of(context, input.event_bus_name.as_deref())?, context.store().read()?);
    bus.find(&snapshot)?;
    let mut names = BTreeSet::new();
    for (_, rule) in snapshot.scan_json::<Rule>(RULES, bus.key(), usize::MAX)? {
        let targets = snapshot.scan_json::<Value>(TARGETS, rule.key(), usize::MAX)?;
        if targets.iter().any(|(_, target)| target["Arn"] == input.target_arn.as_str()) {
            names.insert(rule.name);
        }
    }
    let names = names.into_iter().collect();
    let (page, next) = crate::page::of(names, input.limit.unwrap_or(100), input.next_token.as_deref());
    Ok(json!({ "RuleNames": page, "NextToken": next }))
}
