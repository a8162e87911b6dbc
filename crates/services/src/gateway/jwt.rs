//! JSON Web Tokens as JWT authorizers check them: the issuer's keys, the signature, who it is for, its times, its scopes.
//!
//! Keys come by OpenID discovery, and are kept for a while. Keeps true: nothing is fetched for a token that names another
//! issuer; an issuer is asked at most once every few seconds, whatever tokens say; addresses are `https`, or `http` on
//! this machine, where an issuer under development may run.
//! Source: "Control access to HTTP APIs with JWT authorizers" in the developer guide.

use crate::outward::Outward;
use aloft_base::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use bytes::Bytes;
use http::{HeaderMap, Method};
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The longest token.
const MOST_BYTES: usize = 16 * 1024;
/// The most bytes of a discovery document or of a set of keys.
const MOST_DOCUMENT: usize = 256 * 1024;
/// The most keys of an issuer.
const MOST_KEYS: usize = 100;
/// The most issuers whose keys are kept.
const MOST_ISSUERS: usize = 64;
/// How long an issuer may take for an answer.
const LIMIT: Duration = Duration::from_secs(5);
/// How long keys are good.
const HOLD: Duration = Duration::from_secs(3600);
/// How long an issuer is not asked again for a key that it did not have.
const PAUSE: Duration = Duration::from_secs(10);

/// What a token must be.
pub(crate) struct Rules<'a> {
    pub issuer: &'a str,
    /// It is for one of these.
    pub audience: &'a [String],
    /// It has one of these, unless there are none.
    pub scopes: &'a [String],
}

/// Why a token is not taken.
#[derive(Debug, PartialEq)]
pub(crate) enum Refusal {
    /// The token is not good; the text is for `www-authenticate`.
    Invalid(&'static str),
    /// It is good, and not for this.
    Scope,
}

/// A good token.
pub(crate) struct Claims {
    /// The claims, each as text.
    pub claims: Map<String, Value>,
    pub scopes: Vec<String>,
}

/// A token that was read, and nothing more.
struct Token<'a> {
    algorithm: String,
    key: String,
    claims: Map<String, Value>,
    /// What is signed.
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Token<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let object = |text: &str| -> Option<Map<String, Value>> {
            serde_json::from_slice(&BASE64.decode(text).ok()?).ok()
        };
        let header = object(header)?;
        let text = |name: &str| header.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            algorithm: text("alg")?,
            key: text("kid")?,
            claims: object(claims)?,
            signed,
            signature: BASE64.decode(signature).ok()?,
        })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }

    /// Whether it is meant for one of these: by `aud`, or by `client_id` where there is none.
    fn is_for(&self, audience: &[String]) -> bool {
        let is_one = |text: &str| audience.iter().any(|one| one == text);
        match self.claims.get("aud") {
            Some(Value::String(one)) => is_one(one),
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).any(is_one),
            Some(_) => false,
            None => self.text("client_id").is_some_and(is_one),
        }
    }

    fn check_times(&self, now: Timestamp) -> Result<(), Refusal> {
        let now = now.as_seconds_f64();
        let time = |name: &str| self.claims.get(name).map(|value| value.as_f64().unwrap_or(f64::NAN));
        // Also where a time is none at all.
        match (time("exp"), time("nbf"), time("iat")) {
            (Some(exp), ..) if exp > now => {}
            _ => return Err(Refusal::Invalid("the token has expired")),
        }
        let is_later = |at: f64| at > now || at.is_nan();
        if time("nbf").is_some_and(is_later) {
            return Err(Refusal::Invalid("the token is not valid yet"));
        }
        if time("iat").is_some_and(is_later) {
            return Err(Refusal::Invalid("the token was issued in the future"));
        }
        Ok(())
    }

    /// Its scopes, of `scope` or of `scp`.
    fn scopes(&self) -> Vec<String> {
        match self.claims.get("scope").or_else(|| self.claims.get("scp")) {
            Some(Value::String(text)) => text.split_whitespace().map(str::to_owned).collect(),
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }
}

/// A claim as functions see it: text. Lists stand in brackets, as API Gateway writes them.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => format!("[{}]", all.iter().map(as_text).collect::<Vec<_>>().join(" ")),
        other => other.to_string(),
    }
}

