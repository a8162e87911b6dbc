//! DynamoDB Streams: reading what `dynamodb` wrote about the changes of its items.
//!
//! The second front door to one service's state, hence the only folder that reads another's rows. Keeps true: a reader
//! that goes on with the iterators it was given sees every record once, in order, as long as it comes within a day.

use crate::dynamodb::invalid;
use crate::dynamodb::stream::{
    KEPT, RECORDS, STREAMS, StoredRecord, StreamRow, from_sequence, next_number, record_key, sequence,
};
use crate::storage::{Fault, decode};
use aloft_base::{Arn, Timestamp};
use aloft_engine::{Context, Input, Operation, Reply, Service, ServiceError, operations};
use aloft_store::{Snapshot, key};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::ops::Bound;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// How long an iterator can be used.
const ITERATOR_KEPT: Duration = Duration::from_secs(15 * 60);
/// How many records one answer has at most, and how many bytes.
const MOST_RECORDS: usize = 1000;
const MOST_BYTES: usize = 1024 * 1024;
const MOST_STREAMS: usize = 100;

/// The service.
pub struct DynamoDbStreams;

operations! { DynamoDbStreams;
    DescribeStream => describe,
    GetRecords => get_records,
    GetShardIterator => get_iterator,
    ListStreams => list,
}

#[async_trait]
impl Service for DynamoDbStreams {
    fn name(&self) -> &'static str {
        "dynamodbstreams"
    }

    async fn call(
        &self,
        context: &Context,
        operation: &str,
        input: Input,
    ) -> Option<Result<Reply, ServiceError>> {
        Operation::dispatch(OPERATIONS, self, context, operation, input).await
    }

    fn operation_names(&self) -> Vec<&'static str> {
        OPERATIONS.iter().map(|operation| operation.name).collect()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListInput {
    table_name: Option<String>,
    limit: Option<usize>,
    exclusive_start_stream_arn: Option<String>,
}

async fn list(_: &DynamoDbStreams, context: &Context, input: ListInput) -> Result<Value, Fault> {
    let all = match &input.table_name {
        Some(table) => key([context.account.as_str(), context.region.as_str(), table]),
        None => key([context.account.as_str(), context.region.as_str()]),
    };
    let rows = context.store().read()?.scan_json::<StreamRow>(STREAMS, all, usize::MAX)?;
    let after = input.exclusive_start_stream_arn;
    let known = after.as_ref().and_then(|after| rows.iter().position(|(_, row)| row.arn == *after));
    let mut rows = rows.into_iter().map(|(_, row)| row).skip(known.map_or(0, |at| at + 1));
    let limit = input.limit.unwrap_or(MOST_STREAMS).clamp(1, MOST_STREAMS);
    let page: Vec<StreamRow> = rows.by_ref().take(limit).collect();
    let describe = |row: &StreamRow| json!({"StreamArn": row.arn, "TableName": row.table, "StreamLabel": row.stream.label});
    let mut out = json!({"Streams": page.iter().map(describe).collect::<Vec<_>>()});
    if let (Some(last), Some(_)) = (page.last(), rows.next()) {
        out["LastEvaluatedStreamArn"] = json!(last.arn);
    }
    Ok(out)
}

