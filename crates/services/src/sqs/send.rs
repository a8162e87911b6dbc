//! Sending messages, one or a batch.

use super::content::{self, Attribute, Attributes};
use super::messages::{self, Message};
use super::queue::{Address, Queue};
use super::{Sqs, batch, errors};
use crate::deduplication::Deduplication;
use crate::storage::{Fault, Outcome};
use aloft_base::Timestamp;
use aloft_engine::{Context, Principal, ServiceError};
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

pub(super) const DEDUPLICATION: Deduplication =
    Deduplication { rows: "sqs.deduplication", due: "sqs.deduplication-due" };

/// The most bytes that the messages of a batch may have together.
const MOST_BATCH_BYTES: usize = 1_048_576;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Send {
    queue_url: String,
    #[serde(flatten)]
    entry: Entry,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendBatch {
    queue_url: String,
    #[serde(default)]
    entries: Vec<Entry>,
}

/// A message to be sent.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(default)]
    id: String,
    message_body: String,
    delay_seconds: Option<i64>,
    #[serde(default)]
    message_attributes: Attributes,
    #[serde(default)]
    message_system_attributes: Attributes,
    message_deduplication_id: Option<String>,
    message_group_id: Option<String>,
}

impl batch::Entry for Entry {
    const NAME: &'static str = "SendMessageBatchRequestEntry";

    fn id(&self) -> &str {
        &self.id
    }
}

/// An entry with all that can be told of it without its queue.
struct Prepared {
    entry: Entry,
    id: String,
    md5: String,
    sender: String,
    size: usize,
}

/// `SendMessage`
pub(super) async fn send(_: &Sqs, context: &Context, input: Send) -> Outcome<Value> {
    let address = Address::of_url(context, &input.queue_url)?;
    let (prepared, now) = (prepare(context, input.entry), context.now());
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Value> {
        let queue = address.load(transaction)?;
        enqueue(transaction, &queue, prepared?, now)
    };
    context.store().write(write).await
}

/// `SendMessageBatch`
pub(super) async fn send_batch(_: &Sqs, context: &Context, input: SendBatch) -> Outcome<Value> {
    let (address, now) = (Address::of_url(context, &input.queue_url)?, context.now());
    batch::check(&input.entries)?;
    let size: usize =
        input.entries.iter().map(|entry| content::size(&entry.message_body, &entry.message_attributes)).sum();
    if size > MOST_BATCH_BYTES {
        return Err(errors::batch_too_long(MOST_BATCH_BYTES, size).into());
    }
    let prepare_one = |entry: Entry| (entry.id.clone(), prepare(context, entry));
    let prepared: Vec<_> = input.entries.into_iter().map(prepare_one).collect();
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Value> {
        let queue = address.load(transaction)?;
        let mut answer = batch::Answer::default();
        for (id, prepared) in prepared {
            let result = prepared
                .map_err(Fault::from)
                .and_then(|prepared| enqueue(transaction, &queue, prepared, now));
            answer.add(id, result)?;
        }
        Ok(answer.into_value())
    };
    context.store().write(write).await
}

fn prepare(context: &Context, mut entry: Entry) -> Result<Prepared, ServiceError> {
    content::check_body(&entry.message_body)?;
    content::check_attributes(&entry.message_attributes)?;
    for (name, attribute) in &entry.message_system_attributes {
        if name != "AWSTraceHeader" {
            let message = format!("Message system attribute name '{name}' is invalid.");
            return Err(errors::invalid_parameter(message));
        }
        if attribute.data_type != "String" {
            let message = format!("The message system attribute '{name}' must be of type String.");
            return Err(errors::invalid_parameter(message));
        }
    }
    // As AWS does, the trace of the call goes on with its message.
    if let (true, Some(trace)) = (entry.message_system_attributes.is_empty(), &context.trace_id) {
        let attribute = Attribute {
            data_type: "String".to_owned(),
            string_value: Some(trace.to_string()),
            binary_value: None,
        };
        entry.message_system_attributes.insert("AWSTraceHeader".to_owned(), attribute);
    }
    let sender = match &context.principal {
        Principal::Arn(arn) => arn.rsplit('/').next().unwrap_or(arn).to_owned(),
        Principal::Service(name) => name.clone(),
        Principal::Root | Principal::Anonymous => context.account.to_string(),
    };
    Ok(Prepared {
        id: context.ids().uuid(),
        md5: content::md5(entry.message_body.as_bytes()),
        sender,
        size: content::size(&entry.message_body, &entry.message_attributes),
        entry,
    })
}

