//! The ledger: one row for each invocation, whatever crashes, and the sums that bills and metrics are made from.
//!
//! An invocation is written into a slot (see [`aloft_store::Slots`]) when it begins and again when it ends: two small
//! writes that survive a killed process and wait for no disk. Rows go from there into the store in groups, with the sums
//! by hour and the time series by minute in the same transaction. Not here: prices, CloudWatch's words.
//! Keeps true: an invocation that began has exactly one row after the next start at the latest; one that was cut off by the
//! end of the cloud is [`Verdict::Interrupted`]. There are never more than [`ROWS_KEPT`] rows; their sums stay.
//! API calls are only counted: a killed cloud forgets those of its last second.

mod row;
pub mod series;
mod stat;
pub mod sums;
#[cfg(test)]
mod tests;

pub use row::{Ending, Invocation, Row, Verdict};
pub use series::Series;
pub use stat::Stat;

use crate::{Context, Principal};
use aloft_base::{AccountId, Clock, Region, Timestamp};
use aloft_store::{Key, Keyspace, Slots, Store, StoreError, Transaction};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Rows by number.
pub const ROWS: Keyspace = "metering.rows";
/// How many rows are kept.
pub const ROWS_KEPT: u64 = 100_000;

/// How long rows gather before they are written together.
const GATHER: Duration = Duration::from_millis(250);
/// How long mere counts of calls gather.
const GATHER_CALLS: Duration = Duration::from_secs(1);
/// How many rows wait at most while the disk refuses them.
const WAITING: usize = 100_000;
/// How many rows go into one transaction.
const GROUP: usize = 2500;

/// How many bytes a row has, about.
const ROW: usize = 768;

/// In milliseconds.
const MINUTE: i64 = 60_000;

/// What is in a slot: see [`record`].
#[derive(Deserialize)]
enum Record {
    Begun(Invocation),
    Ended(Row),
}

/// Writes the ledger. Shared by all of a cloud.
pub struct Metering {
    store: Store,
    clock: Clock,
    slots: Slots,
    next: AtomicU64,
    pending: Mutex<Vec<Pending>>,
    calls: Mutex<HashMap<&'static str, HashMap<String, u64>>>,
    concurrent: Mutex<HashMap<String, u32>>,
    rows_wait: Notify,
    calls_wait: Notify,
    /// One at a time writes; with the hour of the last tidying.
    writing: tokio::sync::Mutex<i64>,
}

/// A row on its way into the store, also as JSON, with its slot.
#[derive(Clone)]
struct Pending {
    row: Row,
    bytes: Vec<u8>,
    slot: Option<u32>,
}

/// An invocation that began and has not ended. Dropped, it has been interrupted.
pub struct Begun {
    metering: Arc<Metering>,
    invocation: Option<Invocation>,
    slot: Option<u32>,
}