/// The stream of an ARN: `arn:aws:dynamodb:region:account:table/name/stream/label`.
fn find(snapshot: &Snapshot, text: &str) -> Result<StreamRow, Fault> {
    let wrong = || invalid(format!("Invalid StreamArn: {text}"));
    let arn: Arn = text.parse().map_err(|_| wrong())?;
    let rest = arn.resource.strip_prefix("table/").ok_or_else(wrong)?;
    let (table, label) = rest.split_once("/stream/").ok_or_else(wrong)?;
    let row = snapshot.get_json::<StreamRow>(STREAMS, key([&arn.account, &arn.region, table, label]))?;
    row.ok_or_else(|| {
        let message = format!("Requested resource not found: Stream: {text} not found");
        ServiceError::new("ResourceNotFoundException", 400, message).into()
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeInput {
    stream_arn: String,
    exclusive_start_shard_id: Option<String>,
    shard_filter: Option<Value>,
}

async fn describe(_: &DynamoDbStreams, context: &Context, input: DescribeInput) -> Result<Value, Fault> {
    let snapshot = context.store().read()?;
    let row = find(&snapshot, &input.stream_arn)?;
    let mut range = json!({"StartingSequenceNumber": sequence(1)});
    if row.ended.is_some() {
        range["EndingSequenceNumber"] = json!(sequence(next_number(&snapshot, &row.stream.id)?));
    }
    let shards = match input.exclusive_start_shard_id {
        Some(after) if after >= row.shard_id() => json!([]),
        // The filter asks for the children of a shard, and the one shard has none.
        _ if input.shard_filter.is_some() => json!([]),
        _ => json!([{"ShardId": row.shard_id(), "SequenceNumberRange": range}]),
    };
    Ok(json!({"StreamDescription": {
        "StreamArn": row.arn,
        "StreamLabel": row.stream.label,
        "StreamStatus": if row.ended.is_some() { "DISABLED" } else { "ENABLED" },
        "StreamViewType": row.stream.view,
        "CreationRequestDateTime": row.created.as_seconds_f64(),
        "TableName": row.table,
        "KeySchema": row.key_schema,
        "Shards": shards,
    }}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IteratorInput {
    stream_arn: String,
    shard_id: String,
    shard_iterator_type: String,
    sequence_number: Option<String>,
}

/// What a shard iterator stands for.
#[derive(Clone, Serialize, Deserialize)]
struct Position {
    /// The number of the record that comes next.
    next: u64,
    made: Timestamp,
}

async fn get_iterator(_: &DynamoDbStreams, context: &Context, input: IteratorInput) -> Result<Value, Fault> {
    let snapshot = context.store().read()?;
    let row = find(&snapshot, &input.stream_arn)?;
    if input.shard_id != row.shard_id() {
        let message = format!("Requested resource not found: Shard: {} not found", input.shard_id);
        return Err(ServiceError::new("ResourceNotFoundException", 400, message).into());
    }
    let oldest = oldest(&snapshot, &row, context.now())?;
    let asked = || {
        let text = input.sequence_number.as_deref().ok_or_else(|| {
            invalid(
                "SequenceNumber must be provided for AT_SEQUENCE_NUMBER and AFTER_SEQUENCE_NUMBER iterators",
            )
        })?;
        let number = from_sequence(text).ok_or_else(|| invalid(format!("Invalid SequenceNumber: {text}")))?;
        if number < oldest { Err(trimmed()) } else { Ok(number) }
    };
    let next = match input.shard_iterator_type.as_str() {
        "TRIM_HORIZON" => oldest,
        "LATEST" => next_number(&snapshot, &row.stream.id)?,
        "AT_SEQUENCE_NUMBER" => asked()?,
        "AFTER_SEQUENCE_NUMBER" => asked()? + 1,
        other => return Err(invalid(format!("Invalid ShardIteratorType: {other}"))),
    };
    Ok(json!({"ShardIterator": iterator(&row, next, context.now())}))
}

fn trimmed() -> Fault {
    let message = "The operation attempted to read past the oldest stream record in a shard.";
    ServiceError::new("TrimmedDataAccessException", 400, message).into()
}

/// The number of the oldest record that can still be read, or of the next when there is none.
fn oldest(snapshot: &Snapshot, row: &StreamRow, now: Timestamp) -> Result<u64, Fault> {
    let (mut from, end) = (record_key(&row.stream.id, 0), record_key(&row.stream.id, u64::MAX));
    loop {
        // The first is seldom too old: what is, a timer trims.
        let found = snapshot.range(
            RECORDS,
            Bound::Excluded(from.as_ref()),
            Bound::Included(end.as_ref()),
            1,
            false,
        )?;
        let Some((at, stored)) = found.first() else { return next_number(snapshot, &row.stream.id) };
        if decode::<StoredRecord>(RECORDS, stored)?.at.add(KEPT) > now {
            return Ok(number_of(at));
        }
        from = record_key(&row.stream.id, number_of(at));
    }
}

/// The number at the end of a record's row.
fn number_of(row: &[u8]) -> u64 {
    row.last_chunk::<8>().copied().map_or(0, u64::from_be_bytes)
}

fn iterator(row: &StreamRow, next: u64, made: Timestamp) -> String {
    let position = json!(Position { next, made }).to_string();
    format!("{}|1|{}", row.arn, STANDARD.encode(position))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RecordsInput {
    shard_iterator: String,
    limit: Option<usize>,
}

async fn get_records(_: &DynamoDbStreams, context: &Context, input: RecordsInput) -> Result<Value, Fault> {
    let wrong = || invalid("Invalid ShardIterator");
    let (arn, position) = input.shard_iterator.split_once("|1|").ok_or_else(wrong)?;
    let position = STANDARD.decode(position).map_err(|_| wrong())?;
    let position: Position = serde_json::from_slice(&position).map_err(|_| wrong())?;
    let now = context.now();
    if position.made.add(ITERATOR_KEPT) < now {
        let message = "The shard iterator has expired. Shard iterators are only valid for 15 minutes";
        return Err(ServiceError::new("ExpiredIteratorException", 400, message).into());
    }
    let snapshot = context.store().read()?;
    let row = find(&snapshot, arn)?;
    let from = record_key(&row.stream.id, position.next);
    let end = record_key(&row.stream.id, u64::MAX);
    let limit = input.limit.unwrap_or(MOST_RECORDS).clamp(1, MOST_RECORDS);
    let found = snapshot.range(
        RECORDS,
        Bound::Included(from.as_ref()),
        Bound::Included(end.as_ref()),
        limit,
        false,
    )?;
    if let Some((first, _)) = found.first()
        && number_of(first) > position.next
    {
        return Err(trimmed());
    }
    let (mut records, mut bytes, mut next) = (Vec::new(), 0, position.next);
    for (at, stored) in found {
        bytes += stored.len();
        if bytes > MOST_BYTES && !records.is_empty() {
            break;
        }
        records.push(decode::<StoredRecord>(RECORDS, &stored)?.record);
        next = number_of(&at) + 1;
    }
    let mut out = json!({"Records": records});
    // A closed shard that was read to its end has no next iterator.
    if row.ended.is_none() || next < next_number(&snapshot, &row.stream.id)? {
        out["NextShardIterator"] = json!(iterator(&row, next, now));
    }
    Ok(out)
}
