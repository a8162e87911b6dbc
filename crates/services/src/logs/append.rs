//! Adding events to a stream: what `PutLogEvents` does, and what functions' logs go through without waiting. Subscribers get
//! theirs in the same transaction.

use super::forward::Subscribers;
use super::rows::{EVENTS, Events, GROUPS, Group, GroupName, Messages, STREAMS, Stream, place};
use aloft_base::{AccountId, Region, Timestamp};
use aloft_store::{StoreError, Transaction};

/// What an event counts for beyond its text.
const OVERHEAD: u64 = 26;
/// A row with so many bytes of text takes no more events.
const ROW_BYTES: usize = 8 * 1024;

/// An event to be.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    pub at: Timestamp,
    pub message: &'a str,
}

/// Adds lines to a stream, which is made with its group when it is missing.
pub(crate) fn append<'a>(
    transaction: &mut Transaction<'_>,
    (account, region): (&AccountId, &Region),
    (group, stream): (&str, &str),
    lines: impl IntoIterator<Item = Line<'a>>,
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
pub(super) fn add<'a>(
    transaction: &mut Transaction<'_>,
    group: &GroupName,
    name: &str,
    mut stream: Stream,
    lines: impl IntoIterator<Item = Line<'a>>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let subscribers = Subscribers::of(transaction, group, name)?;
    let mut lines = lines.into_iter().peekable();
    while let Some(Line { at, message }) = lines.next() {
        let first = stream.count + 1;
        let mut bytes = message.len();
        let mut messages = vec![message];
        // A row for each would cost a busy function more than its work.
        while bytes < ROW_BYTES
            && let Some(line) = lines.next_if(|next| next.at == at)
        {
            bytes += line.message.len();
            messages.push(line.message);
        }
        for (message, number) in messages.iter().zip(first..) {
            stream.count = number;
            stream.bytes += message.len() as u64 + OVERHEAD;
            subscribers.take(transaction, (at, number), message, now)?;
        }
        stream.first_event = Some(stream.first_event.map_or(at, |first| first.min(at)));
        stream.last_event = Some(stream.last_event.map_or(at, |last| last.max(at)));
        let messages = match messages.len() {
            1 => Messages::One(messages[0]),
            _ => Messages::Many(messages),
        };
        let place = place(at.millis().max(0) as u64, first);
        transaction.put_json(
            EVENTS,
            group.stream_key(name).raw(&place),
            &Events { ingested: now, messages },
        )?;
    }
    stream.last_ingestion = Some(now);
    transaction.put_json(STREAMS, group.stream_key(name), &stream)
}
