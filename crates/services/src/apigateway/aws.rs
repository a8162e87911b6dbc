//! Integrations with other services than Lambda: `arn:aws:apigateway:us-east-1:sqs:path/000000000000/orders` and
//! `...:dynamodb:action/PutItem`.
//!
//! The request is built as a client would send it, and read by the service's own protocol.

use super::backend::{Answered, Call};
use super::faults::{self, Refusal};
use super::live::{Integration, Stage};
use crate::gateway::function::with_stage_variables;
use crate::gateway::request::{encode_path, find};
use crate::gateway::response;
use aloft_engine::Context;
use aloft_wire::{Output, Request};
use http::{HeaderValue, Method};

/// The namespaces of `X-Amz-Target`, for services whose actions are named there.
const TARGETS: &[(&str, &str)] = &[
    ("dynamodb", "DynamoDB_20120810"),
    ("events", "AWSEvents"),
    ("kinesis", "Kinesis_20131202"),
    ("secretsmanager", "secretsmanager"),
    ("ssm", "AmazonSSM"),
];

/// Calls the service that an integration's URI names.
pub(super) async fn call(
    context: &Context,
    integration: &Integration,
    stage: &Stage,
    call: Call,
) -> Result<Answered, Refusal> {
    let uri = with_stage_variables(&integration.uri, &stage.variables);
    let not_built =
        || faults::NOT_BUILT.because(format!("the local cloud has not built integrations with {uri}"));
    // arn:aws:apigateway:region:service:path|action/...
    let parts: Vec<&str> = uri.splitn(6, ':').collect();
    let [_, _, _, _, service, rest] = parts.as_slice() else { return Err(not_built()) };
    let model = aloft_wire::model(service).ok_or_else(not_built)?;
    let mut request = Request {
        method: Method::from_bytes(integration.method.as_bytes()).unwrap_or(Method::POST),
        path: "/".to_owned(),
        query: String::new(),
        headers: response::header_map(&call.headers),
        body: call.body,
    };
    match rest.split_once('/') {
        Some(("path", path)) => {
            let mut path = format!("/{path}");
            for (name, value) in &call.path {
                path = path.replace(&format!("{{{name}}}"), &encode_path(value));
            }
            request.path = path;
        }
        Some(("action", action)) => {
            let target = TARGETS.iter().find(|(name, _)| name == service);
            match target {
                Some((_, namespace)) => {
                    let value = HeaderValue::from_str(&format!("{namespace}.{action}"));
                    request.headers.insert("x-amz-target", value.map_err(|_| not_built())?);
                    let json = HeaderValue::from_static("application/x-amz-json-1.0");
                    request.headers.insert(http::header::CONTENT_TYPE, json);
                }
                None => request.query = format!("Action={action}"),
            }
        }
        _ => return Err(not_built()),
    }
    for (name, value) in &call.query {
        let separator = if request.query.is_empty() { "" } else { "&" };
        let value = encode_path(value).replace('/', "%2F");
        request.query.push_str(&format!("{separator}{}={value}", encode_path(name)));
    }
    if find(&call.headers, "content-type").is_none() && request.body.contains(&b'=') {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers.entry(http::header::CONTENT_TYPE).or_insert(form);
    }
    let answer = tokio::time::timeout(integration.limit, run(context, model, request)).await;
    answer.map_err(|_| faults::TIMED_OUT.refuse())
}

async fn run(context: &Context, model: &'static aloft_wire::Model, mut request: Request) -> Answered {
    let context = context.as_service("apigateway");
    // The address of a queue is its path.
    if model.name() == "sqs" && request.path.len() > 1 && !request.headers.contains_key("x-amz-target") {
        let separator = if request.query.is_empty() { "" } else { "&" };
        request.query = format!("{}{separator}QueueUrl={}", request.query, request.path);
    }
    let answer = match aloft_wire::match_operation(model, &request) {
        Err(error) => aloft_wire::write_error(model, None, model.protocol(), &context.request_id, &error),
        Ok((protocol, operation)) => {
            let done = async {
                let input = aloft_wire::parse_request(model, operation, protocol, &request)?;
                context.engine.call(&context, model.name(), operation.name(), input).await
            };
            match done.await {
                Ok(reply) => {
                    let body = match reply.body {
                        Some(body) => body.collect().await.ok(),
                        None => None,
                    };
                    let output = Output { params: reply.params, body };
                    aloft_wire::write_response(model, operation, protocol, &context.request_id, &output)
                }
                Err(error) => {
                    aloft_wire::write_error(model, Some(operation), protocol, &context.request_id, &error)
                }
            }
        }
    };
    let status = answer.status().as_u16();
    let headers = response::pairs(answer.headers());
    Answered { matched: Some(status.to_string()), headers, body: answer.into_body() }
}
