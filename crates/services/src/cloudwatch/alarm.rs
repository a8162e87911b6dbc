//! An alarm: what it watches, and its state.

use super::metric::{self, Dimension, Metric};
use super::query::{MetricStat, Queries, Query};
use super::{combination, invalid, missing, validation};
use crate::storage::{Outcome, Rows, decode};
use aloft_base::{AccountId, Region, Timestamp};
use aloft_engine::timers::{self, Timer};
use aloft_engine::{Context, ServiceError};
use aloft_store::{Key, Keyspace, StoreError, Transaction};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Alarms by account, region and name.
const ALARMS: Keyspace = "cloudwatch.alarms";

/// The comparisons, and how they are said.
const COMPARISONS: &[(&str, &str)] = &[
    ("GreaterThanOrEqualToThreshold", "greater than or equal to"),
    ("GreaterThanThreshold", "greater than"),
    ("LessThanOrEqualToThreshold", "less than or equal to"),
    ("LessThanThreshold", "less than"),
];

/// What is asked for, with CloudWatch's own names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Settings {
    pub alarm_name: String,
    pub alarm_description: Option<String>,
    pub actions_enabled: Option<bool>,
    #[serde(rename = "OKActions", default)]
    pub ok_actions: Vec<String>,
    #[serde(default)]
    pub alarm_actions: Vec<String>,
    #[serde(default)]
    pub insufficient_data_actions: Vec<String>,
    pub metric_name: Option<String>,
    pub namespace: Option<String>,
    pub statistic: Option<String>,
    pub extended_statistic: Option<String>,
    #[serde(default)]
    pub dimensions: Vec<Dimension>,
    pub period: Option<i64>,
    pub unit: Option<String>,
    pub evaluation_periods: Option<i64>,
    pub datapoints_to_alarm: Option<i64>,
    pub threshold: Option<f64>,
    pub comparison_operator: Option<String>,
    pub treat_missing_data: Option<String>,
    pub evaluate_low_sample_count_percentile: Option<String>,
    #[serde(default)]
    pub metrics: Vec<Query>,
    /// What the local cloud has not.
    #[serde(default, skip_serializing)]
    threshold_metric_id: Option<String>,
    #[serde(default, skip_serializing)]
    evaluation_criteria: Option<Value>,
    #[serde(default, skip_serializing)]
    evaluation_window: Option<Value>,
}

/// The states of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    #[serde(rename = "OK")]
    Ok,
    #[serde(rename = "ALARM")]
    Alarm,
    #[serde(rename = "INSUFFICIENT_DATA")]
    Insufficient,
}

/// An alarm as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Alarm {
    pub account: AccountId,
    pub region: Region,
    pub settings: Settings,
    pub tags: BTreeMap<String, String>,
    pub configured: Timestamp,
    pub state: State,
    pub reason: String,
    pub reason_data: Option<String>,
    pub updated: Timestamp,
    pub transitioned: Timestamp,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::Insufficient => "INSUFFICIENT_DATA",
        }
    }
}

impl Settings {
    /// That it can be watched; otherwise whose mistake it is.
    pub fn check(&self) -> Result<(), ServiceError> {
        if self.threshold_metric_id.is_some()
            || self.evaluation_criteria.is_some()
            || self.evaluation_window.is_some()
        {
            return Err(invalid("The local cloud has no anomaly detection, PromQL or windows for alarms."));
        }
        if self.metrics.is_empty() {
            metric::check_named(&self.metric())?;
            if self.statistic.is_some() == self.extended_statistic.is_some() {
                return Err(combination(
                    "Exactly one of the parameters Statistic and ExtendedStatistic must be specified.",
                ));
            }
            self.period.ok_or_else(|| missing("The parameter Period is required."))?;
        } else if self.metric_name.is_some() || self.namespace.is_some() || self.period.is_some() {
            return Err(combination("MetricName, Namespace and Period cannot be given with Metrics."));
        }
        self.comparison()?;
        self.threshold.ok_or_else(|| missing("The parameter Threshold is required."))?;
        let periods = self.periods();
        if periods < 1 || self.wanted() < 1 || self.wanted() > periods {
            return Err(validation("DatapointsToAlarm must be between 1 and EvaluationPeriods."));
        }
        let treatments = [None, Some("breaching"), Some("notBreaching"), Some("ignore"), Some("missing")];
        if !treatments.contains(&self.treat_missing_data.as_deref()) {
            return Err(invalid("TreatMissingData must be breaching, notBreaching, ignore or missing."));
        }
        let actions = [&self.ok_actions, &self.alarm_actions, &self.insufficient_data_actions];
        if let Some(odd) = actions.into_iter().flatten().find(|action| !action.starts_with("arn:")) {
            return Err(validation(format!("Invalid arn syntax: {odd}")));
        }
        let queries = self.queries()?;
        if queries.iter().filter(|query| query.returns()).count() != 1 {
            return Err(validation("Exactly one element of the Metrics list should return data."));
        }
        if periods * queries.period() > 7 * 86_400_000 {
            return Err(validation("Metrics cannot be checked across more than seven days."));
        }
        Ok(())
    }

    fn metric(&self) -> Metric {
        Metric {
            namespace: self.namespace.clone(),
            metric_name: self.metric_name.clone(),
            dimensions: self.dimensions.clone(),
        }
    }

