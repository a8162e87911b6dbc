//! A request of an AWS API: from bytes to an operation with its input, and from the answer back to bytes.

use super::{Head, HttpRequest, HttpResponse, gzip};
use crate::{Body, Context, Engine, Reply, ServiceError, identity};
use aloft_wire::{Model, Operation, Output, Protocol, Request, aws_chunked, sigv4};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::Value;

pub(super) async fn answer(
    engine: &Engine,
    model: &'static Model,
    request: HttpRequest,
    request_id: String,
) -> HttpResponse {
    let HttpRequest { head, body } = request;
    let signed_path = head.path.clone();
    let request = Request {
        method: head.method.clone(),
        path: if model.name() == "s3" { bucket_into_path(&head) } else { head.path },
        query: head.query,
        headers: head.headers,
        body,
    };
    if !request.headers.contains_key(header::ORIGIN) {
        return answer_routed(engine, model, request, signed_path, request_id).await;
    }
    let service = engine.service(model.name());
    let shown =
        service.map_or_else(|| Ok(HeaderMap::new()), |service| service.cross_origin(engine, &request));
    match shown {
        Ok(headers) if request.method == Method::OPTIONS && !headers.is_empty() => {
            let mut response = HttpResponse::default();
            *response.headers_mut() = headers;
            response
        }
        Err(refusal) if request.method == Method::OPTIONS => {
            to_response(aloft_wire::write_error(model, None, model.protocol(), &request_id, &refusal))
        }
        shown => {
            let mut response = answer_routed(engine, model, request, signed_path, request_id).await;
            response.headers_mut().extend(shown.unwrap_or_default());
            response
        }
    }
}

/// What was signed of a request that has been made readable since.
struct Signed {
    path: String,
    body: Bytes,
}

/// Answers a request whose path has the bucket in it, if it is about one.
async fn answer_routed(
    engine: &Engine,
    model: &'static Model,
    mut request: Request,
    signed_path: String,
    request_id: String,
) -> HttpResponse {
    let signed = Signed { path: signed_path, body: request.body.clone() };
    // What is stored in S3 stays as it is.
    if model.name() != "s3" && gzip::is_announced(&request.headers) {
        match gzip::decode(&request.body, engine.options().max_body) {
            Ok(body) => request.body = body,
            Err(error) => {
                return to_response(aloft_wire::write_error(
                    model,
                    None,
                    model.protocol(),
                    &request_id,
                    &error,
                ));
            }
        }
    }
    let (protocol, operation) = match aloft_wire::match_operation(model, &request) {
        Ok(matched) => matched,
        Err(error) => {
            return to_response(aloft_wire::write_error(model, None, model.protocol(), &request_id, &error));
        }
    };
    let trace_id =
        request.headers.get("x-amzn-trace-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    match run(engine, model, (protocol, operation), request, signed, request_id.clone(), trace_id).await {
        Ok(reply) => write_reply(model, operation, protocol, &request_id, reply),
        Err(error) => {
            to_response(aloft_wire::write_error(model, Some(operation), protocol, &request_id, &error))
        }
    }
}

