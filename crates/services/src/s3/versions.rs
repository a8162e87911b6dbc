//! `ListObjectVersions`.

use super::S3;
use super::bucket::Bucket;
use super::listing::{self, Step, Walk, encoded, encoded_option};
use super::object::{self, OBJECTS, Version};
use crate::storage::{Fault, decode};
use aloft_engine::{Context, ServiceError};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    bucket: String,
    prefix: Option<String>,
    delimiter: Option<String>,
    encoding_type: Option<String>,
    max_keys: Option<i64>,
    key_marker: Option<String>,
    version_id_marker: Option<String>,
}

#[derive(Default)]
struct Page {
    versions: Vec<Value>,
    markers: Vec<Value>,
    groups: Vec<Value>,
    /// Key and version of the last entry that was taken.
    last: (String, Option<String>),
}

impl Page {
    fn len(&self) -> usize {
        self.versions.len() + self.markers.len() + self.groups.len()
    }
}

pub(super) async fn list(_: &S3, context: &Context, input: List) -> Result<Value, ServiceError> {
    let encoding = input.encoding_type.as_deref();
    listing::check_encoding(encoding)?;
    let size = listing::page_size("max-keys", input.max_keys)?;
    let snapshot = listing::read(context)?;
    let bucket = Bucket::find(&snapshot, &input.bucket)?;
    let (mut page, mut truncated) = (Page::default(), false);
    let marker = input.key_marker.as_deref().unwrap_or_default();
    // Inside a key's versions: what is left of them comes first.
    if let Some(version_marker) = input.version_id_marker.as_deref().filter(|_| !marker.is_empty()) {
        let all = all_versions(&snapshot, &input.bucket, marker)?;
        let at = all.iter().position(|version| version.id == version_marker).map_or(all.len(), |at| at + 1);
        truncated = !page.add(&bucket, marker, &all, at, size, encoding);
    }
    let walk = Walk {
        keyspace: OBJECTS,
        bucket: &input.bucket,
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref().unwrap_or_default(),
        after: marker,
    };
    if !truncated && size > 0 {
        walk.run(&snapshot, |step| {
            match step {
                Step::Row(object, row) => {
                    let mut all = vec![decode::<Version>(OBJECTS, row)?];
                    all.extend(object::older(&snapshot, &input.bucket, object, usize::MAX)?);
                    truncated = !page.add(&bucket, object, &all, 0, size, encoding);
                }
                Step::Group(group) if page.len() < size => {
                    page.groups.push(json!({ "Prefix": encoded(group, encoding) }));
                    page.last = (group.to_owned(), None);
                }
                Step::Group(_) => truncated = true,
            }
            Ok(!truncated)
        })?;
    }
    let (next_key, next_version) = if truncated { (Some(page.last.0), page.last.1) } else { (None, None) };
    Ok(json!({
        "Name": bucket.name,
        "Prefix": encoded(input.prefix.as_deref().unwrap_or_default(), encoding),
        "Delimiter": encoded_option(input.delimiter.as_deref(), encoding),
        "EncodingType": encoding,
        "MaxKeys": size,
        "KeyMarker": encoded(marker, encoding),
        "VersionIdMarker": input.version_id_marker.unwrap_or_default(),
        "IsTruncated": truncated,
        "NextKeyMarker": encoded_option(next_key.as_deref(), encoding),
        "NextVersionIdMarker": next_version,
        "Versions": page.versions,
        "DeleteMarkers": page.markers,
        "CommonPrefixes": page.groups,
    }))
}

fn all_versions(snapshot: &aloft_store::Snapshot, bucket: &str, key: &str) -> Result<Vec<Version>, Fault> {
    let mut all: Vec<Version> = object::current(snapshot, bucket, key)?.into_iter().collect();
    all.extend(object::older(snapshot, bucket, key, usize::MAX)?);
    Ok(all)
}

impl Page {
    /// Adds a key's versions from the one at `from` on; `false` when the page is full before their end.
    fn add(
        &mut self,
        bucket: &Bucket,
        key: &str,
        all: &[Version],
        from: usize,
        size: usize,
        encoding: Option<&str>,
    ) -> bool {
        for (at, version) in all.iter().enumerate().skip(from) {
            if self.len() >= size {
                return false;
            }
            let mut entry = json!({ "Key": encoded(key, encoding), "VersionId": version.id, "IsLatest": at == 0,
                "LastModified": version.modified.as_seconds_f64(), "Owner": bucket.owner() });
            if version.delete_marker {
                self.markers.push(entry);
            } else {
                entry["ETag"] = json!(version.quoted_etag());
                entry["Size"] = json!(version.size);
                entry["StorageClass"] = json!(version.storage_class());
                if let Some(checksum) = &version.checksum {
                    entry["ChecksumAlgorithm"] = json!([checksum.algorithm.name()]);
                    entry["ChecksumType"] = json!(checksum.kind);
                }
                self.versions.push(entry);
            }
            self.last = (key.to_owned(), Some(version.id.clone()));
        }
        true
    }
}
