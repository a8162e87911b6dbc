//! `${sls:stage}` and `${sls:instanceId}`.

use super::{Found, Phase, Request, SourceError};
use serde_json::Value;

pub(super) fn resolve(request: &mut Request<'_, '_>) -> Result<Found, SourceError> {
    let address = request.address("sls")?;
    match address.as_str() {
        "instanceId" if request.resolver.phase < Phase::Service => {
            Ok(Found { value: Value::Null, is_pending: true, missing: None })
        }
        "instanceId" => Ok(Value::String(request.resolver.context.instance_id.clone()).into()),
        "stage" => {
            if let Some(stage) = request.resolver.context.option("stage") {
                return Ok(Value::from(stage).into());
            }
            let stage = request.property(&["provider", "stage"])?;
            Ok(if stage.is_null() || stage == "" { Value::from("dev") } else { stage }.into())
        }
        _ => Err(SourceError::Text(format!(
            "Unsupported \"{address}\" address argument in variable \"sls\" source"
        ))),
    }
}
