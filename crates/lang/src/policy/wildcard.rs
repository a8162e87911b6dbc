//! Wildcards and variables in the texts of a policy.
//!
//! Keeps true: what a variable stands for is compared as it is, never as a wildcard.

use serde_json::{Map, Value};

/// A character of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Literal(char),
    One,
    Many,
}

/// Does `*` for any run and `?` for any one character make the pattern the text?
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    parts_match(&plain(pattern), text)
}

fn plain(pattern: &str) -> Vec<Part> {
    let part = |each| match each {
        '*' => Part::Many,
        '?' => Part::One,
        other => Part::Literal(other),
    };
    pattern.chars().map(part).collect()
}

/// Greedy with one step back, so never slower than the product of both lengths.
fn parts_match(parts: &[Part], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut part, mut at) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        match parts.get(part) {
            Some(Part::Many) => {
                retry = Some((part + 1, at));
                part += 1;
            }
            Some(Part::One) => {
                part += 1;
                at += 1;
            }
            Some(Part::Literal(wanted)) if *wanted == text[at] => {
                part += 1;
                at += 1;
            }
            _ => {
                let Some((after, from)) = retry else { return false };
                part = after;
                at = from + 1;
                retry = Some((after, from + 1));
            }
        }
    }
    parts[part..].iter().all(|rest| *rest == Part::Many)
}

/// The request's context, from which `${aws:username}` and the like are filled in.
pub(super) struct Variables<'a> {
    pub context: &'a Map<String, Value>,
    /// Off in policies of an old version, where `${` is text.
    pub enabled: bool,
}

impl Variables<'_> {
    /// The values of a condition key, whose case does not matter; nothing when the request does not have it.
    pub(super) fn values(&self, key: &str) -> Option<Vec<String>> {
        let (_, value) = self.context.iter().find(|(name, _)| name.eq_ignore_ascii_case(key))?;
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Some(match value {
            Value::Array(all) => all.iter().map(text).collect(),
            Value::Null => return None,
            other => vec![text(other)],
        })
    }

    /// The pattern with its variables filled in; nothing when one has no single value.
    fn parts(&self, pattern: &str, wildcards: bool) -> Option<Vec<Part>> {
        let mut parts = Vec::new();
        let mut rest = pattern;
        let add = |parts: &mut Vec<Part>, text: &str| {
            if wildcards {
                parts.extend(plain(text));
            } else {
                parts.extend(text.chars().map(Part::Literal));
            }
        };
        while let Some((before, (inside, after))) = self.enabled.then(|| split_variable(rest)).flatten() {
            add(&mut parts, before);
            parts.extend(self.fill(inside)?.chars().map(Part::Literal));
            rest = after;
        }
        add(&mut parts, rest);
        Some(parts)
    }

    /// What stands for `aws:username`, or for `aws:username, 'nobody'` with a default.
    fn fill(&self, inside: &str) -> Option<String> {
        if matches!(inside, "*" | "?" | "$") {
            return Some(inside.to_owned());
        }
        let (key, default) = match inside.split_once(',') {
            Some((key, default)) => (key.trim(), Some(default.trim().trim_matches('\'').to_owned())),
            None => (inside.trim(), None),
        };
        match self.values(key).as_deref() {
            Some([one]) => Some(one.clone()),
            _ => default,
        }
    }

    /// Compares with wildcards.
    pub(super) fn matches_like(&self, pattern: &str, text: &str) -> bool {
        self.parts(pattern, true).is_some_and(|parts| parts_match(&parts, text))
    }

    /// The pattern as a text without wildcards.
    pub(super) fn text(&self, pattern: &str) -> Option<String> {
        let parts = self.parts(pattern, false)?;
        Some(
            parts
                .iter()
                .filter_map(|part| if let Part::Literal(c) = part { Some(*c) } else { None })
                .collect(),
        )
    }

    /// Compares ARNs part by part, so that a wildcard does not reach over a colon before the resource.
    pub(super) fn matches_arn(&self, pattern: &str, arn: &str) -> bool {
        if pattern == "*" {
            return true;
        }
        let Some(parts) = self.parts(pattern, true) else { return false };
        let patterns: Vec<&[Part]> = parts.splitn(6, |part| *part == Part::Literal(':')).collect();
        let texts: Vec<&str> = arn.splitn(6, ':').collect();
        if patterns.len() < 6 || texts.len() < 6 {
            // What is no whole ARN is compared as a text.
            return parts_match(&parts, arn);
        }
        patterns.iter().zip(texts).all(|(pattern, text)| parts_match(pattern, text))
    }
}

/// The text before the first `${..}`, what is in it, and what follows.
fn split_variable(text: &str) -> Option<(&str, (&str, &str))> {
    let (before, rest) = text.split_once("${")?;
    Some((before, rest.split_once('}')?))
}
