//! The canonical form of a request, the string to sign, and the signature.

use super::ALGORITHM;
use crate::message::Request;
use crate::text;
use aloft_base::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Headers that proxies and HTTP libraries change or add.
const UNSIGNABLE: &[&str] = &[
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "expect",
    "te",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-amzn-trace-id",
];

/// The names of the headers to sign, sorted, with `host` among them.
pub(super) fn signable_headers(request: &Request) -> Vec<String> {
    let mut names: Vec<String> = request.headers.keys().map(|name| name.as_str().to_owned()).collect();
    names.retain(|name| !UNSIGNABLE.contains(&name.as_str()));
    names.push("host".to_owned());
    names.sort_unstable();
    names.dedup();
    names
}

pub(super) fn scope(now: Timestamp, region: &str, service: &str) -> String {
    format!("{}/{region}/{service}/aws4_request", now.format("%Y%m%d"))
}

pub(super) fn canonical_request(
    request: &Request,
    host: &str,
    signed: &[String],
    query: &str,
    service: &str,
    payload_hash: &str,
) -> String {
    let mut canonical =
        format!("{}\n{}\n{}\n", request.method, path(&request.path, service), canonical_query(query));
    for name in signed {
        canonical.push_str(name);
        canonical.push(':');
        if name == "host" {
            canonical.push_str(host);
        } else {
            let values = request.headers.get_all(name).iter();
            let values = values.map(|value| collapse(&String::from_utf8_lossy(value.as_bytes())));
            canonical.push_str(&values.collect::<Vec<_>>().join(","));
        }
        canonical.push('\n');
    }
    canonical.push('\n');
    canonical.push_str(&signed.join(";"));
    canonical.push('\n');
    canonical.push_str(payload_hash);
    canonical
}

/// S3 encodes the path once, whatever it names; all others normalise it and encode what is encoded already once more.
fn path(raw: &str, service: &str) -> String {
    if service == "s3" {
        return text::encode(&text::decode(raw), true);
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in raw.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    let mut path = String::from("/");
    path.push_str(&segments.join("/"));
    let is_folder = raw.ends_with('/') || raw.ends_with("/.") || raw.ends_with("/..");
    if is_folder && path.len() > 1 {
        path.push('/');
    }
    text::encode(&path, true)
}

/// Sorted pairs, each decoded and encoded again, without the signature itself.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = text::form(query)
        .into_iter()
        .filter(|(name, _)| name != "X-Amz-Signature")
        .map(|(name, value)| (text::encode(&name, false), text::encode(&value, false)))
        .collect();
    pairs.sort_unstable();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn collapse(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn string_to_sign(now: Timestamp, scope: &str, canonical: &str) -> String {
    format!("{ALGORITHM}\n{}\n{scope}\n{}", now.basic(), hex_hash(canonical.as_bytes()))
}

/// The signature, in hexadecimal. The scope's parts are the steps by which the key is derived.
pub(super) fn signature(secret: &str, scope: &str, string_to_sign: &str) -> String {
    let key = format!("AWS4{secret}").into_bytes();
    let key = scope.split('/').fold(key, |key, part| hmac(&key, part));
    hex(&hmac(&key, string_to_sign))
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key may have any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

pub(super) fn hex_hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
