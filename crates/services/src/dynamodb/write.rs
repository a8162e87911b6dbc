//! `PutItem`, `UpdateItem`, `DeleteItem`, and the one write that these, batches and transactions are made of.
//!
//! Keeps true: the condition is decided and the item changed in one transaction, so that of two that race one sees what
//! the other did.

use super::DynamoDb;
use super::capacity::{self, Capacity};
use super::error::{Result, condition_failed, invalid, invalid_values, not_found};
use super::item::{MOST_BYTES, check_index_keys, check_new, place_of_item, place_of_key};
use super::request::{Expressions, PUT, UPDATE};
use super::rows;
use super::stream::{Cause, Change};
use super::table::{Address, Table};
use crate::storage::Fault;
use aloft_base::Timestamp;
use aloft_engine::Context;
use aloft_lang::expression::value::{check_item, item_size};
use aloft_lang::expression::{Condition, Item, Update};
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};

/// A write to one item.
pub(super) struct Write {
    pub address: Address,
    pub action: Action,
    pub condition: Option<Condition>,
    /// Whether a failed condition shows the item.
    pub show_on_failure: bool,
}

/// What a write does; each has the whole item or the key.
pub(super) enum Action {
    Put(Item),
    Update(Item, Option<Update>),
    Delete(Item),
    /// Nothing: only the condition counts.
    Check(Item),
}

/// What a write did.
pub(super) struct Written {
    pub table: Table,
    pub old: Option<Item>,
    pub new: Option<Item>,
}

impl Write {
    /// The table, and where the item is in it.
    pub fn place(&self, transaction: &Transaction<'_>) -> Result<(Table, Vec<u8>)> {
        let table = self.address.find(transaction)?.ok_or_else(not_found)?;
        let place = match &self.action {
            Action::Put(item) => place_of_item(&table, item)?,
            Action::Update(key, _) | Action::Delete(key) | Action::Check(key) => place_of_key(&table, key)?,
        };
        if let Action::Update(_, Some(update)) = &self.action
            && let Some(name) = update.attributes().find(|name| table.key.has(name))
        {
            return Err(invalid_values(format!(
                "Cannot update attribute {name}. This attribute is part of the key"
            )));
        }
        Ok((table, place))
    }

    /// Does it.
    pub fn run(&self, transaction: &mut Transaction<'_>, now: Timestamp) -> Result<Written> {
        let (table, place) = self.place(transaction)?;
        let old = rows::get(transaction, &table, &place)?;
        if let Some(condition) = &self.condition {
            let empty = Item::new();
            if !condition.matches(old.as_ref().unwrap_or(&empty)) {
                return Err(condition_failed(old.as_ref().filter(|_| self.show_on_failure)));
            }
        }
        let new = match &self.action {
            Action::Put(item) => Some(item.clone()),
            Action::Update(key, update) => Some(updated(&table, key, update.as_ref(), old.as_ref())?),
            Action::Delete(_) => None,
            Action::Check(_) => return Ok(Written { table, new: old.clone(), old }),
        };
        let change = Change { at: now, address: self.address.clone(), cause: Cause::Request };
        rows::replace(transaction, &table, &change, &place, old.as_ref(), new.as_ref())?;
        Ok(Written { table, old, new })
    }
}

/// The item that an update makes.
fn updated(table: &Table, key: &Item, update: Option<&Update>, old: Option<&Item>) -> Result<Item> {
    let before = old.unwrap_or(key);
    let Some(update) = update else { return Ok(before.clone()) };
    let new = update.apply(before)?;
    if update.touched().iter().any(|path| path.0.len() > 1) {
        // A value that was fine by itself may lie too deep where it was put.
        check_item(&new)?;
    }
    if item_size(&new) > MOST_BYTES {
        return Err(invalid("Item size to update has exceeded the maximum allowed size"));
    }
    check_index_keys(table, &new)?;
    Ok(new)
}

