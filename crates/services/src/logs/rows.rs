//! What is stored: groups, streams, events, and where.

use crate::storage::Outcome;
use aloft_base::{AccountId, Region, Timestamp};
use aloft_engine::{Context, ServiceError};
use aloft_store::{Key, Keyspace, StoreError, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Groups by account, region and name.
pub(super) const GROUPS: Keyspace = "logs.groups";
/// Streams by account, region, group and name.
pub(super) const STREAMS: Keyspace = "logs.streams";
/// Events by account, region, group, stream, time, and a number that tells those of one millisecond apart. Each row may have
/// several.
pub(super) const EVENTS: Keyspace = "logs.events";

/// The length of an event's place within its stream: time and number.
pub(super) const PLACE: usize = 16;

/// A log group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Group {
    pub created: Timestamp,
    pub retention_days: Option<u32>,
    pub class: String,
    pub kms_key: Option<String>,
    pub tags: BTreeMap<String, String>,
}

/// A log stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Stream {
    pub created: Timestamp,
    pub first_event: Option<Timestamp>,
    pub last_event: Option<Timestamp>,
    pub last_ingestion: Option<Timestamp>,
    pub bytes: u64,
    /// How many events were ever put.
    pub count: u64,
}

/// Log events of one millisecond that came together. The time and the number of the first are in the key; the others' numbers
/// follow it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Events<Text = String> {
    #[serde(rename = "i")]
    pub ingested: Timestamp,
    #[serde(rename = "m")]
    pub messages: Messages<Text>,
}

/// The texts of events.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Messages<Text = String> {
    One(Text),
    Many(Vec<Text>),
}

impl Messages {
    pub fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(message) => vec![message],
            Self::Many(messages) => messages,
        }
    }
}

/// Which group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GroupName {
    pub account: AccountId,
    pub region: Region,
    pub name: String,
}

impl GroupName {
    /// From a name, or from an ARN with or without its `:*`.
    pub fn of(context: &Context, text: &str) -> Self {
        let arn = text.parse::<aloft_base::Arn>().ok().filter(|arn| arn.service == "logs");
        let (context, name) = match &arn {
            Some(arn) => {
                let name = arn.resource.strip_prefix("log-group:").unwrap_or(&arn.resource);
                (context.within(arn), name.strip_suffix(":*").unwrap_or(name))
            }
            None => (context.clone(), text),
        };
        Self { account: context.account, region: context.region, name: name.to_owned() }
    }

    /// From whichever of the two members came.
    pub fn either(
        context: &Context,
        name: Option<&str>,
        identifier: Option<&str>,
    ) -> Result<Self, ServiceError> {
        match (name, identifier) {
            (Some(_), Some(_)) => {
                Err(invalid("LogGroup name and LogGroup ARN are mutually exclusive parameters."))
            }
            (Some(text), None) | (None, Some(text)) => Ok(Self::of(context, text)),
            (None, None) => Err(invalid("Either logGroupName or logGroupIdentifier must be provided.")),
        }
    }

    pub fn key(&self) -> Key {
        key([self.account.as_str(), self.region.as_str(), &self.name])
    }

    pub fn stream_key(&self, stream: &str) -> Key {
        self.key().text(stream)
    }

    /// `arn:aws:logs:us-east-1:000000000000:log-group:name`
    pub fn arn(&self) -> String {
        let resource = format!("log-group:{}", self.name);
        aloft_base::Arn::new("logs", &self.region, &self.account, resource).to_string()
    }

    /// The group, inside a transaction.
    pub fn load(&self, transaction: &Transaction<'_>) -> Outcome<Group> {
        Ok(transaction.get_json(GROUPS, self.key())?.ok_or_else(no_group)?)
    }

    /// The group as it is now, with what functions have written so far.
    pub async fn find(&self, context: &Context) -> Outcome<Group> {
        context.store().settle().await?;
        Ok(context.store().read()?.get_json(GROUPS, self.key())?.ok_or_else(no_group)?)
    }

    pub fn save(&self, transaction: &mut Transaction<'_>, group: &Group) -> Result<(), StoreError> {
        transaction.put_json(GROUPS, self.key(), group)
    }
}

impl Group {
    pub fn new(now: Timestamp) -> Self {
        let class = "STANDARD".to_owned();
        Self { created: now, retention_days: None, class, kms_key: None, tags: BTreeMap::new() }
    }

    /// Events before this have expired.
    pub fn oldest(&self, now: Timestamp) -> Timestamp {
        self.retention().map_or(Timestamp(0), |kept| Timestamp(now.millis() - kept.as_millis() as i64))
    }

    pub fn retention(&self) -> Option<Duration> {
        self.retention_days.map(|days| Duration::from_secs(u64::from(days) * 86_400))
    }
}

impl Stream {
    pub fn new(now: Timestamp) -> Self {
        Self { created: now, first_event: None, last_event: None, last_ingestion: None, bytes: 0, count: 0 }
    }

    /// As `DescribeLogStreams` shows it.
    pub fn tell(&self, group: &GroupName, name: &str) -> Value {
        let mut told = json!({
            "logStreamName": name,
            "creationTime": self.created.millis(),
            "arn": format!("{}:log-stream:{name}", group.arn()),
            "storedBytes": self.bytes,
        });
        for (member, at) in [
            ("firstEventTimestamp", self.first_event),
            ("lastEventTimestamp", self.last_event),
            ("lastIngestionTime", self.last_ingestion),
        ] {
            if let Some(at) = at {
                told[member] = at.millis().into();
            }
        }
        if self.last_ingestion.is_some() {
            told["uploadSequenceToken"] = format!("{:056}", self.count).into();
        }
        told
    }
}

/// An event's place within its stream, as its key ends.
pub(super) fn place(time: u64, number: u64) -> [u8; PLACE] {
    let mut place = [0; PLACE];
    place[..8].copy_from_slice(&time.to_be_bytes());
    place[8..].copy_from_slice(&number.to_be_bytes());
    place
}

/// The time and number at the end of an event's key.
pub(super) fn read_place(key: &[u8]) -> (u64, u64) {
    let number = |bytes: Option<&[u8; 8]>| bytes.map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let end = key.get(key.len().saturating_sub(PLACE)..).unwrap_or_default();
    (number(end.first_chunk()), number(end.last_chunk()))
}

pub(super) fn no_group() -> ServiceError {
    ServiceError::new("ResourceNotFoundException", 400, "The specified log group does not exist.")
}

pub(super) fn no_stream() -> ServiceError {
    ServiceError::new("ResourceNotFoundException", 400, "The specified log stream does not exist.")
}

pub(super) fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidParameterException", 400, message)
}
