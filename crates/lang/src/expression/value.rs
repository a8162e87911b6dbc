//! Attribute values in wire form (`{"S": "x"}`): their types, comparison, size, and the checks before they are stored.
//!
//! Not the expressions themselves. Keeps true: equality ignores the order of sets and the spelling of numbers.

use super::number::{self, Decimal};
use super::{ExpressionError, Item};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// How deep lists and maps may lie in one another.
const MAX_DEPTH: usize = 32;

/// The type's name and what is in it, when the value has exactly one of the known types.
pub fn typed(value: &Value) -> Option<(&str, &Value)> {
    let map = value.as_object()?;
    let (kind, inner) = map.iter().next()?;
    let known = matches!(kind.as_str(), "S" | "N" | "B" | "BOOL" | "NULL" | "SS" | "NS" | "BS" | "L" | "M");
    (known && map.len() == 1).then_some((kind.as_str(), inner))
}

/// The type's name; empty for what is no attribute value.
pub(crate) fn kind(value: &Value) -> &str {
    typed(value).map_or("", |(kind, _)| kind)
}

/// Are both the same value?
pub fn equal(left: &Value, right: &Value) -> bool {
    let (Some((kind, one)), Some((other_kind, two))) = (typed(left), typed(right)) else { return false };
    if kind != other_kind {
        return false;
    }
    match kind {
        "N" | "B" => one == two || compare(left, right) == Some(Ordering::Equal),
        "SS" | "NS" | "BS" => members(left) == members(right),
        "L" => match (one.as_array(), two.as_array()) {
            (Some(one), Some(two)) => one.len() == two.len() && one.iter().zip(two).all(|(a, b)| equal(a, b)),
            _ => false,
        },
        "M" => match (one.as_object(), two.as_object()) {
            (Some(one), Some(two)) => {
                one.len() == two.len() && one.iter().all(|(key, a)| two.get(key).is_some_and(|b| equal(a, b)))
            }
            _ => false,
        },
        _ => one == two,
    }
}

/// The order of two strings, numbers or binaries; nothing for other or different types.
pub fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    let ((kind, one), (other_kind, two)) = (typed(left)?, typed(right)?);
    if kind != other_kind {
        return None;
    }
    let (one, two) = (one.as_str()?, two.as_str()?);
    match kind {
        "S" => Some(one.as_bytes().cmp(two.as_bytes())),
        "N" => Some(Decimal::parse(one).ok()?.cmp(&Decimal::parse(two).ok()?)),
        "B" => Some(STANDARD.decode(one).ok()?.cmp(&STANDARD.decode(two).ok()?)),
        _ => None,
    }
}

/// A set's members in a canonical order and spelling.
pub(crate) fn members(value: &Value) -> BTreeSet<String> {
    let Some((kind, inner)) = typed(value) else { return BTreeSet::new() };
    let texts = inner.as_array().into_iter().flatten().filter_map(Value::as_str);
    texts
        .map(|text| if kind == "NS" { number::normalise(text).unwrap_or_default() } else { text.to_owned() })
        .collect()
}

/// What `size(..)` gives: characters of a string (UTF-16 units), bytes of a binary, members of a collection.
pub(crate) fn size(value: &Value) -> Option<usize> {
    let (kind, inner) = typed(value)?;
    match kind {
        "S" => inner.as_str().map(|text| text.encode_utf16().count()),
        "B" => STANDARD.decode(inner.as_str()?).ok().map(|bytes| bytes.len()),
        "SS" | "NS" | "BS" | "L" => inner.as_array().map(Vec::len),
        "M" => inner.as_object().map(Map::len),
        _ => None,
    }
}

/// `contains(haystack, needle)`: a part of a string or binary, a member of a set, an element of a list.
pub(crate) fn contains(haystack: &Value, needle: &Value) -> bool {
    let (Some((kind, inner)), Some((needle_kind, wanted))) = (typed(haystack), typed(needle)) else {
        return false;
    };
    match (kind, needle_kind) {
        ("S", "S") => inner.as_str().zip(wanted.as_str()).is_some_and(|(text, part)| text.contains(part)),
        ("B", "B") => {
            let decode = |value: &Value| value.as_str().and_then(|text| STANDARD.decode(text).ok());
            decode(inner).zip(decode(wanted)).is_some_and(|(bytes, part)| {
                part.is_empty() || bytes.windows(part.len()).any(|window| window == part)
            })
        }
        ("SS", "S") | ("NS", "N") | ("BS", "B") => inner
            .as_array()
            .is_some_and(|all| all.iter().any(|each| equal(&json!({ needle_kind: each }), needle))),
        ("L", _) => inner.as_array().is_some_and(|all| all.iter().any(|each| equal(each, needle))),
        _ => false,
    }
}

