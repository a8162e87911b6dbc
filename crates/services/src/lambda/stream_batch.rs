//! Records on their way to a function: tried until they succeed or are given up, whole or in parts.

use super::destinations;
use super::invoke::{self, Call};
use super::stream_lane::Lane;
use super::stream_poller::StreamPoller;
use super::stream_source::Record;
use crate::target::queue_url;
use aloft_base::Timestamp;
use aloft_engine::ServiceError;
use serde_json::{Value, json};
use std::time::Duration;

/// The longest pause between two tries of a batch.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long a batch waits for room in the function.
const PATIENCE: Duration = Duration::from_secs(5);

/// A batch of a lane.
pub(super) struct Batch<'a> {
    pub lane: &'a Lane,
    pub window: Option<WindowPart>,
}

/// The tumbling window that a batch belongs to.
#[derive(Clone)]
pub(super) struct WindowPart {
    pub start: Timestamp,
    pub end: Timestamp,
    pub state: Value,
    pub is_final: bool,
    pub is_early: bool,
}

/// What became of a batch.
#[derive(Default)]
pub(super) struct Done {
    /// What is still to be delivered, the first part last.
    pub rest: Vec<Vec<Record>>,
    /// The last record that is done, when it is not that of the batch.
    pub reached: Option<String>,
    /// The window's new state.
    pub state: Option<Value>,
}

/// What a try came to.
enum Step {
    Done(Option<Value>),
    /// The records from this index on are still to be done, and what the function answered. Whether it named the record.
    Failed {
        from: usize,
        named: bool,
        answer: Value,
    },
}

