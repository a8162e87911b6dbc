//! Integrations as they are called: with a finished body, and to an answer that can be mapped.

use super::ApiGateway;
use super::faults::{self, Refusal};
use super::live::{Integration, Kind, Stage};
use crate::gateway::function::{self, Trouble, with_stage_variables};
use crate::gateway::request::{Pairs, encode_path, find};
use crate::gateway::{proxy, response};
use aloft_engine::Context;
use bytes::Bytes;
use http::Method;
use serde_json::Value;

/// What an integration is called with.
#[derive(Default)]
pub(super) struct Call {
    pub path: Pairs,
    pub query: Pairs,
    pub headers: Pairs,
    pub body: Bytes,
}

/// What it answered.
pub(super) struct Answered {
    /// What selection patterns look at: the error's message of a function, else the status. Nothing when a function did well.
    pub matched: Option<String>,
    pub headers: Pairs,
    pub body: Bytes,
}

/// Calls an integration that is not a proxy.
pub(super) async fn call(
    service: &ApiGateway,
    context: &Context,
    integration: &Integration,
    stage: &Stage,
    call: Call,
) -> Result<Answered, Refusal> {
    match integration.kind {
        Kind::Mock => mock(&call.body),
        Kind::Aws | Kind::AwsProxy => match function::arn(&integration.uri, &stage.variables) {
            Some(arn) if integration.uri.contains(":lambda:path/") => {
                invoke(context, integration, &arn, call).await
            }
            _ => super::aws::call(context, integration, stage, call).await,
        },
        Kind::Http | Kind::HttpProxy => {
            let method = Method::from_bytes(integration.method.as_bytes()).unwrap_or(Method::GET);
            let answer = http(service, integration, stage, method, call).await?;
            let status = answer.status().as_u16();
            let headers = response::pairs(answer.headers());
            Ok(Answered { matched: Some(status.to_string()), headers, body: answer.into_body() })
        }
    }
}

/// A mock answers what its request template says: `{"statusCode": 200}`, or less strictly written.
fn mock(body: &[u8]) -> Result<Answered, Refusal> {
    let text = String::from_utf8_lossy(body);
    let status = match serde_json::from_slice::<Value>(body) {
        Ok(value) => value.get("statusCode").and_then(proxy::read_status),
        Err(_) => text.split_once("statusCode").and_then(|(_, rest)| {
            let digits = rest.trim_start_matches(|c: char| !c.is_ascii_digit());
            let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            proxy::read_status(&digits[..end].into())
        }),
    };
    let status = status.ok_or_else(|| faults::CONFIGURATION.refuse())?;
    Ok(Answered { matched: Some(status.to_string()), headers: Pairs::new(), body: Bytes::new() })
}

async fn invoke(
    context: &Context,
    integration: &Integration,
    arn: &str,
    call: Call,
) -> Result<Answered, Refusal> {
    let payload = if call.body.is_empty() { Bytes::from_static(b"{}") } else { call.body };
    let invoked = if find(&call.headers, "x-amz-invocation-type") == Some("Event") {
        function::send(context, arn, payload).await
    } else {
        function::invoke(context, arn, payload, integration.limit).await
    };
    let answer = invoked.map_err(|trouble| refuse(trouble, arn))?;
    let message = || {
        let error: Value = serde_json::from_slice(&answer.payload).unwrap_or_default();
        error.get("errorMessage").and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let matched = answer.failed.then(message);
    Ok(Answered { matched, headers: Pairs::new(), body: answer.payload })
}

/// What a caller learns of a function that could not be called.
pub(super) fn refuse(trouble: Trouble, arn: &str) -> Refusal {
    match trouble {
        Trouble::TimedOut => faults::TIMED_OUT.refuse(),
        Trouble::NotCalled(error) if error.status == 413 => faults::TOO_LARGE.refuse(),
        Trouble::NotCalled(error) => {
            tracing::warn!(%error, function = arn, "a REST API could not call its function");
            faults::CONFIGURATION.refuse()
        }
    }
}

/// Sends a request to another server.
pub(super) async fn http(
    service: &ApiGateway,
    integration: &Integration,
    stage: &Stage,
    method: Method,
    call: Call,
) -> Result<http::Response<Bytes>, Refusal> {
    let mut url = with_stage_variables(&integration.uri, &stage.variables);
    for (name, value) in &call.path {
        for variable in [format!("{{{name}}}"), format!("{{{name}+}}")] {
            url = url.replace(&variable, &encode_path(value));
        }
    }
    for (name, value) in &call.query {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(&format!("{}={}", encode_path(name), encode_path(value).replace('/', "%2F")));
    }
    let mut headers = response::header_map(&call.headers);
    headers.remove(http::header::HOST);
    let sent = service.outward.send(method, &url, headers, call.body, integration.limit).await;
    sent.map_err(|error| {
        tracing::warn!(%error, "a REST API could not reach its integration");
        if error.message.contains("did not answer within") {
            faults::TIMED_OUT.refuse()
        } else {
            faults::UNREACHABLE.refuse()
        }
    })
}
