//! Receiving messages: short and long polling, visibility, and what a receiver is told of a message.

use super::messages::{self, Message};
use super::queue::{Address, Queue};
use super::{Sqs, attributes, content, errors, redrive};
use crate::storage::Outcome;
use aloft_base::{Ids, Timestamp};
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::Instant;

/// How many messages one receive moves to the dead-letter queue at most.
const MOST_MOVES: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Receive {
    queue_url: String,
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default)]
    message_attribute_names: Vec<String>,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
}

/// `ReceiveMessage`
///
/// `ReceiveRequestAttemptId` is taken and changes nothing: after a lost answer the messages come again when they are visible.
pub(super) async fn receive(sqs: &Sqs, context: &Context, input: Receive) -> Outcome<Value> {
    check(&input)?;
    let address = Address::of_url(context, &input.queue_url)?;
    let most = input.max_number_of_messages.unwrap_or(1) as usize;
    let mut changed = context.store().watch(messages::VISIBLE);
    let mut stopped = std::pin::pin!(context.engine.stopped());
    let (started, begun) = (context.now(), Instant::now());
    loop {
        changed.borrow_and_update();
        let jumped = sqs.jumped.notified();
        tokio::pin!(jumped);
        jumped.as_mut().enable();
        let (queue, next) = {
            let snapshot = context.store().read()?;
            let queue = address.find(&snapshot)?;
            let next = messages::next_visible(&snapshot, &queue)?;
            (queue, next)
        };
        if next.is_some_and(|next| next <= context.now()) {
            let received = take(context, &address, most, input.visibility_timeout).await?;
            if !received.is_empty() {
                let messages: Vec<Value> =
                    received.into_iter().map(|received| received.tell(&input)).collect();
                return Ok(json!({ "Messages": messages }));
            }
        }
        let wait = input.wait_time_seconds.map_or_else(
            || queue.duration("ReceiveMessageWaitTimeSeconds"),
            |seconds| Duration::from_secs(seconds as u64),
        );
        // Whichever ends it first: the injected clock, which can be moved, or the real one, which cannot stand still.
        let left =
            wait.saturating_sub(context.now().since(started)).min(wait.saturating_sub(begun.elapsed()));
        if left.is_zero() {
            return Ok(json!({}));
        }
        let nap = next.map_or(left, |next| next.since(context.now()).clamp(Duration::from_millis(1), left));
        tokio::select! {
            () = tokio::time::sleep(nap) => {}
            () = jumped => {}
            _ = changed.changed() => {}
            () = stopped.as_mut() => return Ok(json!({})),
        }
    }
}

fn check(input: &Receive) -> Result<(), ServiceError> {
    for (name, value, allowed, reason) in [
        (
            "MaxNumberOfMessages",
            input.max_number_of_messages,
            1..=10,
            "Must be between 1 and 10, if provided.",
        ),
        (
            "VisibilityTimeout",
            input.visibility_timeout,
            0..=43_200,
            "Must be >= 0 and <= 43200, if provided.",
        ),
        ("WaitTimeSeconds", input.wait_time_seconds, 0..=20, "Must be >= 0 and <= 20, if provided."),
    ] {
        if let Some(value) = value.filter(|value| !allowed.contains(value)) {
            return Err(errors::invalid_value(name, value, reason));
        }
    }
    let names = input.attribute_names.iter().chain(&input.message_system_attribute_names);
    match names
        .into_iter()
        .find(|name| !KNOWN.contains(&name.as_str()) && !attributes::names().any(|known| known == *name))
    {
        Some(name) => Err(errors::unknown_attribute(name)),
        None => Ok(()),
    }
}

const KNOWN: &[&str] = &[
    "All",
    "ApproximateFirstReceiveTimestamp",
    "ApproximateReceiveCount",
    "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
    "MessageDeduplicationId",
    "MessageGroupId",
    "SenderId",
    "SentTimestamp",
    "SequenceNumber",
];

/// A message that was received just now.
struct Received {
    receipt: String,
    sequence: u64,
    message: Message,
}

