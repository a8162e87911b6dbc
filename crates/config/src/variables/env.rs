//! `${env:NAME}`: an environment variable.

use super::{Found, Request, SourceError};
use serde_json::Value;

pub(super) fn resolve(request: &mut Request<'_, '_>) -> Result<Found, SourceError> {
    let name = request.address("env")?;
    let value = request.resolver.context.environment.get(&name).cloned();
    if value.is_none() {
        request.resolver.missing_environment.insert(name);
    }
    let is_pending = !request.resolver.environment_is_final;
    Ok(Found { value: value.map_or(Value::Null, Value::String), is_pending, missing: None })
}
