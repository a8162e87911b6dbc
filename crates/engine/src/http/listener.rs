//! Connections: how many, how long their heads may take, how large their bodies may be.

use super::{Head, HttpRequest, HttpResponse, admin, aws, json, route, unknown};
use crate::{BoxBody, Context, Engine, Principal, StartError};
use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How long a connection may take to send a request's head, and may stay idle between requests.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// How long a body may stand still.
const BODY_PIECE_WITHIN: Duration = Duration::from_secs(20);
/// How many bytes a request's line and headers may have. There may be 100 headers: more would take memory of their own.
const MAX_HEAD: usize = 64 * 1024;

/// A bound port.
pub(crate) struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    pub async fn bind(address: SocketAddr) -> Result<Self, StartError> {
        let failed = |source| StartError::Listen { address, source };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers connections until the engine stops; then finishes those under way.
    pub async fn serve(self, engine: Engine) {
        let mut stopped = std::pin::pin!(engine.stopped());
        let room = Arc::new(Semaphore::new(engine.options().max_connections));
        loop {
            let accepted = tokio::select! {
                accepted = accept(&self.socket, &room) => accepted,
                () = stopped.as_mut() => return,
            };
            match accepted {
                Ok((stream, remote, permit)) => {
                    let connection = serve_connection(engine.clone(), stream, remote);
                    engine.spawn(async move {
                        connection.await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: let some connections end first.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

type Permit = tokio::sync::OwnedSemaphorePermit;

async fn accept(
    socket: &TcpListener,
    room: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, Permit)> {
    let permit = room.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, remote) = socket.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, remote, permit))
}

async fn serve_connection(engine: Engine, stream: TcpStream, remote: SocketAddr) {
    let stopped = engine.stopped();
    let service = service_fn(move |request| {
        let engine = engine.clone();
        async move { Ok::<_, Infallible>(answer(engine, request, remote).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %remote, "a connection ended early");
    }
}

async fn answer(engine: Engine, request: Request<Incoming>, remote: SocketAddr) -> Response<BoxBody> {
    let (parts, body) = request.into_parts();
    let head = Head {
        host: host_of(&parts),
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        remote,
    };
    let response = match read_body(body, engine.options().max_body).await {
        Ok(body) => handle(&engine, HttpRequest { head, body }).await,
        Err(refusal) => refusal,
    };
    response.map(crate::Body::into_box)
}

async fn handle(engine: &Engine, request: HttpRequest) -> HttpResponse {
    let request_id = engine.ids().uuid();
    match route::of(engine, &request) {
        route::Route::Admin => Box::pin(admin::answer(engine, &request)).await,
        route::Route::FrontDoor(service) => {
            let trace_id = request.head.header("x-amzn-trace-id").map(Into::into);
            let context = Context { trace_id, ..engine.context(Principal::Anonymous, request_id) };
            engine.metering().called(&context.principal, service.name(), "HTTP");
            service.http(&context, request).await
        }
        route::Route::Unknown(api) => unknown::answer(&request.head, &api),
        route::Route::Operation(model) => Box::pin(aws::answer(engine, model, request, request_id)).await,
    }
}

fn host_of(parts: &http::request::Parts) -> String {
    let header = parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    let host = header.or_else(|| parts.uri.host()).unwrap_or_default().to_ascii_lowercase();
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name.to_owned(),
        _ => host,
    }
}

/// Reads the whole body, or tells why not.
async fn read_body(mut body: Incoming, limit: usize) -> Result<Bytes, HttpResponse> {
    let refuse = |status, message: &str| Err(json(status, &serde_json::json!({ "message": message })));
    let mut first: Option<Bytes> = None;
    let mut all = BytesMut::new();
    while !body.is_end_stream() {
        let frame = match timeout(BODY_PIECE_WITHIN, body.frame()).await {
            Ok(None) => break,
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_))) => return refuse(StatusCode::BAD_REQUEST, "the body could not be read"),
            Err(_) => return refuse(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
        };
        let Ok(data) = frame.into_data() else { continue };
        if first.as_ref().map_or(0, Bytes::len) + all.len() + data.len() > limit {
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than the local cloud takes");
        }
        // Most bodies come in one piece, which need not be copied.
        match first.take() {
            None if all.is_empty() => first = Some(data),
            None => all.extend_from_slice(&data),
            Some(piece) => {
                all.extend_from_slice(&piece);
                all.extend_from_slice(&data);
            }
        }
    }
    Ok(first.unwrap_or_else(|| all.freeze()))
}
