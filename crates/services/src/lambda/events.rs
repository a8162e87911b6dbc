//! Asynchronous events: accepted into a row, tried until they succeed or are given up, then told of to a destination.
//!
//! Keeps true: an event's row goes only after it has been dealt with, so each is delivered at least once.

use super::destinations::{self, Ending};
use super::event_invoke::EventInvoke;
use super::invoke::{self, Call};
use super::name::{FunctionKey, Name};
use super::running::Running;
use crate::storage::Fault;
use aloft_base::Timestamp;
use aloft_engine::timers::{self, Timer};
use aloft_engine::{Context, ServiceError, storage_failed};
use aloft_store::{Key, Keyspace, StoreError, Transaction, key};
use aloft_worker::Outcome;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Events by function, due time and request.
pub(super) const EVENTS: Keyspace = "lambda.events";
/// Their payloads, by request.
const PAYLOADS: Keyspace = "lambda.event-payloads";

/// How often a function that failed is tried again, unless it says otherwise.
const RETRIES: u32 = 2;
/// How long an event is kept, unless the function says otherwise.
const AGE: Duration = Duration::from_secs(6 * 3600);
/// The longest pause between two tries of an event that finds no room.
const LONGEST_PAUSE: u64 = 300;
/// How long an event that is being tried waits for room before it makes a pause: a short invocation ends meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);

/// An event, but for its payload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Event {
    pub name: Name,
    pub request_id: String,
    client_context: Option<String>,
    trace_id: String,
    cause: Arc<str>,
    received: Timestamp,
    /// How often the function failed.
    failures: u32,
    /// How often there was no room.
    refusals: u32,
}

/// Where an event of this function lies that is due then.
pub(super) fn place(function: &FunctionKey, due: Timestamp, request_id: &str) -> Key {
    function.key().number(due.millis().max(0) as u64).text(request_id)
}

/// Writes an event down and has it done soon.
pub(super) async fn accept(
    running: &Arc<Running>,
    context: &Context,
    name: &Name,
    call: Call,
) -> Result<(), ServiceError> {
    let now = context.now();
    let event = Event {
        name: name.clone(),
        request_id: call.request_id,
        client_context: call.client_context,
        trace_id: call.trace_id,
        cause: call.cause,
        received: now,
        failures: 0,
        refusals: 0,
    };
    let write = move |transaction: &mut Transaction<'_>| -> Result<(), StoreError> {
        transaction.put(PAYLOADS, key([&event.request_id]), call.payload);
        transaction.put_json(EVENTS, place(&event.name.function, now, &event.request_id), &event)
    };
    context.store().write(write).await.map_err(|error| storage_failed(&error))?;
    running.dispatchers.wake(&context.engine, running, &name.function);
    Ok(())
}

/// What a try came to.
enum Step {
    /// The event has been dealt with.
    Done,
    /// It is tried again then.
    Again(Timestamp, Box<Event>),
    /// It stays as it is: the cloud is stopping.
    Leave,
}

/// Tries an event that is due.
pub(super) async fn attempt(running: &Arc<Running>, context: &Context, place: Vec<u8>, event: Event) {
    let step = match try_once(running, context, &event).await {
        Ok(step) => step,
        Err(fault) => {
            let error = ServiceError::from(fault);
            tracing::error!(%error, request = event.request_id, "an asynchronous event could not be tried");
            Step::Again(context.now().add(Duration::from_secs(5)), Box::new(event.clone()))
        }
    };
    let request = event.request_id.clone();
    let write = move |transaction: &mut Transaction<'_>| -> Result<(), StoreError> {
        match step {
            Step::Done => {
                transaction.delete(EVENTS, &place);
                transaction.delete(PAYLOADS, key([&request]));
                Ok(())
            }
            Step::Again(due, event) => {
                transaction.delete(EVENTS, &place);
                let function = &event.name.function;
                transaction.put_json(EVENTS, self::place(function, due, &request), &event)?;
                let timer = Timer {
                    service: "lambda".to_owned(),
                    name: format!("event/{request}"),
                    due,
                    account: function.account.clone(),
                    region: function.region.clone(),
                    payload: json!(function),
                };
                timers::set(transaction, &timer)
            }
            Step::Leave => Ok(()),
        }
    };
    if let Err(error) = context.store().write(write).await {
        tracing::error!(%error, request = event.request_id, "an asynchronous event could not be settled");
    }
}

