//! The tags of topics.

use super::topic::Address;
use super::{Sns, errors};
use crate::storage::Outcome;
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How many tags a topic may have.
const MOST: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    key: String,
    value: String,
}

/// Tags by key; a key may come once.
pub(super) fn map(tags: Vec<Tag>) -> Result<BTreeMap<String, String>, ServiceError> {
    let count = tags.len();
    let map: BTreeMap<_, _> = tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
    if map.len() < count {
        return Err(errors::invalid("Duplicated keys are not allowed."));
    }
    Ok(map)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    resource_arn: String,
}

/// `ListTagsForResource`
pub(super) async fn list(_: &Sns, context: &Context, input: Named) -> Outcome<Value> {
    let topic =
        address(&input.resource_arn)?.find(&context.store().read()?).map_err(|_| errors::no_resource())?;
    Ok(json!({ "Tags": crate::tags::list(&topic.tags) }))
}

fn address(arn: &str) -> Result<Address, ServiceError> {
    Address::of_arn(arn).map_err(|_| errors::no_resource())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Add {
    resource_arn: String,
    tags: Vec<Tag>,
}

/// `TagResource`
pub(super) async fn tag(_: &Sns, context: &Context, input: Add) -> Outcome<()> {
    let (address, tags) = (address(&input.resource_arn)?, map(input.tags)?);
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let mut topic = address.load(transaction).map_err(|_| errors::no_resource())?;
        topic.tags.extend(tags);
        if topic.tags.len() > MOST {
            let message = "Could not complete request: tag quota of per resource exceeded";
            return Err(ServiceError::new("TagLimitExceededException", 400, message).into());
        }
        Ok(topic.save(transaction)?)
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Remove {
    resource_arn: String,
    tag_keys: Vec<String>,
}

/// `UntagResource`
pub(super) async fn untag(_: &Sns, context: &Context, input: Remove) -> Outcome<()> {
    let address = address(&input.resource_arn)?;
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let mut topic = address.load(transaction).map_err(|_| errors::no_resource())?;
        topic.tags.retain(|key, _| !input.tag_keys.contains(key));
        Ok(topic.save(transaction)?)
    };
    context.store().write(write).await
}
