//! Answers on their way out.
//!
//! Keeps true: headers that frame a message are the listener's to write, never a function's or an integrated API's.

use super::request::Pairs;
use aloft_engine::{Body, HttpResponse};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};

/// Headers between two machines only.
const FRAMING: &[&str] = &[
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a header is about one connection and must not be passed on.
pub(crate) fn is_framing(name: &str) -> bool {
    FRAMING.iter().any(|framing| name.eq_ignore_ascii_case(framing))
}

/// An answer; nothing when the status or a header cannot be sent.
pub(crate) fn build(status: u16, headers: &Pairs, body: Bytes) -> Option<HttpResponse> {
    let mut response = HttpResponse::new(Body::Bytes(body));
    *response.status_mut() = StatusCode::from_u16(status).ok()?;
    for (name, value) in headers {
        if is_framing(name) {
            continue;
        }
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        response.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
    }
    Some(response)
}

/// An answer of the gateway's own.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> HttpResponse {
    let mut response = HttpResponse::new(Body::Bytes(body.into()));
    *response.status_mut() = status;
    set(&mut response, header::CONTENT_TYPE.as_str(), "application/json");
    response
}

/// Sets a header, unless it cannot be sent.
pub(crate) fn set(response: &mut HttpResponse, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
        response.headers_mut().insert(name, value);
    }
}

/// The headers as pairs.
pub(crate) fn pairs(headers: &http::HeaderMap) -> Pairs {
    headers
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect()
}

/// Pairs as headers, without those of the connection and those that cannot be sent.
pub(crate) fn header_map(pairs: &Pairs) -> http::HeaderMap {
    let mut headers = http::HeaderMap::new();
    for (name, value) in pairs.iter().filter(|(name, _)| !is_framing(name)) {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes()))
        {
            headers.append(name, value);
        }
    }
    headers
}
