//! Function URLs whose answers are passed on while the function writes them.
//!
//! Keeps true: the status and the headers are sent as soon as the function has named them; an answer that breaks off ends
//! the connection early, so that the client knows.

use super::streaming::{self, Answer, Next};
use super::url_http::{add_own, message};
use aloft_engine::{Body, HttpResponse};
use aloft_worker::{HTTP_INTEGRATION, prelude};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value};
use std::io;

/// The most bytes of a prelude.
const PRELUDE_LIMIT: usize = 64 * 1024;

/// Answers with what is being written.
pub(super) async fn respond(mut answer: Answer) -> HttpResponse {
    let bad = || message(StatusCode::BAD_GATEWAY, "Internal Server Error");
    if !answer.content_type.starts_with(HTTP_INTEGRATION) {
        let kind = answer.content_type.clone();
        return open(answer, StatusCode::OK, &kind, Bytes::new());
    }
    let mut read = BytesMut::new();
    let (told, from) = loop {
        if let Some(found) = prelude(&read) {
            break found;
        }
        match answer.next().await {
            Next::Data(data) if read.len() <= PRELUDE_LIMIT => read.extend_from_slice(&data),
            _ => return bad(),
        }
    };
    let status = told.get("statusCode").map_or(Some(200), Value::as_u64);
    let status = status.and_then(|it| StatusCode::from_u16(u16::try_from(it).ok()?).ok());
    let Some(status) = status else { return bad() };
    let mut response = open(answer, status, "application/json", read.freeze().slice(from..));
    add_own(response.headers_mut(), &Value::Object(Map::from_iter(told)));
    response
}

/// An answer of which this is the beginning.
fn open(answer: Answer, status: StatusCode, content_type: &str, beginning: Bytes) -> HttpResponse {
    let body = streaming::body((Some(answer), beginning), |(answer, beginning)| async move {
        if !beginning.is_empty() {
            return Some((Ok(beginning), (answer, Bytes::new())));
        }
        let mut answer = answer?;
        match answer.next().await {
            Next::Data(data) => Some((Ok(data), (Some(answer), Bytes::new()))),
            Next::End(Ok(outcome)) if outcome.error.is_none() => None,
            Next::End(_) => {
                Some((Err(io::Error::other("the function failed half-way")), (None, Bytes::new())))
            }
        }
    });
    let mut response = HttpResponse::new(Body::Open(body));
    *response.status_mut() = status;
    let kind = HeaderValue::from_str(content_type);
    let kind = kind.unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
