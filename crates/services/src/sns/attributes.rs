//! The attributes of topics and subscriptions: what may be set, and what is read.

use super::subscription::Subscription;
use super::topic::{Address, Topic};
use super::{errors, filter};
use aloft_base::Arn;
use aloft_engine::ServiceError;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// How deliveries over HTTP are tried again unless a policy says otherwise.
const DELIVERY_POLICY: &str = r#"{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false,"defaultRequestPolicy":{"headerContentType":"text/plain; charset=UTF-8"}}}"#;

/// The attributes of topics that are kept and change nothing here: encryption, tracing, logs of deliveries.
const KEPT: &[&str] = &[
    "ApplicationFailureFeedbackRoleArn",
    "ApplicationSuccessFeedbackRoleArn",
    "ApplicationSuccessFeedbackSampleRate",
    "DisplayName",
    "FirehoseFailureFeedbackRoleArn",
    "FirehoseSuccessFeedbackRoleArn",
    "FirehoseSuccessFeedbackSampleRate",
    "HTTPFailureFeedbackRoleArn",
    "HTTPSuccessFeedbackRoleArn",
    "HTTPSuccessFeedbackSampleRate",
    "KmsMasterKeyId",
    "LambdaFailureFeedbackRoleArn",
    "LambdaSuccessFeedbackRoleArn",
    "LambdaSuccessFeedbackSampleRate",
    "SQSFailureFeedbackRoleArn",
    "SQSSuccessFeedbackRoleArn",
    "SQSSuccessFeedbackSampleRate",
    "TracingConfig",
];

/// Checks an attribute of a topic.
pub(super) fn check_topic(
    topic: &Address,
    name: &str,
    value: &str,
    creating: bool,
) -> Result<(), ServiceError> {
    let one_of = |values: &[&str]| {
        let reason =
            || errors::invalid(format!("{name} Reason: {value} is not one of {}", values.join(", ")));
        if values.contains(&value) { Ok(()) } else { Err(reason()) }
    };
    match name {
        _ if KEPT.contains(&name) => Ok(()),
        "DeliveryPolicy" | "Policy" => check_document(name, value),
        "SignatureVersion" => one_of(&["1", "2"]),
        "FifoTopic" if creating => one_of(&["true", "false"]),
        "ContentBasedDeduplication" if topic.is_fifo() => one_of(&["true", "false"]),
        "FifoThroughputScope" if topic.is_fifo() => one_of(&["Topic", "MessageGroup"]),
        "ContentBasedDeduplication" | "FifoThroughputScope" if value == "false" => Ok(()),
        "ArchivePolicy" if !value.is_empty() => Err(errors::not_built("archives of topics")),
        "ArchivePolicy" => Ok(()),
        _ => Err(errors::invalid("AttributeName")),
    }
}

/// Checks an attribute of a subscription.
pub(super) fn check_subscription(
    protocol: &str,
    attributes: &BTreeMap<String, String>,
) -> Result<(), ServiceError> {
    let scope = attributes.get("FilterPolicyScope").map(String::as_str);
    for (name, value) in attributes {
        match name.as_str() {
            "DeliveryPolicy" => check_document(name, value)?,
            "FilterPolicy" => filter::check(value, scope)?,
            "FilterPolicyScope" if !matches!(value.as_str(), "MessageAttributes" | "MessageBody") => {
                let message = format!(
                    "FilterPolicyScope: Invalid value [{value}]. Please use either MessageBody or MessageAttributes"
                );
                return Err(errors::invalid(message));
            }
            "RawMessageDelivery" if !matches!(value.to_ascii_lowercase().as_str(), "true" | "false") => {
                return Err(errors::invalid(format!(
                    "RawMessageDelivery: Invalid value [{value}]. Must be true or false."
                )));
            }
            "RawMessageDelivery" if value != "false" && !matches!(protocol, "sqs" | "http" | "https") => {
                let message = format!(
                    "Attributes Reason: RawMessageDelivery is not supported for the protocol {protocol}"
                );
                return Err(errors::invalid(message));
            }
            "RedrivePolicy" => check_redrive(value)?,
            "FilterPolicyScope" | "RawMessageDelivery" | "SubscriptionRoleArn" => {}
            "ReplayPolicy" => return Err(errors::not_built("replays of archived messages")),
            _ => return Err(errors::invalid("AttributeName")),
        }
    }
    Ok(())
}

