//! What an alarm does when its state changes: tells topics, invokes functions, puts an event on the bus.
//!
//! Keeps true: each is a timer that was set with the change of state, so it is done at least once. Actions on instances and
//! scaling groups, which the local cloud has none of, are only written into the history.

use super::alarm::{Alarm, State};
use super::history;
use crate::storage::Outcome;
use aloft_base::Arn;
use aloft_engine::timers::{self, Timer};
use aloft_engine::{Context, ServiceError};
use aloft_store::{StoreError, Transaction};
use bytes::Bytes;
use serde_json::{Value, json};

/// Sets a timer for each action.
pub(super) fn begin(
    transaction: &mut Transaction<'_>,
    context: &Context,
    alarm: &Alarm,
    before: State,
) -> Result<(), StoreError> {
    let mut all = vec![("events".to_owned(), event(alarm, before))];
    if alarm.settings.actions_enabled.unwrap_or(true) {
        for action in alarm.settings.actions(alarm.state) {
            let service = action.parse::<Arn>().map(|arn| arn.service).unwrap_or_default();
            match service.as_str() {
                "sns" => all.push((action.clone(), notification(alarm, before))),
                "lambda" => all.push((action.clone(), invocation(alarm, before))),
                _ => {
                    let summary =
                        format!("Failed to execute action {action}: the local cloud has no such actions");
                    let data = json!({ "actionState": "Failed", "notificationResource": action });
                    history::add(transaction, alarm, context.now(), "Action", &summary, &data)?;
                }
            }
        }
    }
    for (to, message) in all {
        let timer = Timer {
            service: "cloudwatch".to_owned(),
            name: format!("action/{}", context.ids().uuid()),
            due: context.now(),
            account: alarm.account.clone(),
            region: alarm.region.clone(),
            payload: json!({ "to": to, "alarm": alarm.name(), "message": message }),
        };
        timers::set(transaction, &timer)?;
    }
    Ok(())
}

/// Does the action that a timer is due for.
pub(super) async fn work(context: &Context, timer: &Timer) -> Result<(), ServiceError> {
    let payload = &timer.payload;
    let to = payload["to"].as_str().unwrap_or_default();
    let name = payload["alarm"].as_str().unwrap_or_default().to_owned();
    let result = send(&context.as_service("cloudwatch"), to, &payload["message"]).await;
    if to == "events" {
        // Nobody need listen.
        return Ok(());
    }
    let (outcome, done) = match result {
        Ok(()) => (format!("Successfully executed action {to}"), "Succeeded"),
        Err(error) if error.status >= 500 || error.status == 429 => return Err(error),
        Err(error) => {
            (format!("Failed to execute action {to}. Received error: \"{}\"", error.message), "Failed")
        }
    };
    let data = json!({ "actionState": done, "notificationResource": to });
    let (store, context) = (context.store().clone(), context.clone());
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        if let Some(alarm) = Alarm::find(transaction, &context, &name)? {
            history::add(transaction, &alarm, context.now(), "Action", &outcome, &data)?;
        }
        Ok(())
    };
    Ok(store.write(write).await?)
}

async fn send(context: &Context, to: &str, message: &Value) -> Result<(), ServiceError> {
    let Ok(arn) = to.parse::<Arn>() else {
        return context.call("events", "PutEvents", json!({ "Entries": [message] })).await.map(drop);
    };
    let context = context.within(&arn);
    if arn.service == "lambda" {
        let input = json!({ "FunctionName": to, "InvocationType": "Event" });
        let body = Some(Bytes::from(message.to_string()));
        return context.call_with_body("lambda", "Invoke", input, body).await.map(drop);
    }
    let mut input = message.clone();
    input["TopicArn"] = to.into();
    context.call("sns", "Publish", input).await.map(drop)
}

