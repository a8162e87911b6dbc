//! Putting records.

use super::Kinesis;
use super::records::{self, Stored, sequence};
use super::stream::{Stream, Which, invalid};
use crate::storage::Fault;
use aloft_base::Timestamp;
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use md5::{Digest, Md5};
use serde::Deserialize;
use serde_json::{Value, json};

/// The most bytes of a record, with its key.
const RECORD_LIMIT: usize = 1024 * 1024;
/// The most bytes of one request's records.
const REQUEST_LIMIT: usize = 10 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    data: String,
    partition_key: String,
    explicit_hash_key: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct One {
    #[serde(flatten)]
    which: Which,
    #[serde(flatten)]
    entry: Entry,
}

#[derive(Deserialize)]
pub(super) struct Many {
    #[serde(flatten)]
    which: Which,
    #[serde(rename = "Records")]
    entries: Vec<Entry>,
}

impl Entry {
    /// The bytes of the data, which is in base64, and the key.
    fn size(&self) -> usize {
        let padding = self.data.bytes().rev().take_while(|byte| *byte == b'=').count();
        (self.data.len() / 4 * 3).saturating_sub(padding) + self.partition_key.len()
    }

    fn hash(&self) -> Result<u128, ServiceError> {
        match &self.explicit_hash_key {
            Some(text) => text.parse().map_err(|_| {
                invalid(format!("Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {text}"))
            }),
            None => Ok(u128::from_be_bytes(Md5::digest(self.partition_key.as_bytes()).into())),
        }
    }

    fn check(&self) -> Result<(), ServiceError> {
        if self.size() > RECORD_LIMIT {
            return Err(ServiceError::validation(format!(
                "1 validation error detected: Value at 'data' failed to satisfy constraint: Member must have length less than or equal to {RECORD_LIMIT}"
            )));
        }
        self.hash().map(drop)
    }

    fn append(
        self,
        transaction: &mut Transaction<'_>,
        stream: &Stream,
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let hash = self.hash()?;
        let mut open = stream.open_shards();
        let shard = open.find(|shard| shard.range.from <= hash && hash <= shard.range.to);
        let shard = shard.ok_or_else(|| invalid(format!("no shard of {} is open", stream.name)))?;
        let record = Stored { at: now, partition_key: self.partition_key, data: self.data };
        let number = records::append(transaction, stream, shard.number, &record)?;
        Ok(json!({ "ShardId": shard.id(), "SequenceNumber": sequence(number) }))
    }
}

/// `PutRecord`
pub(super) async fn record(_: &Kinesis, context: &Context, input: One) -> Result<Value, Fault> {
    let (address, now) = (input.which.address(context)?, context.now());
    input.entry.check()?;
    let write = move |transaction: &mut Transaction<'_>| -> Result<Value, Fault> {
        let stream = address.find(transaction)?;
        let mut told = input.entry.append(transaction, &stream, now)?;
        told["EncryptionType"] = stream.encryption().into();
        Ok(told)
    };
    context.store().write(write).await
}

/// `PutRecords`
pub(super) async fn records(_: &Kinesis, context: &Context, input: Many) -> Result<Value, Fault> {
    let (address, now) = (input.which.address(context)?, context.now());
    input.entries.iter().try_for_each(Entry::check)?;
    if input.entries.iter().map(Entry::size).sum::<usize>() > REQUEST_LIMIT {
        let message = format!("Records size exceeds {} MB limit", REQUEST_LIMIT / 1024 / 1024);
        return Err(invalid(message).into());
    }
    let write = move |transaction: &mut Transaction<'_>| -> Result<Value, Fault> {
        let stream = address.find(transaction)?;
        let told = input.entries.into_iter().map(|entry| entry.append(transaction, &stream, now));
        let told: Vec<Value> = told.collect::<Result<_, _>>()?;
        Ok(json!({ "FailedRecordCount": 0, "Records": told, "EncryptionType": stream.encryption() }))
    };
    context.store().write(write).await
}
