//! What happened to alarms, for 30 days.

use super::CloudWatch;
use super::alarm::Alarm;
use crate::page;
use crate::storage::{Outcome, Rows, decode};
use aloft_base::Timestamp;
use aloft_engine::Context;
use aloft_store::{Key, Keyspace, StoreError, Transaction};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::ops::Bound;

/// Items by account, region, alarm, time and number within it.
const HISTORY: Keyspace = "cloudwatch.history";
/// How long they are kept, in milliseconds.
const KEPT: i64 = 30 * 86_400_000;
/// How many are kept of an alarm.
const LIMIT: usize = 1000;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Item {
    alarm: String,
    at: Timestamp,
    kind: String,
    summary: String,
    data: String,
}

fn prefix(alarm: &Alarm) -> Key {
    Key::default().text(alarm.account.as_str()).text(alarm.region.as_str()).text(alarm.name())
}

/// Adds an item; old ones go.
pub(super) fn add(
    transaction: &mut Transaction<'_>,
    alarm: &Alarm,
    at: Timestamp,
    kind: &str,
    summary: &str,
    data: &Value,
) -> Result<(), StoreError> {
    let prefix = prefix(alarm);
    let old = prefix.clone().number((at.millis() - KEPT).max(0) as u64);
    let (from, to) = (Bound::Included(prefix.as_ref()), Bound::Excluded(old.as_ref()));
    for (key, _) in transaction.range(HISTORY, from, to, LIMIT, false)? {
        transaction.delete(HISTORY, key);
    }
    let all = transaction.scan(HISTORY, &prefix, LIMIT)?;
    if all.len() >= LIMIT
        && let Some((key, _)) = all.first()
    {
        transaction.delete(HISTORY, key);
    }
    let place = prefix.number(at.millis().max(0) as u64);
    let number = transaction.scan(HISTORY, &place, LIMIT)?.len() as u64;
    let item = Item {
        alarm: alarm.name().to_owned(),
        at,
        kind: kind.to_owned(),
        summary: summary.to_owned(),
        data: data.to_string(),
    };
    transaction.put_json(HISTORY, place.number(number), &item)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Describe {
    alarm_name: Option<String>,
    history_item_type: Option<String>,
    start_date: Option<f64>,
    end_date: Option<f64>,
    max_records: Option<usize>,
    next_token: Option<String>,
    scan_by: Option<String>,
}

/// `DescribeAlarmHistory`
pub(super) async fn describe(_: &CloudWatch, context: &Context, input: Describe) -> Outcome<Value> {
    let prefix = Key::default().text(context.account.as_str()).text(context.region.as_str());
    let prefix = input.alarm_name.iter().fold(prefix, |prefix, name| prefix.text(name));
    let rows = context.store().read()?.rows(HISTORY, prefix.as_ref(), usize::MAX)?;
    let items: Result<Vec<Item>, StoreError> = rows.iter().map(|(_, row)| decode(HISTORY, row)).collect();
    let mut items = items?;
    items.retain(|item| {
        let seconds = item.at.as_seconds_f64();
        input.history_item_type.as_ref().is_none_or(|kind| *kind == item.kind)
            && input.start_date.is_none_or(|from| seconds >= from)
            && input.end_date.is_none_or(|to| seconds <= to)
    });
    items.sort_by_key(|item| item.at);
    if input.scan_by.as_deref() != Some("TimestampAscending") {
        items.reverse();
    }
    let told: Vec<Value> = items
        .iter()
        .map(|item| {
            json!({
                "AlarmName": item.alarm,
                "AlarmType": "MetricAlarm",
                "Timestamp": item.at.as_seconds_f64(),
                "HistoryItemType": item.kind,
                "HistorySummary": item.summary,
                "HistoryData": item.data,
            })
        })
        .collect();
    let limit = input.max_records.unwrap_or(50).clamp(1, 100);
    let (page, next) = page::of(told, limit, input.next_token.as_deref());
    Ok(json!({ "AlarmHistoryItems": page, "NextToken": next }))
}
