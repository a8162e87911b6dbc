//! Requests from the local cloud to the outside: a subscriber's endpoint, an API that is integrated.
//!
//! Keeps true: a request takes no longer than its limit, and of an answer no more is read than its limit.

use aloft_engine::ServiceError;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::sync::OnceLock;
use std::time::Duration;

/// How much of an answer is read.
const MOST_BYTES: usize = 10 * 1024 * 1024;

/// An HTTP client, made when it is first needed.
#[derive(Default)]
pub(crate) struct Outward(OnceLock<Client<HttpsConnector<HttpConnector>, Full<Bytes>>>);

impl Outward {
    /// Sends a request and reads the answer. A status that tells of a failure is no error here.
    pub async fn send(
        &self,
        method: http::Method,
        url: &str,
        headers: HeaderMap,
        body: Bytes,
        limit: Duration,
    ) -> Result<Response<Bytes>, ServiceError> {
        let failed = |reason: String| ServiceError::new("EndpointUnreachable", 503, reason);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = url.parse().map_err(|_| failed(format!("{url} is not a URL")))?;
        *request.headers_mut() = headers;
        let client = self.0.get_or_init(|| {
            let connector =
                HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
            Client::builder(TokioExecutor::new()).build(connector)
        });
        let exchange = async {
            let (parts, body) =
                client.request(request).await.map_err(|error| failed(explain(&error)))?.into_parts();
            let body =
                Limited::new(body, MOST_BYTES).collect().await.map_err(|error| failed(error.to_string()))?;
            Ok(Response::from_parts(parts, body.to_bytes()))
        };
        let in_time = tokio::time::timeout(limit, exchange).await;
        in_time.unwrap_or_else(|_| Err(failed(format!("{url} did not answer within {} s", limit.as_secs()))))
    }
}

/// An error with its causes: the first alone says only that connecting failed.
fn explain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
