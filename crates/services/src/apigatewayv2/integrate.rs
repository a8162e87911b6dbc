//! Passing a request to what is behind its route.

use super::live::{Integration, Route, Stage};
use super::{ApiGatewayV2, event, serve};
use crate::gateway::function::{self, Trouble, with_stage_variables};
use crate::gateway::{Place, Request, proxy, response};
use aloft_engine::{Context, HttpResponse};
use http::StatusCode;
use serde_json::Value;

/// Answers a request that may be answered.
pub(super) async fn answer(
    service: &ApiGatewayV2,
    context: &Context,
    (place, stage, route): (&Place, &Stage, &Route),
    request: &Request,
    authorizer: Option<Value>,
) -> HttpResponse {
    let Some(integration) = &route.integration else { return serve::internal_error() };
    if !integration.is_function {
        return Box::pin(forward(service, integration, stage, request)).await;
    }
    let Some(arn) = function::arn(&integration.uri, &stage.variables) else { return serve::internal_error() };
    let payload = if integration.second_format {
        event::second(request, place, stage, &route.key, authorizer)
    } else {
        event::first(request, place, stage, &route.key, authorizer)
    };
    let Ok(payload) = payload else { return serve::internal_error() };
    let answer = match function::invoke(context, &arn, payload, integration.limit).await {
        Ok(answer) if !answer.failed => answer.payload,
        Ok(_) => return serve::internal_error(),
        Err(Trouble::TimedOut) => {
            return serve::message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable");
        }
        Err(Trouble::NotCalled(error)) => {
            tracing::warn!(%error, function = arn, "an HTTP API could not call its function");
            return serve::internal_error();
        }
    };
    let read =
        if integration.second_format { event::second_answer(&answer) } else { proxy::answer(&answer, false) };
    let built = read.and_then(|mut answer| {
        let (status, headers) = (answer.status, std::mem::take(&mut answer.headers));
        response::build(status, &headers, answer.into_bytes(true)?)
    });
    built.unwrap_or_else(|| {
        tracing::warn!(function = arn, "a function answered what no HTTP response can be made of");
        serve::internal_error()
    })
}

/// Passes a request on to another server, and its answer back.
async fn forward(
    service: &ApiGatewayV2,
    integration: &Integration,
    stage: &Stage,
    request: &Request,
) -> HttpResponse {
    let mut url = with_stage_variables(&integration.uri, &stage.variables);
    for (name, value) in &request.path_parameters {
        let value = value.as_str().unwrap_or_default();
        url = url.replace(&format!("{{{name}}}"), &crate::gateway::request::encode_path(value));
    }
    if !request.raw_query.is_empty() {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(&request.raw_query);
    }
    let mut headers = response::header_map(&request.headers);
    headers.remove(http::header::HOST);
    let method = integration.method.clone().unwrap_or_else(|| request.method.clone());
    let sent = service.outward.send(method, &url, headers, request.body.clone(), integration.limit).await;
    match sent {
        Ok(answer) => {
            let headers = response::pairs(answer.headers());
            let status = answer.status().as_u16();
            response::build(status, &headers, answer.into_body()).unwrap_or_else(serve::internal_error)
        }
        Err(error) => {
            tracing::warn!(%error, "an HTTP API could not reach its integration");
            serve::message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
        }
    }
}
