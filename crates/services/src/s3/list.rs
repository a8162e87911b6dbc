//! `ListObjects`, old and new.

use super::bucket::{self, Bucket};
use super::listing::{self, Step, Walk, encoded, encoded_option};
use super::object::{OBJECTS, Version};
use super::{S3, error};
use crate::storage::{Fault, Rows, decode};
use aloft_engine::{Context, ServiceError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE as BASE64;
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    bucket: String,
    prefix: Option<String>,
    delimiter: Option<String>,
    encoding_type: Option<String>,
    max_keys: Option<i64>,
    // The old one's:
    marker: Option<String>,
    // The new one's:
    start_after: Option<String>,
    continuation_token: Option<String>,
    #[serde(default)]
    fetch_owner: bool,
}

/// A page of a listing.
#[derive(Default)]
struct Page {
    objects: Vec<(String, Version)>,
    groups: Vec<String>,
    /// The last key or common prefix of the page, when there is more behind it.
    last: Option<String>,
}

impl List {
    fn page(&self, rows: &impl Rows, after: &str, size: usize) -> Result<Page, Fault> {
        let walk = Walk {
            keyspace: OBJECTS,
            bucket: &self.bucket,
            prefix: self.prefix.as_deref().unwrap_or_default(),
            delimiter: self.delimiter.as_deref().unwrap_or_default(),
            after,
        };
        let mut page = Page::default();
        if size == 0 {
            return Ok(page);
        }
        let (mut last, mut truncated) = (String::new(), false);
        walk.run(rows, |step| {
            let full = page.objects.len() + page.groups.len() == size;
            match step {
                Step::Row(object, row) => {
                    let version: Version = decode(OBJECTS, row)?;
                    if version.delete_marker {
                        return Ok(true);
                    }
                    truncated = full;
                    if !full {
                        page.objects.push((object.to_owned(), version));
                        object.clone_into(&mut last);
                    }
                }
                Step::Group(group) => {
                    if !has_objects(rows, &self.bucket, group)? {
                        return Ok(true);
                    }
                    truncated = full;
                    if !full {
                        page.groups.push(group.to_owned());
                        group.clone_into(&mut last);
                    }
                }
            }
            Ok(!truncated)
        })?;
        page.last = truncated.then_some(last);
        Ok(page)
    }

    fn answer(&self, bucket: &Bucket, page: &Page, size: usize, with_owner: bool) -> Map<String, Value> {
        let encoding = self.encoding_type.as_deref();
        let contents: Vec<Value> = page
            .objects
            .iter()
            .map(|(object, version)| entry(bucket, object, version, encoding, with_owner))
            .collect();
        let groups: Vec<Value> =
            page.groups.iter().map(|group| json!({ "Prefix": encoded(group, encoding) })).collect();
        let members = [
            ("Name", json!(bucket.name)),
            ("Prefix", encoded(self.prefix.as_deref().unwrap_or_default(), encoding)),
            (
                "Delimiter",
                encoded_option(self.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty()), encoding),
            ),
            ("EncodingType", json!(encoding)),
            ("MaxKeys", json!(size)),
            ("IsTruncated", json!(page.last.is_some())),
            ("Contents", json!(contents)),
            ("CommonPrefixes", json!(groups)),
        ];
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// Whether there is an object, and not only delete markers, under a common prefix.
fn has_objects(rows: &impl Rows, bucket: &str, group: &str) -> Result<bool, Fault> {
    let (mut found, walk) =
        (false, Walk { keyspace: OBJECTS, bucket, prefix: group, delimiter: "", after: "" });
    walk.run(rows, |step| {
        if let Step::Row(_, row) = step {
            found = !decode::<Version>(OBJECTS, row)?.delete_marker;
        }
        Ok(!found)
    })?;
    Ok(found)
}

fn entry(
    bucket: &Bucket,
    object: &str,
    version: &Version,
    encoding: Option<&str>,
    with_owner: bool,
) -> Value {
    let mut entry = json!({ "Key": encoded(object, encoding), "LastModified": version.modified.as_seconds_f64(),
        "ETag": version.quoted_etag(), "Size": version.size, "StorageClass": version.storage_class() });
    if let Some(checksum) = &version.checksum {
        entry["ChecksumAlgorithm"] = json!([checksum.algorithm.name()]);
        entry["ChecksumType"] = json!(checksum.kind);
    }
    if with_owner {
        entry["Owner"] = bucket.owner();
    }
    entry
}

pub(super) async fn v1(_: &S3, context: &Context, input: List) -> Result<Value, ServiceError> {
    let encoding = input.encoding_type.as_deref();
    listing::check_encoding(encoding)?;
    let size = listing::page_size("max-keys", input.max_keys)?;
    let snapshot = listing::read(context)?;
    let bucket = Bucket::find(&snapshot, &input.bucket)?;
    let marker = input.marker.as_deref().unwrap_or_default();
    let page = input.page(&snapshot, marker, size)?;
    let mut answer = input.answer(&bucket, &page, size, true);
    answer.insert("Marker".to_owned(), encoded(marker, encoding));
    // Without a delimiter the last key serves as the next marker.
    if input.delimiter.as_ref().is_some_and(|delimiter| !delimiter.is_empty()) {
        answer.insert("NextMarker".to_owned(), encoded_option(page.last.as_deref(), encoding));
    }
    Ok(Value::Object(answer))
}

pub(super) async fn v2(_: &S3, context: &Context, input: List) -> Result<Value, ServiceError> {
    let encoding = input.encoding_type.as_deref();
    listing::check_encoding(encoding)?;
    let size = listing::page_size("max-keys", input.max_keys)?;
    let bucket = bucket::find(context, &input.bucket)?;
    let continued = input.continuation_token.as_deref().map(read_token).transpose()?;
    let after = continued.as_deref().or(input.start_after.as_deref()).unwrap_or_default();
    let page = input.page(&listing::read(context)?, after, size)?;
    let mut answer = input.answer(&bucket, &page, size, input.fetch_owner);
    answer.insert("KeyCount".to_owned(), json!(page.objects.len() + page.groups.len()));
    answer.insert("ContinuationToken".to_owned(), json!(input.continuation_token));
    answer.insert("StartAfter".to_owned(), encoded_option(input.start_after.as_deref(), encoding));
    answer.insert("NextContinuationToken".to_owned(), json!(page.last.map(|last| BASE64.encode(last))));
    Ok(Value::Object(answer))
}

fn read_token(token: &str) -> Result<String, ServiceError> {
    let text = BASE64
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .filter(|text| !text.is_empty());
    text.ok_or_else(|| {
        error::invalid_argument("The continuation token provided is incorrect", "continuation-token", token)
    })
}
