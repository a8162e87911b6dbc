//! The errors of the service.

use aloft_engine::ServiceError;

pub(super) fn no_schedule(name: &str) -> ServiceError {
    not_found(format!("Schedule {name} does not exist."))
}

pub(super) fn no_group(name: &str) -> ServiceError {
    not_found(format!("Schedule group {name} does not exist."))
}

fn not_found(message: String) -> ServiceError {
    ServiceError::new("ResourceNotFoundException", 404, message)
}

pub(super) fn conflict(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ConflictException", 409, message)
}

pub(super) fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ValidationException", 400, message)
}

/// Something that AWS has and the local cloud has not.
pub(super) fn not_built(what: &str) -> ServiceError {
    ServiceError::new("NotImplemented", 501, format!("the local cloud has not built {what}"))
}
