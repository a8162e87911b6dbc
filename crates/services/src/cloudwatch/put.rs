//! `PutMetricData`: values from outside.

use super::metric::{self, Dimension};
use super::{CloudWatch, combination, invalid, missing};
use crate::storage::Outcome;
use aloft_base::Timestamp;
use aloft_engine::metering::{Series, Stat, series};
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// The most metrics of one call.
const METRICS: usize = 1000;
/// The most values of one metric in one call.
const VALUES: usize = 150;
/// The most dimensions of a metric.
const DIMENSIONS: usize = 30;
/// How far values may lie in the past.
const PAST: Duration = Duration::from_secs(14 * 86_400);
/// How far values may lie in the future.
const FUTURE: Duration = Duration::from_secs(2 * 3600);
/// The largest number, either way.
const LARGEST: f64 = 2.348_542_582_773_833e108;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Put {
    namespace: String,
    #[serde(default)]
    metric_data: Vec<Datum>,
    #[serde(default)]
    entity_metric_data: Vec<OfEntity>,
}

/// Values with whom they belong to, which the local cloud does not keep.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfEntity {
    #[serde(default)]
    metric_data: Vec<Datum>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Datum {
    metric_name: String,
    #[serde(default)]
    dimensions: Vec<Dimension>,
    timestamp: Option<f64>,
    value: Option<f64>,
    statistic_values: Option<Summary>,
    values: Option<Vec<f64>>,
    counts: Option<Vec<f64>>,
    unit: Option<String>,
    storage_resolution: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Summary {
    sample_count: f64,
    sum: f64,
    minimum: f64,
    maximum: f64,
}

/// `PutMetricData`
pub(super) async fn put(_: &CloudWatch, context: &Context, input: Put) -> Outcome<Value> {
    if input.namespace.starts_with("AWS/") {
        return Err(invalid("The value AWS/ for parameter Namespace is invalid.").into());
    }
    let data: Vec<Datum> = input
        .metric_data
        .into_iter()
        .chain(input.entity_metric_data.into_iter().flat_map(|entity| entity.metric_data))
        .collect();
    if data.is_empty() {
        return Err(missing("The parameter MetricData is required.").into());
    }
    if data.len() > METRICS {
        return Err(invalid("The collection MetricData must not have a size greater than 1000.").into());
    }
    let now = context.now();
    let mut rows: BTreeMap<(Series, Timestamp), series::Metrics> = BTreeMap::new();
    for (number, datum) in data.into_iter().enumerate() {
        let place = format!("MetricData.member.{}", number + 1);
        let at = at(&datum, now, &place)?;
        let stat = stat(&datum, &place)?;
        if datum.dimensions.len() > DIMENSIONS {
            let message = format!("The collection {place}.Dimensions must not have a size greater than 30.");
            return Err(invalid(message).into());
        }
        let series = Series {
            account: context.account.clone(),
            region: context.region.clone(),
            namespace: input.namespace.clone(),
            dimensions: metric::by_name(&datum.dimensions),
        };
        let row = rows.entry((series, metric::minute(at))).or_default();
        row.entry(datum.metric_name).or_default().add(&stat);
    }
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        for ((series, at), metrics) in &rows {
            series::add(transaction, series, *at, metrics)?;
        }
        Ok(())
    };
    context.store().write(write).await?;
    Ok(Value::Object(serde_json::Map::new()))
}

fn at(datum: &Datum, now: Timestamp, place: &str) -> Result<Timestamp, ServiceError> {
    let Some(seconds) = datum.timestamp else { return Ok(now) };
    let at = Timestamp::from_seconds_f64(seconds);
    if now.since(at) > PAST || at.since(now) > FUTURE {
        return Err(invalid(format!(
            "The parameter {place}.Timestamp must specify a time no more than two weeks in the past and no more than two hours in the future."
        )));
    }
    Ok(at)
}

fn stat(datum: &Datum, place: &str) -> Result<Stat, ServiceError> {
    let unit = metric::unit(datum.unit.as_deref())?;
    if datum.storage_resolution.is_some_and(|seconds| seconds != 1 && seconds != 60) {
        return Err(invalid(format!("The parameter {place}.StorageResolution must be 1 or 60.")));
    }
    let is_number = |value: f64| value.is_finite() && value.abs() <= LARGEST;
    let no_number =
        |value: f64| invalid(format!("The value {value} for parameter {place}.Value is invalid."));
    let kinds = [datum.value.is_some(), datum.values.is_some(), datum.statistic_values.is_some()];
    if kinds.iter().filter(|kind| **kind).count() > 1 {
        let message = format!(
            "The parameters {place}.Value, {place}.Values and {place}.StatisticValues are mutually exclusive and you have specified more than one."
        );
        return Err(combination(message));
    }
    if let Some(value) = datum.value {
        return if is_number(value) { Ok(Stat::of(value, 1.0, &unit)) } else { Err(no_number(value)) };
    }
    if let Some(all) = &datum.statistic_values {
        let numbers = [all.sample_count, all.sum, all.minimum, all.maximum];
        if let Some(value) = numbers.into_iter().find(|value| !is_number(*value)) {
            return Err(no_number(value));
        }
        if all.minimum > all.maximum || all.sample_count <= 0.0 {
            return Err(invalid(format!("The parameter {place}.StatisticValues is invalid.")));
        }
        return Ok(Stat::summary(all.sample_count, all.sum, all.minimum, all.maximum, &unit));
    }
    let Some(values) = &datum.values else {
        return Err(missing(format!("The parameter {place}.Value is required.")));
    };
    if values.is_empty() || values.len() > VALUES {
        return Err(invalid(format!("The collection {place}.Values must have between 1 and 150 members.")));
    }
    let counts = datum.counts.clone().unwrap_or_else(|| vec![1.0; values.len()]);
    if counts.len() != values.len() {
        return Err(invalid(format!(
            "The parameters {place}.Values and {place}.Counts must be of the same size."
        )));
    }
    let mut stat = Stat::default();
    for (value, count) in values.iter().zip(counts) {
        if !is_number(*value) || !is_number(count) || count < 0.0 {
            return Err(no_number(*value));
        }
        if count > 0.0 {
            stat.add(&Stat::of(*value, count, &unit));
        }
    }
    Ok(stat)
}
