//! Writing objects: `PutObject` and `CopyObject`.

use super::bucket::{self, Bucket, Versioning};
use super::checksum::{Algorithm, Checksum, Claims, Hasher, hex};
use super::conditions::{Conditions, Verdict, check_write};
use super::facts::Facts;
use super::object::{self, NewVersion, Piece, Version};
use super::{S3, body, error};
use crate::storage::Fault;
use aloft_engine::{Context, ServiceError, WithBody};
use aloft_store::{Blobs, Transaction};
use md5::Digest;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

/// The most bytes that one request may bring.
const LIMIT: usize = 5 * 1024 * 1024 * 1024;

/// A member that the model requires, or an empty text.
pub(super) fn text<'a>(params: &'a Value, name: &str) -> &'a str {
    params[name].as_str().unwrap_or_default()
}

pub(super) async fn put(_: &S3, context: &Context, input: WithBody<Value>) -> Result<Value, ServiceError> {
    let WithBody { params, body } = input;
    object::check_key(text(&params, "Key"))?;
    let bucket = bucket::find(context, text(&params, "Bucket"))?;
    let facts = Facts::read(&params, &bucket)?;
    let claims = Claims::read(&params)?;
    if body.len() > LIMIT {
        return Err(ServiceError::new(
            "EntityTooLarge",
            400,
            "Your proposed upload exceeds the maximum allowed size",
        ));
    }
    let stored = body::store(context, body, claims).await?;
    let (etag, checksum) = (hex(&stored.md5), stored.checksum.clone());
    let new = NewVersion { pieces: vec![stored.into_piece(0)], etag, checksum, facts };
    let version = write(context, params, new, "ObjectCreated:Put").await?;
    Ok(Value::Object(version))
}

/// Makes a new version under the request's conditions, and gives what answers to writes have in common.
async fn write(
    context: &Context,
    params: Value,
    new: NewVersion,
    event: &'static str,
) -> Result<Map<String, Value>, ServiceError> {
    let blobs = new.pieces.iter().map(|piece| piece.blob.clone()).collect();
    let for_transaction = context.clone();
    let written = context.store().write(move |transaction: &mut Transaction<'_>| -> Result<_, Fault> {
        let bucket = Bucket::find(transaction, text(&params, "Bucket"))?;
        let key = text(&params, "Key");
        let current = object::current(transaction, &bucket.name, key)?;
        check_write(key, current.as_ref(), params["IfMatch"].as_str(), params["IfNoneMatch"].as_str())?;
        let version = object::insert(transaction, &for_transaction, &bucket, key, new, event)?;
        Ok((version, bucket.versioning()))
    });
    match written.await {
        Ok((version, versioning)) => Ok(written_answer(&version, versioning)),
        Err(fault) => {
            body::give_up(context, blobs);
            Err(fault.into())
        }
    }
}

/// ETag, checksum, encryption and, where there are versions, the version.
pub(super) fn written_answer(version: &Version, versioning: Versioning) -> Map<String, Value> {
    let mut answer = version.facts.encryption();
    answer.insert("ETag".to_owned(), json!(version.quoted_etag()));
    version.checksum.iter().for_each(|checksum| checksum.write(&mut answer));
    if versioning != Versioning::Off {
        answer.insert("VersionId".to_owned(), json!(version.id));
    }
    answer
}

/// Where a copy comes from.
pub(super) struct Source {
    pub bucket: String,
    pub key: String,
    pub version: Option<String>,
}

impl Source {
    /// Reads `[/]bucket/key[?versionId=id]`, percent-encoded, or an access point's ARN, which is not built.
    pub fn read(text: &str) -> Result<Self, ServiceError> {
        let (path, version) = match text.rsplit_once("?versionId=") {
            Some((path, version)) => (path, Some(version.to_owned())),
            None => (text, None),
        };
        let decoded = percent_decode_str(path).decode_utf8_lossy();
        let invalid = || error::invalid_argument("Invalid copy source object key", "x-amz-copy-source", text);
        let (bucket, key) = decoded.trim_start_matches('/').split_once('/').ok_or_else(invalid)?;
        if bucket.is_empty() || key.is_empty() {
            return Err(invalid());
        }
        if bucket.starts_with("arn:") {
            return Err(error::not_built("access points"));
        }
        Ok(Self { bucket: bucket.to_owned(), key: key.to_owned(), version })
    }

