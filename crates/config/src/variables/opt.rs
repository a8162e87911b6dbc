//! `${opt:name}`: an option of the command line; `${opt:}` is all of them.

use super::{Found, Phase, Request, SourceError};
use serde_json::Value;

pub(super) fn resolve(request: &mut Request<'_, '_>) -> Result<Found, SourceError> {
    let is_final = request.resolver.phase >= Phase::Service;
    let options = &request.resolver.context.options;
    let Some(address) = request.address.as_ref().filter(|address| !address.is_null()) else {
        let value = if is_final { Value::Object(options.clone()) } else { Value::Null };
        return Ok(Found { value, is_pending: !is_final, missing: None });
    };
    let name = super::text::coerce(address).ok_or_else(|| {
        SourceError::Text(format!("Non-string address argument in variable \"opt\" source: {address}"))
    })?;
    match options.get(&name) {
        Some(value) => Ok(value.clone().into()),
        // An option that this command does not know may be a plugin's.
        None => Ok(Found { value: Value::Null, is_pending: !is_final, missing: None }),
    }
}
