//! `GetItem`: one item by its key.

use super::DynamoDb;
use super::capacity::{self, Capacity, read_units};
use super::error::{Result, not_found};
use super::item::place_of_key;
use super::request::{Expressions, GET};
use super::rows;
use super::table::{Address, Table};
use crate::storage::Rows;
use aloft_engine::Context;
use aloft_lang::expression::Item;
use aloft_lang::expression::Projection;
use aloft_lang::expression::value::{check_item, item_size};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetInput {
    table_name: String,
    key: Item,
    #[serde(default)]
    consistent_read: Option<bool>,
    return_consumed_capacity: Option<String>,
    #[serde(flatten)]
    expressions: Expressions,
}

/// What reading one item gave.
pub(super) struct Found {
    pub table: Table,
    /// As the caller wants it.
    pub item: Option<Item>,
    /// The bytes of the whole item.
    pub size: usize,
}

/// Reads the item of a key.
pub(super) fn find(
    source: &impl Rows,
    address: &Address,
    key: &Item,
    projection: Option<&Projection>,
) -> Result<Found> {
    let table = address.find(source)?.ok_or_else(not_found)?;
    let place = place_of_key(&table, &check_item(key)?)?;
    let item = rows::get(source, &table, &place)?;
    let size = item.as_ref().map_or(0, item_size);
    let item = match projection {
        Some(projection) => item.map(|item| projection.project(&item)),
        None => item,
    };
    Ok(Found { table, item, size })
}

pub(super) async fn get(_: &DynamoDb, context: &Context, input: GetInput) -> Result<Value> {
    check_item(&input.key)?;
    let parsed = input.expressions.parse(&GET)?;
    let address = Address::of(context, &input.table_name)?;
    let found = find(&context.store().read()?, &address, &input.key, parsed.projection.as_ref())?;
    let mut out = json!({});
    if let Some(item) = found.item {
        out["Item"] = Value::Object(item);
    }
    let mode = input.return_consumed_capacity.as_deref();
    if capacity::is_wanted(mode) {
        let units = read_units(found.size, input.consistent_read.unwrap_or_default());
        out["ConsumedCapacity"] =
            Capacity { table: units, ..Capacity::default() }.describe(mode, &input.table_name);
    }
    Ok(out)
}
