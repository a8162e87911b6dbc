//! What comes in and what goes out: HTTP messages without their connection, and typed values without their wire.

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Map, Value};

/// An HTTP request, as far as the protocols look at it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path as sent: percent-encoded, with its leading slash, without the query.
    pub path: String,
    /// The query string as sent, without its question mark; empty when there is none.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Request {
    /// A header's value, when it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// An operation's input.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Input {
    /// An object with the model's member names.
    pub params: Value,
    /// The blob or stream that is the HTTP body, where the model has such a member; it is not in `params` then.
    pub body: Option<Bytes>,
}

/// An operation's output.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Output {
    /// An object with the model's member names.
    pub params: Value,
    /// The blob or stream that is the HTTP body, where the model has such a member; it is not in `params` then.
    pub body: Option<Bytes>,
}

impl Input {
    /// Input without a body of its own.
    pub fn new(params: Value) -> Self {
        Self { params, body: None }
    }
}

impl Output {
    /// Output without a body of its own.
    pub fn new(params: Value) -> Self {
        Self { params, body: None }
    }

    /// No member at all.
    pub fn empty() -> Self {
        Self::new(Value::Object(Map::new()))
    }
}
