//! Adding events to a stream: what `PutLogEvents` does, and what functions' logs go through without waiting. Subscribers get
//! theirs in the same transaction.

use super::forward::Subscribers;
use super::rows::{EVENTS, Event, GROUPS, Group, GroupName, STREAMS, Stream, place};
use aloft_base::{AccountId, Region, Timestamp};
use aloft_store::{StoreError, Transaction};

/// What an event counts for beyond its text.
const OVERHEAD: u64 = 26;

/// An event to be.
pub(crate) struct Line {
    pub at: Timestamp,
    pub message: String,
}

/// Adds lines to a stream, which is made with its group when it is missing.
pub(crate) fn append(
    transaction: &mut Transaction<'_>,
    (account, region): (&AccountId, &Region),
    (group, stream): (&str, &str),
    lines: Vec<Line>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let group = GroupName { account: account.clone(), region: region.clone(), name: group.to_owned() };
    if transaction.get(GROUPS, group.key())?.is_none() {
        group.save(transaction, &Group::new(now))?;
    }
    let found = transaction.get_json(STREAMS, group.stream_key(stream))?;
    add(transaction, &group, stream, found.unwrap_or_else(|| Stream::new(now)), lines, now)
}

/// Adds lines to a stream that is at hand, and saves it.
pub(super) fn add(
    transaction: &mut Transaction<'_>,
    group: &GroupName,
    name: &str,
    mut stream: Stream,
    lines: Vec<Line>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let subscribers = Subscribers::of(transaction, group, name)?;
    for Line { at, message } in lines {
        stream.count += 1;
        stream.bytes += message.len() as u64 + OVERHEAD;
        stream.first_event = Some(stream.first_event.map_or(at, |first| first.min(at)));
        stream.last_event = Some(stream.last_event.map_or(at, |last| last.max(at)));
        let place = place(at.millis().max(0) as u64, stream.count);
        subscribers.take(transaction, (at, stream.count), &message, now)?;
        let event = Event { ingested: now, message };
        transaction.put_json(EVENTS, group.stream_key(name).raw(&place), &event)?;
    }
    stream.last_ingestion = Some(now);
    transaction.put_json(STREAMS, group.stream_key(name), &stream)
}
