//! The ledger: one row for each invocation, whatever crashes, and the sums that bills and metrics are made from.
//!
//! An invocation is written into a slot (see [`aloft_store::Slots`]) when it begins and again when it ends: two small
//! writes that survive a killed process and wait for no disk. Rows go from there into the store in groups, with the sums
//! by hour and the time series by minute in the same transaction. Not here: prices, CloudWatch's words.
//! Keeps true: an invocation that began has exactly one row after the next start at the latest; one that was cut off by the
//! end of the cloud is [`Verdict::Interrupted`]. There are never more than [`ROWS_KEPT`] rows; their sums stay.
//! API calls are only counted: a killed cloud forgets those of its last second.

mod pending;
mod record;
mod row;
mod rows;
pub mod series;
mod stat;
pub mod sums;
#[cfg(test)]
mod tests;

pub use row::{Ending, Function, Invocation, Row, Verdict};
pub use rows::{ROWS, ROWS_KEPT, recent};
pub use series::Series;
pub use stat::Stat;

use crate::{Context, Principal};
use aloft_base::{AccountId, Clock, Region, Timestamp};
use aloft_store::{Slots, Store, StoreError};
use pending::Pending;
use record::{Record, Text};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How long rows gather before they are written together.
const GATHER: Duration = Duration::from_millis(250);
/// How long mere counts of calls gather.
const GATHER_CALLS: Duration = Duration::from_secs(1);

/// A function's account, region and name.
type Named = (AccountId, Region, Arc<str>);

/// Writes the ledger. Shared by all of a cloud.
pub struct Metering {
    store: Store,
    clock: Clock,
    slots: Slots,
    next: AtomicU64,
    pending: Mutex<Pending>,
    calls: Mutex<HashMap<&'static str, HashMap<String, u64>>>,
    /// How many invocations of a function run, by what names it.
    concurrent: Mutex<HashMap<Named, u32>>,
    rows_wait: Notify,
    calls_wait: Notify,
    /// One at a time writes; with the hour of the last tidying.
    writing: tokio::sync::Mutex<i64>,
}

/// An invocation that began and has not ended. Dropped, it has been interrupted.
pub struct Begun {
    metering: Arc<Metering>,
    /// Until it ends; also as it was written down.
    invocation: Option<(Invocation, Text)>,
    slot: Option<u32>,
}

impl Metering {
    /// Takes up what the last run left: what had begun then is interrupted.
    pub(crate) fn open(store: &Store, clock: &Clock) -> Result<Arc<Self>, StoreError> {
        let (slots, left) = store.slots("ledger")?;
        let snapshot = store.read()?;
        let last = rows::last(&snapshot)?;
        let mut next = last + 1;
        let (mut begun, mut pending, mut done) = (Vec::new(), Pending::default(), Vec::new());
        for (slot, bytes) in left {
            match serde_json::from_slice(&bytes) {
                Ok(Record::Begun(invocation)) => begun.push((slot, invocation)),
                Ok(Record::Ended(row)) => {
                    // What was written to the store needs its slot no longer.
                    if rows::is_old(row.number, last) || rows::contains(&snapshot, row.number)? {
                        done.push(slot);
                    } else {
                        next = next.max(row.number + 1);
                        let text = Text::ended(&Text::begun(&row.invocation), &row);
                        pending.push(row, text.content(), Some(slot));
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
            let text = Text::begun(&invocation);
            let ending = Ending::without_work(Verdict::Interrupted);
            let row = Row { number: next, ended: clock.now(), invocation, ending };
            let text = Text::ended(&text, &row);
            slots.put(slot, text.whole())?;
            pending.push(row, text.content(), Some(slot));
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
        if lock(&metering.pending).groups() > 0 {
            metering.rows_wait.notify_one();
        }
        Ok(Arc::new(metering))
    }

    /// An invocation begins. From here on it has a row, whatever happens.
    pub fn begin(self: &Arc<Self>, invocation: Invocation) -> Begun {
        let mut invocation = invocation.bounded();
        invocation.concurrent = {
            let mut concurrent = lock(&self.concurrent);
            let count = concurrent.entry(named(&invocation)).or_default();
            *count += 1;
            *count
        };
        let text = Text::begun(&invocation);
        let slot = self.slots.take(text.whole());
        let slot =
            slot.inspect_err(|error| tracing::error!(%error, "an invocation's beginning is not written"));
        Begun { metering: self.clone(), invocation: Some((invocation, text)), slot: slot.ok() }
    }

    /// An invocation found no room, and does not run.
    pub fn throttled(&self, invocation: Invocation) {
        let invocation = invocation.bounded();
        let text = Text::begun(&invocation);
        self.ended(invocation, &text, Ending::without_work(Verdict::Throttle), None);
    }

    fn ended(&self, invocation: Invocation, begun: &Text, ending: Ending, slot: Option<u32>) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let row = Row { number, ended: self.clock.now(), invocation, ending };
        let text = Text::ended(begun, &row);
        if let Some(slot) = slot
            && let Err(error) = self.slots.put(slot, text.whole())
        {
            tracing::error!(%error, "an invocation's end is not written");
        }
        lock(&self.pending).push(row, text.content(), slot);
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
        let groups = lock(&self.pending).groups();
        for _ in 0..groups {
            let Some(group) = lock(&self.pending).take() else { break };
            let rows = group.clone();
            let written = self.store.write(move |transaction| rows.write(transaction)).await;
            if let Err(error) = written {
                let lost = lock(&self.pending).put_back(group);
                if lost > 0 {
                    tracing::error!(rows = lost, "rows of the ledger are lost, as they cannot be written");
                }
                return Err(error);
            }
            self.slots.give_back(group.slots());
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
        self.slots.give_back(waiting.slots());
        Ok(())
    }
}

impl Begun {
    /// It ended.
    pub fn end(mut self, ending: Ending) {
        self.settle(ending);
    }

    /// It did not run after all, and gets no row.
    pub fn cancel(mut self) {
        let (Some((invocation, _)), slot) = (self.invocation.take(), self.slot.take()) else { return };
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
        if let Some((invocation, text)) = self.invocation.take() {
            self.metering.left(&invocation);
            self.metering.ended(invocation, &text, ending, self.slot.take());
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
        let named = named(invocation);
        if let Some(count) = concurrent.get_mut(&named) {
            *count -= 1;
            if *count == 0 {
                concurrent.remove(&named);
            }
        }
    }
}

fn named(invocation: &Invocation) -> Named {
    let function = &invocation.function;
    (function.account.clone(), function.region.clone(), function.name.clone())
}

fn hour(at: Timestamp) -> i64 {
    at.millis().div_euclid(3_600_000)
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
