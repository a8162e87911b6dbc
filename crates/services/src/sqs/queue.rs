//! A queue: its row, its names (URL, ARN), and how a request finds it.

use super::{attributes, errors};
use crate::storage::Outcome;
use aloft_base::{AccountId, Arn, Region, Timestamp};
use aloft_engine::{Context, ServiceError};
use aloft_store::{Key, Snapshot, StoreError, Transaction, key};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Queues by account, region and name.
pub(super) const QUEUES: &str = "sqs.queues";

/// A queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Queue {
    pub account: AccountId,
    pub region: Region,
    pub name: String,
    /// Names the queue's messages; another queue of the same name has another one.
    pub id: String,
    /// Those that were set; the others have their defaults.
    pub attributes: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    pub created: Timestamp,
    pub modified: Timestamp,
}

/// Where a queue's row is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub account: AccountId,
    pub region: Region,
    pub name: String,
}

impl Address {
    /// From a queue URL, whatever its host: the last two segments of its path are the account and the name.
    pub fn of_url(context: &Context, url: &str) -> Result<Self, ServiceError> {
        let path = url.split_once("://").map_or(url, |(_, rest)| rest);
        let mut segments = path.rsplit('/');
        let name = segments.next().filter(|name| !name.is_empty()).ok_or_else(errors::no_queue)?;
        let account = segments.next().and_then(AccountId::new).unwrap_or_else(|| context.account.clone());
        Ok(Self { account, region: context.region.clone(), name: name.to_owned() })
    }

    /// From a queue's ARN.
    pub fn of_arn(text: &str) -> Option<Self> {
        let arn: Arn = text.parse().ok().filter(|arn: &Arn| arn.service == "sqs")?;
        Some(Self {
            account: AccountId::new(&arn.account)?,
            region: Region::new(&arn.region)?,
            name: arn.resource,
        })
    }

    /// The queue's key in [`QUEUES`].
    pub fn key(&self) -> Key {
        key([self.account.as_str(), self.region.as_str(), &self.name])
    }

    /// The queue as it is now.
    pub fn find(&self, snapshot: &Snapshot) -> Outcome<Queue> {
        Ok(snapshot.get_json(QUEUES, self.key())?.ok_or_else(errors::no_queue)?)
    }

    /// The queue, inside a transaction.
    pub fn load(&self, transaction: &Transaction<'_>) -> Outcome<Queue> {
        Ok(transaction.get_json(QUEUES, self.key())?.ok_or_else(errors::no_queue)?)
    }
}

impl Queue {
    /// Where its row is.
    pub fn address(&self) -> Address {
        Address { account: self.account.clone(), region: self.region.clone(), name: self.name.clone() }
    }

    /// Writes the row.
    pub fn save(&self, transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
        transaction.put_json(QUEUES, self.address().key(), self)
    }

    /// `http://127.0.0.1:4566/000000000000/name`
    pub fn url(&self, context: &Context) -> String {
        format!("{}/{}/{}", context.engine.endpoint(), self.account, self.name)
    }

    /// `arn:aws:sqs:us-east-1:000000000000:name`
    pub fn arn(&self) -> String {
        Arn::new("sqs", &self.region, &self.account, &self.name).to_string()
    }

    /// Whether messages keep their order in groups.
    pub fn is_fifo(&self) -> bool {
        self.name.ends_with(".fifo")
    }

    /// An attribute's value, or its default.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str).or_else(|| attributes::default(name, self.is_fifo()))
    }

    /// An attribute that is a number; all of them were checked when they were set.
    pub fn number(&self, name: &str) -> u64 {
        self.attribute(name).and_then(|value| value.parse().ok()).unwrap_or(0)
    }

    /// An attribute that is a number of seconds.
    pub fn duration(&self, name: &str) -> Duration {
        Duration::from_secs(self.number(name))
    }
}