/// What a topic is told.
///
/// Source: messages of alarms as Amazon SNS delivers them.
fn notification(alarm: &Alarm, before: State) -> Value {
    let settings = &alarm.settings;
    let region = region_name(alarm.region.as_str());
    let statistic = settings
        .statistic
        .as_deref()
        .map(str::to_uppercase)
        .map(|name| name.replace("SAMPLECOUNT", "SAMPLE_COUNT"));
    let mut trigger = json!({
        "Period": settings.period,
        "EvaluationPeriods": settings.periods(),
        "DatapointsToAlarm": settings.wanted(),
        "ComparisonOperator": settings.comparison_operator,
        "Threshold": settings.threshold,
        "TreatMissingData": settings.treat_missing_data.as_deref().unwrap_or("missing"),
        "EvaluateLowSampleCountPercentile": settings.evaluate_low_sample_count_percentile.as_deref().unwrap_or_default(),
    });
    if settings.metrics.is_empty() {
        trigger["MetricName"] = json!(settings.metric_name);
        trigger["Namespace"] = json!(settings.namespace);
        trigger["StatisticType"] = if statistic.is_some() { "Statistic" } else { "ExtendedStatistic" }.into();
        match statistic {
            Some(statistic) => trigger["Statistic"] = statistic.into(),
            None => trigger["ExtendedStatistic"] = json!(settings.extended_statistic),
        }
        trigger["Unit"] = json!(settings.unit);
        trigger["Dimensions"] =
            settings.dimensions.iter().map(|one| json!({ "value": one.value, "name": one.name })).collect();
    } else {
        trigger["Metrics"] = json!(settings.metrics);
    }
    let message = json!({
        "AlarmName": alarm.name(),
        "AlarmDescription": settings.alarm_description,
        "AWSAccountId": alarm.account,
        "AlarmConfigurationUpdatedTimestamp": alarm.configured.format("%Y-%m-%dT%H:%M:%S%.3f+0000"),
        "NewStateValue": alarm.state.name(),
        "NewStateReason": alarm.reason,
        "StateChangeTime": alarm.transitioned.format("%Y-%m-%dT%H:%M:%S%.3f+0000"),
        "Region": region,
        "AlarmArn": alarm.arn(),
        "OldStateValue": before.name(),
        "OKActions": settings.ok_actions,
        "AlarmActions": settings.alarm_actions,
        "InsufficientDataActions": settings.insufficient_data_actions,
        "Trigger": trigger,
    });
    let subject: String =
        format!("{}: \"{}\" in {region}", alarm.state.name(), alarm.name()).chars().take(99).collect();
    json!({ "Subject": subject, "Message": message.to_string() })
}

/// What a function is invoked with.
fn invocation(alarm: &Alarm, before: State) -> Value {
    let time = alarm.transitioned.format("%Y-%m-%dT%H:%M:%S%.3f+0000");
    json!({
        "source": "aws.cloudwatch",
        "alarmArn": alarm.arn(),
        "accountId": alarm.account,
        "time": time,
        "region": alarm.region,
        "alarmData": detail(alarm, before),
    })
}

fn event(alarm: &Alarm, before: State) -> Value {
    json!({
        "Source": "aws.cloudwatch",
        "DetailType": "CloudWatch Alarm State Change",
        "Resources": [alarm.arn()],
        "Time": alarm.transitioned.seconds(),
        "EventBusName": "default",
        "Detail": detail(alarm, before).to_string(),
    })
}

fn detail(alarm: &Alarm, before: State) -> Value {
    let time = alarm.transitioned.format("%Y-%m-%dT%H:%M:%S%.3f+0000");
    let metrics: Value = if alarm.settings.metrics.is_empty() {
        let settings = &alarm.settings;
        let dimensions: serde_json::Map<String, Value> =
            settings.dimensions.iter().map(|one| (one.name.clone(), one.value.clone().into())).collect();
        json!([{ "id": "m1", "returnData": true, "metricStat": {
            "metric": { "namespace": settings.namespace, "name": settings.metric_name, "dimensions": dimensions },
            "period": settings.period,
            "stat": settings.statistic.as_ref().or(settings.extended_statistic.as_ref()),
        } }])
    } else {
        alarm
            .settings
            .metrics
            .iter()
            .map(|query| {
                json!({
                    "id": query.id, "expression": query.expression, "returnData": query.returns(),
                })
            })
            .collect()
    };
    json!({
        "alarmName": alarm.name(),
        "state": { "value": alarm.state.name(), "reason": alarm.reason, "reasonData": alarm.reason_data, "timestamp": time },
        "previousState": { "value": before.name() },
        "configuration": { "description": alarm.settings.alarm_description, "metrics": metrics },
    })
}

/// The region as notifications call it.
fn region_name(region: &str) -> String {
    let known = match region {
        "ap-northeast-1" => "Asia Pacific (Tokyo)",
        "ap-south-1" => "Asia Pacific (Mumbai)",
        "ap-southeast-1" => "Asia Pacific (Singapore)",
        "ap-southeast-2" => "Asia Pacific (Sydney)",
        "ca-central-1" => "Canada (Central)",
        "eu-central-1" => "EU (Frankfurt)",
        "eu-north-1" => "EU (Stockholm)",
        "eu-west-1" => "EU (Ireland)",
        "eu-west-2" => "EU (London)",
        "eu-west-3" => "EU (Paris)",
        "sa-east-1" => "South America (Sao Paulo)",
        "us-east-1" => "US East (N. Virginia)",
        "us-east-2" => "US East (Ohio)",
        "us-west-1" => "US West (N. California)",
        "us-west-2" => "US West (Oregon)",
        other => other,
    };
    known.to_owned()
}
