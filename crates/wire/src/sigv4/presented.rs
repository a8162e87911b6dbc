//! What a request shows of itself: the header or the query string that carries its signature, and its verification.

use super::canonical::{canonical_request, hex_hash, scope, signature, string_to_sign};
use super::{ALGORITHM, UNSIGNED};
use crate::error::ServiceError;
use crate::message::Request;
use crate::text;
use aloft_base::Timestamp;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// How far a client's clock may be off.
const MAX_SKEW: Duration = Duration::from_secs(15 * 60);
/// The longest that a presigned address may live: seven days.
const MAX_EXPIRES: u64 = 7 * 24 * 60 * 60;

/// A signature as it was presented, not verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// Whose key it claims to be.
    pub access_key_id: String,
    /// When it says that it was signed.
    pub date: Timestamp,
    /// The region of its scope.
    pub region: String,
    /// The signing name of its scope.
    pub service: String,
    /// In lower case, in the order given.
    pub signed_headers: Vec<String>,
    /// In hexadecimal.
    pub signature: String,
    /// The token of temporary credentials.
    pub session_token: Option<String>,
    /// The seconds that a presigned address lives; `None` for a signature in a header.
    pub expires: Option<u64>,
}

/// Reads the signature of a request; `None` when it has none.
///
/// # Errors
/// `IncompleteSignature`, or for a presigned address `AuthorizationQueryParametersError`, when it has one that
/// cannot be read.
pub fn presented(request: &Request) -> Result<Option<Presented>, ServiceError> {
    if let Some(header) = request.header("authorization") {
        let Some(parameters) = header.strip_prefix(ALGORITHM) else { return Ok(None) };
        let incomplete = |what: &str| {
            let message = format!("Authorization header requires '{what}' parameter. Authorization={header}");
            ServiceError::new("IncompleteSignature", 400, message)
        };
        let find = |name: &str| {
            let parts = parameters.split(',').filter_map(|part| part.trim().split_once('='));
            parts.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
        };
        let given = Given {
            credential: find("Credential").ok_or_else(|| incomplete("Credential"))?,
            signed_headers: find("SignedHeaders").ok_or_else(|| incomplete("SignedHeaders"))?,
            signature: find("Signature").ok_or_else(|| incomplete("Signature"))?,
            date: request.header("x-amz-date").or_else(|| request.header("date")).map(str::to_owned),
            session_token: request.header("x-amz-security-token").map(str::to_owned),
            expires: None,
        };
        return given.presented().map(Some).ok_or_else(|| incomplete("Credential"));
    }
    if !request.query.contains("X-Amz-Algorithm=") {
        return Ok(None);
    }
    let pairs = text::form(&request.query);
    let find = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let malformed = || {
        let message = "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, \
                       X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.";
        ServiceError::new("AuthorizationQueryParametersError", 400, message)
    };
    if find("X-Amz-Algorithm").as_deref() != Some(ALGORITHM) {
        return Err(malformed());
    }
    let expires =
        find("X-Amz-Expires").and_then(|seconds| seconds.parse().ok()).filter(|e| *e <= MAX_EXPIRES);
    let given = Given {
        credential: find("X-Amz-Credential").ok_or_else(malformed)?,
        signed_headers: find("X-Amz-SignedHeaders").ok_or_else(malformed)?,
        signature: find("X-Amz-Signature").ok_or_else(malformed)?,
        date: find("X-Amz-Date"),
        session_token: find("X-Amz-Security-Token"),
        expires: Some(expires.ok_or_else(malformed)?),
    };
    given.presented().map(Some).ok_or_else(malformed)
}

/// The texts of which a [`Presented`] is made.
struct Given {
    credential: String,
    signed_headers: String,
    signature: String,
    date: Option<String>,
    session_token: Option<String>,
    expires: Option<u64>,
}

