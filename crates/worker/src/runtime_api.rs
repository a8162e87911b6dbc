//! The Lambda Runtime API, version 2018-06-01, over HTTP/1.1: one listener for each environment.
//!
//! hyper parses (and bounds) the requests; the meaning is in [`Exchange`]. It serves only the runtime of its own
//! environment: another one's invocations are not here.

use crate::exchange::{Exchange, Handed, Refusal};
use crate::extension_api;
use crate::streaming;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Connections that a runtime may hold open at the same time; further ones wait.
const CONNECTIONS: usize = 32;
/// What a connection may keep of unparsed input, in bytes.
const BUFFER: usize = 64 * 1024;
/// The largest error report.
pub(crate) const ERROR_LIMIT: usize = 256 * 1024;
/// How long a request's head may take to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

const PREFIX: &str = "/2018-06-01/runtime/";
const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");

type Answer = Response<Full<Bytes>>;

/// Serves until the task is aborted.
pub(crate) async fn serve(listener: TcpListener, exchange: Arc<Exchange>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: others must end before this can go on.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let exchange = exchange.clone();
        connections.spawn(async move {
            let _permit = permit;
            let service = service_fn(|request| answer(&exchange, request));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .max_buf_size(BUFFER)
                .auto_date_header(false)
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a runtime's connection ended");
            }
        });
    }
}

async fn answer(exchange: &Exchange, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    let Some(path) = head.uri.path().strip_prefix(PREFIX) else {
        return Ok(extension_api::answer(exchange, &head, body).await.unwrap_or_else(not_found));
    };
    let action: Vec<&str> = path.split('/').collect();
    let answer = match (&head.method, &action[..]) {
        (&Method::GET, ["invocation", "next"]) => next(exchange).await,
        (&Method::POST, ["invocation", id, "response"]) if streaming::is_announced(&head.headers) => {
            match streaming::take(exchange, id, &head.headers, body).await {
                Some(taken) => acknowledge(exchange, taken),
                None => message(StatusCode::BAD_REQUEST, "InvalidRequest", "The body ended early."),
            }
        }
        (&Method::POST, ["invocation", id, "response"]) => match read(body, exchange.limits.response).await {
            Read::Whole(_, trailers) if streaming::has_failed(&trailers) => {
                acknowledge(exchange, exchange.fail(id, streaming_error(&trailers)))
            }
            Read::Whole(bytes, _) => acknowledge(exchange, exchange.respond(id, bytes, false)),
            Read::TooLarge => acknowledge(exchange, exchange.respond(id, Bytes::new(), true)),
            Read::Broken => message(StatusCode::BAD_REQUEST, "InvalidRequest", "The body ended early."),
        },
        (&Method::POST, ["invocation", id, "error"]) => match read(body, ERROR_LIMIT).await {
            Read::Whole(bytes, _) => {
                acknowledge(exchange, exchange.fail(id, or_default(bytes, &head.headers)))
            }
            Read::TooLarge => too_large(ERROR_LIMIT),
            Read::Broken => message(StatusCode::BAD_REQUEST, "InvalidRequest", "The body ended early."),
        },
        (&Method::POST, ["init", "error"]) => match read(body, ERROR_LIMIT).await {
            Read::Whole(bytes, _) => {
                let kind = head.headers.get(ERROR_TYPE).and_then(|it| it.to_str().ok()).map(str::to_owned);
                acknowledge(exchange, exchange.fail_initialization(or_default(bytes, &head.headers), kind))
            }
            Read::TooLarge => too_large(ERROR_LIMIT),
            Read::Broken => message(StatusCode::BAD_REQUEST, "InvalidRequest", "The body ended early."),
        },
        _ => not_found(),
    };
    Ok(answer)
}

async fn next(exchange: &Exchange) -> Answer {
    match exchange.next().await {
        Ok(handed) => hand(&handed),
        Err(refusal) => refuse(refusal, exchange.limits.response),
    }
}

