//! Code: from an upload to a blob that versions share by its digest, and to an unpacked directory.
//!
//! Keeps true: the blob is there as long as a version uses it; a directory named by a digest is whole, since it is
//! unpacked beside and renamed. A directory that no version uses any more is removed when nothing can run in it any longer.

use super::errors::{invalid, refuse};
use super::limits;
use super::rows::Code;
use crate::storage::Fault;
use aloft_base::{ByteSize, Ids, Timestamp};
use aloft_engine::timers::{self, Timer};
use aloft_engine::{Context, ServiceError};
use aloft_store::{BlobId, Keyspace, Store, StoreError, Transaction, key};
use aloft_worker::{UnpackError, UnpackLimits};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Blobs by the digest of their bytes.
const CODE: Keyspace = "lambda.code";
/// How long a function may still run in a directory that nothing refers to: the longest timeout, and a minute.
const GRACE: Duration = Duration::from_secs(16 * 60);

#[derive(Serialize, Deserialize)]
struct Row {
    blob: BlobId,
    size: u64,
    users: u64,
    /// In bytes.
    #[serde(default)]
    unzipped: u64,
}

/// Uploaded code that no version has claimed yet.
pub(super) struct Uploaded {
    pub code: Code,
    blob: BlobId,
    unzipped: u64,
}

/// Reads the zip that a request carries or points to.
pub(super) async fn fetch(context: &Context, params: &Value) -> Result<Bytes, ServiceError> {
    refuse(params, &["ImageUri", "S3ObjectStorageMode", "SourceKMSKeyArn"])?;
    let text = |name: &str| params.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(encoded) = params.get("ZipFile").and_then(Value::as_str) {
        let zip = BASE64.decode(encoded).map_err(|_| not_a_zip())?;
        if zip.len() as u64 > limits::of(context).zipped_package.0 {
            return Err(super::errors::too_large(69_905_067, "CreateFunction"));
        }
        return if zip.is_empty() {
            Err(invalid("Uploaded file must be a non-empty zip"))
        } else {
            Ok(zip.into())
        };
    }
    let (Some(bucket), Some(key)) = (text("S3Bucket"), text("S3Key")) else {
        return Err(invalid("Please provide a source for function code."));
    };
    let mut input = json!({ "Bucket": bucket, "Key": key });
    if let Some(version) = text("S3ObjectVersion") {
        input["VersionId"] = version.into();
    }
    let reply = context.call_with_body("s3", "GetObject", input, None).await.map_err(|error| {
        invalid(format!(
            "Error occurred while GetObject. S3 Error Code: {}. S3 Error Message: {}",
            error.code, error.message
        ))
    })?;
    let body = reply.body.unwrap_or_default().collect().await;
    body.map_err(|error| super::errors::failed(format!("the code could not be read from S3: {error}")))
}

fn not_a_zip() -> ServiceError {
    invalid("Could not unzip uploaded file. Please check your file, then try to upload again.")
}

/// Unpacks a zip, which checks it, and stores it.
pub(super) async fn store(context: &Context, root: &Path, zip: Bytes) -> Result<Uploaded, Fault> {
    let (blobs, ids, root) = (context.store().blobs().clone(), context.ids().clone(), root.to_owned());
    let limit = limits::of(context).unzipped_package;
    let work = move || -> Result<Uploaded, Fault> {
        let code = describe(&zip);
        let unzipped = size_of(&unpack(&root, (&code.sha256, &zip), &ids, limit)?);
        Ok(Uploaded { code, blob: blobs.put(&zip)?, unzipped })
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(StoreError::Panicked(error.to_string()).into()))
}

/// The digest and size of a zip.
pub(super) fn describe(zip: &[u8]) -> Code {
    let digest = Sha256::digest(zip);
    Code { sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(), size: zip.len() as u64 }
}

/// Unpacks into `root/<digest>`, unless that is there.
fn unpack(
    root: &Path,
    (sha256, zip): (&str, &[u8]),
    ids: &Ids,
    limit: ByteSize,
) -> Result<PathBuf, ServiceError> {
    let directory = root.join(sha256);
    if directory.is_dir() {
        return Ok(directory);
    }
    let failed =
        |error: std::io::Error| super::errors::failed(format!("code could not be unpacked: {error}"));
    std::fs::create_dir_all(root).map_err(failed)?;
    let beside = root.join(format!(".{sha256}-{}", ids.hex(8)));
    aloft_worker::unpack(zip, &beside, &UnpackLimits { unzipped: limit, ..UnpackLimits::default() })
        .map_err(|error| match error {
            UnpackError::TooLarge(limit) => {
                invalid(format!("Unzipped size must be smaller than {limit} bytes"))
            }
            UnpackError::Write { .. } => {
                super::errors::failed(format!("code could not be unpacked: {error}"))
            }
            UnpackError::Archive(_) => not_a_zip(),
            other => invalid(format!("Could not unzip uploaded file: {other}.")),
        })?;
    if let Err(error) = std::fs::rename(&beside, &directory) {
        // Somebody else was quicker, unless the directory is still not there.
        drop(std::fs::remove_dir_all(&beside));
        if !directory.is_dir() {
            return Err(failed(error));
        }
    }
    Ok(directory)
}

