//! The ledger: one row for each invocation, with what it took; what a bill, a metric and a trace are made from.
//!
//! Keeps true: the rows are in the order in which invocations ended, and there are never more than [`LIMIT`] of them.

use aloft_base::{AccountId, Region, Timestamp};
use aloft_store::{Key, Keyspace, Store, StoreError};
use serde::{Deserialize, Serialize};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};

/// Rows by number.
pub const LEDGER: Keyspace = "lambda.ledger";
/// How many rows are kept.
pub const LIMIT: u64 = 100_000;

/// One invocation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// When it ended.
    pub at: Timestamp,
    /// The request's identifier.
    pub request_id: String,
    /// Whose function it is.
    pub account: AccountId,
    /// Where the function is.
    pub region: Region,
    /// The function's name.
    pub function: String,
    /// The version that ran.
    pub version: String,
    /// Who asked for it: a principal, or the event source.
    pub cause: String,
    /// The trace that it belongs to.
    pub trace_id: String,
    /// Its log stream.
    pub log_stream: String,
    /// How long the handler took, in milliseconds.
    pub duration_ms: f64,
    /// How long the initialisation took, when it began with one, in milliseconds.
    pub init_ms: Option<f64>,
    /// What is billed, in milliseconds.
    pub billed_ms: u64,
    /// The memory that the function has, in MB.
    pub memory_mb: u32,
    /// The most memory that its environment used, in MB.
    pub used_mb: u32,
    /// `Success`, `Handled` or `Unhandled`.
    pub result: String,
}

/// Writes the ledger.
pub(super) struct Ledger {
    next: AtomicU64,
}

impl Ledger {
    /// Goes on where the store's rows end.
    pub fn open(store: &Store) -> Self {
        let last = store.read().and_then(|it| it.range(LEDGER, Bound::Unbounded, Bound::Unbounded, 1, true));
        let last = last.ok().and_then(|rows| Some(u64::from_be_bytes(*rows.first()?.0.first_chunk()?)));
        Self { next: AtomicU64::new(last.unwrap_or(0) + 1) }
    }

    /// Adds a row, without anybody waiting; the oldest goes.
    pub fn add(&self, store: &Store, entry: Entry) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        store.write_later(move |transaction| {
            if let Some(oldest) = number.checked_sub(LIMIT) {
                transaction.delete(LEDGER, Key::default().number(oldest));
            }
            transaction.put_json(LEDGER, Key::default().number(number), &entry)
        });
    }
}

/// The last rows, the newest first.
///
/// # Errors
/// When the store cannot be read.
pub fn recent(store: &Store, limit: usize) -> Result<Vec<Entry>, StoreError> {
    let rows = store.read()?.range(LEDGER, Bound::Unbounded, Bound::Unbounded, limit, true)?;
    rows.iter().map(|(_, row)| crate::storage::decode(LEDGER, row)).collect()
}
