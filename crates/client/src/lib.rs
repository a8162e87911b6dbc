//! The providers' APIs as clients: which endpoint, whose credentials, tried how often.
//!
//! Knows the protocols through `aloft_wire` and no service of the local cloud: that is just another endpoint. Keeps true:
//! secrets never reach messages or logs.

mod credentials;
mod endpoint;
mod http;
mod ini;

pub use aloft_wire::ServiceError;
pub use aloft_wire::sigv4::Credentials;
pub use credentials::{CredentialsError, CredentialsRequest, find as find_credentials};
pub use endpoint::Endpoint;

use aloft_base::{Clock, Ids, Region};
use aloft_wire::{Input, Output, model, sigv4};
use bytes::Bytes;
use serde_json::Value;
use std::time::Duration;

/// How often a call that failed for a passing reason is tried again, unless `SLS_AWS_REQUEST_MAX_RETRIES` says otherwise.
const RETRIES: u32 = 4;

/// Why a call did not get its answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The service said no.
    #[error("{}", .0.message)]
    Service(ServiceError),
    /// The service could not be reached.
    #[error("cannot reach {endpoint}: {reason}")]
    Unreachable {
        /// Where it should be.
        endpoint: String,
        /// Why not.
        reason: String,
    },
}

impl ClientError {
    /// The service's error code; empty when it was not reached.
    pub fn code(&self) -> &str {
        match self {
            Self::Service(error) => &error.code,
            Self::Unreachable { .. } => "",
        }
    }

    /// Whether the same call may well succeed a moment later.
    fn is_passing(&self) -> bool {
        const CODES: &[&str] = &[
            "Throttling",
            "ThrottlingException",
            "TooManyRequestsException",
            "RequestLimitExceeded",
            "RequestTimeout",
            "SlowDown",
        ];
        match self {
            Self::Service(error) => {
                matches!(error.status, 500 | 502 | 503 | 504) || CODES.contains(&error.code.as_str())
            }
            Self::Unreachable { .. } => true,
        }
    }
}

/// A client of AWS, or of what speaks its protocols. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    endpoint: Endpoint,
    region: Region,
    credentials: Credentials,
    clock: Clock,
    http: http::Http,
    retries: u32,
    /// Objects take the way of S3's transfer acceleration.
    is_accelerated: bool,
}

impl Client {
    /// A client for a region.
    pub fn new(endpoint: Endpoint, region: Region, credentials: Credentials, clock: Clock) -> Self {
        let retries = std::env::var("SLS_AWS_REQUEST_MAX_RETRIES")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(RETRIES);
        Self { endpoint, region, credentials, clock, http: http::Http::new(), retries, is_accelerated: false }
    }

    /// The same for another region.
    pub fn in_region(&self, region: Region) -> Self {
        Self { region, ..self.clone() }
    }

    /// The same with S3's transfer acceleration, which only AWS itself has.
    pub fn accelerated(&self) -> Self {
        Self { is_accelerated: self.endpoint.is_aws(), ..self.clone() }
    }

    /// The region.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// Where it calls.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Does an operation and gives the members of its output.
    pub async fn call(&self, service: &str, operation: &str, params: Value) -> Result<Value, ClientError> {
        Ok(self.call_with_body(service, operation, params, None).await?.params)
    }

    /// Does an operation with a payload and gives its whole output.
    pub async fn call_with_body(
        &self,
        service: &str,
        operation: &str,
        params: Value,
        body: Option<Bytes>,
    ) -> Result<Output, ClientError> {
        let input = Input { params, body };
        let mut tries = 0;
        loop {
            let result = self.once(service, operation, &input).await;
            match result {
                Err(error) if tries < self.retries && error.is_passing() => {
                    tries += 1;
                    let wait = Duration::from_millis(100 << tries.min(6))
                        + Duration::from_millis(Ids::random().below(100));
                    tracing::debug!(service, operation, %error, ?wait, "trying again");
                    tokio::time::sleep(wait).await;
                }
                other => return other,
            }
        }
    }

    async fn once(&self, service: &str, operation_name: &str, input: &Input) -> Result<Output, ClientError> {
        let unknown =
            || ServiceError::new("UnknownOperation", 400, format!("no operation {service}:{operation_name}"));
        let model = model(service).ok_or_else(unknown).map_err(ClientError::Service)?;
        let operation = model.operation(operation_name).ok_or_else(unknown).map_err(ClientError::Service)?;
        let mut request = aloft_wire::write_request(model, operation, input).map_err(ClientError::Service)?;
        let mut place = self.endpoint.place(model, &self.region);
        if self.is_accelerated && service == "s3" {
            place = place.accelerated(&mut request);
        }
        let now = self.clock.now();
        let signing_region = place.signing_region.as_str();
        let payload = sigv4::Payload::Body;
        // Without a key, nobody calls: what proves who it is stands in the request itself.
        if !self.credentials.access_key_id.is_empty() {
            let (host, name) = (&place.host, model.signing_name());
            sigv4::sign(&mut request, host, &self.credentials, signing_region, name, now, payload);
        }
        let unreachable = |reason| ClientError::Unreachable { endpoint: place.base.clone(), reason };
        let answer = self.http.send(&place.base, request).await.map_err(unreachable)?;
        aloft_wire::parse_response(model, operation, answer.status, &answer.headers, answer.body)
            .map_err(ClientError::Service)
    }

    /// Fetches a page that is no operation, such as the local cloud's health.
    pub async fn get(&self, path: &str) -> Result<(u16, Bytes), ClientError> {
        let request = aloft_wire::Request { path: path.to_owned(), ..Default::default() };
        self.plain(request).await
    }

    /// Sends to a page that is no operation.
    pub async fn post(&self, path: &str, body: Bytes) -> Result<(u16, Bytes), ClientError> {
        let request = aloft_wire::Request {
            method: ::http::Method::POST,
            path: path.to_owned(),
            body,
            ..Default::default()
        };
        self.plain(request).await
    }

    /// Fetches what an address names, such as a place that was signed beforehand.
    ///
    /// # Errors
    /// When nobody answers there, and when the answer is no success.
    pub async fn fetch(&self, address: &str) -> Result<Bytes, ClientError> {
        let start = address.find("://").map_or(0, |at| at + 3);
        let path = address[start..].find('/').map_or(address.len(), |at| start + at);
        let (base, rest) = address.split_at(path);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let request =
            aloft_wire::Request { path: path.to_owned(), query: query.to_owned(), ..Default::default() };
        let unreachable = |reason| ClientError::Unreachable { endpoint: base.to_owned(), reason };
        let answer = self.http.send(base, request).await.map_err(unreachable)?;
        if answer.status >= 300 {
            return Err(unreachable(format!("it answers {}", answer.status)));
        }
        Ok(answer.body)
    }

    async fn plain(&self, request: aloft_wire::Request) -> Result<(u16, Bytes), ClientError> {
        let base = self.endpoint.base().to_owned();
        let answer = self.http.send(&base, request).await;
        let answer = answer.map_err(|reason| ClientError::Unreachable { endpoint: base, reason })?;
        Ok((answer.status, answer.body))
    }
}
