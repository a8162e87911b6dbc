//! Lines on their way to subscribers: rows, written in the transaction that adds the lines, and a timer for each stream.
//!
//! Keeps true: a line that was acknowledged reaches each subscriber at least once, whatever restarts; those of a stream go in
//! their order. What comes while a batch is under way is the next batch.

use super::filter;
use super::pattern::Pattern;
use super::rows::GroupName;
use super::subscriptions::{FILTERS, Filter};
use crate::retry;
use crate::storage::{Outcome, decode};
use crate::target::{may_pass, there};
use aloft_base::{Arn, Timestamp};
use aloft_engine::timers::{self, Timer};
use aloft_engine::{Context, Principal, ServiceError};
use aloft_store::{Key, Keyspace, StoreError, Transaction};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io::Write;
use std::time::Duration;

/// Lines by account, region, group, filter, stream and number.
pub(super) const QUEUE: Keyspace = "logs.forwarded";
/// How long the first line of a batch waits for others: so an invocation's lines come together.
const GATHERING: Duration = Duration::from_millis(400);
/// The most lines of a batch.
const MOST_LINES: usize = 1_000;
/// The most bytes of text in a batch, so that it fits into an event of Lambda's even when nothing can be compressed.
const MOST_BYTES: usize = 128 * 1024;

/// A line that waits.
#[derive(Serialize, Deserialize)]
struct Waiting {
    at: Timestamp,
    number: u64,
    message: String,
}

/// The subscribers of a group, for the lines of one of its streams.
pub(super) struct Subscribers<'a> {
    group: &'a GroupName,
    stream: &'a str,
    filters: Vec<(Filter, Pattern)>,
}

impl<'a> Subscribers<'a> {
    /// Those that there are now.
    pub fn of(
        transaction: &Transaction<'_>,
        group: &'a GroupName,
        stream: &'a str,
    ) -> Result<Self, StoreError> {
        let filters = transaction.scan_json::<Filter>(FILTERS, group.key(), usize::MAX)?;
        let filters = filters
            .into_iter()
            .filter_map(|(_, filter)| Pattern::parse(&filter.pattern).ok().map(|pattern| (filter, pattern)));
        Ok(Self { group, stream, filters: filters.collect() })
    }

    /// Sends a line on its way to those whose pattern it matches.
    pub fn take(
        &self,
        transaction: &mut Transaction<'_>,
        (at, number): (Timestamp, u64),
        message: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for (filter, _) in self.filters.iter().filter(|(_, pattern)| pattern.matches(message)) {
            let lane = lane(self.group, &filter.name, self.stream);
            // Where a line waits already, its timer stands, or is being done and will look again.
            if transaction.scan(QUEUE, &lane, 1)?.is_empty() {
                let due = now.add(GATHERING);
                timers::set(transaction, &timer(self.group, &filter.name, self.stream, due))?;
            }
            let row = Waiting { at, number, message: message.to_owned() };
            transaction.put_json(QUEUE, lane.number(number), &row)?;
        }
        Ok(())
    }
}

fn lane(group: &GroupName, filter: &str, stream: &str) -> Key {
    group.key().text(filter).text(stream)
}

fn timer(group: &GroupName, filter: &str, stream: &str, due: Timestamp) -> Timer {
    Timer {
        service: "logs".to_owned(),
        name: format!("forward/{}/{filter}/{stream}", group.arn()),
        due,
        account: group.account.clone(),
        region: group.region.clone(),
        payload: json!({ "group": group.name, "filter": filter, "stream": stream }),
    }
}

