//! Answers that are written piece by piece, as `Lambda-Runtime-Function-Response-Mode: streaming` announces.
//!
//! Whoever invoked either gets the pieces as they come, through a [`ResponseStream`], or waits for the whole: then an
//! HTTP answer's prelude and body become the JSON that HTTP integrations understand. Keeps true: a caller that reads
//! slowly slows the function down, as the bandwidth of answers does, and one that is gone does not stop it.

use crate::exchange::{Exchange, Refusal};
use crate::pace::Pace;
use crate::report;
use crate::runtime_api::{Read, read, streaming_error};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Map, Value, json};
use std::time::Instant;
use tokio::sync::mpsc;

/// The content type of an answer whose first part is the status and the headers of an HTTP answer, as JSON, ended by
/// eight zero bytes.
pub const HTTP_INTEGRATION: &str = "application/vnd.awslambda.http-integration-response";
/// The largest streamed answer on Lambda, in bytes.
pub const STREAMED_LIMIT: usize = 200 * 1024 * 1024;
/// How many pieces may wait for their reader.
const WAITING: usize = 16;
/// What stands between an HTTP answer's prelude and its body.
const DELIMITER: [u8; 8] = [0; 8];

/// A part of a streamed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamPiece {
    /// It begins, and is of this content type.
    Begin(String),
    /// Some bytes of it.
    Data(Bytes),
}

/// Where a streamed answer goes while it is written. The end is that of the invocation.
#[derive(Debug, Clone)]
pub struct ResponseStream(mpsc::Sender<StreamPiece>);

impl ResponseStream {
    /// A stream, and its reader's end.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<StreamPiece>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }
}

/// The prelude of an HTTP answer, and where its body begins; nothing as long as it is not complete.
#[must_use]
pub fn prelude(bytes: &[u8]) -> Option<(Map<String, Value>, usize)> {
    let end = bytes.windows(DELIMITER.len()).position(|it| it == DELIMITER)?;
    let prelude = match serde_json::from_slice(&bytes[..end]) {
        Ok(Value::Object(prelude)) => prelude,
        _ => Map::new(),
    };
    Some((prelude, end + DELIMITER.len()))
}

/// Whether the runtime announces a streamed answer.
pub(crate) fn is_announced(headers: &HeaderMap) -> bool {
    headers
        .get("lambda-runtime-function-response-mode")
        .is_some_and(|mode| mode.as_bytes().eq_ignore_ascii_case(b"streaming"))
}

/// Takes the answer to an invocation, and says how the runtime is answered. Nothing when the body broke off.
pub(crate) async fn take(
    exchange: &Exchange,
    id: &str,
    headers: &HeaderMap,
    body: Incoming,
) -> Option<Result<(), Refusal>> {
    let kind = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let taken = match exchange.begin_stream(id) {
        Ok(Some(stream)) => pass_on(exchange, id, kind, body, &stream).await,
        Ok(None) => gather(exchange, id, kind, body).await,
        Err(refusal) => return Some(Err(refusal)),
    };
    if taken.is_none() {
        exchange.end_stream(id);
        let text = "The runtime ended its answer before the end.";
        let _ = exchange.fail(id, report::error("Runtime.TruncatedResponse", text));
    }
    taken
}

async fn pass_on(
    exchange: &Exchange,
    id: &str,
    kind: &str,
    mut body: Incoming,
    stream: &ResponseStream,
) -> Option<Result<(), Refusal>> {
    let limit = exchange.limits.streamed;
    let mut wanted = stream.0.send(StreamPiece::Begin(kind.to_owned())).await.is_ok();
    let (mut length, mut trailers, mut pace) = (0usize, HeaderMap::new(), Pace::new(&exchange.limits));
    while let Some(frame) = body.frame().await {
        match frame.ok()?.into_data() {
            Ok(mut data) => {
                length += data.len();
                // What is not passed on is not waited for either.
                while length <= limit && !data.is_empty() {
                    let (part, until) = pace.next(data.len(), Instant::now());
                    if let Some(until) = until {
                        // Meanwhile nothing is read of what the function writes.
                        tokio::time::sleep_until(until.into()).await;
                    }
                    let part = data.split_to(part);
                    wanted = wanted && stream.0.send(StreamPiece::Data(part)).await.is_ok();
                }
            }
            Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
        }
    }
    exchange.end_stream(id);
    Some(if length > limit {
        let message = format!("Response payload size exceeded maximum allowed payload size ({limit} bytes).");
        let error = json!({ "errorType": "Function.ResponseSizeTooLarge", "errorMessage": message });
        exchange.fail(id, error.to_string().into())
    } else if has_failed(&trailers) {
        exchange.fail(id, streaming_error(&trailers))
    } else {
        exchange.respond(id, Bytes::new(), false)
    })
}

/// A streamed answer that failed half-way says so behind its body.
pub(crate) fn has_failed(trailers: &HeaderMap) -> bool {
    trailers.contains_key("lambda-runtime-function-error-type")
        || trailers.contains_key("lambda-runtime-function-error-body")
}

async fn gather(exchange: &Exchange, id: &str, kind: &str, body: Incoming) -> Option<Result<(), Refusal>> {
    let read = read(body, exchange.limits.response).await;
    exchange.end_stream(id);
    match read {
        Read::Whole(_, trailers) if has_failed(&trailers) => {
            Some(exchange.fail(id, streaming_error(&trailers)))
        }
        Read::Whole(bytes, _) if kind.starts_with(HTTP_INTEGRATION) => {
            Some(exchange.respond(id, as_integration(&bytes), false))
        }
        Read::Whole(bytes, _) => Some(exchange.respond(id, bytes, false)),
        Read::TooLarge => Some(exchange.respond(id, Bytes::new(), true)),
        Read::Broken => None,
    }
}

/// The JSON of an HTTP answer that came as prelude and body.
fn as_integration(bytes: &[u8]) -> Bytes {
    let (mut answer, from) = prelude(bytes).unwrap_or_default();
    let body = &bytes[from..];
    let (text, is_encoded) = match std::str::from_utf8(body) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (BASE64.encode(body), true),
    };
    answer.insert("body".to_owned(), text.into());
    answer.insert("isBase64Encoded".to_owned(), is_encoded.into());
    Bytes::from(Value::Object(answer).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_http_answer_in_pieces_is_the_json_of_one() {
        let mut bytes = br#"{"statusCode":201}"#.to_vec();
        assert_eq!(prelude(&bytes), None);
        bytes.extend([0; 8]);
        assert_eq!(
            as_integration(&[&bytes[..], b"made"].concat()),
            r#"{"statusCode":201,"body":"made","isBase64Encoded":false}"#
        );
        for (body, expected) in [(&[255u8][..], "/w=="), (&[255, 254], "//4="), (&[255, 254, 253], "//79")] {
            let answer = as_integration(&[&bytes[..], body].concat());
            assert_eq!(answer, format!(r#"{{"statusCode":201,"body":"{expected}","isBase64Encoded":true}}"#));
        }
    }
}