    /// What is to be read for it.
    pub fn queries(&self) -> Result<Queries, ServiceError> {
        if !self.metrics.is_empty() {
            return Queries::read(self.metrics.clone());
        }
        let stat = self.statistic.clone().or_else(|| self.extended_statistic.clone()).unwrap_or_default();
        let stat = MetricStat {
            metric: self.metric(),
            period: self.period.unwrap_or(60),
            stat,
            unit: self.unit.clone(),
        };
        Queries::read(vec![Query {
            id: "m1".to_owned(),
            metric_stat: Some(stat),
            expression: None,
            label: None,
            return_data: None,
            period: None,
            account_id: None,
        }])
    }

    /// The comparison, and how it is said.
    pub fn comparison(&self) -> Result<(&'static str, &'static str), ServiceError> {
        let name = self.comparison_operator.as_deref();
        let name = name.ok_or_else(|| missing("The parameter ComparisonOperator is required."))?;
        let found = COMPARISONS.iter().find(|(known, _)| *known == name);
        found.copied().ok_or_else(|| {
            invalid(format!("The value {name} for parameter ComparisonOperator is not supported here."))
        })
    }

    /// Over how many periods it is evaluated.
    pub fn periods(&self) -> i64 {
        self.evaluation_periods.unwrap_or(1)
    }

    /// How many of them must be beyond the threshold.
    pub fn wanted(&self) -> i64 {
        self.datapoints_to_alarm.unwrap_or_else(|| self.periods())
    }

    /// The actions of a state.
    pub fn actions(&self, state: State) -> &[String] {
        match state {
            State::Ok => &self.ok_actions,
            State::Alarm => &self.alarm_actions,
            State::Insufficient => &self.insufficient_data_actions,
        }
    }

    /// Whether it watches this metric.
    pub fn watches(&self, metric: &Metric) -> bool {
        let is = |own: &Metric| {
            (own.namespace.as_deref(), own.name()) == (metric.namespace.as_deref(), metric.name())
                && super::read::same_dimensions(&own.dimensions, &metric.dimensions)
        };
        is(&self.metric())
            || self.metrics.iter().filter_map(|query| query.metric_stat.as_ref()).any(|it| is(&it.metric))
    }
}

fn key(account: &AccountId, region: &Region, name: &str) -> Key {
    prefix(account, region).text(name)
}

fn prefix(account: &AccountId, region: &Region) -> Key {
    Key::default().text(account.as_str()).text(region.as_str())
}

impl Alarm {
    pub fn name(&self) -> &str {
        &self.settings.alarm_name
    }

    pub fn find(rows: &impl Rows, context: &Context, name: &str) -> Result<Option<Self>, StoreError> {
        rows.row(ALARMS, key(&context.account, &context.region, name).as_ref())
    }

    /// All alarms of an account in a region, by name.
    pub fn all(rows: &impl Rows, context: &Context) -> Outcome<Vec<Self>> {
        let found = rows.rows(ALARMS, prefix(&context.account, &context.region).as_ref(), usize::MAX)?;
        Ok(found.iter().map(|(_, row)| decode(ALARMS, row)).collect::<Result<_, _>>()?)
    }

    pub fn save(&self, transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
        transaction.put_json(ALARMS, key(&self.account, &self.region, self.name()), self)
    }

    pub fn delete(&self, transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
        transaction.delete(ALARMS, key(&self.account, &self.region, self.name()));
        timers::cancel(transaction, "cloudwatch", &self.timer_name())
    }

    fn timer_name(&self) -> String {
        format!("alarm/{}/{}/{}", self.account, self.region, self.name())
    }

    /// Has it evaluated then.
    pub fn wake(&self, transaction: &mut Transaction<'_>, due: Timestamp) -> Result<(), StoreError> {
        let timer = Timer {
            service: "cloudwatch".to_owned(),
            name: self.timer_name(),
            due,
            account: self.account.clone(),
            region: self.region.clone(),
            payload: self.name().into(),
        };
        timers::set(transaction, &timer)
    }

    pub fn arn(&self) -> String {
        let (region, account) = (&self.region, &self.account);
        format!("arn:{}:cloudwatch:{region}:{account}:alarm:{}", region.partition(), self.name())
    }

    /// As the API tells it.
    pub fn tell(&self) -> Value {
        let mut told = serde_json::to_value(&self.settings).unwrap_or_default();
        let state = json!({
            "AlarmArn": self.arn(),
            "ActionsEnabled": self.settings.actions_enabled.unwrap_or(true),
            "AlarmConfigurationUpdatedTimestamp": self.configured.as_seconds_f64(),
            "StateValue": self.state.name(),
            "StateReason": self.reason,
            "StateReasonData": self.reason_data,
            "StateUpdatedTimestamp": self.updated.as_seconds_f64(),
            "StateTransitionedTimestamp": self.transitioned.as_seconds_f64(),
        });
        if let (Value::Object(told), Value::Object(state)) = (&mut told, state) {
            told.extend(state);
            if self.settings.metrics.is_empty() {
                told.remove("Metrics");
            }
            told.retain(|_, value| !value.is_null());
        }
        told
    }
}
