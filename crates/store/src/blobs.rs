//! Large values, each written once: objects' bodies, functions' code.
//!
//! A blob is on disk before the transaction that refers to it, and belongs to the state from [`crate::Transaction::keep`]
//! to [`crate::Transaction::discard`]. Keeps true: a crash leaves at most files that nobody kept, which the next start removes.

use crate::StoreError;
use aloft_base::Ids;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Which blobs belong to the state: a row without value for each.
pub(crate) const KEYSPACE: &str = "blobs";

/// The name of a blob.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlobId(String);

impl BlobId {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        String::from_utf8(bytes.to_vec()).ok().map(Self)
    }
}

/// The blobs of a store. Cheap to clone.
#[derive(Clone)]
pub struct Blobs(Arc<Place>);

enum Place {
    Disk(PathBuf),
    Memory(Mutex<HashMap<BlobId, Arc<[u8]>>>),
}

impl Blobs {
    pub(crate) fn on_disk(directory: PathBuf) -> Result<Self, StoreError> {
        fs::create_dir_all(&directory)?;
        Ok(Self(Arc::new(Place::Disk(directory))))
    }

    pub(crate) fn in_memory() -> Self {
        Self(Arc::new(Place::Memory(Mutex::default())))
    }

    /// Makes the bytes durable. Blocks on the disk: call it from a blocking task.
    pub fn put(&self, bytes: &[u8]) -> Result<BlobId, StoreError> {
        let id = BlobId(Ids::random().hex(32));
        match &*self.0 {
            Place::Memory(blobs) => {
                blobs.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), bytes.into());
            }
            Place::Disk(directory) => {
                let path = path_of(directory, &id);
                let parent = path.parent().unwrap_or(directory);
                fs::create_dir_all(parent)?;
                let mut file = File::create_new(&path)?;
                let written = file
                    .write_all(bytes)
                    .and_then(|()| file.sync_all())
                    .and_then(|()| File::open(parent)?.sync_all());
                if let Err(error) = written {
                    drop(fs::remove_file(&path));
                    return Err(error.into());
                }
            }
        }
        Ok(id)
    }

    /// Opens a blob, which then stays readable even when it is discarded meanwhile. Blocks on the disk.
    pub fn open(&self, id: &BlobId) -> Result<BlobReader, StoreError> {
        Ok(BlobReader(match &*self.0 {
            Place::Memory(blobs) => {
                let blobs = blobs.lock().unwrap_or_else(PoisonError::into_inner);
                Source::Memory(blobs.get(id).ok_or_else(|| missing(id))?.clone())
            }
            Place::Disk(directory) => {
                Source::Disk(File::open(path_of(directory, id)).map_err(|_| missing(id))?)
            }
        }))
    }

    /// The bytes from `offset` on, at most `length` of them. Blocks on the disk.
    pub fn read(&self, id: &BlobId, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
        self.open(id)?.read(offset, length)
    }

    /// All of the bytes. Blocks on the disk.
    pub fn read_all(&self, id: &BlobId) -> Result<Vec<u8>, StoreError> {
        self.read(id, 0, u64::MAX)
    }

    pub(crate) fn remove(&self, id: &BlobId) {
        match &*self.0 {
            Place::Memory(blobs) => drop(blobs.lock().unwrap_or_else(PoisonError::into_inner).remove(id)),
            Place::Disk(directory) => {
                if let Err(error) = fs::remove_file(path_of(directory, id)) {
                    tracing::warn!(%error, blob = id.0, "a blob's file could not be removed");
                }
            }
        }
    }

    /// Removes the files that `kept` does not know.
    pub(crate) fn sweep(&self, kept: impl Fn(&BlobId) -> Result<bool, StoreError>) -> Result<(), StoreError> {
        let Place::Disk(directory) = &*self.0 else { return Ok(()) };
        for folder in fs::read_dir(directory)?.flatten() {
            for file in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
                let id = BlobId(file.file_name().to_string_lossy().into_owned());
                if !kept(&id)? {
                    self.remove(&id);
                }
            }
        }
        Ok(())
    }
}

/// A blob that is held open.
pub struct BlobReader(Source);

enum Source {
    Disk(File),
    Memory(Arc<[u8]>),
}

impl BlobReader {
    /// The bytes from `offset` on, at most `length` of them. Blocks on the disk.
    pub fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
        match &self.0 {
            Source::Memory(bytes) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                let to = from.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)).min(bytes.len());
                Ok(bytes[from..to].to_vec())
            }
            Source::Disk(file) => {
                let mut file = file;
                file.seek(SeekFrom::Start(offset))?;
                let mut bytes = Vec::new();
                file.take(length).read_to_end(&mut bytes)?;
                Ok(bytes)
            }
        }
    }
}

fn path_of(directory: &Path, id: &BlobId) -> PathBuf {
    directory.join(id.0.get(..2).unwrap_or("00")).join(&id.0)
}

fn missing(id: &BlobId) -> StoreError {
    StoreError::Damaged { keyspace: KEYSPACE.to_owned(), reason: format!("blob {} is missing", id.0) }
}
