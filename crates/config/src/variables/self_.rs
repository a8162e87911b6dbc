//! `${self:a.b.0}`: another property of the same configuration; `${self:}` is all of it.

use super::{Found, Request, SourceError, text};
use serde_json::Value;

pub(super) fn resolve(request: &mut Request<'_, '_>) -> Result<Found, SourceError> {
    let address = match &request.address {
        None | Some(Value::Null) => String::new(),
        Some(address) => text::coerce(address).ok_or_else(|| {
            SourceError::Text(format!("Non-string address argument in variable \"self\" source: {address}"))
        })?,
    };
    let keys: Vec<&str> = if address.is_empty() { Vec::new() } else { address.split('.').collect() };
    Ok(request.property(&keys)?.into())
}
