//! Work in pieces on many rows: filling a new index, finding what expires, expiring, sweeping what nobody sees any more.
//!
//! Keeps true: no transaction touches more than a bounded number of rows, and a timer takes up what a crash interrupted.

use super::error::Result;
use super::rows::{self, ENTRIES, EXPIRIES, ITEMS};
use super::stream::{Cause, Change};
use super::table::{Address, Table};
use crate::storage::decode;
use aloft_base::Timestamp;
use aloft_engine::Context;
use aloft_engine::timers::{self, Timer};
use aloft_lang::expression::Item;
use aloft_store::{Key, StoreError, Transaction, key};
use serde_json::{Value, json};
use std::ops::Bound;
use std::time::Duration;

/// How many rows one transaction touches.
const AT_ONCE: usize = 500;
/// When a timer looks whether work that a request began was finished.
const LATER: Duration = Duration::from_secs(60);

/// Remembers that a table's new index, or its expiry, is being filled.
pub(super) fn begin_fill(
    transaction: &mut Transaction<'_>,
    address: &Address,
    table: &Table,
    now: Timestamp,
) -> Result<()> {
    let payload = json!({"table": address.name, "id": table.id});
    Ok(timers::set(transaction, &timer(address, format!("fill/{}", table.id), now.add(LATER), payload))?)
}

/// Goes through all items of a table, for its indexes that are not yet active and for its expiry.
pub(super) async fn fill(context: &Context, address: &Address, id: &str) -> Result<()> {
    let mut after = None;
    loop {
        let (address, id, now) = (address.clone(), id.to_owned(), context.now());
        let piece =
            move |transaction: &mut Transaction<'_>| fill_piece(transaction, &address, &id, now, after);
        after = context.store().write(piece).await?;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Fills from the row after `after` on, and gives the last row that it came to, or nothing when it is done.
fn fill_piece(
    transaction: &mut Transaction<'_>,
    address: &Address,
    id: &str,
    now: Timestamp,
    after: Option<Vec<u8>>,
) -> Result<Option<Vec<u8>>> {
    let Some(mut table) = address.find(transaction)?.filter(|table| table.id == id) else { return Ok(None) };
    let all = key([id]);
    let end = after_prefix(all.as_ref());
    let from = match &after {
        Some(after) => Bound::Excluded(after.as_slice()),
        None => Bound::Included(all.as_ref()),
    };
    let change = Change { at: now, address: address.clone(), cause: Cause::Request };
    let found = transaction.range(ITEMS, from, Bound::Excluded(&end), AT_ONCE, false)?;
    for (row, bytes) in &found {
        let place = &row[all.as_ref().len()..];
        let item: Item = decode(ITEMS, bytes)?;
        for index in table.indexes.iter().filter(|index| !index.active) {
            rows::fill_index(transaction, &table, index, place, &item)?;
        }
        rows::track_expiry(transaction, &table, &change, place, None, Some(&item))?;
    }
    if found.len() == AT_ONCE {
        return Ok(found.into_iter().next_back().map(|(row, _)| row));
    }
    table.indexes.iter_mut().for_each(|index| index.active = true);
    address.save(transaction, &table)?;
    timers::cancel(transaction, super::NAME, &format!("fill/{id}"))?;
    Ok(None)
}

/// Deletes the items that have expired.
pub(super) async fn expire(context: &Context, timer: &Timer) -> Result<()> {
    let (address, id, now) = (address_of(context, timer)?, id_of(timer), context.now());
    let expire = move |transaction: &mut Transaction<'_>| {
        let Some(table) = address.find(transaction)?.filter(|table| table.id == id) else { return Ok(()) };
        let Some(all) = rows::expiries_key(&table) else { return Ok(()) };
        let change = Change { at: now, address, cause: Cause::Expiry };
        for (row, place) in transaction.scan(EXPIRIES, &all, AT_ONCE)? {
            let second = rows::second_of(&all, &row);
            if i128::from(second) > i128::from(now.seconds()) {
                break;
            }
            transaction.delete(EXPIRIES, &row);
            if let Some(item) = rows::get(transaction, &table, &place)? {
                rows::replace(transaction, &table, &change, &place, Some(&item), None)?;
            }
        }
        rows::watch_expiry(transaction, &table, &change, now.add(super::SOON))
    };
    context.store().write(expire).await
}

/// Remembers that all rows of a table, or those of one of its indexes, are no longer needed.
pub(super) fn begin_sweep(
    transaction: &mut Transaction<'_>,
    address: &Address,
    table: &Table,
    part: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    let name = format!("sweep/{}/{}", table.id, part.unwrap_or_default());
    let payload = json!({"table": address.name, "id": table.id, "part": part});
    Ok(timers::set(transaction, &timer(address, name, now, payload))?)
}

/// Removes rows that nobody sees any more.
pub(super) async fn sweep(context: &Context, timer: &Timer) -> Result<()> {
    let id = id_of(timer);
    let (all, keyspaces) = match timer.payload["part"].as_str() {
        Some(part) => (key([&id, part]), &[ENTRIES, EXPIRIES][..]),
        None => (key([&id]), &[ITEMS, ENTRIES, EXPIRIES][..]),
    };
    for &keyspace in keyspaces {
        while sweep_piece(context, keyspace, all.clone()).await? == AT_ONCE {}
    }
    if timer.payload["part"].is_null() {
        let forget = move |transaction: &mut Transaction<'_>| {
            rows::forget_counts(transaction, &id);
            Ok::<_, StoreError>(())
        };
        context.store().write(forget).await?;
    }
    Ok(())
}

async fn sweep_piece(context: &Context, keyspace: &'static str, all: Key) -> Result<usize> {
    let piece = move |transaction: &mut Transaction<'_>| {
        let found = transaction.scan(keyspace, &all, AT_ONCE)?;
        found.iter().for_each(|(row, _)| transaction.delete(keyspace, row));
        Ok(found.len())
    };
    context.store().write(piece).await
}

/// Takes up the filling that a crash interrupted.
pub(super) async fn resume_fill(context: &Context, timer: &Timer) -> Result<()> {
    fill(context, &address_of(context, timer)?, &id_of(timer)).await
}

/// The first key that does not begin with the prefix and lies behind all that do.
pub(super) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            break;
        }
    }
    end
}

fn address_of(context: &Context, timer: &Timer) -> Result<Address> {
    Address::of(context, timer.payload["table"].as_str().unwrap_or_default())
}

fn id_of(timer: &Timer) -> String {
    timer.payload["id"].as_str().unwrap_or_default().to_owned()
}

fn timer(address: &Address, name: String, due: Timestamp, payload: Value) -> Timer {
    Timer {
        service: super::NAME.to_owned(),
        name,
        due,
        account: address.account.clone(),
        region: address.region.clone(),
        payload,
    }
}
