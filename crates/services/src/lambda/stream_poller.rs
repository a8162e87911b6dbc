//! Who takes a DynamoDB stream's records to a function: in order, batch by batch, each until it succeeds or is given up.
//!
//! Keeps true: the place that was reached is a row, so a restart goes on there; a record is skipped only when a filter,
//! its age or its retries say so.

use super::invoke::{self, Call};
use super::mapping::{Mapping, StreamSettings};
use super::running::Running;
use crate::target::queue_url;
use aloft_base::Timestamp;
use aloft_engine::{Context, ServiceError, storage_failed};
use aloft_lang::pattern::Pattern;
use aloft_store::{Keyspace, StoreError, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Places by mapping.
const POSITIONS: Keyspace = "lambda.stream-positions";
/// Changes when any stream has new records: only a wake-up, the stream is read through its own API.
const RECORDS: Keyspace = crate::dynamodb::stream::RECORDS;
/// How long it waits when nothing wakes it, or after an error.
const REST: Duration = Duration::from_secs(5);
/// The longest pause between two tries of a batch.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long a batch waits for room in the function.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where reading goes on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Position {
    /// With the oldest record that is there.
    Oldest,
    /// With the record behind this sequence number.
    After(String),
}

impl Position {
    pub fn save(&self, transaction: &mut Transaction<'_>, mapping: &str) -> Result<(), StoreError> {
        transaction.put_json(POSITIONS, key([mapping]), self)
    }

    pub fn forget(transaction: &mut Transaction<'_>, mapping: &str) {
        transaction.delete(POSITIONS, key([mapping]));
    }

    async fn iterator(&self, context: &Context, source: &str, shard: &str) -> Result<Value, ServiceError> {
        let mut input = json!({ "StreamArn": source, "ShardId": shard });
        match self {
            Self::Oldest => input["ShardIteratorType"] = "TRIM_HORIZON".into(),
            Self::After(number) => {
                input["ShardIteratorType"] = "AFTER_SEQUENCE_NUMBER".into();
                input["SequenceNumber"] = number.clone().into();
            }
        }
        let answer = context.call("dynamodbstreams", "GetShardIterator", input).await;
        match answer {
            // What came next has been trimmed away.
            Err(error) if error.code == "TrimmedDataAccessException" => {
                Box::pin(Self::Oldest.iterator(context, source, shard)).await
            }
            other => Ok(other?["ShardIterator"].clone()),
        }
    }
}

/// The stream's one shard.
async fn shard(context: &Context, source: &str) -> Result<String, ServiceError> {
    let answer = context.call("dynamodbstreams", "DescribeStream", json!({ "StreamArn": source })).await?;
    let shard = answer["StreamDescription"]["Shards"][0]["ShardId"].as_str();
    Ok(shard.unwrap_or_default().to_owned())
}

/// Where a new mapping begins: what `LATEST` means is decided now, so that nothing is missed from now on.
pub(super) async fn begin(
    context: &Context,
    source: &str,
    settings: &StreamSettings,
) -> Result<Position, ServiceError> {
    let arn: aloft_base::Arn =
        source.parse().map_err(|_| super::errors::invalid("Unrecognized event source."))?;
    let context = context.as_service("lambda").within(&arn);
    let shard = shard(&context, source).await.map_err(|error| {
        let message = format!("Stream not found: {source}: {}", error.message);
        super::errors::invalid(message)
    })?;
    let mut position = Position::Oldest;
    if settings.starting_position == "TRIM_HORIZON" {
        return Ok(position);
    }
    let mut iterator = position.iterator(&context, source, &shard).await?;
    loop {
        let input = json!({ "ShardIterator": iterator });
        let answer = context.call("dynamodbstreams", "GetRecords", input).await?;
        match answer["Records"].as_array().and_then(|records| records.last()) {
            Some(record) => position = Position::After(number_of(record)),
            None => return Ok(position),
        }
        iterator = answer["NextShardIterator"].clone();
        if iterator.is_null() {
            return Ok(position);
        }
    }
}

fn number_of(record: &Value) -> String {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default().to_owned()
}

/// The task of a mapping.
pub(super) struct StreamPoller {
    context: Context,
    running: Arc<Running>,
    mapping: Mapping,
    settings: StreamSettings,
    filters: Vec<Pattern>,
}

/// What a try of a batch came to.
enum Step {
    Done,
    /// The records from this index on are still to be done.
    Failed(usize, Value),
}

impl StreamPoller {
    /// For a mapping; the context is that of the stream.
    pub fn new(context: Context, running: &Arc<Running>, mapping: &Mapping) -> Self {
        Self {
            context,
            running: running.clone(),
            settings: mapping.stream.clone().unwrap_or_default(),
            filters: mapping.patterns(),
            mapping: mapping.clone(),
        }
    }

