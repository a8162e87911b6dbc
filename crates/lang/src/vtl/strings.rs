//! Java's methods on texts and numbers.
//!
//! Positions count UTF-16 units, as Java's do. Regular expressions are those of the `regex` crate: no look-around and
//! no back-references, and therefore no run-away matching.

use super::VtlError;
use super::value::{Heap, Value};
use regex::{Captures, Regex, RegexBuilder};

fn failed<T>(reason: impl Into<String>) -> Result<T, VtlError> {
    Err(VtlError::Evaluation(reason.into()))
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn pattern(text: &str) -> Result<Regex, VtlError> {
    RegexBuilder::new(text)
        .size_limit(1 << 20)
        .build()
        .map_err(|_| VtlError::Evaluation(format!("the pattern '{text}' is malformed or not supported")))
}

/// A method on a text; nothing when Java's `String` has none of this name and number of arguments.
pub(crate) fn call(heap: &mut Heap, text: &str, name: &str, arguments: &[Value]) -> Result<Value, VtlError> {
    heap.pay_for_search(text)?;
    let texts = arguments.iter().map(|each| heap.to_text(each)).collect::<Result<Vec<_>, _>>()?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let flag = |found: bool| Ok(Value::Boolean(found));
    match (name, texts.as_slice(), arguments) {
        ("length", [], _) => Ok(Value::Integer(units(text).len() as i64)),
        ("isEmpty", [], _) => flag(text.is_empty()),
        ("isBlank", [], _) => flag(text.trim().is_empty()),
        ("toString" | "intern", [], _) => heap.text(text),
        ("toLowerCase", [], _) => heap.text(text.to_lowercase()),
        ("toUpperCase", [], _) => heap.text(text.to_uppercase()),
        ("trim", [], _) => heap.text(text.trim_matches(|c| c <= ' ')),
        ("strip", [], _) => heap.text(text.trim()),
        ("concat", [other], _) => heap.text(format!("{text}{other}")),
        ("contains", [part], _) => flag(text.contains(part)),
        ("startsWith", [part], _) => flag(text.starts_with(part)),
        ("startsWith", [part, _], [_, Value::Integer(from)]) => {
            let units = units(text);
            let from = usize::try_from(*from).unwrap_or(usize::MAX);
            flag(units.get(from..).is_some_and(|tail| tail.starts_with(&self::units(part))))
        }
        ("endsWith", [part], _) => flag(text.ends_with(part)),
        ("equals", [other], [Value::Text(_)]) => flag(text == *other),
        ("equals", [_], _) => flag(false),
        ("equalsIgnoreCase", [other], _) => flag(text.to_lowercase() == other.to_lowercase()),
        ("compareTo", [other], _) => Ok(Value::Integer(distance(text, other))),
        ("compareToIgnoreCase", [other], _) => {
            Ok(Value::Integer(distance(&text.to_lowercase(), &other.to_lowercase())))
        }
        ("charAt", [_], [Value::Integer(at)]) => part(heap, text, *at, at.saturating_add(1)),
        ("substring", [_], [Value::Integer(from)]) => part(heap, text, *from, units(text).len() as i64),
        ("substring" | "subSequence", [_, _], [Value::Integer(from), Value::Integer(to)]) => {
            part(heap, text, *from, *to)
        }
        ("indexOf", [wanted], _) => Ok(Value::Integer(find(text, wanted, 0))),
        ("indexOf", [wanted, _], [_, Value::Integer(from)]) => Ok(Value::Integer(find(text, wanted, *from))),
        ("lastIndexOf", [wanted], _) => {
            let at = text.rfind(wanted).map_or(-1, |at| units(&text[..at]).len() as i64);
            Ok(Value::Integer(at))
        }
        ("replace", [from, to], _) => {
            heap.pay(text.len().saturating_add(1).saturating_mul(to.len()))?;
            heap.text(text.replace(from, to))
        }
        ("replaceAll" | "replaceFirst", [from, to], _) => {
            let regex = pattern(from)?;
            heap.pay(text.len().saturating_add(1).saturating_mul(to.len()))?;
            let expand = |captures: &Captures| expand(to, captures);
            let count = usize::from(name == "replaceFirst");
            heap.text(regex.replacen(text, count, expand))
        }
        ("matches", [wanted], _) => flag(pattern(&format!("^(?:{wanted})$"))?.is_match(text)),
        ("split", [by], _) => split(heap, text, by, 0),
        ("split", [by, _], [_, Value::Integer(limit)]) => split(heap, text, by, *limit),
        ("toCharArray", [], _) => {
            let all = text.chars().map(|c| heap.text(c.to_string())).collect::<Result<_, _>>()?;
            heap.new_list(all)
        }
        ("hashCode", [], _) => {
            let hash = units(text)
                .iter()
                .fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(*unit)));
            Ok(Value::Integer(i64::from(hash)))
        }
        _ => Ok(Value::Null),
    }
}

