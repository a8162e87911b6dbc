//! What a schedule must be before it is taken.

use super::delivery;
use super::errors::{invalid, not_built};
use super::schedule::Settings;
use crate::retry::{AGE, RETRIES};
use aloft_base::{Arn, Timestamp};
use aloft_engine::ServiceError;
use aloft_lang::cron;
use serde_json::{Value, json};

/// The members of a target that belong to what is not built.
const FOREIGN: &[&str] = &[
    "EcsParameters",
    "EventBridgePutEventsV2Parameters",
    "EventBridgePutRawEventsParameters",
    "SageMakerPipelineParameters",
];

/// How far back a start may lie. Source: `StartDate` of `CreateSchedule`.
const START_GRACE_SECONDS: f64 = 300.0;

/// Checks the settings, and fills in what AWS fills in.
pub(super) fn settings(settings: &mut Settings, now: Timestamp) -> Result<(), ServiceError> {
    if settings.expression().is_none() {
        return Err(invalid(format!("Invalid Schedule Expression {}.", settings.schedule_expression)));
    }
    if !cron::is_time_zone(&settings.schedule_expression_timezone) {
        let message =
            format!("Invalid ScheduleExpressionTimezone {}.", settings.schedule_expression_timezone);
        return Err(invalid(message));
    }
    if settings.start_date.is_some_and(|start| start < now.as_seconds_f64() - START_GRACE_SECONDS) {
        return Err(invalid("The StartDate you specify cannot be earlier than 5 minutes ago."));
    }
    if let (Some(start), Some(end)) = (settings.start_date, settings.end_date)
        && end <= start
    {
        return Err(invalid("The EndDate you specify cannot be earlier than the StartDate."));
    }
    let window = &settings.flexible_time_window;
    match (window["Mode"].as_str(), window["MaximumWindowInMinutes"].is_null()) {
        (Some("FLEXIBLE"), true) => {
            return Err(invalid("MaximumWindowInMinutes must be provided for flexible time windows."));
        }
        (Some("OFF"), false) => {
            return Err(invalid("MaximumWindowInMinutes must not be provided when Mode is OFF."));
        }
        _ => {}
    }
    target(&settings.target)?;
    if !settings.target["RetryPolicy"].is_object() {
        settings.target["RetryPolicy"] = json!({});
    }
    let policy = &mut settings.target["RetryPolicy"];
    for (name, default) in [("MaximumEventAgeInSeconds", AGE), ("MaximumRetryAttempts", RETRIES)] {
        if policy[name].is_null() {
            policy[name] = default.into();
        }
    }
    Ok(())
}

fn target(target: &Value) -> Result<(), ServiceError> {
    let text = target["Arn"].as_str().unwrap_or_default();
    let arn: Arn = text.parse().map_err(|_| invalid("Provided Arn is not in correct format."))?;
    if let Some(name) = FOREIGN.iter().find(|name| !target[**name].is_null()) {
        return Err(not_built(&format!("{name} of schedules' targets")));
    }
    let needed = match arn.service.as_str() {
        "events" if arn.resource.starts_with("event-bus/") => Some("EventBridgeParameters"),
        "kinesis" => Some("KinesisParameters"),
        "sqs" if arn.resource.ends_with(".fifo") => Some("SqsParameters"),
        "lambda" | "sns" | "sqs" => None,
        _ => return Err(not_built(&format!("schedules for targets such as {text}"))),
    };
    if let Some(name) = needed.filter(|name| target[*name].is_null()) {
        return Err(invalid(format!("{name} must be provided for the target {text}.")));
    }
    for (name, service) in
        [("EventBridgeParameters", "events"), ("KinesisParameters", "kinesis"), ("SqsParameters", "sqs")]
    {
        if !target[name].is_null() && arn.service != service {
            return Err(invalid(format!("{name} cannot be provided for the target {text}.")));
        }
    }
    let is_json = |input: &str| {
        let filled = delivery::fill(input, "arn", "time", "id", 1);
        serde_json::from_str::<Value>(&filled).is_ok()
    };
    if matches!(arn.service.as_str(), "lambda" | "events")
        && target["Input"].as_str().is_some_and(|input| !is_json(input))
    {
        return Err(invalid("Invalid Input: the input of this target must be JSON."));
    }
    let dead = target["DeadLetterConfig"]["Arn"].as_str().unwrap_or_default();
    if dead.ends_with(".fifo") {
        return Err(invalid("A FIFO queue cannot be used as a dead-letter queue of a schedule."));
    }
    Ok(())
}
