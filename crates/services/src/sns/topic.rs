//! A topic: its row and its ARN.

use super::errors;
use crate::storage::Outcome;
use aloft_base::{AccountId, Arn, Region};
use aloft_engine::ServiceError;
use aloft_store::{Key, Snapshot, StoreError, Transaction, key};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Topics by account, region and name.
pub(super) const TOPICS: &str = "sns.topics";
/// Subscriptions by account, region, topic and id.
pub(super) const SUBSCRIPTIONS: &str = "sns.subscriptions";
/// The last sequence number by FIFO topic.
const SEQUENCES: &str = "sns.sequences";
/// What sequence numbers begin with, which makes twenty digits of them as AWS has.
const FIRST_SEQUENCE: u64 = 10_000_000_000_000_000_000;

/// A topic.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Topic {
    pub address: Address,
    /// Those that were set; the others have their defaults.
    pub attributes: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
}

/// Where a topic's row is: what its ARN says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Address {
    pub account: AccountId,
    pub region: Region,
    pub name: String,
}

impl Address {
    /// From a topic's ARN.
    pub fn of_arn(text: &str) -> Result<Self, ServiceError> {
        let invalid = || {
            let parts = text.split(':').count();
            let reason = if parts < 6 {
                format!("An ARN must have at least 6 elements, not {parts}")
            } else {
                "An ARN of a topic is arn:aws:sns:region:account:name".to_owned()
            };
            errors::invalid(format!("TopicArn Reason: {reason}"))
        };
        let arn: Arn = text.parse().map_err(|_| invalid())?;
        let (account, region) = (AccountId::new(&arn.account), Region::new(&arn.region));
        match (arn.service.as_str(), account, region) {
            ("sns", Some(account), Some(region)) if !arn.resource.contains(':') => {
                Ok(Self { account, region, name: arn.resource })
            }
            _ => Err(invalid()),
        }
    }

    /// The topic's ARN.
    pub fn arn(&self) -> String {
        Arn::new("sns", &self.region, &self.account, &self.name).to_string()
    }

    /// The topic's key in [`TOPICS`], and the beginning of its subscriptions' keys.
    pub fn key(&self) -> Key {
        key([self.account.as_str(), self.region.as_str(), &self.name])
    }

    /// Whether messages keep their order.
    pub fn is_fifo(&self) -> bool {
        self.name.ends_with(".fifo")
    }

    /// The topic as it is now.
    pub fn find(&self, snapshot: &Snapshot) -> Outcome<Topic> {
        Ok(snapshot.get_json(TOPICS, self.key())?.ok_or_else(errors::no_topic)?)
    }

    /// The topic, inside a transaction.
    pub fn load(&self, transaction: &Transaction<'_>) -> Outcome<Topic> {
        Ok(transaction.get_json(TOPICS, self.key())?.ok_or_else(errors::no_topic)?)
    }

    /// The next sequence number of a FIFO topic.
    pub fn next_sequence(&self, transaction: &mut Transaction<'_>) -> Result<u64, StoreError> {
        let last: Option<u64> = transaction.get_json(SEQUENCES, self.key())?;
        let next = last.unwrap_or(FIRST_SEQUENCE) + 1;
        transaction.put_json(SEQUENCES, self.key(), &next)?;
        Ok(next)
    }

    /// Forgets the numbers that were given out.
    pub fn forget_sequence(&self, transaction: &mut Transaction<'_>) {
        transaction.delete(SEQUENCES, self.key());
    }
}

impl Topic {
    /// Writes the row.
    pub fn save(&self, transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
        transaction.put_json(TOPICS, self.address.key(), self)
    }

    /// Whether an attribute says true.
    pub fn is(&self, attribute: &str) -> bool {
        self.attributes.get(attribute).is_some_and(|value| value == "true")
    }
}
