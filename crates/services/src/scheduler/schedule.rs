//! A schedule: its row, its ARN, its times.

use super::errors;
use crate::storage::{Outcome, Rows};
use aloft_base::{AccountId, Arn, Region, Timestamp};
use aloft_engine::Context;
use aloft_lang::cron::Schedule as Expression;
use aloft_store::{Key, StoreError, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// Schedules by account, region, group and name.
pub(super) const SCHEDULES: &str = "scheduler.schedules";
/// The group of schedules that name none. It is always there.
pub(super) const DEFAULT_GROUP: &str = "default";

/// Where a schedule is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Address {
    pub account: AccountId,
    pub region: Region,
    pub group: String,
    pub name: String,
}

/// What its owner chose, by the names of the API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Settings {
    pub schedule_expression: String,
    #[serde(default = "utc")]
    pub schedule_expression_timezone: String,
    /// Epoch seconds.
    pub start_date: Option<f64>,
    /// Epoch seconds.
    pub end_date: Option<f64>,
    pub description: Option<String>,
    #[serde(default = "enabled")]
    pub state: String,
    pub kms_key_arn: Option<String>,
    pub target: Value,
    pub flexible_time_window: Value,
    #[serde(default = "none")]
    pub action_after_completion: String,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn enabled() -> String {
    "ENABLED".to_owned()
}

fn none() -> String {
    "NONE".to_owned()
}

/// A schedule.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Schedule {
    pub address: Address,
    pub settings: Settings,
    /// The token of the request that made it: the same request again is no conflict.
    pub client_token: Option<String>,
    pub created: Timestamp,
    pub modified: Timestamp,
    /// From when a `rate` without a start counts.
    pub anchor: Timestamp,
    /// When it fires next, as long as it is enabled.
    pub next: Option<Timestamp>,
}

impl Address {
    pub fn of(context: &Context, group: Option<String>, name: String) -> Self {
        let group = group.unwrap_or_else(|| DEFAULT_GROUP.to_owned());
        Self { account: context.account.clone(), region: context.region.clone(), group, name }
    }

    /// Its key in [`SCHEDULES`].
    pub fn key(&self) -> Key {
        key([self.account.as_str(), self.region.as_str(), &self.group, &self.name])
    }

    /// `arn:aws:scheduler:us-east-1:000000000000:schedule/group/name`
    pub fn arn(&self) -> String {
        let resource = format!("schedule/{}/{}", self.group, self.name);
        Arn::new("scheduler", &self.region, &self.account, resource).to_string()
    }

    /// The schedule, which must be there.
    pub fn find(&self, rows: &impl Rows) -> Outcome<Schedule> {
        let found = rows.row(SCHEDULES, self.key().as_ref())?;
        Ok(found.ok_or_else(|| errors::no_schedule(&self.name))?)
    }
}

impl Settings {
    /// The parsed expression.
    pub fn expression(&self) -> Option<Expression> {
        Expression::parse(&self.schedule_expression).ok()
    }

    /// Whether its times make it fire.
    pub fn is_enabled(&self) -> bool {
        self.state != "DISABLED"
    }

    /// After when it fires no more. One-time schedules pay no heed to it.
    pub fn end(&self) -> Option<Timestamp> {
        self.end_date.map(Timestamp::from_seconds_f64)
    }

    /// How late after its times its target may be called.
    pub fn window(&self) -> Duration {
        let flexible = self.flexible_time_window["Mode"] == "FLEXIBLE";
        let minutes =
            self.flexible_time_window["MaximumWindowInMinutes"].as_u64().filter(|_| flexible).unwrap_or(0);
        Duration::from_secs(60 * minutes)
    }
}

impl Schedule {
    /// The first of its times that is after `after`.
    ///
    /// A `rate` begins at the start, or when it was made. Source: "Schedule types" in the user guide.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let settings = &self.settings;
        let expression = settings.expression()?;
        let zone = Some(settings.schedule_expression_timezone.as_str());
        if expression.is_one_time() {
            return expression.next_after(after, zone);
        }
        let start = settings.start_date.map(Timestamp::from_seconds_f64);
        let next = match expression.period() {
            Some(period) => {
                let first = start.unwrap_or(self.anchor);
                let beats = after.since(first).as_millis() / period.as_millis().max(1);
                if after < first {
                    first
                } else {
                    first.add(period * u32::try_from(beats + 1).unwrap_or(u32::MAX))
                }
            }
            None => {
                expression.next_after(start.map_or(after, |start| after.max(Timestamp(start.0 - 1))), zone)?
            }
        };
        settings.end().is_none_or(|end| next <= end).then_some(next)
    }

    /// Writes the row.
    pub fn save(&self, transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
        transaction.put_json(SCHEDULES, self.address.key(), self)
    }
}
