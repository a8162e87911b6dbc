//! Evaluating alarms: every minute, over the periods that ended by then.
//!
//! Source: "Alarm evaluation" and "Configuring how CloudWatch alarms treat missing data" of the user guide.

use super::alarm::{Alarm, Settings, State};
use super::{actions, history, metric};
use crate::storage::Outcome;
use aloft_base::Timestamp;
use aloft_engine::Context;
use aloft_engine::timers::Timer;
use aloft_store::{StoreError, Transaction};
use serde_json::{Value, json};
use std::time::Duration;

/// How often an alarm is evaluated.
const EVERY: Duration = Duration::from_secs(60);
/// How many periods before those that it needs are looked at when some have no values.
const SPARE: i64 = 2;

/// Why an alarm is in its state.
pub(super) struct Reason {
    pub text: String,
    pub data: Option<String>,
}

/// Evaluates the alarm that a timer is due for.
pub(super) async fn tick(context: &Context, timer: &Timer) -> Outcome<()> {
    // Before what came until then is written: who comes after that minute is for the next evaluation.
    let end = metric::minute(context.now());
    context.engine.metering().flush().await?;
    let name = timer.payload.as_str().unwrap_or_default().to_owned();
    let snapshot = context.store().read()?;
    let Some(alarm) = Alarm::find(&snapshot, context, &name)? else { return Ok(()) };
    let queries = alarm.settings.queries()?;
    let period = queries.period();
    let count = alarm.settings.periods() + SPARE;
    let from = Timestamp(end.millis() - count * period);
    let id = queries.iter().find(|query| query.returns()).map(|query| query.id.clone()).unwrap_or_default();
    let values = queries.values(context, &snapshot, from, end)?.remove(&id).unwrap_or_default();
    drop(snapshot);
    // The latest period first.
    let points: Vec<Option<f64>> =
        (1..=count).map(|back| values.get(&Timestamp(end.millis() - back * period)).copied()).collect();
    let decided = decide(&alarm.settings, &points);
    let (context, configured) = (context.clone(), alarm.configured);
    let store = context.store().clone();
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        // It may have been changed or deleted meanwhile.
        let Some(alarm) = Alarm::find(transaction, &context, &name)? else { return Ok(()) };
        if alarm.configured != configured {
            return Ok(());
        }
        alarm.wake(transaction, end.add(EVERY))?;
        let Some(state) = decided.filter(|state| *state != alarm.state) else { return Ok(()) };
        let reason = reason(&alarm, state, &points, (end, period));
        change(transaction, &context, alarm, state, reason)
    };
    store.write(write).await
}

/// The state that these values mean, the latest first; nothing when it stays as it is.
fn decide(settings: &Settings, points: &[Option<f64>]) -> Option<State> {
    let threshold = settings.threshold.unwrap_or_default();
    let comparison = settings.comparison_operator.as_deref().unwrap_or_default();
    let breaches = |value: f64| match comparison {
        "GreaterThanOrEqualToThreshold" => value >= threshold,
        "GreaterThanThreshold" => value > threshold,
        "LessThanOrEqualToThreshold" => value <= threshold,
        _ => value < threshold,
    };
    let (periods, wanted) = (settings.periods() as usize, settings.wanted() as usize);
    let treatment = settings.treat_missing_data.as_deref().unwrap_or("missing");
    // The latest values that there are, with how far back they lie.
    let found: Vec<(usize, bool)> = points
        .iter()
        .enumerate()
        .filter_map(|(back, value)| Some((back, breaches((*value)?))))
        .take(periods)
        .collect();
    let breaching = found.iter().filter(|(_, breaches)| *breaches).count();
    let absent = periods - found.len();
    if breaching >= wanted {
        return Some(State::Alarm);
    }
    match treatment {
        "breaching" => Some(if breaching + absent >= wanted { State::Alarm } else { State::Ok }),
        "notBreaching" => Some(State::Ok),
        _ if found.is_empty() => (treatment == "missing").then_some(State::Insufficient),
        // Values within the threshold are among them.
        _ if breaching < found.len() => Some(State::Ok),
        "ignore" => None,
        // All that is known lies beyond the threshold: enough when that has been so for as long as is wanted.
        _ => found.last().is_some_and(|(back, _)| back + 1 >= wanted).then_some(State::Alarm),
    }
}

