//! `KeyConditionExpression`: one partition and, at will, a range of sort keys.
//!
//! Parsed as a condition, then read off its tree. That the values have the types of the key schema is the service's
//! check. Keeps true: what is returned names the partition with `=`.

use super::condition::{Comparator, Condition, Node, Operand};
use super::{ExpressionError, Item, Used, value};
use serde_json::Value;
use std::cmp::Ordering;

/// What the sort key has to fulfil.
#[derive(Clone, Debug, PartialEq)]
pub enum SortCondition {
    /// `= value`
    Equal(Value),
    /// `< value`
    Less(Value),
    /// `<= value`
    LessOrEqual(Value),
    /// `> value`
    Greater(Value),
    /// `>= value`
    GreaterOrEqual(Value),
    /// `BETWEEN low AND high`, both included.
    Between(Value, Value),
    /// `begins_with(name, prefix)`
    BeginsWith(Value),
}

impl SortCondition {
    /// Does this value of the sort key fulfil it?
    pub fn matches(&self, key: &Value) -> bool {
        let order = |other: &Value| value::compare(key, other);
        match self {
            Self::Equal(other) => value::equal(key, other),
            Self::Less(other) => order(other) == Some(Ordering::Less),
            Self::LessOrEqual(other) => order(other).is_some_and(Ordering::is_le),
            Self::Greater(other) => order(other) == Some(Ordering::Greater),
            Self::GreaterOrEqual(other) => order(other).is_some_and(Ordering::is_ge),
            Self::Between(low, high) => {
                order(low).is_some_and(Ordering::is_ge) && order(high).is_some_and(Ordering::is_le)
            }
            Self::BeginsWith(prefix) => value::begins_with(key, prefix),
        }
    }

    /// The values that it compares with, whose types the service checks.
    pub fn values(&self) -> Vec<&Value> {
        match self {
            Self::Between(low, high) => vec![low, high],
            Self::Equal(one)
            | Self::Less(one)
            | Self::LessOrEqual(one)
            | Self::Greater(one)
            | Self::GreaterOrEqual(one)
            | Self::BeginsWith(one) => vec![one],
        }
    }
}

/// A parsed key condition.
#[derive(Clone, Debug)]
pub struct KeyCondition {
    /// The partition key's name and the value that it must equal.
    pub partition: (String, Value),
    /// The condition on the sort key, when there is one.
    pub sort: Option<SortCondition>,
    used: Used,
}

impl KeyCondition {
    /// Parses a `KeyConditionExpression` for a table or index with this partition key and sort key.
    ///
    /// # Errors
    /// With the service's message: `Invalid KeyConditionExpression: ..`, `Query condition missed key schema element: ..`,
    /// `Query key condition not supported` and the like.
    pub fn parse(
        text: &str,
        names: &Item,
        values: &Item,
        partition_key: &str,
        sort_key: Option<&str>,
    ) -> Result<Self, ExpressionError> {
        let parsed = Condition::parse_as("KeyConditionExpression", text, names, values)?;
        let mut found: Vec<(String, SortCondition)> = Vec::new();
        collect(&parsed.root, &mut found)?;
        let fail = |message: String| Err(ExpressionError::new(message));
        let Some(at) = found.iter().position(|(name, _)| name == partition_key) else {
            return fail(format!("Query condition missed key schema element: {partition_key}"));
        };
        let (name, condition) = found.swap_remove(at);
        let SortCondition::Equal(value) = condition else {
            return fail("Query key condition not supported".to_owned());
        };
        let sort = match (found.pop(), sort_key) {
            (None, _) => None,
            (Some((name, condition)), Some(sort_key)) if name == sort_key && found.is_empty() => {
                Some(condition)
            }
            (Some(_), Some(sort_key)) if found.is_empty() => {
                return fail(format!("Query condition missed key schema element: {sort_key}"));
            }
            _ => return fail("Query key condition not supported".to_owned()),
        };
        Ok(Self { partition: (name, value), sort, used: parsed.used().clone() })
    }