async fn run(
    engine: &Engine,
    model: &'static Model,
    (protocol, operation): (Protocol, &'static Operation),
    mut request: Request,
    signed: Signed,
    request_id: String,
    trace_id: Option<String>,
) -> Result<Reply, ServiceError> {
    let presented = sigv4::presented(&request)?;
    let routed_path = std::mem::replace(&mut request.path, signed.path);
    let body = std::mem::replace(&mut request.body, signed.body);
    let caller = identity::authenticate(engine, &request, presented.as_ref())?;
    request.path = routed_path;
    request.body = body;
    if request.header("x-amz-content-sha256").is_some_and(aws_chunked::is_announced) {
        take_chunks_apart(&mut request)?;
    }
    if model.name() == "sqs" && protocol == Protocol::Query {
        name_queue(&mut request);
    }
    let input = aloft_wire::parse_request(model, operation, protocol, &request)?;
    let context = Context {
        engine: engine.clone(),
        account: caller.account,
        region: caller.region,
        principal: caller.principal,
        request_id: request_id.into(),
        trace_id: trace_id.map(Into::into),
        source: None,
    };
    engine.call(&context, model.name(), operation.name(), input).await
}

/// In the query protocol a queue's own address says which queue is meant: `/account/name`, without the parameter.
fn name_queue(request: &mut Request) {
    let named = |text: &str| text.split('&').any(|pair| pair.starts_with("QueueUrl="));
    let is_address = request.path.trim_start_matches('/').contains('/');
    if is_address && !named(&request.query) && !named(&String::from_utf8_lossy(&request.body)) {
        let separator = if request.query.is_empty() { "" } else { "&" };
        request.query = format!("{}{separator}QueueUrl={}", request.query, request.path);
    }
}

/// Makes a chunked upload look like a plain one: the bytes as the body, the trailers as headers.
fn take_chunks_apart(request: &mut Request) -> Result<(), ServiceError> {
    let decoded = aws_chunked::decode(&request.body);
    let decoded = decoded.map_err(|error| ServiceError::new("InvalidRequest", 400, error.to_string()))?;
    request.body = decoded.body.into();
    for (name, value) in decoded.trailers {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value))
            && name.as_str().starts_with("x-amz-checksum-")
        {
            request.headers.insert(name, value);
        }
    }
    let encodings = request.header(header::CONTENT_ENCODING.as_str()).unwrap_or_default();
    let others: Vec<&str> =
        encodings.split(',').map(str::trim).filter(|one| *one != "aws-chunked" && !one.is_empty()).collect();
    match HeaderValue::from_str(&others.join(",")) {
        Ok(value) if !value.is_empty() => drop(request.headers.insert(header::CONTENT_ENCODING, value)),
        _ => drop(request.headers.remove(header::CONTENT_ENCODING)),
    }
    Ok(())
}

fn write_reply(
    model: &Model,
    operation: &Operation,
    protocol: Protocol,
    request_id: &str,
    reply: Reply,
) -> HttpResponse {
    let Reply { params, body, headers, status } = reply;
    let (bytes, stream) = match body {
        Some(Body::Bytes(bytes)) => (Some(bytes), None),
        Some(stream) => (Some(Bytes::new()), Some(stream)),
        None => (None, None),
    };
    let params = if params.is_null() { Value::Object(serde_json::Map::new()) } else { params };
    let response =
        aloft_wire::write_response(model, operation, protocol, request_id, &Output { params, body: bytes });
    let mut response = to_response(response);
    if let Some(stream) = stream {
        match stream {
            Body::Stream(_, length) => {
                drop(response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length)));
            }
            _ => drop(response.headers_mut().remove(header::CONTENT_LENGTH)),
        }
        *response.body_mut() = stream;
    }
    response.headers_mut().extend(headers);
    if let Some(status) = status {
        *response.status_mut() = status;
    }
    response
}

fn to_response(response: http::Response<Bytes>) -> HttpResponse {
    response.map(Body::Bytes)
}

/// `bucket.s3.localhost/key` is `/bucket/key`. A bucket's name may itself have dots.
fn bucket_into_path(head: &Head) -> String {
    let bucket = [".s3.localhost", ".s3.localhost.localstack.cloud", ".s3.amazonaws.com"]
        .into_iter()
        .find_map(|suffix| head.host_before(suffix))
        .or_else(|| {
            // bucket.s3.eu-west-1.amazonaws.com
            let before_region = head.host.strip_suffix(".amazonaws.com")?.rsplit_once('.')?.0;
            before_region.strip_suffix(".s3")
        });
    match bucket {
        Some(bucket) => format!("/{bucket}{}", head.path),
        None => head.path.clone(),
    }
}
