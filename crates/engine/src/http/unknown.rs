//! Answers to requests for APIs that the cloud does not have: always 501, in a form that the caller's SDK can read.
//!
//! Without the API's model its protocol is guessed: forms are answered as the query protocol does, all else in JSON.

use super::{Head, HttpResponse, json};
use crate::Body;
use http::{HeaderValue, StatusCode, header};

const CODE: &str = "NotImplemented";

pub(super) fn answer(head: &Head, api: &str) -> HttpResponse {
    // The name is the caller's: only what can be part of one is shown again.
    let api: String =
        api.chars().filter(|it| it.is_ascii_alphanumeric() || "-_".contains(*it)).take(64).collect();
    let message = format!("the local cloud has not built {api}");
    let is_form =
        head.header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let mut response = if is_form {
        let body = format!(
            "<ErrorResponse><Error><Type>Receiver</Type><Code>{CODE}</Code><Message>{message}</Message></Error></ErrorResponse>"
        );
        let mut response = HttpResponse::new(Body::Bytes(body.into()));
        *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
        response
    } else {
        json(StatusCode::NOT_IMPLEMENTED, &serde_json::json!({ "__type": CODE, "message": message }))
    };
    response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(CODE));
    response
}
