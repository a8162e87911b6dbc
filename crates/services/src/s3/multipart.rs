//! Multipart uploads: begun, sent in parts, completed into an object of these parts or given up.
//!
//! Keeps true: completing copies nothing; the parts' blobs become the object's. A part's blob belongs to the state until its
//! upload ends.

use super::bucket::{self, Bucket};
use super::checksum::{Algorithm, Claims, Kind, hex};
use super::conditions::{check_write, range};
use super::facts::Facts;
use super::object::{self, NewVersion, Piece};
use super::put::{Source, text, written_answer};
use super::{S3, body, error};
use crate::storage::{Fault, Rows, decode};
use aloft_base::Timestamp;
use aloft_engine::{Body, Context, Reply, ServiceError, WithBody};
use aloft_store::{Key, Keyspace, StoreError, Transaction, key};
use bytes::Bytes;
use md5::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Uploads by bucket, key and id.
pub(super) const UPLOADS: Keyspace = "s3.uploads";
/// Parts by upload and number.
pub(super) const PARTS: Keyspace = "s3.parts";

/// The least bytes of a part that is not the last.
const PART_MINIMUM: u64 = 5 * 1024 * 1024;
/// The greatest number of a part.
const MOST_PARTS: u64 = 10_000;

/// An upload under way.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Upload {
    pub id: String,
    pub initiated: Timestamp,
    pub algorithm: Option<Algorithm>,
    pub kind: Option<Kind>,
    pub facts: Facts,
}

/// A part that has been sent.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Part {
    pub piece: Piece,
    /// The MD5 in hex.
    pub etag: String,
    pub modified: Timestamp,
}

fn upload_key(bucket: &str, object: &str, id: &str) -> Key {
    key([bucket, object, id])
}

pub(super) fn find(rows: &impl Rows, bucket: &str, object: &str, id: &str) -> Result<Upload, Fault> {
    Bucket::find(rows, bucket)?;
    let found = rows.row(UPLOADS, upload_key(bucket, object, id).as_ref())?;
    Ok(found.ok_or_else(|| error::no_such_upload(id))?)
}

/// All parts that have been sent, by number.
pub(super) fn parts(rows: &impl Rows, id: &str) -> Result<Vec<Part>, StoreError> {
    rows.rows(PARTS, key([id]).as_ref(), usize::MAX)?.iter().map(|(_, row)| decode(PARTS, row)).collect()
}

pub(super) async fn create(_: &S3, context: &Context, params: Value) -> Result<Value, ServiceError> {
    let (bucket_name, object) = (text(&params, "Bucket").to_owned(), text(&params, "Key").to_owned());
    object::check_key(&object)?;
    let bucket = bucket::find(context, &bucket_name)?;
    let algorithm = params["ChecksumAlgorithm"].as_str().map(Algorithm::from_name).transpose()?;
    let kind = match params["ChecksumType"].as_str() {
        None => algorithm.map(Algorithm::multipart_kind),
        Some("COMPOSITE") if algorithm != Some(Algorithm::Crc64nvme) => Some(Kind::Composite),
        Some("FULL_OBJECT") if !matches!(algorithm, Some(Algorithm::Sha1 | Algorithm::Sha256)) => {
            Some(Kind::FullObject)
        }
        Some(other) => {
            let name = algorithm.map_or("null", Algorithm::name).to_ascii_lowercase();
            let message =
                format!("The {other} checksum type cannot be used with the {name} checksum algorithm.");
            return Err(error::invalid_request(message));
        }
    };
    let facts = Facts::read(&params, &bucket)?;
    let id = format!("{}{}", context.ids().lower(64), context.ids().upper(32));
    let upload = Upload { id, initiated: context.now(), algorithm, kind, facts };
    let mut answer = upload.facts.encryption();
    for (name, value) in [
        ("Bucket", json!(bucket_name)),
        ("Key", json!(object)),
        ("UploadId", json!(upload.id)),
        ("ChecksumAlgorithm", json!(algorithm.map(Algorithm::name))),
        ("ChecksumType", json!(kind)),
    ] {
        answer.insert(name.to_owned(), value);
    }
    let create = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        Bucket::find(transaction, &bucket_name)?;
        Ok(transaction.put_json(UPLOADS, upload_key(&bucket_name, &object, &upload.id), &upload)?)
    };
    context.store().write(create).await?;
    Ok(Value::Object(answer))
}