impl Metering {
    /// Takes up what the last run left: what had begun then is interrupted.
    pub(crate) fn open(store: &Store, clock: &Clock) -> Result<Arc<Self>, StoreError> {
        let (slots, left) = store.slots("ledger")?;
        let snapshot = store.read()?;
        let last = snapshot.range(ROWS, Bound::Unbounded, Bound::Unbounded, 1, true)?;
        let mut next = last.first().map_or(1, |(key, _)| series::number_of(key) + 1);
        let (mut begun, mut pending, mut done) = (Vec::new(), Vec::new(), Vec::new());
        for (slot, bytes) in left {
            match serde_json::from_slice(&bytes) {
                Ok(Record::Begun(invocation)) => begun.push((slot, invocation)),
                Ok(Record::Ended(row)) => {
                    // What was written to the store needs its slot no longer.
                    let is_old = row.number + ROWS_KEPT < next;
                    if is_old || snapshot.get(ROWS, Key::default().number(row.number))?.is_some() {
                        done.push(slot);
                    } else {
                        next = next.max(row.number + 1);
                        pending.push(Pending::new(row, Some(slot)));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a damaged record of an invocation is dropped");
                    done.push(slot);
                }
            }
        }
        for slot in done {
            slots.clear(slot)?;
            slots.give_back([slot]);
        }
        begun.sort_by_key(|(_, invocation)| invocation.at);
        for (slot, invocation) in begun {
            let ending = Ending::without_work(Verdict::Interrupted);
            let row = Row { number: next, ended: clock.now(), invocation, ending };
            let one = Pending::new(row, Some(slot));
            slots.put(slot, &record("Ended", &one.bytes))?;
            pending.push(one);
            next += 1;
        }
        let metering = Self {
            store: store.clone(),
            clock: clock.clone(),
            slots,
            next: AtomicU64::new(next),
            pending: Mutex::new(pending),
            calls: Mutex::default(),
            concurrent: Mutex::default(),
            rows_wait: Notify::new(),
            calls_wait: Notify::new(),
            writing: tokio::sync::Mutex::new(i64::MIN),
        };
        if !lock(&metering.pending).is_empty() {
            metering.rows_wait.notify_one();
        }
        Ok(Arc::new(metering))
    }

    /// An invocation begins. From here on it has a row, whatever happens.
    pub fn begin(self: &Arc<Self>, invocation: Invocation) -> Begun {
        let mut invocation = invocation.bounded();
        invocation.concurrent = {
            let mut concurrent = lock(&self.concurrent);
            let count = concurrent.entry(place(&invocation)).or_default();
            *count += 1;
            *count
        };
        let slot = self.slots.take(&record("Begun", &encoded(&invocation)));
        let slot =
            slot.inspect_err(|error| tracing::error!(%error, "an invocation's beginning is not written"));
        Begun { metering: self.clone(), invocation: Some(invocation), slot: slot.ok() }
    }

    /// An invocation found no room, and does not run.
    pub fn throttled(&self, invocation: Invocation) {
        self.ended(invocation.bounded(), Ending::without_work(Verdict::Throttle), None);
    }

    fn ended(&self, invocation: Invocation, ending: Ending, slot: Option<u32>) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let row = Row { number, ended: self.clock.now(), invocation, ending };
        let pending = Pending::new(row, slot);
        if let Some(slot) = slot
            && let Err(error) = self.slots.put(slot, &record("Ended", &pending.bytes))
        {
            tracing::error!(%error, "an invocation's end is not written");
        }
        lock(&self.pending).push(pending);
        self.rows_wait.notify_one();
    }

    /// Counts a call of an API. Services' calls of each other are none that AWS bills.
    pub(crate) fn called(&self, principal: &Principal, service: &'static str, operation: &str) {
        if matches!(principal, Principal::Service(_)) {
            return;
        }
        let mut calls = lock(&self.calls);
        let is_first = calls.is_empty();
        let operations = calls.entry(service).or_default();
        match operations.get_mut(operation) {
            Some(count) => *count += 1,
            None => drop(operations.insert(operation.to_owned(), 1)),
        }
        drop(calls);
        if is_first {
            self.calls_wait.notify_one();
        }
    }

