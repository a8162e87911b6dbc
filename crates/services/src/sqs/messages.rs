//! Where messages lie: the row of each, and the indexes by which the next one is found without looking at the others.
//!
//! A message's sequence number is the millisecond it came in and a count within it, so that rows lie in order of age. In a
//! standard queue each message stands in the index by the time at which it can be received. In a FIFO queue each group
//! does, so that a group of which a message is in flight is passed over as a whole.
//! Keeps true: the indexes say what the rows say; both change in one transaction.

use super::content::Attributes;
use super::queue::Queue;
use crate::storage::Outcome;
use aloft_base::Timestamp;
use aloft_store::{Key, Snapshot, StoreError, Transaction};
use serde::{Deserialize, Serialize};
use std::ops::Bound;

/// Messages by queue and sequence number.
const MESSAGES: &str = "sqs.messages";
/// What can be received: by queue, time, sequence number. The value is the group in FIFO queues, else the flag [`FLIGHT`].
pub(super) const VISIBLE: &str = "sqs.visible";
/// The messages of FIFO queues by queue, group, sequence number; the value is when they are visible, and the flag.
const GROUPS: &str = "sqs.groups";
/// By queue and group: where the group stands in [`VISIBLE`].
const HEADS: &str = "sqs.heads";
/// The last sequence number by queue.
const SEQUENCES: &str = "sqs.sequences";

/// Says of an index's row that the message was received and not only delayed.
const FLIGHT: u8 = 1;
/// The bits of a sequence number that count within a millisecond.
const COUNT_BITS: u32 = 20;
/// As many messages of a group as can be in flight: one receive's.
const BATCH: usize = 10;
/// How many messages past their retention are dropped at a time.
const SWEEP: usize = 100;
/// Added to sequence numbers when they are shown, which makes twenty digits of them as AWS has.
const SHOWN_FROM: u64 = 10_000_000_000_000_000_000;

/// A message in a queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Message {
    pub id: String,
    pub body: String,
    pub md5: String,
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_header: Option<String>,
    pub sender: String,
    pub sent: Timestamp,
    /// From when on it can be received.
    pub visible_at: Timestamp,
    /// Whether it was received; it is in flight as long as it is not visible again.
    pub in_flight: bool,
    pub receives: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_received: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_received: Option<Timestamp>,
    /// What the latest receipt handle has in it; 0 when there is none.
    pub receipt: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deduplication_id: Option<String>,
    /// The ARN of the queue from which it was moved to this dead-letter queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

impl Message {
    fn flag(&self) -> u8 {
        if self.in_flight { FLIGHT } else { 0 }
    }

    fn group(&self) -> &str {
        self.group.as_deref().unwrap_or_default()
    }
}

/// How many messages there are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub visible: usize,
    pub in_flight: usize,
    pub delayed: usize,
}

/// The next sequence number of a queue.
pub(super) fn next_sequence(
    transaction: &mut Transaction<'_>,
    queue: &Queue,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let last = transaction.get(SEQUENCES, of(queue))?.map_or(0, |last| number(&last));
    let mut next = first_of(now).max(last + 1);
    // A message that came from another queue has kept its age, and may stand here.
    while transaction.get(MESSAGES, of(queue).number(next))?.is_some() {
        next += 1;
    }
    transaction.put(SEQUENCES, of(queue), next.to_be_bytes());
    Ok(next)
}

/// A free sequence number for a message that was sent at that time.
pub(super) fn sequence_at(
    transaction: &Transaction<'_>,
    queue: &Queue,
    sent: Timestamp,
) -> Result<u64, StoreError> {
    let (from, to) = (of(queue).number(first_of(sent)), of(queue).number(first_of(Timestamp(sent.0 + 1))));
    let last =
        transaction.range(MESSAGES, Bound::Included(from.as_ref()), Bound::Excluded(to.as_ref()), 1, true)?;
    Ok(last.first().map_or(first_of(sent), |(key, _)| tail(key) + 1))
}

/// A sequence number as users see it.
pub(super) fn shown(sequence: u64) -> String {
    SHOWN_FROM.saturating_add(sequence).to_string()
}

