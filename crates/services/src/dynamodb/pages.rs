//! `Query` and `Scan`: a range of rows of a table or an index, page by page.
//!
//! Keeps true: a page ends after `Limit` items or one megabyte, whichever comes first, counted before the filter; the
//! key that it ends with is where the next one goes on, even when that item is gone meanwhile.

use super::DynamoDb;
use super::capacity::{self, Capacity, read_units};
use super::error::{Result, invalid, invalid_values, not_found};
use super::item::check_part;
use super::range::{Place, Range};
use super::request::{Expressions, Parsed, QUERY, SCAN};
use super::rows::{self, ITEMS};
use super::table::{Address, KeySchema};
use crate::storage::decode;
use aloft_engine::Context;
use aloft_lang::expression::value::{check_item, item_size};
use aloft_lang::expression::{Item, KeyCondition, SortCondition};
use serde::Deserialize;
use serde_json::{Value, json};
use std::ops::Bound;

/// Where a page ends at the latest.
const MOST_BYTES: usize = 1024 * 1024;
/// How many rows are read at once.
const AT_ONCE: usize = 64;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PageInput {
    table_name: String,
    pub index_name: Option<String>,
    pub select: Option<String>,
    limit: Option<usize>,
    pub consistent_read: Option<bool>,
    scan_index_forward: Option<bool>,
    exclusive_start_key: Option<Item>,
    return_consumed_capacity: Option<String>,
    segment: Option<u64>,
    total_segments: Option<u64>,
    #[serde(flatten)]
    expressions: Expressions,
}

pub(super) async fn query(_: &DynamoDb, context: &Context, input: PageInput) -> Result<Value> {
    let (parsed, start) = prepare(&input, &QUERY)?;
    if !parsed.has_key_condition() {
        return Err(invalid(
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
        ));
    }
    let snapshot = context.store().read()?;
    let table = Address::of(context, &input.table_name)?.find(&snapshot)?.ok_or_else(not_found)?;
    let place = Place::of(&snapshot, &table, &input)?;
    let keys = place.keys();
    let condition =
        parsed.key_condition(&keys.partition.name, keys.sort.as_ref().map(|sort| sort.name.as_str()))?;
    check_condition(keys, &condition)?;
    if let Some(name) =
        parsed.filter.as_ref().and_then(|filter| filter.attributes().find(|name| keys.has(name)))
    {
        let what = if input.expressions.query_filter.is_some() { "QueryFilter" } else { "Filter Expression" };
        return Err(invalid(format!(
            "{what} can only contain non-primary key attributes: Primary key attribute: {name}"
        )));
    }
    let range = place.query_range(&condition);
    let start = start.map(|start| place.query_start(&start, &condition, &range)).transpose()?;
    place.page(&input, &parsed, range, start)
}

pub(super) async fn scan(_: &DynamoDb, context: &Context, input: PageInput) -> Result<Value> {
    let (parsed, start) = prepare(&input, &SCAN)?;
    let segment = segment(&input)?;
    let snapshot = context.store().read()?;
    let table = Address::of(context, &input.table_name)?.find(&snapshot)?.ok_or_else(not_found)?;
    let place = Place::of(&snapshot, &table, &input)?;
    let range = place.scan_range(segment);
    let start = start.map(|start| place.start(&start)).transpose()?;
    if let (Some(start), Some((segment, total))) = (&start, segment)
        && !(range.0..range.1.clone()).contains(start)
    {
        return Err(invalid(format!(
            "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct \
             Segment. TotalSegments: {total} Segment: {segment}"
        )));
    }
    place.page(&input, &parsed, place.scan_range(segment), start)
}

/// Checks what can be checked without the table.
fn prepare(input: &PageInput, takes: &super::request::Takes) -> Result<(Parsed, Option<Item>)> {
    let wants_parts =
        input.expressions.projection_expression.is_some() || input.expressions.attributes_to_get.is_some();
    let start = input.exclusive_start_key.as_ref().map(check_item).transpose()?;
    let parsed = input.expressions.clone().parse(takes)?;
    match input.select.as_deref() {
        Some("SPECIFIC_ATTRIBUTES") if !wants_parts => Err(invalid(
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        )),
        Some(select @ ("ALL_ATTRIBUTES" | "ALL_PROJECTED_ATTRIBUTES" | "COUNT")) if wants_parts => {
            let what = if input.expressions.projection_expression.is_some() {
                "ProjectionExpression"
            } else {
                "AttributesToGet"
            };
            Err(invalid(format!(
                "Cannot specify the {what} when choosing to get {}",
                if select == "COUNT" { "only the Count" } else { select }
            )))
        }
        Some("ALL_PROJECTED_ATTRIBUTES") if input.index_name.is_none() => {
            Err(invalid_values("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName"))
        }
        _ => Ok((parsed, start)),
    }
}

/// The segment of a parallel scan and how many there are.
fn segment(input: &PageInput) -> Result<Option<(u64, u64)>> {
    let required = |missing: &str, given: &str| {
        invalid(format!(
            "The {missing} parameter is required but was not present in the request when {given} is present"
        ))
    };
    match (input.segment, input.total_segments) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(required("TotalSegments", "Segment parameter")),
        (None, Some(_)) => Err(required("Segment", "parameter TotalSegments")),
        (Some(segment), Some(total)) if segment >= total => Err(invalid(format!(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: \
             Segment: {segment} is not less than TotalSegments: {total}"
        ))),
        (Some(segment), Some(total)) => Ok(Some((segment, total))),
    }
}

