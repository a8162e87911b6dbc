//! The front door of REST APIs.

use super::event::{self, At};
use super::faults::{self, Refusal};
use super::live::{Api, Kind};
use super::mapping::Scope;
use super::{ApiGateway, authorize, custom, proxied, validate};
use crate::gateway::pattern::segments;
use crate::gateway::{MOST_BYTES, Request, address, request, response};
use aloft_engine::{Context, HttpRequest, HttpResponse};
use serde_json::json;

/// Answers a request to an API's address.
pub(super) async fn answer(service: &ApiGateway, context: &Context, request: HttpRequest) -> HttpResponse {
    let mut answer = match find(service, context, request).await {
        Ok(answer) => answer,
        Err(refusal) => refusal.plain(),
    };
    response::set(&mut answer, "x-amzn-requestid", &context.request_id);
    answer
}

/// Finds the stage, the resource and the method that a request is for.
async fn find(
    service: &ApiGateway,
    context: &Context,
    request: HttpRequest,
) -> Result<HttpResponse, Refusal> {
    let missing = || faults::MISSING_TOKEN.refuse();
    let address = address::of(&request.head).ok_or_else(missing)?;
    let api = match service.apis.find(context.store(), address.api, Api::prepare) {
        Ok(Some(api)) if api.enabled => api,
        Ok(_) => return Err(faults::FORBIDDEN.refuse()),
        Err(error) => {
            tracing::error!(%error, "a REST API could not be read");
            return Err(faults::CONFIGURATION.refuse());
        }
    };
    let context = api.place.enter(context);
    let (stage, path) = address::split_stage(&address.path);
    let stage = api.stages.get(&request::decode(stage)).ok_or_else(|| faults::FORBIDDEN.refuse())?;
    let path = path.to_owned();
    let found = stage.content.find(&segments(&path));
    let found = found.and_then(|(resource, variables)| {
        Some((resource, resource.method(request.head.method.as_str())?, variables))
    });
    let Some((resource, method, variables)) = found else {
        let request = Request::new(&context, &api.place.api, request, path);
        let seen = json!({ "requestId": request.id, "stage": stage.name, "apiId": api.place.api });
        let mut answer = missing().answer(stage, &request, &seen);
        response::set(&mut answer, "x-amz-apigw-id", &request.short_id);
        return Ok(answer);
    };
    let at = At { place: &api.place, stage, resource, method };
    let signer = authorize::signer(&context, at, &request);
    let mut request = Request::new(&context, &api.place.api, request, path);
    request.path_parameters = variables;
    let source = event::template_arn(at, &request);
    let context = Context { trace_id: Some(request.trace_id.clone()), ..context }.caused_by(source);
    let answered = match signer {
        Ok(signer) => within(service, &context, at, &request, signer).await,
        Err(refusal) => Err(refusal),
    };
    let mut answer = answered.unwrap_or_else(|refusal| {
        let seen = event::template_context(event::request_context(at, &request, &event::Caller::default()));
        refusal.answer(stage, &request, &seen)
    });
    response::set(&mut answer, "x-amz-apigw-id", &request.short_id);
    response::set(&mut answer, "x-amzn-trace-id", &request.trace_id);
    Ok(answer)
}

/// Lets the caller in, looks at what it sent, and passes it on.
async fn within(
    service: &ApiGateway,
    context: &Context,
    at: At<'_>,
    request: &Request,
    signer: Option<crate::gateway::signature::Signer>,
) -> Result<HttpResponse, Refusal> {
    let caller = authorize::check(service, context, at, request, signer).await?;
    if request.body.len() > MOST_BYTES {
        return Err(faults::TOO_LARGE.refuse());
    }
    validate::check(at.method, request)?;
    let integration = at.method.integration.as_ref().ok_or_else(|| faults::CONFIGURATION.refuse())?;
    let request_context = event::request_context(at, request, &caller);
    if integration.kind == Kind::AwsProxy {
        return proxied::function(context, at, integration, request, request_context).await;
    }
    let context_of_templates = event::template_context(request_context);
    let scope =
        Scope { request, context: &context_of_templates, stage_variables: &at.stage.variables, answer: None };
    match integration.kind {
        Kind::HttpProxy => Box::pin(proxied::http(service, at, integration, request, &scope)).await,
        _ => Box::pin(custom::answer(service, context, at, integration, request, &scope)).await,
    }
}