fn hand(handed: &Handed) -> Answer {
    let Handed { invocation, deadline_millis } = handed;
    let mut answer = Response::new(Full::new(invocation.payload.clone()));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut set = |name: &'static str, value: &str| {
        // A value with control characters would be no header; JSON has them only between its tokens.
        let plain = || value.chars().map(|it| if it.is_control() { ' ' } else { it }).collect::<String>();
        let made = HeaderValue::from_bytes(value.as_bytes());
        if let Ok(value) = made.or_else(|_| HeaderValue::from_bytes(plain().as_bytes())) {
            headers.insert(name, value);
        }
    };
    set("lambda-runtime-aws-request-id", &invocation.request_id);
    set("lambda-runtime-deadline-ms", &deadline_millis.to_string());
    set("lambda-runtime-invoked-function-arn", &invocation.function_arn);
    if !invocation.trace_id.is_empty() {
        set("lambda-runtime-trace-id", &invocation.trace_id);
    }
    if let Some(context) = &invocation.client_context {
        set("lambda-runtime-client-context", context);
    }
    if let Some(identity) = &invocation.cognito_identity {
        set("lambda-runtime-cognito-identity", identity);
    }
    answer
}

fn acknowledge(exchange: &Exchange, result: Result<(), Refusal>) -> Answer {
    match result {
        Ok(()) => json(StatusCode::ACCEPTED, "{\"status\":\"OK\"}\n".to_owned()),
        Err(refusal) => refuse(refusal, exchange.limits.response),
    }
}

fn refuse(refusal: Refusal, limit: usize) -> Answer {
    match refusal {
        Refusal::State(from, to) => {
            let text = format!(
                "State transition from {from} to {to} failed for runtime. Error: State transition is not allowed"
            );
            message(StatusCode::FORBIDDEN, "InvalidStateTransition", &text)
        }
        Refusal::RequestId => message(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID"),
        Refusal::TooLarge => too_large(limit),
    }
}

fn too_large(limit: usize) -> Answer {
    let text = format!("Exceeded maximum allowed payload size ({limit} bytes).");
    message(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &text)
}

fn not_found() -> Answer {
    message(StatusCode::NOT_FOUND, "NotFound", "No such operation of the Runtime API.")
}

fn message(status: StatusCode, kind: &str, text: &str) -> Answer {
    json(status, serde_json::json!({ "errorMessage": text, "errorType": kind }).to_string())
}

fn json(status: StatusCode, text: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// The error of a streamed answer: its body is JSON in base64 or plain, in a trailer.
pub(crate) fn streaming_error(trailers: &HeaderMap) -> Bytes {
    let text = |name: &str| trailers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
    let body = text("lambda-runtime-function-error-body");
    let decoded = BASE64.decode(&body).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let body = decoded.unwrap_or(body);
    if serde_json::from_str::<serde_json::Value>(&body).is_ok() {
        return Bytes::from(body);
    }
    let kind = text("lambda-runtime-function-error-type");
    Bytes::from(serde_json::json!({ "errorType": kind, "errorMessage": body }).to_string())
}

/// A report without a body still names its type in the header.
fn or_default(body: Bytes, headers: &HeaderMap) -> Bytes {
    if !body.is_empty() {
        return body;
    }
    let kind = headers.get(ERROR_TYPE).and_then(|it| it.to_str().ok()).unwrap_or("Runtime.Unknown");
    Bytes::from(serde_json::json!({ "errorType": kind, "errorMessage": "" }).to_string())
}

pub(crate) enum Read {
    Whole(Bytes, HeaderMap),
    TooLarge,
    Broken,
}

/// Reads a body to its end, so that the connection stays usable, but keeps no more than `limit` bytes.
pub(crate) async fn read(mut body: Incoming, limit: usize) -> Read {
    let announced = body.size_hint().exact().unwrap_or(0);
    let (mut first, mut kept, mut length) = (None, BytesMut::new(), 0usize);
    let mut trailers = HeaderMap::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Read::Broken };
        match frame.into_data() {
            Ok(data) => {
                length += data.len();
                if length > limit {
                    kept = BytesMut::new();
                } else if length as u64 == announced && kept.is_empty() {
                    first = Some(data);
                } else {
                    kept.extend_from_slice(&data);
                }
            }
            Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
        }
    }
    match first {
        _ if length > limit => Read::TooLarge,
        Some(data) => Read::Whole(data, trailers),
        None => Read::Whole(kept.freeze(), trailers),
    }
}
