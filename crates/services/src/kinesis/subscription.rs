//! `SubscribeToShard`: records are sent to a consumer as they come, for five minutes.

use super::Kinesis;
use super::consumers;
use super::read::{self, Piece};
use super::records::{RECORDS, sequence};
use super::stream::Address;
use crate::storage::Fault;
use aloft_engine::{Body, Context, Reply};
use aloft_wire::event_stream::Frame as Event;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long a subscription lasts.
const LASTS: Duration = Duration::from_secs(300);
/// How often there is an event when no record comes.
const QUIET: Duration = Duration::from_secs(5);
/// How many records an event has at most.
const MOST_RECORDS: usize = 1000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Subscribe {
    #[serde(rename = "ConsumerARN")]
    consumer: String,
    shard_id: String,
    starting_position: Position,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Position {
    r#type: String,
    sequence_number: Option<String>,
    timestamp: Option<f64>,
}

/// A subscription.
struct Subscription {
    context: Context,
    address: Address,
    /// The stream's own identifier.
    id: String,
    shard: String,
    next: u64,
    changed: watch::Receiver<u64>,
    until: Instant,
    has_begun: bool,
}

/// `SubscribeToShard`
pub(super) async fn subscribe(_: &Kinesis, context: &Context, input: Subscribe) -> Result<Reply, Fault> {
    let snapshot = context.store().read()?;
    let address = consumers::stream_of(&snapshot, context, &input.consumer)?;
    let stream = address.find(&snapshot)?;
    let shard = stream.shard(&input.shard_id)?;
    let Position { r#type, sequence_number, timestamp } = input.starting_position;
    let given = (sequence_number.as_deref(), timestamp);
    let next = read::begin(&snapshot, &stream, shard, &r#type, given, context.now())?;
    let subscription = Subscription {
        context: context.clone(),
        address,
        id: stream.id.clone(),
        shard: input.shard_id,
        next,
        changed: context.store().watch(RECORDS),
        until: Instant::now() + LASTS,
        has_begun: false,
    };
    let events = stream::unfold(Some(subscription), |subscription| async move {
        let mut subscription = subscription?;
        let (event, goes_on) = subscription.event().await?;
        Some((Ok(Frame::data(event)), goes_on.then_some(subscription)))
    });
    Ok(Reply::new(json!({})).with_body(Body::Open(StreamBody::new(events).boxed_unsync())))
}

fn event(name: &str, told: &Value) -> Bytes {
    Event::event(name, "application/x-amz-json-1.1", told.to_string().into()).encode()
}

impl Subscription {
    /// The next event, and whether there are more behind it; nothing when the time is over.
    async fn event(&mut self) -> Option<(Bytes, bool)> {
        if !self.has_begun {
            self.has_begun = true;
            return Some((event("initial-response", &json!({})), true));
        }
        let quiet = (Instant::now() + QUIET).min(self.until);
        let stopped = self.context.engine.stopped();
        let mut stopped = std::pin::pin!(stopped);
        loop {
            self.changed.borrow_and_update();
            let (piece, children) = self.read().ok()?;
            let is_quiet = Instant::now() >= quiet;
            if piece.records.is_empty() && piece.next.is_some() && !is_quiet {
                tokio::select! {
                    _ = tokio::time::timeout_at(quiet, self.changed.changed()) => continue,
                    () = stopped.as_mut() => return None,
                }
            }
            if Instant::now() >= self.until && piece.records.is_empty() {
                return None;
            }
            let mut told = json!({
                "Records": piece.records,
                "ContinuationSequenceNumber": sequence(piece.next.unwrap_or(self.next).saturating_sub(1)),
                "MillisBehindLatest": u64::try_from(piece.behind.as_millis()).unwrap_or(u64::MAX),
            });
            let Some(next) = piece.next else {
                told["ChildShards"] = children;
                return Some((event("SubscribeToShardEvent", &told), false));
            };
            self.next = next;
            return Some((event("SubscribeToShardEvent", &told), Instant::now() < self.until));
        }
    }

    fn read(&self) -> Result<(Piece, Value), Fault> {
        let snapshot = self.context.store().read()?;
        let stream = self.address.find(&snapshot)?;
        if stream.id != self.id {
            return Err(super::stream::not_found("the stream is another one").into());
        }
        let shard = stream.shard(&self.shard)?;
        let piece = read::piece(&snapshot, &stream, shard, self.next, MOST_RECORDS, self.context.now())?;
        let children = read::children(&stream, shard);
        Ok((piece, children))
    }
}
