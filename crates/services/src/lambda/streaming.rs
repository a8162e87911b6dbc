//! Answers that are passed on while the function writes them: `InvokeWithResponseStream`, and what function URLs use.

use super::Lambda;
use super::errors::refuse;
use super::invoke::{self, Call, Invoke, Prepared};
use super::limits;
use super::name::Name;
use super::running::Running;
use super::targets::Target;
use aloft_engine::{Body, BoxBody, Context, Reply, ServiceError, WithBody};
use aloft_wire::event_stream::Frame as Event;
use aloft_worker::{Outcome, ResponseStream, StreamPiece};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// How an invocation began to answer.
pub(super) enum Begun {
    /// It writes its answer piece by piece.
    Streamed(Answer),
    /// It has ended already, with a whole answer.
    Whole(Outcome),
}

/// An answer that is being written.
pub(super) struct Answer {
    pub content_type: String,
    pieces: mpsc::Receiver<StreamPiece>,
    ended: oneshot::Receiver<Result<Outcome, ServiceError>>,
    /// Pieces that were overtaken by the end, which stands behind them.
    rest: VecDeque<Bytes>,
    end: Option<Result<Outcome, ServiceError>>,
}

/// What comes next of an answer.
pub(super) enum Next {
    Data(Bytes),
    End(Result<Outcome, ServiceError>),
}

fn lost() -> ServiceError {
    ServiceError::new("ServiceUnavailable", 503, "the invocation was cut off")
}

/// Starts an invocation and waits until it begins to answer. It runs to its end even when nobody reads.
pub(super) async fn begin(
    running: &Arc<Running>,
    context: &Context,
    name: &Name,
    target: &Arc<Target>,
    mut call: Call,
) -> Result<Begun, ServiceError> {
    let (sink, mut pieces) = ResponseStream::new();
    call.stream = Some(sink);
    let (tell, mut ended) = oneshot::channel();
    let (running, of, name, target) = (running.clone(), context.clone(), name.clone(), target.clone());
    context.engine.spawn(async move {
        drop(tell.send(invoke::run(&running, &of, &name, &target, call).await));
    });
    let (first, end) = tokio::select! {
        biased;
        Some(piece) = pieces.recv() => (Some(piece), None),
        end = &mut ended => {
            let end = end.unwrap_or_else(|_| Err(lost()));
            (pieces.try_recv().ok(), Some(end))
        }
    };
    let Some(StreamPiece::Begin(content_type)) = first else {
        return end.unwrap_or_else(|| Err(lost())).map(Begun::Whole);
    };
    let mut answer = Answer { content_type, pieces, ended, rest: VecDeque::new(), end: None };
    if let Some(end) = end {
        answer.finish(end);
    }
    Ok(Begun::Streamed(answer))
}

impl Answer {
    /// Keeps the end, and what came before it and has not been read.
    fn finish(&mut self, end: Result<Outcome, ServiceError>) {
        while let Ok(StreamPiece::Data(data)) = self.pieces.try_recv() {
            self.rest.push_back(data);
        }
        self.end = Some(end);
    }

    /// The next piece, or the end, which comes once.
    pub async fn next(&mut self) -> Next {
        loop {
            if let Some(data) = self.rest.pop_front() {
                return Next::Data(data);
            }
            if let Some(end) = self.end.take() {
                return Next::End(end);
            }
            tokio::select! {
                biased;
                Some(piece) = self.pieces.recv() => {
                    if let StreamPiece::Data(data) = piece {
                        return Next::Data(data);
                    }
                }
                end = &mut self.ended => self.finish(end.unwrap_or_else(|_| Err(lost()))),
            }
        }
    }
}

/// A body of what `step` gives until it gives nothing. An error ends the connection early, so that the client knows.
pub(super) fn body<S, F>(state: S, step: impl FnMut(S) -> F + Send + 'static) -> BoxBody
where
    S: Send + 'static,
    F: Future<Output = Option<(io::Result<Bytes>, S)>> + Send + 'static,
{
    let mut step = step;
    let frames = stream::unfold(state, move |state| {
        let next = step(state);
        async move { next.await.map(|(bytes, state)| (bytes.map(Frame::data), state)) }
    });
    StreamBody::new(frames).boxed_unsync()
}

/// `InvokeWithResponseStream`
pub(super) async fn invoke_with_stream(
    lambda: &Lambda,
    context: &Context,
    input: WithBody<Value>,
) -> Result<Reply, ServiceError> {
    refuse(&input.params, &["TenantId"])?;
    let params: Invoke = super::functions::read(input.params)?;
    let running = lambda.running()?;
    let log_tail = params.log_type.as_deref() == Some("Tail");
    let dry = params.invocation_type.as_deref() == Some("DryRun");
    let prepared =
        invoke::prepare(running, context, &params, input.body, limits::of(context).synchronous_payload)
            .await?;
    let Prepared { name, target, call } = prepared;
    if dry {
        return Ok(Reply::new(json!({ "StatusCode": 204 })));
    }
    let request_id = call.request_id.clone();
    let kind = "application/vnd.amazon.eventstream";
    let params = json!({ "StatusCode": 200, "ExecutedVersion": target.spec.version, "ResponseStreamContentType": kind });
    let body = match begin(running, context, &name, &target, call).await? {
        Begun::Whole(outcome) => {
            let mut frames = Vec::new();
            // An error stands in the last event only.
            if outcome.error.is_none() {
                frames.extend(chunk(outcome.payload.clone()));
            }
            frames.extend(complete(&Ok(outcome), log_tail));
            Body::Bytes(frames.into())
        }
        Begun::Streamed(answer) => Body::Open(body(Some(answer), move |answer| async move {
            let mut answer = answer?;
            match answer.next().await {
                Next::Data(data) => Some((Ok(chunk(data)), Some(answer))),
                Next::End(end) => Some((Ok(complete(&end, log_tail)), None)),
            }
        })),
    };
    Ok(invoke::with_request_id(Reply::new(params).with_body(body), &request_id))
}

fn chunk(data: Bytes) -> Bytes {
    Event::event("PayloadChunk", "application/octet-stream", data).encode()
}

/// The last event: how the invocation ended.
fn complete(end: &Result<Outcome, ServiceError>, log_tail: bool) -> Bytes {
    let mut told = json!({});
    match end {
        Ok(outcome) => {
            if outcome.error.is_some() {
                told["ErrorCode"] = "Unhandled".into();
                told["ErrorDetails"] = String::from_utf8_lossy(&outcome.payload).into();
            }
            if log_tail {
                told["LogResult"] = BASE64.encode(&outcome.log_tail).into();
            }
        }
        Err(error) => {
            told["ErrorCode"] = error.code.clone().into();
            told["ErrorDetails"] = error.message.clone().into();
        }
    }
    Event::event("InvokeComplete", "application/json", told.to_string().into()).encode()
}
