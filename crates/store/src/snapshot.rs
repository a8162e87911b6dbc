//! A view of the state at one moment.

use crate::{ROWS, StoreError};
use redb::{Database, ReadableDatabase, ReadableTable};
use serde::de::DeserializeOwned;
use std::ops::Bound;

/// A row: the key within its keyspace, and the value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Everything as it was when [`crate::Store::read`] was called. Drop it soon: it keeps old pages on disk.
pub struct Snapshot(redb::ReadOnlyTable<&'static [u8], &'static [u8]>);

impl Snapshot {
    pub(crate) fn of(database: &Database) -> Result<Self, StoreError> {
        Ok(Self(database.begin_read()?.open_table(ROWS)?))
    }

    /// The value under a key.
    pub fn get(&self, keyspace: &str, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, StoreError> {
        get(&self.0, &full(keyspace, key.as_ref()))
    }

    /// The value under a key, read as JSON.
    pub fn get_json<T: DeserializeOwned>(
        &self,
        keyspace: &str,
        key: impl AsRef<[u8]>,
    ) -> Result<Option<T>, StoreError> {
        self.get(keyspace, key)?.map(|value| decode(keyspace, &value)).transpose()
    }

    /// At most `limit` rows whose key begins with `prefix`, in order of keys.
    pub fn scan(
        &self,
        keyspace: &str,
        prefix: impl AsRef<[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let (from, to) = prefix_range(keyspace, prefix.as_ref());
        self.rows(keyspace, from, to, limit, false)
    }

    /// Rows whose key begins with `prefix`, read as JSON, in order of keys.
    pub fn scan_json<T: DeserializeOwned>(
        &self,
        keyspace: &str,
        prefix: impl AsRef<[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, T)>, StoreError> {
        let rows = self.scan(keyspace, prefix, limit)?;
        rows.into_iter().map(|(key, value)| Ok((key, decode(keyspace, &value)?))).collect()
    }

    /// At most `limit` rows between two keys, the last first when `backwards`.
    pub fn range(
        &self,
        keyspace: &str,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
        backwards: bool,
    ) -> Result<Vec<Row>, StoreError> {
        let (from, to) = key_range(keyspace, from, to);
        self.rows(keyspace, from, to, limit, backwards)
    }

    fn rows(
        &self,
        keyspace: &str,
        from: Bound<Vec<u8>>,
        to: Bound<Vec<u8>>,
        limit: usize,
        backwards: bool,
    ) -> Result<Vec<Row>, StoreError> {
        if is_empty(&from, &to) {
            return Ok(Vec::new());
        }
        let mut range = self.0.range::<&[u8]>((borrow(&from), borrow(&to)))?;
        let mut rows = Vec::new();
        while rows.len() < limit {
            let Some(entry) = (if backwards { range.next_back() } else { range.next() }) else { break };
            let (key, value) = entry?;
            rows.push((strip(keyspace, key.value()), value.value().to_vec()));
        }
        Ok(rows)
    }
}

pub(crate) fn get(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    key: &[u8],
) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(table.get(key)?.map(|value| value.value().to_vec()))
}

pub(crate) fn decode<T: DeserializeOwned>(keyspace: &str, value: &[u8]) -> Result<T, StoreError> {
    let damaged = |error: serde_json::Error| StoreError::Damaged {
        keyspace: keyspace.to_owned(),
        reason: error.to_string(),
    };
    serde_json::from_slice(value).map_err(damaged)
}

/// A key with its keyspace in front.
pub(crate) fn full(keyspace: &str, key: &[u8]) -> Vec<u8> {
    [keyspace.as_bytes(), &[0], key].concat()
}

/// A key without its keyspace.
pub(crate) fn strip(keyspace: &str, full: &[u8]) -> Vec<u8> {
    full[keyspace.len() + 1..].to_vec()
}

/// All keys with a prefix.
pub(crate) fn prefix_range(keyspace: &str, prefix: &[u8]) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let from = full(keyspace, prefix);
    let mut to = from.clone();
    while let Some(last) = to.pop() {
        if last < 0xff {
            to.push(last + 1);
            break;
        }
    }
    (Bound::Included(from), Bound::Excluded(to))
}

/// All keys between two, inside the keyspace.
pub(crate) fn key_range(
    keyspace: &str,
    from: Bound<&[u8]>,
    to: Bound<&[u8]>,
) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let (first, end) = prefix_range(keyspace, &[]);
    let from = match from {
        Bound::Unbounded => first,
        bound => bound.map(|key| full(keyspace, key)),
    };
    let to = match to {
        Bound::Unbounded => end,
        bound => bound.map(|key| full(keyspace, key)),
    };
    (from, to)
}

/// Whether no key can lie between the bounds: ranges of maps panic on bounds in the wrong order.
pub(crate) fn is_empty(from: &Bound<Vec<u8>>, to: &Bound<Vec<u8>>) -> bool {
    match (from, to) {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => {
            from >= to
        }
        _ => false,
    }
}

pub(crate) fn borrow(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}
