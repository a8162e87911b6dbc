//! Dead-letter queues: who sends where, what may be set, and the move of a message that was received too often.

use super::messages::{self, Message};
use super::queue::{Address, QUEUES, Queue};
use super::{Sqs, attributes, errors};
use crate::storage::Outcome;
use aloft_base::Timestamp;
use aloft_engine::{Context, ServiceError};
use aloft_store::{Transaction, key};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Where messages go that were received too often.
pub(super) struct Policy {
    pub target: String,
    pub most_receives: u64,
}

impl Policy {
    /// The queue's, if it has one.
    pub fn of(queue: &Queue) -> Option<Self> {
        Self::parse(queue.attributes.get("RedrivePolicy")?).ok()
    }

    fn parse(text: &str) -> Result<Self, ServiceError> {
        let wrong = |reason: String| errors::invalid_value("RedrivePolicy", text, &reason);
        let policy: Map<String, Value> = serde_json::from_str(text)
            .map_err(|_| wrong("Redrive policy is not a valid JSON map.".to_owned()))?;
        let member = |name: &str| {
            let missing = || wrong(format!("Redrive policy does not contain mandatory attribute: {name}."));
            policy.get(name).ok_or_else(missing)
        };
        let target = member("deadLetterTargetArn")?.as_str().unwrap_or_default().to_owned();
        let count = member("maxReceiveCount")?;
        let number = count
            .as_u64()
            .or_else(|| count.as_str()?.parse().ok())
            .filter(|number| (1..=1000).contains(number));
        let shown = count.as_str().map_or_else(|| count.to_string(), str::to_owned);
        let most_receives = number.ok_or_else(|| {
            wrong(format!(
                "Invalid value for maxReceiveCount: {shown}, valid values are from 1 to 1000 both inclusive."
            ))
        })?;
        Ok(Self { target, most_receives })
    }
}

/// Checks a redrive policy before it is set on `queue`.
pub(super) fn check_policy(transaction: &Transaction<'_>, queue: &Queue, text: &str) -> Outcome<()> {
    let policy = Policy::parse(text)?;
    let wrong = |reason: &str| errors::invalid_value("RedrivePolicy", text, reason);
    let Some(target) = attributes::queue_of_arn(transaction, &policy.target)? else {
        return Err(wrong("Dead letter target does not exist.").into());
    };
    if target.is_fifo() != queue.is_fifo() {
        return Err(wrong("Dead-letter queue must be same type of queue as the source.").into());
    }
    if (&target.account, &target.region) != (&queue.account, &queue.region) {
        return Err(wrong("Dead-letter queue must be in the same account and region as the source.").into());
    }
    if !allows(&target, &queue.arn()) {
        let reason = "The dead-letter queue's RedriveAllowPolicy does not allow this source queue.";
        return Err(wrong(reason).into());
    }
    Ok(())
}

/// Whether a dead-letter queue lets a queue send to it.
fn allows(target: &Queue, source: &str) -> bool {
    let Some(text) = target.attributes.get("RedriveAllowPolicy") else { return true };
    let policy: Value = serde_json::from_str(text).unwrap_or_default();
    match policy["redrivePermission"].as_str() {
        Some("denyAll") => false,
        Some("byQueue") => {
            policy["sourceQueueArns"].as_array().is_some_and(|arns| arns.iter().any(|arn| arn == source))
        }
        _ => true,
    }
}

/// Checks a redrive allow policy before it is set.
pub(super) fn check_allow_policy(text: &str) -> Result<(), ServiceError> {
    let wrong = |reason: &str| errors::invalid_value("RedriveAllowPolicy", text, reason);
    let policy: Value = serde_json::from_str(text).map_err(|_| {
        wrong("Amazon SQS can't create the redrive allow policy, as it’s in an unsupported format.")
    })?;
    let sources = policy.get("sourceQueueArns").map(|arns| arns.as_array().map_or(0, Vec::len));
    match (policy["redrivePermission"].as_str(), sources) {
        (Some("byQueue"), Some(1..=10)) | (Some("allowAll" | "denyAll"), None) => Ok(()),
        (Some("byQueue"), Some(count)) if count > 10 => Err(wrong(
            "Amazon SQS can't create the redrive allow policy. The maximum number of source queues is 10.",
        )),
        (Some("byQueue"), _) => {
            Err(wrong("Amazon SQS can't create the redrive allow policy, as sourceQueueArns is missing."))
        }
        _ => {
            Err(wrong("Amazon SQS can't create the redrive allow policy, as it’s in an unsupported format."))
        }
    }
}

/// Puts a message that left its queue into `target`. It keeps its id, its count of receives and, in standard queues, its
/// age. A dead-letter queue remembers in `source` where it came from.
pub(super) fn transfer(
    transaction: &mut Transaction<'_>,
    target: &Queue,
    message: Message,
    source: Option<String>,
    now: Timestamp,
) -> Outcome<()> {
    let moved = Message { visible_at: now, in_flight: false, receipt: 0, source, ..message };
    let sequence = if target.is_fifo() {
        messages::next_sequence(transaction, target, now)?
    } else {
        messages::sequence_at(transaction, target, moved.sent)?
    };
    messages::insert(transaction, target, sequence, &moved, now)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListSources {
    queue_url: String,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// `ListDeadLetterSourceQueues`
pub(super) async fn list_sources(_: &Sqs, context: &Context, input: ListSources) -> Outcome<Value> {
    let snapshot = context.store().read()?;
    let target = Address::of_url(context, &input.queue_url)?.find(&snapshot)?;
    let mut urls = Vec::new();
    for (_, queue) in snapshot.scan_json::<Queue>(
        QUEUES,
        key([target.account.as_str(), target.region.as_str()]),
        usize::MAX,
    )? {
        if Policy::of(&queue).is_some_and(|policy| policy.target == target.arn()) {
            urls.push(queue.url(context));
        }
    }
    let (page, next) = crate::page::of(urls, input.max_results.unwrap_or(1000), input.next_token.as_deref());
    // The only member of the service's model in lower case.
    let mut answer = json!({ "queueUrls": page });
    if let (Some(next), true) = (next, input.max_results.is_some()) {
        answer["NextToken"] = next.into();
    }
    Ok(answer)
}
