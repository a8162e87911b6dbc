//! What a write sees and does.

use crate::blobs::{self, BlobId};
use crate::snapshot::{Row, borrow, decode, full, get, is_empty, key_range, prefix_range, strip};
use crate::{Keyspace, ROWS, StoreError};
use redb::{ReadableTable, Table, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::ops::Bound;

/// A transaction: reads see what it wrote, and nothing is applied before it ends well.
pub struct Transaction<'a> {
    table: Table<'a, &'static [u8], &'static [u8]>,
    /// What was written: `None` is a removal.
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    discarded: Vec<BlobId>,
}

/// What is left to do when the transaction's commit is on disk.
#[derive(Default)]
pub(crate) struct Applied {
    pub keyspaces: Vec<String>,
    pub discarded: Vec<BlobId>,
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(group: &'a WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self { table: group.open_table(ROWS)?, changes: BTreeMap::new(), discarded: Vec::new() })
    }

    /// The value under a key.
    pub fn get(&self, keyspace: Keyspace, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, StoreError> {
        let key = full(keyspace, key.as_ref());
        match self.changes.get(&key) {
            Some(change) => Ok(change.clone()),
            None => get(&self.table, &key),
        }
    }

    /// The value under a key, read as JSON.
    pub fn get_json<T: DeserializeOwned>(
        &self,
        keyspace: Keyspace,
        key: impl AsRef<[u8]>,
    ) -> Result<Option<T>, StoreError> {
        self.get(keyspace, key)?.map(|value| decode(keyspace, &value)).transpose()
    }

    /// Writes a value.
    pub fn put(&mut self, keyspace: Keyspace, key: impl AsRef<[u8]>, value: impl Into<Vec<u8>>) {
        self.changes.insert(full(keyspace, key.as_ref()), Some(value.into()));
    }

    /// Writes a value as JSON.
    pub fn put_json<T: Serialize>(
        &mut self,
        keyspace: Keyspace,
        key: impl AsRef<[u8]>,
        value: &T,
    ) -> Result<(), StoreError> {
        let wrong = |error: serde_json::Error| StoreError::Damaged {
            keyspace: keyspace.to_owned(),
            reason: error.to_string(),
        };
        self.put(keyspace, key, serde_json::to_vec(value).map_err(wrong)?);
        Ok(())
    }

    /// Removes a key, if it is there.
    pub fn delete(&mut self, keyspace: Keyspace, key: impl AsRef<[u8]>) {
        self.changes.insert(full(keyspace, key.as_ref()), None);
    }

    /// Removes all keys that begin with `prefix`, and tells how many there were.
    pub fn delete_prefix(
        &mut self,
        keyspace: Keyspace,
        prefix: impl AsRef<[u8]>,
    ) -> Result<usize, StoreError> {
        let rows = self.scan(keyspace, prefix, usize::MAX)?;
        for (key, _) in &rows {
            self.delete(keyspace, key);
        }
        Ok(rows.len())
    }

    /// At most `limit` rows whose key begins with `prefix`, in order of keys.
    pub fn scan(
        &self,
        keyspace: Keyspace,
        prefix: impl AsRef<[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let (from, to) = prefix_range(keyspace, prefix.as_ref());
        self.rows(keyspace, from, to, limit, false)
    }

    /// Rows whose key begins with `prefix`, read as JSON, in order of keys.
    pub fn scan_json<T: DeserializeOwned>(
        &self,
        keyspace: Keyspace,
        prefix: impl AsRef<[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, T)>, StoreError> {
        let rows = self.scan(keyspace, prefix, limit)?;
        rows.into_iter().map(|(key, value)| Ok((key, decode(keyspace, &value)?))).collect()
    }

    /// At most `limit` rows between two keys, the last first when `backwards`.
    pub fn range(
        &self,
        keyspace: Keyspace,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
        backwards: bool,
    ) -> Result<Vec<Row>, StoreError> {
        let (from, to) = key_range(keyspace, from, to);
        self.rows(keyspace, from, to, limit, backwards)
    }

    /// Says that the blob belongs to the state from now on; see [`crate::Blobs`].
    pub fn keep(&mut self, blob: &BlobId) {
        self.put(blobs::KEYSPACE, blob.as_bytes(), []);
    }

    /// Says that the blob is no longer needed: its file goes once this is committed.
    pub fn discard(&mut self, blob: &BlobId) {
        self.delete(blobs::KEYSPACE, blob.as_bytes());
        self.discarded.push(blob.clone());
    }

    pub(crate) fn clear(&mut self) -> Result<(), StoreError> {
        let mut keys = Vec::new();
        for entry in self.table.range::<&[u8]>(&b"\x01"[..]..)? {
            keys.push(entry?.0.value().to_vec());
        }
        let blobs = self.scan(blobs::KEYSPACE, [], usize::MAX)?;
        self.discarded.extend(blobs.into_iter().filter_map(|(key, _)| BlobId::from_bytes(&key)));
        self.changes.extend(keys.into_iter().map(|key| (key, None)));
        Ok(())
    }

    /// Writes the changes into the table.
    pub(crate) fn apply(mut self) -> Result<Applied, StoreError> {
        let mut applied = Applied { discarded: self.discarded, ..Applied::default() };
        for (key, change) in self.changes {
            let name = key.split(|byte| *byte == 0).next().unwrap_or_default();
            if applied.keyspaces.last().is_none_or(|last| last.as_bytes() != name) {
                applied.keyspaces.push(String::from_utf8_lossy(name).into_owned());
            }
            match change {
                Some(value) => drop(self.table.insert(key.as_slice(), value.as_slice())?),
                None => drop(self.table.remove(key.as_slice())?),
            }
        }
        Ok(applied)
    }

    /// The table's rows with the changes laid over them: a merge of two sorted sequences.
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
        let mut stored = self.table.range::<&[u8]>((borrow(&from), borrow(&to)))?;
        let mut changes = self.changes.range::<[u8], _>((borrow(&from), borrow(&to)));
        let mut next_stored = move || -> Result<Option<Row>, StoreError> {
            let entry = if backwards { stored.next_back() } else { stored.next() };
            Ok(entry.transpose()?.map(|(key, value)| (key.value().to_vec(), value.value().to_vec())))
        };
        let mut next_change = move || if backwards { changes.next_back() } else { changes.next() };
        let (mut row, mut change) = (next_stored()?, next_change());
        let mut rows = Vec::new();
        while rows.len() < limit {
            let change_is_first = match (&row, &change) {
                (None, None) => break,
                (None, Some(_)) => true,
                (Some(_), None) => false,
                (Some((stored, _)), Some((changed, _))) => {
                    if stored == *changed {
                        row = next_stored()?;
                        continue;
                    }
                    (*changed < stored) != backwards
                }
            };
            if change_is_first {
                if let Some((key, Some(value))) = change {
                    rows.push((strip(keyspace, key), value.clone()));
                }
                change = next_change();
            } else {
                rows.extend(row.take().map(|(key, value)| (strip(keyspace, &key), value)));
                row = next_stored()?;
            }
        }
        Ok(rows)
    }
}
