//! Time series: the values of metrics by the minute, kept as sums. What CloudWatch tells is read from here.
//!
//! A series is a namespace with dimensions; all its metrics lie in one row for each minute. Keeps true: minutes older than
//! [`MINUTES_KEPT`] are sums of their hours, hours older than [`HOURS_KEPT`] are gone, as CloudWatch's own.

use super::Stat;
use aloft_base::{AccountId, Region, Timestamp};
use aloft_store::{Key, Snapshot, StoreError, Transaction};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

/// Rows by series and minute.
const MINUTES: &str = "metering.minutes";
/// Rows by series and hour.
const HOURS: &str = "metering.series-hours";
/// Which metrics a series has, and when each was last heard of.
const INDEX: &str = "metering.series";
/// How long minutes are kept.
pub const MINUTES_KEPT: Duration = Duration::from_secs(15 * 86_400);
/// How long hours are kept.
pub const HOURS_KEPT: Duration = Duration::from_secs(455 * 86_400);
/// How many rows one tidying takes away at most, so that it never stands in the way for long.
const AT_ONCE: usize = 5000;

/// In milliseconds.
const MINUTE: i64 = 60_000;
const HOUR: i64 = 3_600_000;

/// A key and its value.
type Row = (Vec<u8>, Vec<u8>);

/// The metrics of a row, by name.
pub type Metrics<Name = String> = BTreeMap<Name, Stat>;

/// Names a series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Series {
    /// Whose it is.
    pub account: AccountId,
    /// Where it is.
    pub region: Region,
    /// Such as `AWS/Lambda`.
    pub namespace: String,
    /// Names and values, by name.
    pub dimensions: BTreeMap<String, String>,
}

/// A series with its metrics, and when each was last heard of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Known {
    /// Which series.
    pub series: Series,
    /// The latest minute of each metric.
    pub metrics: BTreeMap<String, Timestamp>,
}

impl Series {
    fn key(&self) -> Key {
        let key = place(&self.account, &self.region).text(&self.namespace);
        let dimensions: Key =
            self.dimensions.iter().fold(Key::default(), |key, (name, value)| key.text(name).text(value));
        // As one part, so that no series begins like another.
        key.bytes(dimensions.as_ref())
    }
}

fn place(account: &AccountId, region: &Region) -> Key {
    Key::default().text(account.as_str()).text(region.as_str())
}

fn at(key: Key, time: i64, unit: i64) -> Key {
    key.number(time.div_euclid(unit).max(0) as u64)
}

/// Adds values to the minute that `at` lies in.
///
/// # Errors
/// When the store fails.
pub fn add<Name: AsRef<str>>(
    transaction: &mut Transaction<'_>,
    series: &Series,
    time: Timestamp,
    metrics: &Metrics<Name>,
) -> Result<(), StoreError> {
    let row = at(series.key(), time.millis(), MINUTE);
    let mut all: Metrics = transaction.get_json(MINUTES, &row)?.unwrap_or_default();
    for (name, stat) in metrics {
        all.entry(name.as_ref().to_owned()).or_default().add(stat);
    }
    transaction.put_json(MINUTES, &row, &all)?;
    let known: Option<Known> = transaction.get_json(INDEX, series.key())?;
    let mut known = known.unwrap_or_else(|| Known { series: series.clone(), metrics: BTreeMap::new() });
    let minute = Timestamp(time.millis().div_euclid(MINUTE) * MINUTE);
    let mut changed = false;
    for name in metrics.keys() {
        let last = known.metrics.entry(name.as_ref().to_owned()).or_insert(Timestamp(i64::MIN));
        // To the hour is near enough, and spares most writes.
        if minute.millis().saturating_sub(last.millis()) >= HOUR {
            *last = minute;
            changed = true;
        }
    }
    if changed {
        transaction.put_json(INDEX, series.key(), &known)?;
    }
    Ok(())
}

