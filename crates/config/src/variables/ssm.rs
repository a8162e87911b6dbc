//! `${ssm:/path}`, `${ssm(region, raw, noDecrypt):/path}`: a parameter of Systems Manager.

use super::{Found, Request, SourceError, text};
use serde_json::Value;

pub(super) fn resolve(request: &mut Request<'_, '_>) -> Result<Found, SourceError> {
    let name = request.address("ssm")?;
    let params: Vec<String> = request.params.iter().flatten().filter_map(text::coerce).collect();
    let has = |flag: &str| params.iter().any(|param| param == flag);
    let region = params.iter().find(|param| *param != "raw" && *param != "noDecrypt");
    let is_raw = has("raw");
    let parameter = request.cloud()?.ssm_parameter(region.map(String::as_str), &name, !has("noDecrypt"));
    let Some(parameter) = parameter.map_err(SourceError::Text)? else { return Ok(Value::Null.into()) };
    let value = match parameter.kind.as_str() {
        "StringList" if !is_raw => parameter.value.split(',').map(Value::from).collect(),
        "SecureString" if !is_raw && parameter.value.starts_with('{') => {
            serde_json::from_str(&parameter.value).unwrap_or(Value::String(parameter.value))
        }
        _ => Value::String(parameter.value),
    };
    Ok(value.into())
}
