//! What a bill is made from: invocations and API calls, summed by the hour, and later by the day.
//!
//! Keeps true: the sums are written in the transaction that writes the rows, so both always tell the same.

use super::pending::Counted;
use super::row::{Function, Verdict};
use super::series::{damaged, number_of};
use aloft_base::Timestamp;
use aloft_store::{Key, Snapshot, StoreError, Transaction};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

/// Sums by hour and what they are of.
const HOURS: &str = "metering.hours";
/// The same by day.
const DAYS: &str = "metering.days";
/// Counts of API calls by hour.
const CALL_HOURS: &str = "metering.call-hours";
/// The same by day.
const CALL_DAYS: &str = "metering.call-days";
/// How long hours are kept before they are put together to days.
pub const HOURS_KEPT: Duration = Duration::from_secs(62 * 86_400);
/// How many rows one tidying takes away at most.
const AT_ONCE: usize = 5000;

/// In milliseconds.
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// What a sum is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject {
    /// The account's number.
    pub account: String,
    /// The region's name.
    pub region: String,
    /// The function's name.
    pub function: String,
    /// What caused the invocations; of a role's sessions, the role.
    pub cause: String,
    /// The memory that the function had, in MB.
    pub memory_mb: u32,
    /// `x86_64` or `arm64`.
    pub architecture: String,
}

/// Invocations together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sum {
    /// How many ran.
    pub invocations: u64,
    /// How many of them failed, in whatever way.
    pub errors: u64,
    /// How many of those ran out of time.
    pub timeouts: u64,
    /// How many of those were cut off by the end of the cloud.
    pub interrupted: u64,
    /// How many found no room, and did not run.
    pub throttles: u64,
    /// How many began with an initialisation.
    pub cold_starts: u64,
    /// How long the handlers took, in milliseconds.
    pub duration_ms: f64,
    /// What is billed, in milliseconds.
    pub billed_ms: u64,
}

/// Invocations in a period.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summed {
    /// When the hour or day begins.
    pub from: Timestamp,
    /// When it ends.
    pub to: Timestamp,
    /// Of what.
    pub subject: Subject,
    /// How much.
    pub sum: Sum,
}

/// Calls of an API's operation in a period.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Called {
    /// When the hour or day begins.
    pub from: Timestamp,
    /// When it ends.
    pub to: Timestamp,
    /// The service's name.
    pub service: String,
    /// The operation's name; `HTTP` for requests to an API or a function's address.
    pub operation: String,
    /// How many.
    pub count: u64,
}

impl Sum {
    /// Of one row.
    pub(super) fn of(row: &Counted) -> Self {
        let is = |verdict: Verdict| u64::from(row.verdict == verdict);
        Self {
            invocations: 1 - is(Verdict::Throttle),
            errors: u64::from(row.verdict.is_error()),
            timeouts: is(Verdict::Timeout),
            interrupted: is(Verdict::Interrupted),
            throttles: is(Verdict::Throttle),
            cold_starts: u64::from(row.is_cold),
            duration_ms: row.duration_ms,
            billed_ms: row.billed_ms,
        }
    }

    /// Adds the other's.
    pub fn add(&mut self, other: &Self) {
        self.invocations += other.invocations;
        self.errors += other.errors;
        self.timeouts += other.timeouts;
        self.interrupted += other.interrupted;
        self.throttles += other.throttles;
        self.cold_starts += other.cold_starts;
        self.duration_ms += other.duration_ms;
        self.billed_ms += other.billed_ms;
    }
}

/// A cause without what differs from one caller to the next: a role's session.
pub(super) fn without_session(cause: &str) -> &str {
    const ROLE: &str = ":assumed-role/";
    let Some(role) = cause.find(ROLE).map(|at| at + ROLE.len()) else { return cause };
    cause[role..].find('/').map_or(cause, |session| &cause[..role + session])
}

impl Subject {
    /// Of what runs, and what caused it.
    pub(super) fn of(function: &Function, cause: &str) -> Self {
        Self {
            account: function.account.as_str().to_owned(),
            region: function.region.as_str().to_owned(),
            function: function.name.to_string(),
            cause: cause.to_owned(),
            memory_mb: function.memory_mb,
            architecture: function.architecture.clone(),
        }
    }

    fn key(&self, number: u64) -> Key {
        Key::default()
            .number(number)
            .text(&self.account)
            .text(&self.region)
            .text(&self.function)
            .text(&self.cause)
            .text(&self.architecture)
            .number(u64::from(self.memory_mb))
    }
}

fn period(at: Timestamp, unit: i64) -> u64 {
    at.millis().div_euclid(unit).max(0) as u64
}

/// Adds sums to the hour that `at` lies in.
pub(super) fn add(
    transaction: &mut Transaction<'_>,
    at: Timestamp,
    subject: &Subject,
    sum: &Sum,
) -> Result<(), StoreError> {
    add_to(transaction, HOURS, period(at, HOUR), subject, sum)
}

