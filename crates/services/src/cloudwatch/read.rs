//! Reading metrics: `GetMetricStatistics`, `GetMetricData`, `ListMetrics`.

use super::metric::{self, Dimension, Metric, Statistic};
use super::query::{Queries, Query};
use super::{CloudWatch, combination, invalid, missing};
use crate::page;
use crate::storage::Outcome;
use aloft_base::Timestamp;
use aloft_engine::Context;
use aloft_engine::metering::series;
use aloft_store::Snapshot;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The most values of one answer of `GetMetricStatistics`.
const STATISTICS_VALUES: i64 = 1440;
/// The most values of one answer of `GetMetricData`.
const DATA_VALUES: i64 = 100_800;
/// The most queries of `GetMetricData`.
const QUERIES: usize = 500;
/// How many metrics a page has.
const PAGE: usize = 500;
/// How long a metric is listed after its last value.
const LISTED: Duration = Duration::from_secs(14 * 86_400);
/// `RecentlyActive`: `PT3H`
const RECENT: Duration = Duration::from_secs(3 * 3600);

/// A view with everything that happened until now.
async fn snapshot(context: &Context) -> Outcome<Snapshot> {
    context.engine.metering().flush().await?;
    Ok(context.store().read()?)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Statistics {
    #[serde(flatten)]
    metric: Metric,
    start_time: f64,
    end_time: f64,
    period: i64,
    #[serde(default)]
    statistics: Vec<String>,
    #[serde(default)]
    extended_statistics: Vec<String>,
    unit: Option<String>,
}

/// `GetMetricStatistics`
pub(super) async fn statistics(_: &CloudWatch, context: &Context, input: Statistics) -> Outcome<Value> {
    metric::check_named(&input.metric)?;
    let period = metric::period(input.period)?;
    let from = metric::minute(Timestamp::from_seconds_f64(input.start_time));
    let to = Timestamp::from_seconds_f64(input.end_time);
    metric::check_times(from, to)?;
    metric::check_count(from, to, period, STATISTICS_VALUES)?;
    if input.statistics.is_empty() && input.extended_statistics.is_empty() {
        return Err(missing("Must specify either Statistics or ExtendedStatistics").into());
    }
    let parsed = |names: &[String]| -> Outcome<Vec<(String, Statistic)>> {
        names.iter().map(|name| Ok((name.clone(), Statistic::parse(name)?))).collect()
    };
    let (plain, extended) = (parsed(&input.statistics)?, parsed(&input.extended_statistics)?);
    let unit = input.unit.as_deref().map(|unit| metric::unit(Some(unit))).transpose()?;
    let snapshot = snapshot(context).await?;
    let series = input.metric.series(context);
    let values =
        metric::values(&snapshot, &series, input.metric.name(), unit.as_deref(), (from, to, period))?;
    let points: Vec<Value> = values
        .iter()
        .map(|(at, stat)| {
            let unit = if stat.unit.is_empty() { "None" } else { &stat.unit };
            let mut point = json!({ "Timestamp": at.as_seconds_f64(), "Unit": unit });
            for (name, statistic) in &plain {
                point[name] = json!(statistic.of(stat));
            }
            let of =
                |(name, statistic): &(String, Statistic)| Some((name.clone(), json!(statistic.of(stat)?)));
            let found: Map<String, Value> = extended.iter().filter_map(of).collect();
            if !found.is_empty() {
                point["ExtendedStatistics"] = found.into();
            }
            point
        })
        .collect();
    Ok(json!({ "Label": input.metric.name(), "Datapoints": points }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Data {
    metric_data_queries: Vec<Query>,
    start_time: f64,
    end_time: f64,
    next_token: Option<String>,
    scan_by: Option<String>,
    max_datapoints: Option<i64>,
}

/// `GetMetricData`: all of it in one page.
pub(super) async fn data(_: &CloudWatch, context: &Context, input: Data) -> Outcome<Value> {
    if input.metric_data_queries.len() > QUERIES {
        return Err(invalid("The collection MetricDataQueries must not have a size greater than 500.").into());
    }
    if input.next_token.is_some() {
        return Err(invalid("The local cloud gives no tokens for GetMetricData.").into());
    }
    let queries = Queries::read(input.metric_data_queries)?;
    let period = queries.period();
    let from = Timestamp::from_seconds_f64(input.start_time);
    let from = Timestamp(from.millis().div_euclid(period) * period);
    let to = Timestamp::from_seconds_f64(input.end_time);
    metric::check_times(from, to)?;
    let wanted = queries.iter().filter(|query| query.returns()).count() as i64;
    let limit = input.max_datapoints.unwrap_or(DATA_VALUES).clamp(1, DATA_VALUES);
    if (to.millis() - from.millis()) / queries.shortest() * wanted > DATA_VALUES * 10 {
        return Err(combination("The local cloud gives no more than 1,008,000 datapoints at once.").into());
    }
    let snapshot = snapshot(context).await?;
    let values = queries.values(context, &snapshot, from, to)?;
    let ascending = input.scan_by.as_deref() == Some("TimestampAscending");
    let mut results = Vec::new();
    for query in queries.iter().filter(|query| query.returns()) {
        let mut points: Vec<(Timestamp, f64)> =
            values.get(&query.id).into_iter().flatten().map(|(at, value)| (*at, *value)).collect();
        if !ascending {
            points.reverse();
        }
        let is_whole = points.len() as i64 <= limit;
        points.truncate(limit as usize);
        results.push(json!({
            "Id": query.id,
            "Label": query.label(),
            "Timestamps": points.iter().map(|(at, _)| at.as_seconds_f64()).collect::<Vec<_>>(),
            "Values": points.iter().map(|(_, value)| value).collect::<Vec<_>>(),
            "StatusCode": if is_whole { "Complete" } else { "PartialData" },
        }));
    }
    Ok(json!({ "MetricDataResults": results, "Messages": [] }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    namespace: Option<String>,
    metric_name: Option<String>,
    #[serde(default)]
    dimensions: Vec<Filter>,
    next_token: Option<String>,
    recently_active: Option<String>,
}

/// A dimension that a metric must have, perhaps with any value.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    name: String,
    value: Option<String>,
}

/// `ListMetrics`
pub(super) async fn list(_: &CloudWatch, context: &Context, input: List) -> Outcome<Value> {
    let snapshot = snapshot(context).await?;
    let place = (&context.account, &context.region);
    // Times are kept to the hour.
    let recent = if input.recently_active.is_some() { RECENT + Duration::from_secs(3600) } else { LISTED };
    let mut metrics = Vec::new();
    for known in series::known(&snapshot, place, input.namespace.as_deref())? {
        let dimensions = &known.series.dimensions;
        let fits = |filter: &Filter| {
            let found = dimensions.get(&filter.name);
            found.is_some_and(|value| filter.value.as_ref().is_none_or(|wanted| wanted == value))
        };
        if !input.dimensions.iter().all(fits) {
            continue;
        }
        for (name, last) in &known.metrics {
            let is_named = input.metric_name.as_ref().is_none_or(|wanted| wanted == name);
            if is_named && context.now().since(*last) <= recent {
                metrics.push(json!({
                    "Namespace": known.series.namespace,
                    "MetricName": name,
                    "Dimensions": metric::tell_dimensions(dimensions),
                }));
            }
        }
    }
    let (page, next) = page::of(metrics, PAGE, input.next_token.as_deref());
    Ok(json!({ "Metrics": page, "NextToken": next }))
}

/// The dimensions that a call gives, without doubles.
pub(super) fn same_dimensions(one: &[Dimension], other: &[Dimension]) -> bool {
    metric::by_name(one) == metric::by_name(other)
}
