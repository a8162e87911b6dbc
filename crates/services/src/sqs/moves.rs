//! Message move tasks: all messages of a dead-letter queue go back where they came from, or to another queue.
//!
//! A task is a row and a timer; each firing moves some messages in one transaction, so a restart goes on where it stopped.

use super::queue::{Address, QUEUES, Queue};
use super::{Sqs, attributes, errors, messages, redrive};
use crate::storage::Outcome;
use aloft_base::Timestamp;
use aloft_engine::Context;
use aloft_engine::timers::{self, Timer};
use aloft_store::{Key, StoreError, Transaction, key};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// Tasks by their queue's id and the task's.
const TASKS: &str = "sqs.move-tasks";
/// How many messages are moved in a transaction.
const STEP: usize = 100;
/// How many tasks of a queue are shown at most.
const MOST_SHOWN: usize = 10;

#[derive(Clone, Serialize, Deserialize)]
struct Task {
    id: String,
    source: String,
    destination: Option<String>,
    per_second: Option<u64>,
    status: String,
    moved: u64,
    to_move: u64,
    failure: Option<String>,
    started: Timestamp,
}

impl Task {
    fn save(&self, transaction: &mut Transaction<'_>, queue: &Queue) -> Result<(), StoreError> {
        transaction.put_json(TASKS, task_key(&queue.id, &self.id), self)
    }

    fn handle(&self) -> String {
        BASE64.encode(json!({ "taskId": self.id, "sourceArn": self.source }).to_string())
    }
}

fn task_key(queue: &str, id: &str) -> Key {
    key([queue, id])
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Start {
    source_arn: String,
    destination_arn: Option<String>,
    max_number_of_messages_per_second: Option<i64>,
}

/// `StartMessageMoveTask`
pub(super) async fn start(_: &Sqs, context: &Context, input: Start) -> Outcome<Value> {
    let no_resource =
        || errors::not_found("The resource that you specified for the SourceArn parameter doesn't exist.");
    let address = Address::of_arn(&input.source_arn).ok_or_else(no_resource)?;
    let per_second = match input.max_number_of_messages_per_second {
        Some(number) if !(1..=500).contains(&number) => {
            let reason = "MaxNumberOfMessagesPerSecond must be between 1 and 500.";
            return Err(errors::invalid_value("MaxNumberOfMessagesPerSecond", number, reason).into());
        }
        number => number.map(|number| number as u64),
    };
    let snapshot = context.store().read()?;
    let queue: Queue = snapshot.get_json(QUEUES, address.key())?.ok_or_else(no_resource)?;
    let siblings = snapshot.scan_json::<Queue>(
        QUEUES,
        key([queue.account.as_str(), queue.region.as_str()]),
        usize::MAX,
    )?;
    let serves = |(_, other): &(Vec<u8>, Queue)| {
        redrive::Policy::of(other).is_some_and(|policy| policy.target == queue.arn())
    };
    if !siblings.iter().any(serves) {
        return Err(
            errors::invalid_parameter("Source queue must be configured as a Dead Letter Queue.").into()
        );
    }
    let now = context.now();
    let counts = messages::count(&snapshot, &queue, now)?;
    drop(snapshot);
    let task = Task {
        id: context.ids().uuid(),
        source: input.source_arn,
        destination: input.destination_arn,
        per_second,
        status: "RUNNING".to_owned(),
        moved: 0,
        to_move: counts.visible as u64,
        failure: None,
        started: now,
    };
    let answer = json!({ "TaskHandle": task.handle() });
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        if let Some(destination) = &task.destination
            && attributes::queue_of_arn(transaction, destination)?.is_none()
        {
            let message = "The resource that you specified for the DestinationArn parameter doesn't exist.";
            return Err(errors::not_found(message).into());
        }
        let tasks = transaction.scan_json::<Task>(TASKS, key([&queue.id]), usize::MAX)?;
        if tasks.iter().any(|(_, task)| task.status == "RUNNING") {
            let message = "There is already a task running. Only one active task is allowed for a source queue arn at a given time.";
            return Err(errors::unsupported(message).into());
        }
        task.save(transaction, &queue)?;
        Ok(timers::set(transaction, &timer(&queue, &task.id, now))?)
    };
    context.store().write(write).await?;
    Ok(answer)
}

fn timer(queue: &Queue, task: &str, due: Timestamp) -> Timer {
    Timer {
        service: "sqs".to_owned(),
        name: format!("move/{}", queue.id),
        due,
        account: queue.account.clone(),
        region: queue.region.clone(),
        payload: json!({ "queue": queue.name, "task": task }),
    }
}

/// Goes on with the task that a timer is about: to its end, or for this second's share of it.
pub(super) async fn work(context: &Context, timer_due: &Timer) -> Outcome<()> {
    let text = |name: &str| timer_due.payload[name].as_str().unwrap_or_default().to_owned();
    let (name, id) = (text("queue"), text("task"));
    let address = Address { account: context.account.clone(), region: context.region.clone(), name };
    loop {
        let (address, id, now) = (address.clone(), id.clone(), context.now());
        let more = context.store().write(move |transaction| step(transaction, &address, &id, now)).await?;
        if !more {
            return Ok(());
        }
    }
}

