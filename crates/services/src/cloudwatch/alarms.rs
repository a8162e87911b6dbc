//! The operations on alarms.

use super::alarm::{Alarm, Settings, State};
use super::metric::{Dimension, Metric};
use super::{CloudWatch, combination, evaluate, history, validation};
use crate::page;
use crate::storage::Outcome;
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How many alarms a page has, and how many can be named at once.
const PAGE: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Put {
    #[serde(flatten)]
    settings: Settings,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    pub key: String,
    pub value: String,
}

/// `PutMetricAlarm`: a new one knows nothing yet; one that is there keeps its state.
pub(super) async fn put(_: &CloudWatch, context: &Context, input: Put) -> Outcome<()> {
    input.settings.check()?;
    let (context, now) = (context.clone(), context.now());
    let store = context.store().clone();
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let before = Alarm::find(transaction, &context, &input.settings.alarm_name)?;
        let is_new = before.is_none();
        let mut alarm = before.unwrap_or_else(|| Alarm {
            account: context.account.clone(),
            region: context.region.clone(),
            settings: input.settings.clone(),
            tags: input.tags.into_iter().map(|tag| (tag.key, tag.value)).collect(),
            configured: now,
            state: State::Insufficient,
            reason: "Unchecked: Initial alarm creation".to_owned(),
            reason_data: None,
            updated: now,
            transitioned: now,
        });
        alarm.settings = input.settings;
        alarm.configured = now;
        alarm.save(transaction)?;
        let summary = format!("Alarm \"{}\" {}", alarm.name(), if is_new { "created" } else { "updated" });
        let data = json!({ "type": if is_new { "Create" } else { "Update" }, "version": "1.0" });
        history::add(transaction, &alarm, now, "ConfigurationUpdate", &summary, &data)?;
        Ok(alarm.wake(transaction, now)?)
    };
    store.write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Describe {
    #[serde(default)]
    alarm_names: Vec<String>,
    alarm_name_prefix: Option<String>,
    #[serde(default)]
    alarm_types: Vec<String>,
    children_of_alarm_name: Option<String>,
    parents_of_alarm_name: Option<String>,
    state_value: Option<String>,
    action_prefix: Option<String>,
    max_records: Option<usize>,
    next_token: Option<String>,
}

