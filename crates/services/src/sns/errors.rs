//! The errors of the service, in AWS's words.

use aloft_engine::ServiceError;
use std::fmt::Display;

/// `Invalid parameter: TopicArn`, often with a reason after it.
pub(super) fn invalid(what: impl Display) -> ServiceError {
    ServiceError::new("InvalidParameterException", 400, format!("Invalid parameter: {what}"))
}

/// An attribute of a message is wrong.
pub(super) fn invalid_value(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidParameterValueException", 400, message)
}

pub(super) fn no_topic() -> ServiceError {
    ServiceError::new("NotFoundException", 404, "Topic does not exist")
}

pub(super) fn no_subscription() -> ServiceError {
    ServiceError::new("NotFoundException", 404, "Subscription does not exist")
}

pub(super) fn no_resource() -> ServiceError {
    ServiceError::new("ResourceNotFoundException", 404, "Resource does not exist")
}

/// Something that AWS has and the local cloud has not.
pub(super) fn not_built(what: &str) -> ServiceError {
    ServiceError::new("NotImplemented", 501, format!("the local cloud has not built {what}"))
}
