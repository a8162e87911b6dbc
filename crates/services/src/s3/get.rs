//! Reading objects: `GetObject`, `HeadObject`, `GetObjectAttributes`.

use super::bucket::{Bucket, Versioning};
use super::conditions::{Conditions, Verdict, range};
use super::object::{self, Version};
use super::{S3, body, error};
use crate::storage::Fault;
use aloft_base::Timestamp;
use aloft_engine::{Context, Reply, ServiceError};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Get {
    bucket: String,
    key: String,
    version_id: Option<String>,
    range: Option<String>,
    part_number: Option<u16>,
    if_match: Option<String>,
    if_none_match: Option<String>,
    if_modified_since: Option<f64>,
    if_unmodified_since: Option<f64>,
    checksum_mode: Option<String>,
    #[serde(rename = "SSECustomerAlgorithm")]
    customer_key: Option<String>,
    response_cache_control: Option<Value>,
    response_content_disposition: Option<Value>,
    response_content_encoding: Option<Value>,
    response_content_language: Option<Value>,
    response_content_type: Option<Value>,
    response_expires: Option<f64>,
}

/// How often a read starts again when its object was replaced between finding it and opening its body.
const ATTEMPTS: usize = 4;

pub(super) async fn get(_: &S3, context: &Context, input: Get) -> Result<Reply, ServiceError> {
    let mut attempt = 1;
    loop {
        let (mut reply, slice) = describe(context, &input)?;
        let Some(Slice { version, from, length }) = slice else { return Ok(reply) };
        match body::read(context, &version.pieces, from, length).await {
            Ok(body) => {
                reply.body = Some(body);
                return Ok(reply);
            }
            Err(Fault::Store(_)) if attempt < ATTEMPTS => attempt += 1,
            Err(fault) => return Err(fault.into()),
        }
    }
}

pub(super) async fn head(_: &S3, context: &Context, input: Get) -> Result<Reply, ServiceError> {
    Ok(describe(context, &input)?.0)
}

/// What is to be sent.
struct Slice {
    version: Version,
    from: u64,
    length: u64,
}

/// Everything of the answer but the body; no slice when it needs none.
fn describe(context: &Context, input: &Get) -> Result<(Reply, Option<Slice>), ServiceError> {
    if input.customer_key.is_some() {
        return Err(error::not_built("encryption with customer-provided keys"));
    }
    let snapshot = context.store().read().map_err(Fault::from)?;
    let bucket = Bucket::find(&snapshot, &input.bucket)?;
    let version = object::find(&snapshot, &input.bucket, &input.key, input.version_id.as_deref())?;
    drop(snapshot);
    let conditions = Conditions {
        if_match: input.if_match.as_deref(),
        if_none_match: input.if_none_match.as_deref(),
        if_modified_since: input.if_modified_since,
        if_unmodified_since: input.if_unmodified_since,
    };
    let mut answer = Map::new();
    answer.insert("ETag".to_owned(), json!(version.quoted_etag()));
    answer.insert("LastModified".to_owned(), json!(version.modified.seconds()));
    if bucket.versioning() != Versioning::Off {
        answer.insert("VersionId".to_owned(), json!(version.id));
    }
    match conditions.judge(&version) {
        Verdict::Go => {}
        Verdict::Failed(condition) => return Err(error::precondition_failed(condition)),
        Verdict::NotModified => {
            if let Some(cache) = version.facts.headers.get("CacheControl") {
                answer.insert("CacheControl".to_owned(), cache.clone());
            }
            let reply = Reply::new(Value::Object(answer));
            return Ok((Reply { status: Some(StatusCode::NOT_MODIFIED), ..reply }, None));
        }
    }
    let part = part_of(input, &version, &mut answer)?;
    let (from, length) = part.unwrap_or((0, version.size));
    if part.is_some() {
        let range = format!("bytes {from}-{}/{}", (from + length).saturating_sub(1), version.size);
        answer.insert("ContentRange".to_owned(), json!(range));
    } else if input.checksum_mode.as_deref() == Some("ENABLED")
        && let Some(checksum) = &version.checksum
    {
        checksum.write(&mut answer);
    }
    answer.extend(version.facts.headers.clone());
    answer.extend(overrides(input));
    if !version.facts.tags.is_empty() {
        answer.insert("TagCount".to_owned(), json!(version.facts.tags.len()));
    }
    if let Some(class) = &version.facts.storage_class {
        answer.insert("StorageClass".to_owned(), json!(class));
    }
    answer.insert("Metadata".to_owned(), Value::Object(version.facts.metadata.clone()));
    answer.insert("AcceptRanges".to_owned(), json!("bytes"));
    answer.insert("ContentLength".to_owned(), json!(length));
    let status = part.map(|_| StatusCode::PARTIAL_CONTENT);
    let reply = Reply { status, ..Reply::new(Value::Object(answer)) };
    Ok((reply, Some(Slice { version, from, length })))
}