fn check_document(name: &str, value: &str) -> Result<(), ServiceError> {
    let sound = value.is_empty() || serde_json::from_str::<Value>(value).is_ok_and(|value| value.is_object());
    if sound { Ok(()) } else { Err(errors::invalid(format!("{name}: failed to parse JSON."))) }
}

fn check_redrive(value: &str) -> Result<(), ServiceError> {
    if value.is_empty() {
        return Ok(());
    }
    let policy: Value =
        serde_json::from_str(value).map_err(|_| errors::invalid("RedrivePolicy: failed to parse JSON."))?;
    let target = policy["deadLetterTargetArn"].as_str().and_then(|arn| arn.parse::<Arn>().ok());
    if target.is_some_and(|arn| arn.service == "sqs") {
        return Ok(());
    }
    Err(errors::invalid("RedrivePolicy: deadLetterTargetArn is an invalid arn"))
}

/// Sets an attribute, or removes it by an empty value.
pub(super) fn put(attributes: &mut BTreeMap<String, String>, name: &str, value: &str) {
    if value.is_empty() || (name == "FilterPolicy" && value.trim() == "{}") {
        attributes.remove(name);
    } else {
        attributes.insert(name.to_owned(), value.to_owned());
    }
}

/// What `GetTopicAttributes` answers.
pub(super) fn of_topic(topic: &Topic, subscriptions: &[Subscription]) -> Value {
    let address = &topic.address;
    let pending = subscriptions.iter().filter(|subscription| !subscription.confirmed).count();
    let mut told = json!({
        "TopicArn": address.arn(),
        "Owner": address.account.as_str(),
        "DisplayName": "",
        "Policy": default_policy(address).to_string(),
        "EffectiveDeliveryPolicy": topic.attributes.get("DeliveryPolicy").map_or(DELIVERY_POLICY, String::as_str),
        "SubscriptionsPending": pending.to_string(),
        "SubscriptionsConfirmed": (subscriptions.len() - pending).to_string(),
        "SubscriptionsDeleted": "0",
    });
    if address.is_fifo() {
        told["ContentBasedDeduplication"] = "false".into();
        told["FifoThroughputScope"] = "Topic".into();
    }
    overlay(&mut told, &topic.attributes);
    told
}

/// The policy of a topic that was given none: its account may do everything.
pub(super) fn default_policy(topic: &Address) -> Value {
    json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": { "AWS": "*" },
            "Action": [
                "SNS:GetTopicAttributes",
                "SNS:SetTopicAttributes",
                "SNS:AddPermission",
                "SNS:RemovePermission",
                "SNS:DeleteTopic",
                "SNS:Subscribe",
                "SNS:ListSubscriptionsByTopic",
                "SNS:Publish",
            ],
            "Resource": topic.arn(),
            "Condition": { "StringEquals": { "AWS:SourceOwner": topic.account.as_str() } },
        }],
    })
}

/// What `GetSubscriptionAttributes` answers.
pub(super) fn of_subscription(subscription: &Subscription) -> Value {
    let account = &subscription.topic.account;
    let mut told = json!({
        "SubscriptionArn": subscription.arn(),
        "TopicArn": subscription.topic.arn(),
        "Protocol": subscription.protocol,
        "Endpoint": subscription.endpoint,
        "Owner": account.as_str(),
        "PendingConfirmation": (!subscription.confirmed).to_string(),
        "ConfirmationWasAuthenticated": subscription.authenticated.to_string(),
        "RawMessageDelivery": "false",
        "SubscriptionPrincipal": format!("arn:aws:iam::{account}:root"),
    });
    if subscription.attributes.contains_key("FilterPolicy") {
        told["FilterPolicyScope"] = "MessageAttributes".into();
    }
    if subscription.protocol.starts_with("http") {
        let own = subscription.attributes.get("DeliveryPolicy");
        told["EffectiveDeliveryPolicy"] = own.map_or(DELIVERY_POLICY, String::as_str).into();
    }
    overlay(&mut told, &subscription.attributes);
    told
}

fn overlay(told: &mut Value, attributes: &BTreeMap<String, String>) {
    let set: Map<String, Value> =
        attributes.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    if let Some(told) = told.as_object_mut() {
        told.extend(set);
    }
}
