//! The tags of groups, by ARN. Schedules have none.

use super::groups::{Group, Place};
use super::{Scheduler, errors};
use crate::storage::Outcome;
use crate::tags::{self, Tag};
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};

fn place(arn: &str) -> Result<Place, ServiceError> {
    Place::of_arn(arn).ok_or_else(|| errors::invalid(format!("{arn} is not the ARN of a schedule group.")))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    resource_arn: String,
}

/// `ListTagsForResource`
pub(super) async fn list(_: &Scheduler, context: &Context, input: Named) -> Outcome<Value> {
    let group = place(&input.resource_arn)?.find(&context.store().read()?)?;
    Ok(json!({ "Tags": tags::list(&group.tags) }))
}

async fn change(context: &Context, arn: &str, work: impl FnOnce(&mut Group) + Send + 'static) -> Outcome<()> {
    let (place, now) = (place(arn)?, context.now());
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let mut group = place.find(transaction)?;
        work(&mut group);
        group.modified = now;
        Ok(place.save(transaction, &group)?)
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Add {
    resource_arn: String,
    tags: Vec<Tag>,
}

/// `TagResource`
pub(super) async fn tag(_: &Scheduler, context: &Context, input: Add) -> Outcome<()> {
    change(context, &input.resource_arn, |group| group.tags.extend(tags::map(input.tags))).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Remove {
    resource_arn: String,
    tag_keys: Vec<String>,
}

/// `UntagResource`
pub(super) async fn untag(_: &Scheduler, context: &Context, input: Remove) -> Outcome<()> {
    change(context, &input.resource_arn, move |group| {
        group.tags.retain(|key, _| !input.tag_keys.contains(key));
    })
    .await
}
