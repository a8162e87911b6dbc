//! Where functions' log lines go: into the rows of CloudWatch Logs, without anybody waiting.
//!
//! Lines gather by stream until the store takes them, so that a busy function costs few writes; as one text, so that
//! thousands of them are no thousand pieces of memory. Keeps true: the lines of a stream come in their order; what gathers is
//! bounded.

use crate::logs::{self, Line};
use aloft_base::{AccountId, Clock, Region, Timestamp};
use aloft_store::{Store, StoreError, Transaction};
use aloft_worker::{FunctionSpec, LogLine, LogSink};
use std::collections::HashMap;
use std::mem::take;
use std::sync::{Arc, Mutex, PoisonError};

/// How many bytes gather at most; what comes beyond is held back by the store.
const GATHERED: usize = 4 * 1024 * 1024;

/// Writes to the store.
pub(super) struct Sink {
    store: Store,
    clock: Clock,
    waiting: Arc<Mutex<Waiting>>,
}

/// What the store has not taken yet.
#[derive(Default)]
struct Waiting {
    /// By the stream's name, which functions hardly ever share.
    batches: HashMap<String, Vec<Batch>>,
    bytes: usize,
}

/// Lines of one stream.
struct Batch {
    account: AccountId,
    region: Region,
    group: String,
    /// When each line was read, and where it ends in the text.
    lines: Vec<(Timestamp, usize)>,
    text: String,
}

impl Sink {
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, waiting: Arc::default() }
    }
}

impl LogSink for Sink {
    fn write(&self, function: &FunctionSpec, log_stream: &str, lines: Vec<LogLine>) {
        let clock = self.clock.clone();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.bytes > GATHERED {
            drop(waiting);
            let (batch, stream) = (Batch::of(function, &lines), log_stream.to_owned());
            self.store.write_later(move |transaction| batch.append(transaction, &stream, clock.now()));
            return;
        }
        let is_first = waiting.batches.is_empty();
        waiting.add(function, log_stream, &lines);
        drop(waiting);
        if is_first {
            let waiting = self.waiting.clone();
            self.store.write_later(move |transaction| {
                let gathered = take(&mut *waiting.lock().unwrap_or_else(PoisonError::into_inner));
                for (stream, batches) in gathered.batches {
                    for batch in batches {
                        batch.append(transaction, &stream, clock.now())?;
                    }
                }
                Ok(())
            });
        }
    }
}

impl Waiting {
    fn add(&mut self, function: &FunctionSpec, stream: &str, lines: &[LogLine]) {
        self.bytes += lines.iter().map(|line| line.message.len()).sum::<usize>();
        if !self.batches.contains_key(stream) {
            self.batches.insert(stream.to_owned(), Vec::new());
        }
        let Some(batches) = self.batches.get_mut(stream) else { return };
        match batches.iter_mut().find(|batch| batch.is_of(function)) {
            Some(batch) => batch.extend(lines),
            None => batches.push(Batch::of(function, lines)),
        }
    }
}

impl Batch {
    fn of(function: &FunctionSpec, lines: &[LogLine]) -> Self {
        let (account, region) = (function.account.clone(), function.region.clone());
        let group = function.log_group.clone();
        let mut batch = Self { account, region, group, lines: Vec::new(), text: String::new() };
        batch.extend(lines);
        batch
    }

    fn extend(&mut self, lines: &[LogLine]) {
        for line in lines {
            self.text.push_str(&line.message);
            self.lines.push((line.at, self.text.len()));
        }
    }

    fn is_of(&self, function: &FunctionSpec) -> bool {
        self.group == function.log_group && self.account == function.account && self.region == function.region
    }

    fn append(
        &self,
        transaction: &mut Transaction<'_>,
        stream: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let lines = self.lines.iter().scan(0, |begin, (at, end)| {
            let message = &self.text[std::mem::replace(begin, *end)..*end];
            Some(Line { at: *at, message })
        });
        logs::append(transaction, (&self.account, &self.region), (&self.group, stream), lines, now)
    }
}
