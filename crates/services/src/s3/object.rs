//! What is stored of an object: its current version in one keyspace, so that listings are quick, older ones in another.
//!
//! Keeps true, inside a transaction: a key has a current version exactly when it has any; the blobs of versions that go
//! are discarded with them; what a bucket's notifications want to know is written with the change.

use super::bucket::{Bucket, Versioning, object_key};
use super::checksum::Checksum;
use super::facts::Facts;
use super::{error, event};
use crate::storage::{Fault, Rows, decode};
use aloft_base::Timestamp;
use aloft_engine::{Context, ServiceError};
use aloft_store::{BlobId, Keyspace, StoreError, Transaction};
use base64::Engine as _;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The current version of each key; it may be a delete marker.
pub(super) const OBJECTS: Keyspace = "s3.objects";
/// Older versions, of each key the newest first.
pub(super) const OLDER: Keyspace = "s3.older-versions";

/// The version of objects that were written while versioning was not enabled.
pub(super) const NULL_VERSION: &str = "null";

/// A piece of a body: the whole, or a part of a multipart upload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Piece {
    pub blob: BlobId,
    pub size: u64,
    /// The part's number; 0 for a body that was not sent in parts.
    pub number: u16,
    pub checksum: Option<Checksum>,
}

/// A version of an object, or a delete marker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Version {
    pub id: String,
    /// Grows with each version of a key.
    pub sequence: u64,
    pub delete_marker: bool,
    pub modified: Timestamp,
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    pub pieces: Vec<Piece>,
    pub checksum: Option<Checksum>,
    pub facts: Facts,
}

impl Version {
    /// The ETag as headers write it.
    pub fn quoted_etag(&self) -> String {
        format!("\"{}\"", self.etag)
    }

    pub fn storage_class(&self) -> &str {
        self.facts.storage_class.as_deref().unwrap_or("STANDARD")
    }

    pub fn is_multipart(&self) -> bool {
        self.pieces.first().is_some_and(|piece| piece.number > 0)
    }

    /// Its sequence as events write it.
    pub fn sequencer(&self) -> String {
        format!("{:018X}", self.sequence)
    }
}

/// A new body's version, before its place in the order is known.
pub(super) struct NewVersion {
    pub pieces: Vec<Piece>,
    pub etag: String,
    pub checksum: Option<Checksum>,
    pub facts: Facts,
}

fn older_key(bucket: &str, object: &str, sequence: u64) -> Vec<u8> {
    object_key(bucket, object).number(u64::MAX - sequence).into_bytes()
}

/// The current version, or delete marker.
pub(super) fn current(rows: &impl Rows, bucket: &str, object: &str) -> Result<Option<Version>, StoreError> {
    rows.row(OBJECTS, object_key(bucket, object).as_ref())
}

/// At most `limit` older versions, the newest first.
pub(super) fn older(
    rows: &impl Rows,
    bucket: &str,
    object: &str,
    limit: usize,
) -> Result<Vec<Version>, StoreError> {
    let found = rows.rows(OLDER, object_key(bucket, object).as_ref(), limit)?;
    found.iter().map(|(_, row)| decode(OLDER, row)).collect()
}

/// The version of that id, current or not.
pub(super) fn by_id(
    rows: &impl Rows,
    bucket: &str,
    object: &str,
    id: &str,
) -> Result<Option<Version>, StoreError> {
    let now = current(rows, bucket, object)?;
    if now.as_ref().is_some_and(|version| version.id == id) {
        return Ok(now);
    }
    Ok(older(rows, bucket, object, usize::MAX)?.into_iter().find(|version| version.id == id))
}

/// The version that a read asks for: the one of that id, or the current one.
pub(super) fn find(rows: &impl Rows, bucket: &str, object: &str, id: Option<&str>) -> Result<Version, Fault> {
    match id {
        None => {
            let found = current(rows, bucket, object)?.filter(|version| !version.delete_marker);
            Ok(found.ok_or_else(|| error::no_such_key(object))?)
        }
        Some(id) => {
            let found = by_id(rows, bucket, object, id)?.ok_or_else(|| error::no_such_version(object, id))?;
            if found.delete_marker {
                return Err(error::method_not_allowed("GET", "DeleteMarker").into());
            }
            Ok(found)
        }
    }
}

fn discard(transaction: &mut Transaction<'_>, version: &Version) {
    for piece in &version.pieces {
        transaction.discard(&piece.blob);
    }
}

/// Saves a change of a version's facts.
pub(super) fn save(
    transaction: &mut Transaction<'_>,
    bucket: &str,
    object: &str,
    version: &Version,
) -> Result<(), StoreError> {
    let is_current =
        current(transaction, bucket, object)?.is_some_and(|current| current.sequence == version.sequence);
    match is_current {
        true => transaction.put_json(OBJECTS, object_key(bucket, object), version),
        false => transaction.put_json(OLDER, older_key(bucket, object, version.sequence), version),
    }
}