pub(super) async fn upload_part(
    _: &S3,
    context: &Context,
    input: WithBody<Value>,
) -> Result<Value, ServiceError> {
    let WithBody { params, body } = input;
    let number = part_number(&params)?;
    let mut claims = Claims::read(&params)?;
    let snapshot = context.store().read().map_err(Fault::from)?;
    let upload = find(&snapshot, text(&params, "Bucket"), text(&params, "Key"), text(&params, "UploadId"))?;
    drop(snapshot);
    match (upload.algorithm, claims.algorithm) {
        (Some(expected), Some(named)) if expected != named => {
            let message = format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                expected.name().to_ascii_lowercase(),
                named.name().to_ascii_lowercase()
            );
            return Err(error::invalid_request(message));
        }
        (expected, named) => claims.algorithm = named.or(expected),
    }
    let part = add_part(context, &params, number, body, claims).await?;
    let mut answer = upload.facts.encryption();
    answer.insert("ETag".to_owned(), json!(format!("\"{}\"", part.etag)));
    part.piece.checksum.iter().for_each(|checksum| checksum.write(&mut answer));
    answer.remove("ChecksumType");
    Ok(Value::Object(answer))
}

fn part_number(params: &Value) -> Result<u16, ServiceError> {
    let number = params["PartNumber"].as_u64().filter(|number| (1..=MOST_PARTS).contains(number));
    number.and_then(|number| u16::try_from(number).ok()).ok_or_else(|| {
        let message = "Part number must be an integer between 1 and 10000, inclusive";
        error::invalid_argument(message, "partNumber", &params["PartNumber"].to_string())
    })
}

/// Stores a part's body, then the part, in place of one that was sent with this number before.
async fn add_part(
    context: &Context,
    params: &Value,
    number: u16,
    body: Bytes,
    claims: Claims,
) -> Result<Part, ServiceError> {
    let stored = body::store(context, body, claims).await?;
    let blob = stored.blob.clone();
    let part = Part { etag: hex(&stored.md5), piece: stored.into_piece(number), modified: context.now() };
    let (added, params) = (part.clone(), params.clone());
    let add = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let upload =
            find(transaction, text(&params, "Bucket"), text(&params, "Key"), text(&params, "UploadId"))?;
        let part_key = key([&upload.id]).number(u64::from(number));
        if let Some(before) = transaction.get_json::<Part>(PARTS, &part_key)? {
            transaction.discard(&before.piece.blob);
        }
        transaction.keep(&added.piece.blob);
        Ok(transaction.put_json(PARTS, part_key, &added)?)
    };
    if let Err(fault) = context.store().write(add).await {
        body::give_up(context, vec![blob]);
        return Err(fault.into());
    }
    Ok(part)
}

pub(super) async fn upload_part_copy(
    _: &S3,
    context: &Context,
    params: Value,
) -> Result<Value, ServiceError> {
    let number = part_number(&params)?;
    let source = Source::read(text(&params, "CopySource"))?;
    let snapshot = context.store().read().map_err(Fault::from)?;
    let upload = find(&snapshot, text(&params, "Bucket"), text(&params, "Key"), text(&params, "UploadId"))?;
    drop(snapshot);
    let (_, original) = source.find(context, &params)?;
    let (from, length) = match params["CopySourceRange"].as_str() {
        None => (0, original.size),
        Some(header) => range(header, original.size)?.ok_or_else(|| {
            let message = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
                zero-based offsets of the first and last bytes to copy";
            error::invalid_argument(message, "x-amz-copy-source-range", header)
        })?,
    };
    let body: Body = body::read(context, &original.pieces, from, length).await?;
    let bytes =
        body.collect().await.map_err(|error| ServiceError::new("InternalError", 500, error.to_string()))?;
    let claims = Claims { algorithm: upload.algorithm, ..Claims::default() };
    let part = add_part(context, &params, number, bytes, claims).await?;
    let mut result = Map::from_iter([
        ("ETag".to_owned(), json!(format!("\"{}\"", part.etag))),
        ("LastModified".to_owned(), json!(part.modified.as_seconds_f64())),
    ]);
    part.piece.checksum.iter().for_each(|checksum| checksum.write(&mut result));
    result.remove("ChecksumType");
    Ok(json!({ "CopyPartResult": result }))
}