/// Puts a message into its queue, unless it is a duplicate, and says what the sender is told.
fn enqueue(
    transaction: &mut Transaction<'_>,
    queue: &Queue,
    prepared: Prepared,
    now: Timestamp,
) -> Outcome<Value> {
    let Prepared { entry, id, md5, sender, size } = prepared;
    let limit = queue.number("MaximumMessageSize");
    if size as u64 > limit {
        let message = format!(
            "One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes."
        );
        return Err(errors::invalid_parameter(message).into());
    }
    let deduplication_id = check_for_queue(queue, &entry)?;
    let mut answer = json!({ "MD5OfMessageBody": md5, "MessageId": id });
    for (name, attributes) in [
        ("MD5OfMessageAttributes", &entry.message_attributes),
        ("MD5OfMessageSystemAttributes", &entry.message_system_attributes),
    ] {
        if let Some(digest) = content::md5_of_attributes(attributes) {
            answer[name] = digest.into();
        }
    }
    let scope = match queue.attribute("DeduplicationScope") {
        Some("messageGroup") => entry.message_group_id.as_deref().unwrap_or_default(),
        _ => "",
    };
    if let Some(deduplication_id) = &deduplication_id
        && let Some(earlier) = DEDUPLICATION.find(transaction, &queue.id, scope, deduplication_id, now)?
    {
        for name in ["MessageId", "SequenceNumber"] {
            answer[name] = earlier[name].clone();
        }
        return Ok(answer);
    }
    messages::expire(transaction, queue, now)?;
    let sequence = messages::next_sequence(transaction, queue, now)?;
    if let Some(deduplication_id) = &deduplication_id {
        answer["SequenceNumber"] = messages::shown(sequence).into();
        let known = json!({ "MessageId": answer["MessageId"], "SequenceNumber": answer["SequenceNumber"] });
        DEDUPLICATION.remember(transaction, &queue.id, scope, deduplication_id, now, known)?;
    }
    let delay = entry
        .delay_seconds
        .map_or_else(|| queue.duration("DelaySeconds"), |delay| Duration::from_secs(delay as u64));
    let trace_header =
        entry.message_system_attributes.into_values().next().and_then(|header| header.string_value);
    let message = Message {
        id,
        body: entry.message_body,
        md5,
        attributes: entry.message_attributes,
        trace_header,
        sender,
        sent: now,
        visible_at: now.add(delay),
        in_flight: false,
        receives: 0,
        first_received: None,
        last_received: None,
        receipt: 0,
        group: entry.message_group_id,
        deduplication_id,
        source: None,
    };
    messages::insert(transaction, queue, sequence, &message, now)?;
    Ok(answer)
}

/// Checks what depends on the queue's kind, and gives the deduplication id of a FIFO queue's message.
fn check_for_queue(queue: &Queue, entry: &Entry) -> Result<Option<String>, ServiceError> {
    const FOREIGN: &str = "The request include parameter that is not valid for this queue type.";
    let token = |name: &str, value: &str| {
        let sound = (1..=128).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic());
        let reason =
            format!("{name} can only include alphanumeric and punctuation characters. 1 to 128 in length.");
        if sound { Ok(()) } else { Err(errors::invalid_value(name, value, &reason)) }
    };
    if let Some(group) = &entry.message_group_id {
        token("MessageGroupId", group)?;
    }
    if let Some(id) = &entry.message_deduplication_id {
        token("MessageDeduplicationId", id)?;
    }
    if let Some(delay) = entry.delay_seconds {
        if !(0..=900).contains(&delay) {
            return Err(errors::invalid_value(
                "DelaySeconds",
                delay,
                "DelaySeconds must be >= 0 and <= 900.",
            ));
        }
        if queue.is_fifo() && delay != 0 {
            return Err(errors::invalid_value("DelaySeconds", delay, FOREIGN));
        }
    }
    match (queue.is_fifo(), &entry.message_deduplication_id) {
        (false, Some(id)) => Err(errors::invalid_value("MessageDeduplicationId", id, FOREIGN)),
        (false, None) => Ok(None),
        (true, _) if entry.message_group_id.is_none() => Err(errors::missing_parameter("MessageGroupId")),
        (true, Some(id)) => Ok(Some(id.clone())),
        (true, None) if queue.attribute("ContentBasedDeduplication") == Some("true") => {
            Ok(Some(content::hex(&Sha256::digest(entry.message_body.as_bytes()))))
        }
        (true, None) => Err(errors::invalid_parameter(
            "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
        )),
    }
}
