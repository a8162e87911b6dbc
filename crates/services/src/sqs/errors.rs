//! The errors of the service, in AWS's words.
//!
//! Codes are the model's exception names where it has one; `InvalidParameterValue` and `MissingParameter` are of the query
//! protocol, in which SQS still thinks.

use aloft_engine::ServiceError;
use std::fmt::Display;

fn error(code: &str, message: impl Into<String>) -> ServiceError {
    ServiceError::new(code, 400, message)
}

pub(super) fn no_queue() -> ServiceError {
    error("QueueDoesNotExist", "The specified queue does not exist.")
}

pub(super) fn queue_exists(attribute: &str) -> ServiceError {
    let message =
        format!("A queue already exists with the same name and a different value for attribute {attribute}");
    error("QueueNameExists", message)
}

/// `Value 901 for parameter DelaySeconds is invalid. Reason: ...`
pub(super) fn invalid_value(parameter: &str, value: impl Display, reason: &str) -> ServiceError {
    invalid_parameter(format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}"))
}

pub(super) fn invalid_parameter(message: impl Into<String>) -> ServiceError {
    error("InvalidParameterValue", message)
}

pub(super) fn missing_parameter(name: &str) -> ServiceError {
    error("MissingParameter", format!("The request must contain the parameter {name}."))
}

pub(super) fn unknown_attribute(name: &str) -> ServiceError {
    error("InvalidAttributeName", format!("Unknown Attribute {name}."))
}

pub(super) fn invalid_attribute_name(message: impl Into<String>) -> ServiceError {
    error("InvalidAttributeName", message)
}

pub(super) fn invalid_attribute_value(name: &str) -> ServiceError {
    error("InvalidAttributeValue", format!("Invalid value for the parameter {name}."))
}

pub(super) fn invalid_contents() -> ServiceError {
    let message = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | \
                   #xE000 to #xFFFD | #x10000 to #x10FFFF";
    error("InvalidMessageContents", message)
}

pub(super) fn invalid_receipt(handle: &str) -> ServiceError {
    error(
        "ReceiptHandleIsInvalid",
        format!("The input receipt handle \"{handle}\" is not a valid receipt handle."),
    )
}

pub(super) fn not_in_flight(handle: &str) -> ServiceError {
    let reason = "Message does not exist or is not available for visibility timeout change.";
    invalid_value("ReceiptHandle", handle, reason)
}

pub(super) fn unsupported(message: impl Into<String>) -> ServiceError {
    error("UnsupportedOperation", message)
}

pub(super) fn not_found(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ResourceNotFoundException", 404, message)
}

pub(super) fn empty_batch(entry: &str) -> ServiceError {
    error("EmptyBatchRequest", format!("There should be at least one {entry} in the request."))
}

pub(super) fn too_many_entries(count: usize) -> ServiceError {
    let message = format!("Maximum number of entries per request are 10. You have sent {count}.");
    error("TooManyEntriesInBatchRequest", message)
}

pub(super) fn repeated_id(id: &str) -> ServiceError {
    error("BatchEntryIdsNotDistinct", format!("Id {id} repeated."))
}

pub(super) fn invalid_id() -> ServiceError {
    let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. \
                   It can be at most 80 letters long.";
    error("InvalidBatchEntryId", message)
}

pub(super) fn batch_too_long(limit: usize, sent: usize) -> ServiceError {
    let message = format!("Batch requests cannot be longer than {limit} bytes. You have sent {sent} bytes.");
    error("BatchRequestTooLong", message)
}
