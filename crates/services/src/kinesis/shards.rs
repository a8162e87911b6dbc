//! Splitting and merging shards.

use super::Kinesis;
use super::records;
use super::stream::{Range, Shard, Stream, Which, in_use, invalid};
use crate::storage::Fault;
use aloft_base::Timestamp;
use aloft_engine::{Context, ServiceError};
use aloft_store::{StoreError, Transaction};
use serde::Deserialize;
use serde_json::{Value, json};

/// The most shards of a stream.
pub(super) const MOST: usize = 1000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Split {
    #[serde(flatten)]
    which: Which,
    shard_to_split: String,
    new_starting_hash_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Merge {
    #[serde(flatten)]
    which: Which,
    shard_to_merge: String,
    adjacent_shard_to_merge: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateCount {
    #[serde(flatten)]
    which: Which,
    target_shard_count: usize,
}

/// An open shard of that identifier.
fn open(stream: &Stream, id: &str) -> Result<Shard, ServiceError> {
    let shard = stream.shard(id)?;
    if shard.closed.is_some() {
        return Err(in_use(format!(
            "Shard {id} in stream {} under account {} is not in an active state.",
            stream.name, stream.account
        )));
    }
    Ok(shard.clone())
}

/// Closes shards and opens others of these ranges in their place.
fn replace(
    transaction: &mut Transaction<'_>,
    stream: &mut Stream,
    old: &[u64],
    ranges: &[Range],
    now: Timestamp,
) -> Result<(), StoreError> {
    let number = records::next_number(transaction, stream)?;
    for shard in stream.shards.iter_mut().filter(|shard| old.contains(&shard.number)) {
        (shard.closed, shard.last) = (Some(now), Some(number));
    }
    for range in ranges {
        stream.open(*range, old.to_vec(), number + 1, now);
    }
    // The closed shards are dropped when their retention is over.
    records::set_timer(transaction, stream, now.add(stream.retention()))
}

/// `SplitShard`
pub(super) async fn split(_: &Kinesis, context: &Context, input: Split) -> Result<(), Fault> {
    let (address, now) = (input.which.address(context)?, context.now());
    let write = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let mut stream = address.find(transaction)?;
        let shard = open(&stream, &input.shard_to_split)?;
        let key = input.new_starting_hash_key.parse().ok();
        let key: u128 = key.filter(|key| shard.range.from < *key && *key <= shard.range.to).ok_or_else(|| {
            invalid(format!(
                "NewStartingHashKey {} used in SplitShard() on shard {} in stream {} under account {} is not both greater than one plus the shard's StartingHashKey {} and less than the shard's EndingHashKey {}.",
                input.new_starting_hash_key, shard.id(), stream.name, stream.account, shard.range.from, shard.range.to
            ))
        })?;
        let ranges = [Range { to: key - 1, ..shard.range }, Range { from: key, ..shard.range }];
        replace(transaction, &mut stream, &[shard.number], &ranges, now)?;
        Ok(stream.save(transaction)?)
    };
    context.store().write(write).await
}

/// `MergeShards`
pub(super) async fn merge(_: &Kinesis, context: &Context, input: Merge) -> Result<(), Fault> {
    let (address, now) = (input.which.address(context)?, context.now());
    let write = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let mut stream = address.find(transaction)?;
        let (one, two) =
            (open(&stream, &input.shard_to_merge)?, open(&stream, &input.adjacent_shard_to_merge)?);
        let (low, high) = if one.range.from < two.range.from { (&one, &two) } else { (&two, &one) };
        if low.range.to.checked_add(1) != Some(high.range.from) {
            return Err(invalid(format!(
                "Shards {} and {} in stream {} under account {} are not an adjacent pair of shards eligible for merging",
                one.id(), two.id(), stream.name, stream.account
            ))
            .into());
        }
        let range = Range { from: low.range.from, to: high.range.to };
        replace(transaction, &mut stream, &[one.number, two.number], &[range], now)?;
        Ok(stream.save(transaction)?)
    };
    context.store().write(write).await
}

/// `UpdateShardCount`: splits the largest shards, or merges the smallest neighbours, until there are so many.
pub(super) async fn update_count(_: &Kinesis, context: &Context, input: UpdateCount) -> Result<Value, Fault> {
    let (address, now, wanted) = (input.which.address(context)?, context.now(), input.target_shard_count);
    if !(1..=MOST).contains(&wanted) {
        return Err(invalid(format!("TargetShardCount must be between 1 and {MOST}.")).into());
    }
    let write = move |transaction: &mut Transaction<'_>| -> Result<Value, Fault> {
        let mut stream = address.find(transaction)?;
        let before = stream.open_shards().count();
        loop {
            let mut open: Vec<Shard> = stream.open_shards().cloned().collect();
            open.sort_by_key(|shard| shard.range.from);
            if open.len() == wanted {
                break;
            }
            let size = |shard: &Shard| shard.range.to - shard.range.from;
            if open.len() < wanted {
                let Some(largest) = open.iter().rev().max_by_key(|shard| size(shard)) else { break };
                let middle = largest.range.from + size(largest) / 2 + 1;
                let ranges =
                    [Range { to: middle - 1, ..largest.range }, Range { from: middle, ..largest.range }];
                replace(transaction, &mut stream, &[largest.number], &ranges, now)?;
            } else {
                let together = |pair: &&[Shard]| size(&pair[0]).saturating_add(size(&pair[1]));
                let Some([one, two]) = open.windows(2).min_by_key(together) else { break };
                let range = Range { from: one.range.from, to: two.range.to };
                replace(transaction, &mut stream, &[one.number, two.number], &[range], now)?;
            }
        }
        stream.save(transaction)?;
        Ok(json!({
            "StreamName": stream.name,
            "StreamARN": stream.arn(),
            "CurrentShardCount": before,
            "TargetShardCount": wanted,
        }))
    };
    context.store().write(write).await
}
