//! Text messages: there is no telephone network here, so a message is noted down and goes nowhere.

use super::message::Message;
use super::{Sns, errors, subscription};
use crate::storage::Outcome;
use aloft_engine::Context;
use aloft_store::{StoreError, Transaction, key};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What was sent, by account, region, number and message id: `Message`, `PhoneNumber`, `Timestamp`.
const SENT: &str = "sns.sms";
/// The account's preferences by account and region.
const ATTRIBUTES: &str = "sns.sms-attributes";

/// Notes a message to a number down.
pub(super) fn send(
    transaction: &mut Transaction<'_>,
    context: &Context,
    number: &str,
    message: &Message,
) -> Result<(), StoreError> {
    let row = json!({
        "PhoneNumber": number,
        "MessageId": message.id,
        "Message": message.for_protocol("sms"),
        "Timestamp": message.published.as_seconds_f64(),
    });
    tracing::info!(number, "a text message was noted down and not sent");
    transaction.put_json(
        SENT,
        key([context.account.as_str(), context.region.as_str(), number, &message.id]),
        &row,
    )
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Number {
    phone_number: String,
}

/// `CheckIfPhoneNumberIsOptedOut`: nobody can opt out of what is not sent.
pub(super) async fn is_opted_out(_: &Sns, _: &Context, input: Number) -> Outcome<Value> {
    if !subscription::is_phone_number(&input.phone_number) {
        return Err(
            errors::invalid(format!("PhoneNumber Reason: {} is not valid", input.phone_number)).into()
        );
    }
    Ok(json!({ "isOptedOut": false }))
}

#[derive(Deserialize)]
pub(super) struct SetAttributes {
    attributes: Map<String, Value>,
}

/// `SetSMSAttributes`
pub(super) async fn set_attributes(_: &Sns, context: &Context, input: SetAttributes) -> Outcome<Value> {
    let row = key([context.account.as_str(), context.region.as_str()]);
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let mut attributes: Map<String, Value> = transaction.get_json(ATTRIBUTES, &row)?.unwrap_or_default();
        attributes.extend(input.attributes);
        Ok(transaction.put_json(ATTRIBUTES, row, &attributes)?)
    };
    context.store().write(write).await?;
    Ok(json!({}))
}

#[derive(Deserialize)]
pub(super) struct GetAttributes {
    #[serde(default)]
    attributes: Vec<String>,
}

/// `GetSMSAttributes`
pub(super) async fn get_attributes(_: &Sns, context: &Context, input: GetAttributes) -> Outcome<Value> {
    let row = key([context.account.as_str(), context.region.as_str()]);
    let mut attributes: Map<String, Value> =
        context.store().read()?.get_json(ATTRIBUTES, row)?.unwrap_or_default();
    attributes.retain(|name, _| input.attributes.is_empty() || input.attributes.contains(name));
    Ok(json!({ "attributes": attributes }))
}
