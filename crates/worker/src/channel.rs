//! The channel by which our own bootstraps take events and answer them: the Runtime API without HTTP.
//!
//! The bootstrap connects once, and then each side writes one message and waits for the other's: what costs an
//! invocation most otherwise is what HTTP and TCP are made of. A message is eight bytes (its kind, a zero, the length of
//! its head in two bytes, that of its body in four, little-endian), the head, and the body. The meaning is in
//! [`Exchange`], as that of the Runtime API, which is there beside it: for other people's clients, and for answers that are
//! written piece by piece. Keeps true: one connection is served at a time; what is too large is read and not kept.

use crate::exchange::{Exchange, Handed};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};

/// The bootstrap asks for an event.
const ASK: u8 = 0;
/// It answers with a result, and asks for the next event.
const RESPONSE: u8 = 1;
/// It answers with an error, whose type is the head, and asks for the next event.
const ERROR: u8 = 2;
/// It answers with an error, or could not initialise, and ends when that is acknowledged.
const LAST_ERROR: u8 = 3;
/// An event: its head are lines.
const EVENT: u8 = 4;
const ACKNOWLEDGED: u8 = 5;

const FRONT: usize = 8;
/// The largest error report, as in the Runtime API.
const ERROR_LIMIT: usize = 256 * 1024;
/// What is read at once.
const BUFFER: usize = 16 * 1024;
/// How long nobody is let in after a failure.
const PAUSE: Duration = Duration::from_millis(10);

/// Where a bootstrap connects to.
#[derive(Debug)]
pub(crate) enum Door {
    /// In a network of its own.
    Own(UnixListener),
    /// On the host's loopback.
    Shared(TcpListener),
}

