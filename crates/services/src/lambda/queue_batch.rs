//! Messages of a queue as the event that a function gets, and which of them its answer calls done.

use super::recursion;
use aloft_lang::pattern::Pattern;
use aloft_worker::Outcome;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};
use std::collections::HashSet;

/// What an event has around its records.
const AROUND: usize = 64;

/// A received message.
#[derive(Clone)]
pub(super) struct Message {
    pub id: String,
    pub receipt: String,
    pub record: Value,
}

impl Message {
    /// From what `ReceiveMessage` answers.
    pub fn read(message: &Value, source: &str, region: &str) -> Self {
        let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
        let attributes = message["MessageAttributes"].as_object().cloned().unwrap_or_default();
        let mut record = json!({
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes").cloned().unwrap_or_else(|| json!({})),
            "messageAttributes": attributes.iter().map(|(name, it)| (name.clone(), attribute(it))).collect::<Map<_, _>>(),
        });
        if let Some(digest) = message.get("MD5OfMessageAttributes") {
            record["md5OfMessageAttributes"] = digest.clone();
        }
        record["md5OfBody"] = message["MD5OfBody"].clone();
        record["eventSource"] = "aws:sqs".into();
        record["eventSourceARN"] = source.into();
        record["awsRegion"] = region.into();
        Self { id: text("MessageId"), receipt: text("ReceiptHandle"), record }
    }

    /// The trace that it was sent in.
    pub fn trace(&self) -> Option<&str> {
        self.record["attributes"]["AWSTraceHeader"].as_str()
    }

    /// Whether it matches one of the patterns, if there are any. A body that is JSON is matched as such.
    pub fn passes(&self, filters: &[Pattern]) -> bool {
        if filters.is_empty() {
            return true;
        }
        let mut seen = self.record.clone();
        let body = seen["body"].as_str().unwrap_or_default();
        if let Ok(parsed @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(body) {
            seen["body"] = parsed;
        }
        filters.iter().any(|filter| filter.matches(&seen))
    }
}

fn attribute(value: &Value) -> Value {
    let mut told = json!({});
    if let Some(text) = value.get("StringValue") {
        told["stringValue"] = text.clone();
    }
    if let Some(Value::String(binary)) = value.get("BinaryValue") {
        // Base64 both there and here.
        told["binaryValue"] = if BASE64.decode(binary).is_ok() { binary.clone().into() } else { Value::Null };
    }
    told["stringListValues"] = json!([]);
    told["binaryListValues"] = json!([]);
    told["dataType"] = value["DataType"].clone();
    told
}

/// Cuts messages into events that are no larger than `limit`, each with its payload.
pub(super) fn events(messages: Vec<Message>, limit: usize) -> Vec<(Vec<Message>, Vec<u8>)> {
    let mut events: Vec<(Vec<Message>, Vec<u8>)> = Vec::new();
    for message in messages {
        let record = message.record.to_string();
        match events.last_mut() {
            Some((batch, payload)) if payload.len() + record.len() + AROUND <= limit => {
                payload.push(b',');
                payload.extend(record.as_bytes());
                batch.push(message);
            }
            _ => events.push((vec![message], [b"{\"Records\":[", record.as_bytes()].concat())),
        }
    }
    for (_, payload) in &mut events {
        payload.extend(b"]}");
    }
    events
}

/// The trace of a batch: that in which the function has been invoked most often, so that no loop is overlooked.
pub(super) fn trace(batch: &[Message], mark: Option<&str>) -> Option<String> {
    let count = |trace: &&str| mark.map_or(0, |mark| recursion::count(trace, mark));
    batch.iter().rev().filter_map(Message::trace).max_by_key(count).map(str::to_owned)
}

/// The messages that an outcome calls done. An answer that names failures wrongly makes all of them fail, as on AWS.
pub(super) fn done<'a>(outcome: &Outcome, batch: &'a [Message], reports_failures: bool) -> Vec<&'a Message> {
    if outcome.error.is_some() {
        return Vec::new();
    }
    let failed = if reports_failures { failures(&outcome.payload, batch) } else { Some(HashSet::new()) };
    match failed {
        Some(failed) => batch.iter().filter(|message| !failed.contains(&message.id)).collect(),
        None => Vec::new(),
    }
}

/// The identifiers in `batchItemFailures`; nothing when the answer makes no sense.
fn failures(payload: &[u8], batch: &[Message]) -> Option<HashSet<String>> {
    let answer: Value = serde_json::from_slice(payload).ok()?;
    let items = match answer.get("batchItemFailures") {
        None | Some(Value::Null) => return Some(HashSet::new()),
        Some(items) => items.as_array()?,
    };
    items
        .iter()
        .map(|item| {
            let id = item["itemIdentifier"].as_str()?;
            batch.iter().any(|message| message.id == id).then(|| id.to_owned())
        })
        .collect()
}
