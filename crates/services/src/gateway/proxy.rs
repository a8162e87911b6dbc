//! Payload format 1.0: the event that a proxied function of either kind of API sees, and the answer that it gives.
//!
//! Sources: "Input format of a Lambda function for proxy integration" and "Output format ..." in the developer guide.

use super::request::{self, Pairs, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::hash::Hash;

/// The members of an identity that nobody has signed for; those of IAM callers are filled in.
const IDENTITY: [&str; 10] = [
    "cognitoIdentityPoolId",
    "accountId",
    "cognitoIdentityId",
    "caller",
    "principalOrgId",
    "accessKey",
    "cognitoAuthenticationType",
    "cognitoAuthenticationProvider",
    "userArn",
    "user",
];

/// `requestContext.identity`
pub(crate) fn identity(request: &Request) -> Map<String, Value> {
    let mut identity: Map<String, Value> =
        IDENTITY.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
    identity.insert("sourceIp".to_owned(), request.source_ip.as_str().into());
    identity.insert("userAgent".to_owned(), request.header("user-agent").into());
    identity
}

/// The event. What is empty is `null`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event<'a> {
    /// HTTP APIs say it, REST APIs do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<&'static str>,
    /// The path of the route.
    pub resource: &'a str,
    /// The path of the request; with its stage in HTTP APIs.
    pub path: &'a str,
    pub http_method: &'a str,
    pub headers: IndexMap<String, &'a str>,
    pub multi_value_headers: IndexMap<String, Vec<&'a str>>,
    pub query_string_parameters: Option<IndexMap<&'a str, &'a str>>,
    pub multi_value_query_string_parameters: Option<IndexMap<&'a str, Vec<&'a str>>>,
    pub path_parameters: Option<&'a Map<String, Value>>,
    pub stage_variables: Option<&'a Map<String, Value>>,
    pub request_context: Value,
    pub body: Option<Cow<'a, str>>,
    pub is_base64_encoded: bool,
}

impl<'a> Event<'a> {
    /// The event of a REST API, without a body, as its authorizers see it too.
    pub fn new(
        request: &'a Request,
        resource: &'a str,
        stage_variables: &'a Map<String, Value>,
        request_context: Value,
    ) -> Self {
        let title_case = |(name, value): &'a (String, String)| (request::title_case(name), value.as_str());
        let text = |(name, value): &'a (String, String)| (name.as_str(), value.as_str());
        let has_query = !request.query.is_empty();
        Self {
            version: None,
            resource,
            path: &request.path,
            http_method: request.method.as_str(),
            headers: request.headers.iter().map(title_case).collect(),
            multi_value_headers: all_values(request.headers.iter().map(title_case)),
            query_string_parameters: has_query.then(|| request.query.iter().map(text).collect()),
            multi_value_query_string_parameters: has_query
                .then(|| all_values(request.query.iter().map(text))),
            path_parameters: Some(&request.path_parameters).filter(|it| !it.is_empty()),
            stage_variables: Some(stage_variables).filter(|it| !it.is_empty()),
            request_context,
            body: None,
            is_base64_encoded: false,
        }
    }
}

/// All values of each name.
fn all_values<'a, N: Hash + Eq>(pairs: impl Iterator<Item = (N, &'a str)>) -> IndexMap<N, Vec<&'a str>> {
    let mut all: IndexMap<N, Vec<&str>> = IndexMap::new();
    for (name, value) in pairs {
        all.entry(name).or_default().push(value);
    }
    all
}

/// How long an event is as a rule, at most.
const MOST_BYTES_AS_A_RULE: usize = 2048;

/// An event as text.
pub(crate) fn bytes(event: &impl Serialize) -> serde_json::Result<Bytes> {
    let mut bytes = Vec::with_capacity(MOST_BYTES_AS_A_RULE);
    serde_json::to_writer(&mut bytes, event)?;
    Ok(bytes.into())
}

/// An event as members, to which others come.
pub(crate) fn members_of(event: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(event) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

/// A body for an event: as text, or as base64 when it is `binary` or no text at all.
pub(crate) fn body(request: &Request, binary: bool) -> (Option<Cow<'_, str>>, bool) {
    match std::str::from_utf8(&request.body) {
        _ if request.body.is_empty() => (None, false),
        Ok(text) if !binary => (Some(text.into()), false),
        _ => (Some(BASE64.encode(&request.body).into()), true),
    }
}

/// What a function wants to be answered.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    /// Between 200 and 599.
    pub status: u16,
    /// In the order given, with repetitions.
    pub headers: Pairs,
    /// The body as the function wrote it.
    pub body: String,
    /// Whether the body is base64.
    pub is_base64: bool,
}