fn add_to(
    transaction: &mut Transaction<'_>,
    keyspace: &'static str,
    number: u64,
    subject: &Subject,
    sum: &Sum,
) -> Result<(), StoreError> {
    let key = subject.key(number);
    let before: Option<(Subject, Sum)> = transaction.get_json(keyspace, &key)?;
    let mut total = before.map(|(_, sum)| sum).unwrap_or_default();
    total.add(sum);
    transaction.put_json(keyspace, key, &(subject, total))
}

/// Adds counts of API calls, by service and operation, to the hour that `at` lies in.
pub(super) fn add_calls(
    transaction: &mut Transaction<'_>,
    at: Timestamp,
    calls: &BTreeMap<(String, String), u64>,
) -> Result<(), StoreError> {
    for (what, count) in calls {
        add_calls_to(transaction, CALL_HOURS, period(at, HOUR), what, *count)?;
    }
    Ok(())
}

fn add_calls_to(
    transaction: &mut Transaction<'_>,
    keyspace: &'static str,
    number: u64,
    (service, operation): &(String, String),
    count: u64,
) -> Result<(), StoreError> {
    let key = Key::default().number(number).text(service).text(operation);
    let before: Option<((String, String), u64)> = transaction.get_json(keyspace, &key)?;
    let total = before.map_or(0, |(_, before)| before) + count;
    transaction.put_json(keyspace, key, &((service, operation), total))
}

/// The sums of invocations between two times. An hour or day that lies partly within counts whole.
///
/// # Errors
/// When the store fails.
pub fn invocations(snapshot: &Snapshot, from: Timestamp, to: Timestamp) -> Result<Vec<Summed>, StoreError> {
    let mut found = Vec::new();
    for (keyspace, unit) in [(DAYS, DAY), (HOURS, HOUR)] {
        for (from, to, (subject, sum)) in rows::<(Subject, Sum)>(snapshot, keyspace, unit, from, to)? {
            found.push(Summed { from, to, subject, sum });
        }
    }
    Ok(found)
}

/// The counts of API calls between two times, likewise.
///
/// # Errors
/// When the store fails.
pub fn calls(snapshot: &Snapshot, from: Timestamp, to: Timestamp) -> Result<Vec<Called>, StoreError> {
    let mut found = Vec::new();
    for (keyspace, unit) in [(CALL_DAYS, DAY), (CALL_HOURS, HOUR)] {
        let rows = rows::<((String, String), u64)>(snapshot, keyspace, unit, from, to)?;
        for (from, to, ((service, operation), count)) in rows {
            found.push(Called { from, to, service, operation, count });
        }
    }
    Ok(found)
}

fn rows<T: serde::de::DeserializeOwned>(
    snapshot: &Snapshot,
    keyspace: &'static str,
    unit: i64,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<(Timestamp, Timestamp, T)>, StoreError> {
    let first = Key::default().number(period(from, unit));
    let end = Key::default().number(period(Timestamp(to.millis().saturating_add(unit - 1)), unit));
    let (first, end) = (Bound::Included(first.as_ref()), Bound::Excluded(end.as_ref()));
    let rows = snapshot.range(keyspace, first, end, usize::MAX, false)?;
    rows.into_iter()
        .map(|(key, row)| {
            let begins = number_of(&key[..key.len().min(8)]) as i64 * unit;
            let row = serde_json::from_slice(&row).map_err(|error| damaged(keyspace, &error))?;
            Ok((Timestamp(begins), Timestamp(begins + unit), row))
        })
        .collect()
}

/// Puts old hours together to days. A part of it, when there is much.
pub(super) fn tidy(transaction: &mut Transaction<'_>, now: Timestamp) -> Result<(), StoreError> {
    let end = (now.millis() - HOURS_KEPT.as_millis() as i64).div_euclid(DAY) * DAY;
    let end = Key::default().number(period(Timestamp(end), HOUR));
    let end = Bound::Excluded(end.as_ref());
    for (key, row) in transaction.range(HOURS, Bound::Unbounded, end, AT_ONCE, false)? {
        let (subject, sum): (Subject, Sum) =
            serde_json::from_slice(&row).map_err(|error| damaged(HOURS, &error))?;
        add_to(transaction, DAYS, number_of(&key[..8]) / 24, &subject, &sum)?;
        transaction.delete(HOURS, key);
    }
    for (key, row) in transaction.range(CALL_HOURS, Bound::Unbounded, end, AT_ONCE, false)? {
        let (what, count): ((String, String), u64) =
            serde_json::from_slice(&row).map_err(|error| damaged(CALL_HOURS, &error))?;
        add_calls_to(transaction, CALL_DAYS, number_of(&key[..8]) / 24, &what, count)?;
        transaction.delete(CALL_HOURS, key);
    }
    Ok(())
}
