//! The errors of the service, in AWS's words.

use super::bus;
use aloft_engine::ServiceError;

pub(super) fn not_found(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ResourceNotFoundException", 400, message)
}

pub(super) fn no_bus(name: &str) -> ServiceError {
    not_found(format!("Event bus {name} does not exist."))
}

pub(super) fn no_rule(name: &str, bus: &bus::Address) -> ServiceError {
    not_found(format!("Rule {name} does not exist on EventBus {}.", bus.name))
}

pub(super) fn limit_exceeded(message: impl Into<String>) -> ServiceError {
    ServiceError::new("LimitExceededException", 400, message)
}

/// Something that AWS has and the local cloud has not.
pub(super) fn not_built(what: &str) -> ServiceError {
    ServiceError::new("NotImplemented", 501, format!("the local cloud has not built {what}"))
}