pub(super) async fn complete(_: &S3, context: &Context, params: Value) -> Result<Value, ServiceError> {
    let (bucket_name, object) = (text(&params, "Bucket").to_owned(), text(&params, "Key").to_owned());
    let claims = Claims::read(&params)?;
    let for_transaction = context.clone();
    let complete = move |transaction: &mut Transaction<'_>| -> Result<_, Fault> {
        let (bucket_name, object) = (text(&params, "Bucket"), text(&params, "Key"));
        let bucket = Bucket::find(transaction, bucket_name)?;
        let upload = find(transaction, bucket_name, object, text(&params, "UploadId"))?;
        let sent = parts(transaction, &upload.id)?;
        let chosen = choose(&sent, &params["MultipartUpload"]["Parts"], &upload.id)?;
        let current = object::current(transaction, bucket_name, object)?;
        check_write(object, current.as_ref(), params["IfMatch"].as_str(), params["IfNoneMatch"].as_str())?;
        let new = assemble(&upload, &chosen, &claims)?;
        let size: u64 = new.pieces.iter().map(|piece| piece.size).sum();
        if let Some(claimed) = params["MpuObjectSize"].as_u64().filter(|claimed| *claimed != size) {
            let message = format!(
                "The provided 'x-amz-mp-object-size' header value {claimed} does not match what was computed: {size}"
            );
            return Err(error::invalid_request(message).into());
        }
        for part in &sent {
            if !chosen.iter().any(|chosen| chosen.piece.number == part.piece.number) {
                transaction.discard(&part.piece.blob);
            }
        }
        forget(transaction, bucket_name, object, &upload.id)?;
        let event = "ObjectCreated:CompleteMultipartUpload";
        let version = object::insert(transaction, &for_transaction, &bucket, object, new, event)?;
        Ok((version, bucket.versioning()))
    };
    let (version, versioning) = context.store().write(complete).await?;
    let mut answer = written_answer(&version, versioning);
    let location = format!("{}/{bucket_name}/{object}", context.engine.endpoint());
    for (name, value) in
        [("Location", json!(location)), ("Bucket", json!(bucket_name)), ("Key", json!(object))]
    {
        answer.insert(name.to_owned(), value);
    }
    Ok(Value::Object(answer))
}

/// The parts that the request lists, which must be there, in order and large enough.
fn choose(sent: &[Part], listed: &Value, upload: &str) -> Result<Vec<Part>, ServiceError> {
    let listed = listed.as_array().filter(|listed| !listed.is_empty()).ok_or_else(error::malformed_xml)?;
    let mut chosen: Vec<Part> = Vec::with_capacity(listed.len());
    for wanted in listed {
        let number = wanted["PartNumber"].as_u64().ok_or_else(error::malformed_xml)?;
        if chosen.last().is_some_and(|last| u64::from(last.piece.number) >= number) {
            let message =
                "The list of parts was not in ascending order. Parts must be ordered by part number.";
            return Err(ServiceError::new("InvalidPartOrder", 400, message).with_field("UploadId", upload));
        }
        let etag = wanted["ETag"].as_str().unwrap_or_default().trim_matches('"');
        let found = sent.iter().find(|part| u64::from(part.piece.number) == number && part.etag == etag);
        let matches = |part: &&Part| {
            let Some(checksum) = &part.piece.checksum else { return true };
            wanted[checksum.algorithm.member()].as_str().is_none_or(|claimed| claimed == checksum.value)
        };
        let part = found.filter(matches).ok_or_else(|| {
            let message = "One or more of the specified parts could not be found.  The part may not have been uploaded, or the \
                specified entity tag may not match the part's entity tag.";
            ServiceError::new("InvalidPart", 400, message)
                .with_field("UploadId", upload)
                .with_field("PartNumber", json!(number))
                .with_field("ETag", etag)
        })?;
        chosen.push(part.clone());
    }
    let but_last = &chosen[..chosen.len() - 1];
    if let Some(small) = but_last.iter().find(|part| part.piece.size < PART_MINIMUM) {
        return Err(ServiceError::new(
            "EntityTooSmall",
            400,
            "Your proposed upload is smaller than the minimum allowed size",
        )
        .with_field("ProposedSize", json!(small.piece.size))
        .with_field("MinSizeAllowed", json!(PART_MINIMUM))
        .with_field("PartNumber", json!(small.piece.number))
        .with_field("ETag", small.etag.as_str()));
    }
    Ok(chosen)
}

