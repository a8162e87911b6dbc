//! The tags of collections: shown, put on and taken off.

use super::rows::{COLLECTIONS, Collection, collection_key};
use super::{Rekognition, errors};
use crate::storage::{Fault, Rows};
use aloft_engine::{Context, ServiceError};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The most tags of a collection.
const MOST: usize = 200;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    resource_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    resource_arn: String,
    tags: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Untag {
    resource_arn: String,
    tag_keys: Vec<String>,
}

pub(super) async fn list(_: &Rekognition, context: &Context, input: List) -> Result<Value, ServiceError> {
    let snapshot = context.store().read().map_err(Fault::from)?;
    Ok(json!({ "Tags": of_arn(&snapshot, context, &input.resource_arn)?.1.tags }))
}

pub(super) async fn tag(_: &Rekognition, context: &Context, input: Tag) -> Result<Value, ServiceError> {
    change(context, input.resource_arn, move |tags| tags.extend(input.tags)).await
}

pub(super) async fn untag(_: &Rekognition, context: &Context, input: Untag) -> Result<Value, ServiceError> {
    change(context, input.resource_arn, move |tags| tags.retain(|key, _| !input.tag_keys.contains(key))).await
}

async fn change(
    context: &Context,
    arn: String,
    apply: impl FnOnce(&mut Map<String, Value>) + Send + 'static,
) -> Result<Value, ServiceError> {
    let within = context.clone();
    context
        .store()
        .write(move |transaction| {
            let (id, mut found) = of_arn(transaction, &within, &arn)?;
            apply(&mut found.tags);
            if found.tags.len() > MOST {
                return Err(Fault::from(errors::too_many_tags(MOST)));
            }
            Ok(transaction.put_json(COLLECTIONS, collection_key(&within, &id), &found)?)
        })
        .await?;
    Ok(json!({}))
}

/// The collection that an ARN names, with its id; only collections have tags here.
fn of_arn(rows: &impl Rows, context: &Context, arn: &str) -> Result<(String, Collection), Fault> {
    let whole = context.arn("rekognition", "collection/").to_string();
    let id = arn.strip_prefix(&whole).ok_or_else(|| errors::unknown_resource(arn))?;
    let row = collection_key(context, id);
    let found = rows.row(COLLECTIONS, row.as_ref())?.ok_or_else(|| errors::unknown_resource(arn))?;
    Ok((id.to_owned(), found))
}
