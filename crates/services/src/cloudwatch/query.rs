//! Queries of metric data: metrics and expressions over them, as `GetMetricData` and alarms have them.

use super::expression::{self, Expression, Values};
use super::metric::{self, Metric, Statistic};
use super::{combination, missing, validation};
use aloft_base::Timestamp;
use aloft_engine::{Context, ServiceError};
use aloft_store::Snapshot;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Query {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric_stat: Option<MetricStat>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_data: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
}

/// A metric and the number that is wanted of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MetricStat {
    pub metric: Metric,
    pub period: i64,
    pub stat: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

impl Query {
    /// Whether its values are wanted, and not only needed for others.
    pub fn returns(&self) -> bool {
        self.return_data.unwrap_or(true)
    }

    /// What its values are called.
    pub fn label(&self) -> String {
        let of_metric = || self.metric_stat.as_ref().map(|stat| stat.metric.name().to_owned());
        self.label.clone().or_else(of_metric).unwrap_or_else(|| self.id.clone())
    }
}

/// Queries that have been understood.
pub(super) struct Queries {
    all: Vec<(Query, Kind)>,
}

enum Kind {
    Metric(Statistic, i64, Option<String>),
    Expression(Expression),
}

impl Queries {
    /// Checks and reads them.
    pub fn read(all: Vec<Query>) -> Result<Self, ServiceError> {
        let mut ids = BTreeSet::new();
        let mut read = Vec::new();
        for query in all {
            let id = query.id.clone();
            if !id.starts_with(|first: char| first.is_ascii_lowercase()) || !ids.insert(id.clone()) {
                let message = format!(
                    "The value {id} for parameter Id must be unique and begin with a lowercase letter."
                );
                return Err(validation(message));
            }
            let kind = match (&query.metric_stat, &query.expression) {
                (Some(stat), None) => {
                    metric::check_named(&stat.metric)?;
                    let unit = stat.unit.as_deref().map(|unit| metric::unit(Some(unit))).transpose()?;
                    Kind::Metric(Statistic::parse(&stat.stat)?, metric::period(stat.period)?, unit)
                }
                (None, Some(text)) => {
                    let parsed = expression::parse(text);
                    let failed = |error| validation(format!("Error in expression '{id}': {error}"));
                    Kind::Expression(parsed.map_err(failed)?)
                }
                (None, None) => return Err(missing("Either MetricStat or Expression is required.")),
                (Some(_), Some(_)) => {
                    return Err(combination("MetricStat and Expression are mutually exclusive."));
                }
            };
            read.push((query, kind));
        }
        let queries = Self { all: read };
        queries.order()?;
        Ok(queries)
    }

    /// Places of the queries in an order in which each comes after those that it needs.
    fn order(&self) -> Result<Vec<usize>, ServiceError> {
        let (mut done, mut order) = (BTreeSet::new(), Vec::new());
        while order.len() < self.all.len() {
            let before = order.len();
            for (place, (query, kind)) in self.all.iter().enumerate() {
                let mut needs = BTreeSet::new();
                if let Kind::Expression(expression) = kind {
                    expression.needs(&mut needs);
                }
                if !done.contains(query.id.as_str()) && needs.iter().all(|id| done.contains(id.as_str())) {
                    done.insert(query.id.as_str());
                    order.push(place);
                }
            }
            if order.len() == before {
                return Err(validation("An expression needs an id that no query has, or its own value."));
            }
        }
        Ok(order)
    }

    /// The longest period of them, in milliseconds.
    pub fn period(&self) -> i64 {
        let periods = self.all.iter().filter_map(|(_, kind)| match kind {
            Kind::Metric(_, period, _) => Some(*period),
            Kind::Expression(_) => None,
        });
        periods.max().unwrap_or(60_000)
    }

    /// The shortest period of them, in milliseconds.
    pub fn shortest(&self) -> i64 {
        let periods = self.all.iter().filter_map(|(_, kind)| match kind {
            Kind::Metric(_, period, _) => Some(*period),
            Kind::Expression(_) => None,
        });
        periods.min().unwrap_or(60_000)
    }

    /// The queries in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &Query> {
        self.all.iter().map(|(query, _)| query)
    }

    /// The values of all of them by id. `from` is the beginning of a period.
    pub fn values(
        &self,
        context: &Context,
        snapshot: &Snapshot,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<BTreeMap<String, Values>, ServiceError> {
        let mut found = BTreeMap::new();
        for place in self.order()? {
            let (query, kind) = &self.all[place];
            let values = match (kind, &query.metric_stat) {
                (Kind::Metric(statistic, period, unit), Some(stat)) => {
                    let (series, name) = (stat.metric.series(context), stat.metric.name());
                    let values =
                        metric::values(snapshot, &series, name, unit.as_deref(), (from, to, *period));
                    let values = values.map_err(|error| aloft_engine::storage_failed(&error))?;
                    values.iter().filter_map(|(at, stat)| Some((*at, statistic.of(stat)?))).collect()
                }
                (Kind::Expression(expression), _) => expression.evaluate(&found),
                (Kind::Metric(..), None) => Values::new(),
            };
            found.insert(query.id.clone(), values);
        }
        Ok(found)
    }
}
