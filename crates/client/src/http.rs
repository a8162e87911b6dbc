//! One exchange over HTTP: connections are kept and reused, answers bounded in size and time.

use aloft_wire::Request;
use bytes::Bytes;
use http::{HeaderMap, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use std::time::Duration;

/// How long an answer may take: a synchronous invocation may run for 15 minutes.
const WITHIN: Duration = Duration::from_secs(16 * 60);
/// How long a connection may take to stand.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// The most bytes an answer may have.
const MAX_ANSWER: usize = 256 * 1024 * 1024;

/// A pool of connections.
#[derive(Clone)]
pub(crate) struct Http(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// What came back.
pub(crate) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Http {
    pub fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_WITHIN));
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        Self(Client::builder(TokioExecutor::new()).build(connector))
    }

    pub async fn send(&self, base: &str, request: Request) -> Result<Answer, String> {
        let question = if request.query.is_empty() { "" } else { "?" };
        let address = format!("{base}{}{question}{}", request.path, request.query);
        let uri: Uri = address.parse().map_err(|error| format!("`{base}` is no address: {error}"))?;
        let mut outgoing = http::Request::new(Full::new(request.body));
        *outgoing.method_mut() = request.method;
        *outgoing.uri_mut() = uri;
        *outgoing.headers_mut() = request.headers;
        let exchange = async {
            let response = self.0.request(outgoing).await.map_err(|error| root_cause(&error))?;
            let (parts, body) = response.into_parts();
            let body =
                Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| error.to_string())?.to_bytes();
            Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
        };
        tokio::time::timeout(WITHIN, exchange).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }
}

/// The innermost reason: `Connection refused` says more than `client error (Connect)`.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
