//! The front door of HTTP APIs.

use super::live::{Api, Stage};
use super::{ApiGatewayV2, authorize, cors, integrate};
use crate::gateway::pattern::segments;
use crate::gateway::{MOST_BYTES, Request, address, response};
use aloft_engine::{Context, HttpRequest, HttpResponse};
use http::StatusCode;
use serde_json::json;

/// Answers a request to an API's address.
pub(super) async fn answer(service: &ApiGatewayV2, context: &Context, request: HttpRequest) -> HttpResponse {
    let not_found = || message(StatusCode::NOT_FOUND, "Not Found");
    let Some(address) = address::of(&request.head) else { return not_found() };
    let api = match service.apis.find(context.store(), address.api, Api::prepare) {
        Ok(Some(api)) if api.enabled => api,
        Ok(_) => return not_found(),
        Err(error) => {
            tracing::error!(%error, "an HTTP API could not be read");
            return internal_error();
        }
    };
    let context = api.place.enter(context);
    let path = address.path.into_owned();
    if let Some(answer) = api.cors.as_ref().and_then(|cors| cors::preflight(cors, &request.head)) {
        return answer;
    }
    let origin = request.head.header("origin").map(str::to_owned);
    let Some((stage, path)) = api.stage(&path) else { return not_found() };
    let mut answer = within(service, &context, &api, stage, request, path.to_owned()).await;
    if let Some(cors) = &api.cors {
        cors::apply(cors, origin.as_deref(), &mut answer);
    }
    answer
}

async fn within(
    service: &ApiGatewayV2,
    context: &Context,
    api: &Api,
    stage: &Stage,
    request: HttpRequest,
    path: String,
) -> HttpResponse {
    let Some((route, variables)) = stage.routes.find(&request.head.method, &segments(&path)) else {
        return message(StatusCode::NOT_FOUND, "Not Found");
    };
    if request.body.len() > MOST_BYTES {
        return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    }
    let signer = match authorize::signer(context, route, &request) {
        Ok(signer) => signer,
        Err(refusal) => return refusal,
    };
    let mut request = Request::new(context, &api.place.api, request, path);
    request.path_parameters = variables;
    let (region, account, id) = (&api.place.region, &api.place.account, &api.place.api);
    let (partition, stage_name) = (region.partition(), &stage.name);
    let source = format!("arn:{partition}:execute-api:{region}:{account}:{id}/{stage_name}/{}", route.key);
    let context = Context { trace_id: Some(request.trace_id.clone()), ..context.clone() }.caused_by(source);
    let at = (&api.place, stage, route);
    let mut answer = match authorize::check(service, &context, at, &request, signer).await {
        Ok(authorizer) => integrate::answer(service, &context, at, &request, authorizer).await,
        Err(refusal) => refusal,
    };
    response::set(&mut answer, "apigw-requestid", &request.short_id);
    answer
}

/// An error of the gateway's own.
pub(super) fn message(status: StatusCode, message: &str) -> HttpResponse {
    response::json(status, json!({ "message": message }).to_string())
}

/// What a caller learns of a function that failed.
pub(super) fn internal_error() -> HttpResponse {
    message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
}
