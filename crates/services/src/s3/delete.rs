//! Deleting objects, one or many at a time.

use super::bucket::Bucket;
use super::object::{self, Deleted};
use super::put::text;
use super::{S3, error};
use crate::storage::Fault;
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde_json::{Map, Value, json};

/// The most objects of one `DeleteObjects`.
const MANY: usize = 1000;

pub(super) async fn one(_: &S3, context: &Context, params: Value) -> Result<Value, ServiceError> {
    let for_transaction = context.clone();
    let delete = move |transaction: &mut Transaction<'_>| -> Result<Deleted, Fault> {
        let bucket = Bucket::find(transaction, text(&params, "Bucket"))?;
        let key = text(&params, "Key");
        if let Some(wanted) = params["IfMatch"].as_str() {
            let current = object::current(transaction, &bucket.name, key)?;
            super::conditions::check_write(key, current.as_ref(), Some(wanted), None)?;
        }
        object::delete(
            transaction,
            &for_transaction,
            &bucket,
            key,
            params["VersionId"].as_str(),
            "ObjectRemoved",
        )
    };
    let deleted = context.store().write(delete).await?;
    let marker = deleted.delete_marker.then_some(true);
    Ok(json!({ "VersionId": deleted.version_id, "DeleteMarker": marker }))
}

pub(super) async fn many(_: &S3, context: &Context, mut params: Value) -> Result<Value, ServiceError> {
    let Value::Array(objects) = params["Delete"]["Objects"].take() else {
        return Err(error::malformed_xml());
    };
    if objects.is_empty() || objects.len() > MANY {
        return Err(error::malformed_xml());
    }
    let quiet = params["Delete"]["Quiet"] == true;
    let for_transaction = context.clone();
    let delete = move |transaction: &mut Transaction<'_>| -> Result<(Vec<Value>, Vec<Value>), Fault> {
        let bucket = Bucket::find(transaction, text(&params, "Bucket"))?;
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for object in &objects {
            match delete_of_many(transaction, &for_transaction, &bucket, object) {
                Ok(_) if quiet => {}
                Ok(deleted) => done.push(deleted),
                Err(Fault::Service(error)) => failed
                    .push(json!({ "Key": object["Key"], "VersionId": object["VersionId"],
                    "Code": error.code, "Message": error.message })),
                Err(fault) => return Err(fault),
            }
        }
        Ok((done, failed))
    };
    let (done, failed) = context.store().write(delete).await?;
    Ok(json!({ "Deleted": done, "Errors": failed }))
}

fn delete_of_many(
    transaction: &mut Transaction<'_>,
    context: &Context,
    bucket: &Bucket,
    object: &Value,
) -> Result<Value, Fault> {
    let (key, version) = (text(object, "Key"), object["VersionId"].as_str());
    if let Some(etag) = object["ETag"].as_str() {
        let current = object::current(transaction, &bucket.name, key)?;
        super::conditions::check_write(key, current.as_ref(), Some(etag), None)?;
    }
    let deleted = object::delete(transaction, context, bucket, key, version, "ObjectRemoved")?;
    let mut entry = Map::from_iter([("Key".to_owned(), json!(key))]);
    entry.extend(version.map(|version| ("VersionId".to_owned(), json!(version))));
    if deleted.delete_marker {
        entry.insert("DeleteMarker".to_owned(), json!(true));
        entry.insert("DeleteMarkerVersionId".to_owned(), json!(deleted.version_id));
    }
    Ok(Value::Object(entry))
}