/// A method on a number or a boolean; `$number.parseInt('5')` is how templates read numbers.
pub(crate) fn call_on_scalar(
    heap: &mut Heap,
    value: &Value,
    name: &str,
    arguments: &[Value],
) -> Result<Value, VtlError> {
    match (name, arguments) {
        ("toString", []) => {
            let text = heap.to_text(value)?;
            heap.text(text)
        }
        ("equals", [other]) => Ok(Value::Boolean(heap.equal(value, other)?)),
        ("compareTo", [other]) => match value.as_float().zip(other.as_float()) {
            Some((one, two)) => Ok(Value::Integer(one.partial_cmp(&two).map_or(0, |order| order as i64))),
            None => Ok(Value::Null),
        },
        ("parseInt" | "parseLong" | "parseDouble" | "parseFloat" | "valueOf" | "parseBoolean", [text]) => {
            let text = heap.to_text(text)?;
            let whole = !matches!(value, Value::Float(_)) && !matches!(name, "parseDouble" | "parseFloat");
            if matches!(value, Value::Boolean(_)) || name == "parseBoolean" {
                return Ok(Value::Boolean(text.eq_ignore_ascii_case("true")));
            }
            let number = if whole {
                text.parse().ok().map(Value::Integer)
            } else {
                text.trim().parse().ok().map(Value::Float)
            };
            number.map_or_else(|| failed(format!("'{text}' is not a number")), Ok)
        }
        ("toString", [other]) => {
            let text = heap.to_text(other)?;
            heap.text(text)
        }
        ("intValue" | "longValue", []) => Ok(value.as_float().map_or(Value::Null, |_| match value {
            Value::Float(number) => Value::Integer(*number as i64),
            other => other.clone(),
        })),
        ("doubleValue" | "floatValue", []) => Ok(value.as_float().map_or(Value::Null, Value::Float)),
        ("booleanValue", []) => Ok(value.clone()),
        _ => Ok(Value::Null),
    }
}

/// `String.compareTo`: the difference of the first units that differ, else of the lengths.
fn distance(left: &str, right: &str) -> i64 {
    let (left, right) = (units(left), units(right));
    let differ = left.iter().zip(&right).find(|(one, two)| one != two);
    differ.map_or(left.len() as i64 - right.len() as i64, |(one, two)| i64::from(*one) - i64::from(*two))
}

fn part(heap: &mut Heap, text: &str, from: i64, to: i64) -> Result<Value, VtlError> {
    let units = units(text);
    let bounds = usize::try_from(from).ok().zip(usize::try_from(to).ok());
    match bounds.and_then(|(from, to)| units.get(from..to)) {
        Some(found) => heap.text(String::from_utf16_lossy(found)),
        None => failed(format!("begin {from}, end {to}, length {}", units.len())),
    }
}

fn find(text: &str, wanted: &str, from: i64) -> i64 {
    let (units, wanted) = (units(text), units(wanted));
    let from = usize::try_from(from).unwrap_or(0).min(units.len());
    if wanted.is_empty() {
        return from as i64;
    }
    let found = units[from..].windows(wanted.len()).position(|window| window == wanted);
    found.map_or(-1, |at| (from + at) as i64)
}

/// Java's replacement texts: `$1` and `${name}` are groups, a backslash takes the next character as it is.
fn expand(template: &str, captures: &Captures) -> String {
    let mut out = String::new();
    let mut rest = template.chars().peekable();
    while let Some(each) = rest.next() {
        match each {
            '\\' => out.extend(rest.next()),
            '$' if rest.peek() == Some(&'{') => {
                let name: String = rest.by_ref().skip(1).take_while(|c| *c != '}').collect();
                out.push_str(captures.name(&name).map_or("", |found| found.as_str()));
            }
            '$' => {
                let digit = rest.next_if(char::is_ascii_digit).and_then(|c| c.to_digit(10));
                let group = digit.and_then(|digit| captures.get(digit as usize));
                out.push_str(group.map_or("", |found| found.as_str()));
            }
            other => out.push(other),
        }
    }
    out
}

/// `String.split`: empty parts at the end are dropped unless there is a limit, and an empty match at the start parts
/// nothing off.
fn split(heap: &mut Heap, text: &str, by: &str, limit: i64) -> Result<Value, VtlError> {
    let regex = pattern(by)?;
    let mut parts: Vec<&str> = Vec::new();
    let mut start = 0;
    for found in regex.find_iter(text) {
        if limit > 0 && parts.len() as i64 == limit - 1 {
            break;
        }
        if found.end() == 0 || (found.is_empty() && found.start() == text.len()) {
            continue;
        }
        parts.push(&text[start..found.start()]);
        start = found.end();
    }
    parts.push(&text[start..]);
    if limit == 0 {
        while parts.len() > 1 && parts.last().is_some_and(|last| last.is_empty()) {
            parts.pop();
        }
        // Only separators leave nothing at all; an empty text is one empty part.
        if parts == [""] && !text.is_empty() {
            parts.clear();
        }
    }
    let all = parts.into_iter().map(|part| heap.text(part)).collect::<Result<_, _>>()?;
    heap.new_list(all)
}
