//! Lambda's own errors, with their codes, statuses and words.

use aloft_engine::ServiceError;
use serde_json::Value;

/// Most of Lambda's errors say whose mistake it was.
pub(super) fn user(code: &str, status: u16, message: impl Into<String>) -> ServiceError {
    ServiceError::new(code, status, message).with_field("Type", "User")
}

pub(super) fn invalid(message: impl Into<String>) -> ServiceError {
    user("InvalidParameterValueException", 400, message)
}

pub(super) fn not_found(message: impl Into<String>) -> ServiceError {
    user("ResourceNotFoundException", 404, message)
}

pub(super) fn no_function(arn: &str) -> ServiceError {
    not_found(format!("Function not found: {arn}"))
}

pub(super) fn nothing_there() -> ServiceError {
    not_found("The resource you requested does not exist.")
}

pub(super) fn conflict(message: impl Into<String>) -> ServiceError {
    user("ResourceConflictException", 409, message)
}

pub(super) fn wrong_revision() -> ServiceError {
    user(
        "PreconditionFailedException",
        412,
        "The RevisionId provided does not match the latest RevisionId. Call the GetFunction/GetAlias API to retrieve the latest RevisionId",
    )
}

pub(super) fn too_large(limit: usize, operation: &str) -> ServiceError {
    let message = format!("Request must be smaller than {limit} bytes for the {operation} operation");
    user("RequestTooLargeException", 413, message)
}

pub(super) fn throttled(reason: &str) -> ServiceError {
    user("TooManyRequestsException", 429, "Rate Exceeded.").with_field("Reason", reason)
}

pub(super) fn failed(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ServiceException", 500, message)
}

/// Refuses members that the local cloud does not honour.
pub(super) fn refuse(params: &Value, members: &[&str]) -> Result<(), ServiceError> {
    let asked = members.iter().find(|name| params.get(**name).is_some_and(|value| !is_nothing(value)));
    asked.map_or(Ok(()), |name| Err(invalid(format!("The local cloud has not built the parameter {name}."))))
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}
