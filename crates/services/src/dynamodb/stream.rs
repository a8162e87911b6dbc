//! The stream of a table's changes: what is written in the transaction that changes an item.
//!
//! Reading it is the other front door, `dynamodbstreams`. Keeps true: a stream has one shard, its records are numbered in
//! the order of commits, and each stays for a day.

use super::error::Result;
use super::table::{Address, Table};
use crate::storage::Rows;
use aloft_base::Timestamp;
use aloft_engine::Context;
use aloft_engine::timers::{self, Timer};
use aloft_lang::expression::Item;
use aloft_lang::expression::value::item_size;
use aloft_store::{Key, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// Streams by account, region, table's name and label.
pub(crate) const STREAMS: &str = "dynamodb.streams";
/// Records by stream and number.
pub(crate) const RECORDS: &str = "dynamodb.stream-records";
/// How many records a stream has ever had.
const COUNTERS: &str = "dynamodb.stream-counters";
/// How long a record can be read, and a stream that was ended.
pub(crate) const KEPT: Duration = Duration::from_secs(24 * 3600);
/// How many rows one transaction trims.
const AT_ONCE: usize = 1000;

/// A stream that is being written, as the table knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stream {
    /// Names this very stream in the other keyspaces.
    pub id: String,
    /// When it was begun, as it stands in its ARN.
    pub label: String,
    /// `KEYS_ONLY`, `NEW_IMAGE`, `OLD_IMAGE` or `NEW_AND_OLD_IMAGES`
    pub view: String,
}

/// A stream as those see it who read it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StreamRow {
    pub stream: Stream,
    pub arn: String,
    pub table: String,
    pub key_schema: Value,
    pub created: Timestamp,
    /// When it was turned off.
    pub ended: Option<Timestamp>,
}

impl StreamRow {
    /// The one shard.
    pub fn shard_id(&self) -> String {
        format!(
            "shardId-{:020}-{}",
            self.created.millis(),
            self.stream.id.chars().take(8).collect::<String>()
        )
    }
}

/// A record as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredRecord {
    pub at: Timestamp,
    /// As `GetRecords` answers it.
    pub record: Value,
}

/// The row of a record.
pub(crate) fn record_key(stream: &str, number: u64) -> Key {
    Key::default().text(stream).number(number)
}

/// The number of the record that will be written next; the first is 1.
pub(crate) fn next_number(source: &impl Rows, stream: &str) -> Result<u64> {
    Ok(source.row::<u64>(COUNTERS, key([stream]).as_ref())?.unwrap_or(0) + 1)
}

/// `SequenceNumber`: twenty-one digits that order as the numbers.
pub(crate) fn sequence(number: u64) -> String {
    format!("1{number:020}")
}

/// The number of a `SequenceNumber`.
pub(crate) fn from_sequence(text: &str) -> Option<u64> {
    text.strip_prefix('1').filter(|digits| digits.len() == 20)?.parse().ok()
}

/// Who changed an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A request.
    Request,
    /// The service, since the item had expired.
    Expiry,
}

/// When and where changes are made.
#[derive(Clone)]
pub(crate) struct Change {
    pub at: Timestamp,
    /// The table that is changed.
    pub address: Address,
    pub cause: Cause,
}

/// Begins a stream for a table.
pub(crate) fn begin(
    transaction: &mut Transaction<'_>,
    address: &Address,
    table: &mut Table,
    view: &str,
    now: Timestamp,
) -> Result<()> {
    let mut at = now;
    let mut label = label_of(at);
    // Two streams of one table differ in their labels, even when the clock stands.
    while transaction.get(STREAMS, row_key(address, &label))?.is_some() {
        at = at.add(Duration::from_millis(1));
        label = label_of(at);
    }
    let stream = Stream { id: format!("{}/{label}", table.id), label: label.clone(), view: view.to_owned() };
    let row = StreamRow {
        stream: stream.clone(),
        arn: format!("{}/stream/{label}", table.arn),
        table: table.name.clone(),
        key_schema: table.key.describe(),
        created: at,
        ended: None,
    };
    transaction.put_json(STREAMS, row_key(address, &label), &row)?;
    table.stream = Some(stream);
    table.latest_stream_label = Some(label);
    Ok(())
}

/// Ends the table's stream, if it has one. It can be read for another day.
pub(crate) fn end(
    transaction: &mut Transaction<'_>,
    address: &Address,
    table: &mut Table,
    now: Timestamp,
) -> Result<()> {
    let Some(stream) = table.stream.take() else { return Ok(()) };
    let row_key = row_key(address, &stream.label);
    if let Some(mut row) = transaction.get_json::<StreamRow>(STREAMS, &row_key)? {
        row.ended = Some(now);
        transaction.put_json(STREAMS, &row_key, &row)?;
        set_timer(transaction, address, &stream, now.add(KEPT))?;
    }
    Ok(())
}

