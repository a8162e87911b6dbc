//! `FilterLogEvents`: the events of many streams in one order of time, those that match a pattern.
//!
//! Keeps true: one call looks at a bounded number of events; what is left to look at is in the token.

use super::events::{Found, MOST_BYTES, MOST_EVENTS, read};
use super::pattern::Pattern;
use super::rows::{GroupName, PLACE, invalid, place, read_place};
use super::{Logs, streams};
use crate::storage::Outcome;
use aloft_engine::Context;
use aloft_store::Snapshot;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// How many events one call looks at.
const LOOKED_AT: usize = 100_000;
/// How many events of a stream are read at once.
const CHUNK: usize = 256;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Filter {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_names: Option<Vec<String>>,
    log_stream_name_prefix: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    filter_pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
    start_from_head: Option<bool>,
}

/// The last event that was looked at: those of a later time, or of the same time in a stream that sorts later, are left.
#[derive(Serialize, Deserialize)]
struct Token {
    time: u64,
    stream: String,
    number: u64,
}

/// One stream's events that are still to come.
struct Cursor {
    name: String,
    next: [u8; PLACE],
    ready: VecDeque<Found>,
    /// Nothing is left behind what is ready.
    ended: bool,
}

impl Cursor {
    fn fill(&mut self, snapshot: &Snapshot, group: &GroupName, to: [u8; PLACE]) -> Outcome<()> {
        if self.ready.is_empty() && !self.ended {
            let found = read(snapshot, group, &self.name, (self.next, to), CHUNK, false)?;
            match found.last() {
                Some(last) => self.next = (u128::from_be_bytes(last.place) + 1).to_be_bytes(),
                None => self.ended = true,
            }
            self.ready.extend(found);
        }
        Ok(())
    }
}

/// `FilterLogEvents`
pub(super) async fn filter(_: &Logs, context: &Context, input: Filter) -> Outcome<Value> {
    if input.log_stream_names.is_some() && input.log_stream_name_prefix.is_some() {
        let message = "logStreamNames and logStreamNamePrefix are mutually exclusive parameters.";
        return Err(invalid(message).into());
    }
    if input.start_from_head == Some(false) {
        return Err(invalid("The local cloud filters from the head only.").into());
    }
    let group =
        GroupName::either(context, input.log_group_name.as_deref(), input.log_group_identifier.as_deref())?;
    let pattern = Pattern::parse(input.filter_pattern.as_deref().unwrap_or_default()).map_err(invalid)?;
    let token: Option<Token> = match &input.next_token {
        Some(text) => {
            let read = BASE64.decode(text).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            Some(read.ok_or_else(|| invalid("The specified nextToken is invalid."))?)
        }
        None => None,
    };
    let oldest = group.find(context).await?.oldest(context.now()).millis();
    let start = input.start_time.unwrap_or(0).max(oldest).max(0) as u64;
    // Both ends are inclusive.
    let to = place(input.end_time.map_or(u64::MAX, |end| (end.max(0) as u64).saturating_add(1)), 0);
    let prefix = input.log_stream_name_prefix.unwrap_or_default();
    let wanted = |name: &String| match &input.log_stream_names {
        Some(names) => names.contains(name),
        None => name.starts_with(&prefix),
    };
    let snapshot = context.store().read()?;
    let mut cursors: Vec<Cursor> = streams::of_group(context, &group)?
        .into_iter()
        .filter(|(name, stream)| {
            wanted(name) && stream.last_event.is_some_and(|last| last.millis() as u64 >= start)
        })
        .map(|(name, _)| {
            let next = first_place(&name, start, token.as_ref());
            Cursor { name, next, ready: VecDeque::new(), ended: false }
        })
        .collect();
    let mut order = BinaryHeap::new();
    for (index, cursor) in cursors.iter_mut().enumerate() {
        cursor.fill(&snapshot, &group, to)?;
        order.extend(cursor.ready.front().map(|found| Reverse((found.time(), index))));
    }
    let limit = input.limit.unwrap_or(MOST_EVENTS).clamp(1, MOST_EVENTS);
    let (mut told, mut bytes, mut looked_at, mut next) = (Vec::new(), 0, 0, None);
    while let Some(Reverse((time, index))) = order.pop() {
        let cursor = &mut cursors[index];
        let Some(found) = cursor.ready.pop_front() else { continue };
        cursor.fill(&snapshot, &group, to)?;
        order.extend(cursor.ready.front().map(|found| Reverse((found.time(), index))));
        looked_at += 1;
        if pattern.matches(&found.message) {
            bytes += found.message.len();
            told.push(tell(&cursor.name, &found));
        }
        if told.len() == limit || bytes >= MOST_BYTES || looked_at == LOOKED_AT {
            let number = read_place(&found.place).1;
            let token = Token { time, stream: cursors[index].name.clone(), number };
            next = (!order.is_empty()).then(|| BASE64.encode(json!(token).to_string()));
            break;
        }
    }
    let mut answer = json!({ "events": told, "searchedLogStreams": [] });
    if let Some(next) = next {
        answer["nextToken"] = next.into();
    }
    Ok(answer)
}

/// Where reading a stream begins: cursors are sorted by name, and that is the order within a millisecond.
fn first_place(name: &str, start: u64, token: Option<&Token>) -> [u8; PLACE] {
    match token {
        None => place(start, 0),
        Some(token) => match name.cmp(token.stream.as_str()) {
            std::cmp::Ordering::Less => place(token.time + 1, 0),
            std::cmp::Ordering::Equal => place(token.time, token.number.saturating_add(1)),
            std::cmp::Ordering::Greater => place(token.time, 0),
        },
    }
}

fn tell(stream: &str, found: &Found) -> Value {
    let (time, number) = read_place(&found.place);
    json!({
        "logStreamName": stream,
        "timestamp": time,
        "message": found.message,
        "ingestionTime": found.ingested.millis(),
        "eventId": event_id(stream, time, number),
    })
}

/// The id of an event, by its stream and its place.
pub(super) fn event_id(stream: &str, time: u64, number: u64) -> String {
    let digest = Sha256::digest(stream.as_bytes());
    let stream_number = u64::from_be_bytes(*digest.first_chunk().unwrap_or(&[0; 8])) % 10_000_000_000_000_000;
    format!("{time:020}{stream_number:016}{number:020}")
}
