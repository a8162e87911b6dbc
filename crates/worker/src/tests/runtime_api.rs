//! The Runtime API against a client that breaks its rules: what is refused, and how.

use crate::exchange::{Answer, Exchange, Initialized};
use crate::extensions::{About, Extensions};
use crate::telemetry::Telemetry;
use crate::{RESPONSE_LIMIT, ResponseStream, StreamPiece, runtime_api};
use aloft_base::{Clock, Ids};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

struct Api {
    exchange: Arc<Exchange>,
    initialized: Option<tokio::sync::oneshot::Receiver<Initialized>>,
    address: std::net::SocketAddr,
    server: tokio::task::JoinHandle<()>,
}

impl Api {
    async fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (exchange, initialized) = Exchange::new(
            Extensions::new(Ids::random(), Arc::new(Telemetry::new(Clock::system())), About::default()),
            crate::EnvironmentLimits::default(),
        );
        let server = tokio::spawn(runtime_api::serve(listener, exchange.clone()));
        Self { exchange, initialized: Some(initialized), address, server }
    }

    /// Sends bytes as they are and gives the status and the body of the answer.
    async fn raw(&self, request: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        // A server that has answered may have stopped to listen.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let reading = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
        assert!(reading.is_ok(), "no end of the answer to {:?}", String::from_utf8_lossy(request));
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0);
        (status, answer.split_once("\r\n\r\n").map(|it| it.1.to_owned()).unwrap_or_default())
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let length = body.len();
        let head = format!(
            "{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        self.raw(&[head.as_bytes(), body.as_bytes()].concat()).await
    }

    async fn check(&self, method: &str, path: &str, body: &str, status: u16, expected: &str) {
        let (seen, text) = self.call(method, path, body).await;
        assert_eq!(seen, status, "{method} {path}: {text}");
        assert!(text.contains(expected), "{method} {path}: {text}");
    }

    fn offer(&self, id: &str) -> tokio::sync::oneshot::Receiver<Answer> {
        let mut invocation = super::event("{}");
        invocation.request_id = id.to_owned();
        self.exchange.offer(Arc::new(invocation), Duration::from_secs(3))
    }
}

