//! How an operation fails inside a transaction: by the caller's mistake or by the store's.
//!
//! Keeps true: a caller never sees what the store said, only that it failed.

use aloft_engine::{ServiceError, storage_failed};
use aloft_store::StoreError;

/// Why an operation was not done. `?` makes one of either error, and a [`ServiceError`] of it again.
#[derive(Debug)]
pub(crate) struct Failure(pub ServiceError);

/// What an operation, or a step of one inside a transaction, gives.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        Self(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self(storage_failed(&error))
    }
}

impl From<Failure> for ServiceError {
    fn from(failure: Failure) -> Self {
        failure.0
    }
}
