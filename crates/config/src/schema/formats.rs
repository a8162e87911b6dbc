//! Patterns and formats of strings.
//!
//! Patterns are JavaScript's; the few that look ahead do so at their beginning, which is split off.

use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use std::sync::{LazyLock, OnceLock};

/// A pattern, compiled when it is needed first.
#[derive(Debug, Deserialize)]
#[serde(from = "String")]
pub(super) struct Pattern {
    /// As it is written in the schema.
    pub source: String,
    has_flags: bool,
    /// None for one that is no pattern.
    compiled: OnceLock<Option<Compiled>>,
}

#[derive(Debug)]
struct Compiled {
    must: Regex,
    must_not: Option<Regex>,
}

impl From<String> for Pattern {
    fn from(source: String) -> Self {
        Self::new(source)
    }
}

impl Pattern {
    pub fn new(source: impl Into<String>) -> Self {
        Self { source: source.into(), has_flags: false, compiled: OnceLock::new() }
    }

    /// One that is written between slashes with flags behind them.
    pub fn with_flags(source: impl Into<String>) -> Self {
        Self { has_flags: true, ..Self::new(source) }
    }

    /// Whether a text matches somewhere. All do when this is no pattern.
    pub fn matches(&self, text: &str) -> bool {
        let compiled = self.compiled.get_or_init(|| {
            if !self.has_flags {
                return compile(&self.source, false);
            }
            let (pattern, flags) = self.source.strip_prefix('/')?.rsplit_once('/')?;
            compile(pattern, flags.contains('i'))
        });
        let Some(Compiled { must, must_not }) = compiled else { return true };
        must.is_match(text) && !must_not.as_ref().is_some_and(|must_not| must_not.is_match(text))
    }
}

fn compile(pattern: &str, ignore_case: bool) -> Option<Compiled> {
    let build = |pattern: &str| {
        let ascii = pattern.replace(r"\d", "[0-9]").replace(r"\w", "[A-Za-z0-9_]");
        RegexBuilder::new(&ascii).case_insensitive(ignore_case).build().ok()
    };
    let (anchor, rest) = pattern.strip_prefix('^').map_or(("", pattern), |rest| ("^", rest));
    let Some(looked_at) = rest.strip_prefix("(?!") else {
        return Some(Compiled { must: build(pattern)?, must_not: None });
    };
    let mut depth = 1;
    let end = looked_at.char_indices().find(|(_, c)| {
        depth += i32::from(*c == '(') - i32::from(*c == ')');
        depth == 0
    })?;
    let (not, must) = (&looked_at[..end.0], &looked_at[end.0 + 1..]);
    let must = build(&format!("{anchor}{must}"))?;
    Some(Compiled { must, must_not: Some(build(&format!("^(?:{not})"))?) })
}

/// Whether a text has a format; an unknown format is not looked at.
pub(super) fn has_format(format: &str, text: &str) -> bool {
    static ADDRESS: LazyLock<Pattern> =
        LazyLock::new(|| Pattern::with_flags(r"/^[a-z][a-z0-9+\-.]*:[^\s<>\x22{}|\\^`]+$/i"));
    static TIME: LazyLock<Pattern> =
        LazyLock::new(|| Pattern::new(r"^\d{4}-\d\d-\d\d[tT\s]\d\d:\d\d:\d\d(\.\d+)?([zZ]|[+-]\d\d:?\d\d)$"));
    match format {
        "uri" => ADDRESS.matches(text),
        "date-time" => TIME.matches(text),
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
        walk(&super::super::document(), &mut count);
        assert!(count > 40);
    }

    #[test]
    fn looking_ahead() {
        let bucket = r"(?!^(\d{1,3}\.){3}\d{1,3}$)(^(([a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9])\.)*([a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9])$)";
        for (text, expected) in [("my-bucket.x", true), ("10.0.0.1", false), ("Bucket", false)] {
            assert_eq!(Pattern::new(bucket).matches(text), expected, "{text}");
        }
        let name = Pattern::new("^(?!aws:)[\\w:]{1,128}$");
        assert!(name.matches("a:b") && !name.matches("aws:b"));
        assert!(has_format("uri", "https://a.b/c?d") && !has_format("uri", "a b"));
    }
}
