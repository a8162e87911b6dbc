//! What a single value must be: an exact one, or one of the operators.

use super::{PatternError, invalid};
use serde_json::{Map, Value};
use std::net::IpAddr;

/// The most prefixes of a wildcard that one input may match at once.
const MAX_WILDCARD_COMPLEXITY: usize = 10;

/// The longest wildcard, in bytes: as long as a whole pattern may be. Source: EventBridge's quotas.
const MAX_WILDCARD_LENGTH: usize = 4096;

/// A test of one value. Only [`Matcher::Exists`] looks at a whole field.
#[derive(Clone, Debug)]
pub(super) enum Matcher {
    /// A text, `true`, `false` or `null`.
    Exact(Value),
    Number(f64),
    Text(TextTest),
    Numeric(Range),
    Cidr(IpAddr, u32),
    Exists(bool),
    AnythingBut(Vec<Value>),
    AnythingButText(Vec<TextTest>),
}

/// A test of a text. Texts that are compared without case are kept in lower case.
#[derive(Clone, Debug)]
pub(super) enum TextTest {
    Prefix(String),
    PrefixIgnoreCase(String),
    Suffix(String),
    SuffixIgnoreCase(String),
    EqualsIgnoreCase(String),
    Wildcard(Vec<WildcardPart>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WildcardPart {
    Byte(u8),
    Any,
}

/// The bounds with whether they are themselves included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    low: Option<(f64, bool)>,
    high: Option<(f64, bool)>,
}

impl Matcher {
    pub(super) fn parse(value: &Value) -> Result<Self, PatternError> {
        match value {
            Value::Object(map) => operator(map),
            Value::Array(_) => Err(invalid("Match value must be String, number, true, false, or null")),
            Value::Number(number) => Ok(Self::Number(number.as_f64().unwrap_or(f64::NAN))),
            other => Ok(Self::Exact(other.clone())),
        }
    }

