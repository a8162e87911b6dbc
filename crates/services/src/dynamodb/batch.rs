//! `BatchGetItem` and `BatchWriteItem`.
//!
//! Keeps true: a batch that is wrong in any part does nothing; one that is right is written in one transaction, which is
//! more than the service promises.

use super::DynamoDb;
use super::capacity::{self, Capacity, read_units};
use super::error::not_found;
use super::error::{Result, invalid, key_mismatch};
use super::item::{check_new, place_of_key};
use super::read::find;
use super::request::{Expressions, GET};
use super::table::Address;
use super::write::{Action, Write};
use crate::storage::{Fault, Rows};
use aloft_engine::Context;
use aloft_lang::expression::Item;
use aloft_lang::expression::value::{check_item, item_size};
use aloft_store::Transaction;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const MOST_GETS: usize = 100;
const MOST_WRITES: usize = 25;
/// The most bytes that one answer has; what does not fit is left to be asked for again.
const MOST_BYTES: usize = 16 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetInput {
    request_items: IndexMap<String, Value>,
    return_consumed_capacity: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    keys: Vec<Item>,
    #[serde(default)]
    consistent_read: Option<bool>,
    #[serde(flatten)]
    expressions: Expressions,
}

pub(super) async fn get(_: &DynamoDb, context: &Context, input: GetInput) -> Result<Value> {
    let mut requests = Vec::new();
    for (name, request) in &input.request_items {
        let keys: Keys =
            serde_json::from_value(request.clone()).map_err(|error| invalid(error.to_string()))?;
        let parsed = keys.expressions.clone().parse(&GET)?;
        requests.push((name, request, keys, parsed));
    }
    if requests.iter().map(|(_, _, keys, _)| keys.keys.len()).sum::<usize>() > MOST_GETS {
        return Err(invalid("Too many items requested for the BatchGetItem call"));
    }
    let snapshot = context.store().read()?;
    let mode = input.return_consumed_capacity.as_deref();
    let (mut responses, mut unprocessed) = (json!({}), json!({}));
    let (mut capacities, mut bytes) = (Vec::new(), 0);
    for (name, request, keys, parsed) in &requests {
        let address = Address::of(context, name)?;
        check_distinct(&snapshot, &address, &keys.keys)?;
        let (mut items, mut left, mut units) = (Vec::new(), Vec::new(), 0.0);
        for key in &keys.keys {
            let found = find(&snapshot, &address, key, parsed.projection.as_ref())?;
            if bytes + found.size > MOST_BYTES {
                left.push(key);
                continue;
            }
            bytes += found.size;
            units += read_units(found.size, keys.consistent_read.unwrap_or_default());
            items.extend(found.item);
        }
        responses[name.as_str()] = json!(items);
        if !left.is_empty() {
            let mut again = (*request).clone();
            again["Keys"] = json!(left);
            unprocessed[name.as_str()] = again;
        }
        capacities.push(Capacity { table: units, ..Capacity::default() }.describe(mode, name));
    }
    let mut out = json!({"Responses": responses, "UnprocessedKeys": unprocessed});
    if capacity::is_wanted(mode) {
        out["ConsumedCapacity"] = Value::Array(capacities);
    }
    Ok(out)
}

fn check_distinct(source: &impl Rows, address: &Address, keys: &[Item]) -> Result<()> {
    let table = address.find(source)?.ok_or_else(not_found)?;
    let mut seen = BTreeSet::new();
    for key in keys {
        if !seen.insert(place_of_key(&table, &check_item(key)?)?) {
            return Err(invalid("Provided list of item keys contains duplicates"));
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WriteInput {
    request_items: IndexMap<String, Vec<Request>>,
    return_consumed_capacity: Option<String>,
    return_item_collection_metrics: Option<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    put_request: Option<Put>,
    delete_request: Option<Delete>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Put {
    item: Item,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Delete {
    key: Item,
}

pub(super) async fn write(_: &DynamoDb, context: &Context, input: WriteInput) -> Result<Value> {
    let mut writes = Vec::new();
    for (name, requests) in input.request_items {
        let address = Address::of(context, &name)?;
        for request in requests {
            let action = match (request.put_request, request.delete_request) {
                (Some(put), None) => Action::Put(check_new(&put.item)?),
                (None, Some(delete)) => Action::Delete(check_item(&delete.key)?),
                _ => {
                    return Err(invalid(
                        "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
                    ));
                }
            };
            let write = Write { address: address.clone(), action, condition: None, show_on_failure: false };
            writes.push((name.clone(), write));
        }
    }
    if writes.is_empty() {
        return Err(invalid("The batch write request list for a table cannot be null or empty"));
    }
    if writes.len() > MOST_WRITES {
        return Err(invalid("Too many items requested for the BatchWriteItem call"));
    }
    let now = context.now();
    let write = move |transaction: &mut Transaction<'_>| {
        let mut seen = BTreeSet::new();
        for (_, write) in &writes {
            if !seen.insert((write.address.clone(), write.place(transaction).map_err(as_in_batch)?.1)) {
                return Err(invalid("Provided list of item keys contains duplicates"));
            }
        }
        let run = |(name, write): (String, Write)| Ok((name, write.run(transaction, now)?));
        writes.into_iter().map(run).collect::<Result<Vec<_>>>()
    };
    let written = context.store().write(write).await?;
    let mut out = json!({"UnprocessedItems": {}});
    let mode = input.return_consumed_capacity.as_deref();
    if capacity::is_wanted(mode) {
        let mut capacities = BTreeMap::<&str, Capacity>::new();
        for (name, written) in &written {
            let capacity = Capacity::of_write(&written.table, written.old.as_ref(), written.new.as_ref());
            capacities.entry(name).or_default().add(&capacity);
        }
        out["ConsumedCapacity"] =
            capacities.iter().map(|(name, capacity)| capacity.describe(mode, name)).collect();
    }
    if input.return_item_collection_metrics.as_deref() == Some("SIZE") {
        let mut metrics = BTreeMap::<&str, Vec<Value>>::new();
        for (name, written) in &written {
            metrics.entry(name).or_default().extend(written.collection_metrics());
        }
        metrics.retain(|_, all| !all.is_empty());
        out["ItemCollectionMetrics"] = json!(metrics);
    }
    Ok(out)
}

/// A batch does not tell what is wrong with a key.
fn as_in_batch(failure: Fault) -> Fault {
    match &failure {
        Fault::Service(error)
            if error.message.contains("Missing the key")
                || error.message.contains("Type mismatch for key") =>
        {
            key_mismatch()
        }
        _ => failure,
    }
}

/// Bytes of all items, against the limit of a whole request.
pub(super) fn total_size<'a>(items: impl Iterator<Item = &'a Item>) -> usize {
    items.map(item_size).sum()
}
