//! Putting events: each is checked by itself, matched against the rules of its bus, and written for each target.

use super::bus::{Address, BUSES};
use super::rule::{RULES, Rule, TARGETS};
use super::{Events, delivery, rules};
use crate::storage::Outcome;
use aloft_base::Timestamp;
use aloft_engine::{Context, Principal, ServiceError};
use aloft_lang::pattern::Pattern;
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};

/// The most bytes of a request's entries together.
const MOST_BYTES: usize = 1_048_576;
/// How many buses an event may pass, so that rules cannot send it around for ever.
const MOST_HOPS: u64 = 8;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutEvents {
    entries: Vec<Entry>,
    endpoint_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    /// Epoch seconds.
    time: Option<f64>,
    source: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
    detail_type: Option<String>,
    detail: Option<String>,
    event_bus_name: Option<String>,
    trace_header: Option<String>,
}

impl Entry {
    /// As the user guide counts: 14 for a time, and the bytes of the texts.
    fn size(&self) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        self.time.map_or(0, |_| 14)
            + length(&self.source)
            + length(&self.detail_type)
            + length(&self.detail)
            + self.resources.iter().map(String::len).sum::<usize>()
    }
}

/// `PutEvents`
///
/// As on AWS, an event for a bus that does not exist is taken and goes nowhere.
pub(super) async fn put_events(_: &Events, context: &Context, input: PutEvents) -> Outcome<Value> {
    if input.endpoint_id.is_some() {
        return Err(super::errors::not_built("global endpoints").into());
    }
    if input.entries.iter().map(Entry::size).sum::<usize>() > MOST_BYTES {
        let message = "Total size of the entries in the request is over the limit.";
        return Err(ServiceError::validation(message).into());
    }
    let (mut told, mut failed, mut events) = (Vec::new(), 0, Vec::new());
    for entry in input.entries {
        let bus = Address::of(context, entry.event_bus_name.as_deref());
        let trace = entry.trace_header.clone().or_else(|| context.trace_id.as_deref().map(str::to_owned));
        match to_event(context, entry) {
            Ok(event) => {
                told.push(json!({ "EventId": event["id"] }));
                events.extend(bus.ok().map(|bus| Arrival { bus, event, trace, hops: 0 }));
            }
            Err((code, message)) => {
                failed += 1;
                told.push(json!({ "ErrorCode": code, "ErrorMessage": message }));
            }
        }
    }
    accept(context, events).await?;
    Ok(json!({ "FailedEntryCount": failed, "Entries": told }))
}

/// The event of an entry, or the code and the message of what is wrong with it.
fn to_event(context: &Context, entry: Entry) -> Result<Value, (&'static str, String)> {
    let required = |name: &str, value: Option<String>| {
        let message = format!("Parameter {name} is not valid. Reason: {name} is a required argument.");
        value.filter(|value| !value.is_empty()).ok_or(("InvalidArgument", message))
    };
    let source = required("Source", entry.source)?;
    let detail_type = required("DetailType", entry.detail_type)?;
    let detail = required("Detail", entry.detail)?;
    let detail: Option<Value> = serde_json::from_str(&detail).ok().filter(Value::is_object);
    let detail = detail.ok_or_else(|| ("MalformedDetail", "Detail is malformed.".to_owned()))?;
    if source.starts_with("aws.") && !matches!(context.principal, Principal::Service(_)) {
        return Err(("NotAuthorizedForSourceException", "Not authorized for the source.".to_owned()));
    }
    let time = entry.time.map_or_else(|| context.now(), Timestamp::from_seconds_f64);
    Ok(json!({
        "version": "0",
        "id": context.ids().uuid(),
        "detail-type": detail_type,
        "source": source,
        "account": context.account.as_str(),
        "time": time.iso8601_seconds(),
        "region": context.region.as_str(),
        "resources": entry.resources,
        "detail": detail,
    }))
}

/// An event that comes to a bus.
pub(super) struct Arrival {
    pub bus: Address,
    pub event: Value,
    pub trace: Option<String>,
    /// How many buses it has come from.
    pub hops: u64,
}

/// Writes a delivery for each target of each rule that an event matches.
pub(super) async fn accept(context: &Context, arrivals: Vec<Arrival>) -> Outcome<()> {
    let (mut deliveries, now) = (Vec::new(), context.now());
    let snapshot = context.store().read()?;
    for Arrival { bus, event, trace, hops } in arrivals {
        if hops > MOST_HOPS || (!bus.is_default() && snapshot.get(BUSES, bus.key())?.is_none()) {
            tracing::warn!(
                bus = bus.name,
                hops,
                "an event was dropped: there is no such bus, or it goes in circles"
            );
            continue;
        }
        for (_, rule) in snapshot.scan_json::<Rule>(RULES, bus.key(), usize::MAX)? {
            let pattern = rule
                .pattern
                .as_deref()
                .filter(|_| rule.is_enabled())
                .and_then(|text| Pattern::parse_text(text).ok());
            if !pattern.is_some_and(|pattern| pattern.matches(&event)) {
                continue;
            }
            for (_, target) in snapshot.scan_json::<Value>(TARGETS, rule.key(), usize::MAX)? {
                let delivery = delivery::Delivery::new(&rule, target, event.clone(), now);
                let delivery = delivery::Delivery { trace: trace.clone(), hops, ..delivery };
                deliveries.push((delivery, context.ids().hex(16)));
            }
        }
    }
    drop(snapshot);
    if deliveries.is_empty() {
        return Ok(());
    }
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        for (delivery, id) in deliveries {
            delivery::add(transaction, delivery, id, now)?;
        }
        Ok(())
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TestPattern {
    event_pattern: String,
    event: String,
}

/// `TestEventPattern`
pub(super) async fn test_pattern(_: &Events, _: &Context, input: TestPattern) -> Outcome<Value> {
    let pattern = rules::check_pattern(&input.event_pattern)?;
    let event: Option<Value> = serde_json::from_str(&input.event).ok().filter(Value::is_object);
    let event = event.ok_or_else(|| ServiceError::validation("Parameter Event is not valid."))?;
    let required = ["id", "account", "source", "time", "region", "resources", "detail-type"];
    if let Some(name) = required.iter().find(|name| event[**name].is_null()) {
        return Err(ServiceError::validation(format!(
            "Parameter Event is not valid. Reason: {name} is a required member."
        ))
        .into());
    }
    Ok(json!({ "Result": pattern.matches(&event) }))
}
