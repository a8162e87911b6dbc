//! `${cf:stack.output}` and `${cf(region):stack.output}`: an output of a deployed stack.

use super::{Found, Request, SourceError};

pub(super) fn resolve(request: &mut Request<'_, '_>) -> Result<Found, SourceError> {
    let address = request.address("cf")?;
    let Some((stack, output)) = address.split_once('.') else {
        return Err(SourceError::Text(format!(
            "Unsupported \"{address}\" address argument in variable \"cf\" source. Expected \"<stack-name>.<output-id>\" format"
        )));
    };
    let region = request.region();
    let value = request.cloud()?.stack_output(region.as_deref(), stack, output).map_err(SourceError::Text)?;
    Ok(value.unwrap_or_default().into())
}
