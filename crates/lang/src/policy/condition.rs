//! The `Condition` element: operators over the request's context.

use super::wildcard::Variables;
use aloft_base::Timestamp;
use serde_json::Value;
use std::cmp::Ordering;
use std::net::IpAddr;

/// All must hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions(Vec<Condition>);

#[derive(Clone, Debug)]
struct Condition {
    quantifier: Quantifier,
    comparison: Comparison,
    /// `..NotEquals` and the like.
    negated: bool,
    if_exists: bool,
    key: String,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantifier {
    None,
    ForAllValues,
    ForAnyValue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Text,
    TextIgnoreCase,
    Like,
    Number(Order),
    Date(Order),
    Bool,
    Address,
    Arn,
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

impl Conditions {
    /// `{"StringEquals": {"aws:PrincipalTag/team": ["a", "b"]}}`
    pub(super) fn parse(value: &Value) -> Option<Self> {
        let mut all = Vec::new();
        for (operator, keys) in value.as_object()? {
            for (key, values) in keys.as_object()? {
                all.push(Condition::parse(operator, key, values)?);
            }
        }
        Some(Self(all))
    }

    pub(super) fn hold(&self, variables: &Variables) -> bool {
        self.0.iter().all(|condition| condition.holds(variables))
    }
}

fn operator(name: &str) -> Option<(Comparison, bool)> {
    let order = |name: &str| {
        Some(match name {
            "Equals" => (Order::Equal, false),
            "NotEquals" => (Order::Equal, true),
            "LessThan" => (Order::Less, false),
            "LessThanEquals" => (Order::LessOrEqual, false),
            "GreaterThan" => (Order::Greater, false),
            "GreaterThanEquals" => (Order::GreaterOrEqual, false),
            _ => return None,
        })
    };
    if let Some(name) = name.strip_prefix("Numeric") {
        return order(name).map(|(order, negated)| (Comparison::Number(order), negated));
    }
    if let Some(name) = name.strip_prefix("Date") {
        return order(name).map(|(order, negated)| (Comparison::Date(order), negated));
    }
    Some(match name {
        // Binary values come as base64 on both sides.
        "StringEquals" | "BinaryEquals" => (Comparison::Text, false),
        "StringNotEquals" => (Comparison::Text, true),
        "StringEqualsIgnoreCase" => (Comparison::TextIgnoreCase, false),
        "StringNotEqualsIgnoreCase" => (Comparison::TextIgnoreCase, true),
        "StringLike" => (Comparison::Like, false),
        "StringNotLike" => (Comparison::Like, true),
        "Bool" => (Comparison::Bool, false),
        "IpAddress" => (Comparison::Address, false),
        "NotIpAddress" => (Comparison::Address, true),
        "ArnEquals" | "ArnLike" => (Comparison::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Comparison::Arn, true),
        "Null" => (Comparison::Null, false),
        _ => return None,
    })
}

impl Condition {
    fn parse(name: &str, key: &str, values: &Value) -> Option<Self> {
        let (quantifier, rest) = if let Some(rest) = name.strip_prefix("ForAllValues:") {
            (Quantifier::ForAllValues, rest)
        } else if let Some(rest) = name.strip_prefix("ForAnyValue:") {
            (Quantifier::ForAnyValue, rest)
        } else {
            (Quantifier::None, name)
        };
        let (rest, if_exists) = match rest.strip_suffix("IfExists") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let (comparison, negated) = operator(rest)?;
        if comparison == Comparison::Null && if_exists {
            return None;
        }
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
            _ => None,
        };
        let values = match values {
            Value::Array(all) => all.iter().map(text).collect::<Option<_>>()?,
            one => vec![text(one)?],
        };
        Some(Self { quantifier, comparison, negated, if_exists, key: key.to_owned(), values })
    }

    fn holds(&self, variables: &Variables) -> bool {
        let found = variables.values(&self.key);
        if self.comparison == Comparison::Null {
            let missing = found.is_none().to_string();
            return self.values.iter().any(|wanted| wanted.eq_ignore_ascii_case(&missing));
        }
        let Some(found) = found else {
            // What is missing equals nothing, and "for all" of nothing holds.
            return match self.quantifier {
                Quantifier::ForAllValues => true,
                Quantifier::ForAnyValue => self.if_exists,
                Quantifier::None => self.if_exists || self.negated,
            };
        };
        let fits = |value: &String| {
            self.values.iter().any(|wanted| self.compare(wanted, value, variables)) != self.negated
        };
        match self.quantifier {
            Quantifier::ForAllValues => found.iter().all(fits),
            Quantifier::ForAnyValue => found.iter().any(fits),
            Quantifier::None if self.negated => found.iter().all(fits),
            Quantifier::None => found.iter().any(fits),
        }
    }

    /// Without the negation.
    fn compare(&self, wanted: &str, value: &str, variables: &Variables) -> bool {
        let text = || variables.text(wanted);
        match self.comparison {
            Comparison::Text => text().is_some_and(|wanted| wanted == value),
            Comparison::TextIgnoreCase => {
                text().is_some_and(|wanted| wanted.to_lowercase() == value.to_lowercase())
            }
            Comparison::Like => variables.matches_like(wanted, value),
            Comparison::Arn => variables.matches_arn(wanted, value),
            Comparison::Bool => wanted.eq_ignore_ascii_case(value),
            Comparison::Number(order) => {
                let numbers = value.parse::<f64>().ok().zip(wanted.parse().ok());
                numbers
                    .and_then(|(one, two): (f64, f64)| one.partial_cmp(&two))
                    .is_some_and(|found| order.accepts(found))
            }
            Comparison::Date(order) => {
                date(value).zip(date(wanted)).is_some_and(|(one, two)| order.accepts(one.cmp(&two)))
            }
            Comparison::Address => in_network(wanted, value),
            Comparison::Null => false,
        }
    }
}

/// An ISO 8601 time or day, or seconds since 1970.
fn date(text: &str) -> Option<Timestamp> {
    Timestamp::parse_iso8601(text)
        .or_else(|| Timestamp::parse_iso8601(&format!("{text}T00:00:00Z")))
        .or_else(|| text.parse::<f64>().ok().map(Timestamp::from_seconds_f64))
}

/// An address, or a network as `address/bits`.
fn in_network(network: &str, address: &str) -> bool {
    let (network, bits) =
        network.split_once('/').map_or((network, None), |(network, bits)| (network, Some(bits)));
    let (Ok(network), Ok(address)) = (network.parse::<IpAddr>(), address.parse::<IpAddr>()) else {
        return false;
    };
    let (one, two, width) = match (network, address) {
        (IpAddr::V4(one), IpAddr::V4(two)) => (u128::from(u32::from(one)), u128::from(u32::from(two)), 32),
        (IpAddr::V6(one), IpAddr::V6(two)) => (u128::from(one), u128::from(two), 128),
        _ => return false,
    };
    match bits.map_or(Ok(width), str::parse::<u32>) {
        Ok(bits) if bits <= width => {
            let shift = width - bits;
            one.checked_shr(shift).unwrap_or(0) == two.checked_shr(shift).unwrap_or(0)
        }
        _ => false,
    }
}
