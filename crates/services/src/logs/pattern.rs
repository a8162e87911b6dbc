//! Filter patterns: terms, `"phrases"`, `-excluded`, `?any`, `%regular expressions%`, and `{ $.json = conditions }`.
//!
//! Space-delimited patterns (`[a, b = 1]`) are refused. Source: the CloudWatch Logs user guide, "Filter pattern syntax".

use regex::Regex;
use serde_json::Value;

/// A compiled pattern.
#[derive(Debug)]
pub(super) enum Pattern {
    Terms { all: Vec<Matcher>, any: Vec<Matcher>, none: Vec<Matcher> },
    Json(Condition),
}

/// One term.
#[derive(Debug)]
pub(super) enum Matcher {
    Text(String),
    Regex(Regex),
}

impl Matcher {
    fn matches(&self, message: &str) -> bool {
        match self {
            Self::Text(text) => message.contains(text.as_str()),
            Self::Regex(regex) => regex.is_match(message),
        }
    }
}

/// A condition on a JSON event.
#[derive(Debug)]
pub(super) enum Condition {
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Compare(Vec<Step>, Comparison, Operand),
    Is(Vec<Step>, Value),
    NotExists(Vec<Step>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Member(String),
    Item(usize),
    AnyItem,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug)]
pub(super) enum Operand {
    Number(f64),
    /// Text whose `*` stand for anything.
    Text(String),
    Regex(Regex),
}

impl Pattern {
    /// Compiles a pattern; the empty one matches everything.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.starts_with('[') {
            return Err("Space-delimited filter patterns are not built in the local cloud.".to_owned());
        }
        match text.strip_prefix('{') {
            Some(rest) => {
                let inner = rest.strip_suffix('}').ok_or_else(|| invalid(text))?;
                let mut parser = Parser { rest: inner.trim(), depth: 0 };
                let condition = parser.any().ok_or_else(|| invalid(text))?;
                if parser.rest.is_empty() { Ok(Self::Json(condition)) } else { Err(invalid(text)) }
            }
            None => terms(text),
        }
    }

    /// Whether a message matches.
    pub fn matches(&self, message: &str) -> bool {
        match self {
            Self::Terms { all, any, none } => {
                all.iter().all(|term| term.matches(message))
                    // Beside terms that must be there, those that may be there say nothing.
                    && (any.is_empty() || !all.is_empty() || any.iter().any(|term| term.matches(message)))
                    && !none.iter().any(|term| term.matches(message))
            }
            Self::Json(condition) => serde_json::from_str(message)
                .is_ok_and(|event: Value| event.is_object() && condition.holds(&event)),
        }
    }
}

fn invalid(text: &str) -> String {
    format!("Invalid filter pattern: {text}")
}

fn terms(text: &str) -> Result<Pattern, String> {
    let (mut all, mut any, mut none) = (Vec::new(), Vec::new(), Vec::new());
    let mut rest = text;
    while !rest.is_empty() {
        let list = match rest.as_bytes()[0] {
            b'-' if rest.len() > 1 => &mut none,
            b'?' if rest.len() > 1 => &mut any,
            _ => &mut all,
        };
        rest = if rest.len() > 1 { rest.trim_start_matches(['-', '?']) } else { rest };
        let (matcher, left) = match rest.chars().next() {
            Some('"') => {
                let (phrase, left) = quoted(rest).ok_or_else(|| invalid(text))?;
                (Matcher::Text(phrase), left)
            }
            Some('%') => {
                let (inside, left) = rest[1..].split_once('%').ok_or_else(|| invalid(text))?;
                (Matcher::Regex(Regex::new(inside).map_err(|_| invalid(text))?), left)
            }
            _ => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                (Matcher::Text(rest[..end].to_owned()), &rest[end..])
            }
        };
        list.push(matcher);
        rest = left.trim_start();
    }
    Ok(Pattern::Terms { all, any, none })
}

