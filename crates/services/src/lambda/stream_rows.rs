//! What is stored of how far a mapping has read: a row for each lane of each shard.

use super::mapping::{Mapping, StreamSettings};
use super::stream_source::{Position, Source};
use crate::storage::decode;
use aloft_base::Timestamp;
use aloft_engine::{Context, ServiceError};
use aloft_store::{Key, Keyspace, StoreError, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Rows by mapping, shard and lane.
const LANES: Keyspace = "lambda.stream-lanes";

/// How far a lane has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LaneRow {
    pub position: Position,
    /// The tumbling window that is open.
    pub window: Option<Window>,
    /// Whether the shard has been read to its end.
    pub is_done: bool,
}

/// A tumbling window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Window {
    pub start: Timestamp,
    pub state: Value,
}

/// Which lane of which shard of which mapping.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct LaneKey {
    pub mapping: String,
    pub shard: String,
    pub lane: u64,
}

impl LaneKey {
    fn key(&self) -> Key {
        key([self.mapping.as_str(), self.shard.as_str()]).number(self.lane)
    }
}

impl LaneRow {
    pub fn at(position: Position) -> Self {
        Self { position, window: None, is_done: false }
    }

    pub fn find(context: &Context, at: &LaneKey) -> Result<Option<Self>, StoreError> {
        context.store().read()?.get_json(LANES, at.key())
    }

    pub async fn save(&self, context: &Context, at: &LaneKey) -> Result<(), StoreError> {
        let (row, key) = (self.clone(), at.key());
        context.store().write(move |transaction| transaction.put_json(LANES, key, &row)).await
    }
}

/// Where each shard of a new mapping begins.
pub(super) type Beginning = BTreeMap<String, Position>;

/// Where a new mapping begins: what `LATEST` means is decided now, so that nothing is missed from now on.
pub(super) async fn begin(
    context: &Context,
    source: &Source,
    settings: &StreamSettings,
) -> Result<Beginning, ServiceError> {
    let arn: aloft_base::Arn =
        source.arn.parse().map_err(|_| super::errors::invalid("Unrecognized event source."))?;
    let context = context.as_service("lambda").within(&arn);
    let shards = source.shards(&context).await.map_err(|error| {
        super::errors::invalid(format!("Stream not found: {}: {}", source.arn, error.message))
    })?;
    let mut beginning = Beginning::new();
    for shard in shards {
        let position = match (settings.starting_position.as_str(), settings.starting_time) {
            ("AT_TIMESTAMP", Some(time)) => Position::Time(time),
            ("LATEST", _) => end_of(&context, source, &shard.id).await?,
            _ => Position::Oldest,
        };
        beginning.insert(shard.id, position);
    }
    Ok(beginning)
}

/// Behind the last record of a shard.
async fn end_of(context: &Context, source: &Source, shard: &str) -> Result<Position, ServiceError> {
    let mut position = Position::Oldest;
    loop {
        let page = source.records(context, shard, &position, 1000).await?;
        match page.records.last() {
            Some(last) => position = Position::After(last.sequence.clone()),
            None => return Ok(position),
        }
    }
}

/// Writes down where a new mapping begins.
pub(super) fn save(
    transaction: &mut Transaction<'_>,
    mapping: &Mapping,
    beginning: &Beginning,
) -> Result<(), StoreError> {
    for (shard, position) in beginning {
        for lane in 0..mapping.lanes() {
            let at = LaneKey { mapping: mapping.id.clone(), shard: shard.clone(), lane };
            transaction.put_json(LANES, at.key(), &LaneRow::at(position.clone()))?;
        }
    }
    Ok(())
}

/// Gives a mapping another number of lanes: all go on where the slowest of a shard was.
pub(super) fn spread(transaction: &mut Transaction<'_>, mapping: &Mapping) -> Result<(), StoreError> {
    let mut slowest: BTreeMap<String, LaneRow> = BTreeMap::new();
    for (place, value) in transaction.scan(LANES, key([&mapping.id]), usize::MAX)? {
        let row: LaneRow = decode(LANES, &value)?;
        let shard = Key::texts(&place[..place.len().saturating_sub(8)]).pop().unwrap_or_default();
        transaction.delete(LANES, place);
        let rank = |row: &LaneRow| (row.is_done, row.position.clone());
        match slowest.get(&shard) {
            Some(other) if rank(other) <= rank(&row) => {}
            _ => drop(slowest.insert(shard, LaneRow { window: None, ..row })),
        }
    }
    for (shard, row) in slowest {
        for lane in 0..mapping.lanes() {
            let at = LaneKey { mapping: mapping.id.clone(), shard: shard.clone(), lane };
            transaction.put_json(LANES, at.key(), &row)?;
        }
    }
    Ok(())
}

/// Forgets how far a mapping has read.
pub(super) fn forget(transaction: &mut Transaction<'_>, mapping: &str) -> Result<(), StoreError> {
    transaction.delete_prefix(LANES, key([mapping])).map(drop)
}