/// A key of an issuer.
enum Key {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// A point of P-256, uncompressed.
    P256(Vec<u8>),
}

impl Key {
    /// Reads a JSON Web Key, with its name.
    fn read(key: &Value) -> Option<(String, Self)> {
        let bytes = |name: &str| BASE64.decode(key[name].as_str()?).ok();
        if key["use"].as_str().is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let name = key["kid"].as_str()?.to_owned();
        match (key["kty"].as_str()?, key["crv"].as_str()) {
            ("RSA", _) => Some((name, Self::Rsa { n: bytes("n")?, e: bytes("e")? })),
            ("EC", Some("P-256")) => {
                let point = [vec![4], bytes("x")?, bytes("y")?].concat();
                Some((name, Self::P256(point)))
            }
            _ => None,
        }
    }

    fn verifies(&self, token: &Token<'_>) -> bool {
        let message = token.signed.as_bytes();
        let rsa = |parameters: &RsaParameters, n: &[u8], e: &[u8]| {
            RsaPublicKeyComponents { n, e }.verify(parameters, message, &token.signature).is_ok()
        };
        match (self, token.algorithm.as_str()) {
            (Self::Rsa { n, e }, "RS256") => rsa(&signature::RSA_PKCS1_2048_8192_SHA256, n, e),
            (Self::Rsa { n, e }, "RS384") => rsa(&signature::RSA_PKCS1_2048_8192_SHA384, n, e),
            (Self::Rsa { n, e }, "RS512") => rsa(&signature::RSA_PKCS1_2048_8192_SHA512, n, e),
            (Self::P256(point), "ES256") => {
                let key = UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point);
                key.verify(message, &token.signature).is_ok()
            }
            _ => false,
        }
    }
}

type Keys = HashMap<String, Key>;
/// When keys were fetched, and which.
type Fetched = Option<(Timestamp, Arc<Keys>)>;

/// The keys of issuers, as far as they are known.
#[derive(Default)]
pub(crate) struct Issuers {
    outward: Outward,
    /// A lock for each, so that one that is slow holds up nobody else.
    known: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Fetched>>>>,
}

impl Issuers {
    /// Checks a token, with or without `Bearer` before it.
    pub async fn check(&self, rules: &Rules<'_>, text: &str, now: Timestamp) -> Result<Claims, Refusal> {
        let text = match text.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => text,
        };
        let token = Token::read(text).filter(|_| text.len() <= MOST_BYTES);
        let token = token.ok_or(Refusal::Invalid("the token is malformed"))?;
        if token.text("iss") != Some(rules.issuer) {
            return Err(Refusal::Invalid("the issuer is not the expected one"));
        }
        if !token.is_for(rules.audience) {
            return Err(Refusal::Invalid("the audience is not the expected one"));
        }
        token.check_times(now)?;
        let keys = self.keys(rules.issuer, &token.key, now).await;
        let keys = keys.ok_or(Refusal::Invalid("the keys of the issuer could not be fetched"))?;
        let key = keys.get(&token.key).ok_or(Refusal::Invalid("the key of the token is unknown"))?;
        if !key.verifies(&token) {
            return Err(Refusal::Invalid("the signature is invalid"));
        }
        let scopes = token.scopes();
        if !rules.scopes.is_empty() && !scopes.iter().any(|scope| rules.scopes.contains(scope)) {
            return Err(Refusal::Scope);
        }
        let claims = token.claims.iter().map(|(name, value)| (name.clone(), as_text(value).into()));
        Ok(Claims { claims: claims.collect(), scopes })
    }

    /// The keys of an issuer, new ones when `wanted` is not among those that are known.
    async fn keys(&self, issuer: &str, wanted: &str, now: Timestamp) -> Option<Arc<Keys>> {
        let entry = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= MOST_ISSUERS && !known.contains_key(issuer) {
                known.clear();
            }
            known.entry(issuer.to_owned()).or_default().clone()
        };
        let mut fetched = entry.lock().await;
        if let Some((at, keys)) = fetched.as_ref() {
            let good = if keys.contains_key(wanted) { HOLD } else { PAUSE };
            if now.since(*at) < good {
                return Some(keys.clone());
            }
        }
        match self.fetch(issuer).await {
            Ok(keys) => {
                let keys = Arc::new(keys);
                *fetched = Some((now, keys.clone()));
                Some(keys)
            }
            Err(reason) => {
                tracing::warn!(issuer, reason, "the keys of an issuer of tokens could not be fetched");
                // Old keys are better than none.
                fetched.as_ref().map(|(_, keys)| keys.clone())
            }
        }
    }

    async fn fetch(&self, issuer: &str) -> Result<Keys, String> {
        let discovery = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let document = self.get(&discovery).await?;
        let address = document["jwks_uri"].as_str().ok_or_else(|| format!("{discovery} has no jwks_uri"))?;
        let set = self.get(address).await?;
        let keys = set["keys"].as_array().ok_or_else(|| format!("{address} has no keys"))?;
        Ok(keys.iter().take(MOST_KEYS).filter_map(Key::read).collect())
    }

    async fn get(&self, url: &str) -> Result<Value, String> {
        if !is_allowed(url) {
            return Err(format!("{url} is neither https nor on this machine"));
        }
        let answer = self.outward.send(Method::GET, url, HeaderMap::new(), Bytes::new(), LIMIT).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if !answer.status().is_success() || answer.body().len() > MOST_DOCUMENT {
            return Err(format!("{url} answered {} with {} bytes", answer.status(), answer.body().len()));
        }
        serde_json::from_slice(answer.body()).map_err(|error| format!("{url} is no JSON: {error}"))
    }
}

