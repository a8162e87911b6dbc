//! Proxy integrations: the request as it is, and the answer as it is.

use super::ApiGateway;
use super::backend::{self, Call};
use super::event::At;
use super::faults::{self, Refusal};
use super::live::{Integration, Kind};
use super::mapping::{self, Scope};
use crate::gateway::request::Pairs;
use crate::gateway::{Request, function, proxy, response};
use aloft_engine::{Context, HttpResponse};
use http::Method;
use serde_json::Value;

/// Headers of an answer that come under another name, because the gateway has its own.
const REMAPPED: &[&str] =
    &["authorization", "content-md5", "date", "expect", "host", "server", "user-agent", "www-authenticate"];

/// Answers through a function.
pub(super) async fn function(
    context: &Context,
    at: At<'_>,
    integration: &Integration,
    request: &Request,
    request_context: Value,
) -> Result<HttpResponse, Refusal> {
    let content = &at.stage.content;
    let arn = function::arn(&integration.uri, &at.stage.variables);
    let arn = arn.ok_or_else(|| faults::CONFIGURATION.refuse())?;
    let (body, is_base64_encoded) = if content.is_binary(request.header("content-type")) {
        proxy::body(request, true)
    } else if request.body.is_empty() {
        (None, false)
    } else {
        // What is not declared as bytes is text, come what may.
        (Some(String::from_utf8_lossy(&request.body)), false)
    };
    let event = proxy::Event::new(request, &at.resource.path, &at.stage.variables, request_context);
    let event = proxy::Event { body, is_base64_encoded, ..event };
    let payload = proxy::bytes(&event).map_err(|_| faults::CONFIGURATION.refuse())?;
    let answer = function::invoke(context, &arn, payload, integration.limit).await;
    let answer = answer.map_err(|trouble| backend::refuse(trouble, &arn))?;
    let malformed = || {
        tracing::warn!(function = arn, "a function answered what no HTTP response can be made of");
        faults::MALFORMED.refuse()
    };
    if answer.failed {
        return Err(faults::MALFORMED.refuse());
    }
    let mut read = proxy::answer(&answer.payload, true).ok_or_else(malformed)?;
    let mut headers = remapped(std::mem::take(&mut read.headers));
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    let status = read.status;
    let body = read.into_bytes(content.wants_binary(request.header("accept"))).ok_or_else(malformed)?;
    response::build(status, &headers, body).ok_or_else(malformed)
}

fn remapped(headers: Pairs) -> Pairs {
    let rename = |(name, value): (String, String)| {
        let name = name.to_ascii_lowercase();
        match REMAPPED.contains(&name.as_str()) {
            true => (format!("x-amzn-remapped-{name}"), value),
            false => (name, value),
        }
    };
    headers.into_iter().map(rename).collect()
}

/// Answers through another server.
pub(super) async fn http(
    service: &ApiGateway,
    at: At<'_>,
    integration: &Integration,
    request: &Request,
    scope: &Scope<'_>,
) -> Result<HttpResponse, Refusal> {
    debug_assert_eq!(integration.kind, Kind::HttpProxy);
    let mut call = Call {
        path: Pairs::new(),
        query: request.query.clone(),
        headers: request.headers.clone(),
        body: request.body.clone(),
    };
    map_parameters(integration, scope, &mut call);
    let method = match integration.method.as_str() {
        "ANY" => request.method.clone(),
        method => Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET),
    };
    let answer = backend::http(service, integration, at.stage, method, call).await?;
    let status = answer.status().as_u16();
    let headers = remapped(response::pairs(answer.headers()));
    response::build(status, &headers, answer.into_body()).ok_or_else(|| faults::MALFORMED.refuse())
}

/// Fills in what the request parameters of an integration say.
pub(super) fn map_parameters(integration: &Integration, scope: &Scope, call: &mut Call) {
    for (target, expression) in &integration.parameters {
        let Some(target) = target.strip_prefix("integration.request.") else { continue };
        let Some((place, name)) = target.split_once('.') else { continue };
        let Some(value) = mapping::evaluate(expression, scope).as_ref().and_then(mapping::text_of) else {
            continue;
        };
        let pairs = match place {
            "path" => &mut call.path,
            "querystring" => &mut call.query,
            _ => &mut call.headers,
        };
        pairs.retain(|(known, _)| known != name && (place != "header" || !known.eq_ignore_ascii_case(name)));
        pairs.push((name.to_owned(), value));
    }
}
