//! Listing multipart uploads and their parts.

use super::S3;
use super::bucket::Bucket;
use super::checksum::Algorithm;
use super::listing::{self, Step, Walk, encoded, encoded_option};
use super::multipart::{self, UPLOADS, Upload};
use crate::storage::{Fault, decode};
use aloft_engine::{Context, ServiceError};
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListParts {
    bucket: String,
    key: String,
    upload_id: String,
    max_parts: Option<i64>,
    part_number_marker: Option<Value>,
}

pub(super) async fn parts(_: &S3, context: &Context, input: ListParts) -> Result<Value, ServiceError> {
    let size = listing::page_size("max-parts", input.max_parts)?;
    let snapshot = listing::read(context)?;
    let upload = multipart::find(&snapshot, &input.bucket, &input.key, &input.upload_id)?;
    let bucket = Bucket::find(&snapshot, &input.bucket)?;
    let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let marker = input.part_number_marker.as_ref().and_then(number).unwrap_or(0);
    let mut all = multipart::parts(&snapshot, &upload.id).map_err(Fault::from)?;
    all.retain(|part| u64::from(part.piece.number) > marker);
    let truncated = all.len() > size;
    all.truncate(size);
    let shown: Vec<Value> = all
        .iter()
        .map(|part| {
            let mut entry = Map::from_iter([
                ("PartNumber".to_owned(), json!(part.piece.number)),
                ("LastModified".to_owned(), json!(part.modified.as_seconds_f64())),
                ("ETag".to_owned(), json!(format!("\"{}\"", part.etag))),
                ("Size".to_owned(), json!(part.piece.size)),
            ]);
            part.piece.checksum.iter().for_each(|checksum| checksum.write(&mut entry));
            entry.remove("ChecksumType");
            Value::Object(entry)
        })
        .collect();
    let next = shown.last().map_or(json!(0), |part| part["PartNumber"].clone());
    Ok(json!({
        "Bucket": input.bucket,
        "Key": input.key,
        "UploadId": input.upload_id,
        "PartNumberMarker": marker,
        "NextPartNumberMarker": next,
        "MaxParts": size,
        "IsTruncated": truncated,
        "Parts": shown,
        "Owner": bucket.owner(),
        "Initiator": bucket.owner(),
        "StorageClass": upload.facts.storage_class.as_deref().unwrap_or("STANDARD"),
        "ChecksumAlgorithm": upload.algorithm.map(Algorithm::name),
        "ChecksumType": upload.kind,
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListUploads {
    bucket: String,
    prefix: Option<String>,
    delimiter: Option<String>,
    encoding_type: Option<String>,
    max_uploads: Option<i64>,
    key_marker: Option<String>,
    upload_id_marker: Option<String>,
}

pub(super) async fn uploads(_: &S3, context: &Context, input: ListUploads) -> Result<Value, ServiceError> {
    let encoding = input.encoding_type.as_deref();
    listing::check_encoding(encoding)?;
    let size = listing::page_size("max-uploads", input.max_uploads)?;
    let snapshot = listing::read(context)?;
    let bucket = Bucket::find(&snapshot, &input.bucket)?;
    let marker = input.key_marker.as_deref().unwrap_or_default();
    let id_marker = input.upload_id_marker.as_deref().filter(|_| !marker.is_empty());
    let walk = Walk {
        keyspace: UPLOADS,
        bucket: &input.bucket,
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref().unwrap_or_default(),
        after: marker,
    };
    let (mut found, mut groups, mut truncated) = (Vec::new(), Vec::new(), false);
    let mut last = (String::new(), String::new());
    let add = |key: &str, upload: &Upload, found: &mut Vec<Value>| {
        found.push(json!({ "Key": encoded(key, encoding), "UploadId": upload.id, "Initiated": upload.initiated.as_seconds_f64(),
            "StorageClass": upload.facts.storage_class.as_deref().unwrap_or("STANDARD"), "Owner": bucket.owner(),
            "Initiator": bucket.owner(), "ChecksumAlgorithm": upload.algorithm.map(Algorithm::name), "ChecksumType": upload.kind }));
        (key.to_owned(), upload.id.clone())
    };
    // More uploads to the key that the last page ended with.
    if let Some(id_marker) = id_marker {
        for (_, row) in snapshot
            .scan(UPLOADS, aloft_store::key([&input.bucket, marker]), usize::MAX)
            .map_err(Fault::from)?
        {
            let upload: Upload = decode(UPLOADS, &row).map_err(Fault::from)?;
            if upload.id.as_str() <= id_marker {
                continue;
            }
            if found.len() == size {
                truncated = true;
                break;
            }
            last = add(marker, &upload, &mut found);
        }
    }
    if !truncated && size > 0 {
        walk.run(&snapshot, |step| {
            truncated = found.len() + groups.len() == size;
            match step {
                _ if truncated => {}
                Step::Row(key, row) => last = add(key, &decode(UPLOADS, row)?, &mut found),
                Step::Group(group) => {
                    groups.push(json!({ "Prefix": encoded(group, encoding) }));
                    last = (group.to_owned(), String::new());
                }
            }
            Ok(!truncated)
        })?;
    }
    Ok(json!({
        "Bucket": input.bucket,
        "KeyMarker": encoded(marker, encoding),
        "UploadIdMarker": input.upload_id_marker.unwrap_or_default(),
        "NextKeyMarker": if truncated { encoded(&last.0, encoding) } else { Value::Null },
        "NextUploadIdMarker": if truncated { json!(last.1) } else { Value::Null },
        "Prefix": encoded_option(input.prefix.as_deref(), encoding),
        "Delimiter": encoded_option(input.delimiter.as_deref(), encoding),
        "EncodingType": encoding,
        "MaxUploads": size,
        "IsTruncated": truncated,
        "Uploads": found,
        "CommonPrefixes": groups,
    }))
}