#[tokio::test]
async fn refusals() {
    let mut api = Api::new().await;
    api.check("POST", "invocation/a/response", "1", 400, "InvalidRequestID").await;
    let mut first = api.offer("a");
    api.check("GET", "invocation/next", "", 200, "{}").await;
    assert!(matches!(api.initialized.take().expect("once").await, Ok(Initialized::Ready(_))));

    // While it runs.
    api.check("GET", "invocation/next", "", 403, "InvalidStateTransition").await;
    api.check("POST", "init/error", "{}", 403, "InvalidStateTransition").await;
    api.check("POST", "invocation/b/response", "1", 400, "InvalidRequestID").await;
    assert!(first.try_recv().is_err());
    api.check("POST", "invocation/a/response", "1", 202, "OK").await;
    assert!(matches!(first.await, Ok(Answer::Response(bytes)) if bytes == "1"));

    // Twice, and late.
    api.check("POST", "invocation/a/response", "2", 403, "InvalidStateTransition").await;
    api.check("POST", "invocation/a/error", "{}", 403, "InvalidStateTransition").await;
    let second = api.offer("b");
    api.check("GET", "invocation/next", "", 200, "{}").await;
    api.check("POST", "invocation/a/response", "3", 400, "InvalidRequestID").await;

    // Too large: the runtime is told, and so is the invoker.
    let large = "x".repeat(RESPONSE_LIMIT + 1);
    api.check("POST", "invocation/b/response", &large, 413, "RequestEntityTooLarge").await;
    assert!(matches!(second.await, Ok(Answer::TooLarge)));

    // An error without a body has the type of its header.
    let third = api.offer("c");
    api.check("GET", "invocation/next", "", 200, "{}").await;
    let head = "POST /2018-06-01/runtime/invocation/c/error HTTP/1.1\r\nHost: x\r\nConnection: close\r\nLambda-Runtime-Function-Error-Type: My.Error\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(api.raw(head.as_bytes()).await.0, 202);
    assert!(
        matches!(third.await, Ok(Answer::Error(bytes)) if bytes == r#"{"errorType":"My.Error","errorMessage":""}"#)
    );

    // After the end.
    api.exchange.close();
    api.check("GET", "invocation/next", "", 403, "InvalidStateTransition").await;
    api.check("POST", "invocation/c/response", "1", 403, "InvalidStateTransition").await;
    api.server.abort();
}

#[tokio::test]
async fn other_requests() {
    let api = Api::new().await;
    api.check("GET", "nothing", "", 404, "NotFound").await;
    api.check("DELETE", "invocation/next", "", 404, "NotFound").await;
    assert_eq!(api.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.0, 404);
    let next = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n";
    for (request, status) in [
        ("nonsense\r\n\r\n".to_owned(), 400),
        (format!("{next}{}\r\n", "a: b\r\n".repeat(200)), 431),
        (format!("{next}long: {}\r\n\r\n", "x".repeat(300_000)), 431),
        (format!("{next}a\0: b\r\n\r\n"), 400),
        (
            "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n1"
                .to_owned(),
            400,
        ),
    ] {
        assert_eq!(api.raw(request.as_bytes()).await.0, status, "{:?}", &request[..80.min(request.len())]);
    }
    // A body that stays behind its length is no answer.
    let mut answer = api.offer("a");
    api.check("GET", "invocation/next", "", 200, "{}").await;
    let mut stream = TcpStream::connect(api.address).await.expect("a connection");
    let cut = b"POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this";
    stream.write_all(cut).await.expect("sent");
    stream.shutdown().await.expect("closed");
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(answer.try_recv().is_err());
    api.server.abort();
}

/// A runtime that loses its connection while it waits gets the invocation on the next one.
#[tokio::test]
async fn lost_connections() {
    let api = Api::new().await;
    let next = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut lost = TcpStream::connect(api.address).await.expect("a connection");
    lost.write_all(next).await.expect("sent");
    api.exchange.until_parked().await;
    drop(lost);
    while api.exchange.is_parked() {
        tokio::task::yield_now().await;
    }
    let answer = api.offer("a");
    api.check("GET", "invocation/next", "", 200, "{}").await;
    api.check("POST", "invocation/a/response", "1", 202, "OK").await;
    assert!(answer.await.is_ok());
    api.server.abort();
}

/// Answers that come piece by piece, with and without an error behind them, to invokers that gather and that pass on.
#[tokio::test]
async fn streamed_answers() {
    let api = Api::new().await;
    let send = async |kind: &str, chunks: &str, trailers: &str| {
        let request = format!(
            "POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\
             Lambda-Runtime-Function-Response-Mode: streaming\r\nTrailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\
             Content-Type: {kind}\r\n\r\n{chunks}{trailers}\r\n"
        );
        api.raw(request.as_bytes()).await.0
    };
    let integration = "application/vnd.awslambda.http-integration-response";
    let failed = "Lambda-Runtime-Function-Error-Type: Late\r\nLambda-Runtime-Function-Error-Body: eyJlcnJvclR5cGUiOiJMYXRlIn0=\r\n";
    for (kind, chunks, trailers, expected) in [
        ("text/plain", "3\r\none\r\n4\r\n two\r\n0\r\n", "", "one two"),
        (
            integration,
            "2\r\n{}\r\n9\r\n\0\0\0\0\0\0\0\0b\r\n0\r\n",
            "",
            r#"{"body":"b","isBase64Encoded":false}"#,
        ),
        ("text/plain", "3\r\none\r\n0\r\n", failed, r#"{"errorType":"Late"}"#),
    ] {
        let answer = api.offer("a");
        api.check("GET", "invocation/next", "", 200, "{}").await;
        assert_eq!(send(kind, chunks, trailers).await, 202);
        let seen = match answer.await {
            Ok(Answer::Response(bytes) | Answer::Error(bytes)) => {
                String::from_utf8_lossy(&bytes).into_owned()
            }
            other => format!("{other:?}"),
        };
        assert_eq!(seen, expected);
        // Nothing else may answer.
        assert_eq!(send(kind, chunks, trailers).await, 403);
    }

    // Cut off before its end.
    let (stream, mut pieces) = ResponseStream::new();
    let mut invocation = super::event("{}");
    (invocation.request_id, invocation.stream) = ("a".to_owned(), Some(stream));
    let answer = api.exchange.offer(Arc::new(invocation), Duration::from_secs(3));
    api.check("GET", "invocation/next", "", 200, "{}").await;
    let mut connection = TcpStream::connect(api.address).await.expect("a connection");
    let begun = b"POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n\r\n3\r\none\r\n";
    connection.write_all(begun).await.expect("sent");
    assert_eq!(pieces.recv().await, Some(StreamPiece::Begin(String::new())));
    assert_eq!(pieces.recv().await, Some(StreamPiece::Data("one".into())));
    api.check("POST", "invocation/a/response", "2", 403, "InvalidStateTransition").await;
    drop(connection);
    let seen = answer.await;
    assert!(matches!(seen, Ok(Answer::Error(_))), "{seen:?}");
    assert!(format!("{seen:?}").contains("Runtime.TruncatedResponse"), "{seen:?}");
    assert_eq!(pieces.recv().await, None);
    api.server.abort();
}