/// The directory of code that is in the store, which was measured when it came; it is unpacked when it is missing.
pub(super) async fn directory(store: &Store, root: &Path, sha256: &str, ids: &Ids) -> Result<PathBuf, Fault> {
    let directory = root.join(sha256);
    if directory.is_dir() {
        return Ok(directory);
    }
    let (store, root, sha256, ids) = (store.clone(), root.to_owned(), sha256.to_owned(), ids.clone());
    let work = move || -> Result<PathBuf, Fault> {
        Ok(unpack(&root, (&sha256, &read(&store, &sha256)?), &ids, ByteSize(u64::MAX))?)
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(StoreError::Panicked(error.to_string()).into()))
}

/// The zip of that digest. Blocks on the disk.
pub(super) fn read(store: &Store, sha256: &str) -> Result<Vec<u8>, StoreError> {
    let row: Option<Row> = store.read()?.get_json(CODE, key([sha256]))?;
    let gone = || StoreError::Damaged { keyspace: CODE.to_owned(), reason: format!("no code {sha256}") };
    store.blobs().read_all(&row.ok_or_else(gone)?.blob)
}

impl Uploaded {
    /// Makes the code belong to one more version.
    pub fn claim(&self, transaction: &mut Transaction<'_>) -> Result<(), Fault> {
        let found: Option<Row> = transaction.get_json(CODE, key([&self.code.sha256]))?;
        let row = match found {
            Some(row) => {
                transaction.discard(&self.blob);
                Row { users: row.users + 1, ..row }
            }
            None => {
                let others = total(transaction)?;
                if others + self.code.size > limits::CODE_STORAGE {
                    let message = "Code storage limit exceeded.";
                    return Err(ServiceError::new("CodeStorageExceededException", 400, message).into());
                }
                transaction.keep(&self.blob);
                Row { blob: self.blob.clone(), size: self.code.size, users: 1, unzipped: self.unzipped }
            }
        };
        Ok(transaction.put_json(CODE, key([&self.code.sha256]), &row)?)
    }

    /// Gives it up: no version takes it.
    pub fn discard(&self, transaction: &mut Transaction<'_>) {
        transaction.discard(&self.blob);
    }
}

/// The bytes of all code.
pub(super) fn total(rows: &impl crate::storage::Rows) -> Result<u64, StoreError> {
    let rows = rows.rows(CODE, &[], usize::MAX)?;
    rows.iter().map(|(_, row)| Ok(crate::storage::decode::<Row>(CODE, row)?.size)).sum()
}

/// The bytes of the files in a directory.
fn size_of(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => size_of(&entry.path()),
        Ok(found) if found.is_file() => found.len(),
        _ => 0,
    };
    entries.map(size).sum()
}

/// Refuses a function whose code and layers are too large together.
pub(super) fn check_unzipped<'a>(
    rows: &impl crate::storage::Rows,
    digests: impl Iterator<Item = &'a str>,
    limit: ByteSize,
) -> Result<(), Fault> {
    let mut actual = 0;
    for sha256 in digests {
        actual += rows.row::<Row>(CODE, key([sha256]).as_ref())?.map_or(0, |row| row.unzipped);
    }
    if actual > limit.0 {
        let message = format!(
            "Function code combined with layers exceeds the maximum allowed size of {} bytes. The actual size is {actual} bytes.",
            limit.0
        );
        return Err(invalid(message).into());
    }
    Ok(())
}

/// Makes code that is in the store belong to one more version.
pub(super) fn share(transaction: &mut Transaction<'_>, sha256: &str) -> Result<(), StoreError> {
    if let Some(row) = transaction.get_json::<Row>(CODE, key([sha256]))? {
        transaction.put_json(CODE, key([sha256]), &Row { users: row.users + 1, ..row })?;
    }
    Ok(())
}

/// Makes code belong to one version less; when it was the last, it goes, and a timer removes the directory.
pub(super) fn release(
    transaction: &mut Transaction<'_>,
    context: &Context,
    sha256: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(row) = transaction.get_json::<Row>(CODE, key([sha256]))? else { return Ok(()) };
    if row.users > 1 {
        return transaction.put_json(CODE, key([sha256]), &Row { users: row.users - 1, ..row });
    }
    transaction.delete(CODE, key([sha256]));
    transaction.discard(&row.blob);
    let timer = Timer {
        service: "lambda".to_owned(),
        name: format!("code/{sha256}"),
        due: now.add(GRACE),
        account: context.account.clone(),
        region: context.region.clone(),
        payload: Value::Null,
    };
    timers::set(transaction, &timer)
}

/// Removes a directory that no version uses.
pub(super) async fn remove_unused(store: &Store, root: &Path, sha256: &str) -> Result<(), Fault> {
    if store.read()?.get(CODE, key([sha256]))?.is_none() {
        let directory = root.join(sha256);
        drop(tokio::task::spawn_blocking(move || std::fs::remove_dir_all(directory)).await);
    }
    Ok(())
}

/// Removes what an earlier run left in the directory and no version uses.
pub(super) fn sweep(store: &Store, root: &Path) -> Result<(), StoreError> {
    let Ok(entries) = std::fs::read_dir(root) else { return Ok(()) };
    let rows = store.read()?.scan(CODE, [], usize::MAX)?;
    let known: HashSet<String> = rows.iter().flat_map(|(key, _)| aloft_store::Key::texts(key)).collect();
    for entry in entries.flatten() {
        if !known.contains(entry.file_name().to_string_lossy().as_ref()) {
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
    Ok(())
}
