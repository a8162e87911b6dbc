//! A subscription: its row, its ARN, and to which endpoints one can be made.

use super::topic::{Address, SUBSCRIPTIONS};
use super::{errors, topic};
use crate::storage::Outcome;
use aloft_base::{Arn, Timestamp};
use aloft_engine::ServiceError;
use aloft_store::{Key, Snapshot, StoreError, Transaction};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A subscription.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Subscription {
    pub topic: Address,
    pub id: String,
    pub protocol: String,
    pub endpoint: String,
    /// Pending subscriptions get nothing.
    pub confirmed: bool,
    /// Whoever confirmed it was signed in, and asked that unsubscribing be held to the same.
    pub authenticated: bool,
    /// What confirms it.
    pub token: String,
    pub created: Timestamp,
    /// Those that were set; the others have their defaults.
    pub attributes: BTreeMap<String, String>,
}

impl Subscription {
    /// `arn:aws:sns:us-east-1:000000000000:topic:uuid`
    pub fn arn(&self) -> String {
        format!("{}:{}", self.topic.arn(), self.id)
    }

    /// Its key in [`SUBSCRIPTIONS`].
    pub fn key(&self) -> Key {
        self.topic.key().text(&self.id)
    }

    /// Writes the row.
    pub fn save(&self, transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
        transaction.put_json(SUBSCRIPTIONS, self.key(), self)
    }

    /// Whether messages arrive bare, without the envelope.
    pub fn is_raw(&self) -> bool {
        self.attributes.get("RawMessageDelivery").is_some_and(|value| value == "true")
    }

    /// A topic's subscriptions, pending ones too.
    pub fn all(snapshot: &Snapshot, topic: &Address) -> Result<Vec<Self>, StoreError> {
        let rows = snapshot.scan_json(SUBSCRIPTIONS, topic.key(), usize::MAX)?;
        Ok(rows.into_iter().map(|(_, subscription)| subscription).collect())
    }
}

/// The key that a subscription's ARN stands for.
pub(super) fn key_of_arn(text: &str) -> Result<Key, ServiceError> {
    let invalid = || {
        let parts = text.split(':').count();
        errors::invalid(format!("SubscriptionArn Reason: An ARN must have at least 6 elements, not {parts}"))
    };
    let (topic, id) = text.rsplit_once(':').ok_or_else(invalid)?;
    Ok(topic::Address::of_arn(topic).map_err(|_| invalid())?.key().text(id))
}

/// The subscription of that ARN.
pub(super) fn find(snapshot: &Snapshot, arn: &str) -> Outcome<Subscription> {
    Ok(snapshot.get_json(SUBSCRIPTIONS, key_of_arn(arn)?)?.ok_or_else(errors::no_subscription)?)
}

/// The subscription of that ARN, inside a transaction.
pub(super) fn load(transaction: &Transaction<'_>, arn: &str) -> Outcome<Subscription> {
    Ok(transaction.get_json(SUBSCRIPTIONS, key_of_arn(arn)?)?.ok_or_else(errors::no_subscription)?)
}

/// Checks that an endpoint is one of the protocol and can be subscribed to the topic.
pub(super) fn check_endpoint(topic: &Address, protocol: &str, endpoint: &str) -> Result<(), ServiceError> {
    let is_arn_of = |service: &str| endpoint.parse::<Arn>().is_ok_and(|arn| arn.service == service);
    let wrong = |what: &str| Err(errors::invalid(what));
    match protocol {
        "http" | "https" => match endpoint.split_once("://") {
            Some((scheme, rest)) if scheme == protocol && !rest.is_empty() => {}
            _ => return wrong("Endpoint must match the specified protocol"),
        },
        "email" | "email-json"
            if endpoint.split_once('@').is_none_or(|(name, host)| name.is_empty() || host.is_empty()) =>
        {
            return wrong("Email address");
        }
        "sms" if !is_phone_number(endpoint) => return wrong(&format!("Invalid SMS endpoint: {endpoint}")),
        "sqs" if !is_arn_of("sqs") => return wrong("SQS endpoint ARN"),
        "lambda" if !is_arn_of("lambda") => return wrong("Lambda endpoint ARN"),
        "email" | "email-json" | "sms" | "sqs" | "lambda" => {}
        "application" | "firehose" => {
            return Err(errors::not_built(&format!("subscriptions of the protocol {protocol}")));
        }
        _ => return wrong(&format!("Amazon SNS does not support this protocol string: {protocol}")),
    }
    if topic.is_fifo() && protocol != "sqs" {
        return wrong(&format!("Invalid protocol type: {protocol}"));
    }
    if !topic.is_fifo() && protocol == "sqs" && endpoint.ends_with(".fifo") {
        return wrong(
            "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics",
        );
    }
    Ok(())
}

/// Whether a text is a phone number as E.164 writes it; a few separators are let through as AWS does.
pub(super) fn is_phone_number(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    text.starts_with('+')
        && (4..=15).contains(&digits)
        && text
            .bytes()
            .skip(1)
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b' ' | b'/' | b'(' | b')'))
}