/// A text in quotes at the beginning, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut phrase = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((phrase, &text[at + 1..])),
            '\\' => phrase.push(characters.next()?.1),
            other => phrase.push(other),
        }
    }
    None
}

/// Reads conditions: `||` binds weaker than `&&`.
struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

/// How deep parentheses may nest.
const MAX_DEPTH: usize = 32;

impl<'a> Parser<'a> {
    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn any(&mut self) -> Option<Condition> {
        let mut condition = self.all()?;
        while self.take("||") {
            condition = Condition::Or(Box::new(condition), Box::new(self.all()?));
        }
        Some(condition)
    }

    fn all(&mut self) -> Option<Condition> {
        let mut condition = self.one()?;
        while self.take("&&") {
            condition = Condition::And(Box::new(condition), Box::new(self.one()?));
        }
        Some(condition)
    }

    fn one(&mut self) -> Option<Condition> {
        if self.take("(") {
            self.depth += 1;
            let condition = if self.depth > MAX_DEPTH { None } else { self.any() }?;
            self.depth -= 1;
            return self.take(")").then_some(condition);
        }
        let path = self.path()?;
        if self.take("NOT EXISTS") {
            return Some(Condition::NotExists(path));
        }
        if self.take("IS") {
            let word = self.word();
            let value = match word {
                "NULL" => Value::Null,
                "TRUE" => Value::Bool(true),
                "FALSE" => Value::Bool(false),
                _ => return None,
            };
            return Some(Condition::Is(path, value));
        }
        let comparisons = [
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("=", Comparison::Equal),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        let comparison = comparisons.into_iter().find(|(token, _)| self.take(token))?.1;
        Some(Condition::Compare(path, comparison, self.operand()?))
    }

    /// `$.a.b[0].c`
    fn path(&mut self) -> Option<Vec<Step>> {
        let end = self
            .rest
            .find(|it: char| it.is_whitespace() || "=!<>()&|".contains(it))
            .unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        let mut steps = Vec::new();
        let mut text = text.strip_prefix('$')?;
        while !text.is_empty() {
            if let Some(inside) = text.strip_prefix('[') {
                let (index, left) = inside.split_once(']')?;
                let step = match index {
                    "*" => Step::AnyItem,
                    quoted if quoted.starts_with(['"', '\'']) => {
                        Step::Member(quoted.trim_matches(['"', '\'']).to_owned())
                    }
                    digits => Step::Item(digits.parse().ok()?),
                };
                steps.push(step);
                text = left;
            } else {
                let inside = text.strip_prefix('.')?;
                let end = inside.find(['.', '[']).unwrap_or(inside.len());
                steps.push(Step::Member(inside[..end].to_owned()));
                text = &inside[end..];
            }
        }
        (!steps.is_empty()).then_some(steps)
    }

    fn word(&mut self) -> &'a str {
        let end =
            self.rest.find(|it: char| it.is_whitespace() || "()&|".contains(it)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        word
    }

    fn operand(&mut self) -> Option<Operand> {
        if self.rest.starts_with('"') {
            let (text, rest) = quoted(self.rest)?;
            self.rest = rest.trim_start();
            return Some(Operand::Text(text));
        }
        if let Some(inside) = self.rest.strip_prefix('%') {
            let (inside, rest) = inside.split_once('%')?;
            self.rest = rest.trim_start();
            return Some(Operand::Regex(Regex::new(inside).ok()?));
        }
        let word = self.word();
        match word.parse() {
            _ if word.is_empty() => None,
            Ok(number) => Some(Operand::Number(number)),
            Err(_) => Some(Operand::Text(word.to_owned())),
        }
    }
}

impl Condition {
    fn holds(&self, event: &Value) -> bool {
        match self {
            Self::And(one, other) => one.holds(event) && other.holds(event),
            Self::Or(one, other) => one.holds(event) || other.holds(event),
            Self::NotExists(path) => select(event, path).is_empty(),
            Self::Is(path, value) => select(event, path).contains(&value),
            Self::Compare(path, comparison, operand) => {
                let found = select(event, path);
                match comparison {
                    Comparison::NotEqual => {
                        !found.is_empty() && !found.iter().any(|it| compare(it, Comparison::Equal, operand))
                    }
                    _ => found.iter().any(|it| compare(it, *comparison, operand)),
                }
            }
        }
    }
}

/// The values that a path leads to.
fn select<'a>(event: &'a Value, path: &[Step]) -> Vec<&'a Value> {
    let mut found = vec![event];
    for step in path {
        found = found
            .into_iter()
            .flat_map(|value| match step {
                Step::Member(name) => value.get(name).into_iter().collect::<Vec<_>>(),
                Step::Item(index) => value.get(index).into_iter().collect(),
                Step::AnyItem => value.as_array().into_iter().flatten().collect(),
            })
            .collect();
    }
    found
}