/// The message of that number.
pub(super) fn get(
    transaction: &Transaction<'_>,
    queue: &Queue,
    sequence: u64,
) -> Result<Option<Message>, StoreError> {
    transaction.get_json(MESSAGES, of(queue).number(sequence))
}

/// Puts a new message in.
pub(super) fn insert(
    transaction: &mut Transaction<'_>,
    queue: &Queue,
    sequence: u64,
    message: &Message,
    now: Timestamp,
) -> Outcome<()> {
    transaction.put_json(MESSAGES, of(queue).number(sequence), message)?;
    if !queue.is_fifo() {
        transaction.put(VISIBLE, visible_key(queue, message.visible_at, sequence), [message.flag()]);
        return Ok(());
    }
    put_in_group(transaction, queue, sequence, message);
    // Behind others it changes nothing about when the group's next message can be received.
    if transaction.get(HEADS, of(queue).text(message.group()))?.is_none() {
        settle(transaction, queue, message.group(), now)?;
    }
    Ok(())
}

/// Writes what has changed about a message.
pub(super) fn replace(
    transaction: &mut Transaction<'_>,
    queue: &Queue,
    sequence: u64,
    old: &Message,
    new: &Message,
    now: Timestamp,
) -> Outcome<()> {
    transaction.put_json(MESSAGES, of(queue).number(sequence), new)?;
    if queue.is_fifo() {
        put_in_group(transaction, queue, sequence, new);
        settle(transaction, queue, new.group(), now)?;
    } else {
        transaction.delete(VISIBLE, visible_key(queue, old.visible_at, sequence));
        transaction.put(VISIBLE, visible_key(queue, new.visible_at, sequence), [new.flag()]);
    }
    Ok(())
}

/// Takes a message out.
pub(super) fn remove(
    transaction: &mut Transaction<'_>,
    queue: &Queue,
    sequence: u64,
    message: &Message,
    now: Timestamp,
) -> Outcome<()> {
    transaction.delete(MESSAGES, of(queue).number(sequence));
    if queue.is_fifo() {
        transaction.delete(GROUPS, of(queue).text(message.group()).number(sequence));
        settle(transaction, queue, message.group(), now)?;
    } else {
        transaction.delete(VISIBLE, visible_key(queue, message.visible_at, sequence));
    }
    Ok(())
}

/// Takes all messages out.
pub(super) fn clear(transaction: &mut Transaction<'_>, queue: &Queue) -> Result<(), StoreError> {
    for keyspace in [MESSAGES, VISIBLE, GROUPS, HEADS] {
        transaction.delete_prefix(keyspace, of(queue))?;
    }
    Ok(())
}

/// Drops what is past its retention, at most a hundred at a time.
pub(super) fn expire(transaction: &mut Transaction<'_>, queue: &Queue, now: Timestamp) -> Outcome<()> {
    let (from, to) = (of(queue), of(queue).number(oldest(queue, now)));
    let rows = transaction.range(
        MESSAGES,
        Bound::Included(from.as_ref()),
        Bound::Excluded(to.as_ref()),
        SWEEP,
        false,
    )?;
    for (key, _) in rows {
        let sequence = tail(&key);
        if let Some(message) = get(transaction, queue, sequence)? {
            remove(transaction, queue, sequence, &message, now)?;
        }
    }
    Ok(())
}

