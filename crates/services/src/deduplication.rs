//! Deduplication ids of FIFO queues and topics: what was sent once is not taken again within five minutes.
//!
//! Keeps true: rows of the past are dropped as new ones come, so that the memory of a queue stays bounded by its traffic.

use aloft_base::Timestamp;
use aloft_store::{Key, Keyspace, StoreError, Transaction};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ops::Bound;
use std::time::Duration;

/// How long a deduplication id is remembered.
const WINDOW: Duration = Duration::from_secs(300);
/// How many rows of the past are dropped for each new one.
const SWEEP: usize = 4;

/// A memory of deduplication ids.
pub(crate) struct Deduplication {
    /// By owner, scope and id.
    pub rows: Keyspace,
    /// By owner and the time at which they are forgotten.
    pub due: Keyspace,
}

#[derive(Serialize, Deserialize)]
struct Row {
    expires: Timestamp,
    answer: Value,
}

impl Deduplication {
    /// What was answered when this id came before, if that is not long ago.
    pub fn find(
        &self,
        transaction: &Transaction<'_>,
        owner: &str,
        scope: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<Value>, StoreError> {
        let row: Option<Row> = transaction.get_json(self.rows, row_key(owner, scope, id))?;
        Ok(row.filter(|row| row.expires > now).map(|row| row.answer))
    }

    /// Remembers what is answered now.
    pub fn remember(
        &self,
        transaction: &mut Transaction<'_>,
        owner: &str,
        scope: &str,
        id: &str,
        now: Timestamp,
        answer: Value,
    ) -> Result<(), StoreError> {
        self.sweep(transaction, owner, now)?;
        let (key, expires) = (row_key(owner, scope, id), now.add(WINDOW));
        transaction.put(self.due, due_key(owner, expires).raw(key.as_ref()), []);
        transaction.put_json(self.rows, &key, &Row { expires, answer })
    }

    /// Forgets all of an owner's.
    pub fn forget(&self, transaction: &mut Transaction<'_>, owner: &str) -> Result<(), StoreError> {
        transaction.delete_prefix(self.rows, Key::default().text(owner))?;
        transaction.delete_prefix(self.due, Key::default().text(owner))?;
        Ok(())
    }

    fn sweep(
        &self,
        transaction: &mut Transaction<'_>,
        owner: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (from, to) = (Key::default().text(owner), due_key(owner, now));
        let rows = transaction.range(
            self.due,
            Bound::Included(from.as_ref()),
            Bound::Excluded(to.as_ref()),
            SWEEP,
            false,
        )?;
        for (due, _) in rows {
            let key = &due[to.as_ref().len()..];
            // The id may have come again since, and then its row lives longer.
            if transaction.get_json::<Row>(self.rows, key)?.is_some_and(|row| row.expires <= now) {
                transaction.delete(self.rows, key);
            }
            transaction.delete(self.due, &due);
        }
        Ok(())
    }
}

fn row_key(owner: &str, scope: &str, id: &str) -> Key {
    Key::default().text(owner).text(scope).text(id)
}

fn due_key(owner: &str, at: Timestamp) -> Key {
    Key::default().text(owner).number(at.millis().max(0) as u64)
}
