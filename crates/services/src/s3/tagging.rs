//! Objects' tags.

use super::S3;
use super::bucket::{Bucket, Versioning, no_content};
use super::object::{self, Version};
use super::put::text;
use crate::storage::Fault;
use aloft_engine::{Context, Reply, ServiceError};
use aloft_store::Transaction;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::collections::HashSet;

/// The most tags of an object.
const OBJECT_LIMIT: usize = 10;
/// The most tags of a bucket.
pub(super) const BUCKET_LIMIT: usize = 50;

/// Reads `a=1&b=2`.
pub(super) fn from_header(header: &str) -> Result<Vec<Value>, ServiceError> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let tag = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        json!({ "Key": decode(name), "Value": decode(value) })
    };
    let tags: Vec<Value> = header.split('&').filter(|pair| !pair.is_empty()).map(tag).collect();
    check(&tags, OBJECT_LIMIT)?;
    Ok(tags)
}

/// Refuses what S3 does not take as a set of tags.
pub(super) fn check(tags: &[Value], limit: usize) -> Result<(), ServiceError> {
    if tags.len() > limit {
        let what = if limit == OBJECT_LIMIT { "Object" } else { "Bucket" };
        return Err(ServiceError::new(
            "BadRequest",
            400,
            format!("{what} tags cannot be greater than {limit}"),
        ));
    }
    let invalid = |message: &str| Err(ServiceError::new("InvalidTag", 400, message));
    let mut names = HashSet::new();
    for tag in tags {
        let (name, value) = (text(tag, "Key"), text(tag, "Value"));
        if name.is_empty() || name.chars().count() > 128 {
            return invalid("The TagKey you have provided is invalid");
        }
        if value.chars().count() > 256 {
            return invalid("The TagValue you have provided is invalid");
        }
        if name.starts_with("aws:") && limit == OBJECT_LIMIT {
            return invalid("System tags cannot be added/updated by requester");
        }
        if !names.insert(name) {
            return invalid("Cannot provide multiple Tags with the same key");
        }
    }
    Ok(())
}

fn found(version: &Version, bucket: &Bucket, tags: Option<&[Value]>) -> Value {
    let id = (bucket.versioning() != Versioning::Off).then_some(&version.id);
    json!({ "VersionId": id, "TagSet": tags })
}

pub(super) async fn get(_: &S3, context: &Context, params: Value) -> Result<Value, ServiceError> {
    let snapshot = context.store().read().map_err(Fault::from)?;
    let bucket = Bucket::find(&snapshot, text(&params, "Bucket"))?;
    let version = object::find(&snapshot, &bucket.name, text(&params, "Key"), params["VersionId"].as_str())?;
    Ok(found(&version, &bucket, Some(&version.facts.tags)))
}

pub(super) async fn put(_: &S3, context: &Context, mut params: Value) -> Result<Value, ServiceError> {
    let Value::Array(tags) = params["Tagging"]["TagSet"].take() else {
        return Err(super::error::malformed_xml());
    };
    check(&tags, OBJECT_LIMIT)?;
    change(context, params, tags, "ObjectTagging:Put").await
}

pub(super) async fn delete(_: &S3, context: &Context, params: Value) -> Result<Reply, ServiceError> {
    let answer = change(context, params, Vec::new(), "ObjectTagging:Delete").await?;
    Ok(Reply { params: answer, ..no_content() })
}

async fn change(
    context: &Context,
    params: Value,
    tags: Vec<Value>,
    event: &'static str,
) -> Result<Value, ServiceError> {
    let for_transaction = context.clone();
    let change = move |transaction: &mut Transaction<'_>| -> Result<Value, Fault> {
        let bucket = Bucket::find(transaction, text(&params, "Bucket"))?;
        let key = text(&params, "Key");
        let mut version = object::find(transaction, &bucket.name, key, params["VersionId"].as_str())?;
        version.facts.tags = tags;
        object::save(transaction, &bucket.name, key, &version)?;
        super::event::raise(transaction, &for_transaction, &bucket, event, key, &version)?;
        Ok(found(&version, &bucket, None))
    };
    Ok(context.store().write(change).await?)
}