fn compare(value: &Value, comparison: Comparison, operand: &Operand) -> bool {
    match operand {
        Operand::Number(number) => value.as_f64().is_some_and(|value| match comparison {
            Comparison::Equal => value == *number,
            Comparison::NotEqual => value != *number,
            Comparison::Less => value < *number,
            Comparison::LessOrEqual => value <= *number,
            Comparison::Greater => value > *number,
            Comparison::GreaterOrEqual => value >= *number,
        }),
        Operand::Text(pattern) => {
            comparison == Comparison::Equal && value.as_str().is_some_and(|text| like(text, pattern))
        }
        Operand::Regex(regex) => {
            comparison == Comparison::Equal && value.as_str().is_some_and(|text| regex.is_match(text))
        }
    }
}

/// Whether a text is as a pattern whose `*` stand for anything.
fn like(text: &str, pattern: &str) -> bool {
    let Some((beginning, rest)) = pattern.split_once('*') else { return text == pattern };
    let Some(mut left) = text.strip_prefix(beginning) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_documented() {
        let json = r#"{"level":"ERROR","n":5,"ok":true,"gone":null,"user":{"name":"Ada"},"list":[{"id":1},{"id":2}]}"#;
        for (pattern, message, expected) in [
            ("", "anything", true),
            ("ERROR", "[ERROR] 1", true),
            ("ERROR", "[error] 1", false),
            ("ERROR timeout", "ERROR: no timeout", true),
            ("ERROR timeout", "ERROR", false),
            ("?ERROR ?WARN", "WARN", true),
            ("?ERROR ?WARN", "INFO", false),
            ("ERROR -health", "ERROR health", false),
            ("\"no such key\"", "there is no such key", true),
            ("\"no such key\"", "no key such", false),
            ("-\"no such key\"", "fine", true),
            ("%E[0-9]+%", "code E12", true),
            ("{ $.level = \"ERROR\" }", json, true),
            ("{ $.level = ERR* }", json, true),
            ("{ $.level = \"*OR\" && $.n > 4 }", json, true),
            ("{ $.n < 5 || ($.ok IS TRUE && $.n >= 5) }", json, true),
            ("{ $.n != 5 }", json, false),
            ("{ $.gone IS NULL }", json, true),
            ("{ $.absent NOT EXISTS }", json, true),
            ("{ $.user.name = %^A% }", json, true),
            ("{ $.list[1].id = 2 }", json, true),
            ("{ $.list[*].id = 3 }", json, false),
            ("{ $.level = \"ERROR\" }", "ERROR", false),
        ] {
            let compiled = Pattern::parse(pattern).expect(pattern);
            assert_eq!(compiled.matches(message), expected, "{pattern} on {message}");
        }
        for pattern in ["{ $.a", "{ a = 1 }", "{ $.a ~ 1 }", "\"open", "%(%", "[a, b]"] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}
