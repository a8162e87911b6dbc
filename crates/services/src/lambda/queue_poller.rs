//! Who takes messages from a queue to a function: the task of a mapping that is enabled.
//!
//! It waits in one long poll at a time and lets batches run beside it. Messages whose invocation failed are left alone:
//! they are visible again after their timeout. Keeps true: nothing is received unless a batch may run.

use super::invoke::{self, Call};
use super::limits;
use super::mapping::Mapping;
use super::queue_batch::{self, Message};
use super::queue_scale::{Permit, Scale};
use super::running::Running;
use super::targets::Target;
use crate::target::queue_url;
use aloft_engine::{Context, ServiceError};
use aloft_lang::pattern::Pattern;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long a poll waits for messages, in seconds.
const POLL: u64 = 20;
/// How long a mapping rests after a poll that failed, such as for a queue that is gone.
const REST: Duration = Duration::from_secs(5);
/// How long a batch waits for room in the function.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it rests between two tries when the cloud has no room.
const AGAIN: Duration = Duration::from_millis(500);

pub(super) struct Poller {
    context: Context,
    running: Arc<Running>,
    mapping: Mapping,
    url: String,
    filters: Vec<Pattern>,
    is_fifo: bool,
}

impl Poller {
    /// For a mapping; the context is that of the queue.
    pub fn new(context: Context, running: &Arc<Running>, mapping: &Mapping) -> Self {
        Self {
            url: queue_url(&context, &mapping.source),
            context,
            running: running.clone(),
            filters: mapping.patterns(),
            is_fifo: mapping.source.ends_with(".fifo"),
            mapping: mapping.clone(),
        }
    }

    /// Polls until the mapping or the cloud stops.
    pub async fn work(self: Arc<Self>, mut stop: watch::Receiver<()>) {
        let scale = Scale::new(self.mapping.most_at_once, self.context.clock());
        let mut stopped = std::pin::pin!(self.context.engine.stopped());
        loop {
            let next = async {
                let permit = scale.enter().await;
                (permit, self.receive().await)
            };
            let (permit, received) = tokio::select! {
                biased;
                _ = stop.changed() => return,
                () = stopped.as_mut() => return,
                next = next => next,
            };
            match received {
                Ok(messages) if messages.is_empty() => scale.idle(),
                Ok(messages) => {
                    let poller = self.clone();
                    self.context.engine.spawn(async move { poller.deliver(messages, permit).await });
                }
                Err(error) => {
                    tracing::debug!(%error, mapping = self.mapping.id, "a queue could not be polled");
                    tokio::select! {
                        () = tokio::time::sleep(REST) => {}
                        _ = stop.changed() => return,
                        () = stopped.as_mut() => return,
                    }
                }
            }
        }
    }

    /// Waits for messages; with a batching window, until there are enough or the window is over.
    async fn receive(&self) -> Result<Vec<Message>, ServiceError> {
        // A function that is gone must not make messages invisible.
        self.running.targets.find(&self.running, &self.context, &self.mapping.function).await?;
        let most = self.mapping.batch_size;
        let mut messages = self.poll(most.min(10), POLL).await?;
        if messages.is_empty() || self.mapping.window_seconds == 0 {
            return Ok(messages);
        }
        let end = Instant::now() + Duration::from_secs(self.mapping.window_seconds);
        while messages.len() < most {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let wait = (left.as_secs_f64().ceil() as u64).min(POLL);
            // What has been received already is delivered in any case.
            match self.poll((most - messages.len()).min(10), wait).await {
                Ok(more) => messages.extend(more),
                Err(_) => break,
            }
        }
        Ok(messages)
    }

    async fn poll(&self, most: usize, wait: u64) -> Result<Vec<Message>, ServiceError> {
        let input = json!({
            "QueueUrl": self.url,
            "MaxNumberOfMessages": most,
            "WaitTimeSeconds": wait,
            "AttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        });
        let answer = self.context.call("sqs", "ReceiveMessage", input).await?;
        let messages = answer["Messages"].as_array().map_or(&[][..], Vec::as_slice);
        let region = self.context.region.as_str();
        Ok(messages.iter().map(|it| Message::read(it, &self.mapping.source, region)).collect())
    }

    async fn deliver(&self, messages: Vec<Message>, permit: Permit) {
        let (wanted, unwanted): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|message| message.passes(&self.filters));
        self.delete(unwanted.iter()).await;
        let limit = limits::bytes(limits::of(&self.context).synchronous_payload);
        for (batch, payload) in queue_batch::events(wanted, limit) {
            let done = match self.invoke(&batch, payload, &permit).await {
                Ok(outcome) => queue_batch::done(&outcome, &batch, self.mapping.reports_failures()),
                Err(error) => {
                    tracing::warn!(%error, mapping = self.mapping.id, "a batch of messages was not delivered");
                    Vec::new()
                }
            };
            let all = done.len() == batch.len();
            self.delete(done.into_iter()).await;
            // What comes behind a message of its group must not overtake it.
            if self.is_fifo && !all {
                return;
            }
        }
    }

    /// Invokes as soon as there is room, for which it waits a while.
    async fn invoke(
        &self,
        batch: &[Message],
        payload: Vec<u8>,
        permit: &Permit,
    ) -> Result<aloft_worker::Outcome, ServiceError> {
        let (running, name) = (&self.running, &self.mapping.function);
        let target: Arc<Target> = running.targets.find(running, &self.context, name).await?;
        let mut call = Call::new(&self.context, payload.into());
        call.cause = self.mapping.source.as_str().into();
        if let Some(trace) = queue_batch::trace(batch, target.mark.as_deref()) {
            call.trace_id = trace;
        }
        let end = Instant::now() + PATIENCE;
        loop {
            call.wait = Some(end.saturating_duration_since(Instant::now()));
            match invoke::run(running, &self.context, name, &target, call.clone()).await {
                Err(error) if error.status == 429 && Instant::now() + AGAIN < end => {
                    permit.throttled();
                    tokio::time::sleep(AGAIN).await;
                }
                other => return other,
            }
        }
    }

    async fn delete(&self, messages: impl Iterator<Item = &Message>) {
        let entries: Vec<Value> = messages
            .enumerate()
            .map(|(number, message)| json!({ "Id": number.to_string(), "ReceiptHandle": message.receipt }))
            .collect();
        for entries in entries.chunks(10) {
            let input = json!({ "QueueUrl": self.url, "Entries": entries });
            if let Err(error) = self.context.call("sqs", "DeleteMessageBatch", input).await {
                tracing::warn!(%error, queue = self.mapping.source, "messages that are done could not be deleted");
            }
        }
    }
}
