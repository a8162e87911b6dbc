//! The times of schedules: a timer for each that is enabled, set anew in the transaction that writes what it caused.

use super::delivery;
use super::schedule::{Address, SCHEDULES, Schedule};
use crate::schedule::latest;
use crate::storage::Outcome;
use aloft_base::Timestamp;
use aloft_engine::Context;
use aloft_engine::timers::{self, Timer};
use aloft_store::{StoreError, Transaction};
use serde_json::json;
use std::time::Duration;

/// Sets the timer of a schedule to its first time after `after`, or drops it when there is none. The row is not written here.
pub(super) fn arm(
    transaction: &mut Transaction<'_>,
    schedule: &mut Schedule,
    after: Timestamp,
) -> Result<(), StoreError> {
    schedule.next = schedule.settings.is_enabled().then(|| schedule.next_after(after)).flatten();
    match schedule.next {
        Some(next) => timers::set(transaction, &timer(&schedule.address, next)),
        None => disarm(transaction, &schedule.address),
    }
}

/// Drops the timer of a schedule.
pub(super) fn disarm(transaction: &mut Transaction<'_>, address: &Address) -> Result<(), StoreError> {
    timers::cancel(transaction, "scheduler", &timer(address, Timestamp(0)).name)
}

fn timer(address: &Address, due: Timestamp) -> Timer {
    Timer {
        service: "scheduler".to_owned(),
        name: format!("schedule/{}", address.arn()),
        due,
        account: address.account.clone(),
        region: address.region.clone(),
        payload: json!({ "group": address.group, "name": address.name }),
    }
}

/// Fires a schedule whose time has come.
pub(super) async fn fire(context: &Context, timer: &Timer) -> Outcome<()> {
    let text = |name: &str| timer.payload[name].as_str().unwrap_or_default().to_owned();
    let address = Address::of(context, Some(text("group")), text("name"));
    let (due, now, ids) = (timer.due, context.now(), context.ids().clone());
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let found: Option<Schedule> = transaction.get_json(SCHEDULES, address.key())?;
        // A schedule that was changed meanwhile has another time.
        let Some(mut schedule) = found.filter(|schedule| schedule.next == Some(due)) else { return Ok(()) };
        let settings = &schedule.settings;
        let Some(expression) = settings.expression() else { return Ok(()) };
        let until = settings.end().filter(|_| !expression.is_one_time()).map_or(now, |end| end.min(now));
        let at = latest(&expression, Some(&settings.schedule_expression_timezone), due, until);
        // Somewhere in its window, which is nowhere when it has none.
        let late = ids.below(u64::try_from(settings.window().as_millis()).unwrap_or(0) + 1);
        let when = at.add(Duration::from_millis(late)).max(now);
        let delivery = delivery::Delivery::new(&schedule, at, when);
        delivery::add(transaction, &delivery, ids.hex(16), when)?;
        arm(transaction, &mut schedule, at)?;
        if schedule.next.is_none() && schedule.settings.action_after_completion == "DELETE" {
            transaction.delete(SCHEDULES, address.key());
            return Ok(());
        }
        Ok(schedule.save(transaction)?)
    };
    context.store().write(write).await
}