    pub(super) fn accepts(&self, value: &Value) -> bool {
        match self {
            Self::Exact(wanted) => value == wanted,
            Self::Number(wanted) => value.as_f64() == Some(*wanted),
            Self::Text(test) => value.as_str().is_some_and(|text| test.accepts(text)),
            Self::Numeric(range) => value.as_f64().is_some_and(|number| range.contains(number)),
            Self::Cidr(network, bits) => {
                let address = value.as_str().and_then(|text| text.parse::<IpAddr>().ok());
                address.is_some_and(|address| prefix_bits(address, *bits) == prefix_bits(*network, *bits))
            }
            Self::Exists(wanted) => *wanted,
            Self::AnythingBut(all) => !all.iter().any(|each| match (each.as_f64(), value.as_f64()) {
                (Some(one), Some(two)) => one == two,
                _ => each == value,
            }),
            Self::AnythingButText(all) => match value.as_str() {
                Some(text) => !all.iter().any(|test| test.accepts(text)),
                None => true,
            },
        }
    }
}

/// The leading bits of an address and which kind it is.
fn prefix_bits(address: IpAddr, bits: u32) -> (bool, u128) {
    match address {
        IpAddr::V4(four) => (true, u128::from(u32::from(four).checked_shr(32 - bits.min(32)).unwrap_or(0))),
        IpAddr::V6(six) => (false, u128::from(six).checked_shr(128 - bits.min(128)).unwrap_or(0)),
    }
}

impl TextTest {
    fn accepts(&self, text: &str) -> bool {
        match self {
            Self::Prefix(part) => text.starts_with(part),
            Self::PrefixIgnoreCase(part) => text.to_lowercase().starts_with(part),
            Self::Suffix(part) => text.ends_with(part),
            Self::SuffixIgnoreCase(part) => text.to_lowercase().ends_with(part),
            Self::EqualsIgnoreCase(wanted) => text.to_lowercase() == *wanted,
            Self::Wildcard(parts) => wildcard_accepts(parts, text.as_bytes()),
        }
    }
}

impl Range {
    fn contains(&self, number: f64) -> bool {
        let above = self.low.is_none_or(|(low, closed)| number > low || (closed && number == low));
        let below = self.high.is_none_or(|(high, closed)| number < high || (closed && number == high));
        above && below
    }
}

fn operator(map: &Map<String, Value>) -> Result<Matcher, PatternError> {
    let Some((name, value)) = map.iter().next() else {
        return Err(invalid("Match expression name not found"));
    };
    let text = || {
        let shown = if name == "exactly" { "exact" } else { name };
        value.as_str().ok_or_else(|| invalid(format!("{shown} match pattern must be a string")))
    };
    let matcher = match name.as_str() {
        "exactly" => Matcher::Exact(Value::from(text()?)),
        "prefix" => match value {
            Value::Object(inner) => {
                Matcher::Text(TextTest::PrefixIgnoreCase(ignoring_case(inner, "prefix")?))
            }
            _ => Matcher::Text(TextTest::Prefix(text()?.to_owned())),
        },
        "suffix" => match value {
            Value::Object(inner) => {
                Matcher::Text(TextTest::SuffixIgnoreCase(ignoring_case(inner, "suffix")?))
            }
            _ => Matcher::Text(TextTest::Suffix(text()?.to_owned())),
        },
        "equals-ignore-case" => Matcher::Text(TextTest::EqualsIgnoreCase(text()?.to_lowercase())),
        "wildcard" => Matcher::Text(TextTest::Wildcard(wildcard(text()?)?)),
        "numeric" => match value {
            Value::Array(all) => Matcher::Numeric(numeric(all)?),
            _ => return Err(invalid("Value of numeric must be an array.")),
        },
        "cidr" => cidr(value.as_str().ok_or_else(|| invalid("prefix match pattern must be a string"))?)?,
        "exists" => match value {
            Value::Bool(wanted) => Matcher::Exists(*wanted),
            _ => return Err(invalid("exists match pattern must be either true or false.")),
        },
        "anything-but" => anything_but(value)?,
        _ => return Err(invalid(format!("Unrecognized match type {name}"))),
    };
    if map.len() > 1 {
        return Err(invalid(match name.as_str() {
            "numeric" | "anything-but" => "Too many elements in numeric expression",
            _ => "Only one key allowed in match expression",
        }));
    }
    Ok(matcher)
}

/// `{"equals-ignore-case": "text"}` below `prefix` or `suffix`.
fn ignoring_case(map: &Map<String, Value>, operator: &str) -> Result<String, PatternError> {
    let title = if operator == "prefix" { "Prefix" } else { "Suffix" };
    let Some((name, value)) = map.iter().next() else {
        return Err(invalid(format!("{title} expression name not found")));
    };
    if name != "equals-ignore-case" {
        return Err(invalid(format!("Unsupported {operator} pattern: {name}")));
    }
    let text = value.as_str().ok_or_else(|| invalid("equals-ignore-case match pattern must be a string"))?;
    if map.len() > 1 {
        return Err(invalid("Only one key allowed in match expression"));
    }
    Ok(text.to_lowercase())
}

fn numeric(all: &[Value]) -> Result<Range, PatternError> {
    let symbol = |at: usize| all.get(at).and_then(Value::as_str);
    let number = |at: usize, symbol: &str| {
        let shown = if symbol == "=" { "equals" } else { symbol };
        all.get(at)
            .and_then(Value::as_f64)
            .ok_or_else(|| invalid(format!("Value of {shown} must be numeric")))
    };
    let shown = |at: usize| all.get(at).map_or_else(|| "]".to_owned(), Value::to_string);
    let Some(first) = symbol(0) else {
        return Err(invalid(format!("Invalid member in numeric match: {}", shown(0))));
    };
    if !["=", "<", "<=", ">", ">="].contains(&first) {
        return Err(invalid(format!("Unrecognized numeric range operator: {first}")));
    }
    let bound = number(1, first)?;
    let range = match first {
        "=" => Range { low: Some((bound, true)), high: Some((bound, true)) },
        "<" | "<=" => Range { low: None, high: Some((bound, first == "<=")) },
        _ if all.len() == 2 => Range { low: Some((bound, first == ">=")), high: None },
        _ => {
            let Some(second) = symbol(2) else {
                return Err(invalid(format!("Bad value in numeric range: {}", shown(2))));
            };
            if second != "<" && second != "<=" {
                return Err(invalid(format!("Bad numeric range operator: {second}")));
            }
            let high = number(3, second)?;
            if all.len() > 4 {
                return Err(invalid("Too many terms in numeric range expression"));
            }
            if bound >= high {
                return Err(invalid("Bottom must be less than top"));
            }
            return Ok(Range { low: Some((bound, first == ">=")), high: Some((high, second == "<=")) });
        }
    };
    if all.len() > 2 { Err(invalid("Too many elements in numeric expression")) } else { Ok(range) }
}

fn cidr(text: &str) -> Result<Matcher, PatternError> {
    let parts: Vec<&str> = text.split('/').collect();
    let [address, bits] = parts.as_slice() else { return Err(invalid("Malformed CIDR, one '/' required")) };
    let bits: i64 = bits.parse().map_err(|_| invalid("Malformed CIDR, mask bits must be an integer"))?;
    if bits < 0 {
        return Err(invalid("Malformed CIDR, mask bits must not be negative"));
    }
    let address: IpAddr =
        address.parse().map_err(|_| invalid(format!("Nonstandard IP address: {address}")))?;
    let (kind, most) = if address.is_ipv4() { ("IPv4", 32) } else { ("IPv6", 128) };
    match u32::try_from(bits) {
        Ok(bits) if bits <= most => Ok(Matcher::Cidr(address, bits)),
        _ => Err(invalid(format!("{kind} mask bits must be < {most}"))),
    }
}

fn anything_but(value: &Value) -> Result<Matcher, PatternError> {
    let no_value = || invalid("Value of anything-but must be an array or single string/number value.");
    match value {
        Value::String(_) | Value::Number(_) => Ok(Matcher::AnythingBut(vec![value.clone()])),
        Value::Array(all) => {
            if !all.iter().all(|each| each.is_string() || each.is_number()) {
                return Err(invalid("Inside anything but list, start|null|boolean is not supported."));
            }
            if !all.iter().all(Value::is_string) && !all.iter().all(Value::is_number) || all.is_empty() {
                return Err(invalid(
                    "Inside anything but list, either all values are number or string, mixed type is not supported",
                ));
            }
            Ok(Matcher::AnythingBut(all.clone()))
        }
        Value::Object(map) => {
            let Some((name, inner)) = map.iter().next() else {
                return Err(invalid("Anything-But expression name not found"));
            };
            if !["equals-ignore-case", "prefix", "suffix", "wildcard"].contains(&name.as_str()) {
                return Err(invalid(format!("Unsupported anything-but pattern: {name}")));
            }
            let all = match inner {
                Value::Array(all) => all.as_slice(),
                Value::String(_) | Value::Number(_) => std::slice::from_ref(inner),
                _ => return Err(no_value()),
            };
            let tests = all.iter().map(|each| negated(name, each)).collect::<Result<_, _>>()?;
            if map.len() > 1 {
                return Err(invalid("Too many elements in numeric expression"));
            }
            Ok(Matcher::AnythingButText(tests))
        }
        _ => Err(no_value()),
    }
}

/// One of the texts that `anything-but` excludes by an operator.
fn negated(operator: &str, value: &Value) -> Result<TextTest, PatternError> {
    let text = value.as_str().ok_or_else(|| {
        invalid(match operator {
            "equals-ignore-case" => {
                "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported."
            }
            "wildcard" => "wildcard match pattern must be a string",
            _ => "prefix/suffix match pattern must be a string",
        })
    })?;
    match operator {
        "equals-ignore-case" => Ok(TextTest::EqualsIgnoreCase(text.to_lowercase())),
        "wildcard" => wildcard(text).map(TextTest::Wildcard),
        _ if text.is_empty() => Err(invalid("Null prefix/suffix not allowed")),
        "prefix" => Ok(TextTest::Prefix(text.to_owned())),
        _ => Ok(TextTest::Suffix(text.to_owned())),
    }
}

/// `*` is any run of bytes; `\*` and `\\` are the characters themselves.
fn wildcard(text: &str) -> Result<Vec<WildcardPart>, PatternError> {
    let bytes = text.as_bytes();
    let mut parts = Vec::with_capacity(bytes.len());
    let mut at = 0;
    // Positions count the quote that the service puts before the text.
    while let Some(byte) = bytes.get(at) {
        match (byte, bytes.get(at + 1)) {
            (b'*', Some(b'*')) => {
                return Err(invalid(format!("Consecutive wildcard characters at pos {}", at + 1)));
            }
            (b'*', _) => parts.push(WildcardPart::Any),
            (b'\\', Some(escaped @ (b'*' | b'\\'))) => {
                parts.push(WildcardPart::Byte(*escaped));
                at += 1;
            }
            (b'\\', _) => return Err(invalid(format!("Invalid escape character at pos {}", at + 1))),
            (other, _) => parts.push(WildcardPart::Byte(*other)),
        }
        at += 1;
    }
    if parts.len() > MAX_WILDCARD_LENGTH || complexity(&parts) > MAX_WILDCARD_COMPLEXITY {
        return Err(invalid(
            "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character",
        ));
    }
    Ok(parts)
}

/// How many of the wildcard's own prefixes an input can match at once, tried with the wildcard's own characters.
fn complexity(parts: &[WildcardPart]) -> usize {
    let mut active = vec![false; parts.len() + 1];
    let mut most = 0;
    let close = |active: &mut [bool]| {
        for (at, part) in parts.iter().enumerate() {
            if active[at] && *part == WildcardPart::Any {
                active[at + 1] = true;
            }
        }
    };
    active[0] = true;
    close(&mut active);
    for input in parts {
        let WildcardPart::Byte(byte) = input else { continue };
        let mut next = vec![false; parts.len() + 1];
        for (at, part) in parts.iter().enumerate().filter(|(at, _)| active[*at]) {
            match part {
                WildcardPart::Any => next[at] = true,
                WildcardPart::Byte(wanted) => next[at + 1] |= wanted == byte,
            }
        }
        close(&mut next);
        // The place before the first part is no prefix.
        most = most.max(next.iter().skip(1).filter(|reached| **reached).count());
        active = next;
        if most > MAX_WILDCARD_COMPLEXITY {
            break;
        }
    }
    most
}

/// Greedy matching with one step back: linear in most cases, never worse than the product of both lengths.
fn wildcard_accepts(parts: &[WildcardPart], text: &[u8]) -> bool {
    let (mut part, mut at) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        match parts.get(part) {
            Some(WildcardPart::Byte(byte)) if *byte == text[at] => {
                part += 1;
                at += 1;
            }
            Some(WildcardPart::Any) => {
                retry = Some((part + 1, at));
                part += 1;
            }
            _ => match retry {
                Some((after, from)) => {
                    part = after;
                    at = from + 1;
                    retry = Some((after, from + 1));
                }
                None => return false,
            },
        }
    }
    parts[part..].iter().all(|rest| *rest == WildcardPart::Any)
}