fn reason(alarm: &Alarm, state: State, points: &[Option<f64>], (end, period): (Timestamp, i64)) -> Reason {
    let settings = &alarm.settings;
    let periods = settings.periods() as usize;
    let (wanted, threshold) = (settings.wanted(), settings.threshold.unwrap_or_default());
    let recent: Vec<(Timestamp, f64)> = points
        .iter()
        .enumerate()
        .filter_map(|(back, value)| Some((Timestamp(end.millis() - (back as i64 + 1) * period), (*value)?)))
        .take(periods)
        .collect();
    let data = json!({
        "version": "1.0",
        "queryDate": end.format("%Y-%m-%dT%H:%M:%S%.3f+0000"),
        "startDate": recent.last().map(|(at, _)| at.format("%Y-%m-%dT%H:%M:%S%.3f+0000")),
        "statistic": settings.statistic,
        "period": period / 1000,
        "recentDatapoints": recent.iter().rev().map(|(_, value)| value).collect::<Vec<_>>(),
        "threshold": threshold,
    });
    let words = settings.comparison().map_or("beyond", |(_, words)| words);
    let shown: Vec<String> =
        recent.iter().map(|(at, value)| format!("{value:?} ({})", at.format("%d/%m/%y %H:%M:%S"))).collect();
    let shown = shown.join(", ");
    let minimum = format!(
        "(minimum {wanted} datapoint{} for OK -> ALARM transition)",
        if wanted == 1 { "" } else { "s" }
    );
    let text = match (state, recent.len()) {
        (State::Insufficient, _) | (_, 0) => {
            let how = match state {
                State::Insufficient => "Insufficient Data",
                _ => "Threshold Crossed",
            };
            let treated = settings.treat_missing_data.as_deref().unwrap_or("missing");
            let treated = if treated == "notBreaching" { "NonBreaching" } else { treated };
            if state == State::Insufficient {
                format!("{how}: {periods} datapoints were unknown.")
            } else {
                format!(
                    "{how}: no datapoints were received for {periods} periods and {periods} missing datapoints were treated as [{treated}]."
                )
            }
        }
        (State::Alarm, count) => {
            format!(
                "Threshold Crossed: {count} out of the last {periods} datapoints [{shown}] was {words} the threshold ({threshold:?}) {minimum}."
            )
        }
        (State::Ok, count) => {
            format!(
                "Threshold Crossed: {count} out of the last {periods} datapoints [{shown}] was not {words} the threshold ({threshold:?}) {minimum}."
            )
        }
    };
    Reason { text, data: Some(data.to_string()) }
}

/// Puts an alarm into a state, and has its actions done when it was in another one.
pub(super) fn change(
    transaction: &mut Transaction<'_>,
    context: &Context,
    mut alarm: Alarm,
    state: State,
    reason: Reason,
) -> Outcome<()> {
    let (now, before) = (context.now(), alarm.state);
    alarm.updated = now;
    alarm.state = state;
    alarm.reason = reason.text;
    alarm.reason_data = reason.data;
    if state != before {
        alarm.transitioned = now;
        record(transaction, &alarm, before, now)?;
        actions::begin(transaction, context, &alarm, before)?;
    }
    Ok(alarm.save(transaction)?)
}

fn record(
    transaction: &mut Transaction<'_>,
    alarm: &Alarm,
    before: State,
    now: Timestamp,
) -> Result<(), StoreError> {
    let summary = format!("Alarm updated from {} to {}", before.name(), alarm.state.name());
    let parsed = alarm.reason_data.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let data = json!({
        "version": "1.0",
        "oldState": { "stateValue": before.name() },
        "newState": { "stateValue": alarm.state.name(), "stateReason": alarm.reason, "stateReasonData": parsed },
    });
    history::add(transaction, alarm, now, "StateUpdate", &summary, &data)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values from the oldest to the latest, as the user guide's tables have them: `0` within, `X` beyond, `-` missing.
    #[test]
    fn missing_values_are_treated_as_the_tables_say() {
        let check = |points: &str, wanted: i64, expected: [Option<State>; 4]| {
            let values: Vec<Option<f64>> = points
                .split(' ')
                .rev()
                .map(|point| match point {
                    "X" => Some(2.0),
                    "0" => Some(0.0),
                    _ => None,
                })
                .collect();
            for (treatment, expected) in
                ["missing", "ignore", "breaching", "notBreaching"].iter().zip(expected)
            {
                let settings = json!({
                    "AlarmName": "a", "EvaluationPeriods": 3, "DatapointsToAlarm": wanted, "Threshold": 1.0,
                    "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": treatment,
                });
                let settings: Settings = serde_json::from_value(settings).expect("settings");
                assert_eq!(decide(&settings, &values), expected, "{points} {wanted} of 3, {treatment}");
            }
        };
        let (ok, alarm, unknown) = (Some(State::Ok), Some(State::Alarm), Some(State::Insufficient));
        check("0 - X - X", 3, [ok, ok, ok, ok]);
        check("- - - - 0", 3, [ok, ok, ok, ok]);
        check("- - - - -", 3, [unknown, None, alarm, ok]);
        check("0 X X - X", 3, [alarm, alarm, alarm, alarm]);
        check("- - X - -", 3, [alarm, None, alarm, ok]);
        check("- - - - X", 3, [None, None, alarm, ok]);
        check("0 - X - X", 2, [alarm, alarm, alarm, alarm]);
        check("0 0 X - X", 2, [alarm, alarm, alarm, alarm]);
        check("- - - 0 -", 2, [ok, ok, alarm, ok]);
    }
}
