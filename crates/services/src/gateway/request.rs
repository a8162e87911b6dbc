//! A request to an API, taken apart once: what events, templates, mappings and authorizers look at.
//!
//! Header names here are in lower case, as the wire layer keeps no other; [`title_case`] gives the usual spelling where a
//! function of a REST API expects it.

use aloft_base::Timestamp;
use aloft_engine::{Context, HttpRequest};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Pairs of names and values, in the order that they came.
pub(crate) type Pairs = Vec<(String, String)>;

/// A request.
pub(crate) struct Request {
    /// The method.
    pub method: http::Method,
    /// The path below the stage, percent-encoded, with a leading slash.
    pub path: String,
    /// The whole path as it was asked for: what a signature over the address covers.
    pub asked_path: String,
    /// The query as it came.
    pub raw_query: String,
    /// The query, decoded.
    pub query: Pairs,
    /// The headers, with those that a load balancer adds.
    pub headers: Pairs,
    /// The values of the variables in the route's path.
    pub path_parameters: Map<String, Value>,
    /// The body.
    pub body: Bytes,
    /// The client's address.
    pub source_ip: String,
    /// The host that the client asked for.
    pub domain: String,
    /// When it came.
    pub time: Timestamp,
    /// Names it: a UUID for REST APIs, as [`Request::short_id`] for HTTP APIs.
    pub id: Arc<str>,
    /// `JKJaXmPLvHcESHA=`
    pub short_id: String,
    /// `Root=1-...`
    pub trace_id: Arc<str>,
}

impl Request {
    /// Takes a request apart. `path` is what is left of the path below the stage.
    pub fn new(context: &Context, api: &str, request: HttpRequest, path: String) -> Self {
        let HttpRequest { head, body } = request;
        let time = context.now();
        let trace_id = context.trace_id.clone().unwrap_or_else(|| {
            format!("Root=1-{:08x}-{}", time.seconds().max(0) as u32, context.ids().hex(24)).into()
        });
        let source_ip = head.remote.ip().to_string();
        let mut headers: Pairs = head
            .headers
            .iter()
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect();
        let forwarded = match find(&headers, "x-forwarded-for") {
            Some(before) => format!("{before}, {source_ip}"),
            None => source_ip.clone(),
        };
        let port = context.engine.address().port().to_string();
        for (name, value) in [
            ("x-amzn-trace-id", &*trace_id),
            ("x-forwarded-for", forwarded.as_str()),
            ("x-forwarded-port", port.as_str()),
            ("x-forwarded-proto", "http"),
        ] {
            headers.retain(|(existing, _)| existing != name);
            headers.push((name.to_owned(), value.to_owned()));
        }
        let domain = if head.host.contains(".execute-api.") {
            head.host.clone()
        } else {
            format!("{api}.execute-api.localhost")
        };
        Self {
            method: head.method,
            path,
            asked_path: head.path,
            query: parse_query(&head.query),
            raw_query: head.query,
            headers,
            path_parameters: Map::new(),
            body,
            source_ip,
            domain,
            time,
            id: context.request_id.clone(),
            short_id: format!("{}=", mixed_case(context, 15)),
            trace_id,
        }
    }

    /// The last value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The last value of a query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The media type of the body, in lower case without parameters.
    pub fn media_type(&self) -> Option<String> {
        self.header("content-type").map(media_type)
    }

    /// `12/Mar/2020:19:03:58 +0000`
    pub fn formatted_time(&self) -> String {
        self.time.format("%d/%b/%Y:%H:%M:%S +0000")
    }
}

/// `text/html` of `Text/HTML; charset=utf-8`.
pub(crate) fn media_type(header: &str) -> String {
    header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The last value of that header; `name` may be in any case.
pub(crate) fn find<'a>(headers: &'a Pairs, name: &str) -> Option<&'a str> {
    headers.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Percent-decoding; bytes that are no UTF-8 become replacement characters.
pub(crate) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The pairs of a query or a form, decoded.
pub(crate) fn parse_query(text: &str) -> Pairs {
    let part = |text: &str| decode(&text.replace('+', " "));
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (part(name), part(value)))
        .collect()
}

/// A name as it is usually spelt: `X-Forwarded-For`.
pub(crate) fn title_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        let begins = out.is_empty() || out.ends_with('-');
        out.push(if begins { c.to_ascii_uppercase() } else { c });
    }
    out
}

/// Random letters and digits of both cases.
fn mixed_case(context: &Context, length: usize) -> String {
    let flips = context.ids().hex(length);
    let letters = context.ids().lower(length);
    letters
        .chars()
        .zip(flips.chars())
        .map(|(letter, flip)| if flip > '7' { letter.to_ascii_uppercase() } else { letter })
        .collect()
}

/// Encodes a path's value; slashes stay.
pub(crate) fn encode_path(text: &str) -> String {
    const SET: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~')
        .remove(b'/')
        .remove(b'@')
        .remove(b':');
    percent_encoding::utf8_percent_encode(text, SET).to_string()
}