impl Batch<'_> {
    fn poller(&self) -> &StreamPoller {
        &self.lane.poller
    }

    /// Tries a batch until it is done, given up, or cut in parts.
    pub async fn deliver(&self, mut records: Vec<Record>) -> Result<Done, ServiceError> {
        let (settings, running) = (&self.poller().settings, &self.poller().running);
        let (mut failures, mut refusals, mut reached) = (0u32, 0u32, None);
        loop {
            self.drop_old(&mut records, &mut reached).await;
            if records.is_empty() {
                return Ok(Done::default());
            }
            let step = match self.attempt(&records).await {
                // There was no room, or the cloud stops: that does not count.
                Err(error) if error.status == 429 || error.status >= 500 => {
                    refusals += 1;
                    running.waiting.pause(pause(refusals)).await;
                    continue;
                }
                Err(error) if error.code == "ResourceNotFoundException" => return Err(error),
                Err(error) => {
                    let answer = json!({ "errorType": error.code, "errorMessage": error.message });
                    Step::Failed { from: 0, named: false, answer }
                }
                Ok(step) => step,
            };
            let (from, named, answer) = match step {
                Step::Done(state) => return Ok(Done { state, ..Done::default() }),
                Step::Failed { from, named, answer } => (from, named, answer),
            };
            failures = if from > 0 { 1 } else { failures + 1 };
            if let Some(last) = records.drain(..from).next_back() {
                reached = Some(last.sequence);
            }
            if settings.bisect && !named && records.len() > 1 {
                let second = records.split_off(records.len() / 2);
                return Ok(Done { rest: vec![second, records], reached, state: None });
            }
            if settings.retries.is_some_and(|retries| failures > retries) {
                self.give_up(&records, "RetryAttemptsExhausted", failures, &answer).await;
                return Ok(Done::default());
            }
            running.waiting.pause(pause(failures)).await;
        }
    }

    /// Ends a window. It is tried as often as a batch would be.
    pub async fn close(&self) -> Result<(), ServiceError> {
        let (settings, running) = (&self.poller().settings, &self.poller().running);
        let mut failures = 0u32;
        loop {
            match self.attempt(&[]).await {
                Ok(Step::Done(_)) => return Ok(()),
                Err(error) if error.code == "ResourceNotFoundException" => return Err(error),
                Err(error) if error.status == 429 || error.status >= 500 => {}
                _ => failures += 1,
            }
            if settings.retries.is_some_and(|retries| failures > retries) {
                tracing::warn!(mapping = self.poller().mapping.id, "the end of a window was given up");
                return Ok(());
            }
            running.waiting.pause(pause(failures.max(1))).await;
        }
    }

    async fn attempt(&self, records: &[Record]) -> Result<Step, ServiceError> {
        let poller = self.poller();
        let (running, name) = (&poller.running, &poller.mapping.function);
        let target = running.targets.find(running, &poller.context, name).await?;
        let mut call = Call::new(&poller.context, self.payload(records).to_string().into());
        call.cause = poller.mapping.source.as_str().into();
        call.iterator_age = records.last().map(|record| poller.context.now().since(record.at));
        call.wait = Some(PATIENCE);
        let outcome = invoke::run(running, &poller.context, name, &target, call).await?;
        let answer: Value = serde_json::from_slice(&outcome.payload).unwrap_or_default();
        if outcome.error.is_some() {
            return Ok(Step::Failed { from: 0, named: false, answer });
        }
        let state = self.window.as_ref().map(|_| match &answer["state"] {
            Value::Null => json!({}),
            state => state.clone(),
        });
        let failed = answer["batchItemFailures"].as_array().map_or(&[][..], Vec::as_slice);
        if !poller.mapping.reports_failures() || failed.is_empty() {
            return Ok(Step::Done(state));
        }
        let is_named = |record: &Record| failed.iter().any(|it| it["itemIdentifier"] == record.sequence);
        // The lowest that failed is where to go on; a name that is no record's means all.
        let from = records.iter().position(is_named);
        Ok(Step::Failed { from: from.unwrap_or(0), named: from.is_some(), answer })
    }

    fn payload(&self, records: &[Record]) -> Value {
        let events: Vec<&Value> = records.iter().map(|record| &record.event).collect();
        let mut payload = json!({ "Records": events });
        if let Some(window) = &self.window {
            payload["window"] =
                json!({ "start": window.start.iso8601_seconds(), "end": window.end.iso8601_seconds() });
            payload["state"] = window.state.clone();
            payload["shardId"] = self.lane.at.shard.clone().into();
            payload["eventSourceARN"] = self.poller().source.arn.clone().into();
            payload["isFinalInvokeForWindow"] = window.is_final.into();
            payload["isWindowTerminatedEarly"] = window.is_early.into();
        }
        payload
    }

    /// Gives up the records that are too old.
    async fn drop_old(&self, records: &mut Vec<Record>, reached: &mut Option<String>) {
        let Some(age) = self.poller().settings.age_seconds else { return };
        let now = self.poller().context.now();
        let is_old = |record: &Record| now.since(record.at) > Duration::from_secs(age);
        let count = records.iter().take_while(|record| is_old(record)).count();
        let old: Vec<Record> = records.drain(..count).collect();
        if let Some(last) = old.last() {
            *reached = Some(last.sequence.clone());
            self.give_up(&old, "RecordAgeExceeded", 0, &Value::Null).await;
        }
    }

    /// Tells the destination for failures of records that are given up.
    async fn give_up(&self, records: &[Record], condition: &str, tries: u32, answer: &Value) {
        let poller = self.poller();
        tracing::warn!(
            mapping = poller.mapping.id,
            count = records.len(),
            condition,
            "records were given up"
        );
        let Some(destination) = &poller.settings.on_failure else { return };
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return };
        let mut record = json!({
            "requestContext": {
                "requestId": poller.context.ids().uuid(),
                "functionArn": poller.mapping.function.arn(),
                "condition": condition,
                "approximateInvokeCount": tries,
            },
            "version": "1.0",
            "timestamp": poller.context.now().iso8601(),
            poller.source.batch_info(): {
                "shardId": self.lane.at.shard,
                "startSequenceNumber": first.sequence,
                "endSequenceNumber": last.sequence,
                "approximateArrivalOfFirstRecord": first.at.iso8601_seconds(),
                "approximateArrivalOfLastRecord": last.at.iso8601_seconds(),
                "batchSize": records.len(),
                "streamArn": poller.source.arn,
            },
        });
        if !answer.is_null() {
            record["responseContext"] =
                json!({ "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" });
        }
        let context = crate::target::there(&poller.context, destination);
        let told = if let Some(bucket) = destination.strip_prefix("arn:aws:s3:::") {
            // There is room for the records themselves.
            record["payload"] = self.payload(records);
            let folder = format!("{}/{}", poller.mapping.id, self.lane.at.shard);
            destinations::put_object(&context, bucket, &folder, &record).await.map(|()| Value::Null)
        } else if destination.contains(":sns:") {
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

/// How long to wait after so many failures: twice as long each time.
fn pause(failures: u32) -> Duration {
    Duration::from_secs(1u64.checked_shl(failures.saturating_sub(1)).unwrap_or(u64::MAX)).min(LONGEST_PAUSE)
}
