//! What a metric is called, and which number is made of its values.

use super::{combination, invalid, missing, validation};
use aloft_base::Timestamp;
use aloft_engine::metering::{Series, Stat, series};
use aloft_engine::{Context, ServiceError};
use aloft_store::{Snapshot, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// In milliseconds.
const MINUTE: i64 = 60_000;

/// The units that CloudWatch knows; `None` is one of them, and what values without a unit have.
const UNITS: &[&str] = &[
    "Bits",
    "Bits/Second",
    "Bytes",
    "Bytes/Second",
    "Count",
    "Count/Second",
    "Gigabits",
    "Gigabits/Second",
    "Gigabytes",
    "Gigabytes/Second",
    "Kilobits",
    "Kilobits/Second",
    "Kilobytes",
    "Kilobytes/Second",
    "Megabits",
    "Megabits/Second",
    "Megabytes",
    "Megabytes/Second",
    "Microseconds",
    "Milliseconds",
    "None",
    "Percent",
    "Seconds",
    "Terabits",
    "Terabits/Second",
    "Terabytes",
    "Terabytes/Second",
];

/// A dimension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Dimension {
    pub name: String,
    pub value: String,
}

/// A metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Metric {
    pub namespace: Option<String>,
    pub metric_name: Option<String>,
    #[serde(default)]
    pub dimensions: Vec<Dimension>,
}

impl Metric {
    pub fn name(&self) -> &str {
        self.metric_name.as_deref().unwrap_or_default()
    }

    /// Where its values lie.
    pub fn series(&self, context: &Context) -> Series {
        Series {
            account: context.account.clone(),
            region: context.region.clone(),
            namespace: self.namespace.clone().unwrap_or_default(),
            dimensions: by_name(&self.dimensions),
        }
    }
}

/// Dimensions as a series has them.
pub(super) fn by_name(dimensions: &[Dimension]) -> BTreeMap<String, String> {
    dimensions.iter().map(|one| (one.name.clone(), one.value.clone())).collect()
}

/// Dimensions as the API has them.
pub(super) fn tell_dimensions(dimensions: &BTreeMap<String, String>) -> Value {
    dimensions.iter().map(|(name, value)| json!({ "Name": name, "Value": value })).collect()
}

/// The unit, empty for `None`.
pub(super) fn unit(name: Option<&str>) -> Result<String, ServiceError> {
    match name {
        None | Some("None") => Ok(String::new()),
        Some(name) if UNITS.contains(&name) => Ok(name.to_owned()),
        Some(name) => Err(invalid(format!("The value {name} for parameter Unit is not supported."))),
    }
}

/// Which number is made of a period's values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Statistic {
    Average,
    Sum,
    Minimum,
    Maximum,
    SampleCount,
    Percentile(f64),
}

impl Statistic {
    /// `Average`, `p99.9`, ...
    pub fn parse(text: &str) -> Result<Self, ServiceError> {
        Ok(match text {
            "Average" => Self::Average,
            "Sum" => Self::Sum,
            "Minimum" => Self::Minimum,
            "Maximum" => Self::Maximum,
            "SampleCount" => Self::SampleCount,
            _ => {
                let percent = text.strip_prefix('p').and_then(|digits| digits.parse::<f64>().ok());
                let percent = percent.filter(|percent| (0.0..=100.0).contains(percent));
                return percent.map(Self::Percentile).ok_or_else(|| {
                    let message = format!(
                        "The value {text} for parameter Stat is not supported: the local cloud has Average, Sum, Minimum, Maximum, SampleCount and percentiles such as p99"
                    );
                    invalid(message)
                });
            }
        })
    }

    /// Of these values; nothing when it cannot be told.
    pub fn of(self, stat: &Stat) -> Option<f64> {
        Some(match self {
            Self::Average => stat.average(),
            Self::Sum => stat.sum,
            Self::Minimum => stat.least,
            Self::Maximum => stat.greatest,
            Self::SampleCount => stat.count,
            Self::Percentile(percent) => return stat.percentile(percent),
        })
    }
}

/// A period that values can be put together over, in milliseconds.
pub(super) fn period(seconds: i64) -> Result<i64, ServiceError> {
    match seconds {
        1 | 5 | 10 | 20 | 30 => {
            Err(invalid("The local cloud keeps values by the minute: Period must be a multiple of 60."))
        }
        _ if seconds > 0 && seconds % 60 == 0 => Ok(seconds * 1000),
        _ => Err(invalid("The parameter Period must be a multiple of 60.")),
    }
}

/// That a metric is named.
pub(super) fn check_named(metric: &Metric) -> Result<(), ServiceError> {
    if metric.namespace.as_deref().is_none_or(str::is_empty) {
        return Err(missing("The parameter Namespace is required."));
    }
    if metric.name().is_empty() {
        return Err(missing("The parameter MetricName is required."));
    }
    Ok(())
}

/// That a time is before the other.
pub(super) fn check_times(from: Timestamp, to: Timestamp) -> Result<(), ServiceError> {
    if from >= to {
        return Err(validation("The parameter StartTime must be less than the parameter EndTime."));
    }
    Ok(())
}

/// That there are not more values than an answer may have.
pub(super) fn check_count(
    from: Timestamp,
    to: Timestamp,
    period: i64,
    limit: i64,
) -> Result<(), ServiceError> {
    let count = (to.millis() - from.millis()) / period;
    if count > limit {
        let message = format!(
            "You have requested up to {count} datapoints, which exceeds the limit of {limit}. You may reduce the datapoints requested by increasing Period, or decreasing the time range."
        );
        return Err(combination(message));
    }
    Ok(())
}

/// The values of a metric by period, in order of time; periods without values are left out. `from` is the beginning of one.
pub(super) fn values(
    snapshot: &Snapshot,
    series: &Series,
    name: &str,
    unit: Option<&str>,
    (from, to, period): (Timestamp, Timestamp, i64),
) -> Result<Vec<(Timestamp, Stat)>, StoreError> {
    let mut periods: BTreeMap<i64, Stat> = BTreeMap::new();
    for (at, stat) in series::read(snapshot, series, name, from, to)? {
        if unit.is_some_and(|unit| unit != stat.unit) {
            continue;
        }
        let begins = from.millis() + (at.millis() - from.millis()).div_euclid(period) * period;
        periods.entry(begins).or_default().add(&stat);
    }
    Ok(periods.into_iter().map(|(begins, stat)| (Timestamp(begins), stat)).collect())
}

/// The beginning of the minute.
pub(super) fn minute(at: Timestamp) -> Timestamp {
    Timestamp(at.millis().div_euclid(MINUTE) * MINUTE)
}
