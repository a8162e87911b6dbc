//! Who tries asynchronous events: a task for each function that has any that are due, which ends when there are none.
//!
//! The rows are the queue; nothing but the keys of the events that are being tried is in memory. Keeps true: an event is
//! never tried twice at the same time; a flood of events grows into the machine step by step.

use super::events::{self, EVENTS, Event};
use super::name::FunctionKey;
use super::running::Running;
use crate::storage::decode;
use aloft_engine::{Context, Engine};
use aloft_store::{StoreError, Transaction};
use std::collections::{HashMap, HashSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How many events of one function are tried at once at first, and at most.
const AT_ONCE: std::ops::RangeInclusive<usize> = 8..=100;
/// How long all of them must be busy before more are started.
const GROW_AFTER: Duration = Duration::from_millis(500);

/// A key and its value.
type Row = (Vec<u8>, Vec<u8>);

/// The tasks that are at work.
#[derive(Default)]
pub(super) struct Dispatchers(Mutex<HashMap<FunctionKey, Arc<Notify>>>);

impl Dispatchers {
    /// Sees to it that the due events of a function are tried.
    pub fn wake(&self, engine: &Engine, running: &Arc<Running>, function: &FunctionKey) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = tasks.get(function) {
            task.notify_one();
            return;
        }
        let notify = Arc::new(Notify::new());
        tasks.insert(function.clone(), notify.clone());
        let dispatcher = Dispatcher {
            context: Context::service(engine, "lambda", function.account.clone(), function.region.clone()),
            running: running.clone(),
            function: function.clone(),
            notify,
            at_work: Arc::default(),
        };
        engine.spawn(dispatcher.work());
    }

    /// Wakes for every function that has events.
    pub fn take_up(&self, engine: &Engine, running: &Arc<Running>) -> Result<(), StoreError> {
        let mut from = Bound::Unbounded;
        let snapshot = engine.store().read()?;
        loop {
            let rows =
                snapshot.range(EVENTS, from.as_ref().map(Vec::as_slice), Bound::Unbounded, 1, false)?;
            let Some(function) = rows.first().and_then(|(key, _)| FunctionKey::of_key(key)) else {
                return Ok(());
            };
            self.wake(engine, running, &function);
            // On to the next function, behind all of this one's.
            from = Bound::Excluded(function.key().raw(&[0xff; 9]).into_bytes());
        }
    }

    /// Ends a task, unless there is something to do for it after all.
    fn end(&self, dispatcher: &Dispatcher) -> bool {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = dispatcher.due(1).is_ok_and(|rows| rows.is_empty());
        if idle {
            tasks.remove(&dispatcher.function);
        }
        idle
    }
}

struct Dispatcher {
    context: Context,
    running: Arc<Running>,
    function: FunctionKey,
    notify: Arc<Notify>,
    /// The keys of the events that are being tried.
    at_work: Arc<Mutex<HashSet<Vec<u8>>>>,
}

impl Dispatcher {
    async fn work(self) {
        let mut limit = *AT_ONCE.start();
        let mut stopped = std::pin::pin!(self.context.engine.stopped());
        loop {
            let busy = match self.start_due(limit).await {
                Ok(busy) => busy,
                Err(error) => {
                    tracing::error!(%error, "asynchronous events could not be read");
                    1
                }
            };
            if busy == 0 {
                limit = *AT_ONCE.start();
                if self.running.dispatchers.end(&self) {
                    return;
                }
                continue;
            }
            tokio::select! {
                () = stopped.as_mut() => return,
                () = self.notify.notified() => {}
                () = tokio::time::sleep(GROW_AFTER), if busy >= limit && limit < *AT_ONCE.end() => {
                    limit = (limit * 2).min(*AT_ONCE.end());
                }
            }
        }
    }

    /// The first rows that are due.
    fn due(&self, limit: usize) -> Result<Vec<Row>, StoreError> {
        let from = self.function.key();
        // Everything up to this very millisecond.
        let to = events::place(&self.function, self.context.now().add(Duration::from_millis(1)), "");
        let (from, to) = (Bound::Included(from.as_ref()), Bound::Excluded(to.as_ref()));
        self.context.store().read()?.range(EVENTS, from, to, limit, false)
    }

    /// Starts what is due and not at work, and tells how many are at work then.
    async fn start_due(&self, limit: usize) -> Result<usize, StoreError> {
        let rows = self.due(limit)?;
        let (busy, broken) = self.start(rows, limit);
        if !broken.is_empty() {
            tracing::error!(count = broken.len(), "damaged asynchronous events are dropped");
            let write = move |transaction: &mut Transaction<'_>| -> Result<(), StoreError> {
                broken.iter().for_each(|key| transaction.delete(EVENTS, key));
                Ok(())
            };
            self.context.store().write(write).await?;
        }
        Ok(busy)
    }

    /// Starts those of the rows that are not at work, and tells how many are then, and which rows make no sense.
    fn start(&self, rows: Vec<Row>, limit: usize) -> (usize, Vec<Vec<u8>>) {
        let mut broken = Vec::new();
        let mut at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, row) in rows {
            if at_work.len() >= limit || at_work.contains(&key) {
                continue;
            }
            let Ok(event) = decode::<Event>(EVENTS, &row) else {
                broken.push(key);
                continue;
            };
            at_work.insert(key.clone());
            let (context, running) = (self.context.clone(), self.running.clone());
            let (set, notify) = (self.at_work.clone(), self.notify.clone());
            self.context.engine.spawn(async move {
                events::attempt(&running, &context, key.clone(), event).await;
                set.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
                notify.notify_one();
            });
        }
        (at_work.len(), broken)
    }
}
