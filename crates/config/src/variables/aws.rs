//! `${aws:accountId}` and `${aws:region}`.

use super::{Found, Request, SourceError};
use serde_json::Value;

pub(super) fn resolve(request: &mut Request<'_, '_>) -> Result<Found, SourceError> {
    let address = request.address("aws")?;
    match address.as_str() {
        "accountId" => {
            let account = request.cloud()?.account_id().map_err(SourceError::Text)?;
            Ok(Value::String(account).into())
        }
        "region" => {
            if let Some(region) = request.resolver.context.option("region") {
                return Ok(Value::from(region).into());
            }
            let region = request.property(&["provider", "region"])?;
            Ok(if region.is_null() || region == "" { Value::from("us-east-1") } else { region }.into())
        }
        _ => Err(SourceError::Text(format!(
            "Unsupported \"{address}\" address argument in variable \"aws\" source"
        ))),
    }
}
