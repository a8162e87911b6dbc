//! The task of a mapping that reads a stream: finds the shards, and has each read by as many lanes as the mapping asks for.
//!
//! Keeps true: a shard is read only after those that it came from, so that the records of a key stay in order.

use super::mapping::{Mapping, StreamSettings};
use super::running::Running;
use super::stream_lane::Lane;
use super::stream_rows::{LaneKey, LaneRow};
use super::stream_source::{Shard, Source};
use aloft_engine::{Context, ServiceError, storage_failed};
use aloft_lang::pattern::Pattern;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long it waits for another look at the shards, or after an error.
pub(super) const REST: Duration = Duration::from_secs(5);

/// What the lanes of a mapping share.
pub(super) struct StreamPoller {
    pub context: Context,
    pub running: Arc<Running>,
    pub mapping: Mapping,
    pub settings: StreamSettings,
    pub filters: Vec<Pattern>,
    pub source: Source,
}

/// The lanes that are at work.
#[derive(Default)]
struct Lanes {
    tasks: JoinSet<(LaneKey, Result<(), ServiceError>)>,
    at_work: HashSet<LaneKey>,
}

impl StreamPoller {
    /// For a mapping; the context is that of the stream.
    pub fn new(context: Context, running: &Arc<Running>, mapping: &Mapping, source: Source) -> Arc<Self> {
        Arc::new(Self {
            context,
            running: running.clone(),
            settings: mapping.stream.clone().unwrap_or_default(),
            filters: mapping.patterns(),
            mapping: mapping.clone(),
            source,
        })
    }

    /// Reads until the mapping or the cloud stops.
    pub async fn work(self: Arc<Self>, mut stop: watch::Receiver<()>) {
        let mut stopped = std::pin::pin!(self.context.engine.stopped());
        let mut lanes = Lanes::default();
        loop {
            tokio::select! {
                biased;
                _ = stop.changed() => break,
                () = stopped.as_mut() => break,
                ended = self.look(&mut lanes) => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, mapping = self.mapping.id, "a stream could not be read");
                        // What reads on would fail as well, and is begun anew.
                        lanes.tasks.abort_all();
                        tokio::select! {
                            () = tokio::time::sleep(REST) => {}
                            _ = stop.changed() => break,
                            () = stopped.as_mut() => break,
                        }
                    }
                }
            }
            while let Some(ended) = lanes.tasks.try_join_next() {
                if let Err(error) = lanes.ended(ended) {
                    tracing::debug!(%error, mapping = self.mapping.id, "a shard could not be read");
                }
            }
        }
        lanes.tasks.shutdown().await;
    }

    /// Starts what is to be read, and waits for a reason to look again.
    async fn look(self: &Arc<Self>, lanes: &mut Lanes) -> Result<(), ServiceError> {
        // A function that is gone has nothing to read for.
        self.running.targets.find(&self.running, &self.context, &self.mapping.function).await?;
        if lanes.tasks.is_empty() {
            lanes.at_work.clear();
        }
        let shards = self.source.shards(&self.context).await?;
        for shard in &shards {
            if self.is_ready(shard, &shards)? {
                for lane in 0..self.mapping.lanes() {
                    self.start(lanes, &shard.id, lane)?;
                }
            }
        }
        let ended = tokio::time::timeout(REST, async {
            match lanes.tasks.join_next().await {
                Some(ended) => ended,
                None => std::future::pending().await,
            }
        });
        if let Ok(ended) = ended.await {
            lanes.ended(ended)?;
        }
        Ok(())
    }

    /// Whether all that comes before a shard has been read.
    fn is_ready(&self, shard: &Shard, all: &[Shard]) -> Result<bool, ServiceError> {
        for parent in shard.parents.iter().filter(|id| all.iter().any(|it| it.id == **id)) {
            for lane in 0..self.mapping.lanes() {
                let at = self.lane_key(parent, lane);
                let row = LaneRow::find(&self.context, &at).map_err(|error| storage_failed(&error))?;
                if !row.is_some_and(|row| row.is_done) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn lane_key(&self, shard: &str, lane: u64) -> LaneKey {
        LaneKey { mapping: self.mapping.id.clone(), shard: shard.to_owned(), lane }
    }

    fn start(self: &Arc<Self>, lanes: &mut Lanes, shard: &str, lane: u64) -> Result<(), ServiceError> {
        let at = self.lane_key(shard, lane);
        if lanes.at_work.contains(&at) {
            return Ok(());
        }
        let row = LaneRow::find(&self.context, &at).map_err(|error| storage_failed(&error))?;
        // A shard that came later is read from its beginning.
        let row = row.unwrap_or_else(|| LaneRow::at(super::stream_source::Position::Oldest));
        if !row.is_done {
            lanes.at_work.insert(at.clone());
            let lane = Lane::new(self.clone(), at.clone(), row);
            lanes.tasks.spawn(async move { (at, lane.work().await) });
        }
        Ok(())
    }
}

impl Lanes {
    fn ended(
        &mut self,
        ended: Result<(LaneKey, Result<(), ServiceError>), tokio::task::JoinError>,
    ) -> Result<(), ServiceError> {
        match ended {
            Ok((at, result)) => {
                self.at_work.remove(&at);
                result
            }
            Err(error) if error.is_cancelled() => Ok(()),
            Err(error) => Err(super::errors::failed(format!("a reader of a stream failed: {error}"))),
        }
    }
}
