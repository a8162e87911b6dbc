//! Items as they are kept: their rows, the rows of indexes, counts and expiry that go with them, and the keys of all.
//!
//! Keeps true: every row that belongs to an item changes in the transaction that changes the item. An index has no copy
//! of an item but its place, so that what does not concern the index does not touch it.

use super::error::Result;
use super::stream::{self, Change};
use super::table::{Index, Table};
use crate::storage::Rows;
use aloft_base::Timestamp;
use aloft_engine::timers::{self, Timer};
use aloft_lang::expression::Item;
use aloft_lang::expression::value::item_size;
use aloft_store::{Key, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Items by table and place.
pub(super) const ITEMS: &str = "dynamodb.items";
/// The places of items by table, index, the item's place in the index, and its place in the table.
pub(super) const ENTRIES: &str = "dynamodb.index-entries";
/// The places of items by table, expiry setting and second.
pub(super) const EXPIRIES: &str = "dynamodb.expiries";
/// How many items a table and its indexes have.
const COUNTS: &str = "dynamodb.counts";
/// What expired longer ago than this does not expire: five years, in seconds.
const TOO_OLD: i64 = 5 * 365 * 24 * 3600;

/// How many items there are, and their bytes. The table's own are under the empty name, an index's under its id.
pub(super) type Counts = BTreeMap<String, Count>;

/// A number of items and of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Count {
    pub items: i64,
    pub bytes: i64,
}

impl Count {
    fn add(&mut self, sign: i64, item: &Item) {
        self.items += sign;
        self.bytes += sign * i64::try_from(item_size(item)).unwrap_or_default();
    }
}

/// The row of the item at a place.
pub(super) fn item_key(table: &Table, place: &[u8]) -> Key {
    Key::default().text(&table.id).raw(place)
}

/// What all rows of an index begin with.
pub(super) fn entries_key(table: &Table, index: &Index) -> Key {
    Key::default().text(&table.id).text(&index.id)
}

/// The row of an item in an index, if it is in there.
pub(super) fn entry_key(table: &Table, index: &Index, item: &Item, place: &[u8]) -> Option<Key> {
    Some(entries_key(table, index).raw(&[&index.key.place(item)?, place].concat()))
}

/// The item at a place.
pub(super) fn get(source: &impl Rows, table: &Table, place: &[u8]) -> Result<Option<Item>> {
    Ok(source.row(ITEMS, item_key(table, place).as_ref())?)
}

/// The counts of a table.
pub(super) fn counts(source: &impl Rows, table: &str) -> Result<Counts> {
    Ok(source.row(COUNTS, key([table]).as_ref())?.unwrap_or_default())
}

/// Forgets the counts of a table that is gone.
pub(super) fn forget_counts(transaction: &mut Transaction<'_>, table: &str) {
    transaction.delete(COUNTS, key([table]));
}

/// Puts `new` where `old` is, with all that goes with it. Either may be missing.
pub(super) fn replace(
    transaction: &mut Transaction<'_>,
    table: &Table,
    change: &Change,
    place: &[u8],
    old: Option<&Item>,
    new: Option<&Item>,
) -> Result<()> {
    if old == new {
        return Ok(());
    }
    let row = item_key(table, place);
    match new {
        Some(new) => transaction.put_json(ITEMS, row, new)?,
        None => transaction.delete(ITEMS, row),
    }
    let mut counts = counts(transaction, &table.id)?;
    let own = counts.entry(String::new()).or_default();
    old.inspect(|item| own.add(-1, item));
    new.inspect(|item| own.add(1, item));
    for index in &table.indexes {
        let (before, after) = (
            old.and_then(|item| Some((entry_key(table, index, item, place)?, item))),
            new.and_then(|item| Some((entry_key(table, index, item, place)?, item))),
        );
        let count = counts.entry(index.id.clone()).or_default();
        if let Some((key, item)) = &before
            // An index that is still being filled may not have come to this item yet.
            && (index.active || transaction.get(ENTRIES, key)?.is_some())
        {
            count.add(-1, &index.project(table, item));
            if after.as_ref().is_none_or(|(other, _)| other != key) {
                transaction.delete(ENTRIES, key);
            }
        }
        if let Some((key, item)) = after {
            count.add(1, &index.project(table, item));
            transaction.put(ENTRIES, key, place);
        }
    }
    transaction.put_json(COUNTS, key([&table.id]), &counts)?;
    track_expiry(transaction, table, change, place, old, new)?;
    stream::record(transaction, table, change, old, new)
}

