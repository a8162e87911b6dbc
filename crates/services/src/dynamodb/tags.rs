//! Tags of tables.

use super::DynamoDb;
use super::error::{Result, invalid, invalid_values};
use super::table::{Address, Table};
use crate::storage::{Fault, Rows};
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The most tags that a table may have.
const MOST: usize = 50;

/// `Tag`
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    key: String,
    value: String,
}

/// Checks new tags: nobody may use the provider's prefix, or one key twice.
pub(super) fn checked(tags: &[Tag]) -> Result<BTreeMap<String, String>> {
    let mut out = BTreeMap::new();
    for Tag { key, value } in tags {
        if key.starts_with("aws:") {
            return Err(invalid_values("aws: prefixed tag key names are not allowed"));
        }
        if out.insert(key.clone(), value.clone()).is_some() {
            return Err(invalid_values(format!("Duplicate Tag Key: {key}")));
        }
    }
    if out.len() > MOST {
        return Err(too_many());
    }
    Ok(out)
}

fn too_many() -> Fault {
    invalid_values("Too many tags: the limit is 50 tags per resource")
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagInput {
    resource_arn: String,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

pub(super) async fn tag(_: &DynamoDb, context: &Context, input: TagInput) -> Result<Value> {
    let tags = checked(&input.tags)?;
    change(context, input.resource_arn, move |table| {
        table.tags.extend(tags);
        if table.tags.len() > MOST { Err(too_many()) } else { Ok(()) }
    })
    .await
}

pub(super) async fn untag(_: &DynamoDb, context: &Context, input: TagInput) -> Result<Value> {
    change(context, input.resource_arn, move |table| {
        table.tags.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    })
    .await
}

pub(super) async fn list(_: &DynamoDb, context: &Context, input: TagInput) -> Result<Value> {
    let table = find(&context.store().read()?, &address(context, &input.resource_arn)?, &input.resource_arn)?;
    let tags: Vec<Tag> = table.tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
    Ok(json!({"Tags": tags}))
}

async fn change(
    context: &Context,
    arn: String,
    change: impl FnOnce(&mut Table) -> Result<()> + Send + 'static,
) -> Result<Value> {
    let address = address(context, &arn)?;
    let change = move |transaction: &mut Transaction<'_>| {
        let mut table = find(transaction, &address, &arn)?;
        change(&mut table)?;
        address.save(transaction, &table)?;
        Ok::<_, Fault>(json!({}))
    };
    context.store().write(change).await
}

fn address(context: &Context, arn: &str) -> Result<Address> {
    if !arn.starts_with("arn:") {
        return Err(invalid(format!("Invalid TableArn: Invalid ResourceArn provided as input {arn}")));
    }
    Address::of(context, arn)
}

fn find(source: &impl Rows, address: &Address, arn: &str) -> Result<Table> {
    address.find(source)?.ok_or_else(|| {
        let message = format!("Requested resource not found: ResourcArn: {arn} not found");
        ServiceError::new("ResourceNotFoundException", 400, message).into()
    })
}