/// Takes what is available. What was received too often goes to the dead-letter queue instead.
async fn take(
    context: &Context,
    address: &Address,
    most: usize,
    timeout: Option<i64>,
) -> Outcome<Vec<Received>> {
    let (address, now, ids) = (address.clone(), context.now(), context.ids().clone());
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Vec<Received>> {
        let queue = address.load(transaction)?;
        messages::expire(transaction, &queue, now)?;
        let timeout = timeout.map_or_else(
            || queue.duration("VisibilityTimeout"),
            |seconds| Duration::from_secs(seconds as u64),
        );
        let redrive = match redrive::Policy::of(&queue) {
            Some(policy) => attributes::queue_of_arn(transaction, &policy.target)?
                .map(|target| (target, policy.most_receives)),
            None => None,
        };
        let (mut received, mut taken, mut moves) = (Vec::new(), HashSet::new(), 0);
        loop {
            let found = messages::available(transaction, &queue, now, most)?;
            let mut moved = false;
            for (sequence, message) in found {
                match &redrive {
                    _ if received.len() == most || taken.contains(&sequence) => {}
                    Some((target, limit)) if message.receives >= *limit => {
                        messages::remove(transaction, &queue, sequence, &message, now)?;
                        redrive::transfer(transaction, target, message, Some(queue.arn()), now)?;
                        (moved, moves) = (true, moves + 1);
                    }
                    _ => {
                        taken.insert(sequence);
                        received.push(lend(transaction, &queue, (sequence, message), timeout, &ids, now)?);
                    }
                }
            }
            if !moved || received.len() == most || moves >= MOST_MOVES {
                return Ok(received);
            }
        }
    };
    context.store().write(write).await
}

/// Makes a message invisible and gives out a receipt for it.
fn lend(
    transaction: &mut Transaction<'_>,
    queue: &Queue,
    (sequence, message): (u64, Message),
    timeout: Duration,
    ids: &Ids,
    now: Timestamp,
) -> Outcome<Received> {
    let receipt = ids.below(u64::MAX) | 1;
    let lent = Message {
        visible_at: now.add(timeout),
        in_flight: true,
        receives: message.receives + 1,
        first_received: message.first_received.or(Some(now)),
        last_received: Some(now),
        receipt,
        ..message.clone()
    };
    messages::replace(transaction, queue, sequence, &message, &lent, now)?;
    Ok(Received { receipt: handle(queue, sequence, receipt), sequence, message: lent })
}

impl Received {
    /// The message as the answer has it.
    fn tell(self, input: &Receive) -> Value {
        let Self { receipt, sequence, message } = self;
        let wanted = |name: &str| {
            let mut names = input.attribute_names.iter().chain(&input.message_system_attribute_names);
            names.any(|wanted| wanted == name || wanted == "All")
        };
        let millis = |at: Timestamp| at.millis().to_string();
        let fifo = message.group.is_some() && message.deduplication_id.is_some();
        let mut system = Map::new();
        for (name, value) in [
            ("SenderId", Some(message.sender)),
            ("ApproximateFirstReceiveTimestamp", message.first_received.map(millis)),
            ("ApproximateReceiveCount", Some(message.receives.to_string())),
            ("SentTimestamp", Some(millis(message.sent))),
            ("SequenceNumber", fifo.then(|| messages::shown(sequence))),
            ("MessageDeduplicationId", message.deduplication_id),
            ("MessageGroupId", message.group),
            ("AWSTraceHeader", message.trace_header),
            ("DeadLetterQueueSourceArn", message.source),
        ] {
            if let Some(value) = value.filter(|_| wanted(name)) {
                system.insert(name.to_owned(), value.into());
            }
        }
        let mut told = json!({
            "MessageId": message.id,
            "ReceiptHandle": receipt,
            "MD5OfBody": message.md5,
            "Body": message.body,
        });
        if !system.is_empty() {
            told["Attributes"] = system.into();
        }
        let chosen =
            || message.attributes.iter().filter(|(name, _)| is_wanted(&input.message_attribute_names, name));
        if let Some(digest) = content::md5_of_attributes(chosen()) {
            told["MD5OfMessageAttributes"] = digest.into();
            told["MessageAttributes"] = chosen()
                .map(|(name, attribute)| (name.clone(), json!(attribute)))
                .collect::<Map<_, _>>()
                .into();
        }
        told
    }
}

/// Names are asked for exactly, by a beginning (`foo.*`), or all.
fn is_wanted(wanted: &[String], name: &str) -> bool {
    wanted.iter().any(|wanted| match wanted.strip_suffix(".*") {
        Some(beginning) => name.starts_with(beginning),
        None => wanted == name || wanted == "All",
    })
}

/// What a receipt handle says.
pub(super) struct Receipt {
    pub sequence: u64,
    pub receipt: u64,
}

fn handle(queue: &Queue, sequence: u64, receipt: u64) -> String {
    BASE64.encode([queue.id.as_bytes(), &sequence.to_be_bytes(), &receipt.to_be_bytes()].concat())
}

/// Reads a receipt handle of this queue.
pub(super) fn read_handle(queue: &Queue, handle: &str) -> Result<Receipt, ServiceError> {
    let bytes = BASE64.decode(handle).unwrap_or_default();
    let number = |bytes: &[u8]| bytes.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
    let read = || {
        let rest = bytes.strip_prefix(queue.id.as_bytes()).filter(|rest| rest.len() == 16)?;
        Some(Receipt { sequence: number(rest)?, receipt: number(&rest[8..])? })
    };
    read().ok_or_else(|| errors::invalid_receipt(handle))
}