impl Given {
    fn presented(self) -> Option<Presented> {
        // An access key may hold slashes, its scope may not.
        let mut parts = self.credential.rsplitn(5, '/');
        let (terminator, service, region, day, access_key_id) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let date = self.date.as_deref()?;
        let date = basic_date(date).or_else(|| Timestamp::parse_http_date(date))?;
        let agrees = terminator == "aws4_request" && date.format("%Y%m%d") == day;
        agrees.then(|| Presented {
            access_key_id: access_key_id.to_owned(),
            date,
            region: region.to_owned(),
            service: service.to_owned(),
            signed_headers: self.signed_headers.split(';').map(str::to_ascii_lowercase).collect(),
            signature: self.signature,
            session_token: self.session_token,
            expires: self.expires,
        })
    }
}

/// Reads `20261123T040506Z`.
fn basic_date(text: &str) -> Option<Timestamp> {
    if text.len() != 16 || !text.is_ascii() {
        return None;
    }
    let (day, time) = text.split_once('T').filter(|(day, _)| day.len() == 8)?;
    let iso =
        format!("{}-{}-{}T{}:{}:{}", &day[..4], &day[4..6], &day[6..], &time[..2], &time[2..4], &time[4..]);
    Timestamp::parse_iso8601(&iso)
}

/// Checks a signature against the secret of the key that it names. `host` is the `Host` header as it was received.
///
/// # Errors
/// `SignatureDoesNotMatch`, `RequestTimeTooSkewed` or `RequestExpired` (S3 says `AccessDenied` of an address whose time
/// is over), `XAmzContentSHA256Mismatch` when the body is not the one that was signed.
pub fn verify(
    request: &Request,
    host: &str,
    presented: &Presented,
    secret: &str,
    now: Timestamp,
) -> Result<(), ServiceError> {
    let s3 = presented.service == "s3";
    check_time(presented, now, s3)?;
    let hash = payload_hash(request, presented, s3)?;
    if !presented.signed_headers.iter().any(|name| name == "host") {
        return Err(mismatch());
    }
    let canonical = canonical_request(
        request,
        host,
        &presented.signed_headers,
        &request.query,
        &presented.service,
        &hash,
    );
    let scope = scope(presented.date, &presented.region, &presented.service);
    let expected = signature(secret, &scope, &string_to_sign(presented.date, &scope, &canonical));
    let equal: bool = expected.as_bytes().ct_eq(presented.signature.as_bytes()).into();
    if equal { Ok(()) } else { Err(mismatch()) }
}

fn mismatch() -> ServiceError {
    let message = "The request signature we calculated does not match the signature you provided. Check your AWS \
                   Secret Access Key and signing method. Consult the service documentation for details.";
    ServiceError::new("SignatureDoesNotMatch", 403, message)
}

fn check_time(presented: &Presented, now: Timestamp, s3: bool) -> Result<(), ServiceError> {
    let early = presented.date.since(now) > MAX_SKEW;
    match presented.expires {
        Some(_) if early => Err(ServiceError::new("AccessDenied", 403, "Request is not valid yet")),
        Some(seconds) if now.since(presented.date) > Duration::from_secs(seconds) => Err(match s3 {
            true => ServiceError::new("AccessDenied", 403, "Request has expired"),
            false => ServiceError::new("RequestExpired", 400, "Request has expired."),
        }),
        None if early || now.since(presented.date) > MAX_SKEW => Err(match s3 {
            true => ServiceError::new(
                "RequestTimeTooSkewed",
                403,
                "The difference between the request time and the current time is too large.",
            ),
            false => ServiceError::new("RequestExpired", 400, "Request has expired."),
        }),
        _ => Ok(()),
    }
}

/// The hash that was signed. One that the client sent in a header must be that of the body.
fn payload_hash(request: &Request, presented: &Presented, s3: bool) -> Result<String, ServiceError> {
    let sent = request.header("x-amz-content-sha256");
    match sent {
        None if s3 && presented.expires.is_some() => Ok(UNSIGNED.to_owned()),
        None => Ok(hex_hash(&request.body)),
        Some(word) if word == UNSIGNED || word.starts_with("STREAMING-") => Ok(word.to_owned()),
        Some(hash) if hash.eq_ignore_ascii_case(&hex_hash(&request.body)) => Ok(hash.to_owned()),
        Some(_) => Err(ServiceError::new(
            "XAmzContentSHA256Mismatch",
            400,
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )),
    }
}
