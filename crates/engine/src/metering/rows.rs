//! The rows of the ledger in the store: what is written together lies together, since a row each would cost more than the
//! invocation's own work.
//!
//! A block's value is the JSON of its rows, a line each; its key is the number of the last one. Keeps true: the numbers in a
//! block follow one another, so that blocks never overlap and a number is in one of them at most; there are never more than
//! [`ROWS_KEPT`] rows.

use super::row::Row;
use super::series::{damaged, number_of};
use aloft_store::{Key, Keyspace, Snapshot, Store, StoreError, Transaction};
use serde_json::from_slice;
use std::ops::Bound;

/// Blocks of rows, by the number of the last one.
pub const ROWS: Keyspace = "metering.rows";
/// How many rows are kept.
pub const ROWS_KEPT: u64 = 100_000;

/// The most rows in a block.
const BLOCK_ROWS: u64 = 64;
/// How many bytes a block has at most, unless it has one row: with its key it fits a page of the database.
const BLOCK_BYTES: usize = 16 * 1024 - 256;
/// How many blocks are read at once.
const AT_ONCE: usize = 32;

/// Whether a row may have been taken away since: beyond this one none is kept for sure, if `last` is the last one's number.
pub(super) fn is_old(number: u64, last: u64) -> bool {
    number + (ROWS_KEPT - BLOCK_ROWS) <= last
}

/// The number of the last row; numbers begin with 1.
pub(super) fn last(snapshot: &Snapshot) -> Result<u64, StoreError> {
    let last = snapshot.range(ROWS, Bound::Unbounded, Bound::Unbounded, 1, true)?;
    Ok(last.first().map_or(0, |(key, _)| number_of(key)))
}

/// Whether the row with this number is in the store.
pub(super) fn contains(snapshot: &Snapshot, number: u64) -> Result<bool, StoreError> {
    let key = Key::default().number(number);
    let blocks = snapshot.range(ROWS, Bound::Included(key.as_ref()), Bound::Unbounded, 1, false)?;
    let Some((_, block)) = blocks.first() else { return Ok(false) };
    let first = block.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let first: Row = from_slice(first).map_err(|error| damaged(ROWS, &error))?;
    Ok(first.number <= number)
}

/// Writes rows, which come as their numbers, in order, with their JSON; and takes the oldest away.
pub(super) fn put<'a>(
    transaction: &mut Transaction<'_>,
    rows: impl IntoIterator<Item = (u64, &'a [u8])>,
) -> Result<(), StoreError> {
    let (mut block, mut last, mut count) = (Vec::new(), None, 0);
    for (number, text) in rows {
        if let Some(last) = last {
            let is_next = number == last + 1;
            if is_next && count < BLOCK_ROWS && block.len() + text.len() < BLOCK_BYTES {
                block.push(b'\n');
            } else {
                transaction.put(ROWS, Key::default().number(last), std::mem::take(&mut block));
                count = 0;
            }
        }
        block.extend_from_slice(text);
        (last, count) = (Some(number), count + 1);
    }
    let Some(last) = last else { return Ok(()) };
    transaction.put(ROWS, Key::default().number(last), block);
    let Some(oldest) = (last + BLOCK_ROWS).checked_sub(ROWS_KEPT) else { return Ok(()) };
    let end = Key::default().number(oldest);
    let old = transaction.range(ROWS, Bound::Unbounded, Bound::Included(end.as_ref()), usize::MAX, false)?;
    for (key, _) in old {
        transaction.delete(ROWS, key);
    }
    Ok(())
}

/// The last rows, the newest first.
///
/// # Errors
/// When the store cannot be read.
pub fn recent(store: &Store, limit: usize) -> Result<Vec<Row>, StoreError> {
    let snapshot = store.read()?;
    let (mut rows, mut end) = (Vec::new(), None);
    while rows.len() < limit {
        let before = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut blocks = snapshot.range(ROWS, Bound::Unbounded, before, AT_ONCE, true)?;
        for (_, block) in &blocks {
            for text in block.rsplit(|byte| *byte == b'\n') {
                rows.push(from_slice(text).map_err(|error| damaged(ROWS, &error))?);
            }
        }
        match blocks.pop() {
            Some((key, _)) => end = Some(key),
            None => break,
        }
    }
    rows.truncate(limit);
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::super::row::{Row, Verdict};
    use super::super::tests::{ending, invocation};
    use super::*;
    use aloft_base::Timestamp;

    async fn written(store: &Store, numbers: impl IntoIterator<Item = u64>) {
        let texts = numbers.into_iter().map(|number| {
            let (invocation, ending) = (invocation("f", 1).bounded(), ending(1, Verdict::Ok));
            let row = Row { number, ended: Timestamp(0), invocation, ending };
            (number, serde_json::to_vec(&row).expect("JSON"))
        });
        let texts: Vec<(u64, Vec<u8>)> = texts.collect();
        let put = store.write(move |transaction| {
            put(transaction, texts.iter().map(|(number, text)| (*number, text.as_slice())))
        });
        put.await.expect("written");
    }

    /// These are in the store, and none of what lies around them.
    fn check(store: &Store, expected: &[u64]) {
        let numbers = |limit| -> Vec<u64> {
            recent(store, limit).expect("rows").into_iter().map(|row| row.number).collect()
        };
        let newest: Vec<u64> = expected.iter().rev().copied().collect();
        assert_eq!(numbers(usize::MAX), newest);
        assert_eq!(numbers(3), newest[..3]);
        let snapshot = store.read().expect("a view");
        assert_eq!(last(&snapshot).expect("a number"), newest[0]);
        for number in expected[0].saturating_sub(99)..=newest[0] + 1 {
            let found = contains(&snapshot, number).expect("an answer");
            assert_eq!(found, expected.contains(&number), "{number}");
        }
    }

    #[tokio::test]
    async fn rows_lie_in_blocks_that_never_overlap() {
        let store = Store::ephemeral().expect("a store");
        written(&store, [1]).await;
        // Some come late.
        written(&store, (2..=300).filter(|number| ![7, 8, 200].contains(number))).await;
        written(&store, [7, 200]).await;
        written(&store, [8, 301]).await;
        check(&store, &(1..=301).collect::<Vec<u64>>());
        let blocks = store.read().expect("a view").scan(ROWS, [], usize::MAX).expect("blocks");
        assert!(blocks.len() < 50, "{}", blocks.len());
        assert!(blocks.iter().all(|(_, block)| block.len() < BLOCK_BYTES));
    }

    #[tokio::test]
    async fn no_more_are_kept_than_said() {
        let store = Store::ephemeral().expect("a store");
        written(&store, 1..=200).await;
        let new: Vec<u64> = (ROWS_KEPT..=ROWS_KEPT + 50).collect();
        written(&store, new.clone()).await;
        let (last, gap) = (new[50], new[0]);
        let snapshot = store.read().expect("a view");
        let kept: Vec<u64> = (1..=200).filter(|it| contains(&snapshot, *it).expect("an answer")).collect();
        let oldest = *kept.first().expect("some are kept");
        assert!(last - oldest < ROWS_KEPT && !is_old(200, last), "{oldest}");
        // What may be gone is not taken for a row that was never written.
        assert!((1..oldest).all(|number| is_old(number, last)));
        check(&store, &kept.into_iter().chain(gap..=last).collect::<Vec<u64>>());
    }
}
