//! What is kept of many measured values: how many, their sum, least and greatest, and a sketch that percentiles are read from.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The sketch's buckets grow by this factor, so a percentile is off by 1 % at most.
const GROWTH: f64 = 1.02;
/// How many buckets there are at most; then the lowest are put together.
const BUCKETS: usize = 400;
/// The bucket of everything that is not positive.
const NOT_POSITIVE: i32 = i32::MIN;

/// Values of one metric in one period.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stat {
    /// How many values.
    #[serde(rename = "n")]
    pub count: f64,
    /// Their sum.
    #[serde(rename = "s")]
    pub sum: f64,
    /// The least.
    #[serde(rename = "l")]
    pub least: f64,
    /// The greatest.
    #[serde(rename = "g")]
    pub greatest: f64,
    /// CloudWatch's name of the unit; empty for `None`.
    #[serde(rename = "u", default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// How many values lie in each bucket of the sketch. Empty for values that came as a summary.
    #[serde(rename = "b", default, skip_serializing_if = "BTreeMap::is_empty")]
    buckets: BTreeMap<i32, f64>,
}

impl Stat {
    /// `count` times the same value.
    pub fn of(value: f64, count: f64, unit: &str) -> Self {
        let mut stat = Self::default();
        stat.add_value(value, count, unit);
        stat
    }

    /// Adds `count` times the same value.
    pub fn add_value(&mut self, value: f64, count: f64, unit: &str) {
        let bucket = if value > 0.0 { (value.ln() / GROWTH.ln()).ceil() as i32 } else { NOT_POSITIVE };
        let is_first = self.count == 0.0;
        self.count += count;
        self.sum += value * count;
        self.least = if is_first { value } else { self.least.min(value) };
        self.greatest = if is_first { value } else { self.greatest.max(value) };
        if self.unit.is_empty() {
            unit.clone_into(&mut self.unit);
        }
        *self.buckets.entry(bucket).or_default() += count;
        self.trim();
    }

    /// Values that came as a summary: nothing is known of how they lie between the least and the greatest.
    pub fn summary(count: f64, sum: f64, least: f64, greatest: f64, unit: &str) -> Self {
        Self { count, sum, least, greatest, unit: unit.to_owned(), buckets: BTreeMap::new() }
    }

    /// Adds the other's values.
    pub fn add(&mut self, other: &Self) {
        if self.count == 0.0 {
            self.clone_from(other);
            return;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.least = self.least.min(other.least);
        self.greatest = self.greatest.max(other.greatest);
        if self.unit.is_empty() {
            self.unit.clone_from(&other.unit);
        }
        for (bucket, count) in &other.buckets {
            *self.buckets.entry(*bucket).or_default() += count;
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.buckets.len() > BUCKETS
            && let Some((_, lowest)) = self.buckets.pop_first()
            && let Some(mut next) = self.buckets.first_entry()
        {
            *next.get_mut() += lowest;
        }
    }

    /// The mean.
    pub fn average(&self) -> f64 {
        if self.count == 0.0 { 0.0 } else { self.sum / self.count }
    }

    /// The value below which `percent` of the values lie; nothing when only summaries are known, unless all values are one.
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        if self.least == self.greatest {
            return Some(self.least);
        }
        let sketched: f64 = self.buckets.values().sum();
        if sketched < self.count {
            return None;
        }
        let rank = (percent / 100.0 * sketched).max(f64::MIN_POSITIVE);
        let mut seen = 0.0;
        for (bucket, count) in &self.buckets {
            seen += count;
            if seen >= rank {
                let value = if *bucket == NOT_POSITIVE {
                    self.least
                } else {
                    // The middle of the bucket.
                    GROWTH.powi(*bucket) * 2.0 / (1.0 + GROWTH)
                };
                return Some(value.clamp(self.least, self.greatest));
            }
        }
        Some(self.greatest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_close_and_sums_exact() {
        let mut all = Stat::default();
        for value in 1..=1000 {
            all.add(&Stat::of(f64::from(value), 1.0, "Milliseconds"));
        }
        assert_eq!((all.count, all.sum, all.least, all.greatest), (1000.0, 500_500.0, 1.0, 1000.0));
        for percent in [10.0, 50.0, 90.0, 99.0, 100.0] {
            let found = all.percentile(percent).expect("a sketch");
            assert!((found / (percent * 10.0) - 1.0).abs() < 0.011, "p{percent} is {found}");
        }
        let read: Stat = serde_json::from_str(&serde_json::to_string(&all).expect("JSON")).expect("a stat");
        assert_eq!(read, all);
        all.add(&Stat::summary(2.0, 4.0, 1.0, 3.0, ""));
        assert_eq!(all.percentile(50.0), None, "summaries have no percentiles");
        assert_eq!(Stat::summary(2.0, 4.0, 2.0, 2.0, "").percentile(50.0), Some(2.0));
        assert_eq!(Stat::of(-1.0, 1.0, "").percentile(99.0), Some(-1.0));
    }
}