/// Sends a batch that a timer is due for.
pub(super) async fn send(context: &Context, due: &Timer) -> Outcome<()> {
    let text = |name: &str| due.payload[name].as_str().unwrap_or_default().to_owned();
    let group = GroupName { account: due.account.clone(), region: due.region.clone(), name: text("group") };
    let (name, stream) = (text("filter"), text("stream"));
    let lane = lane(&group, &name, &stream);
    let snapshot = context.store().read()?;
    let filter: Option<Filter> = snapshot.get_json(FILTERS, group.key().text(&name))?;
    let rows = snapshot.scan(QUEUE, &lane, MOST_LINES)?;
    drop(snapshot);
    let (mut keys, mut lines, mut bytes) = (Vec::new(), Vec::new(), 0);
    for (key, row) in rows {
        let waiting: Waiting = decode(QUEUE, &row)?;
        bytes += waiting.message.len();
        if bytes > MOST_BYTES && !lines.is_empty() {
            break;
        }
        keys.push(key);
        lines.push(waiting);
    }
    let Some(filter) = filter.filter(|_| !lines.is_empty()) else { return Ok(()) };
    let mut next = timer(&group, &name, &stream, context.now());
    if let Err(error) = deliver(context, &group, &stream, &filter, &lines).await {
        let failures = due.payload["failures"].as_u64().unwrap_or(0) + 1;
        let since = Timestamp(due.payload["since"].as_i64().unwrap_or(due.due.millis()));
        let pause = retry::pause(&Value::Null, failures, since, context.now());
        if let Some(pause) = pause.filter(|_| may_pass(&error)) {
            next.due = context.now().add(pause);
            next.payload["failures"] = failures.into();
            next.payload["since"] = since.millis().into();
            let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
                Ok(timers::set(transaction, &next)?)
            };
            return context.store().write(write).await;
        }
        tracing::warn!(group = group.name, filter = name, destination = filter.destination, %error, "log lines for a subscriber were given up");
    }
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        for key in keys {
            transaction.delete(QUEUE, key);
        }
        if !transaction.scan(QUEUE, &lane, 1)?.is_empty() {
            timers::set(transaction, &next)?;
        }
        Ok(())
    };
    context.store().write(write).await
}

async fn deliver(
    context: &Context,
    group: &GroupName,
    stream: &str,
    filter: &Filter,
    lines: &[Waiting],
) -> Result<(), ServiceError> {
    let events = lines.iter().map(|line| {
        let id = filter::event_id(stream, line.at.millis().max(0) as u64, line.number);
        json!({ "id": id, "timestamp": line.at.millis(), "message": line.message })
    });
    let message = json!({
        "messageType": "DATA_MESSAGE",
        "owner": group.account.as_str(),
        "logGroup": group.name,
        "logStream": stream,
        "subscriptionFilters": [filter.name],
        "logEvents": events.collect::<Vec<_>>(),
    });
    let data = BASE64.encode(zipped(&message).map_err(|error| {
        ServiceError::new("InternalFailure", 500, format!("log lines could not be compressed: {error}"))
    })?);
    let arn = filter.destination.as_str();
    let context = Context {
        principal: Principal::Service(format!("logs.{}.amazonaws.com", group.region)),
        source: Some(group.arn().into()),
        ..there(context, arn)
    };
    if arn.split(':').nth(2) == Some("kinesis") {
        let name = arn.parse::<Arn>().map(|arn| arn.resource_name().to_owned()).unwrap_or_default();
        let key = if filter.distribution == "Random" { context.ids().hex(32) } else { partition_key(stream) };
        let input = json!({ "StreamName": name, "PartitionKey": key, "Data": data });
        return context.call("kinesis", "PutRecord", input).await.map(drop);
    }
    let payload = json!({ "awslogs": { "data": data } }).to_string();
    let input = json!({ "FunctionName": arn, "InvocationType": "Event" });
    context.call_with_body("lambda", "Invoke", input, Some(payload.into())).await.map(drop)
}

/// A stream's name, which may be longer than a partition key.
fn partition_key(stream: &str) -> String {
    stream.chars().take(256).collect()
}

fn zipped(message: &Value) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(message.to_string().as_bytes())?;
    encoder.finish()
}
