//! What a service answers when it does not do as asked, and what a codec says when bytes make no sense.

use serde_json::{Map, Value};
use std::fmt;

/// An error as AWS services answer it.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceError {
    /// The exception's name, or its code in the query protocol: either is found in the model.
    pub code: String,
    /// For people.
    pub message: String,
    /// The HTTP status.
    pub status: u16,
    /// Whether the caller is to blame.
    pub sender_fault: bool,
    /// Further members of the modelled exception, by member name.
    pub fields: Map<String, Value>,
}

impl ServiceError {
    /// An error; one of status 500 and above is the service's fault.
    pub fn new(code: impl Into<String>, status: u16, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            status,
            sender_fault: status < 500,
            fields: Map::new(),
        }
    }

    /// `ValidationException`, status 400.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", 400, message)
    }

    /// The same with one more modelled member.
    #[must_use]
    pub fn with_field(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.fields.insert(name.into(), value.into());
        self
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ServiceError {}

/// Bytes that are not what the model says; the protocol decides the code that the caller sees.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(pub String);

impl DecodeError {
    /// What is wrong with them, in words.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// How deep a value may nest in any protocol but JSON, whose reader stops at 128.
pub(crate) const MAX_DEPTH: usize = 64;

pub(crate) fn too_deep() -> DecodeError {
    DecodeError::new("the request nests too deeply")
}