/// Whether keys may come from an address: by `https`, or by `http` from this machine.
pub(crate) fn is_allowed(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else { return false };
    match (uri.scheme_str(), uri.host()) {
        (Some("https"), Some(_)) => true,
        (Some("http"), Some(host)) => matches!(host, "127.0.0.1" | "localhost" | "[::1]"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn token(claims: Value) -> String {
        let part = |value: Value| BASE64.encode(value.to_string());
        format!("{}.{}.{}", part(json!({ "alg": "RS256", "kid": "k" })), part(claims), BASE64.encode("x"))
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_token_is_known_without_its_issuer() {
        let (issuers, now) = (Issuers::default(), Timestamp(1_000_000));
        // Nobody listens on the port of discard: who asks there would be told that the keys could not be fetched.
        let issuer = "http://127.0.0.1:9/";
        let audience = ["me".to_owned()];
        let rules = Rules { issuer, audience: &audience, scopes: &[] };
        for (claims, expected) in [
            (json!({}), "the issuer is not the expected one"),
            (json!({ "iss": "http://127.0.0.1:9" }), "the issuer is not the expected one"),
            (json!({ "iss": issuer }), "the audience is not the expected one"),
            (
                json!({ "iss": issuer, "aud": ["you"], "client_id": "me" }),
                "the audience is not the expected one",
            ),
            (json!({ "iss": issuer, "aud": ["you", "me"] }), "the token has expired"),
            (json!({ "iss": issuer, "client_id": "me", "exp": 1000 }), "the token has expired"),
            (json!({ "iss": issuer, "aud": "me", "exp": "2000" }), "the token has expired"),
            (json!({ "iss": issuer, "aud": "me", "exp": 2000, "nbf": 1001 }), "the token is not valid yet"),
            (
                json!({ "iss": issuer, "aud": "me", "exp": 2000, "iat": 1001 }),
                "the token was issued in the future",
            ),
            (
                json!({ "iss": issuer, "aud": "me", "exp": 2000, "nbf": 1000 }),
                "the keys of the issuer could not be fetched",
            ),
        ] {
            let refused = issuers.check(&rules, &format!("Bearer {}", token(claims.clone())), now).await;
            assert_eq!(refused.err(), Some(Refusal::Invalid(expected)), "{claims}");
        }
        for text in ["", "Bearer", "a.b", "a.b.c", &"x".repeat(100_000)] {
            let refused = issuers.check(&rules, text, now).await;
            assert_eq!(refused.err(), Some(Refusal::Invalid("the token is malformed")), "{text}");
        }
        for (url, allowed) in [
            ("https://example.com/x", true),
            ("http://127.0.0.1:8080", true),
            ("http://localhost/realms/x", true),
            ("http://example.com", false),
            ("http://127.0.0.1.example.com", false),
            ("file:///etc/passwd", false),
            ("example.com", false),
        ] {
            assert_eq!(is_allowed(url), allowed, "{url}");
        }
    }
}
