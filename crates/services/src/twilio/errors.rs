//! What Twilio answers when it cannot do what it was asked: an HTTP status and a code of its own.
//!
//! Source: "Error and Warning Dictionary". Messages are Twilio's.

use crate::storage::Fault;
use aloft_store::StoreError;
use serde_json::{Value, json};

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub status: u16,
    pub code: u32,
    pub message: String,
}

impl Refusal {
    /// Nearly all of them have status 400.
    pub fn new(code: u32, message: impl Into<String>) -> Self {
        Self { status: 400, code, message: message.into() }
    }

    pub fn unauthorized() -> Self {
        Self { status: 401, code: 20003, message: "Authenticate".to_owned() }
    }

    pub fn not_found(path: &str) -> Self {
        Self { status: 404, code: 20404, message: format!("The requested resource {path} was not found") }
    }

    pub fn not_allowed() -> Self {
        Self { status: 405, code: 20004, message: "Method not allowed".to_owned() }
    }

    pub fn not_built(what: &str) -> Self {
        Self { status: 501, code: 20501, message: format!("the local cloud's phone has not built {what}") }
    }

    pub fn json(&self) -> Value {
        json!({
            "code": self.code,
            "message": self.message,
            "more_info": format!("https://www.twilio.com/docs/errors/{}", self.code),
            "status": self.status,
        })
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        let error = aloft_engine::ServiceError::from(fault);
        Self { status: 500, code: 20500, message: error.message }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Fault::from(error).into()
    }
}
