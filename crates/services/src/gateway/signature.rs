//! Requests to methods with `AWS_IAM`: they must be signed for `execute-api` by a key that is known.
//!
//! As at the engine's own door, a key that is not known is the account's root while no credentials are required.

use aloft_engine::{Context, HttpRequest, Principal, ServiceError, storage_failed};
use aloft_wire::sigv4;

/// Who signed a request.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    /// The key's id.
    pub access_key: String,
    /// The user or role.
    pub arn: String,
    /// The account.
    pub account: String,
}

/// Why a request is refused.
pub(crate) enum Refusal {
    /// It is not signed at all.
    Unsigned,
    /// The signature is wrong, or the key is not known.
    Invalid(ServiceError),
}

/// Checks the signature of a request as it came.
pub(crate) fn check(context: &Context, request: &HttpRequest) -> Result<Signer, Refusal> {
    let as_sent = aloft_wire::Request {
        method: request.head.method.clone(),
        path: request.head.path.clone(),
        query: request.head.query.clone(),
        headers: request.head.headers.clone(),
        body: request.body.clone(),
    };
    let presented = sigv4::presented(&as_sent).map_err(Refusal::Invalid)?.ok_or(Refusal::Unsigned)?;
    let invalid = || {
        let message = "The security token included in the request is invalid.";
        Refusal::Invalid(ServiceError::new("UnrecognizedClientException", 403, message))
    };
    let engine = &context.engine;
    let known = engine.access_key(&presented.access_key_id);
    let known = known.map_err(|error| Refusal::Invalid(storage_failed(&error)))?;
    let account = context.account.as_str();
    let Some(known) = known else {
        if engine.options().require_credentials {
            return Err(invalid());
        }
        let arn = format!("arn:aws:iam::{account}:root");
        return Ok(Signer { access_key: presented.access_key_id, arn, account: account.to_owned() });
    };
    let expired = known.expires.is_some_and(|expires| expires <= engine.clock().now());
    if known.session_token != presented.session_token || expired {
        return Err(invalid());
    }
    let host = as_sent.header("host").unwrap_or_default();
    sigv4::verify(&as_sent, host, &presented, &known.secret, engine.clock().unshifted())
        .map_err(Refusal::Invalid)?;
    let arn = match known.principal {
        Principal::Arn(arn) => arn,
        _ => format!("arn:aws:iam::{}:root", known.account),
    };
    Ok(Signer { access_key: known.id, arn, account: known.account.to_string() })
}
