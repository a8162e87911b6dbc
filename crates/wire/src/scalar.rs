//! Scalars as text: what headers, paths, queries, forms and XML have in common, and the spellings of a time.
//!
//! Not for JSON or CBOR, which have numbers and booleans of their own; they share the timestamps.

use crate::error::DecodeError;
use crate::model::{Kind, Member, Model};
use aloft_base::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Number, Value};

/// How a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimestampFormat {
    /// `2026-11-23T04:05:06Z`, with milliseconds when there are any.
    Iso8601,
    /// `2026-11-23T04:05:06.000Z`, as S3 writes in XML.
    Iso8601Millis,
    /// `Mon, 23 Nov 2026 04:05:06 GMT`
    HttpDate,
    /// Seconds since 1970.
    Epoch,
}

impl TimestampFormat {
    /// Writes a value that holds epoch seconds; text passes through.
    pub fn write(self, value: &Value) -> Option<String> {
        let seconds = match value {
            Value::String(text) => return Some(text.clone()),
            other => other.as_f64()?,
        };
        let at = Timestamp::from_seconds_f64(seconds);
        Some(match self {
            Self::Iso8601 if at.millis() % 1000 == 0 => at.iso8601_seconds(),
            Self::Iso8601 | Self::Iso8601Millis => at.iso8601(),
            Self::HttpDate => at.http_date(),
            Self::Epoch => epoch(at).to_string(),
        })
    }

    /// Reads any of the spellings, since clients and services mix them.
    pub fn read(text: &str) -> Option<Value> {
        let text = text.trim();
        if let Ok(seconds) = text.parse::<i64>() {
            return Some(seconds.into());
        }
        let at =
            Timestamp::parse_iso8601(text).or_else(|| Timestamp::parse_http_date(text)).or_else(|| {
                text.parse().ok().filter(|seconds: &f64| seconds.is_finite()).map(Timestamp::from_seconds_f64)
            })?;
        Some(epoch(at))
    }
}

/// Epoch seconds, whole where they are whole.
pub(crate) fn epoch(at: Timestamp) -> Value {
    if at.millis() % 1000 == 0 { at.seconds().into() } else { at.as_seconds_f64().into() }
}

/// Writes a scalar; `None` for null and for what is no scalar.
pub(crate) fn write(
    model: &Model,
    member: &Member,
    value: &Value,
    format: TimestampFormat,
) -> Option<String> {
    if matches!(model.shape(member).kind, Kind::Timestamp) {
        return member.timestamp_format.unwrap_or(format).write(value);
    }
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Reads a scalar of the member's kind. Base64 is checked and kept as it is.
pub(crate) fn read(model: &Model, member: &Member, text: &str) -> Result<Value, DecodeError> {
    let shape = model.shape(member);
    let wrong = |kind: &str| {
        DecodeError::new(format!("`{}` is not a valid {kind} for {}", shorten(text), member.name))
    };
    match shape.kind {
        Kind::Integer => text.trim().parse::<i64>().map(Value::from).map_err(|_| wrong("integer")),
        Kind::Float => read_float(text.trim()).ok_or_else(|| wrong("number")),
        Kind::Boolean => match text.trim() {
            "true" | "True" | "TRUE" | "1" => Ok(true.into()),
            "false" | "False" | "FALSE" | "0" => Ok(false.into()),
            _ => Err(wrong("boolean")),
        },
        Kind::Timestamp => TimestampFormat::read(text).ok_or_else(|| wrong("timestamp")),
        Kind::Blob => canonical_base64(text).map(Value::from).ok_or_else(|| wrong("base64 text")),
        _ => Ok(text.into()),
    }
}

fn read_float(text: &str) -> Option<Value> {
    match text {
        "NaN" | "Infinity" | "-Infinity" => Some(text.into()),
        _ => float(text.parse().ok()?),
    }
}

/// A number, or the words for those that JSON has none for.
pub(crate) fn float(number: f64) -> Option<Value> {
    let word = match number {
        n if n.is_nan() => "NaN",
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        n => return Number::from_f64(n).map(Value::Number),
    };
    Some(word.into())
}

/// Base64 text without the line breaks that some clients put in; `None` when it is none.
pub(crate) fn canonical_base64(text: &str) -> Option<String> {
    let mut text = text.to_owned();
    if text.contains(char::is_whitespace) {
        text.retain(|c| !c.is_whitespace());
    }
    BASE64.decode(&text).is_ok().then_some(text)
}

/// At most eighty characters, for messages.
pub(crate) fn shorten(text: &str) -> &str {
    text.char_indices().nth(80).map_or(text, |(at, _)| &text[..at])
}
