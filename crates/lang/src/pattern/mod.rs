//! EventBridge event patterns, which Lambda's event source filters and SNS's filter policies use as well.
//!
//! A pattern is compiled into alternatives (`$or` multiplied out), each a set of fields with the values they may have;
//! an event is flattened into fields named by dotted paths, so `{"a": {"b": 1}}` and `{"a.b": 1}` are alike.
//! Keeps true: fields that match inside one list of objects belong to the same object of it; matching is bounded.
//! Sources: the EventBridge user guide, and the behaviour of AWS's own open matcher, event-ruler (Apache-2.0).

mod event;
mod filter_policy;
mod matcher;
#[cfg(test)]
mod tests;

pub use filter_policy::{FilterPolicy, FilterPolicyError, Scope};

use indexmap::IndexMap;
use matcher::Matcher;
use serde_json::{Map, Value};
use std::sync::Arc;

/// How deep a pattern may be nested.
const MAX_DEPTH: usize = 64;
/// The most alternatives that `$or` may multiply out to. Source: EventBridge's quotas.
const MAX_ALTERNATIVES: usize = 1000;
/// The most fields of one alternative; ours, and far more than a pattern of the largest size has room for.
const MAX_FIELDS: usize = 1000;
/// Words that no field inside `$or` may be called.
const RESERVED: [&str; 14] = [
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "=",
    "<",
    "<=",
    ">",
    ">=",
];

/// Why a pattern is refused, in the words of the service's `InvalidEventPatternException`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Event pattern is not valid. Reason: {reason}")]
pub struct PatternError {
    /// The service's reason, without the position that it adds on a second line.
    pub reason: String,
}

fn invalid(reason: impl Into<String>) -> PatternError {
    PatternError { reason: reason.into() }
}

/// The fields that one alternative asks for, by dotted path. Alternatives share what they have in common.
type Alternative = IndexMap<Arc<str>, Arc<[Matcher]>>;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    alternatives: Vec<Alternative>,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// The pattern is malformed or too complex.
    pub fn parse(pattern: &Value) -> Result<Self, PatternError> {
        let Value::Object(map) = pattern else { return Err(invalid("Filter is not an object")) };
        let mut alternatives = vec![Alternative::new()];
        compile(map, "", false, 0, &mut alternatives)?;
        Ok(Self { alternatives })
    }

    /// Compiles a pattern from its JSON text.
    ///
    /// # Errors
    /// The text is no JSON, or see [`Pattern::parse`].
    pub fn parse_text(text: &str) -> Result<Self, PatternError> {
        let value: Value = serde_json::from_str(text).map_err(|error| invalid(error.to_string()))?;
        Self::parse(&value)
    }

    /// Does the event match?
    pub fn matches(&self, event: &Value) -> bool {
        let fields = event::flatten(event);
        self.alternatives.iter().any(|alternative| event::fulfils(&fields, alternative))
    }

    /// How many alternatives it has and how many values they name: what quotas count.
    fn size(&self) -> usize {
        let product = |alternative: &Alternative| {
            alternative.values().fold(1_usize, |product, values| product.saturating_mul(values.len()))
        };
        self.alternatives.iter().map(product).fold(0, usize::saturating_add)
    }
}

fn compile(
    map: &Map<String, Value>,
    path: &str,
    inside_or: bool,
    depth: usize,
    alternatives: &mut Vec<Alternative>,
) -> Result<(), PatternError> {
    if map.is_empty() {
        return Err(invalid("Empty objects are not allowed"));
    }
    if depth > MAX_DEPTH {
        return Err(invalid("The pattern is nested too deeply"));
    }
    for (name, value) in map {
        if name == "$or" {
            compile_or(value, path, depth, alternatives)?;
            continue;
        }
        if inside_or && RESERVED.contains(&name.as_str()) {
            return Err(invalid(format!(
                "{name} is Ruler reserved fieldName which cannot be used inside $or."
            )));
        }
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match value {
            Value::Object(inner) => compile(inner, &below, inside_or, depth + 1, alternatives)?,
            Value::Array(values) if values.is_empty() => return Err(invalid("Empty arrays are not allowed")),
            Value::Array(values) => {
                let below: Arc<str> = below.into();
                let matchers: Arc<[Matcher]> = values.iter().map(Matcher::parse).collect::<Result<_, _>>()?;
                for alternative in alternatives.iter_mut() {
                    alternative.insert(Arc::clone(&below), Arc::clone(&matchers));
                    if alternative.len() > MAX_FIELDS {
                        return Err(invalid("The pattern has too many fields"));
                    }
                }
            }
            _ => return Err(invalid(format!("\"{name}\" must be an object or an array"))),
        }
    }
    Ok(())
}

fn compile_or(
    value: &Value,
    path: &str,
    depth: usize,
    alternatives: &mut Vec<Alternative>,
) -> Result<(), PatternError> {
    let Value::Array(branches) = value else {
        return Err(invalid("It must be an Array followed with $or."));
    };
    let before = std::mem::take(alternatives);
    for branch in branches {
        let Value::Object(branch) = branch else {
            return Err(invalid("Only JSON object is allowed in array of $or relationship."));
        };
        let mut forked = before.clone();
        compile(branch, path, true, depth + 1, &mut forked)?;
        alternatives.append(&mut forked);
        if alternatives.len() > MAX_ALTERNATIVES {
            return Err(invalid(format!(
                "The pattern has more than {MAX_ALTERNATIVES} combinations of $or branches"
            )));
        }
    }
    if branches.len() < 2 {
        return Err(invalid("There must have at least 2 Objects in $or relationship."));
    }
    Ok(())
}
