//! Tags of alarms.

use super::CloudWatch;
use super::alarm::Alarm;
use super::alarms::{Tag, not_found};
use crate::storage::{Outcome, Rows};
use aloft_engine::Context;
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Of {
    #[serde(rename = "ResourceARN")]
    resource_arn: String,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

fn find(rows: &impl Rows, context: &Context, arn: &str) -> Outcome<Alarm> {
    let name = arn.split_once(":alarm:").map_or("", |(_, name)| name);
    Ok(Alarm::find(rows, context, name)?.ok_or_else(not_found)?)
}

/// `ListTagsForResource`
pub(super) async fn list(_: &CloudWatch, context: &Context, input: Of) -> Outcome<Value> {
    let alarm = find(&context.store().read()?, context, &input.resource_arn)?;
    Ok(json!({ "Tags": crate::tags::list(&alarm.tags) }))
}

/// `TagResource`
pub(super) async fn tag(_: &CloudWatch, context: &Context, input: Of) -> Outcome<()> {
    change(context, input).await
}

/// `UntagResource`
pub(super) async fn untag(_: &CloudWatch, context: &Context, input: Of) -> Outcome<()> {
    change(context, input).await
}

async fn change(context: &Context, input: Of) -> Outcome<()> {
    let (store, context) = (context.store().clone(), context.clone());
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let mut alarm = find(transaction, &context, &input.resource_arn)?;
        alarm.tags.extend(input.tags.into_iter().map(|tag| (tag.key, tag.value)));
        alarm.tags.retain(|key, _| !input.tag_keys.contains(key));
        Ok(alarm.save(transaction)?)
    };
    store.write(write).await
}
