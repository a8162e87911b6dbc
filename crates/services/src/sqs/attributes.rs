//! The attributes of a queue: their defaults, what may be set, and what is read.

use super::queue::{Address, Queue};
use super::{errors, redrive};
use crate::storage::Outcome;
use aloft_engine::ServiceError;
use aloft_store::Transaction;
use serde_json::Value;
use std::collections::BTreeMap;

/// The attributes that are numbers: name, default, least, most.
const NUMBERS: &[(&str, &str, u64, u64)] = &[
    ("DelaySeconds", "0", 0, 900),
    ("KmsDataKeyReusePeriodSeconds", "300", 60, 86_400),
    ("MaximumMessageSize", "1048576", 1024, 1_048_576),
    ("MessageRetentionPeriod", "345600", 60, 1_209_600),
    ("ReceiveMessageWaitTimeSeconds", "0", 0, 20),
    ("VisibilityTimeout", "30", 0, 43_200),
];

/// The attributes of FIFO queues only, with their defaults and values.
const FIFO: &[(&str, &str, &[&str])] = &[
    ("ContentBasedDeduplication", "false", &["true", "false"]),
    ("DeduplicationScope", "queue", &["queue", "messageGroup"]),
    ("FifoThroughputLimit", "perQueue", &["perQueue", "perMessageGroupId"]),
];

/// Those that hold JSON, and are removed by an empty text.
const DOCUMENTS: &[&str] = &["Policy", "RedriveAllowPolicy", "RedrivePolicy"];

/// Those that tell something and cannot be set.
pub(super) const READ_ONLY: &[&str] = &[
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];

/// The value of an attribute that was not set; nothing when it is then absent.
pub(super) fn default(name: &str, fifo: bool) -> Option<&'static str> {
    match name {
        "FifoQueue" if fifo => Some("true"),
        "SqsManagedSseEnabled" => Some("true"),
        // Shown only with a key of the user's own.
        "KmsDataKeyReusePeriodSeconds" => None,
        _ => {
            let number = NUMBERS.iter().find(|(number, ..)| *number == name).map(|(_, default, ..)| *default);
            let fifo = || {
                FIFO.iter().find(|(attribute, ..)| fifo && *attribute == name).map(|(_, default, _)| *default)
            };
            number.or_else(fifo)
        }
    }
}

/// All names that can be asked for, in the order of the answer.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let settable = NUMBERS.iter().map(|(name, ..)| *name).chain(FIFO.iter().map(|(name, ..)| *name));
    let others = ["FifoQueue", "KmsMasterKeyId", "SqsManagedSseEnabled"];
    READ_ONLY.iter().copied().chain(settable).chain(DOCUMENTS.iter().copied()).chain(others)
}

/// Checks attributes and puts them on the queue, which is not written here.
pub(super) fn apply(
    transaction: &Transaction<'_>,
    queue: &mut Queue,
    attributes: &BTreeMap<String, String>,
    creating: bool,
) -> Outcome<()> {
    for (name, value) in attributes {
        check(queue, name, value, creating)?;
        match name.as_str() {
            "FifoQueue" => {}
            "RedrivePolicy" if !value.is_empty() => redrive::check_policy(transaction, queue, value)?,
            "RedriveAllowPolicy" if !value.is_empty() => redrive::check_allow_policy(value)?,
            _ => {}
        }
        if value.is_empty() {
            queue.attributes.remove(name);
        } else {
            queue.attributes.insert(name.clone(), value.clone());
        }
    }
    let per_group = queue.attribute("FifoThroughputLimit") == Some("perMessageGroupId");
    if per_group && queue.attribute("DeduplicationScope") != Some("messageGroup") {
        let message = "The perMessageGroupId value for FifoThroughputLimit is allowed only when DeduplicationScope \
                       is messageGroup.";
        return Err(ServiceError::new("InvalidAttributeValue", 400, message).into());
    }
    Ok(())
}

fn check(queue: &Queue, name: &str, value: &str, creating: bool) -> Result<(), ServiceError> {
    if let Some((_, _, least, most)) = NUMBERS.iter().find(|(number, ..)| *number == name) {
        let fits = value.parse::<u64>().is_ok_and(|number| (*least..=*most).contains(&number));
        return if fits { Ok(()) } else { Err(errors::invalid_attribute_value(name)) };
    }
    if let Some((_, _, values)) = FIFO.iter().find(|(attribute, ..)| *attribute == name) {
        if !queue.is_fifo() {
            let message = format!("You can specify the {name} only when FifoQueue is set to true.");
            return Err(errors::invalid_attribute_name(message));
        }
        return if values.contains(&value) { Ok(()) } else { Err(errors::invalid_attribute_value(name)) };
    }
    match name {
        // `false` is refused as well: a queue is standard by saying nothing.
        "FifoQueue" if creating => match value {
            "true" if queue.is_fifo() => Ok(()),
            "false" if !queue.is_fifo() => Err(errors::unknown_attribute(name)),
            "true" | "false" => Err(fifo_name()),
            _ => Err(errors::invalid_attribute_value(name)),
        },
        "FifoQueue" if queue.attribute(name) == Some(value) => Ok(()),
        "FifoQueue" => Err(errors::invalid_attribute_value(name)),
        "SqsManagedSseEnabled" if !matches!(value, "true" | "false") => {
            Err(errors::invalid_attribute_value(name))
        }
        "KmsMasterKeyId" | "SqsManagedSseEnabled" => Ok(()),
        _ if DOCUMENTS.contains(&name) => {
            let sound =
                value.is_empty() || serde_json::from_str::<Value>(value).is_ok_and(|value| value.is_object());
            if sound { Ok(()) } else { Err(errors::invalid_attribute_value(name)) }
        }
        _ => Err(errors::unknown_attribute(name)),
    }
}

/// What a FIFO queue's name must look like, in AWS's words.
pub(super) fn fifo_name() -> ServiceError {
    errors::invalid_parameter(
        "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with \
         .fifo suffix and be 1 to 80 in length.",
    )
}

/// The first attribute whose wanted value is not the one that the queue has.
pub(super) fn first_difference<'a>(queue: &Queue, wanted: &'a BTreeMap<String, String>) -> Option<&'a str> {
    let same = |name: &str, wanted: &str| {
        let has = queue.attribute(name).unwrap_or_default();
        let json = |text: &str| serde_json::from_str::<Value>(text).ok();
        has == wanted || (DOCUMENTS.contains(&name) && json(has).is_some() && json(has) == json(wanted))
    };
    wanted.iter().find(|(name, value)| !same(name, value)).map(|(name, _)| name.as_str())
}

/// The queue that an ARN in a redrive policy names.
pub(super) fn queue_of_arn(transaction: &Transaction<'_>, arn: &str) -> Outcome<Option<Queue>> {
    let Some(address) = Address::of_arn(arn) else { return Ok(None) };
    Ok(transaction.get_json(super::queue::QUEUES, address.key())?)
}
