//! What a service answers.

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, Full};
use serde_json::Value;

/// A body of any kind, as the HTTP side sends it.
pub type BoxBody = http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>;

/// A payload: at hand, or still to come.
pub enum Body {
    /// All of it.
    Bytes(Bytes),
    /// Piece by piece, with its length in bytes.
    Stream(BoxBody, u64),
    /// Piece by piece, as it is made: nobody knows its length yet.
    Open(BoxBody),
}

impl Body {
    /// As the HTTP side sends it.
    pub fn into_box(self) -> BoxBody {
        match self {
            Self::Bytes(bytes) => Full::new(bytes).map_err(|never| match never {}).boxed_unsync(),
            Self::Stream(stream, _) | Self::Open(stream) => stream,
        }
    }

    /// All of the bytes; fails when reading the stream does.
    pub async fn collect(self) -> std::io::Result<Bytes> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Stream(stream, _) | Self::Open(stream) => Ok(stream.collect().await?.to_bytes()),
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::Bytes(Bytes::new())
    }
}

/// A service's answer to an operation.
#[derive(Default)]
pub struct Reply {
    /// The output's members, by the conventions of `aloft_wire`.
    pub params: Value,
    /// The payload member, when the output has one.
    pub body: Option<Body>,
    /// Headers beyond those that the model binds.
    pub headers: HeaderMap,
    /// A status other than the model's, such as 304 or 206.
    pub status: Option<http::StatusCode>,
}

impl Reply {
    /// An answer with members only.
    pub fn new(params: Value) -> Self {
        Self { params, ..Self::default() }
    }

    /// With a payload.
    pub fn with_body(mut self, body: Body) -> Self {
        self.body = Some(body);
        self
    }

    /// The payload's bytes, when they are at hand.
    pub fn bytes(&self) -> Bytes {
        match &self.body {
            Some(Body::Bytes(bytes)) => bytes.clone(),
            _ => Bytes::new(),
        }
    }
}
