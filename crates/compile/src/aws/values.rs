//! JavaScript's view of plain data, where the original's results depend on it, and lodash's words.

use serde_json::{Map, Value};
use std::cmp::Ordering;

/// What JavaScript takes for true.
pub fn truthy(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(_) => true,
    }
}

/// The value under a key, when it is there and neither null nor false, zero or empty.
pub fn get<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    map.get(key).filter(|value| truthy(Some(value)))
}

/// The value under a key, when it is there and not null.
pub fn present<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    map.get(key).filter(|value| !value.is_null())
}

/// The value at a path of keys below an object.
pub fn at<'a>(map: &'a Map<String, Value>, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(map.get(*first)?, |value, key| value.get(*key)).filter(|value| !value.is_null())
}

/// The object under a key.
pub fn object<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Map<String, Value>> {
    map.get(key).and_then(Value::as_object)
}

/// The text under a key.
pub fn text<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    map.get(key).and_then(Value::as_str)
}

/// The list under a key; empty when there is none.
pub fn list<'a>(map: &'a Map<String, Value>, key: &str) -> &'a [Value] {
    map.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// As a template literal of JavaScript writes it.
pub fn display(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => format!("{}", float as i64),
            _ => number.to_string(),
        },
        Value::Array(items) => items.iter().map(display).collect::<Vec<_>>().join(","),
        Value::Object(_) => "[object Object]".to_owned(),
        other => other.to_string(),
    }
}

/// As `JSON.stringify` writes it: whole numbers without a fraction.
pub fn stringify(value: &Value) -> String {
    fn whole(value: &Value) -> Value {
        match value {
            Value::Number(number) if number.is_f64() => match number.as_f64() {
                Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => Value::from(float as i64),
                _ => value.clone(),
            },
            Value::Array(items) => items.iter().map(whole).collect(),
            Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), whole(value))).collect(),
            other => other.clone(),
        }
    }
    whole(value).to_string()
}

/// The value with the keys of all its objects in the order of [`locale_compare`].
pub fn deep_sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(deep_sorted).collect(),
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|(left, _), (right, _)| locale_compare(left, right));
            entries.into_iter().map(|(key, value)| (key.clone(), deep_sorted(value))).collect()
        }
        other => other.clone(),
    }
}

/// `String.prototype.localeCompare` in the root collation, for the characters of ASCII: punctuation, digits, letters, and
/// small before capital only where nothing else differs.
pub fn locale_compare(left: &str, right: &str) -> Ordering {
    const ORDER: &str = "_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789";
    let weight = |character: char| {
        let lower = character.to_ascii_lowercase();
        ORDER.find(lower).unwrap_or(ORDER.len() + lower as usize)
    };
    let primary = left.chars().map(weight).cmp(right.chars().map(weight));
    primary.then_with(|| {
        let case = |text: &str| text.chars().map(|character| character.is_uppercase()).collect::<Vec<_>>();
        case(left).cmp(&case(right))
    })
}

/// First letter upper, the rest as it is.
pub fn upper_first(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

/// Letters and digits of ASCII alone.
pub fn alphanumeric(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// lodash's words: runs of capitals, capitalised or small words, and numbers.
pub fn words(text: &str) -> Vec<String> {
    #[derive(PartialEq, Clone, Copy)]
    enum Kind {
        Upper,
        Lower,
        Digit,
        Other,
    }
    let kind = |character: char| match character {
        _ if character.is_uppercase() => Kind::Upper,
        _ if character.is_ascii_digit() => Kind::Digit,
        _ if character.is_alphabetic() => Kind::Lower,
        _ => Kind::Other,
    };
    let characters: Vec<char> =
        text.chars().filter(|character| !matches!(character, '\'' | '\u{2019}')).collect();
    let mut found: Vec<String> = Vec::new();
    let mut current = String::new();
    for (index, character) in characters.iter().enumerate() {
        let here = kind(*character);
        let before = index.checked_sub(1).map(|previous| kind(characters[previous]));
        let next = characters.get(index + 1).map(|next| kind(*next));
        let breaks = match (before, here) {
            (Some(previous), Kind::Upper) => previous != Kind::Upper || next == Some(Kind::Lower),
            (Some(Kind::Upper), Kind::Lower) => false,
            (Some(previous), _) => previous != here,
            (None, _) => false,
        };
        if breaks && !current.is_empty() {
            found.push(std::mem::take(&mut current));
        }
        if here != Kind::Other {
            current.push(*character);
        }
    }
    if !current.is_empty() {
        found.push(current);
    }
    found
}

/// lodash's `startCase`, without its spaces.
pub fn start_case(text: &str) -> String {
    words(text).iter().map(|word| upper_first(word)).collect()
}

/// lodash's `upperFirst(camelCase(...))`.
pub fn pascal_case(text: &str) -> String {
    words(text).iter().map(|word| upper_first(&word.to_lowercase())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_lodash() {
        assert_eq!(words("application/x-www-form-urlencoded").join(" "), "application x www form urlencoded");
        assert_eq!(words("fooBarHTTPServer2go").join(" "), "foo Bar HTTP Server 2 go");
        assert_eq!(start_case("prefix"), "Prefix");
        assert_eq!(start_case("application/json"), "ApplicationJson");
        assert_eq!(pascal_case("my-great_schema"), "MyGreatSchema");
    }

    #[test]
    fn order_of_keys() {
        let mut keys = ["b", "B", "a_b", "aB", "ab", "a1", "A"];
        keys.sort_by(|left, right| locale_compare(left, right));
        assert_eq!(keys, ["A", "a_b", "a1", "ab", "aB", "b", "B"]);
    }
}
