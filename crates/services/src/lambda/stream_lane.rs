//! A lane of a shard: reads its records in order, gathers batches and windows, and has them delivered.
//!
//! Keeps true: the place that was reached is a row, so a restart goes on there; a record is skipped only when it is
//! another lane's, or a filter, its age or its retries say so.

use super::limits;
use super::stream_batch::{Batch, WindowPart};
use super::stream_poller::{REST, StreamPoller};
use super::stream_rows::{LaneKey, LaneRow, Window};
use super::stream_source::{Position, Record};
use aloft_base::Timestamp;
use aloft_engine::{ServiceError, storage_failed};
use std::sync::Arc;
use std::time::Duration;

/// What an event has around its records at most, but for a window's state.
const AROUND: usize = 64 * 1024;
/// The most bytes of a window's state.
const STATE_LIMIT: usize = 1024 * 1024;

pub(super) struct Lane {
    pub poller: Arc<StreamPoller>,
    pub at: LaneKey,
    pub row: LaneRow,
}

/// What has been read.
struct Gathered {
    records: Vec<Record>,
    bytes: usize,
    /// Behind the last record that was looked at.
    upto: Position,
    /// Whether there is more, which does not belong to this batch any more.
    is_full: bool,
    /// Whether the shard is at its end.
    is_last: bool,
}

impl Lane {
    pub fn new(poller: Arc<StreamPoller>, at: LaneKey, row: LaneRow) -> Self {
        Self { poller, at, row }
    }

    /// Reads to the end of the shard, which comes only when it is closed.
    pub async fn work(mut self) -> Result<(), ServiceError> {
        let poller = self.poller.clone();
        let mut changed = poller.context.store().watch(poller.source.wakes());
        loop {
            changed.borrow_and_update();
            let mut gathered = self.gather().await?;
            if !gathered.records.is_empty() && poller.mapping.window_seconds > 0 {
                let window = Duration::from_secs(poller.mapping.window_seconds);
                let end = poller.context.now().add(window);
                while !gathered.is_full && !gathered.is_last {
                    tokio::select! {
                        biased;
                        _ = changed.changed() => gathered = self.gather().await?,
                        () = poller.running.waiting.until(end) => break,
                    }
                }
            }
            let (upto, is_empty) = (gathered.upto.clone(), gathered.records.is_empty());
            let (is_last, is_full) = (gathered.is_last, gathered.is_full);
            if !is_empty {
                self.deliver_all(gathered.records).await?;
            }
            if upto != self.row.position {
                self.row.position = upto;
                self.save().await?;
            }
            if is_last && !is_full {
                return self.end().await;
            }
            if is_empty && !is_full {
                self.wait(&mut changed).await?;
            }
        }
    }

    /// Reads from where the last batch ended until there is enough for another, or no more.
    async fn gather(&self) -> Result<Gathered, ServiceError> {
        let poller = &self.poller;
        let limit = limits::bytes(limits::of(&poller.context).synchronous_payload).saturating_sub(AROUND);
        let (most, lanes) = (poller.mapping.batch_size, poller.mapping.lanes());
        let mut gathered = Gathered {
            records: Vec::new(),
            bytes: 0,
            upto: self.row.position.clone(),
            is_full: false,
            is_last: false,
        };
        loop {
            let page = poller.source.records(&poller.context, &self.at.shard, &gathered.upto, most).await?;
            let is_empty = page.records.is_empty();
            for record in page.records {
                let is_wanted = record.lane(lanes) == self.at.lane && record.passes(&poller.filters);
                if is_wanted {
                    let bytes = record.event.to_string().len() + 1;
                    let is_too_much = gathered.bytes + bytes > limit && !gathered.records.is_empty();
                    if gathered.records.len() >= most || is_too_much {
                        gathered.is_full = true;
                        return Ok(gathered);
                    }
                    gathered.bytes += bytes;
                }
                gathered.upto = Position::After(record.sequence.clone());
                if is_wanted {
                    gathered.records.push(record);
                }
            }
            if page.is_last && is_empty {
                gathered.is_last = true;
                return Ok(gathered);
            }
            if is_empty || gathered.records.len() >= most {
                gathered.is_full = !is_empty;
                return Ok(gathered);
            }
        }
    }

