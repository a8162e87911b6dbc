//! How long events are kept: a setting of the group, and the timer that drops what is older.

use super::Logs;
use super::rows::{EVENTS, GROUPS, Group, GroupName, STREAMS, Stream, invalid, place, read_place};
use crate::storage::Outcome;
use aloft_base::Timestamp;
use aloft_engine::Context;
use aloft_engine::timers::{self, Timer};
use aloft_store::{Key, StoreError, Transaction};
use serde::Deserialize;
use serde_json::Value;
use std::ops::Bound;
use std::time::Duration;

/// The periods that the service offers, in days.
const PERIODS: &[u32] = &[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];
/// How many events one transaction drops.
const AT_ONCE: usize = 2_000;
/// How long the timer waits at least, so that a busy group is not looked at all the time.
const PAUSE: Duration = Duration::from_secs(3600);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Put {
    log_group_name: String,
    retention_in_days: u32,
}

/// `PutRetentionPolicy`
pub(super) async fn put(_: &Logs, context: &Context, input: Put) -> Outcome<()> {
    if !PERIODS.contains(&input.retention_in_days) {
        let allowed: Vec<String> = PERIODS.iter().map(u32::to_string).collect();
        return Err(invalid(format!(
            "1 validation error detected: Value '{}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [{}]",
            input.retention_in_days,
            allowed.join(", ")
        ))
        .into());
    }
    set(context, &input.log_group_name, Some(input.retention_in_days)).await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delete {
    log_group_name: String,
}

/// `DeleteRetentionPolicy`
pub(super) async fn delete(_: &Logs, context: &Context, input: Delete) -> Outcome<()> {
    set(context, &input.log_group_name, None).await
}

async fn set(context: &Context, name: &str, days: Option<u32>) -> Outcome<()> {
    let (name, now) = (GroupName::of(context, name), context.now());
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let mut group = name.load(transaction)?;
        group.retention_days = days;
        name.save(transaction, &group)?;
        match days {
            Some(_) => timers::set(transaction, &timer(&name, now.add(Duration::from_secs(1))))?,
            None => forget(transaction, &name)?,
        }
        Ok(())
    };
    context.store().write(write).await
}

/// Drops the timer of a group.
pub(super) fn forget(transaction: &mut Transaction<'_>, name: &GroupName) -> Result<(), StoreError> {
    timers::cancel(transaction, "logs", &timer_name(name))
}

fn timer_name(name: &GroupName) -> String {
    format!("retention/{}/{}/{}", name.account, name.region, name.name)
}

fn timer(name: &GroupName, due: Timestamp) -> Timer {
    Timer {
        service: "logs".to_owned(),
        name: timer_name(name),
        due,
        account: name.account.clone(),
        region: name.region.clone(),
        payload: Value::String(name.name.clone()),
    }
}

/// Drops what has expired in the timer's group, and sets the timer for what expires next.
pub(super) async fn expire(context: &Context, timer: &Timer) -> Outcome<()> {
    let name = GroupName::of(context, timer.payload.as_str().unwrap_or_default());
    let now = context.now();
    loop {
        let name = name.clone();
        let write = move |transaction: &mut Transaction<'_>| drop_some(transaction, &name, now);
        if context.store().write(write).await? {
            return Ok(());
        }
    }
}

/// Drops at most [`AT_ONCE`] events of each stream, and tells whether that was all.
fn drop_some(transaction: &mut Transaction<'_>, name: &GroupName, now: Timestamp) -> Outcome<bool> {
    let Some(group) = transaction.get_json::<Group>(GROUPS, name.key())? else { return Ok(true) };
    let Some(kept) = group.retention() else { return Ok(true) };
    let oldest = place(group.oldest(now).millis().max(0) as u64, 0);
    let (mut next, mut done) = (now, true);
    for (key, _) in transaction.scan_json::<Stream>(STREAMS, name.key(), usize::MAX)? {
        let Some(stream) = Key::texts(&key).pop() else { continue };
        let prefix = name.stream_key(&stream);
        let end = prefix.clone().raw(&oldest);
        let (from, to) = (Bound::Included(prefix.as_ref()), Bound::Excluded(end.as_ref()));
        let rows = transaction.range(EVENTS, from, to, AT_ONCE, false)?;
        done &= rows.len() < AT_ONCE;
        for (key, _) in rows {
            transaction.delete(EVENTS, key);
        }
        let first = transaction.scan(EVENTS, &prefix, 1)?;
        if let Some((key, _)) = first.first() {
            next = next.min(Timestamp(read_place(key).0 as i64));
        }
    }
    let due = next.add(kept).max(now.add(PAUSE));
    timers::set(transaction, &timer(name, due))?;
    Ok(done)
}
