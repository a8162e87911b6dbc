//! SNS subscription filter policies: event patterns over a message's attributes or its body.
//!
//! Source: "Amazon SNS subscription filter policies" in the developer guide.

use super::{Pattern, PatternError};
use serde_json::{Map, Value};

/// The most names a policy may have. Source: SNS's filter policy constraints.
const MAX_KEYS: usize = 5;
/// The most combinations of values. Source: as above.
const MAX_COMBINATIONS: usize = 150;

/// What a filter policy looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// `MessageAttributes`: the default.
    #[default]
    MessageAttributes,
    /// `MessageBody`: the body, which must be a JSON object.
    MessageBody,
}

/// Why a filter policy is refused: what follows `Invalid parameter: ` in the service's answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("FilterPolicy: {reason}")]
pub struct FilterPolicyError {
    /// The service's reason.
    pub reason: String,
}

/// A compiled filter policy.
#[derive(Clone, Debug)]
pub struct FilterPolicy {
    /// An empty policy lets everything pass.
    pattern: Option<Pattern>,
    scope: Scope,
}

impl FilterPolicy {
    /// Compiles a policy.
    ///
    /// # Errors
    /// The policy is malformed, nested where its scope allows no nesting, or too large.
    pub fn parse(policy: &Value, scope: Scope) -> Result<Self, FilterPolicyError> {
        let fail = |reason: &str| Err(FilterPolicyError { reason: reason.to_owned() });
        let Value::Object(map) = policy else { return fail("failed to parse JSON.") };
        if map.is_empty() {
            return Ok(Self { pattern: None, scope });
        }
        let mut keys = 0;
        if let Some(reason) = check_keys(map, scope, 0, &mut keys) {
            return fail(reason);
        }
        if keys > MAX_KEYS {
            return fail("Filter policy can not have more than 5 keys");
        }
        let pattern =
            Pattern::parse(policy).map_err(|PatternError { reason }| FilterPolicyError { reason })?;
        if pattern.size() > MAX_COMBINATIONS {
            return fail("Filter policy is too complex");
        }
        Ok(Self { pattern: Some(pattern), scope })
    }

    /// Does a message pass? `attributes` are those of `Publish`: `{"name": {"DataType": .., "StringValue": ..}}`.
    pub fn matches(&self, attributes: &Map<String, Value>, body: &str) -> bool {
        let Some(pattern) = &self.pattern else { return true };
        match self.scope {
            Scope::MessageAttributes => {
                let event: Map<String, Value> = attributes
                    .iter()
                    .filter_map(|(name, value)| Some((name.clone(), attribute(value)?)))
                    .collect();
                pattern.matches(&Value::Object(event))
            }
            Scope::MessageBody => match serde_json::from_str::<Value>(body) {
                Ok(event @ Value::Object(_)) => pattern.matches(&event),
                _ => false,
            },
        }
    }
}

/// Counts the names and refuses nesting where there may be none.
fn check_keys(
    map: &Map<String, Value>,
    scope: Scope,
    depth: usize,
    keys: &mut usize,
) -> Option<&'static str> {
    if depth > super::MAX_DEPTH {
        return Some("Filter policy is too complex");
    }
    map.iter().find_map(|(name, value)| match value {
        Value::Array(branches) if name == "$or" => branches
            .iter()
            .filter_map(Value::as_object)
            .find_map(|branch| check_keys(branch, scope, depth + 1, keys)),
        Value::Object(_) if scope == Scope::MessageAttributes => {
            Some("Filter policy scope MessageAttributes does not support nested filter policy")
        }
        Value::Object(inner) => check_keys(inner, scope, depth + 1, keys),
        _ => {
            *keys += 1;
            None
        }
    })
}

/// The value of an attribute as a pattern sees it; a binary one cannot be filtered on.
fn attribute(value: &Value) -> Option<Value> {
    let text = value.get("StringValue").and_then(Value::as_str)?;
    let kind = value.get("DataType").and_then(Value::as_str)?;
    match kind {
        "String.Array" => serde_json::from_str(text).ok(),
        kind if kind == "String" || kind.starts_with("String.") => Some(Value::from(text)),
        kind if kind == "Number" || kind.starts_with("Number.") => {
            text.trim().parse::<f64>().ok().map(Value::from)
        }
        _ => None,
    }
}
