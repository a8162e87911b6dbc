//! Publishing: a message becomes one row for each delivery that it causes, in one transaction.

use super::message::{self, MOST_BYTES, Message};
use super::subscription::Subscription;
use super::topic::{Address, Topic};
use super::{Sns, delivery, errors, filter, sms, subscription};
use crate::deduplication::Deduplication;
use crate::storage::{Fault, Outcome};
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashSet;

pub(super) const DEDUPLICATION: Deduplication =
    Deduplication { rows: "sns.deduplication", due: "sns.deduplication-due" };

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Publish {
    topic_arn: Option<String>,
    target_arn: Option<String>,
    phone_number: Option<String>,
    #[serde(flatten)]
    entry: Entry,
}

/// What there is to say of a message.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(default)]
    id: String,
    message: String,
    subject: Option<String>,
    message_structure: Option<String>,
    #[serde(default)]
    message_attributes: Map<String, Value>,
    message_deduplication_id: Option<String>,
    message_group_id: Option<String>,
}

/// `Publish`
pub(super) async fn publish(_: &Sns, context: &Context, input: Publish) -> Outcome<Value> {
    let Publish { topic_arn, target_arn, phone_number, entry } = input;
    let topic = match (topic_arn, target_arn, phone_number) {
        (Some(arn), None, None) => arn,
        (None, Some(arn), None) if !arn.contains(":endpoint/") => arn,
        (None, Some(_), None) => return Err(errors::not_built("push notifications").into()),
        (None, None, Some(number)) => return send_text(context, &number, entry).await,
        (None, None, None) => {
            return Err(
                errors::invalid("TopicArn or TargetArn Reason: no value for required parameter").into()
            );
        }
        _ => return Err(errors::invalid("Only one of TopicArn, TargetArn, PhoneNumber may be given").into()),
    };
    let (topic, subscriptions) = find(context, &topic)?;
    let prepared = prepare(context, &topic, &subscriptions, entry)?;
    context.store().write(move |transaction| send(transaction, &topic, prepared)).await
}

