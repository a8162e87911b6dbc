//! `AddPermission` and `RemovePermission`: statements of the queue's policy, by label.

use super::queue::Address;
use super::{Sqs, errors};
use crate::storage::Outcome;
use aloft_engine::Context;
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Add {
    queue_url: String,
    label: String,
    #[serde(rename = "AWSAccountIds")]
    accounts: Vec<String>,
    actions: Vec<String>,
}

/// `AddPermission`
pub(super) async fn add(_: &Sqs, context: &Context, input: Add) -> Outcome<()> {
    if let Some(action) = input.actions.iter().find(|action| !ACTIONS.contains(&action.as_str())) {
        let reason = "Only the queue owner is allowed to invoke this action.";
        return Err(errors::invalid_value("ActionName", action, reason).into());
    }
    let address = Address::of_url(context, &input.queue_url)?;
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let mut queue = address.load(transaction)?;
        let empty = || json!({ "Version": "2008-10-17", "Id": format!("{}/SQSDefaultPolicy", queue.arn()), "Statement": [] });
        let mut policy = read(queue.attributes.get("Policy")).unwrap_or_else(empty);
        let arn = queue.arn();
        let principals: Vec<String> =
            input.accounts.iter().map(|account| format!("arn:aws:iam::{account}:root")).collect();
        let actions: Vec<String> = input.actions.iter().map(|action| format!("SQS:{action}")).collect();
        let statement = json!({
            "Sid": input.label,
            "Effect": "Allow",
            "Principal": { "AWS": one_or_many(principals) },
            "Action": one_or_many(actions),
            "Resource": arn,
        });
        let Some(statements) = policy["Statement"].as_array_mut() else {
            return Err(errors::invalid_parameter("The queue's policy has no list of statements.").into());
        };
        if statements.iter().any(|statement| statement["Sid"] == input.label.as_str()) {
            return Err(errors::invalid_value("Label", &input.label, "Already exists.").into());
        }
        statements.push(statement);
        queue.attributes.insert("Policy".to_owned(), policy.to_string());
        Ok(queue.save(transaction)?)
    };
    context.store().write(write).await
}

/// The actions that can be shared.
const ACTIONS: &[&str] = &[
    "*",
    "ChangeMessageVisibility",
    "DeleteMessage",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "PurgeQueue",
    "ReceiveMessage",
    "SendMessage",
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Remove {
    queue_url: String,
    label: String,
}

/// `RemovePermission`
pub(super) async fn remove(_: &Sqs, context: &Context, input: Remove) -> Outcome<()> {
    let address = Address::of_url(context, &input.queue_url)?;
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let mut queue = address.load(transaction)?;
        let mut policy = read(queue.attributes.get("Policy")).unwrap_or_default();
        let mut statements = policy["Statement"].as_array().cloned().unwrap_or_default();
        let before = statements.len();
        statements.retain(|statement| statement["Sid"] != input.label.as_str());
        if statements.len() == before {
            return Err(
                errors::invalid_value("Label", &input.label, "can't find label on existing policy.").into()
            );
        }
        if statements.is_empty() {
            queue.attributes.remove("Policy");
        } else {
            policy["Statement"] = statements.into();
            queue.attributes.insert("Policy".to_owned(), policy.to_string());
        }
        Ok(queue.save(transaction)?)
    };
    context.store().write(write).await
}

fn read(policy: Option<&String>) -> Option<Value> {
    serde_json::from_str(policy?).ok()
}

/// As AWS writes policies: a list of one is its item.
fn one_or_many(mut texts: Vec<String>) -> Value {
    if texts.len() == 1 { texts.remove(0).into() } else { texts.into() }
}
