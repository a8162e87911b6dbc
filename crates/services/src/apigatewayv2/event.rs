//! The events of HTTP APIs, and what a function's answer means.
//!
//! Source: "Create AWS Lambda proxy integrations for HTTP APIs" in the developer guide.

use super::live::Stage;
use crate::gateway::{Place, Request, proxy};
use bytes::Bytes;
use indexmap::IndexMap;
use indexmap::map::Entry;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

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

fn body(request: &Request) -> (Option<Cow<'_, str>>, bool) {
    let is_text = request.media_type().is_none_or(|media_type| is_text(&media_type));
    proxy::body(request, !is_text)
}

/// The path with its stage, decoded.
pub(super) fn raw_path(request: &Request, stage: &Stage) -> String {
    let path = crate::gateway::request::decode(&request.path);
    if stage.name == "$default" { path } else { format!("/{}{path}", stage.name) }
}

/// The event of payload format 2.0, as far as functions and authorizers see the same.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Second<'a> {
    version: &'static str,
    route_key: &'a str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<&'a str>,
    headers: Joined<'a>,
    #[serde(skip_serializing_if = "Joined::is_empty")]
    query_string_parameters: Joined<'a>,
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    path_parameters: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    stage_variables: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    /// Nothing for authorizers.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_base64_encoded: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    account_id: &'a str,
    api_id: &'a str,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: Http<'a>,
    request_id: &'a str,
    route_key: &'a str,
    stage: &'a str,
    time: String,
    time_epoch: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: &'a str,
    path: &'a str,
    protocol: &'static str,
    source_ip: &'a str,
    user_agent: &'a str,
}

impl<'a> Second<'a> {
    fn new(
        request: &'a Request,
        raw_path: &'a str,
        (place, stage): (&'a Place, &'a Stage),
        route_key: &'a str,
        authorizer: Option<Value>,
    ) -> Self {
        let (cookies, headers): (Vec<_>, Vec<_>) =
            request.headers.iter().partition(|(name, _)| name == "cookie");
        Self {
            version: "2.0",
            route_key,
            raw_path,
            raw_query_string: &request.raw_query,
            cookies: cookies.iter().flat_map(|(_, value)| value.split(';')).map(str::trim).collect(),
            headers: joined(headers),
            query_string_parameters: joined(&request.query),
            request_context: RequestContext {
                account_id: place.account.as_str(),
                api_id: &place.api,
                domain_name: &request.domain,
                domain_prefix: &place.api,
                http: Http {
                    method: request.method.as_str(),
                    path: raw_path,
                    protocol: "HTTP/1.1",
                    source_ip: &request.source_ip,
                    user_agent: request.header("user-agent").unwrap_or_default(),
                },
                request_id: &request.short_id,
                route_key,
                stage: &stage.name,
                time: request.formatted_time(),
                time_epoch: request.time.millis(),
                authorizer,
            },
            path_parameters: &request.path_parameters,
            stage_variables: &stage.variables,
            body: None,
            is_base64_encoded: None,
        }
    }
}

/// The values of each name, joined by commas.
type Joined<'a> = IndexMap<&'a str, Cow<'a, str>>;

fn joined<'a>(pairs: impl IntoIterator<Item = &'a (String, String)>) -> Joined<'a> {
    let mut joined = Joined::new();
    for (name, value) in pairs {
        match joined.entry(name) {
            Entry::Vacant(place) => drop(place.insert(value.into())),
            Entry::Occupied(mut before) => {
                let before = before.get_mut().to_mut();
                before.push(',');
                before.push_str(value);
            }
        }
    }
    joined
}

/// The event of payload format 2.0, for functions. `authorizer` is what the authorizer said, if there is one.
pub(super) fn second(
    request: &Request,
    place: &Place,
    stage: &Stage,
    route_key: &str,
    authorizer: Option<Value>,
) -> serde_json::Result<Bytes> {
    let raw_path = raw_path(request, stage);
    let (body, is_base64) = body(request);
    let event = Second {
        body,
        is_base64_encoded: Some(is_base64),
        ..Second::new(request, &raw_path, (place, stage), route_key, authorizer)
    };
    proxy::bytes(&event)
}

/// The same for authorizers, which see no body.
pub(super) fn second_for_authorizer(
    request: &Request,
    place: &Place,
    stage: &Stage,
    route_key: &str,
) -> Map<String, Value> {
    let raw_path = raw_path(request, stage);
    proxy::members_of(&Second::new(request, &raw_path, (place, stage), route_key, None))
}

/// The event of payload format 1.0.
pub(super) fn first(
    request: &Request,
    place: &Place,
    stage: &Stage,
    route_key: &str,
    authorizer: Option<Value>,
) -> serde_json::Result<Bytes> {
    let raw_path = raw_path(request, stage);
    let (body, is_base64_encoded) = body(request);
    let event = first_of(request, &raw_path, (place, stage), route_key, authorizer);
    proxy::bytes(&proxy::Event { body, is_base64_encoded, ..event })
}

fn first_of<'a>(
    request: &'a Request,
    raw_path: &'a str,
    (place, stage): (&'a Place, &'a Stage),
    route_key: &'a str,
    authorizer: Option<Value>,
) -> proxy::Event<'a> {
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
    proxy::Event {
        version: Some("1.0"),
        path: raw_path,
        ..proxy::Event::new(request, resource, &stage.variables, context)
    }
}

/// The event of an authorizer of payload format 1.0.
pub(super) fn first_for_authorizer(
    request: &Request,
    place: &Place,
    stage: &Stage,
    route_key: &str,
) -> Map<String, Value> {
    let raw_path = raw_path(request, stage);
    let mut event = proxy::members_of(&first_of(request, &raw_path, (place, stage), route_key, None));
    for name in ["body", "isBase64Encoded", "multiValueHeaders", "multiValueQueryStringParameters"] {
        event.shift_remove(name);
    }
    event
}

/// What a function of payload format 2.0 wants to be answered; nothing when its answer is malformed. An answer without a
/// status is a body in itself.
pub(super) fn second_answer(payload: &Bytes) -> Option<proxy::Answer> {
    let inferred = |body: String| proxy::Answer {
        status: 200,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body,
        is_base64: false,
    };
    match serde_json::from_slice(payload).ok()? {
        Value::Object(answer) if answer.contains_key("statusCode") => {
            let mut read = proxy::read(&answer, false)?;
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
        Value::String(text) => Some(inferred(text)),
        other => Some(inferred(other.to_string())),
    }
}
