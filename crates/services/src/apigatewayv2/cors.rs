//! CORS: preflights are answered by the gateway, and its headers take the place of the integration's.
//!
//! Source: "Configuring CORS for HTTP APIs" in the developer guide.

use crate::gateway::Document;
use crate::gateway::documents::{list, truth};
use crate::gateway::response;
use aloft_engine::{Head, HttpResponse};
use http::{Method, StatusCode};

/// The headers that the gateway sets, and an integration then does not.
const HEADERS: &[&str] = &[
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
];

/// The answer to a preflight; nothing when the request is none.
pub(super) fn preflight(cors: &Document, head: &Head) -> Option<HttpResponse> {
    let origin = head.header("origin")?;
    head.header("access-control-request-method")?;
    if head.method != Method::OPTIONS {
        return None;
    }
    let mut answer = HttpResponse::default();
    *answer.status_mut() = StatusCode::NO_CONTENT;
    if let Some(allowed) = allowed_origin(cors, origin) {
        response::set(&mut answer, "access-control-allow-origin", &allowed);
        for (member, header) in [
            ("AllowMethods", "access-control-allow-methods"),
            ("AllowHeaders", "access-control-allow-headers"),
            ("ExposeHeaders", "access-control-expose-headers"),
        ] {
            set_list(&mut answer, cors, member, header);
        }
        if let Some(seconds) = cors.get("MaxAge") {
            response::set(&mut answer, "access-control-max-age", &seconds.to_string());
        }
        set_credentials(&mut answer, cors);
    }
    Some(answer)
}

/// Sets the gateway's headers on the answer to a request from that origin.
pub(super) fn apply(cors: &Document, origin: Option<&str>, answer: &mut HttpResponse) {
    for header in HEADERS {
        answer.headers_mut().remove(*header);
    }
    if let Some(allowed) = origin.and_then(|origin| allowed_origin(cors, origin)) {
        response::set(answer, "access-control-allow-origin", &allowed);
        set_list(answer, cors, "ExposeHeaders", "access-control-expose-headers");
        set_credentials(answer, cors);
    }
}

/// What is said about an origin: itself, or that any is allowed.
fn allowed_origin(cors: &Document, origin: &str) -> Option<String> {
    list(cors, "AllowOrigins").iter().find_map(|allowed| match allowed.as_str() {
        "*" => Some("*".to_owned()),
        "http://*" | "https://*" if origin.starts_with(allowed.trim_end_matches('*')) => {
            Some(origin.to_owned())
        }
        exact => exact.eq_ignore_ascii_case(origin).then(|| origin.to_owned()),
    })
}

fn set_list(answer: &mut HttpResponse, cors: &Document, member: &str, header: &str) {
    let values = list(cors, member);
    if !values.is_empty() {
        response::set(answer, header, &values.join(","));
    }
}

fn set_credentials(answer: &mut HttpResponse, cors: &Document) {
    if truth(cors, "AllowCredentials") {
        response::set(answer, "access-control-allow-credentials", "true");
    }
}
