//! A rule: its row, its ARN, its targets' rows.

use super::bus::Address;
use super::errors;
use crate::storage::Outcome;
use aloft_base::{Arn, Timestamp};
use aloft_store::{Key, Snapshot, StoreError, Transaction};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Rules by account, region, bus and name.
pub(super) const RULES: &str = "events.rules";
/// Targets by account, region, bus, rule and id, as `PutTargets` gave them.
pub(super) const TARGETS: &str = "events.targets";

/// A rule.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Rule {
    pub bus: Address,
    pub name: String,
    /// A pattern as JSON text.
    pub pattern: Option<String>,
    pub schedule: Option<String>,
    pub state: String,
    pub description: Option<String>,
    pub role: Option<String>,
    pub tags: BTreeMap<String, String>,
    /// When its schedule fires next, as long as it is enabled.
    pub next: Option<Timestamp>,
}

impl Rule {
    /// Where the row of a rule is.
    pub fn key_of(bus: &Address, name: &str) -> Key {
        bus.key().text(name)
    }

    /// Its key in [`RULES`], and the beginning of its targets' keys.
    pub fn key(&self) -> Key {
        Self::key_of(&self.bus, &self.name)
    }

    /// `arn:aws:events:us-east-1:000000000000:rule/name`, with the bus before the name when it is not the default one.
    pub fn arn(&self) -> String {
        let resource = if self.bus.is_default() {
            format!("rule/{}", self.name)
        } else {
            format!("rule/{}/{}", self.bus.name, self.name)
        };
        Arn::new("events", &self.bus.region, &self.bus.account, resource).to_string()
    }

    /// Whether events and times make it fire.
    pub fn is_enabled(&self) -> bool {
        self.state != "DISABLED"
    }

    /// The rule as it is now.
    pub fn find(snapshot: &Snapshot, bus: &Address, name: &str) -> Outcome<Self> {
        Ok(snapshot.get_json(RULES, Self::key_of(bus, name))?.ok_or_else(|| errors::no_rule(name, bus))?)
    }

    /// The rule, inside a transaction.
    pub fn load(transaction: &Transaction<'_>, bus: &Address, name: &str) -> Outcome<Self> {
        Ok(transaction.get_json(RULES, Self::key_of(bus, name))?.ok_or_else(|| errors::no_rule(name, bus))?)
    }

    /// Writes the row.
    pub fn save(&self, transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
        transaction.put_json(RULES, self.key(), self)
    }

    /// Its targets.
    pub fn targets(&self, transaction: &Transaction<'_>) -> Result<Vec<Value>, StoreError> {
        Ok(transaction
            .scan_json(TARGETS, self.key(), usize::MAX)?
            .into_iter()
            .map(|(_, target)| target)
            .collect())
    }
}
