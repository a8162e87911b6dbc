//! Which rows a query or a scan goes through: keys from one to another, and where in between it begins.
//!
//! Keeps true: the order of keys is the order of items, so that every condition on a sort key is one range.

use super::error::{Result, invalid, invalid_values};
use super::item::place_of_key;
use super::pages::PageInput;
use super::rows::{self, ENTRIES, ITEMS};
use super::table::{Index, KeySchema, Table, partition_place};
use super::work::after_prefix;
use aloft_lang::expression::number::{sort_key, sort_prefix};
use aloft_lang::expression::{Item, KeyCondition, SortCondition};
use aloft_store::Snapshot;
use serde_json::Value;

/// How many segments a parallel scan is cut into at most: what the two leading bytes of a place tell apart.
const SPREAD: u64 = 1 << 16;

/// The table or index that is read, as it is now.
pub(super) struct Place<'a> {
    pub snapshot: &'a Snapshot,
    pub table: &'a Table,
    pub index: Option<&'a Index>,
}

/// Keys from the first on, up to but without the second.
pub(super) type Range = (Vec<u8>, Vec<u8>);

impl<'a> Place<'a> {
    pub fn of(snapshot: &'a Snapshot, table: &'a Table, input: &PageInput) -> Result<Self> {
        let Some(name) = &input.index_name else { return Ok(Self { snapshot, table, index: None }) };
        let missing = || invalid(format!("The table does not have the specified index: {name}"));
        let index = table.index(name).ok_or_else(missing)?;
        if index.global && input.consistent_read == Some(true) {
            return Err(invalid("Consistent reads are not supported on global secondary indexes"));
        }
        if !index.active {
            return Err(invalid(format!("Cannot read from backfilling global secondary index: {name}")));
        }
        if index.global && input.select.as_deref() == Some("ALL_ATTRIBUTES") && !index.projection.is_all() {
            return Err(invalid_values(format!(
                "Select type ALL_ATTRIBUTES is not supported for global secondary index {name} because its projection type is not ALL"
            )));
        }
        Ok(Self { snapshot, table, index: Some(index) })
    }

    pub fn keys(&self) -> &'a KeySchema {
        self.index.map_or(&self.table.key, |index| &index.key)
    }

    pub fn keyspace(&self) -> &'static str {
        if self.index.is_some() { ENTRIES } else { ITEMS }
    }

    /// What all rows begin with.
    pub fn prefix(&self) -> Vec<u8> {
        match self.index {
            Some(index) => rows::entries_key(self.table, index).into_bytes(),
            None => rows::item_key(self.table, &[]).into_bytes(),
        }
    }

    pub fn scan_range(&self, segment: Option<(u64, u64)>) -> Range {
        let prefix = self.prefix();
        let Some((segment, total)) = segment else { return (prefix.clone(), after_prefix(&prefix)) };
        let bound = |segment: u64| match u16::try_from((SPREAD * segment).div_ceil(total)) {
            Ok(spread) => [&prefix[..], &spread.to_be_bytes()].concat(),
            Err(_) => after_prefix(&prefix),
        };
        (bound(segment), bound(segment + 1))
    }

    pub fn query_range(&self, condition: &KeyCondition) -> Range {
        let partition = [self.prefix(), partition_place(&condition.partition.1)].concat();
        let at = |value: &Value| [&partition[..], &sort_key(value)].concat();
        let after = |value: &Value| after_prefix(&at(value));
        let (first, end) = (partition.clone(), after_prefix(&partition));
        match &condition.sort {
            None => (first, end),
            Some(SortCondition::Equal(value)) => (at(value), after(value)),
            Some(SortCondition::Less(value)) => (first, at(value)),
            Some(SortCondition::LessOrEqual(value)) => (first, after(value)),
            Some(SortCondition::Greater(value)) => (after(value), end),
            Some(SortCondition::GreaterOrEqual(value)) => (at(value), end),
            Some(SortCondition::Between(low, high)) => (at(low), after(high)),
            Some(SortCondition::BeginsWith(prefix)) => {
                let prefix = [&partition[..], &sort_prefix(prefix)].concat();
                (prefix.clone(), after_prefix(&prefix))
            }
        }
    }

    /// The row of an `ExclusiveStartKey`.
    pub fn start(&self, start: &Item) -> Result<Vec<u8>> {
        let wrong = || invalid("The provided starting key is invalid");
        let own = self.table.key.of(start);
        let place = place_of_key(self.table, &own).map_err(|failure| {
            let error: aloft_engine::ServiceError = failure.into();
            invalid(format!("The provided starting key is invalid: {}", error.message))
        })?;
        let Some(index) = self.index else {
            let mismatch =
                "The provided starting key is invalid: The provided key element does not match the schema";
            return if start.len() == own.len() {
                Ok(rows::item_key(self.table, &place).into_bytes())
            } else {
                Err(invalid(mismatch))
            };
        };
        let wanted = own.len()
            + index.key.attributes().filter(|attribute| !self.table.key.has(&attribute.name)).count();
        let entry = rows::entry_key(self.table, index, start, &place).filter(|_| start.len() == wanted);
        Ok(entry.ok_or_else(wrong)?.into_bytes())
    }

    pub fn query_start(&self, start: &Item, condition: &KeyCondition, range: &Range) -> Result<Vec<u8>> {
        let row = self.start(start)?;
        if (&range.0..&range.1).contains(&&row) {
            return Ok(row);
        }
        let sort = self.keys().sort.as_ref().and_then(|sort| start.get(&sort.name));
        let outside = match (&condition.sort, sort) {
            (Some(condition), Some(sort)) if !condition.matches(sort) => {
                "The provided starting key does not match the range key predicate"
            }
            _ => "The provided starting key is outside query boundaries based on provided conditions",
        };
        Err(invalid(outside))
    }
}
