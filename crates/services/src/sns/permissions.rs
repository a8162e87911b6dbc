//! `AddPermission` and `RemovePermission`: statements of the topic's policy, by label.

use super::topic::{Address, Topic};
use super::{Sns, attributes, errors};
use crate::storage::Outcome;
use aloft_engine::Context;
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Add {
    topic_arn: String,
    label: String,
    #[serde(rename = "AWSAccountId")]
    accounts: Vec<String>,
    #[serde(rename = "ActionName")]
    actions: Vec<String>,
}

/// `AddPermission`
pub(super) async fn add(_: &Sns, context: &Context, input: Add) -> Outcome<()> {
    let address = Address::of_arn(&input.topic_arn)?;
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let mut topic = address.load(transaction)?;
        let mut policy = policy_of(&topic);
        let principals: Vec<String> =
            input.accounts.iter().map(|account| format!("arn:aws:iam::{account}:root")).collect();
        let actions: Vec<String> = input.actions.iter().map(|action| format!("SNS:{action}")).collect();
        let statement = json!({
            "Sid": input.label,
            "Effect": "Allow",
            "Principal": { "AWS": principals },
            "Action": actions,
            "Resource": address.arn(),
        });
        let statements = policy["Statement"].as_array_mut().ok_or_else(|| errors::invalid("Policy"))?;
        if statements.iter().any(|statement| statement["Sid"] == input.label.as_str()) {
            return Err(errors::invalid("Statement already exists").into());
        }
        statements.push(statement);
        topic.attributes.insert("Policy".to_owned(), policy.to_string());
        Ok(topic.save(transaction)?)
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Remove {
    topic_arn: String,
    label: String,
}

/// `RemovePermission`: a label that is not there is no error.
pub(super) async fn remove(_: &Sns, context: &Context, input: Remove) -> Outcome<()> {
    let address = Address::of_arn(&input.topic_arn)?;
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let mut topic = address.load(transaction)?;
        let mut policy = policy_of(&topic);
        if let Some(statements) = policy["Statement"].as_array_mut() {
            statements.retain(|statement| statement["Sid"] != input.label.as_str());
        }
        topic.attributes.insert("Policy".to_owned(), policy.to_string());
        Ok(topic.save(transaction)?)
    };
    context.store().write(write).await
}

fn policy_of(topic: &Topic) -> Value {
    let own = topic.attributes.get("Policy").and_then(|policy| serde_json::from_str(policy).ok());
    own.unwrap_or_else(|| attributes::default_policy(&topic.address))
}
