//! `${s3:bucket/key}`: the content of an object, as text.

use super::{Found, Request, SourceError};
use serde_json::Value;

pub(super) fn resolve(request: &mut Request<'_, '_>) -> Result<Found, SourceError> {
    let address = request.address("s3")?;
    let Some((bucket, key)) = address.split_once('/') else {
        return Err(SourceError::Text(format!(
            "Unsupported \"{address}\" address argument in variable \"s3\" source. Expected \"<bucket-name>/<key>\" format"
        )));
    };
    let content = request.cloud()?.s3_object(bucket, key).map_err(SourceError::Text)?;
    Ok(content.map_or(Value::Null, Value::String).into())
}
