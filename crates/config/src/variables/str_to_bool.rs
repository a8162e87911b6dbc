//! `${strToBool(value)}`: `true` or `1`, `false` or `0`, as a boolean.

use super::{Found, Request, SourceError, text};
use serde_json::Value;

pub(super) fn resolve(request: &mut Request<'_, '_>) -> Result<Found, SourceError> {
    let Some(input) = request.param(0) else {
        return Err(SourceError::Text("Missing \"strToBool\" input".to_owned()));
    };
    let Some(input) = text::coerce(input) else {
        return Err(SourceError::Text(format!("Non-string \"strToBool\" input:. Received: {input}")));
    };
    match input.trim().to_lowercase().as_str() {
        "true" | "1" => Ok(Value::Bool(true).into()),
        "false" | "0" => Ok(Value::Bool(false).into()),
        _ => Err(SourceError::Text(format!(
            "Invalid \"strToBool\" input: Expected either \"true\", \"false\", \"0\", or \"1\". Received: {input}"
        ))),
    }
}
