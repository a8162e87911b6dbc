//! What an object carries beside its body: headers, metadata, tags, storage class.

use super::bucket::Bucket;
use super::{error, tagging};
use aloft_engine::ServiceError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What an object carries beside its body.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Facts {
    /// `ContentType`, `CacheControl`, ... and the encryption, by the model's member names, as they are given back.
    pub headers: Map<String, Value>,
    /// The user's own.
    pub metadata: Map<String, Value>,
    pub tags: Vec<Value>,
    /// Nothing for `STANDARD`.
    pub storage_class: Option<String>,
}

/// The headers that an object is stored with, by the model's member names.
const HEADERS: &[&str] = &[
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "WebsiteRedirectLocation",
];
/// Encryption, kept and given back; everything rests on the same disk.
const ENCRYPTION: &[&str] = &["ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled"];
/// Options that would change what later requests may do.
const UNBUILT: &[(&str, &str)] = &[
    ("SSECustomerAlgorithm", "encryption with customer-provided keys"),
    ("ObjectLockMode", "object lock"),
    ("ObjectLockRetainUntilDate", "object lock"),
    ("ObjectLockLegalHoldStatus", "object lock"),
    ("ObjectLockEventHold", "object lock"),
    ("WriteOffsetBytes", "appending to objects"),
];
/// What the user's metadata may take, in bytes of names and values.
const METADATA_LIMIT: usize = 2048;
/// The content type of objects that were given none.
const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";

impl Facts {
    /// Reads what a request says of a new object.
    pub fn read(params: &Value, bucket: &Bucket) -> Result<Self, ServiceError> {
        if let Some((_, what)) =
            UNBUILT.iter().find(|(name, _)| params.get(*name).is_some_and(|value| !value.is_null()))
        {
            return Err(error::not_built(what));
        }
        let given = |names: &[&str]| -> Map<String, Value> {
            names.iter().filter_map(|name| Some(((*name).to_owned(), params.get(*name)?.clone()))).collect()
        };
        let mut headers = given(HEADERS);
        // The chunks of the transfer are gone by now.
        if let Some(Value::String(encoding)) = headers.remove("ContentEncoding") {
            let kept: Vec<&str> = encoding
                .split(',')
                .map(str::trim)
                .filter(|name| !matches!(*name, "aws-chunked" | ""))
                .collect();
            if !kept.is_empty() {
                headers.insert("ContentEncoding".to_owned(), json!(kept.join(",")));
            }
        }
        headers.entry("ContentType").or_insert_with(|| json!(DEFAULT_CONTENT_TYPE));
        let encryption = given(ENCRYPTION);
        headers.extend(if encryption.is_empty() { bucket.default_encryption() } else { encryption });
        let metadata = params["Metadata"].as_object().cloned().unwrap_or_default();
        let length = |value: &Value| value.as_str().map_or(0, str::len);
        if metadata.iter().map(|(name, value)| name.len() + length(value)).sum::<usize>() > METADATA_LIMIT {
            let message = "Your metadata headers exceed the maximum allowed metadata size";
            return Err(ServiceError::new("MetadataTooLarge", 400, message)
                .with_field("MaxSizeAllowed", json!(METADATA_LIMIT)));
        }
        let tags = params["Tagging"].as_str().map(tagging::from_header).transpose()?.unwrap_or_default();
        let storage_class = params["StorageClass"].as_str().filter(|class| *class != "STANDARD");
        if storage_class.is_some_and(|class| !STORAGE_CLASSES.contains(&class)) {
            return Err(ServiceError::new(
                "InvalidStorageClass",
                400,
                "The storage class you specified is not valid",
            ));
        }
        Ok(Self { headers, metadata, tags, storage_class: storage_class.map(str::to_owned) })
    }

    /// The encryption as answers to writes tell it.
    pub fn encryption(&self) -> Map<String, Value> {
        let kept = |(name, _): &(&String, &Value)| ENCRYPTION.contains(&name.as_str());
        self.headers.iter().filter(kept).map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

const STORAGE_CLASSES: &[&str] = &[
    "STANDARD",
    "DEEP_ARCHIVE",
    "GLACIER",
    "GLACIER_IR",
    "INTELLIGENT_TIERING",
    "ONEZONE_IA",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
];
