//! An event bus: its row and its ARN. The default bus is always there, with a row only once something was set on it.

use super::errors;
use crate::storage::Outcome;
use aloft_base::{AccountId, Arn, Region, Timestamp};
use aloft_engine::{Context, ServiceError};
use aloft_store::{Key, Snapshot, StoreError, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Buses by account, region and name.
pub(super) const BUSES: &str = "events.buses";
/// The bus that AWS's services put their events on.
pub(super) const DEFAULT: &str = "default";

/// Where a bus's row is: what its ARN says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Address {
    pub account: AccountId,
    pub region: Region,
    pub name: String,
}

/// An event bus.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Bus {
    pub address: Address,
    pub description: Option<String>,
    /// A policy document.
    pub policy: Option<Value>,
    pub dead_letter_config: Option<Value>,
    pub kms_key: Option<String>,
    pub log_config: Option<Value>,
    pub tags: BTreeMap<String, String>,
    pub created: Timestamp,
    pub modified: Timestamp,
}

impl Address {
    /// From a name or an ARN; the default bus when there is neither.
    pub fn of(context: &Context, name_or_arn: Option<&str>) -> Result<Self, ServiceError> {
        let text = name_or_arn.unwrap_or(DEFAULT);
        let here = |name: &str| Self {
            account: context.account.clone(),
            region: context.region.clone(),
            name: name.to_owned(),
        };
        if !text.starts_with("arn:") {
            return Ok(here(text));
        }
        Self::of_arn(text).ok_or_else(|| errors::no_bus(text))
    }

    /// From a bus's ARN.
    pub fn of_arn(text: &str) -> Option<Self> {
        let arn: Arn = text.parse().ok().filter(|arn: &Arn| arn.service == "events")?;
        let name = arn.resource.strip_prefix("event-bus/")?.to_owned();
        Some(Self { account: AccountId::new(&arn.account)?, region: Region::new(&arn.region)?, name })
    }

    /// The bus's ARN.
    pub fn arn(&self) -> String {
        Arn::new("events", &self.region, &self.account, format!("event-bus/{}", self.name)).to_string()
    }

    /// Whether it is the account's default bus.
    pub fn is_default(&self) -> bool {
        self.name == DEFAULT
    }

    /// The bus's key in [`BUSES`], and the beginning of its rules' keys.
    pub fn key(&self) -> Key {
        key([self.account.as_str(), self.region.as_str(), &self.name])
    }

    /// The bus as it is now.
    pub fn find(&self, snapshot: &Snapshot) -> Outcome<Bus> {
        self.or_default(snapshot.get_json(BUSES, self.key())?)
    }

    /// The bus, inside a transaction.
    pub fn load(&self, transaction: &Transaction<'_>) -> Outcome<Bus> {
        self.or_default(transaction.get_json(BUSES, self.key())?)
    }

    fn or_default(&self, found: Option<Bus>) -> Outcome<Bus> {
        match found {
            Some(bus) => Ok(bus),
            None if self.is_default() => Ok(Bus::new(self.clone(), Timestamp(0))),
            None => Err(errors::no_bus(&self.name).into()),
        }
    }
}

impl Bus {
    /// A bus with nothing set.
    pub fn new(address: Address, now: Timestamp) -> Self {
        Self {
            address,
            description: None,
            policy: None,
            dead_letter_config: None,
            kms_key: None,
            log_config: None,
            tags: BTreeMap::new(),
            created: now,
            modified: now,
        }
    }

    /// Writes the row.
    pub fn save(&self, transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
        transaction.put_json(BUSES, self.address.key(), self)
    }
}
