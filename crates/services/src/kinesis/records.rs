//! Records as they are kept: numbered in the order of commits, trimmed when their retention is over.

use super::stream::{Address, Shard, Stream};
use crate::storage::{Fault, Rows, decode};
use aloft_base::Timestamp;
use aloft_engine::Context;
use aloft_engine::timers::{self, Timer};
use aloft_store::{Key, Keyspace, StoreError, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::ops::Bound;
use std::time::Duration;

/// Records by stream, shard and number.
pub(crate) const RECORDS: Keyspace = "kinesis.records";
/// The highest number that a record of a stream ever had.
const COUNTERS: Keyspace = "kinesis.counters";
/// How many rows one transaction trims.
const AT_ONCE: usize = 1000;
/// How long trimming rests when there is more to do.
const SOON: Duration = Duration::from_millis(100);

/// A record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Stored {
    pub at: Timestamp,
    pub partition_key: String,
    /// In base64.
    pub data: String,
}

/// `SequenceNumber`: digits that order as the numbers.
pub(super) fn sequence(number: u64) -> String {
    format!("49{number:054}")
}

/// The number of a `SequenceNumber`.
pub(super) fn from_sequence(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("49").filter(|digits| digits.len() == 54)?.trim_start_matches('0');
    if digits.is_empty() { Some(0) } else { digits.parse().ok() }
}

impl Stored {
    /// As `GetRecords` answers it.
    pub fn tell(&self, number: u64, encryption: &str) -> Value {
        let mut told = json!({
            "SequenceNumber": sequence(number),
            "ApproximateArrivalTimestamp": self.at.as_seconds_f64(),
            "Data": self.data,
            "PartitionKey": self.partition_key,
        });
        if encryption != "NONE" {
            told["EncryptionType"] = encryption.into();
        }
        told
    }
}

fn place(stream: &Stream, shard: u64, number: u64) -> Key {
    key([&stream.id]).number(shard).number(number)
}

/// The number of the record that was written last.
pub(super) fn last_number(rows: &impl Rows, stream: &Stream) -> Result<u64, StoreError> {
    Ok(rows.row(COUNTERS, key([&stream.id]).as_ref())?.unwrap_or(0))
}

/// The number for something new.
pub(super) fn next_number(transaction: &mut Transaction<'_>, stream: &Stream) -> Result<u64, StoreError> {
    let next = last_number(transaction, stream)? + 1;
    transaction.put_json(COUNTERS, key([&stream.id]), &next)?;
    Ok(next)
}

/// Writes a record into a shard, and gives its number.
pub(super) fn append(
    transaction: &mut Transaction<'_>,
    stream: &Stream,
    shard: u64,
    record: &Stored,
) -> Result<u64, StoreError> {
    if transaction.scan(RECORDS, key([&stream.id]), 1)?.is_empty() {
        set_timer(transaction, stream, record.at.add(stream.retention()))?;
    }
    let number = next_number(transaction, stream)?;
    transaction.put_json(RECORDS, place(stream, shard, number), record)?;
    Ok(number)
}

/// The records of a shard from a number on that can still be read.
pub(super) fn read(
    rows: &impl Rows,
    stream: &Stream,
    shard: &Shard,
    from: u64,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<(u64, Stored)>, StoreError> {
    let mut from = place(stream, shard.number, from);
    let end = place(stream, shard.number, u64::MAX);
    let mut found = Vec::new();
    // What is too old and still there comes first, and is passed over.
    loop {
        let bounds = (Bound::Included(from.as_ref()), Bound::Excluded(end.as_ref()));
        let page = rows.rows_between(RECORDS, bounds.0, bounds.1, limit - found.len())?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        let next = number_of(last) + 1;
        for (key, row) in &page {
            let record: Stored = decode(RECORDS, row)?;
            if record.at.add(stream.retention()) > now {
                found.push((number_of(key), record));
            }
        }
        if found.len() >= limit {
            return Ok(found);
        }
        from = place(stream, shard.number, next);
    }
}

fn number_of(key: &[u8]) -> u64 {
    key.last_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// Drops all of a stream.
pub(super) fn forget(transaction: &mut Transaction<'_>, stream: &Stream) -> Result<(), StoreError> {
    transaction.delete_prefix(RECORDS, key([&stream.id]))?;
    transaction.delete(COUNTERS, key([&stream.id]));
    timers::cancel(transaction, "kinesis", &format!("trim/{}", stream.id))
}

/// Has the stream trimmed then.
pub(super) fn set_timer(
    transaction: &mut Transaction<'_>,
    stream: &Stream,
    due: Timestamp,
) -> Result<(), StoreError> {
    let timer = Timer {
        service: "kinesis".to_owned(),
        name: format!("trim/{}", stream.id),
        due,
        account: stream.account.clone(),
        region: stream.region.clone(),
        payload: json!({ "stream": stream.name }),
    };
    timers::set(transaction, &timer)
}

/// Drops the records whose retention is over, and the shards that have been closed for as long.
pub(super) async fn trim(context: &Context, timer: &Timer) -> Result<(), Fault> {
    let address = Address {
        account: context.account.clone(),
        region: context.region.clone(),
        name: timer.payload["stream"].as_str().unwrap_or_default().to_owned(),
    };
    let now = context.now();
    let write = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let Ok(mut stream) = address.find(transaction) else { return Ok(()) };
        let (retention, mut next, mut left) = (stream.retention(), None::<Timestamp>, AT_ONCE);
        for shard in &stream.shards {
            for (key, row) in transaction.scan(RECORDS, key([&stream.id]).number(shard.number), left + 1)? {
                let gone = decode::<Stored>(RECORDS, &row)?.at.add(retention);
                if gone > now {
                    next = Some(next.map_or(gone, |next| next.min(gone)));
                    break;
                }
                if left == 0 {
                    next = Some(now.add(SOON));
                    break;
                }
                transaction.delete(RECORDS, key);
                left -= 1;
            }
        }
        let count = stream.shards.len();
        let is_kept = |shard: &Shard| shard.closed.is_none_or(|closed| closed.add(retention) > now);
        stream.shards.retain(is_kept);
        if stream.shards.len() != count {
            stream.save(transaction)?;
        }
        let closed = stream.shards.iter().filter_map(|shard| Some(shard.closed?.add(retention)));
        if let Some(next) = closed.chain(next).min() {
            set_timer(transaction, &stream, next)?;
        }
        Ok(())
    };
    context.store().write(write).await
}
