//! The predicates of `[?(...)]`.

use super::{JsonPathError, Segment, query};
use regex::Regex;
use serde_json::Value;
use std::cmp::Ordering;

/// A predicate on a candidate.
#[derive(Clone, Debug)]
pub(super) enum Filter {
    Any(Vec<Filter>),
    All(Vec<Filter>),
    Not(Box<Filter>),
    Exists(Operand),
    Matches(Operand, Regex),
    Compare(Comparison, Operand, Operand),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
    Contains,
    Size,
    Empty,
}

#[derive(Clone, Debug)]
pub(super) enum Operand {
    /// Below `@`.
    Current(Vec<Segment>),
    /// Below `$`.
    Root(Vec<Segment>),
    Literal(Value),
}

impl Operand {
    fn value(
        &self,
        current: &Value,
        root: &Value,
        budget: &mut usize,
    ) -> Result<Option<Value>, JsonPathError> {
        match self {
            Self::Current(segments) => query::run(segments, current, root, budget),
            Self::Root(segments) => query::run(segments, root, root, budget),
            Self::Literal(value) => Ok(Some(value.clone())),
        }
    }
}

impl Filter {
    pub(super) fn accepts(
        &self,
        current: &Value,
        root: &Value,
        budget: &mut usize,
    ) -> Result<bool, JsonPathError> {
        match self {
            Self::Any(all) => {
                for each in all {
                    if each.accepts(current, root, budget)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::All(all) => {
                for each in all {
                    if !each.accepts(current, root, budget)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Not(inner) => Ok(!inner.accepts(current, root, budget)?),
            Self::Exists(operand) => Ok(operand.value(current, root, budget)?.is_some()),
            Self::Matches(operand, regex) => {
                let value = operand.value(current, root, budget)?;
                Ok(value.as_ref().and_then(Value::as_str).is_some_and(|text| regex.is_match(text)))
            }
            Self::Compare(comparison, left, right) => {
                let (left, right) = (left.value(current, root, budget)?, right.value(current, root, budget)?);
                Ok(match (left, right) {
                    (Some(left), Some(right)) => comparison.holds(&left, &right),
                    (left, right) => matches!(comparison, Comparison::NotEqual) && left != right,
                })
            }
        }
    }
}

impl Comparison {
    fn holds(self, left: &Value, right: &Value) -> bool {
        let order = || match (left, right) {
            (Value::Number(one), Value::Number(two)) => one.as_f64()?.partial_cmp(&two.as_f64()?),
            (Value::String(one), Value::String(two)) => Some(one.cmp(two)),
            _ => None,
        };
        match self {
            Self::Equal => equal(left, right),
            Self::NotEqual => !equal(left, right),
            Self::Less => order() == Some(Ordering::Less),
            Self::LessOrEqual => order().is_some_and(Ordering::is_le),
            Self::Greater => order() == Some(Ordering::Greater),
            Self::GreaterOrEqual => order().is_some_and(Ordering::is_ge),
            Self::In => right.as_array().is_some_and(|all| all.iter().any(|each| equal(left, each))),
            Self::NotIn => !Self::In.holds(left, right),
            Self::Contains => match (left, right) {
                (Value::Array(all), _) => all.iter().any(|each| equal(each, right)),
                (Value::String(text), Value::String(part)) => text.contains(part),
                _ => false,
            },
            Self::Size => length(left).zip(right.as_u64()).is_some_and(|(one, two)| one as u64 == two),
            Self::Empty => {
                length(left).zip(right.as_bool()).is_some_and(|(size, wanted)| (size == 0) == wanted)
            }
        }
    }
}

/// `1` and `1.0` are the same.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(one), Value::Number(two)) => one.as_f64() == two.as_f64(),
        _ => left == right,
    }
}

pub(super) fn length(value: &Value) -> Option<usize> {
    match value {
        Value::Array(all) => Some(all.len()),
        Value::Object(map) => Some(map.len()),
        Value::String(text) => Some(text.chars().count()),
        _ => None,
    }
}
