//! What has fired: rows with a timer each, done when the target has taken it or it is given up.

use super::errors;
use super::schedule::Schedule;
use crate::retry;
use crate::storage::Outcome;
use crate::target::{self, Extras, may_pass, there};
use aloft_base::{AccountId, Region, Timestamp};
use aloft_engine::timers::{self, Timer};
use aloft_engine::{Context, Principal, ServiceError};
use aloft_store::{StoreError, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Deliveries by id.
const DELIVERIES: &str = "scheduler.deliveries";

/// A schedule's call on its way to the target that it had when it fired.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Delivery {
    pub schedule: String,
    pub account: AccountId,
    pub region: Region,
    pub target: Value,
    /// The time that the schedule names.
    pub scheduled: Timestamp,
    /// The time of the first try.
    pub taken: Timestamp,
    pub failures: u64,
}

impl Delivery {
    /// A delivery that was not tried yet.
    pub fn new(schedule: &Schedule, scheduled: Timestamp, taken: Timestamp) -> Self {
        Self {
            schedule: schedule.address.arn(),
            account: schedule.address.account.clone(),
            region: schedule.address.region.clone(),
            target: schedule.settings.target.clone(),
            scheduled,
            taken,
            failures: 0,
        }
    }

    /// What the target gets: its input with the context attributes, or the event that stands for none.
    fn text(&self, execution: &str) -> String {
        let time = self.scheduled.iso8601_seconds();
        match self.target["Input"].as_str() {
            Some(input) => fill(input, &self.schedule, &time, execution, self.failures + 1),
            None if self.target["EventBridgeParameters"].is_object() => "{}".to_owned(),
            None => json!({
                "version": "0",
                "id": execution,
                "detail-type": "Scheduled Event",
                "source": "aws.scheduler",
                "account": self.account.as_str(),
                "time": time,
                "region": self.region.as_str(),
                "resources": [self.schedule],
                "detail": "{}",
            })
            .to_string(),
        }
    }
}

/// An input with the context attributes in it. Source: "Adding context attributes" in the user guide.
pub(super) fn fill(input: &str, schedule: &str, time: &str, execution: &str, attempt: u64) -> String {
    input
        .replace("<aws.scheduler.schedule-arn>", schedule)
        .replace("<aws.scheduler.scheduled-time>", time)
        .replace("<aws.scheduler.execution-id>", execution)
        .replace("<aws.scheduler.attempt-number>", &attempt.to_string())
}

/// Adds a delivery.
pub(super) fn add(
    transaction: &mut Transaction<'_>,
    delivery: &Delivery,
    id: String,
    due: Timestamp,
) -> Result<(), StoreError> {
    let timer = Timer {
        service: "scheduler".to_owned(),
        name: format!("delivery/{id}"),
        due,
        account: delivery.account.clone(),
        region: delivery.region.clone(),
        payload: json!({ "id": id }),
    };
    transaction.put_json(DELIVERIES, key([&id]), delivery)?;
    timers::set(transaction, &timer)
}

/// Makes the delivery that a timer is due for.
pub(super) async fn work(context: &Context, timer: &Timer) -> Outcome<()> {
    let id = timer.payload["id"].as_str().unwrap_or_default().to_owned();
    let found: Option<Delivery> = context.store().read()?.get_json(DELIVERIES, key([&id]))?;
    let Some(mut delivery) = found else { return Ok(()) };
    let context = Context {
        principal: Principal::Service("scheduler.amazonaws.com".to_owned()),
        source: Some(delivery.schedule.as_str().into()),
        ..context.clone()
    };
    let execution = context.ids().uuid();
    let text = delivery.text(&execution);
    if let Err(error) = deliver(&context, &delivery, text.clone()).await {
        delivery.failures += 1;
        let policy = &delivery.target["RetryPolicy"];
        let pause = retry::pause(policy, delivery.failures, delivery.taken, context.now());
        if let Some(pause) = pause.filter(|_| may_pass(&error)) {
            let timer = Timer { due: context.now().add(pause), ..timer.clone() };
            let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
                transaction.put_json(DELIVERIES, key([&id]), &delivery)?;
                Ok(timers::set(transaction, &timer)?)
            };
            return context.store().write(write).await;
        }
        give_up(&context, &delivery, text, execution, &error).await;
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
    let bus = &target["EventBridgeParameters"];
    if bus.is_object() {
        let entry = json!({
            "EventBusName": arn,
            "Source": bus["Source"],
            "DetailType": bus["DetailType"],
            "Detail": text,
            "Resources": [delivery.schedule],
            "Time": delivery.scheduled.as_seconds_f64(),
        });
        let answer = there(context, arn).call("events", "PutEvents", json!({ "Entries": [entry] })).await?;
        let told = |name: &str| answer["Entries"][0][name].as_str().map(str::to_owned);
        return match told("ErrorCode") {
            Some(code) => Err(ServiceError::new(code, 400, told("ErrorMessage").unwrap_or_default())),
            None => Ok(()),
        };
    }
    let extras = Extras {
        group: target["SqsParameters"]["MessageGroupId"].as_str(),
        partition_key: target["KinesisParameters"]["PartitionKey"].as_str().unwrap_or_default(),
    };
    let not_built = || errors::not_built(&format!("schedules for targets such as {arn}"));
    target::send(context, arn, text, extras).await.unwrap_or_else(|| Err(not_built()))
}

/// Sends what could not be delivered to the target's dead-letter queue, if it has one.
async fn give_up(
    context: &Context,
    delivery: &Delivery,
    text: String,
    execution: String,
    error: &ServiceError,
) {
    tracing::warn!(schedule = delivery.schedule, target = %delivery.target["Arn"], %error, "a schedule's call was given up");
    let Some(queue) = delivery.target["DeadLetterConfig"]["Arn"].as_str() else { return };
    let mut attributes = vec![
        ("SCHEDULE_ARN", delivery.schedule.clone()),
        ("TARGET_ARN", delivery.target["Arn"].as_str().unwrap_or_default().to_owned()),
        ("SCHEDULED_TIME", delivery.scheduled.iso8601_seconds()),
        ("EXECUTION_ID", execution),
        ("IS_PAYLOAD_TRUNCATED", "false".to_owned()),
    ];
    attributes.extend(retry::told(&delivery.target["RetryPolicy"], delivery.failures, error));
    retry::bury(context, queue, text, &attributes).await;
}