/// How long an event waits that found no room so often before: from a second to five minutes.
fn pause(refusals: u32) -> Duration {
    Duration::from_secs(1u64.checked_shl(refusals).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE))
}

async fn try_once(running: &Arc<Running>, context: &Context, event: &Event) -> Result<Step, Fault> {
    let snapshot = context.store().read()?;
    let settings = EventInvoke::find(&snapshot, &event.name)?.unwrap_or_default();
    let payload = Bytes::from(snapshot.get(PAYLOADS, key([&event.request_id]))?.unwrap_or_default());
    drop(snapshot);
    let target = match running.targets.find(running, context, &event.name).await {
        Ok(target) => target,
        Err(error) if error.code == "ResourceNotFoundException" => {
            tracing::warn!(function = event.name.arn(), "an asynchronous event's function is gone");
            return Ok(Step::Done);
        }
        Err(error) => return Err(error.into()),
    };
    let tries = event.failures + 1;
    let age = settings.age_seconds.map_or(AGE, Duration::from_secs);
    let ending = |condition, outcome, tries| Ending {
        name: event.name.clone(),
        request_id: event.request_id.clone(),
        payload: payload.clone(),
        version: target.spec.version.clone(),
        condition,
        tries,
        outcome,
        dead_letter: target.dead_letter.clone(),
    };
    if target.reserved == Some(0) {
        destinations::tell(context, &settings, ending("ZeroReservedConcurrency", None, event.failures)).await;
        return Ok(Step::Done);
    }
    if context.now().since(event.received) > age {
        destinations::tell(context, &settings, ending("EventAgeExceeded", None, event.failures)).await;
        return Ok(Step::Done);
    }
    let call = Call {
        request_id: event.request_id.clone(),
        payload: payload.clone(),
        client_context: event.client_context.clone(),
        trace_id: event.trace_id.clone(),
        cause: event.cause.clone(),
        iterator_age: None,
        wait: Some(PATIENCE),
        stream: None,
    };
    let outcome: Outcome = match invoke::run(running, context, &event.name, &target, call).await {
        Ok(outcome) => outcome,
        Err(error) if error.status == 503 => return Ok(Step::Leave),
        Err(error) if error.status == 400 => {
            tracing::warn!(%error, function = event.name.arn(), "an asynchronous event cannot be delivered");
            destinations::tell(context, &settings, ending("RetriesExhausted", None, tries)).await;
            return Ok(Step::Done);
        }
        // Neither the lack of room nor the cloud's own mistakes count as tries.
        Err(_) => {
            let due = context.now().add(pause(event.refusals));
            return Ok(Step::Again(due, Box::new(Event { refusals: event.refusals + 1, ..event.clone() })));
        }
    };
    if outcome.error.is_none() {
        destinations::tell(context, &settings, ending("Success", Some(outcome), tries)).await;
        return Ok(Step::Done);
    }
    if tries > settings.retries.unwrap_or(RETRIES) {
        destinations::tell(context, &settings, ending("RetriesExhausted", Some(outcome), tries)).await;
        return Ok(Step::Done);
    }
    // One minute after the first failure, two after the second.
    let due = context.now().add(Duration::from_secs(60) * tries);
    Ok(Step::Again(due, Box::new(Event { failures: tries, ..event.clone() })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_a_second_to_five_minutes() {
        let pauses: Vec<u64> = (0..12).map(|refusals| pause(refusals).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(pause(u32::MAX).as_secs(), 300);
    }
}
