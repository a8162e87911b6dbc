//! JavaScript's view of plain data, where the original's results depend on it, and lodash's words.

use serde::{Serialize, Serializer};
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
    written(&Json { value, is_sorted: false })
}

/// The same with the keys of all objects in the order of [`locale_compare`].
pub fn stringify_sorted(value: &Value) -> String {
    written(&Json { value, is_sorted: true })
}

fn written(json: &Json<'_>) -> String {
    serde_json::to_string(json).expect("a value can be written, and memory does not fail")
}

/// A value as JavaScript writes it.
struct Json<'v> {
    value: &'v Value,
    is_sorted: bool,
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let within = |value| Json { value, is_sorted: self.is_sorted };
        match self.value {
            Value::Number(number) if number.is_f64() => match number.as_f64() {
                Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => {
                    serializer.serialize_i64(float as i64)
                }
                _ => number.serialize(serializer),
            },
            Value::Array(items) => serializer.collect_seq(items.iter().map(within)),
            Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                if self.is_sorted {
                    entries.sort_by(|(left, _), (right, _)| locale_compare(left, right));
                }
                serializer.collect_map(entries.into_iter().map(|(key, value)| (key, within(value))))
            }
            other => other.serialize(serializer),
        }
    }
}

/// `String.prototype.localeCompare` in the root collation, for the characters of ASCII: punctuation, digits, letters, and
/// small before capital only where nothing else differs.
pub fn locale_compare(left: &str, right: &str) -> Ordering {
    left.chars().map(weight).cmp(right.chars().map(weight)).then_with(|| {
        let case = |text: &str| text.chars().map(char::is_uppercase).collect::<Vec<_>>();
        case(left).cmp(&case(right))
    })
}

/// The place of a character, whatever its case.
fn weight(character: char) -> u32 {
    const ORDER: &[u8] = b"_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789";
    const PLACES: [u8; 128] = {
        let mut places = [u8::MAX; 128];
        let mut place = 0;
        while place < ORDER.len() {
            places[ORDER[place] as usize] = place as u8;
            place += 1;
        }
        places
    };
    let lower = character.to_ascii_lowercase() as u32;
    match PLACES.get(lower as usize) {
        Some(place) if *place != u8::MAX => u32::from(*place),
        _ => ORDER.len() as u32 + lower,
    }
}

/// First letter upper, the rest as it is.
pub fn upper_first(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => {
            let mut made = String::with_capacity(text.len());
            made.extend(first.to_uppercase());
            made.push_str(characters.as_str());
            made
        }
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