impl Answer {
    /// The body's bytes; base64 is decoded when that is `wanted`. Nothing when it is malformed.
    pub fn into_bytes(self, wanted: bool) -> Option<Bytes> {
        if self.is_base64 && wanted {
            BASE64.decode(&self.body).ok().map(Bytes::from)
        } else {
            Some(self.body.into())
        }
    }
}

/// The members that a function may answer with.
const MEMBERS: [&str; 5] = ["statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"];

/// Reads a function's answer; nothing when it is malformed. A `strict` gateway allows no other members and assumes 200.
pub(crate) fn answer(payload: &[u8], strict: bool) -> Option<Answer> {
    read(&serde_json::from_slice(payload).ok()?, strict)
}

/// The same of an answer that has been parsed.
pub(crate) fn read(answer: &Map<String, Value>, strict: bool) -> Option<Answer> {
    if strict && answer.keys().any(|name| !MEMBERS.contains(&name.as_str())) {
        return None;
    }
    let status = match answer.get("statusCode") {
        Some(status) => read_status(status)?,
        None if strict => 200,
        None => return None,
    };
    let mut headers: Pairs = Vec::new();
    for (name, values) in members(answer, "multiValueHeaders")? {
        for value in values.as_array()? {
            headers.push((name.clone(), scalar(value)?));
        }
    }
    for (name, value) in members(answer, "headers")? {
        let value = scalar(value)?;
        // What both have comes once.
        if !headers.iter().any(|(known, other)| known.eq_ignore_ascii_case(name) && *other == value) {
            headers.push((name.clone(), value));
        }
    }
    let body = match answer.get("body") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(body)) => body.clone(),
        Some(_) => return None,
    };
    let is_base64 = answer.get("isBase64Encoded").and_then(Value::as_bool).unwrap_or_default();
    Some(Answer { status, headers, body, is_base64 })
}

/// A status code as a number or a text.
pub(crate) fn read_status(status: &Value) -> Option<u16> {
    let status = match status {
        Value::Number(number) => {
            number.as_u64().or_else(|| number.as_f64().filter(|f| f.fract() == 0.0).map(|f| f as u64))?
        }
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    u16::try_from(status).ok().filter(|status| (200..600).contains(status))
}

/// A header's value.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null => Some(String::new()),
        _ => None,
    }
}

fn members<'a>(answer: &'a Map<String, Value>, name: &str) -> Option<Vec<(&'a String, &'a Value)>> {
    match answer.get(name) {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Object(members)) => Some(members.iter().collect()),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A status, headers and a body.
    type Expected<'a> = (u16, &'a [(&'a str, &'a str)], &'a str);

    fn check(payload: Value, strict: bool, expected: Option<Expected>) {
        let found = answer(payload.to_string().as_bytes(), strict)
            .map(|answer| (answer.status, answer.headers, answer.body));
        let expected = expected.map(|(status, headers, body)| {
            let headers =
                headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            (status, headers, body.to_owned())
        });
        assert_eq!(found, expected, "{payload}");
    }

    #[test]
    fn answers_of_functions_are_read() {
        check(json!({ "statusCode": 200, "body": "x" }), true, Some((200, &[], "x")));
        check(json!({ "statusCode": "404" }), true, Some((404, &[], "")));
        check(json!({ "body": "x" }), true, Some((200, &[], "x")));
        check(json!({ "body": "x" }), false, None);
        check(json!({ "statusCode": 200, "body": { "a": 1 } }), true, None);
        check(json!({ "statusCode": 200, "other": 1 }), true, None);
        check(json!({ "statusCode": 200, "other": 1 }), false, Some((200, &[], "")));
        check(json!({ "statusCode": 99 }), true, None);
        check(json!("text"), true, None);
        check(json!(null), true, None);
        check(
            json!({ "statusCode": 200, "headers": { "A": 1, "B": true, "c": "2" }, "multiValueHeaders": { "C": ["2", "3"] } }),
            true,
            Some((200, &[("C", "2"), ("C", "3"), ("A", "1"), ("B", "true")], "")),
        );
        check(json!({ "statusCode": 200, "headers": { "A": {} } }), true, None);
    }
}