/// Serves until the task is aborted.
pub(crate) async fn serve(door: Door, exchange: Arc<Exchange>) {
    loop {
        let served = match &door {
            Door::Own(listener) => serve_one(listener.accept().await.map(|it| it.0), &exchange).await,
            Door::Shared(listener) => {
                let accepted = listener.accept().await.and_then(|(it, _)| it.set_nodelay(true).map(|()| it));
                serve_one(accepted, &exchange).await
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, "a bootstrap's connection ended");
            // Out of descriptors, most likely: others must end before this can go on.
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn serve_one<S: AsyncRead + AsyncWrite + Unpin>(
    accepted: io::Result<S>,
    exchange: &Exchange,
) -> io::Result<()> {
    let buffer = BytesMut::with_capacity(BUFFER);
    Connection { stream: accepted?, buffer, written: Vec::new() }.serve(exchange).await
}

/// A message of the bootstrap.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    kind: u8,
    head: Bytes,
    /// `None` when it is too large.
    body: Option<Bytes>,
}

struct Connection<S> {
    stream: S,
    buffer: BytesMut,
    written: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Serves until the bootstrap ends the connection or breaks a rule.
    async fn serve(mut self, exchange: &Exchange) -> io::Result<()> {
        let mut current: Option<String> = None;
        while let Some(Message { kind, head, body }) = self.read(exchange.limits.response).await? {
            let id = current.as_deref().unwrap_or_default();
            // Whether an answer was taken only the invoker hears.
            match (kind, body) {
                (ASK, _) => {}
                (RESPONSE, Some(body)) => drop(exchange.respond(id, body, false)),
                (RESPONSE | ERROR | LAST_ERROR, None) => drop(exchange.respond(id, Bytes::new(), true)),
                (ERROR | LAST_ERROR, Some(body)) if current.is_some() => drop(exchange.fail(id, body)),
                (LAST_ERROR, Some(body)) => {
                    let error_type = String::from_utf8_lossy(&head).into_owned();
                    drop(exchange.fail_initialization(body, Some(error_type)));
                }
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
            if kind == LAST_ERROR {
                self.write(ACKNOWLEDGED, &[], &[]).await?;
                continue;
            }
            let handed = tokio::select! {
                biased;
                handed = exchange.next() => handed,
                // It has nothing to say now: this is its end, and the event is for whoever comes after it.
                _ = self.stream.read_buf(&mut self.buffer) => return Ok(()),
            };
            let Ok(handed) = handed else { return Ok(()) };
            self.write(EVENT, &lines(&handed), &handed.invocation.payload).await?;
            current = Some(handed.invocation.request_id.clone());
        }
        Ok(())
    }

    /// The next message; nothing at the end of the connection.
    async fn read(&mut self, limit: usize) -> io::Result<Option<Message>> {
        if !self.fill(FRONT).await? {
            return Ok(None);
        }
        let mut front = self.buffer.split_to(FRONT);
        let (kind, _) = (front.get_u8(), front.get_u8());
        let (head, body) = (usize::from(front.get_u16_le()), front.get_u32_le() as usize);
        drop(front);
        if !self.fill(head).await? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let head = Bytes::copy_from_slice(&self.buffer.split_to(head));
        let limit = if matches!(kind, ERROR | LAST_ERROR) { ERROR_LIMIT } else { limit };
        let body = if body > limit { self.skip(body).await.map(|()| None) } else { self.take(body).await.map(Some) };
        Ok(Some(Message { kind, head, body: body? }))
    }

    /// Reads until so many bytes are there; false when the connection ends before the first.
    async fn fill(&mut self, wanted: usize) -> io::Result<bool> {
        while self.buffer.len() < wanted {
            self.buffer.reserve(BUFFER);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                let whole = self.buffer.is_empty();
                return if whole { Ok(false) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
        Ok(true)
    }

    /// So many bytes, in memory of their own: what is read next goes where they were.
    async fn take(&mut self, length: usize) -> io::Result<Bytes> {
        let mut body = BytesMut::with_capacity(length);
        body.extend_from_slice(&self.buffer.split_to(length.min(self.buffer.len())));
        while body.len() < length {
            let missing = length - body.len();
            if self.stream.read_buf(&mut (&mut body).limit(missing)).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(body.freeze())
    }

    async fn skip(&mut self, mut length: usize) -> io::Result<()> {
        loop {
            let there = length.min(self.buffer.len());
            self.buffer.advance(there);
            length -= there;
            if length == 0 {
                return Ok(());
            }
            if !self.fill(1).await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn write(&mut self, kind: u8, head: &[u8], body: &[u8]) -> io::Result<()> {
        let too_large = |_| io::Error::from(io::ErrorKind::InvalidInput);
        let (head_length, body_length) =
            (u16::try_from(head.len()).map_err(too_large)?, u32::try_from(body.len()).map_err(too_large)?);
        self.written.clear();
        self.written.extend_from_slice(&[kind, 0]);
        self.written.put_u16_le(head_length);
        self.written.put_u32_le(body_length);
        self.written.extend_from_slice(head);
        // What is long is not copied.
        if body.len() <= BUFFER {
            self.written.extend_from_slice(body);
            return self.stream.write_all(&self.written).await;
        }
        self.stream.write_all(&self.written).await?;
        self.stream.write_all(body).await
    }
}

/// What is told of an invocation besides its payload, a line each: request id, deadline in milliseconds, ARN, trace,
/// client context, identity.
fn lines(handed: &Handed) -> Vec<u8> {
    let Handed { invocation, deadline_millis } = handed;
    let mut lines = Vec::with_capacity(256);
    let mut line = |text: &str| {
        // JSON has control characters only between its tokens.
        lines.extend(text.bytes().map(|it| if it.is_ascii_control() { b' ' } else { it }));
        lines.push(b'\n');
    };
    line(&invocation.request_id);
    line(&deadline_millis.to_string());
    line(&invocation.function_arn);
    line(&invocation.trace_id);
    line(invocation.client_context.as_deref().unwrap_or_default());
    line(invocation.cognito_identity.as_deref().unwrap_or_default());
    lines
}
