//! Deliveries: rows with a timer each, done when the target has taken the event or it is given up.

use super::bus::Address;
use super::put::{self, Arrival};
use super::rule::Rule;
use super::transform::{self, Surroundings};
use crate::retry;
use crate::storage::Outcome;
use crate::target::{self, Extras, may_pass, there};
use aloft_base::{AccountId, Arn, Region, Timestamp};
use aloft_engine::timers::{self, Timer};
use aloft_engine::{Context, Principal, ServiceError};
use aloft_store::{StoreError, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Deliveries by id.
const DELIVERIES: &str = "events.deliveries";
/// An event on its way to a target. The target is the one that the rule had when the event came.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Delivery {
    pub rule_arn: String,
    pub rule_name: String,
    pub account: AccountId,
    pub region: Region,
    pub target: Value,
    pub event: Value,
    pub taken: Timestamp,
    pub failures: u64,
    /// The trace of what caused the event.
    pub trace: Option<String>,
    /// How many buses the event has come from.
    pub hops: u64,
}

impl Delivery {
    /// A delivery that was not tried yet.
    pub fn new(rule: &Rule, target: Value, event: Value, now: Timestamp) -> Self {
        Self {
            rule_arn: rule.arn(),
            rule_name: rule.name.clone(),
            account: rule.bus.account.clone(),
            region: rule.bus.region.clone(),
            target,
            event,
            taken: now,
            failures: 0,
            trace: None,
            hops: 0,
        }
    }
}

/// Adds a delivery.
pub(super) fn add(
    transaction: &mut Transaction<'_>,
    delivery: Delivery,
    id: String,
    now: Timestamp,
) -> Result<(), StoreError> {
    let timer = Timer {
        service: "events".to_owned(),
        name: format!("delivery/{id}"),
        due: now,
        account: delivery.account.clone(),
        region: delivery.region.clone(),
        payload: json!({ "id": id }),
    };
    transaction.put_json(DELIVERIES, key([&id]), &delivery)?;
    timers::set(transaction, &timer)
}

/// Makes the delivery that a timer is due for.
pub(super) async fn work(context: &Context, timer: &Timer) -> Outcome<()> {
    let id = timer.payload["id"].as_str().unwrap_or_default().to_owned();
    let found: Option<Delivery> = context.store().read()?.get_json(DELIVERIES, key([&id]))?;
    let Some(mut delivery) = found else { return Ok(()) };
    let surroundings =
        Surroundings { rule_arn: &delivery.rule_arn, rule_name: &delivery.rule_name, taken: delivery.taken };
    let text = transform::apply(&delivery.target, &delivery.event, &surroundings);
    let context = Context {
        trace_id: delivery.trace.as_deref().map(Into::into),
        principal: Principal::Service("events.amazonaws.com".to_owned()),
        source: Some(delivery.rule_arn.as_str().into()),
        ..context.clone()
    };
    if let Err(error) = deliver(&context, &delivery, text.clone()).await {
        delivery.failures += 1;
        let pause =
            retry::pause(&delivery.target["RetryPolicy"], delivery.failures, delivery.taken, context.now());
        if let Some(pause) = pause.filter(|_| may_pass(&error)) {
            let timer = Timer { due: context.now().add(pause), ..timer.clone() };
            let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
                transaction.put_json(DELIVERIES, key([&id]), &delivery)?;
                Ok(timers::set(transaction, &timer)?)
            };
            return context.store().write(write).await;
        }
        give_up(&context, &delivery, text, &error).await;
    }
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        transaction.delete(DELIVERIES, key([&id]));
        Ok(())
    };
    context.store().write(write).await
}

async fn deliver(context: &Context, delivery: &Delivery, text: String) -> Result<(), ServiceError> {
    let target = &delivery.target;
    let arn = target["Arn"].as_str().unwrap_or_default();
    let parsed: Option<Arn> = arn.parse().ok();
    let service = parsed.as_ref().map_or("", |arn| arn.service.as_str());
    let there = there(context, arn);
    match service {
        "logs" => log(&there, parsed.as_ref().map_or("", |arn| arn.resource_name()), delivery, text).await,
        "events" => {
            let Some(bus) = Address::of_arn(arn) else { return Ok(()) };
            let (trace, hops) = (delivery.trace.clone(), delivery.hops + 1);
            let event = serde_json::from_str(&text).unwrap_or_else(|_| delivery.event.clone());
            put::accept(&there, vec![Arrival { bus, event, trace, hops }]).await.map_err(ServiceError::from)
        }
        _ => {
            let path = target["KinesisParameters"]["PartitionKeyPath"].as_str();
            let found =
                path.and_then(|path| aloft_lang::jsonpath::query(path, &delivery.event).ok().flatten());
            let partition_key = found.unwrap_or_else(|| delivery.event["id"].clone());
            let partition_key =
                partition_key.as_str().map_or_else(|| partition_key.to_string(), str::to_owned);
            let extras = Extras {
                group: target["SqsParameters"]["MessageGroupId"].as_str(),
                partition_key: &partition_key,
            };
            let not_built = || super::errors::not_built(&format!("events for targets such as {arn}"));
            target::send(context, arn, text, extras).await.unwrap_or_else(|| Err(not_built()))
        }
    }
}

/// Writes an event into a log group, in a stream of the rule's name.
async fn log(context: &Context, group: &str, delivery: &Delivery, text: String) -> Result<(), ServiceError> {
    let group = group.strip_suffix(":*").unwrap_or(group);
    let stream = json!({ "logGroupName": group, "logStreamName": delivery.rule_name });
    match context.call("logs", "CreateLogStream", stream.clone()).await {
        Err(error) if error.code != "ResourceAlreadyExistsException" => return Err(error),
        _ => {}
    }
    let mut input = stream;
    input["logEvents"] = json!([{ "timestamp": delivery.taken.millis(), "message": text }]);
    context.call("logs", "PutLogEvents", input).await.map(drop)
}

/// Sends what could not be delivered to the target's dead-letter queue, if it has one.
async fn give_up(context: &Context, delivery: &Delivery, text: String, error: &ServiceError) {
    tracing::warn!(rule = delivery.rule_arn, target = %delivery.target["Arn"], %error, "an event was given up");
    let Some(queue) = delivery.target["DeadLetterConfig"]["Arn"].as_str() else { return };
    let mut attributes = vec![
        ("RULE_ARN", delivery.rule_arn.clone()),
        ("TARGET_ARN", delivery.target["Arn"].as_str().unwrap_or_default().to_owned()),
    ];
    attributes.extend(retry::told(&delivery.target["RetryPolicy"], delivery.failures, error));
    retry::bury(context, queue, text, &attributes).await;
}
