//! Signature Version 4: signing and presigning for the client, reading and verifying for the server.
//!
//! Whose key it is and whether that key exists is the caller's affair. Keeps true: signatures are compared in constant
//! time, and a request is signed and verified over the same canonical form.

mod canonical;
mod presented;

pub use presented::{Presented, presented, verify};

use crate::message::Request;
use crate::{bindings, text};
use aloft_base::Timestamp;
use canonical::{canonical_request, hex_hash, signature, string_to_sign};
use std::time::Duration;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// An access key, and the token that comes with a temporary one.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `AKIA...` or `ASIA...`
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: String,
    /// For temporary credentials.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({})", self.access_key_id)
    }
}

/// What is signed of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// The hash of the request's body.
    Body,
    /// Nothing.
    Unsigned,
    /// A hash that the caller knows, or one of S3's words for a streamed body.
    Precomputed(&'a str),
}

impl Payload<'_> {
    fn hash(self, request: &Request) -> String {
        match self {
            Self::Body => hex_hash(&request.body),
            Self::Unsigned => UNSIGNED.to_owned(),
            Self::Precomputed(hash) => hash.to_owned(),
        }
    }
}

/// Signs a request with an `Authorization` header, over `host` and all its headers but those that proxies change.
/// Sets `x-amz-date`, the session token's header, and for S3 the payload's hash.
pub fn sign(
    request: &mut Request,
    host: &str,
    credentials: &Credentials,
    region: &str,
    service: &str,
    now: Timestamp,
    payload: Payload<'_>,
) {
    bindings::insert(&mut request.headers, "x-amz-date", &now.basic());
    if let Some(token) = &credentials.session_token {
        bindings::insert(&mut request.headers, "x-amz-security-token", token);
    }
    let hash = payload.hash(request);
    if service == "s3" || payload != Payload::Body {
        bindings::insert(&mut request.headers, "x-amz-content-sha256", &hash);
    }
    let signed = canonical::signable_headers(request);
    let scope = canonical::scope(now, region, service);
    let canonical = canonical_request(request, host, &signed, &request.query, service, &hash);
    let signature =
        signature(&credentials.secret_access_key, &scope, &string_to_sign(now, &scope, &canonical));
    let authorization = format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders={}, Signature={signature}",
        credentials.access_key_id,
        signed.join(";"),
    );
    bindings::insert(&mut request.headers, "authorization", &authorization);
}

/// Signs a request in its query string, so that whoever has the address may send it for as long as `expires`.
/// Headers that the request has now become part of the signature.
pub fn presign(
    request: &mut Request,
    host: &str,
    credentials: &Credentials,
    region: &str,
    service: &str,
    now: Timestamp,
    expires: Duration,
) {
    let signed = canonical::signable_headers(request);
    let scope = canonical::scope(now, region, service);
    let mut pairs = vec![
        ("X-Amz-Algorithm", ALGORITHM.to_owned()),
        ("X-Amz-Credential", format!("{}/{scope}", credentials.access_key_id)),
        ("X-Amz-Date", now.basic()),
        ("X-Amz-Expires", expires.as_secs().to_string()),
        ("X-Amz-SignedHeaders", signed.join(";")),
    ];
    if let Some(token) = &credentials.session_token {
        pairs.push(("X-Amz-Security-Token", token.clone()));
    }
    for (name, value) in pairs {
        if !request.query.is_empty() {
            request.query.push('&');
        }
        request.query.push_str(&format!("{name}={}", text::encode(&value, false)));
    }
    let hash = if service == "s3" { UNSIGNED.to_owned() } else { hex_hash(&request.body) };
    let canonical = canonical_request(request, host, &signed, &request.query, service, &hash);
    let signature =
        signature(&credentials.secret_access_key, &scope, &string_to_sign(now, &scope, &canonical));
    request.query.push_str(&format!("&X-Amz-Signature={signature}"));
}

#[cfg(test)]
mod tests;
