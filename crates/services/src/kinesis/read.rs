//! Reading records by shard iterators.

use super::Kinesis;
use super::records::{self, Stored, from_sequence};
use super::stream::{Address, Shard, Stream, Which, invalid};
use crate::storage::{Fault, Rows};
use aloft_base::Timestamp;
use aloft_engine::{Context, ServiceError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// How long an iterator can be used.
const ITERATOR_KEPT: Duration = Duration::from_secs(300);
/// How many records one answer has at most, and how many bytes.
const MOST_RECORDS: usize = 10_000;
const MOST_BYTES: usize = 10 * 1024 * 1024;

/// What an iterator stands for.
#[derive(Serialize, Deserialize)]
struct Position {
    arn: String,
    /// The stream's own identifier: another one of the same name has other records.
    id: String,
    shard: String,
    /// The number from which records come next.
    next: u64,
    made: Timestamp,
}

impl Position {
    fn encode(&self) -> String {
        BASE64.encode(json!(self).to_string())
    }

    fn decode(text: &str) -> Result<Self, ServiceError> {
        let bytes = BASE64.decode(text).ok();
        bytes
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or_else(|| invalid("Invalid ShardIterator."))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Iterate {
    #[serde(flatten)]
    which: Which,
    shard_id: String,
    shard_iterator_type: String,
    starting_sequence_number: Option<String>,
    timestamp: Option<f64>,
}

/// The number from which reading begins.
pub(super) fn begin(
    rows: &impl Rows,
    stream: &Stream,
    shard: &Shard,
    kind: &str,
    (number, time): (Option<&str>, Option<f64>),
    now: Timestamp,
) -> Result<u64, Fault> {
    let asked = || {
        let text =
            number.ok_or_else(|| invalid(format!("Must either specify a sequence number for {kind}")))?;
        from_sequence(text).ok_or_else(|| {
            invalid(format!(
                "StartingSequenceNumber {text} used in GetShardIterator on shard {} in stream {} under account {} is invalid.",
                shard.id(),
                stream.name,
                stream.account
            ))
        })
    };
    Ok(match kind {
        "TRIM_HORIZON" => shard.first,
        "LATEST" => records::last_number(rows, stream)? + 1,
        "AT_SEQUENCE_NUMBER" => asked()?,
        "AFTER_SEQUENCE_NUMBER" => asked()? + 1,
        "AT_TIMESTAMP" => {
            let time = time.ok_or_else(|| {
                invalid("Must specify timestamp parameter for iterator of type AT_TIMESTAMP.")
            })?;
            let time = Timestamp::from_seconds_f64(time);
            let mut next = shard.first;
            loop {
                let page = records::read(rows, stream, shard, next, 1000, now)?;
                let Some((last, _)) = page.last() else { break next };
                if let Some((number, _)) = page.iter().find(|(_, record)| record.at >= time) {
                    break *number;
                }
                next = last + 1;
            }
        }
        other => return Err(invalid(format!("Invalid ShardIteratorType: {other}")).into()),
    })
}

/// `GetShardIterator`
pub(super) async fn get_iterator(_: &Kinesis, context: &Context, input: Iterate) -> Result<Value, Fault> {
    let (snapshot, now) = (context.store().read()?, context.now());
    let stream = input.which.address(context)?.find(&snapshot)?;
    let shard = stream.shard(&input.shard_id)?;
    let given = (input.starting_sequence_number.as_deref(), input.timestamp);
    let next = begin(&snapshot, &stream, shard, &input.shard_iterator_type, given, now)?;
    let position =
        Position { arn: stream.arn(), id: stream.id.clone(), shard: input.shard_id, next, made: now };
    Ok(json!({ "ShardIterator": position.encode() }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Get {
    shard_iterator: String,
    limit: Option<usize>,
}

/// A piece of a shard.
pub(super) struct Piece {
    pub records: Vec<Value>,
    /// Where the next piece begins; nothing when the shard is at its end.
    pub next: Option<u64>,
    pub behind: Duration,
}

/// Reads a piece of a shard.
pub(super) fn piece(
    rows: &impl Rows,
    stream: &Stream,
    shard: &Shard,
    from: u64,
    limit: usize,
    now: Timestamp,
) -> Result<Piece, Fault> {
    // One more, to know whether there is more.
    let mut found = records::read(rows, stream, shard, from, limit + 1, now)?;
    let mut bytes = 0;
    let fitting = found.iter().take(limit).take_while(|(_, record)| {
        bytes += record.data.len();
        bytes <= MOST_BYTES
    });
    let count = fitting.count().max(1).min(found.len());
    let rest = found.split_off(count);
    let next = found.last().map_or(from, |(number, _)| number + 1);
    let behind = match (found.last(), rest.is_empty()) {
        (Some((_, last)), false) => now.since(last.at),
        _ => Duration::ZERO,
    };
    let is_over = shard.last.is_some() && rest.is_empty();
    let tell = |(number, record): &(u64, Stored)| record.tell(*number, stream.encryption());
    Ok(Piece { records: found.iter().map(tell).collect(), next: (!is_over).then_some(next), behind })
}

/// The shards that came from this one, for who has read it to its end.
pub(super) fn children(stream: &Stream, shard: &Shard) -> Value {
    let children = stream.shards.iter().filter(|it| it.parents.contains(&shard.number));
    let tell = |child: &Shard| {
        let parents: Vec<String> = child.parents.iter().map(|it| Shard::id_of(*it)).collect();
        json!({ "ShardId": child.id(), "ParentShards": parents, "HashKeyRange": child.tell_range() })
    };
    children.map(tell).collect()
}

/// `GetRecords`
pub(super) async fn get_records(_: &Kinesis, context: &Context, input: Get) -> Result<Value, Fault> {
    let (position, now) = (Position::decode(&input.shard_iterator)?, context.now());
    if position.made.add(ITERATOR_KEPT) < now {
        let message = format!(
            "Iterator expired. The iterator was created at time {} while right now it is {} which is further in the future than the tolerated delay of 300000 milliseconds.",
            position.made.iso8601(),
            now.iso8601()
        );
        return Err(ServiceError::new("ExpiredIteratorException", 400, message).into());
    }
    let snapshot = context.store().read()?;
    let stream = Address::of_arn(context, &position.arn)?.find(&snapshot)?;
    if stream.id != position.id {
        return Err(invalid("Invalid ShardIterator.").into());
    }
    let shard = stream.shard(&position.shard)?;
    let limit = input.limit.unwrap_or(MOST_RECORDS).clamp(1, MOST_RECORDS);
    let piece = piece(&snapshot, &stream, shard, position.next, limit, now)?;
    let mut told = json!({
        "Records": piece.records,
        "MillisBehindLatest": u64::try_from(piece.behind.as_millis()).unwrap_or(u64::MAX),
    });
    match piece.next {
        Some(next) => {
            told["NextShardIterator"] = Position { next, made: now, ..position }.encode().into();
        }
        None => told["ChildShards"] = children(&stream, shard),
    }
    Ok(told)
}
