//! What is in a message: which characters and attributes are allowed, how large it is, and the MD5 digests of it.

use super::errors;
use aloft_engine::ServiceError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many attributes a message may have.
const MOST_ATTRIBUTES: usize = 10;

/// A message's attributes by name; the digest wants them sorted.
pub(super) type Attributes = BTreeMap<String, Attribute>;

/// The value of a message's attribute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Attribute {
    pub data_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub string_value: Option<String>,
    /// In base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binary_value: Option<String>,
}

impl Attribute {
    fn is_binary(&self) -> bool {
        self.data_type.split('.').next() == Some("Binary")
    }

    /// The value's bytes.
    fn bytes(&self) -> Vec<u8> {
        match &self.binary_value {
            Some(encoded) if self.is_binary() => BASE64.decode(encoded).unwrap_or_default(),
            _ => self.string_value.clone().unwrap_or_default().into_bytes(),
        }
    }
}

/// Checks a body's characters.
pub(super) fn check_body(body: &str) -> Result<(), ServiceError> {
    if body.is_empty() {
        return Err(errors::missing_parameter("MessageBody"));
    }
    if body.chars().all(is_allowed) { Ok(()) } else { Err(errors::invalid_contents()) }
}

fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Checks attributes: how many, their names, types and values.
pub(super) fn check_attributes(attributes: &Attributes) -> Result<(), ServiceError> {
    let wrong = |message: String| Err(errors::invalid_parameter(message));
    if attributes.len() > MOST_ATTRIBUTES {
        let count = attributes.len();
        return wrong(format!(
            "Number of message attributes [{count}] exceeds the allowed maximum [{MOST_ATTRIBUTES}]."
        ));
    }
    for (name, attribute) in attributes {
        check_attribute_name(name)?;
        let data_type = &attribute.data_type;
        if data_type.is_empty() {
            return wrong(format!(
                "The message attribute '{name}' must contain a non-empty message attribute type."
            ));
        }
        let kind = data_type.split('.').next().unwrap_or_default();
        if !matches!(kind, "String" | "Number" | "Binary") || data_type.len() > 256 {
            return wrong(format!(
                "The message attribute '{name}' has an invalid message attribute type, \
                 the set of supported type prefixes is Binary, Number, and String."
            ));
        }
        let value = if kind == "Binary" { &attribute.binary_value } else { &attribute.string_value };
        let Some(value) = value.as_deref().filter(|value| !value.is_empty()) else {
            return wrong(format!(
                "The message attribute '{name}' must contain non-empty message attribute value \
                 for message attribute type '{data_type}'."
            ));
        };
        if kind == "Number" && value.parse::<f64>().is_err() {
            return wrong(format!("Can't cast the value of message (user) attribute '{name}' to a number."));
        }
        if kind != "Binary" && !value.chars().all(is_allowed) {
            return Err(errors::invalid_contents());
        }
    }
    Ok(())
}

fn check_attribute_name(name: &str) -> Result<(), ServiceError> {
    let lower = name.to_ascii_lowercase();
    let sound = !name.is_empty()
        && name.len() <= 256
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && !lower.starts_with("aws.")
        && !lower.starts_with("amazon.");
    if sound {
        return Ok(());
    }
    Err(errors::invalid_parameter(format!(
        "Message (user) attribute name '{name}' is invalid: it can contain A-Z, a-z, 0-9, underscore (_), hyphen (-), \
         and period (.), must not start or end with a period, have periods in succession, or start with AWS. or Amazon."
    )))
}

/// The bytes that count against the limits: the body, and each attribute's name, type and value.
pub(super) fn size(body: &str, attributes: &Attributes) -> usize {
    let attribute_size = |(name, attribute): (&String, &Attribute)| {
        let value = match &attribute.binary_value {
            Some(encoded) if attribute.is_binary() => encoded.trim_end_matches('=').len() * 3 / 4,
            _ => attribute.string_value.as_ref().map_or(0, String::len),
        };
        name.len() + attribute.data_type.len() + value
    };
    body.len() + attributes.iter().map(attribute_size).sum::<usize>()
}

/// The MD5 digest of bytes, in hexadecimal.
pub(super) fn md5(bytes: &[u8]) -> String {
    hex(&Md5::digest(bytes))
}

/// The MD5 digest of attributes; nothing when there are none.
///
/// Sorted by name: the length and bytes of the name, of the type, then 1 for text or 2 for binary, and of the value. See
/// "Calculating the MD5 message digest for message attributes" in the SQS Developer Guide.
pub(super) fn md5_of_attributes<'a>(
    attributes: impl IntoIterator<Item = (&'a String, &'a Attribute)>,
) -> Option<String> {
    let (mut digest, mut any) = (Md5::new(), false);
    for (name, attribute) in attributes {
        any = true;
        let mut part = |bytes: &[u8]| {
            digest.update((bytes.len() as u32).to_be_bytes());
            digest.update(bytes);
        };
        part(name.as_bytes());
        part(attribute.data_type.as_bytes());
        digest.update([if attribute.is_binary() { 2 } else { 1 }]);
        let value = attribute.bytes();
        digest.update((value.len() as u32).to_be_bytes());
        digest.update(&value);
    }
    any.then(|| hex(&digest.finalize()))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
