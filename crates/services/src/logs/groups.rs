//! Log groups and their tags.

use super::rows::{EVENTS, GROUPS, Group, GroupName, STREAMS, Stream, invalid, no_group};
use super::subscriptions::FILTERS;
use super::{Logs, forward::QUEUE, retention};
use crate::page;
use crate::storage::{Fault, Outcome};
use aloft_engine::{Context, ServiceError};
use aloft_store::{Key, Transaction, key};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Create {
    log_group_name: String,
    kms_key_id: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    log_group_class: Option<String>,
    deletion_protection_enabled: Option<bool>,
}

/// `CreateLogGroup`
pub(super) async fn create(_: &Logs, context: &Context, input: Create) -> Outcome<()> {
    if input.deletion_protection_enabled == Some(true) {
        return Err(invalid("Deletion protection is not built in the local cloud.").into());
    }
    let (name, now) = (GroupName::of(context, &input.log_group_name), context.now());
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        if transaction.get(GROUPS, name.key())?.is_some() {
            let message = "The specified log group already exists";
            return Err(ServiceError::new("ResourceAlreadyExistsException", 400, message).into());
        }
        let class = input.log_group_class.unwrap_or_else(|| "STANDARD".to_owned());
        let group = Group { class, kms_key: input.kms_key_id, tags: input.tags, ..Group::new(now) };
        Ok(name.save(transaction, &group)?)
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delete {
    log_group_name: String,
}

/// `DeleteLogGroup`
pub(super) async fn delete(_: &Logs, context: &Context, input: Delete) -> Outcome<()> {
    let name = GroupName::of(context, &input.log_group_name);
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        name.load(transaction)?;
        transaction.delete(GROUPS, name.key());
        transaction.delete_prefix(STREAMS, name.key())?;
        transaction.delete_prefix(EVENTS, name.key())?;
        transaction.delete_prefix(FILTERS, name.key())?;
        transaction.delete_prefix(QUEUE, name.key())?;
        retention::forget(transaction, &name)?;
        Ok(())
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Describe {
    log_group_name_prefix: Option<String>,
    log_group_name_pattern: Option<String>,
    log_group_class: Option<String>,
    log_group_identifiers: Option<Vec<String>>,
    next_token: Option<String>,
    limit: Option<usize>,
}

/// `DescribeLogGroups`
pub(super) async fn describe(_: &Logs, context: &Context, input: Describe) -> Outcome<Value> {
    if input.log_group_name_prefix.is_some() && input.log_group_name_pattern.is_some() {
        return Err(invalid(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        )
        .into());
    }
    context.store().settle().await?;
    let snapshot = context.store().read()?;
    let rows = snapshot.scan_json::<Group>(
        GROUPS,
        key([context.account.as_str(), context.region.as_str()]),
        usize::MAX,
    )?;
    let prefix = input.log_group_name_prefix.unwrap_or_default();
    let pattern = input.log_group_name_pattern.unwrap_or_default().to_lowercase();
    let named: Option<Vec<String>> = input
        .log_group_identifiers
        .map(|all| all.iter().map(|one| GroupName::of(context, one).name).collect());
    let groups = rows.into_iter().filter_map(|(row, group)| Some((Key::texts(&row).pop()?, group)));
    let wanted: Vec<(String, Group)> = groups
        .filter(|(name, group)| {
            name.starts_with(&prefix)
                && name.to_lowercase().contains(&pattern)
                && input.log_group_class.as_ref().is_none_or(|class| *class == group.class)
                && named.as_ref().is_none_or(|named| named.contains(name))
        })
        .collect();
    let (page, next) = page::of(wanted, input.limit.unwrap_or(50), input.next_token.as_deref());
    let mut told = Vec::with_capacity(page.len());
    for (name, group) in page {
        let name = GroupName::of(context, &name);
        let streams = snapshot.scan_json::<Stream>(STREAMS, name.key(), usize::MAX)?;
        told.push(tell(&name, &group, streams.iter().map(|(_, stream)| stream.bytes).sum()));
    }
    let mut answer = json!({ "logGroups": told });
    if let Some(next) = next {
        answer["nextToken"] = next.into();
    }
    Ok(answer)
}

fn tell(name: &GroupName, group: &Group, bytes: u64) -> Value {
    let mut told = json!({
        "logGroupName": name.name,
        "creationTime": group.created.millis(),
        "metricFilterCount": 0,
        "arn": format!("{}:*", name.arn()),
        "logGroupArn": name.arn(),
        "storedBytes": bytes,
        "logGroupClass": group.class,
    });
    if let Some(days) = group.retention_days {
        told["retentionInDays"] = days.into();
    }
    if let Some(kms_key) = &group.kms_key {
        told["kmsKeyId"] = kms_key.clone().into();
    }
    told
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tagging {
    #[serde(alias = "resourceArn")]
    log_group_name: String,
    /// To set, or the names of those to remove.
    #[serde(default, alias = "tagKeys")]
    tags: Value,
}

fn known(name: &str) -> ServiceError {
    let mut error = no_group();
    if name.starts_with("arn:") {
        "The specified resource does not exist.".clone_into(&mut error.message);
    }
    error
}

async fn change(context: &Context, input: Tagging, change: fn(&mut Group, Value)) -> Outcome<()> {
    let name = GroupName::of(context, &input.log_group_name);
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let mut group = name.load(transaction).map_err(|_| Fault::Service(known(&input.log_group_name)))?;
        change(&mut group, input.tags);
        Ok(name.save(transaction, &group)?)
    };
    context.store().write(write).await
}

fn add_tags(group: &mut Group, tags: Value) {
    group.tags.extend(serde_json::from_value::<BTreeMap<String, String>>(tags).unwrap_or_default());
}

fn remove_tags(group: &mut Group, names: Value) {
    let names: Vec<String> = serde_json::from_value(names).unwrap_or_default();
    group.tags.retain(|name, _| !names.contains(name));
}

/// `TagResource`
pub(super) async fn tag(_: &Logs, context: &Context, input: Tagging) -> Outcome<()> {
    change(context, input, add_tags).await
}

/// `TagLogGroup`
pub(super) async fn tag_name(_: &Logs, context: &Context, input: Tagging) -> Outcome<()> {
    change(context, input, add_tags).await
}

/// `UntagResource`
pub(super) async fn untag(_: &Logs, context: &Context, input: Tagging) -> Outcome<()> {
    change(context, input, remove_tags).await
}

/// `UntagLogGroup`
pub(super) async fn untag_name(_: &Logs, context: &Context, input: Tagging) -> Outcome<()> {
    change(context, input, remove_tags).await
}

/// `ListTagsForResource`
pub(super) async fn list_tags(_: &Logs, context: &Context, input: Tagging) -> Outcome<Value> {
    let group = GroupName::of(context, &input.log_group_name).find(context).await;
    Ok(json!({ "tags": group.map_err(|_| Fault::Service(known(&input.log_group_name)))?.tags }))
}

/// `ListTagsLogGroup`
pub(super) async fn list_tags_of_name(logs: &Logs, context: &Context, input: Tagging) -> Outcome<Value> {
    list_tags(logs, context, input).await
}