/// Writes the record of a change, when the table has a stream.
pub(crate) fn record(
    transaction: &mut Transaction<'_>,
    table: &Table,
    change: &Change,
    old: Option<&Item>,
    new: Option<&Item>,
) -> Result<()> {
    let Some(stream) = &table.stream else { return Ok(()) };
    let (name, keys_of) = match (old, new) {
        (None, None) => return Ok(()),
        (None, Some(new)) => ("INSERT", new),
        (Some(old), None) => ("REMOVE", old),
        (Some(_), Some(new)) => ("MODIFY", new),
    };
    let number = next_number(transaction, &stream.id)?;
    transaction.put_json(COUNTERS, key([&stream.id]), &number)?;
    let keys = table.key.of(keys_of);
    let mut size = item_size(&keys);
    let mut data = json!({
        "ApproximateCreationDateTime": change.at.seconds(),
        "Keys": keys,
        "SequenceNumber": sequence(number),
        "StreamViewType": stream.view,
    });
    for (member, views, image) in [
        ("NewImage", ["NEW_IMAGE", "NEW_AND_OLD_IMAGES"], new),
        ("OldImage", ["OLD_IMAGE", "NEW_AND_OLD_IMAGES"], old),
    ] {
        if let Some(image) = image.filter(|_| views.contains(&stream.view.as_str())) {
            size += item_size(image);
            data[member] = json!(image);
        }
    }
    data["SizeBytes"] = json!(size);
    let mut record = json!({
        "eventID": event_id(&stream.id, number),
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": change.address.region,
        "dynamodb": data,
    });
    if change.cause == Cause::Expiry {
        record["userIdentity"] = json!({"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"});
    }
    if transaction.scan(RECORDS, key([&stream.id]), 1)?.is_empty() {
        set_timer(transaction, &change.address, stream, change.at.add(KEPT))?;
    }
    Ok(transaction.put_json(
        RECORDS,
        record_key(&stream.id, number),
        &StoredRecord { at: change.at, record },
    )?)
}

/// Drops the records that are a day old, and the stream when it ended a day ago.
pub(super) async fn trim(context: &Context, timer: &Timer) -> Result<()> {
    let label = timer.payload["label"].as_str().unwrap_or_default().to_owned();
    let address = Address::of(context, timer.payload["table"].as_str().unwrap_or_default())?;
    let now = context.now();
    let trim = move |transaction: &mut Transaction<'_>| {
        let row_key = row_key(&address, &label);
        let Some(row) = transaction.get_json::<StreamRow>(STREAMS, &row_key)? else { return Ok(()) };
        for (key, record) in transaction.scan_json::<StoredRecord>(RECORDS, key([&row.stream.id]), AT_ONCE)? {
            if record.at.add(KEPT) > now {
                return set_timer(transaction, &address, &row.stream, record.at.add(KEPT));
            }
            transaction.delete(RECORDS, key);
        }
        if !transaction.scan(RECORDS, key([&row.stream.id]), 1)?.is_empty() {
            return set_timer(transaction, &address, &row.stream, now.add(super::SOON));
        }
        match row.ended.map(|ended| ended.add(KEPT)) {
            Some(gone) if gone <= now => {
                transaction.delete(STREAMS, &row_key);
                transaction.delete(COUNTERS, key([&row.stream.id]));
                Ok(())
            }
            Some(gone) => set_timer(transaction, &address, &row.stream, gone),
            None => Ok(()),
        }
    };
    context.store().write(trim).await
}

fn set_timer(
    transaction: &mut Transaction<'_>,
    address: &Address,
    stream: &Stream,
    due: Timestamp,
) -> Result<()> {
    let timer = Timer {
        service: super::NAME.to_owned(),
        name: format!("trim/{}", stream.id),
        due,
        account: address.account.clone(),
        region: address.region.clone(),
        payload: json!({"table": address.name, "label": stream.label}),
    };
    Ok(timers::set(transaction, &timer)?)
}

fn row_key(address: &Address, label: &str) -> Key {
    address.key().text(label)
}

fn label_of(at: Timestamp) -> String {
    at.iso8601().trim_end_matches('Z').to_owned()
}

/// Thirty-two digits that name a record among all.
fn event_id(stream: &str, number: u64) -> String {
    use md5::{Digest, Md5};
    Md5::digest(format!("{stream}/{number}")).iter().map(|byte| format!("{byte:02x}")).collect()
}
