//! What a receiver does with a message in flight: deletes it, or changes when it is visible again.

use super::queue::{Address, Queue};
use super::{Sqs, batch, errors, messages, receive};
use crate::storage::Outcome;
use aloft_base::Timestamp;
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// How long a message may be invisible in all after a receive, in seconds.
const MOST_INVISIBLE: u64 = 43_200;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Delete {
    queue_url: String,
    receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteBatch {
    queue_url: String,
    #[serde(default)]
    entries: Vec<DeleteEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteEntry {
    id: String,
    receipt_handle: String,
}

impl batch::Entry for DeleteEntry {
    const NAME: &'static str = "DeleteMessageBatchRequestEntry";

    fn id(&self) -> &str {
        &self.id
    }
}

/// `DeleteMessage`
pub(super) async fn delete(_: &Sqs, context: &Context, input: Delete) -> Outcome<()> {
    let (address, now) = (Address::of_url(context, &input.queue_url)?, context.now());
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let queue = address.load(transaction)?;
        delete_one(transaction, &queue, &input.receipt_handle, now).map(drop)
    };
    context.store().write(write).await
}

/// `DeleteMessageBatch`
pub(super) async fn delete_batch(_: &Sqs, context: &Context, input: DeleteBatch) -> Outcome<Value> {
    let (address, now) = (Address::of_url(context, &input.queue_url)?, context.now());
    batch::check(&input.entries)?;
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Value> {
        let queue = address.load(transaction)?;
        let mut answer = batch::Answer::default();
        for entry in input.entries {
            let result = delete_one(transaction, &queue, &entry.receipt_handle, now);
            answer.add(entry.id, result)?;
        }
        Ok(answer.into_value())
    };
    context.store().write(write).await
}

/// A message that is gone, or was received again since, is no error.
fn delete_one(
    transaction: &mut Transaction<'_>,
    queue: &Queue,
    handle: &str,
    now: Timestamp,
) -> Outcome<Value> {
    let receipt = receive::read_handle(queue, handle)?;
    if let Some(message) = messages::get(transaction, queue, receipt.sequence)?
        .filter(|message| message.receipt == receipt.receipt)
    {
        // In a FIFO queue the next receiver may have been promised the group already.
        if queue.is_fifo() && message.visible_at <= now {
            return Err(
                errors::invalid_value("ReceiptHandle", handle, "The receipt handle has expired.").into()
            );
        }
        messages::remove(transaction, queue, receipt.sequence, &message, now)?;
    }
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Visibility {
    queue_url: String,
    receipt_handle: String,
    visibility_timeout: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct VisibilityBatch {
    queue_url: String,
    #[serde(default)]
    entries: Vec<VisibilityEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VisibilityEntry {
    id: String,
    receipt_handle: String,
    visibility_timeout: Option<i64>,
}

impl batch::Entry for VisibilityEntry {
    const NAME: &'static str = "ChangeMessageVisibilityBatchRequestEntry";

    fn id(&self) -> &str {
        &self.id
    }
}

/// `ChangeMessageVisibility`
pub(super) async fn visibility(_: &Sqs, context: &Context, input: Visibility) -> Outcome<()> {
    let (address, now) = (Address::of_url(context, &input.queue_url)?, context.now());
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let queue = address.load(transaction)?;
        change_one(transaction, &queue, &input.receipt_handle, input.visibility_timeout, now).map(drop)
    };
    context.store().write(write).await
}

/// `ChangeMessageVisibilityBatch`
pub(super) async fn visibility_batch(_: &Sqs, context: &Context, input: VisibilityBatch) -> Outcome<Value> {
    let (address, now) = (Address::of_url(context, &input.queue_url)?, context.now());
    batch::check(&input.entries)?;
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Value> {
        let queue = address.load(transaction)?;
        let mut answer = batch::Answer::default();
        for entry in input.entries {
            let result = match entry.visibility_timeout {
                Some(timeout) => change_one(transaction, &queue, &entry.receipt_handle, timeout, now),
                None => Err(errors::missing_parameter("VisibilityTimeout").into()),
            };
            answer.add(entry.id, result)?;
        }
        Ok(answer.into_value())
    };
    context.store().write(write).await
}

fn change_one(
    transaction: &mut Transaction<'_>,
    queue: &Queue,
    handle: &str,
    timeout: i64,
    now: Timestamp,
) -> Outcome<Value> {
    let wrong = |reason: &str| errors::invalid_value("VisibilityTimeout", timeout, reason);
    let seconds = u64::try_from(timeout).ok().filter(|seconds| *seconds <= MOST_INVISIBLE);
    let seconds =
        seconds.ok_or_else(|| wrong("VisibilityTimeout must be an integer between 0 and 43200."))?;
    let receipt = receive::read_handle(queue, handle)?;
    let found = messages::get(transaction, queue, receipt.sequence)?;
    let Some(message) = found.filter(|message| message.receipt == receipt.receipt) else {
        return Err(errors::not_in_flight(handle).into());
    };
    if message.visible_at <= now {
        return Err(
            ServiceError::new("MessageNotInflight", 400, "The specified message isn't in flight.").into()
        );
    }
    let elapsed = now.since(message.last_received.unwrap_or(now));
    if elapsed + Duration::from_secs(seconds) > Duration::from_secs(MOST_INVISIBLE) {
        let reason = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]";
        return Err(wrong(reason).into());
    }
    let changed = messages::Message { visible_at: now.add(Duration::from_secs(seconds)), ..message.clone() };
    messages::replace(transaction, queue, receipt.sequence, &message, &changed, now)?;
    Ok(json!({}))
}
