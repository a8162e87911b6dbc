//! Forms and queries, as Twilio sends and takes them.

use crate::gateway::request::{Pairs, parse_query};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stays as it is in a form, as Python's encoder has it; a space becomes `+`.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b' ');

/// Names and values of a request.
pub(super) struct Form(Pairs);

impl Form {
    /// Of a query, or of a body of `application/x-www-form-urlencoded`.
    pub fn parse(text: &str) -> Self {
        Self(parse_query(text))
    }

    /// A value that is there and not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.value(name).filter(|value| !value.is_empty())
    }

    /// A value that is there.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of a name.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
    }

    /// The names that are there.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

/// `Body=face+match&From=%2B15550001`
pub(super) fn encode(pairs: &[(String, String)]) -> String {
    let part = |text: &str| utf8_percent_encode(text, FORM).to_string().replace(' ', "+");
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", part(name), part(value))).collect();
    pairs.join("&")
}
