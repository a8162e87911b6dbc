//! What goes wrong: the service's own errors with its exact words, or the store.
//!
//! Keeps true: a message that a caller may compare with is written once, here or beside the one check that gives it.

use crate::storage::Fault;
use aloft_engine::ServiceError;
use aloft_lang::expression::{ExpressionError, Item};
use serde_json::Value;

/// What this service's functions give.
pub(crate) type Result<T> = std::result::Result<T, Fault>;

impl From<ExpressionError> for Fault {
    fn from(error: ExpressionError) -> Self {
        invalid(error.message())
    }
}

/// `ValidationException`
pub(crate) fn invalid(message: impl Into<String>) -> Fault {
    ServiceError::validation(message).into()
}

/// `ValidationException` with the service's usual beginning.
pub(crate) fn invalid_values(message: impl AsRef<str>) -> Fault {
    invalid(format!("One or more parameter values were invalid: {}", message.as_ref()))
}

/// A table that is not there, as the operations on items say it.
pub(crate) fn not_found() -> Fault {
    ServiceError::new("ResourceNotFoundException", 400, "Requested resource not found").into()
}

/// A table that is not there, as the operations on tables say it.
pub(crate) fn table_not_found(name: &str) -> Fault {
    let message = format!("Requested resource not found: Table: {name} not found");
    ServiceError::new("ResourceNotFoundException", 400, message).into()
}

/// The key is not one of this table's.
pub(crate) fn key_mismatch() -> Fault {
    invalid("The provided key element does not match the schema")
}

/// A condition that does not hold; with the item when the caller wanted it.
pub(crate) fn condition_failed(item: Option<&Item>) -> Fault {
    let error = ServiceError::new(CONDITION_FAILED, 400, "The conditional request failed");
    match item {
        Some(item) => error.with_field("Item", Value::Object(item.clone())).into(),
        None => error.into(),
    }
}

/// The code of [`condition_failed`].
pub(crate) const CONDITION_FAILED: &str = "ConditionalCheckFailedException";
