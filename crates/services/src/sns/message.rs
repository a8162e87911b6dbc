//! A message that is published: what is allowed, and what each protocol gets of it.

use super::errors;
use aloft_base::Timestamp;
use aloft_engine::ServiceError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The most bytes of a message, or of all those of a batch, with their attributes.
pub(super) const MOST_BYTES: usize = 262_144;

/// A message on its way to subscribers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Message {
    pub id: String,
    /// The ARN of its topic.
    pub topic: String,
    pub subject: Option<String>,
    pub body: String,
    /// Whether the body is JSON with a text for each protocol.
    pub structured: bool,
    /// `DataType` and `StringValue` or `BinaryValue` (base64) by name.
    pub attributes: Map<String, Value>,
    pub published: Timestamp,
    pub group: Option<String>,
    pub deduplication_id: Option<String>,
    pub sequence: Option<u64>,
    /// The trace of the publish, which goes on with what it causes.
    pub trace: Option<String>,
}

impl Message {
    /// The text for subscribers of a protocol.
    pub fn for_protocol(&self, protocol: &str) -> String {
        if !self.structured {
            return self.body.clone();
        }
        let texts: Map<String, Value> = serde_json::from_str(&self.body).unwrap_or_default();
        let text = texts.get(protocol).filter(|text| text.is_string()).or_else(|| texts.get("default"));
        text.and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

/// Checks body, subject, structure and attributes.
pub(super) fn check(
    body: &str,
    subject: Option<&str>,
    structure: Option<&str>,
    attributes: &Map<String, Value>,
) -> Result<(), ServiceError> {
    if body.is_empty() {
        return Err(errors::invalid("Empty message"));
    }
    if size(body, attributes) > MOST_BYTES {
        return Err(errors::invalid("Message too long"));
    }
    if let Some(subject) = subject {
        let fits =
            (1..=100).contains(&subject.chars().count()) && !subject.contains(|c: char| c.is_control());
        if !fits {
            return Err(errors::invalid("Subject"));
        }
    }
    match structure {
        None => {}
        Some("json") => match serde_json::from_str::<Value>(body) {
            Ok(Value::Object(texts)) if texts.get("default").is_some_and(Value::is_string) => {}
            Ok(Value::Object(_)) => {
                return Err(errors::invalid("Message Structure - No default entry in JSON message body"));
            }
            _ => return Err(errors::invalid("Message Structure - JSON message body failed to parse")),
        },
        Some(_) => return Err(errors::invalid("MessageStructure")),
    }
    attributes.iter().try_for_each(|(name, attribute)| check_attribute(name, attribute))
}

fn check_attribute(name: &str, attribute: &Value) -> Result<(), ServiceError> {
    let member = |member: &str| attribute[member].as_str().unwrap_or_default();
    let data_type = member("DataType");
    let lower = name.to_ascii_lowercase();
    let named = !name.is_empty()
        && name.len() <= 256
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && (!lower.starts_with("aws.") || lower.starts_with("aws.sns.") || lower.starts_with("aws.mm."))
        && !lower.starts_with("amazon.");
    if !named {
        return Err(errors::invalid_value(format!("The message attribute name '{name}' is invalid.")));
    }
    let kind = data_type.split('.').next().unwrap_or_default();
    let value = if kind == "Binary" { member("BinaryValue") } else { member("StringValue") };
    if !matches!(kind, "String" | "Number" | "Binary") {
        return Err(errors::invalid_value(format!(
            "The message attribute '{name}' has an invalid message attribute type, \
             the set of supported type prefixes is Binary, Number, and String."
        )));
    }
    if value.is_empty() {
        return Err(errors::invalid_value(format!(
            "The message attribute '{name}' must contain non-empty message attribute value \
             for message attribute type '{data_type}'."
        )));
    }
    if kind == "Number" && value.parse::<f64>().is_err() {
        return Err(errors::invalid_value(format!(
            "Could not cast message attribute '{name}' value to number."
        )));
    }
    if data_type == "String.Array" && serde_json::from_str::<Vec<Value>>(value).is_err() {
        return Err(errors::invalid_value(format!(
            "Could not parse message attribute '{name}' value as a JSON array."
        )));
    }
    Ok(())
}

/// The bytes that count against [`MOST_BYTES`].
pub(super) fn size(body: &str, attributes: &Map<String, Value>) -> usize {
    let of_attribute = |(name, attribute): (&String, &Value)| {
        let length = |member: &str| attribute[member].as_str().map_or(0, str::len);
        name.len() + length("DataType") + length("StringValue") + length("BinaryValue") * 3 / 4
    };
    body.len() + attributes.iter().map(of_attribute).sum::<usize>()
}
