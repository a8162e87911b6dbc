//! The channel by which our own bootstraps take events and answer them: the Runtime API without HTTP.
//!
//! The bootstrap connects twice, once for what it says and once for what it hears, and then each side sends one message and
//! waits for the other's: what costs an invocation most otherwise is what HTTP and TCP are made of. (A local socket that is
//! both written and read wakes its reader for nothing whenever the other side has read.) A message is eight bytes (its
//! kind, a zero, the length of its head in two bytes, that of its body in four, little-endian), the head, and the body. The
//! meaning is in [`Exchange`], as that of the Runtime API, which is there beside it: for other people's clients, and for
//! answers that are written piece by piece. Between two invocations the connection lies in the exchange, and whoever has
//! an invocation speaks to the bootstrap without a task in between. Keeps true: there is one connection; what is too large
//! is read and not kept.

use crate::exchange::{Answer, Exchange, Handed};
use crate::runtime_api::ERROR_LIMIT;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::fmt;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::oneshot;

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
/// What is read at once.
const BUFFER: usize = 16 * 1024;

/// Where a bootstrap connects to.
#[derive(Debug)]
pub(crate) enum Door {
    /// In a network of its own.
    Own(UnixListener),
    /// On the host's loopback.
    Shared(TcpListener),
}

/// Lets the bootstrap in, until it asks for its first event or cannot.
pub(crate) async fn serve(door: Door, exchange: Arc<Exchange>) {
    match Connection::accept(&door).await {
        Ok(connection) => connection.wait(exchange).await,
        Err(error) => tracing::warn!(%error, "a bootstrap cannot be let in"),
    }
}

/// A message of the bootstrap.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    kind: u8,
    head: Bytes,
    /// `None` when it is too large.
    body: Option<Bytes>,
}

/// What a bootstrap says comes from here, and what it hears goes there.
pub(crate) struct Connection {
    says: Box<dyn AsyncRead + Send + Unpin>,
    hears: Box<dyn AsyncWrite + Send + Unpin>,
    buffer: BytesMut,
    written: Vec<u8>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    async fn accept(door: &Door) -> io::Result<Self> {
        let (says, hears): (Box<dyn AsyncRead + Send + Unpin>, Box<dyn AsyncWrite + Send + Unpin>) =
            match door {
                Door::Own(listener) => {
                    let (says, hears) = (listener.accept().await?.0, listener.accept().await?.0);
                    (Box::new(says), Box::new(Quiet { stream: hears.into_std()?, full: None }))
                }
                Door::Shared(listener) => {
                    let (says, hears) = (listener.accept().await?.0, listener.accept().await?.0);
                    hears.set_nodelay(true)?;
                    (Box::new(says), Box::new(hears))
                }
            };
        Ok(Self { says, hears, buffer: BytesMut::with_capacity(BUFFER), written: Vec::new() })
    }

    /// Waits until the bootstrap asks for an event, or says that there will be none.
    async fn wait(mut self, exchange: Arc<Exchange>) {
        match self.read(ERROR_LIMIT).await {
            Ok(Some(Message { kind: ASK, .. })) => exchange.park(self).await,
            Ok(Some(Message { kind: LAST_ERROR, head, body })) => {
                let error_type = String::from_utf8_lossy(&head).into_owned();
                drop(exchange.fail_initialization(body.unwrap_or_default(), Some(error_type)));
                let _ = self.write(ACKNOWLEDGED, &[], &[]).await;
            }
            Ok(None) => {}
            Ok(Some(message)) => tracing::debug!(message.kind, "a bootstrap breaks the rules"),
            Err(error) => tracing::debug!(%error, "a bootstrap's connection ended"),
        }
    }

    /// Tells the bootstrap of an invocation.
    pub(crate) async fn tell(&mut self, handed: &Handed) -> io::Result<()> {
        self.write(EVENT, &lines(handed), &handed.invocation.payload).await
    }

    /// Waits for the answer to what was told, which may also come by the Runtime API. Nothing when there will be none.
    pub(crate) async fn answer(
        mut self,
        exchange: &Arc<Exchange>,
        handed: &Handed,
        mut answered: oneshot::Receiver<Answer>,
    ) -> Option<Answer> {
        let id = handed.invocation.request_id.as_str();
        let said = tokio::select! {
            biased;
            said = self.read(exchange.limits.response) => said,
            answer = &mut answered => {
                tokio::spawn(self.wait(exchange.clone()));
                return answer.ok();
            }
        };
        let message = said.unwrap_or_else(|error| {
            tracing::debug!(%error, "a bootstrap's connection ended");
            None
        });
        let (kind, body) = message.map_or((None, None), |it| (Some(it.kind), it.body));
        let said = match (kind, body) {
            (Some(RESPONSE), Some(body)) => Some(Answer::Response(body)),
            (Some(ERROR | LAST_ERROR), Some(body)) => Some(Answer::Error(body)),
            (Some(RESPONSE | ERROR | LAST_ERROR), None) => Some(Answer::TooLarge),
            _ => None,
        };
        let answer = match said {
            Some(answer) => {
                // Nobody is to be woken for it.
                answered.close();
                exchange.settle(id).then_some(answer)?
            }
            // It may have answered by the Runtime API before, and that is seen only now.
            None => answered.try_recv().ok()?,
        };
        match kind {
            Some(ASK | RESPONSE | ERROR) => exchange.park(self).await,
            Some(LAST_ERROR) => drop(self.write(ACKNOWLEDGED, &[], &[]).await),
            _ => {}
        }
        Some(answer)
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
        let body =
            if body > limit { self.skip(body).await.map(|()| None) } else { self.take(body).await.map(Some) };
        Ok(Some(Message { kind, head, body: body? }))
    }

    /// Reads until so many bytes are there; false when the connection ends before the first.
    async fn fill(&mut self, wanted: usize) -> io::Result<bool> {
        while self.buffer.len() < wanted {
            self.buffer.reserve(BUFFER);
            if self.says.read_buf(&mut self.buffer).await? == 0 {
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
            if self.says.read_buf(&mut (&mut body).limit(missing)).await? == 0 {
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
            return self.hears.write_all(&self.written).await;
        }
        self.hears.write_all(&self.written).await?;
        self.hears.write_all(body).await
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

/// A local socket that is only written to. It is not waited for until it is full: this process would be woken each time
/// the other side has read.
struct Quiet {
    stream: std::os::unix::net::UnixStream,
    /// The same, while it is waited for.
    full: Option<UnixStream>,
}

impl AsyncWrite for Quiet {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let full = match &mut this.full {
            Some(full) => full,
            None => match (&this.stream).write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    this.full.insert(UnixStream::from_std(this.stream.try_clone()?)?)
                }
                written => return Poll::Ready(written),
            },
        };
        let written = ready!(Pin::new(full).poll_write(context, bytes));
        this.full = None;
        Poll::Ready(written)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.shutdown(std::net::Shutdown::Write))
    }
}
