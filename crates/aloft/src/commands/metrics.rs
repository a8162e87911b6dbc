//! `aloft metrics`: how often functions were invoked, throttled and failed, and how long they took.

use super::logs;
use crate::cli::Metrics;
use crate::session::Session;
use aloft_base::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// What is asked for: the metric, the statistic, the unit.
const ASKED: [(&str, &str, &str); 4] = [
    ("Invocations", "Sum", "Count"),
    ("Throttles", "Sum", "Count"),
    ("Errors", "Sum", "Count"),
    ("Duration", "Average", "Milliseconds"),
];

pub async fn run(session: &mut Session, options: &Metrics) -> anyhow::Result<()> {
    let (client, now) = (session.client()?, session.clock.now());
    let from = match &options.start_time {
        Some(text) => logs::since(text, now)?,
        None => Timestamp(now.millis() - i64::try_from(DAY.as_millis())?),
    };
    let to = match &options.end_time {
        Some(text) => logs::since(text, now)?,
        None => now,
    };
    let keys: Vec<&String> = session.service.functions().keys().collect();
    let names: Vec<String> = match &options.function {
        Some(key) => vec![session.function_name(key)?],
        None => keys.into_iter().map(|key| session.function_name(key)).collect::<Result<_, _>>()?,
    };
    let mut lines = vec![options.function.clone().unwrap_or_else(|| "Service wide metrics".to_owned())];
    let shown = |at: Timestamp| at.format("%B %-d, %Y %-I:%M %p");
    lines.push(format!("{} - {}\n", shown(from), shown(to)));
    if names.is_empty() {
        lines.push("There are no metrics to show for these options".to_owned());
        session.terminal.print(&lines.join("\n"));
        return Ok(());
    }
    let period = if to.since(from) > DAY { DAY } else { HOUR };
    for (metric, statistic, unit) in ASKED {
        let mut points = Vec::new();
        for name in &names {
            let params = json!({
                "Namespace": "AWS/Lambda",
                "MetricName": metric,
                "Dimensions": [{ "Name": "FunctionName", "Value": name }],
                "StartTime": from.seconds(),
                "EndTime": to.seconds(),
                "Period": period.as_secs(),
                "Statistics": [statistic],
                "Unit": unit,
            });
            let answer = client.call("cloudwatch", "GetMetricStatistics", params).await?;
            let found = answer["Datapoints"].as_array().cloned().unwrap_or_default();
            points.extend(found.iter().filter_map(|point| point[statistic].as_f64()));
        }
        lines.push(line(session, metric, &points));
    }
    session.terminal.print(&lines.join("\n"));
    Ok(())
}

/// A metric's line: numbers as JavaScript writes them, an average with two places at most.
fn line(session: &Session, metric: &str, points: &[f64]) -> String {
    let number = |value: f64| Value::from((value * 100.0).round() / 100.0).to_string();
    let number = |value: f64| number(value).trim_end_matches(".0").to_owned();
    // The sum of nothing is -0.
    let sum = points.iter().fold(0.0, |sum, point| sum + point);
    if metric == "Duration" {
        let average = if points.is_empty() { 0.0 } else { sum / points.len() as f64 };
        return format!("{}: {}ms", session.terminal.dim("duration (avg.)"), number(average));
    }
    format!("{}: {}", session.terminal.dim(&metric.to_lowercase()), number(sum))
}
