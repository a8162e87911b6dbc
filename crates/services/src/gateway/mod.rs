//! What the two kinds of HTTP gateway share: addresses, requests, routes, functions behind them, authorizers.
//!
//! Not a service: [`crate::apigateway`] (REST APIs) and [`crate::apigatewayv2`] (HTTP APIs) are. Keeps true: a request reads
//! no more of the store than one revision, as long as its API has not changed.

pub(crate) mod address;
pub(crate) mod authorization;
pub(crate) mod directory;
pub(crate) mod documents;
pub(crate) mod function;
pub(crate) mod jwt;
pub(crate) mod pattern;
pub(crate) mod proxy;
pub(crate) mod request;
pub(crate) mod resources;
pub(crate) mod response;
pub(crate) mod signature;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use directory::Directory;
pub(crate) use documents::{Document, Documents, Place};
pub(crate) use pattern::Pattern;
pub(crate) use request::Request;

/// The largest body that a gateway takes or answers, in bytes.
pub(crate) const MOST_BYTES: usize = 10 * 1024 * 1024;
