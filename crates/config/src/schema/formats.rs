//! Patterns and formats of strings.
//!
//! Patterns are JavaScript's; the few that look ahead do so at their beginning, which is split off.

use regex::{Regex, RegexBuilder};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// A compiled pattern.
struct Pattern {
    must: Regex,
    must_not: Option<Regex>,
}

/// Compiled patterns by their text; none for one that is no pattern.
type Patterns = HashMap<String, Option<Arc<Pattern>>>;

/// Whether a text matches a JavaScript pattern somewhere.
pub(super) fn matches(pattern: &str, ignore_case: bool, text: &str) -> bool {
    static COMPILED: LazyLock<[Mutex<Patterns>; 2]> = LazyLock::new(Default::default);
    let mut compiled = COMPILED[usize::from(ignore_case)].lock().unwrap_or_else(PoisonError::into_inner);
    if !compiled.contains_key(pattern) {
        compiled.insert(pattern.to_owned(), compile(pattern, ignore_case).map(Arc::new));
    }
    let Some(pattern) = compiled.get(pattern).cloned().flatten() else { return true };
    drop(compiled);
    pattern.must.is_match(text) && !pattern.must_not.as_ref().is_some_and(|must_not| must_not.is_match(text))
}

fn compile(pattern: &str, ignore_case: bool) -> Option<Pattern> {
    let build = |pattern: &str| {
        let ascii = pattern.replace(r"\d", "[0-9]").replace(r"\w", "[A-Za-z0-9_]");
        RegexBuilder::new(&ascii).case_insensitive(ignore_case).build().ok()
    };
    let (anchor, rest) = pattern.strip_prefix('^').map_or(("", pattern), |rest| ("^", rest));
    let Some(looked_at) = rest.strip_prefix("(?!") else {
        return Some(Pattern { must: build(pattern)?, must_not: None });
    };
    let mut depth = 1;
    let end = looked_at.char_indices().find(|(_, c)| {
        depth += i32::from(*c == '(') - i32::from(*c == ')');
        depth == 0
    })?;
    let (not, must) = (&looked_at[..end.0], &looked_at[end.0 + 1..]);
    Some(Pattern { must: build(&format!("{anchor}{must}"))?, must_not: Some(build(&format!("^(?:{not})"))?) })
}

/// Whether a text has a format; an unknown format is not looked at.
pub(super) fn has_format(format: &str, text: &str) -> bool {
    match format {
        "uri" => matches(r"^[a-z][a-z0-9+\-.]*:[^\s<>\x22{}|\\^`]+$", true, text),
        "date-time" => {
            matches(r"^\d{4}-\d\d-\d\d[tT\s]\d\d:\d\d:\d\d(\.\d+)?([zZ]|[+-]\d\d:?\d\d)$", false, text)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn every_pattern_of_the_schema_compiles() {
        fn walk(value: &Value, count: &mut usize) {
            match value {
                Value::Object(map) => {
                    let patterns = map.get("pattern").and_then(Value::as_str).into_iter();
                    let keys = map.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
                    for pattern in patterns.chain(keys.map(|(key, _)| key.as_str())) {
                        assert!(compile(pattern, false).is_some(), "{pattern}");
                        *count += 1;
                    }
                    map.values().for_each(|value| walk(value, count));
                }
                Value::Array(items) => items.iter().for_each(|value| walk(value, count)),
                _ => {}
            }
        }
        let mut count = 0;
        walk(&super::super::SCHEMA, &mut count);
        assert!(count > 40);
    }

    #[test]
    fn looking_ahead() {
        let bucket = r"(?!^(\d{1,3}\.){3}\d{1,3}$)(^(([a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9])\.)*([a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9])$)";
        for (text, expected) in [("my-bucket.x", true), ("10.0.0.1", false), ("Bucket", false)] {
            assert_eq!(matches(bucket, false, text), expected, "{text}");
        }
        assert!(
            matches("^(?!aws:)[\\w:]{1,128}$", false, "a:b")
                && !matches("^(?!aws:)[\\w:]{1,128}$", false, "aws:b")
        );
        assert!(has_format("uri", "https://a.b/c?d") && !has_format("uri", "a b"));
    }
}
