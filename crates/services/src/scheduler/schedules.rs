//! The operations on schedules.

use super::schedule::{Address, SCHEDULES, Schedule, Settings};
use super::{Scheduler, check, errors, groups, tick};
use crate::storage::{Fault, Outcome};
use aloft_base::Timestamp;
use aloft_engine::Context;
use aloft_store::{StoreError, Transaction, key};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Put {
    name: String,
    group_name: Option<String>,
    client_token: Option<String>,
    #[serde(flatten)]
    settings: Settings,
}

/// `CreateSchedule`: the same request again, by its token, changes nothing.
pub(super) async fn create(_: &Scheduler, context: &Context, input: Put) -> Outcome<Value> {
    let (now, address) = (context.now(), Address::of(context, input.group_name, input.name));
    let mut settings = input.settings;
    check::settings(&mut settings, now)?;
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Value> {
        groups::Place::of(&address).find(transaction)?;
        let arn = address.arn();
        if let Some(found) = transaction.get_json::<Schedule>(SCHEDULES, address.key())? {
            if found.client_token.is_some() && found.client_token == input.client_token {
                return Ok(json!({ "ScheduleArn": arn }));
            }
            return Err(errors::conflict(format!("Schedule {} already exists.", address.name)).into());
        }
        let mut schedule = Schedule {
            address,
            settings,
            client_token: input.client_token,
            created: now,
            modified: now,
            anchor: now,
            next: None,
        };
        tick::arm(transaction, &mut schedule, Timestamp(now.0 - 1))?;
        schedule.save(transaction)?;
        Ok(json!({ "ScheduleArn": arn }))
    };
    context.store().write(write).await
}

/// `UpdateSchedule`: what the request leaves out goes back to its default. A schedule whose times stay keeps its beat.
pub(super) async fn update(_: &Scheduler, context: &Context, input: Put) -> Outcome<Value> {
    let (now, address) = (context.now(), Address::of(context, input.group_name, input.name));
    let mut settings = input.settings;
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Value> {
        groups::Place::of(&address).find(transaction)?;
        let mut schedule = address.find(transaction)?;
        let times = |settings: &Settings| (settings.schedule_expression.clone(), settings.start_date);
        let keeps_beat = times(&schedule.settings) == times(&settings);
        // A start that was taken before may lie in the past by now.
        let since = if keeps_beat { schedule.created } else { now };
        check::settings(&mut settings, since)?;
        schedule.settings = settings;
        schedule.modified = now;
        if !keeps_beat {
            schedule.anchor = now;
        }
        let after = if keeps_beat { now } else { Timestamp(now.0 - 1) };
        tick::arm(transaction, &mut schedule, after)?;
        schedule.save(transaction)?;
        Ok(json!({ "ScheduleArn": address.arn() }))
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    name: String,
    group_name: Option<String>,
}

/// `GetSchedule`
pub(super) async fn get(_: &Scheduler, context: &Context, input: Named) -> Outcome<Value> {
    let address = Address::of(context, input.group_name, input.name);
    let snapshot = context.store().read()?;
    groups::Place::of(&address).find(&snapshot)?;
    let schedule = address.find(&snapshot)?;
    let damaged = |error: serde_json::Error| {
        Fault::Store(StoreError::Damaged { keyspace: SCHEDULES.to_owned(), reason: error.to_string() })
    };
    let mut told = serde_json::to_value(&schedule.settings).map_err(damaged)?;
    told["Arn"] = address.arn().into();
    told["GroupName"] = address.group.into();
    told["Name"] = address.name.into();
    told["CreationDate"] = schedule.created.as_seconds_f64().into();
    told["LastModificationDate"] = schedule.modified.as_seconds_f64().into();
    Ok(told)
}

/// `DeleteSchedule`
pub(super) async fn delete(_: &Scheduler, context: &Context, input: Named) -> Outcome<()> {
    let address = Address::of(context, input.group_name, input.name);
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        groups::Place::of(&address).find(transaction)?;
        address.find(transaction)?;
        remove(transaction, &address).map_err(Fault::from)
    };
    context.store().write(write).await
}

/// Removes a schedule and its timer. What has fired is delivered all the same.
pub(super) fn remove(transaction: &mut Transaction<'_>, address: &Address) -> Result<(), StoreError> {
    tick::disarm(transaction, address)?;
    transaction.delete(SCHEDULES, address.key());
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    group_name: Option<String>,
    name_prefix: Option<String>,
    state: Option<String>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

/// `ListSchedules`
pub(super) async fn list(_: &Scheduler, context: &Context, input: List) -> Outcome<Value> {
    let snapshot = context.store().read()?;
    let mut prefix = key([context.account.as_str(), context.region.as_str()]);
    if let Some(group) = input.group_name {
        groups::Place::new(context, group.clone()).find(&snapshot)?;
        prefix = prefix.text(&group);
    }
    let begins = |name: &str| input.name_prefix.as_ref().is_none_or(|prefix| name.starts_with(prefix));
    let in_state = |state: &str| input.state.as_ref().is_none_or(|wanted| wanted == state);
    let summaries = snapshot
        .scan_json::<Schedule>(SCHEDULES, prefix, usize::MAX)?
        .into_iter()
        .filter(|(_, schedule)| begins(&schedule.address.name) && in_state(&schedule.settings.state))
        .map(|(_, schedule)| {
            json!({
                "Arn": schedule.address.arn(),
                "Name": schedule.address.name,
                "GroupName": schedule.address.group,
                "State": schedule.settings.state,
                "CreationDate": schedule.created.as_seconds_f64(),
                "LastModificationDate": schedule.modified.as_seconds_f64(),
                "Target": { "Arn": schedule.settings.target["Arn"] },
            })
        })
        .collect();
    let (page, next) =
        crate::page::of(summaries, input.max_results.unwrap_or(100), input.next_token.as_deref());
    Ok(json!({ "Schedules": page, "NextToken": next }))
}