/// The series that are known of an account in a region; of one namespace, or all.
///
/// # Errors
/// When the store fails.
pub fn known(
    snapshot: &Snapshot,
    (account, region): (&AccountId, &Region),
    namespace: Option<&str>,
) -> Result<Vec<Known>, StoreError> {
    let prefix = place(account, region);
    let prefix = namespace.map_or(prefix.clone(), |namespace| prefix.text(namespace));
    Ok(snapshot.scan_json(INDEX, prefix, usize::MAX)?.into_iter().map(|(_, known)| known).collect())
}

/// The values of a metric between two times, by the minute (older ones by the hour), in order.
///
/// # Errors
/// When the store fails.
pub fn read(
    snapshot: &Snapshot,
    series: &Series,
    metric: &str,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<(Timestamp, Stat)>, StoreError> {
    let mut found = Vec::new();
    for (keyspace, unit) in [(HOURS, HOUR), (MINUTES, MINUTE)] {
        // A row counts where its beginning lies.
        let first = from.millis().div_euclid(unit) + i64::from(from.millis().rem_euclid(unit) != 0);
        let last = to.millis().div_euclid(unit) + i64::from(to.millis().rem_euclid(unit) != 0);
        let key = |number: i64| series.key().number(number.max(0) as u64);
        let (first, last) = (key(first), key(last));
        let (first, last) = (Bound::Included(first.as_ref()), Bound::Excluded(last.as_ref()));
        for (key, row) in snapshot.range(keyspace, first, last, usize::MAX, false)? {
            let mut metrics: Metrics =
                serde_json::from_slice(&row).map_err(|error| damaged(keyspace, &error))?;
            if let Some(stat) = metrics.remove(metric) {
                found.push((Timestamp(number_of(&key) as i64 * unit), stat));
            }
        }
    }
    found.sort_by_key(|(at, _)| *at);
    Ok(found)
}

/// Puts old minutes together to hours, and forgets old hours. A part of it, when there is much.
pub(super) fn tidy(transaction: &mut Transaction<'_>, now: Timestamp) -> Result<(), StoreError> {
    let minutes_end = (now.millis() - MINUTES_KEPT.as_millis() as i64).div_euclid(HOUR) * HOUR;
    let hours_end = now.millis() - HOURS_KEPT.as_millis() as i64;
    let mut budget = AT_ONCE;
    for (_, known) in transaction.scan_json::<Known>(INDEX, [], usize::MAX)? {
        let series = known.series.key();
        let rows = before(transaction, MINUTES, &series, minutes_end.div_euclid(MINUTE), budget)?;
        budget = budget.saturating_sub(rows.len());
        for (key, row) in rows {
            let minute: Metrics = serde_json::from_slice(&row).map_err(|error| damaged(MINUTES, &error))?;
            let hour = at(series.clone(), number_of(&key) as i64 * MINUTE, HOUR);
            let mut sums: Metrics = transaction.get_json(HOURS, &hour)?.unwrap_or_default();
            for (name, stat) in &minute {
                sums.entry(name.clone()).or_default().add(stat);
            }
            transaction.put_json(HOURS, &hour, &sums)?;
            transaction.delete(MINUTES, key);
        }
        for (key, _) in before(transaction, HOURS, &series, hours_end.div_euclid(HOUR), budget)? {
            transaction.delete(HOURS, key);
        }
        if known.metrics.values().all(|last| last.millis() < hours_end) {
            transaction.delete(INDEX, &series);
        }
    }
    Ok(())
}

fn before(
    transaction: &Transaction<'_>,
    keyspace: &'static str,
    series: &Key,
    end: i64,
    limit: usize,
) -> Result<Vec<Row>, StoreError> {
    let end = series.clone().number(end.max(0) as u64);
    transaction.range(keyspace, Bound::Included(series.as_ref()), Bound::Excluded(end.as_ref()), limit, false)
}

/// The number that a row's key ends with.
pub(super) fn number_of(key: &[u8]) -> u64 {
    key.last_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

pub(super) fn damaged(keyspace: &str, error: &serde_json::Error) -> StoreError {
    StoreError::Damaged { keyspace: keyspace.to_owned(), reason: error.to_string() }
}