async fn send_text(context: &Context, number: &str, entry: Entry) -> Outcome<Value> {
    if !subscription::is_phone_number(number) {
        return Err(
            errors::invalid(format!("PhoneNumber Reason: {number} is not valid to publish to")).into()
        );
    }
    message::check(
        &entry.message,
        entry.subject.as_deref(),
        entry.message_structure.as_deref(),
        &entry.message_attributes,
    )?;
    let message = to_message(context, "", entry);
    let (account, number) = (context.clone(), number.to_owned());
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Value> {
        sms::send(transaction, &account, &number, &message)?;
        Ok(json!({ "MessageId": message.id }))
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PublishBatch {
    topic_arn: String,
    publish_batch_request_entries: Vec<Entry>,
}

/// `PublishBatch`
pub(super) async fn publish_batch(_: &Sns, context: &Context, input: PublishBatch) -> Outcome<Value> {
    let entries = input.publish_batch_request_entries;
    check_batch(&entries)?;
    let (topic, subscriptions) = find(context, &input.topic_arn)?;
    let prepare_one = |entry: Entry| (entry.id.clone(), prepare(context, &topic, &subscriptions, entry));
    let prepared: Vec<_> = entries.into_iter().map(prepare_one).collect();
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Value> {
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for (id, prepared) in prepared {
            match prepared.map_err(Fault::from).and_then(|prepared| send(transaction, &topic, prepared)) {
                Ok(mut answer) => {
                    answer["Id"] = id.into();
                    successful.push(answer);
                }
                Err(Fault::Service(error)) if error.status < 500 => failed.push(json!({
                    "Id": id,
                    "Code": match error.code.as_str() {
                        "InvalidParameterValueException" => "ParameterValueInvalid",
                        code => code.trim_end_matches("Exception"),
                    },
                    "Message": error.message,
                    "SenderFault": true,
                })),
                Err(fault) => return Err(fault),
            }
        }
        Ok(json!({ "Successful": successful, "Failed": failed }))
    };
    context.store().write(write).await
}

fn check_batch(entries: &[Entry]) -> Result<(), ServiceError> {
    let error = |code: &str, message: &str| Err(ServiceError::new(format!("{code}Exception"), 400, message));
    let mut seen = HashSet::new();
    let fits = |id: &str| {
        let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=80).contains(&id.len()) && id.bytes().all(sound)
    };
    if entries.is_empty() {
        error("EmptyBatchRequest", "The batch request doesn't contain any entries.")
    } else if entries.len() > 10 {
        error("TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible.")
    } else if !entries.iter().all(|entry| fits(&entry.id)) {
        error(
            "InvalidBatchEntryId",
            "The Id of a batch entry in a batch request doesn't abide by the specification.",
        )
    } else if !entries.iter().all(|entry| seen.insert(&entry.id)) {
        error("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")
    } else if entries
        .iter()
        .map(|entry| message::size(&entry.message, &entry.message_attributes))
        .sum::<usize>()
        > MOST_BYTES
    {
        error(
            "BatchRequestTooLong",
            "The length of all the batch messages put together is more than the limit.",
        )
    } else {
        Ok(())
    }
}

/// The topic and those of its subscriptions that get messages.
fn find(context: &Context, arn: &str) -> Outcome<(Topic, Vec<Subscription>)> {
    let snapshot = context.store().read()?;
    let topic = Address::of_arn(arn)?.find(&snapshot)?;
    let mut subscriptions = Subscription::all(&snapshot, &topic.address)?;
    subscriptions.retain(|subscription| subscription.confirmed);
    Ok((topic, subscriptions))
}

/// A checked message, and who wants it.
struct Prepared {
    message: Message,
    wanted_by: Vec<Subscription>,
    delivery_ids: Vec<String>,
}

fn prepare(
    context: &Context,
    topic: &Topic,
    subscriptions: &[Subscription],
    mut entry: Entry,
) -> Result<Prepared, ServiceError> {
    message::check(
        &entry.message,
        entry.subject.as_deref(),
        entry.message_structure.as_deref(),
        &entry.message_attributes,
    )?;
    entry.message_deduplication_id = check_for_topic(topic, &entry)?;
    let message = to_message(context, &topic.address.arn(), entry);
    let wanted_by: Vec<Subscription> =
        subscriptions.iter().filter(|subscription| filter::wants(subscription, &message)).cloned().collect();
    let delivery_ids = wanted_by.iter().map(|_| context.ids().hex(16)).collect();
    Ok(Prepared { message, wanted_by, delivery_ids })
}

fn to_message(context: &Context, topic: &str, entry: Entry) -> Message {
    Message {
        id: context.ids().uuid(),
        topic: topic.to_owned(),
        subject: entry.subject,
        body: entry.message,
        structured: entry.message_structure.is_some(),
        attributes: entry.message_attributes,
        published: context.now(),
        group: entry.message_group_id,
        deduplication_id: entry.message_deduplication_id,
        sequence: None,
        trace: context.trace_id.as_deref().map(str::to_owned),
    }
}

/// Checks what depends on the topic's kind, and gives the deduplication id of a FIFO topic's message.
fn check_for_topic(topic: &Topic, entry: &Entry) -> Result<Option<String>, ServiceError> {
    let token = |name: &str, value: &Option<String>| {
        let sound = |value: &String| {
            (1..=128).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic())
        };
        match value {
            Some(value) if !sound(value) => Err(errors::invalid(format!(
                "{name} Reason: The {name} must be 1 to 128 alphanumeric and punctuation characters."
            ))),
            _ => Ok(()),
        }
    };
    token("MessageGroupId", &entry.message_group_id)?;
    token("MessageDeduplicationId", &entry.message_deduplication_id)?;
    match (topic.address.is_fifo(), &entry.message_deduplication_id) {
        (false, Some(_)) => Err(errors::invalid(
            "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for \
             this topic type",
        )),
        (false, None) => Ok(None),
        (true, _) if entry.message_group_id.is_none() => {
            Err(errors::invalid("The MessageGroupId parameter is required for FIFO topics"))
        }
        (true, Some(id)) => Ok(Some(id.clone())),
        (true, None) if topic.is("ContentBasedDeduplication") => Ok(Some(
            Sha256::digest(entry.message.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect(),
        )),
        (true, None) => Err(errors::invalid(
            "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
        )),
    }
}

/// Writes the deliveries of a message, unless it is a duplicate, and says what the publisher is told.
fn send(transaction: &mut Transaction<'_>, topic: &Topic, prepared: Prepared) -> Outcome<Value> {
    let Prepared { mut message, wanted_by, delivery_ids } = prepared;
    let mut answer = json!({ "MessageId": message.id });
    if let (Some(id), Some(group)) = (message.deduplication_id.clone(), message.group.clone()) {
        let per_group =
            topic.attributes.get("FifoThroughputScope").is_some_and(|scope| scope == "MessageGroup");
        let (owner, scope) = (topic.address.arn(), if per_group { group.as_str() } else { "" });
        if let Some(earlier) = DEDUPLICATION.find(transaction, &owner, scope, &id, message.published)? {
            return Ok(earlier);
        }
        let sequence = topic.address.next_sequence(transaction)?;
        message.sequence = Some(sequence);
        answer["SequenceNumber"] = sequence.to_string().into();
        DEDUPLICATION.remember(transaction, &owner, scope, &id, message.published, answer.clone())?;
    }
    for (subscription, id) in wanted_by.iter().zip(delivery_ids) {
        delivery::add(
            transaction,
            subscription,
            delivery::Content::Notification(Box::new(message.clone())),
            id,
            message.published,
        )?;
    }
    Ok(answer)
}