/// `DescribeAlarms`
pub(super) async fn describe(_: &CloudWatch, context: &Context, input: Describe) -> Outcome<Value> {
    if input.alarm_name_prefix.is_some() && !input.alarm_names.is_empty() {
        return Err(combination("AlarmNames and AlarmNamePrefix are mutually exclusive.").into());
    }
    if input.children_of_alarm_name.is_some() || input.parents_of_alarm_name.is_some() {
        return Err(validation("The local cloud has no composite alarms.").into());
    }
    let only_others =
        !input.alarm_types.is_empty() && !input.alarm_types.iter().any(|kind| kind == "MetricAlarm");
    let wanted = |alarm: &Alarm| {
        let settings = &alarm.settings;
        let mut actions = settings
            .ok_actions
            .iter()
            .chain(&settings.alarm_actions)
            .chain(&settings.insufficient_data_actions);
        !only_others
            && (input.alarm_names.is_empty() || input.alarm_names.iter().any(|name| name == alarm.name()))
            && input.alarm_name_prefix.as_ref().is_none_or(|prefix| alarm.name().starts_with(prefix.as_str()))
            && input.state_value.as_ref().is_none_or(|state| alarm.state.name() == state)
            && input
                .action_prefix
                .as_ref()
                .is_none_or(|prefix| actions.any(|it| it.starts_with(prefix.as_str())))
    };
    let all = Alarm::all(&context.store().read()?, context)?;
    let told: Vec<Value> = all.iter().filter(|alarm| wanted(alarm)).map(Alarm::tell).collect();
    let limit = input.max_records.unwrap_or(50).clamp(1, PAGE);
    let (page, next) = page::of(told, limit, input.next_token.as_deref());
    Ok(json!({ "MetricAlarms": page, "CompositeAlarms": [], "NextToken": next }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ForMetric {
    metric_name: String,
    namespace: String,
    #[serde(default)]
    dimensions: Vec<Dimension>,
    statistic: Option<String>,
    extended_statistic: Option<String>,
    period: Option<i64>,
}

/// `DescribeAlarmsForMetric`
pub(super) async fn describe_for_metric(
    _: &CloudWatch,
    context: &Context,
    input: ForMetric,
) -> Outcome<Value> {
    let metric = Metric {
        namespace: Some(input.namespace),
        metric_name: Some(input.metric_name),
        dimensions: input.dimensions,
    };
    let all = Alarm::all(&context.store().read()?, context)?;
    let wanted = |alarm: &&Alarm| {
        let settings = &alarm.settings;
        settings.watches(&metric)
            && (input.statistic.is_none() || settings.statistic == input.statistic)
            && (input.extended_statistic.is_none() || settings.extended_statistic == input.extended_statistic)
            && (input.period.is_none() || settings.period == input.period)
    };
    Ok(json!({ "MetricAlarms": all.iter().filter(wanted).map(Alarm::tell).collect::<Vec<_>>() }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    alarm_names: Vec<String>,
}

/// `DeleteAlarms`: all, or none when one of several is not there.
pub(super) async fn delete(_: &CloudWatch, context: &Context, input: Named) -> Outcome<()> {
    let (context, now) = (context.clone(), context.now());
    let store = context.store().clone();
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        for name in &input.alarm_names {
            match Alarm::find(transaction, &context, name)? {
                Some(alarm) => {
                    alarm.delete(transaction)?;
                    let (summary, data) = (format!("Alarm \"{name}\" deleted"), json!({ "type": "Delete" }));
                    history::add(transaction, &alarm, now, "ConfigurationUpdate", &summary, &data)?;
                }
                None if input.alarm_names.len() > 1 => return Err(not_found().into()),
                None => {}
            }
        }
        Ok(())
    };
    store.write(write).await
}

pub(super) fn not_found() -> ServiceError {
    ServiceError::new("ResourceNotFound", 404, "The named resource does not exist.")
}

/// `EnableAlarmActions`
pub(super) async fn enable(_: &CloudWatch, context: &Context, input: Named) -> Outcome<()> {
    set_enabled(context, input, true).await
}

/// `DisableAlarmActions`
pub(super) async fn disable(_: &CloudWatch, context: &Context, input: Named) -> Outcome<()> {
    set_enabled(context, input, false).await
}

async fn set_enabled(context: &Context, input: Named, enabled: bool) -> Outcome<()> {
    let context = context.clone();
    let store = context.store().clone();
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        for name in &input.alarm_names {
            if let Some(mut alarm) = Alarm::find(transaction, &context, name)? {
                alarm.settings.actions_enabled = Some(enabled);
                alarm.save(transaction)?;
            }
        }
        Ok(())
    };
    store.write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SetState {
    alarm_name: String,
    state_value: State,
    state_reason: String,
    state_reason_data: Option<String>,
}

/// `SetAlarmState`: until the next evaluation. Actions are done as ever.
pub(super) async fn set_state(_: &CloudWatch, context: &Context, input: SetState) -> Outcome<()> {
    if let Some(data) = &input.state_reason_data
        && serde_json::from_str::<BTreeMap<String, Value>>(data).is_err()
    {
        return Err(ServiceError::new("InvalidFormat", 400, "StateReasonData was not valid JSON").into());
    }
    let context = context.clone();
    let store = context.store().clone();
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let alarm = Alarm::find(transaction, &context, &input.alarm_name)?.ok_or_else(not_found)?;
        let reason = evaluate::Reason { text: input.state_reason, data: input.state_reason_data };
        evaluate::change(transaction, &context, alarm, input.state_value, reason)
    };
    store.write(write).await
}