/// Moves some messages, and tells whether to go on at once.
fn step(transaction: &mut Transaction<'_>, address: &Address, id: &str, now: Timestamp) -> Outcome<bool> {
    let Some(queue) = transaction.get_json::<Queue>(QUEUES, address.key())? else { return Ok(false) };
    let found: Option<Task> = transaction.get_json(TASKS, task_key(&queue.id, id))?;
    let Some(mut task) = found.filter(|task| task.status == "RUNNING") else { return Ok(false) };
    let limit = task.per_second.map_or(STEP, |limit| limit as usize);
    let rows = messages::available(transaction, &queue, now, limit)?;
    if rows.is_empty() {
        task.status = "COMPLETED".to_owned();
    }
    for (sequence, message) in rows {
        let target = match task.destination.as_ref().or(message.source.as_ref()) {
            Some(arn) => attributes::queue_of_arn(transaction, arn)?,
            None => None,
        };
        let Some(target) = target else {
            task.status = "FAILED".to_owned();
            task.failure = Some("AWS.SimpleQueueService.NonExistentQueue".to_owned());
            break;
        };
        messages::remove(transaction, &queue, sequence, &message, now)?;
        let fresh = messages::Message { receives: 0, first_received: None, ..message };
        redrive::transfer(transaction, &target, fresh, None, now)?;
        task.moved += 1;
    }
    task.save(transaction, &queue)?;
    let running = task.status == "RUNNING";
    if running && task.per_second.is_some() {
        timers::set(transaction, &timer(&queue, &task.id, now.add(Duration::from_secs(1))))?;
    }
    Ok(running && task.per_second.is_none())
}

/// Drops a queue's tasks.
pub(super) fn forget(transaction: &mut Transaction<'_>, queue: &Queue) -> Result<(), StoreError> {
    transaction.delete_prefix(TASKS, key([&queue.id]))?;
    timers::cancel(transaction, "sqs", &timer(queue, "", Timestamp(0)).name)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    source_arn: String,
    max_results: Option<usize>,
}

/// `ListMessageMoveTasks`, the latest first
pub(super) async fn list(_: &Sqs, context: &Context, input: List) -> Outcome<Value> {
    let no_resource =
        || errors::not_found("The resource that you specified for the SourceArn parameter doesn't exist.");
    let limit = input.max_results.unwrap_or(1);
    if !(1..=MOST_SHOWN).contains(&limit) {
        return Err(errors::invalid_value("MaxResults", limit, "MaxResults must be between 1 and 10.").into());
    }
    let snapshot = context.store().read()?;
    let address = Address::of_arn(&input.source_arn).ok_or_else(no_resource)?;
    let queue: Queue = snapshot.get_json(QUEUES, address.key())?.ok_or_else(no_resource)?;
    let mut tasks = snapshot.scan_json::<Task>(TASKS, key([&queue.id]), usize::MAX)?;
    tasks.sort_by_key(|(_, task)| std::cmp::Reverse(task.started));
    let told = tasks.into_iter().take(limit).map(|(_, task)| {
        let mut told = json!({
            "Status": task.status,
            "SourceArn": task.source,
            "ApproximateNumberOfMessagesMoved": task.moved,
            "ApproximateNumberOfMessagesToMove": task.to_move,
            "StartedTimestamp": task.started.millis(),
        });
        for (name, value) in [
            ("TaskHandle", (task.status == "RUNNING").then(|| json!(task.handle()))),
            ("DestinationArn", task.destination.map(Value::from)),
            ("MaxNumberOfMessagesPerSecond", task.per_second.map(Value::from)),
            ("FailureReason", task.failure.map(Value::from)),
        ] {
            if let Some(value) = value {
                told[name] = value;
            }
        }
        told
    });
    Ok(json!({ "Results": told.collect::<Vec<_>>() }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Cancel {
    task_handle: String,
}

/// `CancelMessageMoveTask`
pub(super) async fn cancel(_: &Sqs, context: &Context, input: Cancel) -> Outcome<Value> {
    let handle: Value = BASE64
        .decode(&input.task_handle)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| {
            errors::invalid_value("TaskHandle", &input.task_handle, "The task handle is invalid.")
        })?;
    let no_task = || errors::not_found("Task does not exist.");
    let text = |name: &str| handle[name].as_str().unwrap_or_default().to_owned();
    let (address, id) = (Address::of_arn(&text("sourceArn")).ok_or_else(no_task)?, text("taskId"));
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Value> {
        let queue: Queue = transaction.get_json(QUEUES, address.key())?.ok_or_else(no_task)?;
        let mut task: Task = transaction.get_json(TASKS, task_key(&queue.id, &id))?.ok_or_else(no_task)?;
        if task.status != "RUNNING" {
            return Err(errors::unsupported("Only active tasks can be cancelled.").into());
        }
        task.status = "CANCELLED".to_owned();
        task.save(transaction, &queue)?;
        timers::cancel(transaction, "sqs", &timer(&queue, &id, Timestamp(0)).name)?;
        Ok(json!({ "ApproximateNumberOfMessagesMoved": task.moved }))
    };
    context.store().write(write).await
}