/// Puts an item that was there before an index into it.
pub(super) fn fill_index(
    transaction: &mut Transaction<'_>,
    table: &Table,
    index: &Index,
    place: &[u8],
    item: &Item,
) -> Result<()> {
    let Some(entry) = entry_key(table, index, item, place) else { return Ok(()) };
    if transaction.get(ENTRIES, &entry)?.is_none() {
        let mut counts = counts(transaction, &table.id)?;
        counts.entry(index.id.clone()).or_default().add(1, &index.project(table, item));
        transaction.put_json(COUNTS, key([&table.id]), &counts)?;
        transaction.put(ENTRIES, entry, place);
    }
    Ok(())
}

/// The second at which an item expires, if it ever does.
pub(super) fn expires(table: &Table, item: &Item, now: Timestamp) -> Option<u64> {
    let number = item.get(&table.expiry.as_ref()?.attribute)?.get("N").and_then(Value::as_str)?;
    let second: i64 = number.split('.').next()?.parse().ok()?;
    (second > now.seconds() - TOO_OLD).then(|| u64::try_from(second).ok())?
}

/// What all expiry rows of a table begin with.
pub(super) fn expiries_key(table: &Table) -> Option<Key> {
    Some(Key::default().text(&table.id).text(&table.expiry.as_ref()?.id))
}

/// Notes when an item expires, and sees to it that somebody looks then.
pub(super) fn track_expiry(
    transaction: &mut Transaction<'_>,
    table: &Table,
    change: &Change,
    place: &[u8],
    old: Option<&Item>,
    new: Option<&Item>,
) -> Result<()> {
    let Some(all) = expiries_key(table) else { return Ok(()) };
    let row = |item: Option<&Item>| Some(all.clone().number(expires(table, item?, change.at)?).raw(place));
    let (before, after) = (row(old), row(new));
    if before == after {
        return Ok(());
    }
    if let Some(before) = before {
        transaction.delete(EXPIRIES, before);
    }
    if let Some(after) = after {
        transaction.put(EXPIRIES, &after, place);
        let first = transaction.scan(EXPIRIES, &all, 1)?;
        if first.first().is_some_and(|(key, _)| key.as_slice() == after.as_ref()) {
            watch_expiry(transaction, table, change, change.at)?;
        }
    }
    Ok(())
}

/// Sets the timer for the next item that expires, at `earliest` or later.
pub(super) fn watch_expiry(
    transaction: &mut Transaction<'_>,
    table: &Table,
    change: &Change,
    earliest: Timestamp,
) -> Result<()> {
    let Some(all) = expiries_key(table) else { return Ok(()) };
    let Some((row, _)) = transaction.scan(EXPIRIES, &all, 1)?.into_iter().next() else { return Ok(()) };
    let second = second_of(&all, &row);
    let due = Timestamp(i64::try_from(second).unwrap_or(i64::MAX).saturating_mul(1000)).max(earliest);
    let timer = Timer {
        service: super::NAME.to_owned(),
        name: format!("expire/{}", table.id),
        due,
        account: change.address.account.clone(),
        region: change.address.region.clone(),
        payload: json!({"table": table.name, "id": table.id}),
    };
    Ok(timers::set(transaction, &timer)?)
}

/// The second that an expiry row stands for.
pub(super) fn second_of(all: &Key, row: &[u8]) -> u64 {
    let at = all.as_ref().len();
    row.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(u64::MAX, u64::from_be_bytes)
}
