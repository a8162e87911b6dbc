//! Parameter mappings, and which template is for whom.
//!
//! Source: "Amazon API Gateway API request and response data mapping reference" in the developer guide.

use super::backend::Answered;
use super::event;
use crate::gateway::Request;
use crate::gateway::request::{Pairs, find, media_type, title_case};
use aloft_lang::jsonpath::JsonPath;
use aloft_lang::vtl;
use regex::Regex;
use serde_json::{Map, Value};

/// What mappings can see.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub request: &'a Request,
    pub context: &'a Value,
    pub stage_variables: &'a Map<String, Value>,
    /// The integration's answer, once there is one.
    pub answer: Option<&'a Answered>,
}

/// The beginnings of all expressions that are not a quoted text.
const SOURCES: &[&str] = &[
    "context.",
    "integration.response.body",
    "integration.response.header.",
    "integration.response.multivalueheader.",
    "method.request.body",
    "method.request.header.",
    "method.request.multivalueheader.",
    "method.request.multivaluequerystring.",
    "method.request.path.",
    "method.request.querystring.",
    "stageVariables.",
];

/// Whether an expression is one that [`evaluate`] knows.
pub(super) fn is_valid(expression: &str) -> bool {
    quoted(expression).is_some() || SOURCES.iter().any(|source| expression.starts_with(source))
}

/// `text` of `'text'`
fn quoted(expression: &str) -> Option<&str> {
    expression.strip_prefix('\'')?.strip_suffix('\'')
}

/// What an expression stands for; nothing when it leads nowhere.
pub(super) fn evaluate(expression: &str, scope: &Scope) -> Option<Value> {
    if let Some(text) = quoted(expression) {
        return Some(text.into());
    }
    if let Some(path) = expression.strip_prefix("context.") {
        return path.split('.').try_fold(scope.context, |at, name| at.get(name)).cloned();
    }
    if let Some(name) = expression.strip_prefix("stageVariables.") {
        return scope.stage_variables.get(name).cloned();
    }
    if let Some(source) = expression.strip_prefix("method.request.") {
        return of_request(source, scope.request);
    }
    let answer = scope.answer?;
    let source = expression.strip_prefix("integration.response.")?;
    if let Some(path) = source.strip_prefix("body") {
        return of_body(&answer.body, path);
    }
    match source.split_once('.')? {
        ("header", name) => find(&answer.headers, name).map(Into::into),
        ("multivalueheader", name) => all(&answer.headers, name),
        _ => None,
    }
}

fn of_request(source: &str, request: &Request) -> Option<Value> {
    if let Some(path) = source.strip_prefix("body") {
        return of_body(&request.body, path);
    }
    match source.split_once('.')? {
        ("header", name) => request.header(name).map(Into::into),
        ("multivalueheader", name) => all(&request.headers, name),
        ("path", name) => request.path_parameters.get(name).cloned(),
        ("querystring", name) => request.query(name).map(Into::into),
        ("multivaluequerystring", name) => {
            let values = request.query.iter().filter(|(key, _)| key == name);
            let values: Vec<Value> = values.map(|(_, value)| value.as_str().into()).collect();
            (!values.is_empty()).then(|| values.into())
        }
        _ => None,
    }
}

fn all(headers: &Pairs, name: &str) -> Option<Value> {
    let values = headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
    let values: Vec<Value> = values.map(|(_, value)| value.as_str().into()).collect();
    (!values.is_empty()).then(|| values.into())
}

/// The body, or what a path selects of it when it is JSON: `body.a.b`.
fn of_body(body: &[u8], path: &str) -> Option<Value> {
    if path.is_empty() {
        return Some(String::from_utf8_lossy(body).into());
    }
    let document: Value = serde_json::from_slice(body).ok()?;
    JsonPath::parse(&format!("${path}")).ok()?.query(&document).ok()?
}

/// A value as the text of a header or a parameter.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => Some(items.iter().filter_map(text_of).collect::<Vec<_>>().join(",")),
        other => Some(other.to_string()),
    }
}

/// A pattern that must match the whole text; nothing when it cannot be read. Java's classes of characters are ASCII.
pub(super) fn whole_text(pattern: &str) -> Option<Regex> {
    let anchored = format!("^(?:{pattern})$");
    regex::RegexBuilder::new(&anchored).size_limit(1 << 20).build().ok()
}

/// What templates see.
pub(super) fn template_context(scope: &Scope, body: String) -> vtl::Context {
    let Request { query, headers, .. } = scope.request;
    vtl::Context {
        body,
        params: vtl::Params {
            path: scope.request.path_parameters.clone(),
            querystring: query.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect(),
            header: headers.iter().map(|(name, value)| (title_case(name), value.as_str().into())).collect(),
        },
        stage_variables: scope.stage_variables.clone(),
        context: event::template_context(scope.context.clone()),
        variables: Map::new(),
    }
}

/// The template for the body's media type; a body without one is taken for JSON.
pub(super) fn choose_by_body<'a>(templates: &'a Pairs, request: &Request) -> Option<&'a str> {
    let wanted = request.media_type().unwrap_or_else(|| "application/json".to_owned());
    find(templates, &wanted)
}

/// The template for what the client accepts, with its media type: one that it names, else the one for JSON, else the first.
pub(super) fn choose_by_accept<'a>(templates: &'a Pairs, request: &Request) -> Option<(&'a str, &'a str)> {
    let accepted = request.header("accept").unwrap_or_default();
    let named = accepted.split(',').map(media_type).chain(["application/json".to_owned()]);
    let found = named
        .filter_map(|wanted| templates.iter().find(|(name, _)| name.eq_ignore_ascii_case(&wanted)))
        .next()
        .or_else(|| templates.first());
    found.map(|(name, template)| (name.as_str(), template.as_str()))
}
