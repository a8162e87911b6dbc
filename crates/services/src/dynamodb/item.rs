//! What an item and a key must be to belong to a table.
//!
//! Values by themselves are checked by `aloft_lang`; here they meet the table's keys. Keeps true: what passes has a
//! place in the table.

use super::error::{Result, invalid, invalid_values, key_mismatch};
use super::table::{KeyAttribute, Table};
use aloft_lang::expression::Item;
use aloft_lang::expression::value::{check_item, item_size, typed};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// The most bytes an item may have.
pub(super) const MOST_BYTES: usize = 400 * 1024;
const MOST_PARTITION_BYTES: usize = 2048;
const MOST_SORT_BYTES: usize = 1024;

/// Checks an item by itself, before its table is known.
pub(super) fn check_new(item: &Item) -> Result<Item> {
    let item = check_item(item)?;
    if item_size(&item) > MOST_BYTES {
        return Err(invalid("Item size has exceeded the maximum allowed size"));
    }
    Ok(item)
}

/// The place of a whole item in its table.
pub(super) fn place_of_item(table: &Table, item: &Item) -> Result<Vec<u8>> {
    for (attribute, is_partition) in key_attributes(table) {
        let KeyAttribute { name, kind } = attribute;
        let Some(value) = item.get(name) else {
            return Err(invalid_values(format!("Missing the key {name} in the item")));
        };
        let actual = typed(value).map_or("", |(actual, _)| actual);
        if actual != kind {
            return Err(invalid_values(format!(
                "Type mismatch for key {name} expected: {kind} actual: {actual}"
            )));
        }
        check_part(attribute, value, is_partition)?;
    }
    check_index_keys(table, item)?;
    table.key.place(item).ok_or_else(key_mismatch)
}

/// The place of a key in its table.
pub(super) fn place_of_key(table: &Table, key: &Item) -> Result<Vec<u8>> {
    if key.len() != key_attributes(table).count() {
        return Err(key_mismatch());
    }
    for (attribute, is_partition) in key_attributes(table) {
        let value = key.get(&attribute.name).ok_or_else(key_mismatch)?;
        if typed(value).is_none_or(|(kind, _)| kind != attribute.kind) {
            return Err(key_mismatch());
        }
        check_part(attribute, value, is_partition)?;
    }
    table.key.place(key).ok_or_else(key_mismatch)
}

/// Checks what an item has of the keys of indexes.
pub(super) fn check_index_keys(table: &Table, item: &Item) -> Result<()> {
    for index in &table.indexes {
        for attribute in index.key.attributes().filter(|attribute| !table.key.has(&attribute.name)) {
            let KeyAttribute { name, kind } = attribute;
            let Some((actual, inner)) = item.get(name).and_then(typed) else { continue };
            if actual != kind {
                return Err(invalid_values(format!(
                    "Type mismatch for Index Key {name} Expected: {kind} Actual: {actual} IndexName: {}",
                    index.name
                )));
            }
            if inner.as_str().is_some_and(str::is_empty) {
                return Err(invalid(format!(
                    "One or more parameter values are not valid. A value specified for a secondary index key is not \
                     supported. The AttributeValue for a key attribute cannot contain an empty {} value. \
                     IndexName: {}, IndexKey: {name}",
                    word(kind),
                    index.name
                )));
            }
        }
    }
    Ok(())
}

/// Checks a value that has a key attribute's type: not empty, not too long.
pub(super) fn check_part(attribute: &KeyAttribute, value: &Value, is_partition: bool) -> Result<()> {
    let Some((kind, text)) = typed(value).and_then(|(kind, inner)| Some((kind, inner.as_str()?))) else {
        return Ok(());
    };
    if text.is_empty() {
        return Err(invalid(format!(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
             empty {} value. Key: {}",
            word(kind),
            attribute.name
        )));
    }
    let bytes = match kind {
        "S" => text.len(),
        "B" => STANDARD.decode(text).map_or(0, |bytes| bytes.len()),
        _ => 0,
    };
    match is_partition {
        // No blank after "of": so the service says it.
        true if bytes > MOST_PARTITION_BYTES => {
            Err(invalid_values("Size of hashkey has exceeded the maximum size limit of2048 bytes"))
        }
        false if bytes > MOST_SORT_BYTES => {
            Err(invalid_values("Aggregated size of all range keys has exceeded the size limit of 1024 bytes"))
        }
        _ => Ok(()),
    }
}

fn word(kind: &str) -> &'static str {
    if kind == "B" { "binary" } else { "string" }
}

fn key_attributes(table: &Table) -> impl Iterator<Item = (&KeyAttribute, bool)> {
    table.key.attributes().enumerate().map(|(at, attribute)| (attribute, at == 0))
}