/// Refuses values that the keys cannot have.
fn check_condition(keys: &KeySchema, condition: &KeyCondition) -> Result<()> {
    let mismatch = || invalid_values("Condition parameter type does not match schema type");
    let kind_fits = |kind: &str, value: &Value| value.get(kind).is_some();
    let partition = &condition.partition.1;
    if !kind_fits(&keys.partition.kind, partition) {
        return Err(mismatch());
    }
    check_part(&keys.partition, partition, true)?;
    if let (Some(sort), Some(wanted)) = (&keys.sort, &condition.sort) {
        if wanted.values().into_iter().any(|value| !kind_fits(&sort.kind, value)) {
            return Err(mismatch());
        }
        if let SortCondition::Equal(value) = wanted {
            check_part(sort, value, false)?;
        }
    }
    Ok(())
}

impl Place<'_> {
    /// Which attributes a reader gets of an item, when it asks for no parts.
    fn visible(&self, input: &PageInput, parsed: &Parsed, item: Item) -> Item {
        let Some(index) = self.index else { return item };
        let asks_beyond = || {
            let mut paths = parsed.projection.iter().flat_map(|projection| projection.paths());
            paths.any(|path| !index.projects(self.table, path.attribute()))
        };
        // A local index fetches from its table what it does not have.
        let fetches = !index.global && (input.select.as_deref() == Some("ALL_ATTRIBUTES") || asks_beyond());
        if fetches { item } else { index.project(self.table, &item) }
    }

    /// The item that a row stands for.
    fn item(&self, row: &[u8]) -> Result<Option<Item>> {
        match self.index {
            Some(_) => rows::get(self.snapshot, self.table, row),
            None => Ok(Some(decode(ITEMS, row)?)),
        }
    }

    fn page(
        &self,
        input: &PageInput,
        parsed: &Parsed,
        (mut from, mut to): Range,
        start: Option<Vec<u8>>,
    ) -> Result<Value> {
        self.check_projection(parsed)?;
        let backwards = input.scan_index_forward == Some(false);
        let limit = input.limit.unwrap_or(usize::MAX).max(1);
        let mut from_is_taken = false;
        match start {
            Some(start) if backwards => to = start,
            Some(start) => (from, from_is_taken) = (start, true),
            None => {}
        }
        let (mut items, mut scanned, mut matched, mut bytes) = (Vec::new(), 0, 0, 0);
        let mut last = None;
        'page: loop {
            let lower = if from_is_taken { Bound::Excluded(&from[..]) } else { Bound::Included(&from[..]) };
            let found = self.snapshot.range(
                self.keyspace(),
                lower,
                Bound::Excluded(&to[..]),
                AT_ONCE.min(limit),
                backwards,
            )?;
            let is_end = found.len() < AT_ONCE.min(limit);
            for (key, row) in found {
                let Some(item) = self.item(&row)? else { continue };
                let item = self.visible(input, parsed, item);
                scanned += 1;
                bytes += item_size(&item);
                let is_full = scanned >= limit || bytes >= MOST_BYTES;
                if is_full {
                    last = Some(self.last_key(&item));
                }
                if parsed.filter.as_ref().is_none_or(|filter| filter.matches(&item)) {
                    matched += 1;
                    if input.select.as_deref() != Some("COUNT") {
                        items.push(
                            parsed
                                .projection
                                .as_ref()
                                .map_or_else(|| item.clone(), |projection| projection.project(&item)),
                        );
                    }
                }
                if is_full {
                    break 'page;
                }
                if backwards { to = key } else { (from, from_is_taken) = (key, true) }
            }
            if is_end {
                break;
            }
        }
        let mut out = json!({"Count": matched, "ScannedCount": scanned});
        if input.select.as_deref() != Some("COUNT") {
            out["Items"] = json!(items);
        }
        if let Some(last) = last {
            out["LastEvaluatedKey"] = Value::Object(last);
        }
        let mode = input.return_consumed_capacity.as_deref();
        if capacity::is_wanted(mode) {
            let units = read_units(bytes, input.consistent_read.unwrap_or_default());
            let mut capacity = Capacity::default();
            match self.index {
                Some(index) => drop(capacity.indexes.insert((index.global, index.name.clone()), units)),
                None => capacity.table = units,
            }
            out["ConsumedCapacity"] = capacity.describe(mode, &input.table_name);
        }
        Ok(out)
    }

    /// A global index cannot give what it does not have.
    fn check_projection(&self, parsed: &Parsed) -> Result<()> {
        let (Some(index), Some(projection)) = (self.index.filter(|index| index.global), &parsed.projection)
        else {
            return Ok(());
        };
        let missing: Vec<&str> = (projection.paths().iter().map(|path| path.attribute()))
            .filter(|name| !index.projects(self.table, name))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(invalid_values(format!(
            "Global secondary index {} does not project [{}]",
            index.name,
            missing.join(", ")
        )))
    }

    fn last_key(&self, item: &Item) -> Item {
        let mut key = self.table.key.of(item);
        if let Some(index) = self.index {
            key.extend(index.key.of(item));
        }
        key
    }
}