    /// Finds the source and holds the request's `CopySourceIf...` conditions against it.
    pub fn find(&self, context: &Context, params: &Value) -> Result<(Bucket, Version), ServiceError> {
        if params["CopySourceSSECustomerAlgorithm"].is_string() {
            return Err(error::not_built("encryption with customer-provided keys"));
        }
        let snapshot = context.store().read().map_err(Fault::from)?;
        let bucket = Bucket::find(&snapshot, &self.bucket)?;
        let version = object::find(&snapshot, &self.bucket, &self.key, self.version.as_deref())?;
        let conditions = Conditions {
            if_match: params["CopySourceIfMatch"].as_str(),
            if_none_match: params["CopySourceIfNoneMatch"].as_str(),
            if_modified_since: params["CopySourceIfModifiedSince"].as_f64(),
            if_unmodified_since: params["CopySourceIfUnmodifiedSince"].as_f64(),
        };
        match conditions.judge(&version) {
            Verdict::Go => Ok((bucket, version)),
            Verdict::NotModified => Err(error::precondition_failed("x-amz-copy-source-If-None-Match")),
            Verdict::Failed(header) => {
                Err(error::precondition_failed(&format!("x-amz-copy-source-{header}")))
            }
        }
    }
}

/// Which members make copying an object onto itself a change.
const CHANGES: &[&str] =
    &["StorageClass", "ServerSideEncryption", "SSEKMSKeyId", "WebsiteRedirectLocation", "BucketKeyEnabled"];

pub(super) async fn copy(_: &S3, context: &Context, params: Value) -> Result<Value, ServiceError> {
    object::check_key(text(&params, "Key"))?;
    let source = Source::read(text(&params, "CopySource"))?;
    let target = bucket::find(context, text(&params, "Bucket"))?;
    let (source_bucket, original) = source.find(context, &params)?;
    let replaces = params["MetadataDirective"] == "REPLACE";
    let onto_itself =
        source.bucket == target.name && source.key == text(&params, "Key") && source.version.is_none();
    if onto_itself && !replaces && CHANGES.iter().all(|name| params[*name].is_null()) {
        return Err(error::invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's \
             metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    let mut facts = Facts::read(&params, &target)?;
    if !replaces {
        let encryption = facts.encryption();
        let redirect = facts.headers.remove("WebsiteRedirectLocation");
        let kept = original.facts.headers.iter().filter(|(name, _)| *name != "WebsiteRedirectLocation");
        facts.headers = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        facts.headers.retain(|name, _| !name.starts_with("SSE") && name != "BucketKeyEnabled");
        facts.headers.extend(encryption);
        facts.headers.extend(redirect.map(|redirect| ("WebsiteRedirectLocation".to_owned(), redirect)));
        facts.metadata = original.facts.metadata.clone();
    }
    if params["TaggingDirective"] != "REPLACE" {
        facts.tags = original.facts.tags.clone();
    }
    let asked = params["ChecksumAlgorithm"].as_str().map(Algorithm::from_name).transpose()?;
    let algorithm = asked.or(original.checksum.as_ref().map(|checksum| checksum.algorithm));
    let pieces = original.pieces.clone();
    let copied = body::blocking(context, move |blobs| copy_pieces(blobs, &pieces, algorithm)).await?;
    let new = NewVersion { pieces: copied.pieces, etag: hex(&copied.md5), checksum: copied.checksum, facts };
    let now = context.now();
    let mut answer = write(context, params, new, "ObjectCreated:Copy").await?;
    let mut result = Map::from_iter([("LastModified".to_owned(), json!(now.as_seconds_f64()))]);
    let in_result = |name: &String| name == "ETag" || name.starts_with("Checksum");
    for name in answer.keys().filter(|name| in_result(name)).cloned().collect::<Vec<_>>() {
        result.extend(answer.remove(&name).map(|value| (name, value)));
    }
    answer.insert("CopyObjectResult".to_owned(), Value::Object(result));
    if source_bucket.versioning() != Versioning::Off {
        answer.insert("CopySourceVersionId".to_owned(), json!(original.id));
    }
    Ok(Value::Object(answer))
}

/// A body that was copied.
struct Copied {
    pieces: Vec<Piece>,
    md5: [u8; 16],
    checksum: Option<Checksum>,
}

/// Copies a body blob by blob; the copy counts as sent in one.
fn copy_pieces(blobs: &Blobs, pieces: &[Piece], algorithm: Option<Algorithm>) -> Result<Copied, Fault> {
    let (mut copied, mut md5, mut hasher) = (Vec::new(), md5::Md5::new(), algorithm.map(Algorithm::hasher));
    for piece in pieces {
        let bytes = blobs.read_all(&piece.blob)?;
        md5.update(&bytes);
        hasher.iter_mut().for_each(|hasher| hasher.update(&bytes));
        copied.push(Piece { blob: blobs.put(&bytes)?, size: piece.size, number: 0, checksum: None });
    }
    Ok(Copied { pieces: copied, md5: md5.finalize().into(), checksum: hasher.map(Hasher::finish) })
}
