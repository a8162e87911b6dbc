//! Writing events to a stream and reading them forwards and backwards.

use super::Logs;
use super::append::{self, Line};
use super::rows::{EVENTS, Events, GroupName, PLACE, STREAMS, Stream, invalid, no_stream, place, read_place};
use crate::storage::Outcome;
use aloft_base::Timestamp;
use aloft_engine::Context;
use aloft_store::{Snapshot, Transaction};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::ops::Bound;

/// The most events that one answer has.
pub(super) const MOST_EVENTS: usize = 10_000;
/// The most bytes of text that one answer has.
pub(super) const MOST_BYTES: usize = 1024 * 1024;
/// The most bytes of one `PutLogEvents`, each event counted with 26 more.
const MOST_PUT: usize = 1_048_576;

const DAY: i64 = 86_400_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Put {
    log_group_name: String,
    log_stream_name: String,
    log_events: Vec<NewEvent>,
}

#[derive(Deserialize)]
struct NewEvent {
    timestamp: i64,
    message: String,
}

/// `PutLogEvents`
///
/// Sequence tokens are taken and change nothing, as on AWS since 2023.
pub(super) async fn put(_: &Logs, context: &Context, input: Put) -> Outcome<Value> {
    let (group, name, now) =
        (GroupName::of(context, &input.log_group_name), input.log_stream_name, context.now());
    if input.log_events.windows(2).any(|pair| pair[0].timestamp > pair[1].timestamp) {
        return Err(
            invalid("Log events in a single PutLogEvents request must be in chronological order.").into()
        );
    }
    if input.log_events.iter().map(|event| event.message.len() + 26).sum::<usize>() > MOST_PUT {
        return Err(invalid(format!("Upload too large: the limit is {MOST_PUT} bytes")).into());
    }
    let kept = group.find(context).await?.oldest(now).millis().max(now.millis() - 14 * DAY);
    let events = &input.log_events;
    let mut rejected = Map::new();
    let too_old = events.iter().take_while(|event| event.timestamp < kept).count();
    let too_new = events.iter().position(|event| event.timestamp > now.millis() + 7_200_000);
    if too_old > 0 {
        rejected.insert("tooOldLogEventEndIndex".to_owned(), too_old.into());
    }
    if let Some(from) = too_new {
        rejected.insert("tooNewLogEventStartIndex".to_owned(), from.into());
    }
    let taken = too_new.unwrap_or(events.len()).saturating_sub(too_old);
    let events = input.log_events;
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<u64> {
        group.load(transaction)?;
        let stream: Stream = transaction.get_json(STREAMS, group.stream_key(&name))?.ok_or_else(no_stream)?;
        let next = stream.count + taken as u64;
        let taken = events.iter().skip(too_old).take(taken);
        let lines = taken.map(|event| Line { at: Timestamp(event.timestamp), message: &event.message });
        append::add(transaction, &group, &name, stream, lines, now)?;
        Ok(next)
    };
    let next = context.store().write(write).await?;
    let mut answer = json!({ "nextSequenceToken": format!("{next:056}") });
    if !rejected.is_empty() {
        answer["rejectedLogEventsInfo"] = rejected.into();
    }
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Get {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name: String,
    start_time: Option<i64>,
    end_time: Option<i64>,
    next_token: Option<String>,
    limit: Option<usize>,
    #[serde(default)]
    start_from_head: bool,
}

/// A place between events, and which way to read from it.
struct Token {
    forward: bool,
    place: [u8; PLACE],
}

impl Token {
    fn read(text: &str) -> Option<Self> {
        let (forward, digits) = match text.split_once('/')? {
            ("f", rest) => (true, rest),
            ("b", rest) => (false, rest),
            _ => return None,
        };
        let digits = digits.strip_suffix("/s").filter(|digits| digits.len() == 56 && digits.is_ascii())?;
        Some(Self { forward, place: place(digits[16..36].parse().ok()?, digits[36..].parse().ok()?) })
    }

    fn write(&self) -> String {
        let (time, number) = read_place(&self.place);
        format!("{}/{:016}{time:020}{number:020}/s", if self.forward { "f" } else { "b" }, 0)
    }
}

/// `GetLogEvents`
pub(super) async fn get(_: &Logs, context: &Context, input: Get) -> Outcome<Value> {
    let group =
        GroupName::either(context, input.log_group_name.as_deref(), input.log_group_identifier.as_deref())?;
    let oldest = group.find(context).await?.oldest(context.now());
    let snapshot = context.store().read()?;
    snapshot.get(STREAMS, group.stream_key(&input.log_stream_name))?.ok_or_else(no_stream)?;
    let token = match &input.next_token {
        Some(text) => Some(Token::read(text).ok_or_else(|| invalid("The specified nextToken is invalid."))?),
        None => None,
    };
    let start = input.start_time.unwrap_or(0).max(oldest.millis()).max(0) as u64;
    // The end is exclusive.
    let end = input.end_time.map_or(u64::MAX, |end| end.max(0) as u64);
    let forward = token.as_ref().map_or(input.start_from_head, |token| token.forward);
    let (mut from, mut to) = (place(start, 0), place(end, 0));
    match &token {
        Some(token) if token.forward => from = from.max(just_after(token.place)),
        Some(token) => to = to.min(token.place),
        None => {}
    }
    let limit = input.limit.unwrap_or(MOST_EVENTS).clamp(1, MOST_EVENTS);
    let events = read(&snapshot, &group, &input.log_stream_name, (from, to), limit, !forward)?;
    // Where nothing was found, one goes on from where one asked.
    let asked = token.map_or(place(start, 0), |token| token.place);
    let first = events.first().map_or(just_after(asked), |event| event.place);
    let last = events.last().map_or(asked, |event| event.place);
    Ok(json!({
        "events": events.iter().map(Found::tell).collect::<Vec<_>>(),
        "nextForwardToken": Token { forward: true, place: last }.write(),
        "nextBackwardToken": Token { forward: false, place: first }.write(),
    }))
}

fn just_after(at: [u8; PLACE]) -> [u8; PLACE] {
    (u128::from_be_bytes(at).saturating_add(1)).to_be_bytes()
}

/// An event and where it lies.
pub(super) struct Found {
    pub place: [u8; PLACE],
    pub ingested: Timestamp,
    pub message: String,
}

impl Found {
    pub fn time(&self) -> u64 {
        read_place(&self.place).0
    }

    fn tell(&self) -> Value {
        json!({
            "timestamp": self.time(),
            "message": self.message,
            "ingestionTime": self.ingested.millis(),
        })
    }
}

/// The events of a stream from one place up to before another, in order of time: the first `limit`, or the last.
pub(super) fn read(
    snapshot: &Snapshot,
    group: &GroupName,
    stream: &str,
    (from, to): ([u8; PLACE], [u8; PLACE]),
    limit: usize,
    last: bool,
) -> Outcome<Vec<Found>> {
    let key = |place: [u8; PLACE]| group.stream_key(stream).raw(&place);
    // The row that `from` lies in may begin before it.
    let begin = (key(place(read_place(&from).0, 0)), key(from));
    let begin = (Bound::Included(begin.0.as_ref()), Bound::Included(begin.1.as_ref()));
    let begin = snapshot.range(EVENTS, begin.0, begin.1, 1, true)?.pop();
    let begin = begin.map_or_else(|| key(from).into_bytes(), |(key, _)| key);
    let end = key(to);
    let (begin, end) = (Bound::Included(begin.as_slice()), Bound::Excluded(end.as_ref()));
    let mut bytes = 0;
    let mut found: Vec<Found> = Vec::new();
    // All rows but one of those have something.
    'rows: for (key, row) in snapshot.range(EVENTS, begin, end, limit.saturating_add(1), last)? {
        let (time, number) = read_place(&key);
        let Events { ingested, messages } = crate::storage::decode(EVENTS, &row)?;
        let messages = messages.into_vec().into_iter().zip(number..);
        let events =
            messages.map(|(message, number)| Found { place: place(time, number), ingested, message });
        let mut events: Vec<Found> = events.filter(|it| (from..to).contains(&it.place)).collect();
        if last {
            events.reverse();
        }
        for event in events {
            bytes += event.message.len();
            if found.len() == limit || bytes > MOST_BYTES && !found.is_empty() {
                break 'rows;
            }
            found.push(event);
        }
    }
    if last {
        found.reverse();
    }
    Ok(found)
}