    /// The placeholders that it uses, for [`super::check_all_used`].
    pub fn used(&self) -> &Used {
        &self.used
    }
}

/// Gathers the conditions that `AND` joins, one per attribute.
fn collect(node: &Node, found: &mut Vec<(String, SortCondition)>) -> Result<(), ExpressionError> {
    let operator = |name: &str| {
        Err(ExpressionError::new(format!("Invalid operator used in KeyConditionExpression: {name}")))
    };
    let (name, condition) = match node {
        Node::And(all) => return all.iter().try_for_each(|each| collect(each, found)),
        Node::Or(_) => return operator("OR"),
        Node::Not(_) => return operator("NOT"),
        Node::In(..) => return operator("IN"),
        Node::Exists(_, true) => return operator("attribute_exists"),
        Node::Exists(_, false) => return operator("attribute_not_exists"),
        Node::HasType(..) => return operator("attribute_type"),
        Node::Contains(..) => return operator("contains"),
        Node::Compare(Comparator::NotEqual, ..) => return operator("<>"),
        Node::Compare(comparator, left, right) => comparison(*comparator, left, right)?,
        Node::Between(left, low, high) => {
            let (low, high) = (literal(low)?, literal(high)?);
            (leading_attribute(left, "BETWEEN")?, SortCondition::Between(low, high))
        }
        Node::BeginsWith(left, prefix) => {
            let prefix = literal(prefix)?;
            (leading_attribute(left, "begins_with")?, SortCondition::BeginsWith(prefix))
        }
    };
    if found.iter().any(|(other, _)| *other == name) {
        return Err(ExpressionError::new("KeyConditionExpressions must only contain one condition per key"));
    }
    found.push((name, condition));
    Ok(())
}

/// `name < value`, or `value > name` turned round.
fn comparison(
    comparator: Comparator,
    left: &Operand,
    right: &Operand,
) -> Result<(String, SortCondition), ExpressionError> {
    let turned = matches!(left, Operand::Value(_));
    let (name, other) = if turned { (right, left) } else { (left, right) };
    let name = attribute(name)?;
    let value = literal(other)?;
    let condition = match (comparator, turned) {
        (Comparator::Less, false) | (Comparator::Greater, true) => SortCondition::Less(value),
        (Comparator::LessOrEqual, false) | (Comparator::GreaterOrEqual, true) => {
            SortCondition::LessOrEqual(value)
        }
        (Comparator::Greater, false) | (Comparator::Less, true) => SortCondition::Greater(value),
        (Comparator::GreaterOrEqual, false) | (Comparator::LessOrEqual, true) => {
            SortCondition::GreaterOrEqual(value)
        }
        (Comparator::Equal | Comparator::NotEqual, _) => SortCondition::Equal(value),
    };
    Ok((name, condition))
}

fn leading_attribute(operand: &Operand, operator: &str) -> Result<String, ExpressionError> {
    if matches!(operand, Operand::Value(_)) {
        return Err(ExpressionError::new(format!(
            "Invalid condition in KeyConditionExpression: {operator} operator must have the key attribute as its first operand"
        )));
    }
    attribute(operand)
}

fn attribute(operand: &Operand) -> Result<String, ExpressionError> {
    match operand {
        Operand::Path(path) if path.0.len() == 1 => Ok(path.attribute().to_owned()),
        Operand::Path(_) => {
            Err(ExpressionError::new("KeyConditionExpressions cannot have conditions on nested attributes"))
        }
        Operand::Size(_) => Err(nested_operation()),
        Operand::Value(_) => Err(ExpressionError::new(
            "Invalid condition in KeyConditionExpression: No key attribute specified",
        )),
    }
}

fn literal(operand: &Operand) -> Result<Value, ExpressionError> {
    match operand {
        Operand::Value(value) => Ok(value.clone()),
        Operand::Path(_) => Err(ExpressionError::new(
            "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition",
        )),
        Operand::Size(_) => Err(nested_operation()),
    }
}

fn nested_operation() -> ExpressionError {
    ExpressionError::new("KeyConditionExpressions cannot contain nested operations")
}
