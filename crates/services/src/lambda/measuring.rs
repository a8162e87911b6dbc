//! The page by which who measures a function has it run with no more of the processors than belongs to its memory size,
//! whatever the settings say: `POST /_aloft/processor-quota {"function": "<name or ARN>", "seconds": 900}`; no seconds end it.
//!
//! Only for this machine's own tools, and nothing of Lambda's. It holds for the environments that start in that time, and
//! ends by itself, so that a tool that is killed leaves nothing behind.

use super::Lambda;
use super::name::Name;
use super::url_http::message;
use aloft_engine::{Body, Context, Head, HttpRequest, HttpResponse};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

const PATH: &str = "/_aloft/processor-quota";
/// How long it may be asked for at once.
const LONGEST_SECONDS: u64 = 86_400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    function: String,
    seconds: u64,
}

/// Whether a request is for the page.
pub(super) fn accepts(head: &Head) -> bool {
    head.path == PATH
}

/// Answers such a request: whether this machine can do so.
pub(super) fn answer(lambda: &Lambda, context: &Context, request: &HttpRequest) -> HttpResponse {
    if !request.head.is_from_this_machine() {
        return message(StatusCode::FORBIDDEN, "only this machine's own tools may do that");
    }
    if request.head.method != Method::POST {
        return message(StatusCode::METHOD_NOT_ALLOWED, "post it");
    }
    let asked = match serde_json::from_slice::<Asked>(&request.body) {
        Ok(asked) if asked.seconds <= LONGEST_SECONDS => asked,
        _ => return message(StatusCode::BAD_REQUEST, "send {\"function\": name, \"seconds\": number}"),
    };
    let name = match Name::parse(context, &asked.function, None) {
        Ok(name) => name.function,
        Err(error) => return message(StatusCode::BAD_REQUEST, &error.message),
    };
    let Ok(running) = lambda.running() else {
        return message(StatusCode::SERVICE_UNAVAILABLE, "Lambda has not been started");
    };
    let within = Duration::from_secs(asked.seconds);
    let limited = running.workers.limit_processors(&name.account, &name.region, &name.name, within);
    HttpResponse::new(Body::Bytes(json!({ "limited": limited }).to_string().into()))
}
