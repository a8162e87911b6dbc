//! What the batch operations share: how their entries are checked, and the answer of what went well and what did not.

use super::errors;
use crate::storage::{Fault, Outcome};
use aloft_engine::ServiceError;
use serde_json::{Value, json};
use std::collections::HashSet;

/// How many entries a batch may have.
const MOST: usize = 10;

/// An entry of a batch.
pub(super) trait Entry {
    /// What AWS calls it.
    const NAME: &'static str;

    /// What the caller calls it.
    fn id(&self) -> &str;
}

/// Checks how many entries there are, and their ids.
pub(super) fn check<E: Entry>(entries: &[E]) -> Result<(), ServiceError> {
    if entries.is_empty() {
        return Err(errors::empty_batch(E::NAME));
    }
    if entries.len() > MOST {
        return Err(errors::too_many_entries(entries.len()));
    }
    let mut seen = HashSet::new();
    for id in entries.iter().map(E::id) {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if id.is_empty() || id.len() > 80 || !id.bytes().all(fits) {
            return Err(errors::invalid_id());
        }
        if !seen.insert(id) {
            return Err(errors::repeated_id(id));
        }
    }
    Ok(())
}

/// What became of the entries.
#[derive(Default)]
pub(super) struct Answer {
    successful: Vec<Value>,
    failed: Vec<Value>,
}

impl Answer {
    /// With an entry's end. Only a failure of the cloud itself ends the batch.
    pub fn add(&mut self, id: String, result: Outcome<Value>) -> Outcome<()> {
        match result {
            Ok(mut value) => {
                value["Id"] = id.into();
                self.successful.push(value);
            }
            Err(Fault::Service(error)) if error.status < 500 => self.failed.push(json!({
                "Id": id,
                "SenderFault": error.sender_fault,
                "Code": error.code,
                "Message": error.message,
            })),
            Err(fault) => return Err(fault),
        }
        Ok(())
    }

    /// The operation's answer. Either list is left out when it is empty, as AWS does.
    pub fn into_value(self) -> Value {
        let mut answer = json!({});
        for (name, list) in [("Successful", self.successful), ("Failed", self.failed)] {
            if !list.is_empty() {
                answer[name] = list.into();
            }
        }
        answer
    }
}
