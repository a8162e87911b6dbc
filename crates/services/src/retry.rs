//! How targets of EventBridge and of EventBridge Scheduler are tried again and given up: the retry policy and the
//! dead-letter queue, which both have alike.

use crate::target::{may_pass, queue_url, there};
use aloft_base::Timestamp;
use aloft_engine::{Context, ServiceError};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How often a delivery is tried again, unless its target says otherwise.
pub(crate) const RETRIES: u64 = 185;
/// For how long, in seconds, unless its target says otherwise.
pub(crate) const AGE: u64 = 86_400;
/// The longest pause between two tries, in seconds; pauses double up to it.
const LONGEST_PAUSE: u64 = 600;

/// How long to wait after so many failures; nothing when it has been tried enough.
pub(crate) fn pause(policy: &Value, failures: u64, taken: Timestamp, now: Timestamp) -> Option<Duration> {
    let number = |name: &str, default: u64| policy[name].as_u64().unwrap_or(default);
    let pause = (1_u64 << failures.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
    let too_old = now.since(taken).as_secs() + pause > number("MaximumEventAgeInSeconds", AGE);
    let too_often = failures > number("MaximumRetryAttempts", RETRIES);
    (!too_old && !too_often).then(|| Duration::from_secs(pause))
}

/// What a dead letter says of why it is one.
pub(crate) fn told(policy: &Value, failures: u64, error: &ServiceError) -> Vec<(&'static str, String)> {
    let message = if error.message.is_empty() { &error.code } else { &error.message };
    let mut attributes = vec![
        ("ERROR_CODE", error.code.to_string()),
        ("ERROR_MESSAGE", message.to_string()),
        ("RETRY_ATTEMPTS", failures.saturating_sub(1).to_string()),
    ];
    if may_pass(error) {
        let most = policy["MaximumRetryAttempts"].as_u64().unwrap_or(RETRIES);
        let condition = if failures > most { "MaximumRetryAttempts" } else { "MaximumEventAgeInSeconds" };
        attributes.push(("EXHAUSTED_RETRY_CONDITION", condition.to_owned()));
    }
    attributes
}

/// Sends what could not be delivered to a dead-letter queue. That this fails is only logged.
pub(crate) async fn bury(context: &Context, queue: &str, text: String, attributes: &[(&str, String)]) {
    let attribute = |(name, value): &(&str, String)| {
        let kind = if *name == "RETRY_ATTEMPTS" { "Number" } else { "String" };
        ((*name).to_owned(), json!({ "DataType": kind, "StringValue": value }))
    };
    let attributes: Map<String, Value> = attributes.iter().map(attribute).collect();
    let input = json!({ "QueueUrl": queue_url(context, queue), "MessageBody": text, "MessageAttributes": attributes });
    if let Err(error) = there(context, queue).call("sqs", "SendMessage", input).await {
        tracing::warn!(queue, %error, "what could not be delivered could not be sent to the dead-letter queue");
    }
}
