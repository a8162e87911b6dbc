//! The one port: requests in, bounded in size, time and number, and answers out.

mod admin;
mod aws;
mod gzip;
mod listener;
mod route;
mod unknown;

pub(crate) use listener::Listener;

use crate::Body;
use bytes::Bytes;
use http::{HeaderMap, Method};
use std::net::SocketAddr;

/// A request's line and headers, before its body has been read.
#[derive(Clone, Debug)]
pub struct Head {
    /// The method.
    pub method: Method,
    /// The path as it came, percent-encoded, without the query.
    pub path: String,
    /// The query as it came, without `?`; empty when there is none.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The host that was asked for, without its port, in lower case.
    pub host: String,
    /// Who sent it.
    pub remote: SocketAddr,
}

impl Head {
    /// A header's text; nothing when it is missing or no text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The part of the host in front of `suffix`: `abc` of `abc.execute-api.localhost` for `.execute-api.localhost`.
    pub fn host_before(&self, suffix: &str) -> Option<&str> {
        self.host.strip_suffix(suffix).filter(|name| !name.is_empty())
    }

    /// Whether it comes from this machine's own tools and pages and not from a web page somewhere: browsers name the page in
    /// `Origin`, and a rebound host name is not one of this machine's. Nor is a function with a network of its own.
    pub fn is_from_this_machine(&self) -> bool {
        let is_local = |host: &str| {
            host == "localhost" || host.ends_with(".localhost") || host == "127.0.0.1" || host == "[::1]"
        };
        let origin_is_local = self.header("origin").is_none_or(|origin| {
            let rest = origin.split("://").nth(1);
            rest.is_some_and(|rest| is_local(rest.rsplit_once(':').map_or(rest, |(host, _)| host)))
        });
        let is_function = self.remote.ip() == aloft_sandbox::OF_FUNCTIONS;
        origin_is_local && self.remote.ip().is_loopback() && !is_function && is_local(&self.host)
    }
}

/// A whole request to a service's own front door.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    /// The line and the headers.
    pub head: Head,
    /// The body.
    pub body: Bytes,
}

/// An answer from a service's own front door.
pub type HttpResponse = http::Response<Body>;

/// An answer with a JSON body.
pub(crate) fn json(status: http::StatusCode, value: &serde_json::Value) -> HttpResponse {
    let mut response = HttpResponse::new(Body::Bytes(value.to_string().into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_of_this_machine() {
        let check = |remote: &str, host: &str, origin: Option<&str>, expected: bool| {
            let mut headers = HeaderMap::new();
            headers.extend(origin.map(|it| (http::header::ORIGIN, it.parse().expect("a value"))));
            let head = Head {
                method: Method::POST,
                path: "/_aloft/reset".to_owned(),
                query: String::new(),
                headers,
                host: host.to_owned(),
                remote: SocketAddr::new(remote.parse().expect("an address"), 1),
            };
            assert_eq!(head.is_from_this_machine(), expected, "{remote} {host} {origin:?}");
        };
        check("127.0.0.1", "127.0.0.1", None, true);
        check("127.0.0.1", "localhost", Some("http://localhost:4566"), true);
        check("127.0.0.1", "localhost", Some("http://example.com"), false);
        check("127.0.0.1", "rebound.example.com", None, false);
        check("192.168.1.2", "localhost", None, false);
        check(&aloft_sandbox::OF_FUNCTIONS.to_string(), "127.0.0.1", None, false);
    }
}