/// Removes one version for good; the newest of those that are left becomes the current one.
fn remove(
    transaction: &mut Transaction<'_>,
    bucket: &str,
    object: &str,
    version: &Version,
) -> Result<(), StoreError> {
    discard(transaction, version);
    let is_current =
        current(transaction, bucket, object)?.is_some_and(|current| current.sequence == version.sequence);
    if !is_current {
        transaction.delete(OLDER, older_key(bucket, object, version.sequence));
        return Ok(());
    }
    match older(transaction, bucket, object, 1)?.pop() {
        Some(next) => {
            transaction.delete(OLDER, older_key(bucket, object, next.sequence));
            transaction.put_json(OBJECTS, object_key(bucket, object), &next)
        }
        None => {
            transaction.delete(OBJECTS, object_key(bucket, object));
            Ok(())
        }
    }
}

/// Makes room for a new current version: what it replaces goes, what it does not becomes older. Gives the new one's sequence.
fn make_room(
    transaction: &mut Transaction<'_>,
    bucket: &Bucket,
    object: &str,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let before = current(transaction, &bucket.name, object)?;
    let earliest = u64::try_from(now.millis()).unwrap_or(0) << 16;
    let sequence = before.as_ref().map_or(earliest, |version| earliest.max(version.sequence + 1));
    if bucket.versioning() != Versioning::Enabled
        && let Some(null) = by_id(transaction, &bucket.name, object, NULL_VERSION)?
    {
        remove(transaction, &bucket.name, object, &null)?;
    }
    if let Some(version) = current(transaction, &bucket.name, object)? {
        transaction.put_json(OLDER, older_key(&bucket.name, object, version.sequence), &version)?;
    }
    Ok(sequence)
}

/// An id for a new version, by the bucket's state.
fn version_id(context: &Context, bucket: &Bucket) -> String {
    match bucket.versioning() {
        Versioning::Enabled => {
            let mut bytes = [0; 24];
            context.ids().fill(&mut bytes);
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes).replace('-', ".")
        }
        Versioning::Off | Versioning::Suspended => NULL_VERSION.to_owned(),
    }
}

/// Stores a new version as the current one, keeps its blobs, and tells who wants to know.
pub(super) fn insert(
    transaction: &mut Transaction<'_>,
    context: &Context,
    bucket: &Bucket,
    object: &str,
    new: NewVersion,
    event_name: &str,
) -> Result<Version, Fault> {
    let now = context.now();
    let sequence = make_room(transaction, bucket, object, now)?;
    new.pieces.iter().for_each(|piece| transaction.keep(&piece.blob));
    let version = Version {
        id: version_id(context, bucket),
        sequence,
        delete_marker: false,
        modified: now,
        size: new.pieces.iter().map(|piece| piece.size).sum(),
        etag: new.etag,
        pieces: new.pieces,
        checksum: new.checksum,
        facts: new.facts,
    };
    transaction.put_json(OBJECTS, object_key(&bucket.name, object), &version)?;
    event::raise(transaction, context, bucket, event_name, object, &version)?;
    Ok(version)
}

/// What a delete did, as `DeleteObject` answers it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Deleted {
    pub version_id: Option<String>,
    pub delete_marker: bool,
}

/// Deletes an object: for good, or by a marker where the bucket keeps versions.
pub(super) fn delete(
    transaction: &mut Transaction<'_>,
    context: &Context,
    bucket: &Bucket,
    object: &str,
    id: Option<&str>,
    event_prefix: &str,
) -> Result<Deleted, Fault> {
    if let Some(id) = id {
        let Some(version) = by_id(transaction, &bucket.name, object, id)? else {
            return Ok(Deleted { version_id: Some(id.to_owned()), delete_marker: false });
        };
        remove(transaction, &bucket.name, object, &version)?;
        event::raise(transaction, context, bucket, &format!("{event_prefix}:Delete"), object, &version)?;
        return Ok(Deleted { version_id: Some(version.id), delete_marker: version.delete_marker });
    }
    if bucket.versioning() == Versioning::Off {
        if let Some(version) = current(transaction, &bucket.name, object)? {
            remove(transaction, &bucket.name, object, &version)?;
            event::raise(transaction, context, bucket, &format!("{event_prefix}:Delete"), object, &version)?;
        }
        return Ok(Deleted::default());
    }
    let now = context.now();
    let marker = Version {
        sequence: make_room(transaction, bucket, object, now)?,
        id: version_id(context, bucket),
        delete_marker: true,
        modified: now,
        size: 0,
        etag: super::checksum::hex(&<md5::Md5 as md5::Digest>::digest(b"")),
        pieces: Vec::new(),
        checksum: None,
        facts: Facts::default(),
    };
    transaction.put_json(OBJECTS, object_key(&bucket.name, object), &marker)?;
    event::raise(
        transaction,
        context,
        bucket,
        &format!("{event_prefix}:DeleteMarkerCreated"),
        object,
        &marker,
    )?;
    Ok(Deleted { version_id: Some(marker.id), delete_marker: true })
}

/// A key that S3 takes.
pub(super) fn check_key(object: &str) -> Result<(), ServiceError> {
    if object.len() > 1024 {
        let error = ServiceError::new("KeyTooLongError", 400, "Your key is too long");
        return Err(error.with_field("Size", json!(object.len())).with_field("MaxSizeAllowed", json!(1024)));
    }
    Ok(())
}
