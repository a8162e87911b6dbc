//! The one place where the local cloud keeps state: ordered keyspaces, serialised transactions, snapshots, blobs.
//!
//! Knows nothing of services or HTTP. Keeps true: when [`Store::write`] has answered, what was written survives a
//! `kill -9`; a transaction happens whole or not at all; transactions see each other in one order.

mod blobs;
mod key;
mod slots;
mod snapshot;
mod transaction;
mod writer;

pub use blobs::{BlobId, BlobReader, Blobs};
pub use key::{Key, key};
pub use slots::Slots;
pub use snapshot::Snapshot;
pub use transaction::Transaction;

use redb::{Database, ReadableTable, TableDefinition};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{oneshot, watch};

/// All keyspaces live in one table; a key is the keyspace's name, a zero byte, and the key within it.
const ROWS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("rows");

/// The layout of keys and values on disk; a store of a later format is refused.
const FORMAT: u8 = 1;

/// What redb may keep of its file in memory.
const CACHE_BYTES: usize = 24 * 1024 * 1024;

/// A part of the store with keys of its own, such as `sqs.messages`.
pub type Keyspace = &'static str;

/// Why the store could not do its work. None of these is the caller's mistake.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk, or the database on it, failed.
    #[error("storage failed: {0}")]
    Storage(String),
    /// Another process has the data directory open.
    #[error("the data directory {0} is in use by another process")]
    InUse(String),
    /// The data directory was written by a later version.
    #[error("the data directory has format {0}, which this version cannot read")]
    Format(u8),
    /// A stored value could not be read as what it should be.
    #[error("a stored value in `{keyspace}` is damaged: {reason}")]
    Damaged {
        /// The keyspace it is in.
        keyspace: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The transaction panicked; nothing of it was kept.
    #[error("a transaction failed inside: {0}")]
    Panicked(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

macro_rules! from_redb {
    ($($kind:ident),*) => {$(
        impl From<redb::$kind> for StoreError {
            fn from(error: redb::$kind) -> Self {
                Self::Storage(error.to_string())
            }
        }
    )*};
}
from_redb!(CommitError, StorageError, TableError, TransactionError);

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        Self::Storage(error.to_string())
    }
}

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    database: Arc<Database>,
    writer: writer::Writer,
    watches: Arc<Watches>,
    blobs: Blobs,
    directory: Option<PathBuf>,
}

/// Who waits for a keyspace to change.
#[derive(Default)]
struct Watches(Mutex<HashMap<String, watch::Sender<u64>>>);

impl Watches {
    fn subscribe(&self, keyspace: &str) -> watch::Receiver<u64> {
        let mut senders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        senders.entry(keyspace.to_owned()).or_insert_with(|| watch::channel(0).0).subscribe()
    }

    fn changed<'a>(&self, keyspaces: impl Iterator<Item = &'a str>) {
        let senders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for keyspace in keyspaces {
            if let Some(sender) = senders.get(keyspace) {
                sender.send_modify(|count| *count += 1);
            }
        }
    }
}

impl Store {
    /// Opens the store in `directory`, which is made when it is missing. Files of blobs that no transaction kept are removed.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(directory)?;
        let database = redb::Builder::new()
            .set_cache_size(CACHE_BYTES)
            .create(directory.join("store.redb"))
            .map_err(|error| match error {
                redb::DatabaseError::DatabaseAlreadyOpen => {
                    StoreError::InUse(directory.display().to_string())
                }
                other => StoreError::Storage(other.to_string()),
            })?;
        Self::with(database, Blobs::on_disk(directory.join("blobs"))?, Some(directory.to_owned()))
    }

    /// A store in memory, gone when the last clone is dropped.
    pub fn ephemeral() -> Result<Self, StoreError> {
        let database = redb::Builder::new()
            .set_cache_size(CACHE_BYTES)
            .create_with_backend(redb::backends::InMemoryBackend::new())
            .map_err(|error| StoreError::Storage(error.to_string()))?;
        Self::with(database, Blobs::in_memory(), None)
    }

    fn with(database: Database, blobs: Blobs, directory: Option<PathBuf>) -> Result<Self, StoreError> {
        prepare(&database)?;
        let database = Arc::new(database);
        let watches = Arc::<Watches>::default();
        let writer = writer::Writer::start(database.clone(), watches.clone(), blobs.clone())?;
        let store = Self(Arc::new(Inner { database, writer, watches, blobs, directory }));
        let snapshot = store.read()?;
        store.0.blobs.sweep(|id| snapshot.get(blobs::KEYSPACE, id.as_bytes()).map(|row| row.is_some()))?;
        Ok(store)
    }

    /// A view of everything as it is now, which later writes do not change.
    pub fn read(&self) -> Result<Snapshot, StoreError> {
        Snapshot::of(&self.0.database)
    }

    /// Runs `work` alone on the current state and makes what it wrote durable before answering. Nothing is written when it fails.
    ///
    /// `work` runs on the writer's thread: it must be quick and must not block.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.0.writer.submit(work, move |result| drop(answer.send(result)))?;
        answered.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    /// Like [`Store::write`] for who cannot wait: the order is kept, but nobody hears whether it worked. Such writes gather
    /// for some milliseconds, so that many share a commit; [`Store::settle`] ends that.
    pub fn write_later<F>(&self, work: F)
    where
        F: FnOnce(&mut Transaction<'_>) -> Result<(), StoreError> + Send + 'static,
    {
        let log = |result: Result<(), StoreError>| {
            if let Err(error) = result {
                tracing::error!(%error, "a write in the background failed");
            }
        };
        if let Err(error) = self.0.writer.submit_later(work, log) {
            tracing::error!(%error, "a write in the background was lost");
        }
    }

    /// Waits until everything is on disk that was given to [`Store::write_later`] before. For who is about to read it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn settle(&self) -> Result<(), StoreError> {
        if self.0.writer.is_settled() { Ok(()) } else { self.write(|_| Ok(())).await }
    }

    /// Changes after every commit that touched `keyspace`.
    pub fn watch(&self, keyspace: Keyspace) -> watch::Receiver<u64> {
        self.0.watches.subscribe(keyspace)
    }

    /// Large values, outside the keyspaces.
    pub fn blobs(&self) -> &Blobs {
        &self.0.blobs
    }

    /// Opens the slots of that name, with the records that the last run left in them. For one holder at a time.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn slots(&self, name: &str) -> Result<(Slots, slots::Records), StoreError> {
        let path = self.0.directory.as_ref().map(|directory| directory.join(format!("{name}.slots")));
        Slots::open(path.as_deref())
    }

    /// Forgets everything: all rows and all blobs.
    pub async fn reset(&self) -> Result<(), StoreError> {
        self.write(|transaction| transaction.clear()).await
    }
}

/// Makes the table in a new database, and refuses a database of another format.
fn prepare(database: &Database) -> Result<(), StoreError> {
    let transaction = database.begin_write()?;
    {
        let mut rows = transaction.open_table(ROWS)?;
        let found = rows.get(&b"\0format"[..])?.map(|format| format.value().first().copied().unwrap_or(0));
        match found {
            Some(FORMAT) => {}
            Some(other) => return Err(StoreError::Format(other)),
            None => drop(rows.insert(&b"\0format"[..], &[FORMAT][..])?),
        }
    }
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests;