    /// Writes what waits, and tells when it is in the store. Call it before reading.
    ///
    /// # Errors
    /// When the store fails; what waits then goes on waiting.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let mut tidied = self.writing.lock().await;
        // Together, so that they share a commit.
        let (calls, rows) = tokio::join!(self.flush_calls(), self.flush_rows());
        calls.and(rows)?;
        let now = self.clock.now();
        if *tidied != hour(now) {
            self.store
                .write(move |transaction| {
                    series::tidy(transaction, now)?;
                    sums::tidy(transaction, now)
                })
                .await?;
            *tidied = hour(now);
        }
        Ok(())
    }

    async fn flush_rows(&self) -> Result<(), StoreError> {
        // What comes meanwhile gathers for the next time.
        let mut left = lock(&self.pending).len();
        while left > 0 {
            let mut group: Vec<Pending> = {
                let mut pending = lock(&self.pending);
                let count = pending.len().min(left).min(GROUP);
                pending.drain(..count).collect()
            };
            if group.is_empty() {
                break;
            }
            left -= group.len();
            group.sort_by_key(|one| one.row.number);
            let group = Arc::new(group);
            let rows = group.clone();
            let written = self.store.write(move |transaction| write(transaction, &rows)).await;
            if let Err(error) = written {
                let mut pending = lock(&self.pending);
                pending.extend(group.iter().cloned());
                let excess = pending.len().saturating_sub(WAITING);
                if excess > 0 {
                    tracing::error!(rows = excess, "rows of the ledger are lost, as they cannot be written");
                    pending.drain(..excess);
                }
                return Err(error);
            }
            self.slots.give_back(group.iter().filter_map(|one| one.slot));
        }
        Ok(())
    }

    async fn flush_calls(&self) -> Result<(), StoreError> {
        let calls = std::mem::take(&mut *lock(&self.calls));
        let calls: BTreeMap<(String, String), u64> = calls
            .into_iter()
            .flat_map(|(service, operations)| {
                operations.into_iter().map(move |(operation, count)| ((service.to_owned(), operation), count))
            })
            .collect();
        if calls.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        self.store.write(move |transaction| sums::add_calls(transaction, now, &calls)).await
    }

    /// Writes what waits, again and again, until the engine stops.
    pub(crate) async fn run(self: Arc<Self>, stopped: impl Future<Output = ()>) {
        let mut stopped = std::pin::pin!(stopped);
        loop {
            let gather = tokio::select! {
                () = stopped.as_mut() => return,
                () = self.rows_wait.notified() => GATHER,
                () = self.calls_wait.notified() => GATHER_CALLS,
            };
            tokio::select! {
                () = stopped.as_mut() => return,
                () = tokio::time::sleep(gather) => {}
                () = async { self.rows_wait.notified().await; tokio::time::sleep(GATHER).await }, if gather == GATHER_CALLS => {}
            }
            if let Err(error) = self.flush().await {
                tracing::error!(%error, "the ledger could not be written and will be tried again");
                tokio::time::sleep(GATHER_CALLS).await;
                self.rows_wait.notify_one();
            }
        }
    }

    /// Forgets everything: the store has just been emptied.
    pub(crate) fn forget(&self) -> Result<(), StoreError> {
        lock(&self.calls).clear();
        let waiting = std::mem::take(&mut *lock(&self.pending));
        self.slots.wipe()?;
        self.slots.give_back(waiting.iter().filter_map(|one| one.slot));
        Ok(())
    }
}

impl Pending {
    fn new(row: Row, slot: Option<u32>) -> Self {
        Self { bytes: encoded(&row), row, slot }
    }
}

impl Begun {
    /// It ended.
    pub fn end(mut self, ending: Ending) {
        self.settle(ending);
    }

    /// It did not run after all, and gets no row.
    pub fn cancel(mut self) {
        let (Some(invocation), slot) = (self.invocation.take(), self.slot.take()) else { return };
        self.metering.left(&invocation);
        if let Some(slot) = slot {
            if let Err(error) = self.metering.slots.clear(slot) {
                tracing::error!(%error, "an invocation that did not run is still written down");
            }
            self.metering.slots.give_back([slot]);
        }
    }

    /// It found no room after all.
    pub fn throttle(mut self) {
        self.settle(Ending::without_work(Verdict::Throttle));
    }

