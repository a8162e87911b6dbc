//! What the operations of REST APIs refuse with.

use crate::storage::Fault;
use aloft_engine::ServiceError;

pub(super) fn bad_request(message: impl Into<String>) -> Fault {
    Fault::Service(ServiceError::new("BadRequestException", 400, message))
}

pub(super) fn not_found(message: impl Into<String>) -> Fault {
    Fault::Service(ServiceError::new("NotFoundException", 404, message))
}

pub(super) fn conflict(message: impl Into<String>) -> Fault {
    Fault::Service(ServiceError::new("ConflictException", 409, message))
}

pub(super) fn not_built(what: &str) -> Fault {
    Fault::Service(ServiceError::new("NotImplemented", 501, format!("the local cloud has not built {what}")))
}
