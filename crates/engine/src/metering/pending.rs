//! Rows on their way into the store: their JSON, and of each what goes into the sums and the metrics.
//!
//! Keeps true: a busy cloud has thousands of rows on their way, so that a row holds no memory of its own but a counted cause.

use super::row::{Function, Row, Verdict};
use super::{hour, rows, series, sums};
use aloft_base::Timestamp;
use aloft_store::{StoreError, Transaction};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

/// In milliseconds.
const MINUTE: i64 = 60_000;

/// How many rows are written together at most.
const GROUP: usize = 2500;
/// How many groups wait at most while the disk refuses them.
const GROUPS: usize = 40;

/// Rows that wait to be written, the oldest group first.
#[derive(Default)]
pub(super) struct Pending(VecDeque<Arc<Group>>);

/// Rows that are written together.
#[derive(Default)]
pub(super) struct Group {
    rows: Vec<Waiting>,
    /// The JSON of all of them.
    text: Vec<u8>,
}

struct Waiting {
    number: u64,
    /// Where its JSON is.
    text: Range<usize>,
    slot: Option<u32>,
    counted: Counted,
}

/// What of a row is counted.
pub(super) struct Counted {
    pub at: Timestamp,
    pub ended: Timestamp,
    pub function: Arc<Function>,
    pub qualifier: Option<String>,
    pub cause: Arc<str>,
    pub iterator_age_ms: Option<u64>,
    pub concurrent: u32,
    pub verdict: Verdict,
    pub is_cold: bool,
    pub duration_ms: f64,
    pub billed_ms: u64,
}

impl From<Row> for Counted {
    fn from(row: Row) -> Self {
        let Row { ended, invocation, ending, .. } = row;
        Self {
            at: invocation.at,
            ended,
            function: invocation.function,
            qualifier: invocation.qualifier,
            cause: invocation.cause,
            iterator_age_ms: invocation.iterator_age_ms,
            concurrent: invocation.concurrent,
            verdict: ending.verdict,
            is_cold: ending.init_ms.is_some(),
            duration_ms: ending.duration_ms,
            billed_ms: ending.billed_ms,
        }
    }
}

impl Pending {
    /// Adds a row, with its JSON and the slot that holds it until it is written.
    pub fn push(&mut self, row: Row, text: &[u8], slot: Option<u32>) {
        let last = self.0.back_mut().and_then(Arc::get_mut);
        match last.filter(|group| group.rows.len() < GROUP) {
            Some(group) => group.push(row, text, slot),
            None => {
                let mut group = Group::default();
                group.push(row, text, slot);
                self.0.push_back(Arc::new(group));
            }
        }
    }

    pub fn groups(&self) -> usize {
        self.0.len()
    }

    /// Takes the oldest group.
    pub fn take(&mut self) -> Option<Arc<Group>> {
        self.0.pop_front()
    }

    /// Puts back what was taken; tells how many rows were dropped, as too many wait.
    pub fn put_back(&mut self, group: Arc<Group>) -> usize {
        self.0.push_front(group);
        let excess = self.0.len().saturating_sub(GROUPS);
        self.0.drain(..excess).map(|group| group.rows.len()).sum()
    }

    pub fn slots(&self) -> impl Iterator<Item = u32> {
        self.0.iter().flat_map(|group| group.slots())
    }
}

impl Group {
    fn push(&mut self, row: Row, text: &[u8], slot: Option<u32>) {
        let (number, start) = (row.number, self.text.len());
        self.text.extend_from_slice(text);
        self.rows.push(Waiting { number, text: start..self.text.len(), slot, counted: row.into() });
    }

    pub fn slots(&self) -> impl Iterator<Item = u32> {
        self.rows.iter().filter_map(|row| row.slot)
    }

    /// Writes them with their sums and their metrics.
    pub fn write(&self, transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
        let mut rows: Vec<_> =
            self.rows.iter().map(|row| (row.number, &self.text[row.text.clone()])).collect();
        rows.sort_unstable_by_key(|(number, _)| *number);
        rows::put(transaction, rows)?;
        let mut sums: BTreeMap<(i64, &Function, &str), (Timestamp, sums::Sum)> = BTreeMap::new();
        let mut metrics: BTreeMap<Place<'_>, series::Metrics<&'static str>> = BTreeMap::new();
        for Waiting { counted, .. } in &self.rows {
            let at = counted.ended;
            let of = (hour(at), &*counted.function, sums::without_session(&counted.cause));
            let sum = sums.entry(of).or_insert((at, sums::Sum::default()));
            sum.1.add(&sums::Sum::of(counted));
            measure(counted, metrics.entry(Place::of(counted)).or_default());
        }
        for ((_, function, cause), (at, sum)) in &sums {
            sums::add(transaction, *at, &sums::Subject::of(function, cause), sum)?;
        }
        for (place, metrics) in &metrics {
            for series in place.series() {
                series::add(transaction, &series, Timestamp(place.minute * MINUTE), metrics)?;
            }
        }
        Ok(())
    }
}

/// What the metrics of a row are kept under.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place<'a> {
    minute: i64,
    function: &'a Function,
    qualifier: Option<&'a str>,
}

impl<'a> Place<'a> {
    fn of(counted: &'a Counted) -> Self {
        Self {
            minute: counted.at.millis().div_euclid(MINUTE),
            function: &counted.function,
            qualifier: counted.qualifier.as_deref(),
        }
    }

    /// The series of CloudWatch: of all functions, of the function, of its version or alias.
    fn series(&self) -> Vec<series::Series> {
        let of = |dimensions: &[(&str, &str)]| series::Series {
            account: self.function.account.clone(),
            region: self.function.region.clone(),
            namespace: "AWS/Lambda".to_owned(),
            dimensions: dimensions.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        };
        let name = &*self.function.name;
        let function = ("FunctionName", name);
        let mut all = vec![of(&[]), of(&[function])];
        if let Some(qualifier) = self.qualifier {
            all.push(of(&[function, ("Resource", &format!("{name}:{qualifier}"))]));
        }
        all
    }
}

/// Adds a row to Lambda's metrics.
///
/// Source: "Types of metrics for Lambda functions" of its developer guide.
fn measure(row: &Counted, metrics: &mut series::Metrics<&'static str>) {
    let mut add = |name: &'static str, value: f64, unit: &str| {
        metrics.entry(name).or_default().add_value(value, 1.0, unit);
    };
    if row.verdict == Verdict::Throttle {
        add("Throttles", 1.0, "Count");
        return;
    }
    add("Invocations", 1.0, "Count");
    add("Errors", f64::from(u8::from(row.verdict.is_error())), "Count");
    add("Throttles", 0.0, "Count");
    add("ConcurrentExecutions", f64::from(row.concurrent), "Count");
    if row.verdict != Verdict::Interrupted {
        add("Duration", row.duration_ms, "Milliseconds");
    }
    if let Some(age) = row.iterator_age_ms {
        add("IteratorAge", age as f64, "Milliseconds");
    }
}
