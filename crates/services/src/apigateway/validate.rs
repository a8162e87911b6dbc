//! What a request validator refuses.

use super::faults::{BAD_BODY, BAD_PARAMETERS, Refusal};
use super::live::Method;
use super::schema;
use crate::gateway::Request;

/// Checks a request.
pub(super) fn check(method: &Method, request: &Request) -> Result<(), Refusal> {
    if method.validates_parameters {
        let is_there = |parameter: &str| {
            let parameter = parameter.strip_prefix("method.request.").unwrap_or_default();
            match parameter.split_once('.') {
                Some(("header", name)) => request.header(name).is_some_and(|value| !value.is_empty()),
                Some(("querystring", name)) => request.query(name).is_some_and(|value| !value.is_empty()),
                Some(("path", name)) => request.path_parameters.contains_key(name),
                _ => true,
            }
        };
        let missing: Vec<&str> = method
            .parameters
            .iter()
            .filter(|(parameter, required)| *required && !is_there(parameter))
            .map(|(parameter, _)| parameter.splitn(4, '.').last().unwrap_or_default())
            .collect();
        if !missing.is_empty() {
            let message = format!("Missing required request parameters: [{}]", missing.join(", "));
            return Err(BAD_PARAMETERS.because(message));
        }
    }
    if method.validates_body {
        let media_type = request.media_type().unwrap_or_else(|| "application/json".to_owned());
        if let Some((_, model)) = method.schemas.iter().find(|(name, _)| *name == media_type) {
            let body = serde_json::from_slice(&request.body).map_err(|_| BAD_BODY.refuse())?;
            schema::check(model, &body).map_err(|reason| BAD_BODY.refuse().with_detail(reason))?;
        }
    }
    Ok(())
}