    fn settle(&mut self, ending: Ending) {
        if let Some(invocation) = self.invocation.take() {
            self.metering.left(&invocation);
            self.metering.ended(invocation, ending, self.slot.take());
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.settle(Ending::without_work(Verdict::Interrupted));
    }
}

impl Metering {
    fn left(&self, invocation: &Invocation) {
        let mut concurrent = lock(&self.concurrent);
        let place = place(invocation);
        if let Some(count) = concurrent.get_mut(&place) {
            *count -= 1;
            if *count == 0 {
                concurrent.remove(&place);
            }
        }
    }
}

/// The last rows, the newest first.
///
/// # Errors
/// When the store cannot be read.
pub fn recent(store: &Store, limit: usize) -> Result<Vec<Row>, StoreError> {
    let rows = store.read()?.range(ROWS, Bound::Unbounded, Bound::Unbounded, limit, true)?;
    rows.iter()
        .map(|(_, row)| serde_json::from_slice(row).map_err(|error| series::damaged(ROWS, &error)))
        .collect()
}

/// Writes rows with their sums and their metrics.
fn write(transaction: &mut Transaction<'_>, rows: &[Pending]) -> Result<(), StoreError> {
    let mut sums: BTreeMap<(i64, sums::Subject), (Timestamp, sums::Sum)> = BTreeMap::new();
    let mut metrics: BTreeMap<Place<'_>, series::Metrics<&'static str>> = BTreeMap::new();
    for Pending { row, bytes, .. } in rows {
        if let Some(oldest) = row.number.checked_sub(ROWS_KEPT) {
            transaction.delete(ROWS, Key::default().number(oldest));
        }
        transaction.put(ROWS, Key::default().number(row.number), bytes.as_slice());
        let at = row.ended;
        let sum = sums.entry((hour(at), sums::Subject::of(row))).or_insert((at, sums::Sum::default()));
        sum.1.add(&sums::Sum::of(row));
        measure(row, metrics.entry(Place::of(&row.invocation)).or_default());
    }
    for ((_, subject), (at, sum)) in &sums {
        sums::add(transaction, *at, subject, sum)?;
    }
    for (place, metrics) in &metrics {
        for series in place.series() {
            series::add(transaction, &series, Timestamp(place.minute * MINUTE), metrics)?;
        }
    }
    Ok(())
}

/// What the metrics of a row are kept under.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place<'a> {
    minute: i64,
    account: &'a AccountId,
    region: &'a Region,
    function: &'a str,
    qualifier: Option<&'a str>,
}

impl<'a> Place<'a> {
    fn of(invocation: &'a Invocation) -> Self {
        Self {
            minute: invocation.at.millis().div_euclid(MINUTE),
            account: &invocation.account,
            region: &invocation.region,
            function: &invocation.function,
            qualifier: invocation.qualifier.as_deref(),
        }
    }

    /// The series of CloudWatch: of all functions, of the function, of its version or alias.
    fn series(&self) -> Vec<Series> {
        let of = |dimensions: &[(&str, &str)]| Series {
            account: self.account.clone(),
            region: self.region.clone(),
            namespace: "AWS/Lambda".to_owned(),
            dimensions: dimensions.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        };
        let function = ("FunctionName", self.function);
        let mut all = vec![of(&[]), of(&[function])];
        if let Some(qualifier) = self.qualifier {
            all.push(of(&[function, ("Resource", &format!("{}:{qualifier}", self.function))]));
        }
        all
    }
}

/// Adds a row to Lambda's metrics.
///
/// Source: "Types of metrics for Lambda functions" of its developer guide.
fn measure(row: &Row, metrics: &mut series::Metrics<&'static str>) {
    let (ending, invocation) = (&row.ending, &row.invocation);
    let mut add = |name: &'static str, value: f64, unit: &str| {
        metrics.entry(name).or_default().add_value(value, 1.0, unit);
    };
    if ending.verdict == Verdict::Throttle {
        add("Throttles", 1.0, "Count");
        return;
    }
    add("Invocations", 1.0, "Count");
    add("Errors", f64::from(u8::from(ending.verdict.is_error())), "Count");
    add("Throttles", 0.0, "Count");
    add("ConcurrentExecutions", f64::from(invocation.concurrent), "Count");
    if ending.verdict != Verdict::Interrupted {
        add("Duration", ending.duration_ms, "Milliseconds");
    }
    if let Some(age) = invocation.iterator_age_ms {
        add("IteratorAge", age as f64, "Milliseconds");
    }
}

fn place(invocation: &Invocation) -> String {
    format!("{}/{}/{}", invocation.account, invocation.region, invocation.function)
}

fn hour(at: Timestamp) -> i64 {
    at.millis().div_euclid(3_600_000)
}

/// Rows are made of texts and numbers, which always have a JSON form.
fn encoded(row: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ROW);
    let written = serde_json::to_writer(&mut bytes, row);
    debug_assert!(written.is_ok(), "{written:?}");
    bytes
}

/// The JSON of a [`Record`], made of that of what is in it.
fn record(kind: &str, content: &[u8]) -> Vec<u8> {
    [b"{\"", kind.as_bytes(), b"\":", content, b"}"].concat()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Context {
    /// The same call, told to be caused by what this ARN names: the source of an event.
    pub fn caused_by(self, source: impl Into<Arc<str>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }
}
