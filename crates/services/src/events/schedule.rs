//! Schedules: a timer for each rule that has one, set anew in the transaction that writes what it caused.
//!
//! A `rate` counts from when the rule was made, changed or enabled. When the cloud was off at some of a schedule's times,
//! it fires once when it is on again, for the latest of them.

use super::bus;
use super::delivery;
use super::rule::{RULES, Rule};
use crate::schedule::latest;
use crate::storage::Outcome;
use aloft_base::Timestamp;
use aloft_engine::Context;
use aloft_engine::timers::{self, Timer};
use aloft_lang::cron::Schedule;
use aloft_store::{StoreError, Transaction};
use serde_json::{Value, json};

/// Sets the timer of a rule, or drops it when the rule is disabled or has no schedule. The rule is not written here.
pub(super) fn arm(
    transaction: &mut Transaction<'_>,
    rule: &mut Rule,
    now: Timestamp,
) -> Result<(), StoreError> {
    let schedule =
        rule.schedule.as_deref().and_then(|text| Schedule::parse(text).ok()).filter(|_| rule.is_enabled());
    let Some(schedule) = schedule else { return stop(transaction, rule) };
    match rule.next.or_else(|| schedule.next_after(now, None)) {
        Some(next) => {
            rule.next = Some(next);
            timers::set(transaction, &timer(rule, next))
        }
        None => stop(transaction, rule),
    }
}

fn stop(transaction: &mut Transaction<'_>, rule: &mut Rule) -> Result<(), StoreError> {
    rule.next = None;
    disarm(transaction, rule)
}

/// Drops the timer of a rule.
pub(super) fn disarm(transaction: &mut Transaction<'_>, rule: &Rule) -> Result<(), StoreError> {
    timers::cancel(transaction, "events", &timer(rule, Timestamp(0)).name)
}

fn timer(rule: &Rule, due: Timestamp) -> Timer {
    Timer {
        service: "events".to_owned(),
        name: format!("schedule/{}", rule.arn()),
        due,
        account: rule.bus.account.clone(),
        region: rule.bus.region.clone(),
        payload: json!({ "rule": rule.name }),
    }
}

/// Fires a rule whose time has come.
pub(super) async fn tick(context: &Context, timer: &Timer) -> Outcome<()> {
    let bus = bus::Address::of(context, None)?;
    let name = timer.payload["rule"].as_str().unwrap_or_default().to_owned();
    let (due, now, ids) = (timer.due, context.now(), context.ids().clone());
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let found: Option<Rule> = transaction.get_json(RULES, Rule::key_of(&bus, &name))?;
        // A rule that was changed meanwhile has another time.
        let Some(mut rule) = found.filter(|rule| rule.next == Some(due)) else { return Ok(()) };
        let Some(schedule) = rule.schedule.as_deref().and_then(|text| Schedule::parse(text).ok()) else {
            return Ok(());
        };
        let at = latest(&schedule, None, due, now);
        let event = scheduled_event(&rule, &ids.uuid(), at);
        for target in rule.targets(transaction)? {
            delivery::add(
                transaction,
                delivery::Delivery::new(&rule, target, event.clone(), now),
                ids.hex(16),
                now,
            )?;
        }
        // A rate keeps its beat, whenever it was noticed.
        rule.next = schedule.next_after(if schedule.period().is_some() { at } else { now }, None);
        arm(transaction, &mut rule, now)?;
        Ok(rule.save(transaction)?)
    };
    context.store().write(write).await
}

/// The event of a schedule.
fn scheduled_event(rule: &Rule, id: &str, at: Timestamp) -> Value {
    json!({
        "version": "0",
        "id": id,
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": rule.bus.account.as_str(),
        "time": at.iso8601_seconds(),
        "region": rule.bus.region.as_str(),
        "resources": [rule.arn()],
        "detail": {},
    })
}