    /// Waits for records, or for the end of the open window, which is then closed.
    async fn wait(&mut self, changed: &mut tokio::sync::watch::Receiver<u64>) -> Result<(), ServiceError> {
        let poller = self.poller.clone();
        let end = self.row.window.as_ref().map(|window| self.end_of(window));
        let window_ends = async {
            match end {
                Some(end) => poller.running.waiting.until(end).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = changed.changed() => Ok(()),
            () = window_ends => self.close_window(false).await,
            () = tokio::time::sleep(REST) => Ok(()),
        }
    }

    pub async fn save(&self) -> Result<(), ServiceError> {
        let saved = self.row.save(&self.poller.context, &self.at).await;
        saved.map_err(|error| storage_failed(&error))
    }

    async fn end(&mut self) -> Result<(), ServiceError> {
        self.close_window(true).await?;
        self.row.is_done = true;
        self.save().await
    }

    fn end_of(&self, window: &Window) -> Timestamp {
        window.start.add(Duration::from_secs(self.poller.settings.tumbling_seconds))
    }

    /// Delivers records in order, those of one tumbling window after those of another.
    async fn deliver_all(&mut self, records: Vec<Record>) -> Result<(), ServiceError> {
        let seconds = self.poller.settings.tumbling_seconds;
        if seconds == 0 {
            return self.deliver(records).await;
        }
        let start_of = |record: &Record| {
            let length = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000);
            Timestamp(record.at.millis().div_euclid(length) * length)
        };
        let mut left = records.into_iter().peekable();
        while let Some(first) = left.peek() {
            let start = start_of(first);
            if self.row.window.as_ref().is_some_and(|window| window.start < start) {
                self.close_window(false).await?;
            }
            // A record that comes late is one of the open window.
            let open = self.row.window.get_or_insert_with(|| Window { start, state: serde_json::json!({}) });
            let open = open.start;
            let mut same = Vec::new();
            while let Some(record) = left.next_if(|record| start_of(record) <= open) {
                same.push(record);
            }
            self.deliver(same).await?;
            let is_too_large =
                self.row.window.as_ref().is_some_and(|it| it.state.to_string().len() > STATE_LIMIT);
            if is_too_large {
                self.close_window(true).await?;
            }
        }
        Ok(())
    }

    /// The window's last invocation, without records.
    async fn close_window(&mut self, early: bool) -> Result<(), ServiceError> {
        if let Some(window) = self.row.window.clone() {
            let early = early && self.poller.context.now() < self.end_of(&window);
            let part = self.window_part(&window, true, early);
            Batch { lane: self, window: Some(part) }.close().await?;
            self.row.window = None;
            self.save().await?;
        }
        Ok(())
    }

    fn window_part(&self, window: &Window, is_final: bool, is_early: bool) -> WindowPart {
        WindowPart {
            start: window.start,
            end: self.end_of(window),
            state: window.state.clone(),
            is_final,
            is_early,
        }
    }

    /// Delivers a batch, and its parts when it is cut, in order; each moves the place that was reached.
    async fn deliver(&mut self, records: Vec<Record>) -> Result<(), ServiceError> {
        // The last is the next.
        let mut left = vec![records];
        while let Some(records) = left.pop() {
            let Some(last) = records.last().map(|record| record.sequence.clone()) else { continue };
            let part = self.row.window.as_ref().map(|window| self.window_part(window, false, false));
            let done = Batch { lane: self, window: part }.deliver(records).await?;
            let has_rest = !done.rest.is_empty();
            left.extend(done.rest);
            if let (Some(window), Some(state)) = (&mut self.row.window, done.state) {
                window.state = state;
            }
            if let Some(reached) = done.reached.or((!has_rest).then_some(last)) {
                self.row.position = Position::After(reached);
                self.save().await?;
            }
        }
        Ok(())
    }
}