    /// Reads until the mapping or the cloud stops.
    pub async fn work(self, mut stop: watch::Receiver<()>) {
        let mut stopped = std::pin::pin!(self.context.engine.stopped());
        loop {
            tokio::select! {
                ended = self.read() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, mapping = self.mapping.id, "a stream could not be read");
                    }
                }
                _ = stop.changed() => return,
                () = stopped.as_mut() => return,
            }
            tokio::select! {
                () = tokio::time::sleep(REST) => {}
                _ = stop.changed() => return,
                () = stopped.as_mut() => return,
            }
        }
    }

    /// Reads to the end of the stream, which comes only when it is switched off.
    async fn read(&self) -> Result<(), ServiceError> {
        let mut changed = self.context.store().watch(RECORDS);
        let shard = shard(&self.context, &self.mapping.source).await?;
        let snapshot = self.context.store().read().map_err(|error| storage_failed(&error))?;
        let stored = snapshot.get_json(POSITIONS, key([&self.mapping.id]));
        let mut position: Position =
            stored.map_err(|error| storage_failed(&error))?.unwrap_or(Position::Oldest);
        drop(snapshot);
        loop {
            changed.borrow_and_update();
            // A function that is gone has nothing to read for.
            self.running.targets.find(&self.running, &self.context, &self.mapping.function).await?;
            let mut answer = self.records(&position, &shard).await?;
            let count = |answer: &Value| answer["Records"].as_array().map_or(0, Vec::len);
            if count(&answer) > 0
                && count(&answer) < self.mapping.batch_size
                && self.mapping.window_seconds > 0
            {
                let end = Instant::now() + Duration::from_secs(self.mapping.window_seconds);
                while count(&answer) < self.mapping.batch_size
                    && tokio::time::timeout_at(end, changed.changed()).await.is_ok()
                {
                    answer = self.records(&position, &shard).await?;
                }
            }
            let records = answer["Records"].as_array().cloned().unwrap_or_default();
            match records.last() {
                Some(last) => {
                    position = Position::After(number_of(last));
                    self.deliver(records).await?;
                    self.reached(&position).await?;
                }
                None if answer["NextShardIterator"].is_null() => return Ok(()),
                None => drop(tokio::time::timeout(REST, changed.changed()).await),
            }
        }
    }

    async fn records(&self, position: &Position, shard: &str) -> Result<Value, ServiceError> {
        let iterator = position.iterator(&self.context, &self.mapping.source, shard).await?;
        let input = json!({ "ShardIterator": iterator, "Limit": self.mapping.batch_size });
        self.context.call("dynamodbstreams", "GetRecords", input).await
    }

    async fn reached(&self, position: &Position) -> Result<(), ServiceError> {
        let (position, id) = (position.clone(), self.mapping.id.clone());
        let write = move |transaction: &mut Transaction<'_>| position.save(transaction, &id);
        self.context.store().write(write).await.map_err(|error: StoreError| storage_failed(&error))
    }

    /// Delivers a batch, and its halves when it is to be halved, in order.
    async fn deliver(&self, records: Vec<Value>) -> Result<(), ServiceError> {
        let wanted = |record: &Value| {
            self.filters.is_empty() || self.filters.iter().any(|filter| filter.matches(record))
        };
        let batch: Vec<Value> = records
            .into_iter()
            .filter(wanted)
            .map(|mut record| {
                record["eventSourceARN"] = self.mapping.source.clone().into();
                record
            })
            .collect();
        // The last is the next.
        let mut left = vec![batch];
        while let Some(batch) = left.pop() {
            if !batch.is_empty() {
                left.extend(self.deliver_one(batch).await?);
            }
        }
        Ok(())
    }

    /// Tries a batch until it is done or given up. What it leaves to others comes back, the first part last.
    async fn deliver_one(&self, mut batch: Vec<Value>) -> Result<Vec<Vec<Value>>, ServiceError> {
        let mut failures = 0;
        loop {
            self.drop_old(&mut batch).await;
            if batch.is_empty() {
                return Ok(Vec::new());
            }
            let (from, error) = match self.attempt(&batch).await {
                Ok(Step::Done) => return Ok(Vec::new()),
                Ok(Step::Failed(from, error)) => (from, error),
                // There was no room, or the cloud stops: that does not count.
                Err(error) if error.status == 429 || error.status >= 500 => {
                    tokio::time::sleep(REST).await;
                    continue;
                }
                Err(error) => (0, json!({ "errorType": error.code, "errorMessage": error.message })),
            };
            failures = if from > 0 { 1 } else { failures + 1 };
            batch.drain(..from);
            if self.settings.bisect && batch.len() > 1 {
                let second = batch.split_off(batch.len() / 2);
                return Ok(vec![second, batch]);
            }
            if self.settings.retries.is_some_and(|retries| failures > retries) {
                self.give_up(&batch, "RetryAttemptsExhausted", failures, &error).await;
                return Ok(Vec::new());
            }
            let pause = Duration::from_secs(1u64.checked_shl(failures - 1).unwrap_or(u64::MAX));
            tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
        }
    }

    async fn attempt(&self, batch: &[Value]) -> Result<Step, ServiceError> {
        let (running, name) = (&self.running, &self.mapping.function);
        let target = running.targets.find(running, &self.context, name).await?;
        let payload = json!({ "Records": batch }).to_string();
        let mut call = Call::new(&self.context, payload.into());
        call.cause.clone_from(&self.mapping.source);
        call.iterator_age = batch.last().map(|record| self.age(record));
        call.wait = Some(PATIENCE);
        let outcome = invoke::run(running, &self.context, name, &target, call).await?;
        let answer: Value = serde_json::from_slice(&outcome.payload).unwrap_or_default();
        if outcome.error.is_some() {
            return Ok(Step::Failed(0, answer));
        }
        let failed = answer["batchItemFailures"].as_array().map_or(&[][..], Vec::as_slice);
        if !self.mapping.reports_failures() || failed.is_empty() {
            return Ok(Step::Done);
        }
        let named = |record: &&Value| failed.iter().any(|it| it["itemIdentifier"] == number_of(record));
        // The lowest that failed is where to go on; a name that is no record's means all.
        let from = batch.iter().position(|record| named(&record)).unwrap_or(0);
        Ok(Step::Failed(from, answer))
    }

    fn age(&self, record: &Value) -> Duration {
        self.context.now().since(made(record))
    }

    /// Gives up the records that are too old.
    async fn drop_old(&self, batch: &mut Vec<Value>) {
        let Some(age) = self.settings.age_seconds else { return };
        let now = self.context.now();
        let is_old = |record: &Value| now.since(made(record)) > Duration::from_secs(age);
        let count = batch.iter().take_while(|record| is_old(record)).count();
        let old: Vec<Value> = batch.drain(..count).collect();
        if !old.is_empty() {
            self.give_up(&old, "RecordAgeExceeded", 0, &Value::Null).await;
        }
    }

    /// Tells the destination for failures of records that are given up.
    async fn give_up(&self, batch: &[Value], condition: &str, tries: u32, error: &Value) {
        tracing::warn!(mapping = self.mapping.id, count = batch.len(), condition, "records were given up");
        let Some(destination) = &self.settings.on_failure else { return };
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return };
        let time = |record: &Value| {
            let made = record["dynamodb"]["ApproximateCreationDateTime"].as_f64().unwrap_or_default();
            Timestamp::from_seconds_f64(made).iso8601_seconds()
        };
        let mut record = json!({
            "requestContext": {
                "requestId": self.context.ids().uuid(),
                "functionArn": self.mapping.function.arn(),
                "condition": condition,
                "approximateInvokeCount": tries,
            },
            "version": "1.0",
            "timestamp": self.context.now().iso8601(),
            "DDBStreamBatchInfo": {
                "shardId": shard(&self.context, &self.mapping.source).await.unwrap_or_default(),
                "startSequenceNumber": number_of(first),
                "endSequenceNumber": number_of(last),
                "approximateArrivalOfFirstRecord": time(first),
                "approximateArrivalOfLastRecord": time(last),
                "batchSize": batch.len(),
                "streamArn": self.mapping.source,
            },
        });
        if !error.is_null() {
            record["responseContext"] =
                json!({ "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" });
        }
        let context = crate::target::there(&self.context, destination);
        let told = if destination.contains(":sns:") {
            let input = json!({ "TopicArn": destination, "Message": record.to_string() });
            context.call("sns", "Publish", input).await
        } else {
            let url = queue_url(&context, destination);
            let input = json!({ "QueueUrl": url, "MessageBody": record.to_string() });
            context.call("sqs", "SendMessage", input).await
        };
        if let Err(error) = told {
            tracing::warn!(%error, destination, "a destination was not told of records that were given up");
        }
    }
}

/// When a record came into its stream.
fn made(record: &Value) -> Timestamp {
    Timestamp::from_seconds_f64(
        record["dynamodb"]["ApproximateCreationDateTime"].as_f64().unwrap_or_default(),
    )
}