/// What the three operations have in common.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WriteInput {
    table_name: String,
    #[serde(default)]
    item: Item,
    #[serde(default)]
    key: Item,
    return_values: Option<String>,
    return_consumed_capacity: Option<String>,
    return_item_collection_metrics: Option<String>,
    return_values_on_condition_check_failure: Option<String>,
    #[serde(flatten)]
    expressions: Expressions,
}

pub(super) async fn put(_: &DynamoDb, context: &Context, input: WriteInput) -> Result<Value> {
    let item = check_new(&input.item)?;
    check_return_values(&input)?;
    let parsed = input.expressions.clone().parse(&PUT)?;
    write(context, &input, Action::Put(item), parsed.condition).await
}

pub(super) async fn delete(_: &DynamoDb, context: &Context, input: WriteInput) -> Result<Value> {
    let key = check_item(&input.key)?;
    check_return_values(&input)?;
    let parsed = input.expressions.clone().parse(&PUT)?;
    write(context, &input, Action::Delete(key), parsed.condition).await
}

pub(super) async fn update(_: &DynamoDb, context: &Context, input: WriteInput) -> Result<Value> {
    let key = check_item(&input.key)?;
    let parsed = input.expressions.clone().parse(&UPDATE)?;
    write(context, &input, Action::Update(key, parsed.update), parsed.condition).await
}

fn check_return_values(input: &WriteInput) -> Result<()> {
    match input.return_values.as_deref() {
        None | Some("NONE" | "ALL_OLD") => Ok(()),
        Some(_) => Err(invalid("ReturnValues can only be ALL_OLD or NONE")),
    }
}

async fn write(
    context: &Context,
    input: &WriteInput,
    action: Action,
    condition: Option<Condition>,
) -> Result<Value> {
    let address = Address::of(context, &input.table_name)?;
    let show_on_failure = input.return_values_on_condition_check_failure.as_deref() == Some("ALL_OLD");
    let (write, now) = (Write { address, action, condition, show_on_failure }, context.now());
    let (written, action) = (context.store())
        .write(move |transaction| Ok::<_, Fault>((write.run(transaction, now)?, write.action)))
        .await?;
    let mut out = json!({});
    let wanted = input.return_values.as_deref().unwrap_or("NONE");
    let attributes = match (wanted, action) {
        ("ALL_OLD", _) => written.old.clone(),
        ("ALL_NEW", _) => written.new.clone(),
        ("UPDATED_OLD", Action::Update(_, Some(update))) => {
            written.old.as_ref().map(|old| update.touched_part(old))
        }
        ("UPDATED_NEW", Action::Update(_, Some(update))) => {
            written.new.as_ref().map(|new| update.touched_part(new))
        }
        _ => None,
    };
    if let Some(attributes) = attributes.filter(|attributes| !attributes.is_empty()) {
        out["Attributes"] = Value::Object(attributes);
    }
    let mode = input.return_consumed_capacity.as_deref();
    if capacity::is_wanted(mode) {
        let capacity = Capacity::of_write(&written.table, written.old.as_ref(), written.new.as_ref());
        out["ConsumedCapacity"] = capacity.describe(mode, &input.table_name);
    }
    if input.return_item_collection_metrics.as_deref() == Some("SIZE")
        && let Some(metrics) = written.collection_metrics()
    {
        out["ItemCollectionMetrics"] = metrics;
    }
    Ok(out)
}

impl Written {
    /// `ItemCollectionMetrics`: only a table with local indexes has item collections.
    pub fn collection_metrics(&self) -> Option<Value> {
        let item = self.new.as_ref().or(self.old.as_ref())?;
        let partition = &self.table.key.partition.name;
        self.table.indexes.iter().any(|index| !index.global).then(|| {
            json!({"ItemCollectionKey": {partition: item.get(partition)}, "SizeEstimateRangeGB": [0.0, 1.0]})
        })
    }
}
