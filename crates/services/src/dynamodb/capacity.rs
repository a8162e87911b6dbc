//! What a request consumes, as `ConsumedCapacity` tells it.
//!
//! Only told, never limited: nothing is throttled here. Keeps true: reads count blocks of 4 KB and writes of 1 KB, and an
//! index counts what it has of an item.
//! Source: "DynamoDB read and write operations: capacity unit consumption" in the developer guide.

use super::table::{Index, Table};
use aloft_lang::expression::Item;
use aloft_lang::expression::value::item_size;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Units that one table's part of a request consumed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Capacity {
    pub table: f64,
    /// By name, and whether the index is global.
    pub indexes: BTreeMap<(bool, String), f64>,
}

/// `ReturnConsumedCapacity` wants an answer.
pub(super) fn is_wanted(mode: Option<&str>) -> bool {
    matches!(mode, Some("TOTAL" | "INDEXES"))
}

/// The units to read this many bytes.
pub(super) fn read_units(bytes: usize, consistent: bool) -> f64 {
    let blocks = bytes.div_ceil(4096).max(1) as f64;
    if consistent { blocks } else { blocks / 2.0 }
}

fn write_units(old: Option<&Item>, new: Option<&Item>) -> f64 {
    let size = |item: Option<&Item>| item.map_or(0, item_size);
    size(old).max(size(new)).div_ceil(1024).max(1) as f64
}

impl Capacity {
    /// What a write consumes that makes `new` of `old`.
    pub fn of_write(table: &Table, old: Option<&Item>, new: Option<&Item>) -> Self {
        let mut capacity = Self { table: write_units(old, new), ..Self::default() };
        for index in &table.indexes {
            let units = index_units(table, index, old, new);
            if units > 0.0 {
                capacity.indexes.insert((index.global, index.name.clone()), units);
            }
        }
        capacity
    }

    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        self.table += other.table;
        for (index, units) in &other.indexes {
            *self.indexes.entry(index.clone()).or_default() += units;
        }
    }

    /// Twice as much, as in a transaction.
    pub fn doubled(&self) -> Self {
        let mut twice = self.clone();
        twice.add(self);
        twice
    }

    /// `ConsumedCapacity`
    pub fn describe(&self, mode: Option<&str>, table: &str) -> Value {
        let total = self.table + self.indexes.values().sum::<f64>();
        let mut out = json!({"TableName": table, "CapacityUnits": total});
        if mode == Some("INDEXES") {
            out["Table"] = json!({"CapacityUnits": self.table});
            for (global, member) in [(false, "LocalSecondaryIndexes"), (true, "GlobalSecondaryIndexes")] {
                let units: Map<String, Value> = (self.indexes.iter())
                    .filter(|((is_global, _), _)| *is_global == global)
                    .map(|((_, name), units)| (name.clone(), json!({"CapacityUnits": units})))
                    .collect();
                if !units.is_empty() {
                    out[member] = Value::Object(units);
                }
            }
        }
        out
    }
}

fn index_units(table: &Table, index: &Index, old: Option<&Item>, new: Option<&Item>) -> f64 {
    let entry = |item: Option<&Item>| {
        item.and_then(|item| Some((index.key.place(item)?, index.project(table, item))))
    };
    match (entry(old), entry(new)) {
        (None, None) => 0.0,
        (Some((_, old)), None) => write_units(Some(&old), None),
        (None, Some((_, new))) => write_units(None, Some(&new)),
        (Some((before, old)), Some((after, new))) if before != after => {
            write_units(Some(&old), None) + write_units(None, Some(&new))
        }
        (Some((_, old)), Some((_, new))) if old == new => 0.0,
        (Some((_, old)), Some((_, new))) => write_units(Some(&old), Some(&new)),
    }
}
