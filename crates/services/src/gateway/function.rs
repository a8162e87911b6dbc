//! Calling the function behind a route.

use aloft_base::Arn;
use aloft_engine::{Context, ServiceError};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// What a function gave.
pub(crate) struct Answer {
    /// Its result, or the error document when it failed.
    pub payload: Bytes,
    /// Whether it threw, timed out or died.
    pub failed: bool,
}

/// Why a function gave nothing.
pub(crate) enum Trouble {
    /// It took longer than the gateway waits.
    TimedOut,
    /// It could not be called.
    NotCalled(ServiceError),
}

/// The function's ARN in an integration's URI: either the ARN itself, or
/// `arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/<arn>/invocations`. Stage variables are filled in.
pub(crate) fn arn(uri: &str, stage_variables: &Map<String, Value>) -> Option<String> {
    let uri = with_stage_variables(uri, stage_variables);
    if let Some((_, rest)) = uri.split_once(":lambda:path/") {
        let (_, arn) = rest.split_once("/functions/")?;
        return Some(arn.strip_suffix("/invocations").unwrap_or(arn).to_owned());
    }
    uri.contains(":lambda:").then_some(uri)
}

/// `${stageVariables.name}` replaced; a variable that there is not is empty.
pub(crate) fn with_stage_variables(text: &str, stage_variables: &Map<String, Value>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${stageVariables.") {
        let Some((name, after)) = after.split_once('}') else { break };
        out.push_str(before);
        out.push_str(stage_variables.get(name).and_then(Value::as_str).unwrap_or_default());
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Calls a function and waits for its answer, `limit` at most.
pub(crate) async fn invoke(
    context: &Context,
    arn: &str,
    payload: Bytes,
    limit: Duration,
) -> Result<Answer, Trouble> {
    let called = call(context, arn, "RequestResponse", payload);
    match tokio::time::timeout(limit, called).await {
        Ok(answer) => answer.map_err(Trouble::NotCalled),
        Err(_) => Err(Trouble::TimedOut),
    }
}

/// Hands an event to a function without waiting for its answer.
pub(crate) async fn send(context: &Context, arn: &str, payload: Bytes) -> Result<Answer, Trouble> {
    call(context, arn, "Event", payload).await.map_err(Trouble::NotCalled)
}

async fn call(context: &Context, arn: &str, kind: &str, payload: Bytes) -> Result<Answer, ServiceError> {
    let context = context.as_service("apigateway");
    let context = arn.parse::<Arn>().map_or_else(|_| context.clone(), |arn| context.within(&arn));
    let input = json!({ "FunctionName": arn, "InvocationType": kind });
    let reply = context.call_with_body("lambda", "Invoke", input, Some(payload)).await?;
    let failed = reply.params.get("FunctionError").is_some_and(|error| !error.is_null());
    let unread = |error: std::io::Error| ServiceError::new("InternalFailure", 500, error.to_string());
    let payload = match reply.body {
        Some(body) => body.collect().await.map_err(unread)?,
        None => Bytes::new(),
    };
    Ok(Answer { payload, failed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integrations_name_functions_in_two_ways() {
        let variables = json!({ "alias": "blue" });
        let variables = variables.as_object().expect("a map");
        let function = "arn:aws:lambda:us-east-1:000000000000:function:f";
        let path = |arn: &str| {
            format!("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations")
        };
        let check = |uri: &str, expected: Option<&str>| {
            assert_eq!(arn(uri, variables).as_deref(), expected, "{uri}");
        };
        check(function, Some(function));
        check(&path(function), Some(function));
        check(&path("${stageVariables.alias}:x"), Some("blue:x"));
        check(&path("${stageVariables.none}x"), Some("x"));
        check("arn:aws:apigateway:us-east-1:sqs:path/000000000000/q", None);
        check("https://example.com", None);
    }
}
