//! Log streams.

use super::Logs;
use super::rows::{EVENTS, GroupName, STREAMS, Stream, invalid, no_stream};
use crate::page;
use crate::storage::Outcome;
use aloft_engine::{Context, ServiceError};
use aloft_store::{Key, Transaction};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Names {
    log_group_name: String,
    log_stream_name: String,
}

/// `CreateLogStream`
pub(super) async fn create(_: &Logs, context: &Context, input: Names) -> Outcome<()> {
    let (group, now) = (GroupName::of(context, &input.log_group_name), context.now());
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        group.load(transaction)?;
        let key = group.stream_key(&input.log_stream_name);
        if transaction.get(STREAMS, &key)?.is_some() {
            let message = "The specified log stream already exists";
            return Err(ServiceError::new("ResourceAlreadyExistsException", 400, message).into());
        }
        Ok(transaction.put_json(STREAMS, key, &Stream::new(now))?)
    };
    context.store().write(write).await
}

/// `DeleteLogStream`
pub(super) async fn delete(_: &Logs, context: &Context, input: Names) -> Outcome<()> {
    let group = GroupName::of(context, &input.log_group_name);
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        group.load(transaction)?;
        let key = group.stream_key(&input.log_stream_name);
        transaction.get(STREAMS, &key)?.ok_or_else(no_stream)?;
        transaction.delete(STREAMS, &key);
        transaction.delete_prefix(EVENTS, key)?;
        Ok(())
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Describe {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name_prefix: Option<String>,
    order_by: Option<String>,
    #[serde(default)]
    descending: bool,
    next_token: Option<String>,
    limit: Option<usize>,
}

/// `DescribeLogStreams`
pub(super) async fn describe(_: &Logs, context: &Context, input: Describe) -> Outcome<Value> {
    let group =
        GroupName::either(context, input.log_group_name.as_deref(), input.log_group_identifier.as_deref())?;
    group.find(context).await?;
    let by_time = input.order_by.as_deref() == Some("LastEventTime");
    if by_time && input.log_stream_name_prefix.is_some() {
        return Err(invalid("Cannot order by LastEventTime with a logStreamNamePrefix.").into());
    }
    let prefix = input.log_stream_name_prefix.unwrap_or_default();
    let mut streams = of_group(context, &group)?;
    streams.retain(|(name, _)| name.starts_with(&prefix));
    if by_time {
        streams.sort_by_key(|(_, stream)| stream.last_event);
    }
    if input.descending {
        streams.reverse();
    }
    let (page, next) = page::of(streams, input.limit.unwrap_or(50), input.next_token.as_deref());
    let told: Vec<Value> = page.iter().map(|(name, stream)| stream.tell(&group, name)).collect();
    let mut answer = json!({ "logStreams": told });
    if let Some(next) = next {
        answer["nextToken"] = next.into();
    }
    Ok(answer)
}

/// The streams of a group, by name.
pub(super) fn of_group(context: &Context, group: &GroupName) -> Outcome<Vec<(String, Stream)>> {
    let rows = context.store().read()?.scan_json::<Stream>(STREAMS, group.key(), usize::MAX)?;
    Ok(rows.into_iter().filter_map(|(key, stream)| Some((Key::texts(&key).pop()?, stream))).collect())
}
