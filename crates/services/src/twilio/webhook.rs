//! Requests to an application, signed as Twilio signs them.
//!
//! Source: "Security": the address (with its query), then for `POST` every parameter's name and value in the order of names;
//! HMAC-SHA1 with the account's token, in Base64.

use super::Twilio;
use super::form;
use super::rows::Account;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue, Method, Response, header};
use sha1::Sha1;
use std::time::Duration;

/// How long an application may take.
const LIMIT: Duration = Duration::from_secs(15);

/// Names and values that an application is told.
pub(super) type Parameters = Vec<(String, String)>;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Silence {
    /// Nobody is there: it may be tried again.
    Unreachable(String),
    /// It may have been heard.
    TooSlow,
}

/// What `X-Twilio-Signature` says of a request.
pub(super) fn signature(token: &str, url: &str, posted: &Parameters) -> String {
    let mut posted: Vec<&(String, String)> = posted.iter().collect();
    posted.sort();
    let mut text = url.to_owned();
    for (name, value) in posted {
        text.push_str(name);
        text.push_str(value);
    }
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).expect("a key may have any length");
    mac.update(text.as_bytes());
    BASE64.encode(mac.finalize().into_bytes())
}

/// Asks an application.
pub(super) async fn ask(
    twilio: &Twilio,
    account: &Account,
    (method, url): (&str, &str),
    parameters: &Parameters,
    idempotency_token: &str,
) -> Result<Response<Bytes>, Silence> {
    let is_get = method == "GET";
    let mut url = url.to_owned();
    if is_get && !parameters.is_empty() {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(&form::encode(parameters));
    }
    let nothing = Parameters::new();
    let signature = signature(&account.token, &url, if is_get { &nothing } else { parameters });
    let mut headers = HeaderMap::new();
    let mut put = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    put("x-twilio-signature", &signature);
    put("i-twilio-idempotency-token", idempotency_token);
    put("user-agent", "TwilioProxy/1.1");
    put("accept", "*/*");
    let mut body = Bytes::new();
    if !is_get {
        put("content-type", "application/x-www-form-urlencoded");
        body = form::encode(parameters).into();
    }
    let method = if is_get { Method::GET } else { Method::POST };
    fetch(twilio, method, &url, headers, body).await
}

/// Sends a request to any address; names below `localhost` are this machine, whatever the system's resolver says.
pub(super) async fn fetch(
    twilio: &Twilio,
    method: Method,
    url: &str,
    mut headers: HeaderMap,
    body: Bytes,
) -> Result<Response<Bytes>, Silence> {
    let uri: http::Uri = url.parse().map_err(|_| Silence::Unreachable(format!("{url} is not a URL")))?;
    let mut there = url.to_owned();
    if let Some(authority) = uri.authority().filter(|authority| authority.host().ends_with(".localhost")) {
        let this_machine = authority.as_str().replacen(authority.host(), "127.0.0.1", 1);
        there = url.replacen(authority.as_str(), &this_machine, 1);
        if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
            headers.insert(header::HOST, host);
        }
    }
    let sent = twilio.outward.send(method, &there, headers, body, LIMIT * 2);
    match tokio::time::timeout(LIMIT, sent).await {
        Ok(answer) => answer.map_err(|error| Silence::Unreachable(error.message)),
        Err(_) => Err(Silence::TooSlow),
    }
}
