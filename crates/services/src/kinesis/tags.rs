//! Tags of streams.

use super::Kinesis;
use super::stream::{Address, Which};
use crate::storage::Fault;
use aloft_engine::Context;
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Deserialize)]
pub(super) struct Add {
    #[serde(flatten)]
    which: Which,
    #[serde(rename = "Tags")]
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
pub(super) struct Remove {
    #[serde(flatten)]
    which: Which,
    #[serde(rename = "TagKeys")]
    keys: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Tag {
    #[serde(rename = "ResourceARN")]
    arn: String,
    #[serde(rename = "Tags")]
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
pub(super) struct Untag {
    #[serde(rename = "ResourceARN")]
    arn: String,
    #[serde(rename = "TagKeys")]
    keys: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct OfResource {
    #[serde(rename = "ResourceARN")]
    arn: String,
}

async fn change(
    context: &Context,
    address: Address,
    work: impl FnOnce(&mut BTreeMap<String, String>) + Send + 'static,
) -> Result<(), Fault> {
    let write = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let mut stream = address.find(transaction)?;
        work(&mut stream.tags);
        Ok(stream.save(transaction)?)
    };
    context.store().write(write).await
}

fn tell(context: &Context, address: &Address) -> Result<Value, Fault> {
    let stream = address.find(&context.store().read()?)?;
    Ok(stream.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect())
}

/// `AddTagsToStream`
pub(super) async fn add(_: &Kinesis, context: &Context, input: Add) -> Result<(), Fault> {
    change(context, input.which.address(context)?, |tags| tags.extend(input.tags)).await
}

/// `RemoveTagsFromStream`
pub(super) async fn remove(_: &Kinesis, context: &Context, input: Remove) -> Result<(), Fault> {
    let address = input.which.address(context)?;
    change(context, address, move |tags| tags.retain(|key, _| !input.keys.contains(key))).await
}

/// `TagResource`
pub(super) async fn tag(_: &Kinesis, context: &Context, input: Tag) -> Result<(), Fault> {
    change(context, Address::of_arn(context, &input.arn)?, |tags| tags.extend(input.tags)).await
}

/// `UntagResource`
pub(super) async fn untag(_: &Kinesis, context: &Context, input: Untag) -> Result<(), Fault> {
    let address = Address::of_arn(context, &input.arn)?;
    change(context, address, move |tags| tags.retain(|key, _| !input.keys.contains(key))).await
}

/// `ListTagsForStream`
pub(super) async fn list(_: &Kinesis, context: &Context, which: Which) -> Result<Value, Fault> {
    Ok(json!({ "Tags": tell(context, &which.address(context)?)?, "HasMoreTags": false }))
}

/// `ListTagsForResource`
pub(super) async fn list_of_resource(
    _: &Kinesis,
    context: &Context,
    input: OfResource,
) -> Result<Value, Fault> {
    Ok(json!({ "Tags": tell(context, &Address::of_arn(context, &input.arn)?)? }))
}