/// The next messages that can be received, at most `limit`. Of a group, as many as there are come together and in order.
pub(super) fn available(
    transaction: &Transaction<'_>,
    queue: &Queue,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<(u64, Message)>, StoreError> {
    let (from, to) = (of(queue), of(queue).number(millis(now) + 1));
    let rows = transaction.range(
        VISIBLE,
        Bound::Included(from.as_ref()),
        Bound::Excluded(to.as_ref()),
        limit,
        false,
    )?;
    let mut sequences = Vec::new();
    for (key, value) in rows {
        if !queue.is_fifo() {
            sequences.push(tail(&key));
            continue;
        }
        let group = of(queue).text(&String::from_utf8_lossy(&value));
        let members = transaction.scan(GROUPS, group, limit - sequences.len())?;
        let due = members.iter().take_while(|(_, value)| number(value) <= millis(now));
        sequences.extend(due.map(|(key, _)| tail(key)));
        if sequences.len() >= limit {
            break;
        }
    }
    let mut found = Vec::with_capacity(sequences.len());
    for sequence in sequences {
        found.extend(get(transaction, queue, sequence)?.map(|message| (sequence, message)));
    }
    Ok(found)
}

/// When the next message can be received; nothing while the queue is empty.
pub(super) fn next_visible(snapshot: &Snapshot, queue: &Queue) -> Result<Option<Timestamp>, StoreError> {
    let first = snapshot.scan(VISIBLE, of(queue), 1)?;
    Ok(first.first().map(|(key, _)| Timestamp(number(&key[key.len() - 16..]) as i64)))
}

/// How many messages there are, of each kind.
pub(super) fn count(snapshot: &Snapshot, queue: &Queue, now: Timestamp) -> Result<Counts, StoreError> {
    let rows = snapshot.scan(if queue.is_fifo() { GROUPS } else { VISIBLE }, of(queue), usize::MAX)?;
    let mut counts = Counts::default();
    for (key, value) in rows.iter().filter(|(key, _)| tail(key) >= oldest(queue, now)) {
        let visible_at = if queue.is_fifo() { number(value) } else { number(&key[key.len() - 16..]) };
        match value.last() {
            _ if visible_at <= millis(now) => counts.visible += 1,
            Some(&FLIGHT) => counts.in_flight += 1,
            _ => counts.delayed += 1,
        }
    }
    Ok(counts)
}

fn put_in_group(transaction: &mut Transaction<'_>, queue: &Queue, sequence: u64, message: &Message) {
    let value = [&millis(message.visible_at).to_be_bytes()[..], &[message.flag()]].concat();
    transaction.put(GROUPS, of(queue).text(message.group()).number(sequence), value);
}

/// Finds out when a group's next message can be received, and puts the group into the index there.
///
/// Only the messages of one receive can be in flight, and they are the group's first.
fn settle(
    transaction: &mut Transaction<'_>,
    queue: &Queue,
    group: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let members = transaction.scan(GROUPS, of(queue).text(group), BATCH)?;
    let in_flight = |value: &&Vec<u8>| value.last() == Some(&FLIGHT) && number(value) > millis(now);
    let locked_until =
        members.iter().map(|(_, value)| value).filter(in_flight).map(|value| number(value)).max();
    let wanted =
        members.first().map(|(key, value)| (locked_until.unwrap_or_else(|| number(value)), tail(key)));
    let head = of(queue).text(group);
    let present = transaction.get(HEADS, &head)?.map(|value| (number(&value), tail(&value)));
    if present == wanted {
        return Ok(());
    }
    if let Some((at, sequence)) = present {
        transaction.delete(VISIBLE, of(queue).number(at).number(sequence));
        transaction.delete(HEADS, &head);
    }
    if let Some((at, sequence)) = wanted {
        transaction.put(VISIBLE, of(queue).number(at).number(sequence), group);
        transaction.put(HEADS, head, [at.to_be_bytes(), sequence.to_be_bytes()].concat());
    }
    Ok(())
}

/// The beginning of all keys of a queue's messages.
fn of(queue: &Queue) -> Key {
    Key::default().text(&queue.id)
}

fn visible_key(queue: &Queue, at: Timestamp, sequence: u64) -> Key {
    of(queue).number(millis(at)).number(sequence)
}

fn millis(at: Timestamp) -> u64 {
    at.millis().max(0) as u64
}

/// The least sequence number of a millisecond.
fn first_of(at: Timestamp) -> u64 {
    millis(at) << COUNT_BITS
}

/// The least sequence number that is not past the queue's retention.
fn oldest(queue: &Queue, now: Timestamp) -> u64 {
    let retention = queue.duration("MessageRetentionPeriod").as_millis() as u64;
    millis(now).saturating_sub(retention) << COUNT_BITS
}

/// The number in the first eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// The number in the last eight bytes.
fn tail(bytes: &[u8]) -> u64 {
    bytes.last_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}
