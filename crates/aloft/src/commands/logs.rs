//! `aloft logs`: the log lines of a deployed function, as they are or as they come.

use crate::cli::Logs;
use crate::failure::Mistakes;
use crate::session::Session;
use aloft_base::Timestamp;
use aloft_client::Client;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;

/// How far back is looked, unless `--startTime` says.
const BACK: Duration = Duration::from_secs(10 * 60);
/// The same for `--tail`.
const BACK_TAIL: Duration = Duration::from_secs(10);

pub async fn run(session: &mut Session, options: &Logs) -> anyhow::Result<()> {
    let group = format!("/aws/lambda/{}", session.function_name(&options.function)?);
    let client = session.client()?;
    let now = session.clock.now();
    let mut from = match &options.start_time {
        Some(text) => since(text, now)?,
        None => {
            Timestamp(now.millis() - i64::try_from(if options.tail { BACK_TAIL } else { BACK }.as_millis())?)
        }
    };
    let mut shown: HashSet<String> = HashSet::new();
    loop {
        let events = match read(&client, &group, from, options.filter.as_deref()).await {
            Err(error) if is_missing(&error) && options.tail => Vec::new(),
            Err(error) if is_missing(&error) => {
                return Err(Mistakes::plain(
                    "NO_EXISTING_LOG_STREAMS",
                    "No existing streams for the function",
                    "invoke it first",
                ));
            }
            other => other?,
        };
        for event in events {
            let at = Timestamp(event["timestamp"].as_i64().unwrap_or_default());
            let id = event["eventId"].as_str().unwrap_or_default().to_owned();
            if shown.insert(id) {
                let message = event["message"].as_str().unwrap_or_default();
                session.terminal.print(&if options.json {
                    json!({ "timestamp": at.millis(), "message": message }).to_string()
                } else {
                    line(at, message)
                });
            }
            // Lines of the same millisecond may still come.
            from = from.max(at);
        }
        if !options.tail {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(options.interval.max(50))).await;
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<aloft_client::ClientError>()
        .is_some_and(|error| error.code() == "ResourceNotFoundException")
}

async fn read(
    client: &Client,
    group: &str,
    from: Timestamp,
    filter: Option<&str>,
) -> anyhow::Result<Vec<Value>> {
    let mut events = Vec::new();
    let mut params = json!({ "logGroupName": group, "startTime": from.millis() });
    if let Some(filter) = filter {
        params["filterPattern"] = json!(filter);
    }
    loop {
        let page = client.call("logs", "FilterLogEvents", params.clone()).await?;
        events.extend(page["events"].as_array().cloned().unwrap_or_default());
        match page.get("nextToken") {
            Some(token) if token.is_string() => params["nextToken"] = token.clone(),
            _ => return Ok(events),
        }
    }
}

/// `30m`, `2h`, `1d`, milliseconds, or a time.
pub fn since(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    let unit = |letter: char| match letter {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3600),
        'd' => Some(86_400),
        _ => None,
    };
    let relative = text
        .char_indices()
        .last()
        .and_then(|(at, letter)| Some((text[..at].parse::<i64>().ok()?, unit(letter)?)));
    let day = || Timestamp::parse_iso8601(&format!("{text}T00:00:00Z"));
    let read = relative
        .map(|(count, unit)| Timestamp(now.millis() - count * unit * 1000))
        .or_else(|| text.parse().ok().map(Timestamp))
        .or_else(|| Timestamp::parse_iso8601(text))
        .or_else(day);
    read.ok_or_else(|| {
        Mistakes::plain(
            "INVALID_START_TIME",
            format!("`{text}` is no time"),
            "write 30m, 2h, 1d, or 2026-11-23T10:00:00Z",
        )
    })
}

/// A line as the original shows it: the time, and for lines of the runtime their level, without the request's id.
pub fn line(at: Timestamp, message: &str) -> String {
    let message = message.trim_end();
    if ["START ", "END ", "REPORT "].iter().any(|word| message.starts_with(word)) {
        return message.to_owned();
    }
    let time = at.format("%Y-%m-%d %H:%M:%S%.3f");
    let parts: Vec<&str> = message.splitn(4, '\t').collect();
    match parts[..] {
        [first, _request, level, text] if Timestamp::parse_iso8601(first).is_some() => {
            format!("{time}\t{level}\t{text}")
        }
        _ => format!("{time}\t{message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_lines() {
        let now = Timestamp(1_000_000_000_000);
        for (text, millis) in [
            ("30m", 999_998_200_000),
            ("2h", 999_992_800_000),
            ("1d", 999_913_600_000),
            ("5", 5),
            ("1970-01-01", 0),
        ] {
            assert_eq!(since(text, now).expect(text).millis(), millis, "{text}");
        }
        assert!(since("soon", now).is_err());
        assert_eq!(
            line(Timestamp(0), "1970-01-01T00:00:00.000Z\tid\tINFO\thello\n"),
            "1970-01-01 00:00:00.000\tINFO\thello"
        );
        assert_eq!(line(Timestamp(0), "hello"), "1970-01-01 00:00:00.000\thello");
        assert_eq!(line(Timestamp(0), "START RequestId: x\n"), "START RequestId: x");
    }
}
