//! Values that nobody should read over a shoulder or in a log.
//!
//! A guess by names and shapes: what is no secret may be hidden, and what looks like nothing may be shown.

use regex::Regex;
use serde_json::Value;
use std::sync::LazyLock;

/// What stands for a hidden value.
pub const HIDDEN: &str = "(hidden)";

static NAMES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words = r"(?i)(secret|passw|passphrase|passcode|_pwd|pwd$|token|credential|private_?key|api_?key|access_?key|auth_?key|signing_?key|encryption_?key|master_?key|webhook|dsn$|connection_?string|salt$|license_?key|_pass$|^pass$)";
    Regex::new(words).ok()
});

/// Names that hold one of those words and no secret.
static HARMLESS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)(arn$|_?id$|^CredentialsArn|SigningKeyId|TokenValidity|IdToken|TokenKey|ApiKeyRequired|ApiKeySource|PasswordPolicy|GenerateSecret$|TTL|InSeconds$|Expir|Url$|Endpoint$|Name$|Type$|^Authorizer)").ok()
});

static SHAPES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let shapes = r"(AKIA|ASIA)[0-9A-Z]{16}|-----BEGIN |\beyJ[\w-]{10,}\.eyJ[\w-]{10,}|\b(sk|rk|pk)_(live|test)_\w{8,}|\bgh[pousr]_\w{20,}|\bxox[abprs]-\w{8,}|\bsk-[\w-]{20,}|\bAIza[\w-]{30,}|://[^/\s:@]+:[^/\s@]+@";
    Regex::new(shapes).ok()
});

fn is_match(pattern: &Option<Regex>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

/// Whether a member of that name holds a secret.
fn is_secret_name(name: &str) -> bool {
    let name = name.trim_matches(['[', ']']);
    is_match(&NAMES, name) && !is_match(&HARMLESS, name)
}

/// A value as it may be shown at its path. References and other functions are shown: they hold no secret themselves.
pub fn hide(path: &[String], value: Value) -> Value {
    // What is below a secret is secret, but for the names of lists that hold many things.
    let named = path.iter().any(|step| is_secret_name(step));
    conceal(value, named)
}

fn conceal(value: Value, is_secret: bool) -> Value {
    match value {
        Value::String(text) if is_secret || is_match(&SHAPES, &text) => Value::from(HIDDEN),
        Value::Number(_) if is_secret => Value::from(HIDDEN),
        Value::Array(items) => items.into_iter().map(|item| conceal(item, is_secret)).collect(),
        Value::Object(map) if super::diff::is_intrinsic(&map) => {
            let member = |(key, value): (String, Value)| {
                // A text that is put together may hold one; a name of something does not.
                let is_text = matches!(key.as_str(), "Fn::Sub" | "Fn::Join" | "Fn::Base64");
                (key, conceal(value, is_secret && is_text))
            };
            Value::Object(map.into_iter().map(member).collect())
        }
        Value::Object(map) => {
            let is_secret = |key: &str| is_secret || is_secret_name(key);
            Value::Object(
                map.into_iter()
                    .map(|(key, value)| {
                        let secret = is_secret(&key);
                        (key, conceal(value, secret))
                    })
                    .collect(),
            )
        }
        other => other,
    }
}
