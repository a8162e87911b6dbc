//! The events of HTTP APIs, and what a function's answer means.
//!
//! Source: "Create AWS Lambda proxy integrations for HTTP APIs" in the developer guide.

use super::live::Stage;
use crate::gateway::request::{joined_values, or_null};
use crate::gateway::{Place, Request, proxy};
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// The media types that are text. All others go to functions as base64.
fn is_text(media_type: &str) -> bool {
    media_type.starts_with("text/")
        || media_type.ends_with("+json")
        || media_type.ends_with("+xml")
        || matches!(
            media_type,
            "application/json" | "application/xml" | "application/javascript" | "application/x-javascript"
        )
}

fn body(request: &Request) -> (Value, bool) {
    let is_text = request.media_type().is_none_or(|media_type| is_text(&media_type));
    proxy::body(request, !is_text)
}

/// The path with its stage, decoded.
pub(super) fn raw_path(request: &Request, stage: &Stage) -> String {
    let path = crate::gateway::request::decode(&request.path);
    if stage.name == "$default" { path } else { format!("/{}{path}", stage.name) }
}

/// The event of payload format 2.0. `authorizer` is what the authorizer said, if there is one.
pub(super) fn second(
    request: &Request,
    place: &Place,
    stage: &Stage,
    route_key: &str,
    authorizer: Option<Value>,
) -> Map<String, Value> {
    let (body, is_base64) = body(request);
    let mut event = second_base(request, place, stage, route_key);
    if let (Some(authorizer), Some(Value::Object(context))) = (authorizer, event.get_mut("requestContext")) {
        context.insert("authorizer".to_owned(), authorizer);
    }
    if !body.is_null() {
        event.insert("body".to_owned(), body);
    }
    event.insert("isBase64Encoded".to_owned(), is_base64.into());
    event
}

/// What functions and authorizers see alike.
pub(super) fn second_base(
    request: &Request,
    place: &Place,
    stage: &Stage,
    route_key: &str,
) -> Map<String, Value> {
    let raw_path = raw_path(request, stage);
    let (cookies, headers): (Vec<_>, Vec<_>) =
        request.headers.iter().cloned().partition(|(name, _)| name == "cookie");
    let cookies: Vec<&str> = cookies.iter().flat_map(|(_, value)| value.split(';')).map(str::trim).collect();
    let mut event = Map::new();
    let mut put = |name: &str, value: Value| drop(event.insert(name.to_owned(), value));
    put("version", "2.0".into());
    put("routeKey", route_key.into());
    put("rawPath", raw_path.as_str().into());
    put("rawQueryString", request.raw_query.as_str().into());
    if !cookies.is_empty() {
        put("cookies", cookies.into());
    }
    put("headers", joined_values(&headers).into());
    if !request.query.is_empty() {
        put("queryStringParameters", joined_values(&request.query).into());
    }
    put(
        "requestContext",
        json!({
            "accountId": place.account.as_str(),
            "apiId": place.api,
            "domainName": request.domain,
            "domainPrefix": place.api,
            "http": {
                "method": request.method.as_str(),
                "path": raw_path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.source_ip,
                "userAgent": request.header("user-agent").unwrap_or_default(),
            },
            "requestId": request.short_id,
            "routeKey": route_key,
            "stage": stage.name,
            "time": request.formatted_time(),
            "timeEpoch": request.time.millis(),
        }),
    );
    if !request.path_parameters.is_empty() {
        put("pathParameters", request.path_parameters.clone().into());
    }
    if !stage.variables.is_empty() {
        put("stageVariables", stage.variables.clone().into());
    }
    event
}

/// The event of payload format 1.0.
pub(super) fn first(
    request: &Request,
    place: &Place,
    stage: &Stage,
    route_key: &str,
    authorizer: Option<Value>,
) -> Map<String, Value> {
    let raw_path = raw_path(request, stage);
    let resource = route_key.split_once(' ').map_or("$default", |(_, path)| path);
    let mut context = json!({
        "accountId": place.account.as_str(),
        "apiId": place.api,
        "domainName": request.domain,
        "domainPrefix": place.api,
        "extendedRequestId": request.short_id,
        "httpMethod": request.method.as_str(),
        "identity": proxy::identity(request),
        "path": raw_path,
        "protocol": "HTTP/1.1",
        "requestId": request.short_id,
        "requestTime": request.formatted_time(),
        "requestTimeEpoch": request.time.millis(),
        "resourceId": route_key,
        "resourcePath": resource,
        "stage": stage.name,
    });
    if let Some(authorizer) = authorizer {
        context["authorizer"] = authorizer;
    }
    let mut event = Map::new();
    event.insert("version".to_owned(), "1.0".into());
    event.extend(proxy::event(request, resource, &raw_path, &stage.variables, body(request), context));
    event
}

/// The event of an authorizer of payload format 1.0.
pub(super) fn first_for_authorizer(
    request: &Request,
    place: &Place,
    stage: &Stage,
    route_key: &str,
) -> Map<String, Value> {
    let mut event = first(request, place, stage, route_key, None);
    for name in ["body", "isBase64Encoded", "multiValueHeaders", "multiValueQueryStringParameters"] {
        event.shift_remove(name);
    }
    event.insert("pathParameters".to_owned(), or_null(request.path_parameters.clone()));
    event
}

/// What a function of payload format 2.0 wants to be answered; nothing when its answer is malformed. An answer without a
/// status is a body in itself.
pub(super) fn second_answer(payload: &Bytes) -> Option<proxy::Answer> {
    let value: Value = serde_json::from_slice(payload).ok()?;
    let inferred = |body: String| proxy::Answer {
        status: 200,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body,
        is_base64: false,
    };
    match &value {
        Value::Object(answer) if answer.contains_key("statusCode") => {
            let mut read = proxy::answer(payload, false)?;
            let cookies = answer.get("cookies").and_then(Value::as_array);
            for cookie in cookies.into_iter().flatten().filter_map(Value::as_str) {
                read.headers.push(("set-cookie".to_owned(), cookie.to_owned()));
            }
            let has_type = read.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
            if !has_type {
                read.headers.push(("content-type".to_owned(), "text/plain;charset=UTF-8".to_owned()));
            }
            Some(read)
        }
        Value::String(text) => Some(inferred(text.clone())),
        other => Some(inferred(other.to_string())),
    }
}
