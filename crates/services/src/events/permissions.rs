//! `PutPermission` and `RemovePermission`: the policy of a bus, as a whole or by statement.

use super::Events;
use super::bus::Address;
use crate::storage::Outcome;
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Put {
    event_bus_name: Option<String>,
    action: Option<String>,
    principal: Option<String>,
    statement_id: Option<String>,
    condition: Option<Condition>,
    policy: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Condition {
    r#type: String,
    key: String,
    value: String,
}

/// `PutPermission`
pub(super) async fn put(_: &Events, context: &Context, input: Put) -> Outcome<()> {
    let address = Address::of(context, input.event_bus_name.as_deref())?;
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let mut bus = address.load(transaction)?;
        if let Some(text) = &input.policy {
            let policy = serde_json::from_str(text).ok().filter(Value::is_object);
            bus.policy = Some(policy.ok_or_else(|| ServiceError::validation("Policy is not valid."))?);
            return Ok(bus.save(transaction)?);
        }
        let (Some(action), Some(principal), Some(id)) =
            (&input.action, &input.principal, &input.statement_id)
        else {
            let message = "Parameters Action, Principal and StatementId must be specified.";
            return Err(ServiceError::validation(message).into());
        };
        let who = if principal == "*" {
            json!("*")
        } else {
            json!({ "AWS": format!("arn:aws:iam::{principal}:root") })
        };
        let mut statement = json!({ "Sid": id, "Effect": "Allow", "Principal": who, "Action": action, "Resource": address.arn() });
        if let Some(Condition { r#type, key, value }) = &input.condition {
            statement["Condition"] = json!({ r#type: { key: value } });
        }
        let mut policy =
            bus.policy.take().unwrap_or_else(|| json!({ "Version": "2012-10-17", "Statement": [] }));
        if let Some(statements) = policy["Statement"].as_array_mut() {
            statements.retain(|statement| statement["Sid"] != id.as_str());
            statements.push(statement);
        }
        bus.policy = Some(policy);
        Ok(bus.save(transaction)?)
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Remove {
    event_bus_name: Option<String>,
    statement_id: Option<String>,
    #[serde(default)]
    remove_all_permissions: bool,
}

/// `RemovePermission`
pub(super) async fn remove(_: &Events, context: &Context, input: Remove) -> Outcome<()> {
    let address = Address::of(context, input.event_bus_name.as_deref())?;
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let mut bus = address.load(transaction)?;
        let missing = || super::errors::not_found("Statement with the provided id does not exist.");
        if input.remove_all_permissions {
            bus.policy = None;
            return Ok(bus.save(transaction)?);
        }
        let policy = bus.policy.as_mut().ok_or_else(missing)?;
        let statements = policy["Statement"].as_array_mut().ok_or_else(missing)?;
        let before = statements.len();
        statements.retain(|statement| statement["Sid"].as_str() != input.statement_id.as_deref());
        if statements.len() == before {
            return Err(missing().into());
        }
        if statements.is_empty() {
            bus.policy = None;
        }
        Ok(bus.save(transaction)?)
    };
    context.store().write(write).await
}