/// The bytes that were asked for, by range or by the number of a part.
fn part_of(
    input: &Get,
    version: &Version,
    answer: &mut Map<String, Value>,
) -> Result<Option<(u64, u64)>, ServiceError> {
    let Some(number) = input.part_number else {
        return input.range.as_deref().map_or(Ok(None), |header| range(header, version.size));
    };
    if input.range.is_some() {
        return Err(error::invalid_request(
            "Cannot specify both Range header and partNumber query parameter",
        ));
    }
    if !version.is_multipart() {
        // An object that was not sent in parts is its own first part.
        let whole = Some((0, version.size)).filter(|(_, size)| *size > 0);
        return if number == 1 { Ok(whole) } else { Err(no_such_part(number, 1)) };
    }
    answer.insert("PartsCount".to_owned(), json!(version.pieces.len()));
    // Parts are counted as they lie in the object, not by the numbers they were sent with.
    let at = usize::from(number).checked_sub(1).filter(|at| *at < version.pieces.len());
    let at = at.ok_or_else(|| no_such_part(number, version.pieces.len()))?;
    let from = version.pieces[..at].iter().map(|piece| piece.size).sum();
    Ok(Some((from, version.pieces[at].size)))
}

fn no_such_part(number: u16, count: usize) -> ServiceError {
    ServiceError::new("InvalidPartNumber", 416, "The requested partnumber is not satisfiable")
        .with_field("PartNumberRequested", json!(number))
        .with_field("ActualPartCount", json!(count))
}

fn overrides(input: &Get) -> impl Iterator<Item = (String, Value)> {
    let expires =
        input.response_expires.map(|seconds| json!(Timestamp::from_seconds_f64(seconds).http_date()));
    let pairs = [
        ("CacheControl", input.response_cache_control.clone()),
        ("ContentDisposition", input.response_content_disposition.clone()),
        ("ContentEncoding", input.response_content_encoding.clone()),
        ("ContentLanguage", input.response_content_language.clone()),
        ("ContentType", input.response_content_type.clone()),
        ("Expires", expires),
    ];
    pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Attributes {
    bucket: String,
    key: String,
    version_id: Option<String>,
    max_parts: Option<usize>,
    part_number_marker: Option<Value>,
    object_attributes: Vec<String>,
}

pub(super) async fn attributes(_: &S3, context: &Context, input: Attributes) -> Result<Value, ServiceError> {
    let snapshot = context.store().read().map_err(Fault::from)?;
    let bucket = Bucket::find(&snapshot, &input.bucket)?;
    let version = object::find(&snapshot, &input.bucket, &input.key, input.version_id.as_deref())?;
    let mut answer = Map::from_iter([("LastModified".to_owned(), json!(version.modified.seconds()))]);
    if bucket.versioning() != Versioning::Off {
        answer.insert("VersionId".to_owned(), json!(version.id));
    }
    for wanted in &input.object_attributes {
        let value = match wanted.as_str() {
            "ETag" => json!(version.etag),
            "ObjectSize" => json!(version.size),
            "StorageClass" => json!(version.storage_class()),
            "Checksum" => {
                let mut checksum = Map::new();
                version.checksum.iter().for_each(|known| known.write(&mut checksum));
                Value::Object(checksum)
            }
            "ObjectParts" if version.is_multipart() => parts(&version, &input),
            "ObjectParts" => continue,
            other => {
                return Err(error::invalid_argument(
                    "Invalid attribute name specified.",
                    "x-amz-object-attributes",
                    other,
                ));
            }
        };
        answer.insert(wanted.clone(), value);
    }
    Ok(Value::Object(answer))
}

fn parts(version: &Version, input: &Attributes) -> Value {
    let marker = input.part_number_marker.as_ref().map_or(0, number_of);
    let limit = input.max_parts.unwrap_or(1000).min(1000);
    let after: Vec<_> = version.pieces.iter().filter(|piece| u64::from(piece.number) > marker).collect();
    let shown: Vec<Value> = after
        .iter()
        .take(limit)
        .map(|piece| {
            let mut part = Map::from_iter([
                ("PartNumber".to_owned(), json!(piece.number)),
                ("Size".to_owned(), json!(piece.size)),
            ]);
            piece.checksum.iter().for_each(|checksum| checksum.write(&mut part));
            part.remove("ChecksumType");
            Value::Object(part)
        })
        .collect();
    let next = shown.last().map(|part| part["PartNumber"].clone());
    let mut parts = json!({ "TotalPartsCount": version.pieces.len(), "PartNumberMarker": marker, "MaxParts": limit,
        "IsTruncated": after.len() > limit, "NextPartNumberMarker": next });
    // Only objects with checksums list their parts.
    if version.checksum.is_some() {
        parts["Parts"] = json!(shown);
    }
    parts
}

/// A number that a client may write as a text.
fn number_of(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0)
}
