//! What every service needs around the store: one error for what may go wrong inside a transaction, and one way to read
//! that does not care whether it happens in a transaction or in a snapshot.

use aloft_engine::{ServiceError, storage_failed};
use aloft_store::{Keyspace, Snapshot, StoreError, Transaction};
use serde::de::DeserializeOwned;
use std::ops::Bound;

/// Why an operation or a transaction did not happen: the caller asked for what cannot be, or the store failed. A caller never
/// sees what the store said, only that it failed.
#[derive(Debug)]
pub enum Fault {
    /// The answer for the caller.
    Service(ServiceError),
    /// Not the caller's mistake.
    Store(StoreError),
}

impl From<ServiceError> for Fault {
    fn from(error: ServiceError) -> Self {
        Self::Service(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Fault> for ServiceError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Service(error) => error,
            Fault::Store(error) => storage_failed(&error),
        }
    }
}

/// What an operation, or a step of one inside a transaction, gives.
pub type Outcome<T> = Result<T, Fault>;

/// A row: the key within its keyspace, and the value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Rows as a transaction or a snapshot sees them.
pub trait Rows {
    /// The value under a key, read as JSON.
    fn row<T: DeserializeOwned>(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<T>, StoreError>;

    /// At most `limit` rows whose key begins with `prefix`, in order of keys.
    fn rows(&self, keyspace: Keyspace, prefix: &[u8], limit: usize) -> Result<Vec<Row>, StoreError>;

    /// At most `limit` rows between two keys, in order of keys.
    fn rows_between(
        &self,
        keyspace: Keyspace,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError>;
}

macro_rules! rows {
    ($($kind:ty),*) => {$(
        impl Rows for $kind {
            fn row<T: DeserializeOwned>(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<T>, StoreError> {
                self.get_json(keyspace, key)
            }

            fn rows(&self, keyspace: Keyspace, prefix: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
                self.scan(keyspace, prefix, limit)
            }

            fn rows_between(
                &self,
                keyspace: Keyspace,
                from: Bound<&[u8]>,
                to: Bound<&[u8]>,
                limit: usize,
            ) -> Result<Vec<Row>, StoreError> {
                self.range(keyspace, from, to, limit, false)
            }
        }
    )*};
}
rows!(Transaction<'_>, Snapshot);

/// Reads a stored JSON value.
pub fn decode<T: DeserializeOwned>(keyspace: Keyspace, value: &[u8]) -> Result<T, StoreError> {
    let damaged = |error: serde_json::Error| StoreError::Damaged {
        keyspace: keyspace.to_owned(),
        reason: error.to_string(),
    };
    serde_json::from_slice(value).map_err(damaged)
}