/// `begins_with(value, prefix)` on strings and binaries.
pub(crate) fn begins_with(value: &Value, prefix: &Value) -> bool {
    let (Some((kind, inner)), Some((prefix_kind, start))) = (typed(value), typed(prefix)) else {
        return false;
    };
    let (Some(text), Some(start)) = (inner.as_str(), start.as_str()) else { return false };
    match (kind, prefix_kind) {
        ("S", "S") => text.starts_with(start),
        ("B", "B") => match (STANDARD.decode(text), STANDARD.decode(start)) {
            (Ok(bytes), Ok(start)) => bytes.starts_with(&start),
            _ => false,
        },
        _ => false,
    }
}

/// Checks an attribute value as the service does before it stores it, and gives it back with its numbers normalised.
///
/// # Errors
/// No or two types, an empty set or one with duplicates, a bad number or base64 text, more than 32 levels.
pub fn check(value: &Value) -> Result<Value, ExpressionError> {
    check_at(value, 0)
}

/// [`check`] over all attributes of an item.
///
/// # Errors
/// See [`check`].
pub fn check_item(item: &Item) -> Result<Item, ExpressionError> {
    item.iter().map(|(name, value)| Ok((name.clone(), check(value)?))).collect()
}

fn check_at(value: &Value, depth: usize) -> Result<Value, ExpressionError> {
    let fail = |message: &str| Err(ExpressionError::new(message));
    if depth > MAX_DEPTH {
        return fail(
            "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit",
        );
    }
    if value.as_object().is_some_and(|map| map.len() > 1) {
        return fail(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
        );
    }
    let Some((kind, inner)) = typed(value) else {
        return fail("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes");
    };
    match (kind, inner) {
        ("S", Value::String(_)) | ("BOOL", Value::Bool(_)) => Ok(value.clone()),
        ("N", Value::String(text)) => Ok(json!({"N": number::normalise(text)?})),
        ("B", Value::String(text)) => match STANDARD.decode(text) {
            Ok(_) => Ok(value.clone()),
            Err(_) => fail("Invalid attribute value: the value cannot be decoded as base64"),
        },
        ("NULL", Value::Bool(true)) => Ok(value.clone()),
        ("NULL", _) => fail(
            "One or more parameter values were invalid: Null attribute value types must have the value of true",
        ),
        ("SS" | "NS" | "BS", Value::Array(all)) => check_set(kind, all),
        ("L", Value::Array(all)) => {
            let all: Result<Vec<_>, _> = all.iter().map(|each| check_at(each, depth + 1)).collect();
            Ok(json!({"L": all?}))
        }
        ("M", Value::Object(map)) => {
            let map: Result<Map<_, _>, ExpressionError> =
                map.iter().map(|(key, each)| Ok((key.clone(), check_at(each, depth + 1)?))).collect();
            Ok(json!({"M": map?}))
        }
        _ => fail("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
    }
}

fn check_set(kind: &str, all: &[Value]) -> Result<Value, ExpressionError> {
    if all.is_empty() {
        let name = match kind {
            "SS" => "string set",
            "NS" => "number set",
            _ => "binary set",
        };
        // The two blanks before "may" are the service's.
        return Err(ExpressionError::new(format!(
            "One or more parameter values were invalid: An {name}  may not be empty"
        )));
    }
    let mut texts = Vec::new();
    for each in all {
        let Some(text) = each.as_str() else {
            return Err(ExpressionError::new(
                "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
            ));
        };
        texts.push(if kind == "NS" { number::normalise(text)? } else { text.to_owned() });
    }
    if texts.iter().collect::<BTreeSet<_>>().len() < texts.len() {
        return Err(ExpressionError::new(format!(
            "One or more parameter values were invalid: Input collection [{}] contains duplicates.",
            texts.join(", ")
        )));
    }
    Ok(json!({ kind: texts }))
}

/// The bytes that the service counts for an item: the names in UTF-8 and each value by its type.
/// Source: "DynamoDB item sizes and formats" in the developer guide.
pub fn item_size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &Value) -> usize {
    let Some((kind, inner)) = typed(value) else { return 0 };
    let scalar = |kind: &str, text: &str| match kind {
        "S" => text.len(),
        "B" => STANDARD.decode(text).map_or(0, |bytes| bytes.len()),
        // About one byte for two digits and one more.
        _ => {
            text.bytes().filter(u8::is_ascii_digit).count().div_ceil(2)
                + 1
                + usize::from(text.starts_with('-'))
        }
    };
    match kind {
        "S" | "N" | "B" => scalar(kind, inner.as_str().unwrap_or_default()),
        "SS" | "NS" | "BS" => {
            let texts = inner.as_array().into_iter().flatten().filter_map(Value::as_str);
            texts.map(|text| scalar(&kind[..1], text)).sum()
        }
        "L" => 3 + inner.as_array().into_iter().flatten().map(|each| 1 + value_size(each)).sum::<usize>(),
        "M" => {
            let entries = inner.as_object().into_iter().flatten();
            3 + entries.map(|(key, each)| 1 + key.len() + value_size(each)).sum::<usize>()
        }
        _ => 1,
    }
}