/// The object that the parts make: its ETag is the MD5 of the parts' MD5s, and the number of parts.
fn assemble(upload: &Upload, chosen: &[Part], claims: &Claims) -> Result<NewVersion, ServiceError> {
    let bytes_of = |etag: &str| -> Vec<u8> {
        (0..etag.len() / 2)
            .filter_map(|at| u8::from_str_radix(etag.get(2 * at..2 * at + 2)?, 16).ok())
            .collect()
    };
    let md5s: Vec<u8> = chosen.iter().flat_map(|part| bytes_of(&part.etag)).collect();
    let checksum = match (upload.algorithm, upload.kind) {
        (Some(algorithm), Some(kind)) => {
            let values =
                chosen.iter().map(|part| Some((&*part.piece.checksum.as_ref()?.value, part.piece.size)));
            values.collect::<Option<Vec<_>>>().and_then(|values| algorithm.of_parts(kind, &values))
        }
        _ => None,
    };
    if let (Some(claimed), Some(checksum)) = (&claims.value, &checksum)
        && claims.algorithm == Some(checksum.algorithm)
        && bare(claimed) != bare(&checksum.value)
    {
        let name = checksum.algorithm.name();
        return Err(error::bad_digest(format!(
            "The {name} you specified did not match the calculated checksum."
        )));
    }
    Ok(NewVersion {
        pieces: chosen.iter().map(|part| part.piece.clone()).collect(),
        etag: format!("{}-{}", hex(&md5::Md5::digest(md5s)), chosen.len()),
        checksum,
        facts: upload.facts.clone(),
    })
}

/// A composite checksum without the number of its parts.
fn bare(checksum: &str) -> &str {
    checksum.split_once('-').map_or(checksum, |(bare, _)| bare)
}

/// Removes the rows of an upload; its blobs are the caller's affair.
fn forget(transaction: &mut Transaction<'_>, bucket: &str, object: &str, id: &str) -> Result<(), StoreError> {
    transaction.delete(UPLOADS, upload_key(bucket, object, id));
    transaction.delete_prefix(PARTS, key([id]))?;
    Ok(())
}

/// Ends an upload and drops its parts.
pub(super) fn drop_upload(
    transaction: &mut Transaction<'_>,
    bucket: &str,
    object: &str,
    id: &str,
) -> Result<(), StoreError> {
    for part in parts(transaction, id)? {
        transaction.discard(&part.piece.blob);
    }
    forget(transaction, bucket, object, id)
}

/// Ends all uploads to a bucket.
pub(super) fn abort_all(transaction: &mut Transaction<'_>, bucket: &str) -> Result<(), StoreError> {
    for (row_key, _) in transaction.scan(UPLOADS, key([bucket]), usize::MAX)? {
        if let [_, object, id] = &Key::texts(&row_key)[..] {
            drop_upload(transaction, bucket, object, id)?;
        }
    }
    Ok(())
}

pub(super) async fn abort(_: &S3, context: &Context, params: Value) -> Result<Reply, ServiceError> {
    let abort = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let (bucket, object) = (text(&params, "Bucket"), text(&params, "Key"));
        let upload = find(transaction, bucket, object, text(&params, "UploadId"))?;
        Ok(drop_upload(transaction, bucket, object, &upload.id)?)
    };
    context.store().write(abort).await?;
    Ok(bucket::no_content())
}
