//! What is stored of a stream, and how it is found and told.

use crate::storage::{Fault, Rows};
use aloft_base::{AccountId, Arn, Region, Timestamp};
use aloft_engine::{Context, ServiceError};
use aloft_store::{Key, Keyspace, StoreError, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Streams by account, region and name.
pub(super) const STREAMS: Keyspace = "kinesis.streams";

/// A stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Stream {
    /// Names this very stream in the other keyspaces.
    pub id: String,
    pub name: String,
    pub account: AccountId,
    pub region: Region,
    pub created: Timestamp,
    /// `PROVISIONED` or `ON_DEMAND`
    pub mode: String,
    pub retention_hours: u64,
    pub shards: Vec<Shard>,
    pub tags: BTreeMap<String, String>,
    pub encryption_key: Option<String>,
    pub metrics: Vec<String>,
}

/// A shard: a range of hash keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Shard {
    pub number: u64,
    pub parents: Vec<u64>,
    pub range: Range,
    pub opened: Timestamp,
    pub closed: Option<Timestamp>,
    /// The number that the first of its records can have, and the last.
    pub first: u64,
    pub last: Option<u64>,
}

/// A range of hash keys, ends included. In JSON the ends are text: they are too large for numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(String, String)", into = "(String, String)")]
pub(super) struct Range {
    pub from: u128,
    pub to: u128,
}

impl From<(String, String)> for Range {
    fn from((from, to): (String, String)) -> Self {
        Self { from: from.parse().unwrap_or(0), to: to.parse().unwrap_or(u128::MAX) }
    }
}

impl From<Range> for (String, String) {
    fn from(range: Range) -> Self {
        (range.from.to_string(), range.to.to_string())
    }
}

impl Range {
    /// All hash keys in so many ranges of the same size.
    pub fn even(count: u64) -> Vec<Self> {
        let step = u128::MAX / u128::from(count.max(1));
        let end =
            |number: u64| if number + 1 == count { u128::MAX } else { (u128::from(number) + 1) * step - 1 };
        (0..count).map(|number| Self { from: u128::from(number) * step, to: end(number) }).collect()
    }
}

pub(super) fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidArgumentException", 400, message)
}

pub(super) fn in_use(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ResourceInUseException", 400, message)
}

pub(super) fn not_found(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ResourceNotFoundException", 400, message)
}

/// Which stream a request is about: by name or by ARN.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Which {
    #[serde(rename = "StreamName")]
    pub name: Option<String>,
    #[serde(rename = "StreamARN")]
    pub arn: Option<String>,
}

/// Where a stream lies.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub account: AccountId,
    pub region: Region,
    pub name: String,
}

impl Which {
    pub fn address(&self, context: &Context) -> Result<Address, ServiceError> {
        match (&self.arn, &self.name) {
            (Some(arn), name) => {
                let address = Address::of_arn(context, arn)?;
                match name {
                    Some(name) if *name != address.name => {
                        Err(invalid("StreamARN and StreamName do not match."))
                    }
                    _ => Ok(address),
                }
            }
            (None, Some(name)) => Ok(Address {
                account: context.account.clone(),
                region: context.region.clone(),
                name: name.clone(),
            }),
            (None, None) => Err(invalid("Either StreamARN or StreamName must be provided.")),
        }
    }
}

impl Address {
    /// Of a stream's ARN, or that of one of its consumers.
    pub fn of_arn(context: &Context, text: &str) -> Result<Self, ServiceError> {
        let wrong = || invalid(format!("{text} is not the ARN of a stream."));
        let arn: Arn = text.parse().map_err(|_| wrong())?;
        let rest = arn.resource.strip_prefix("stream/").filter(|_| arn.service == "kinesis");
        let name = rest.ok_or_else(wrong)?.split('/').next().unwrap_or_default().to_owned();
        let within = context.within(&arn);
        Ok(Self { account: within.account, region: within.region, name })
    }

    pub fn key(&self) -> Key {
        key([self.account.as_str(), self.region.as_str(), &self.name])
    }

    pub fn find(&self, rows: &impl Rows) -> Result<Stream, Fault> {
        let found = rows.row(STREAMS, self.key().as_ref())?;
        let (name, account) = (&self.name, &self.account);
        Ok(found.ok_or_else(|| not_found(format!("Stream {name} under account {account} not found.")))?)
    }
}

impl Stream {
    pub fn key(&self) -> Key {
        key([self.account.as_str(), self.region.as_str(), &self.name])
    }

    pub fn save(&self, transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
        transaction.put_json(STREAMS, self.key(), self)
    }

    pub fn arn(&self) -> String {
        Arn::new("kinesis", &self.region, &self.account, format!("stream/{}", self.name)).to_string()
    }

    pub fn retention(&self) -> Duration {
        Duration::from_secs(self.retention_hours * 3600)
    }

    pub fn open_shards(&self) -> impl Iterator<Item = &Shard> {
        self.shards.iter().filter(|shard| shard.closed.is_none())
    }

    /// The shard of that identifier.
    pub fn shard(&self, id: &str) -> Result<&Shard, ServiceError> {
        self.shards.iter().find(|shard| shard.id() == id).ok_or_else(|| {
            let (name, account) = (&self.name, &self.account);
            not_found(format!("Could not find shard {id} in stream {name} under account {account}."))
        })
    }

    /// Opens a shard.
    pub fn open(&mut self, range: Range, parents: Vec<u64>, first: u64, now: Timestamp) {
        let number = self.shards.iter().map(|shard| shard.number + 1).max().unwrap_or(0);
        self.shards.push(Shard { number, parents, range, opened: now, closed: None, first, last: None });
    }

    pub fn encryption(&self) -> &'static str {
        if self.encryption_key.is_some() { "KMS" } else { "NONE" }
    }

    /// What all descriptions have.
    pub fn tell(&self) -> Value {
        let mut told = json!({
            "StreamName": self.name,
            "StreamARN": self.arn(),
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": { "StreamMode": self.mode },
            "RetentionPeriodHours": self.retention_hours,
            "StreamCreationTimestamp": self.created.as_seconds_f64(),
            "EnhancedMonitoring": [{ "ShardLevelMetrics": self.metrics }],
            "EncryptionType": self.encryption(),
        });
        if let Some(key) = &self.encryption_key {
            told["KeyId"] = key.clone().into();
        }
        told
    }
}

impl Shard {
    pub fn id_of(number: u64) -> String {
        format!("shardId-{number:012}")
    }

    pub fn id(&self) -> String {
        Self::id_of(self.number)
    }

    pub fn tell_range(&self) -> Value {
        let Range { from, to } = self.range;
        json!({ "StartingHashKey": from.to_string(), "EndingHashKey": to.to_string() })
    }

    pub fn tell(&self) -> Value {
        let mut told = json!({
            "ShardId": self.id(),
            "HashKeyRange": self.tell_range(),
            "SequenceNumberRange": { "StartingSequenceNumber": super::records::sequence(self.first) },
        });
        if let Some(last) = self.last {
            told["SequenceNumberRange"]["EndingSequenceNumber"] = super::records::sequence(last).into();
        }
        for (name, parent) in ["ParentShardId", "AdjacentParentShardId"].into_iter().zip(&self.parents) {
            told[name] = Self::id_of(*parent).into();
        }
        told
    }
}
