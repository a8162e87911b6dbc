//! Paths of resources and routes: `/pets/{id}`, `/files/{proxy+}`.
//!
//! Keeps true: patterns sort by how much they say, so that in a sorted list the first that matches is the most specific.

use serde_json::{Map, Value};

/// One segment. The order is the order of precedence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    /// `pets`
    Static(String),
    /// `{id}`
    Variable(String),
    /// `{proxy+}`
    Greedy(String),
}

/// A path with variables.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pattern(Vec<Segment>);

impl Pattern {
    /// Reads `/pets/{id}`; an empty last segment does not count.
    pub fn new(path: &str) -> Self {
        let segment = |text: &str| match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(name) => match name.strip_suffix('+') {
                Some(name) => Segment::Greedy(name.to_owned()),
                None => Segment::Variable(name.to_owned()),
            },
            None => Segment::Static(text.to_owned()),
        };
        Self(path.split('/').filter(|text| !text.is_empty()).map(segment).collect())
    }

    /// Whether the last variable takes all that follows.
    pub fn is_greedy(&self) -> bool {
        matches!(self.0.last(), Some(Segment::Greedy(_)))
    }

    /// The variables' values, if the decoded segments of a path match. A greedy variable takes at least one segment that
    /// is not empty.
    pub fn matches(&self, path: &[String]) -> Option<Map<String, Value>> {
        let mut variables = Map::new();
        for (at, segment) in self.0.iter().enumerate() {
            let text = path.get(at)?;
            match segment {
                Segment::Static(expected) if expected == text => {}
                Segment::Static(_) => return None,
                Segment::Variable(name) => {
                    if text.is_empty() {
                        return None;
                    }
                    variables.insert(name.clone(), text.as_str().into());
                }
                Segment::Greedy(name) => {
                    let rest = path[at..].join("/");
                    if rest.is_empty() {
                        return None;
                    }
                    variables.insert(name.clone(), rest.into());
                    return Some(variables);
                }
            }
        }
        (path.len() == self.0.len()).then_some(variables)
    }
}

/// The decoded segments of a percent-encoded path, which begins with a slash: `/` has none, `/a/` has `a` and an empty one.
pub(crate) fn segments(path: &str) -> Vec<String> {
    let path = path.strip_prefix('/').unwrap_or(path);
    if path.is_empty() {
        return Vec::new();
    }
    path.split('/').map(super::request::decode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(patterns: &[&str], path: &str, expected: Option<(&str, Value)>) {
        let mut sorted: Vec<(Pattern, &str)> =
            patterns.iter().map(|text| (Pattern::new(text), *text)).collect();
        sorted.sort();
        let path = segments(path);
        let found = sorted.iter().find_map(|(pattern, text)| Some((*text, pattern.matches(&path)?.into())));
        assert_eq!(found, expected, "{path:?}");
    }

    #[test]
    fn the_most_specific_pattern_wins() {
        let patterns =
            ["/{proxy+}", "/pets/{id}", "/pets/dog", "/pets/{proxy+}", "/pets/{id}/toys", "/", "/a/{b}/c"];
        let none = || Value::Object(Map::new());
        check(&patterns, "/pets/dog", Some(("/pets/dog", none())));
        check(&patterns, "/pets/d%20g", Some(("/pets/{id}", serde_json::json!({ "id": "d g" }))));
        check(&patterns, "/pets/1/toys", Some(("/pets/{id}/toys", serde_json::json!({ "id": "1" }))));
        check(&patterns, "/pets/1/2", Some(("/pets/{proxy+}", serde_json::json!({ "proxy": "1/2" }))));
        check(&patterns, "/a/b", Some(("/{proxy+}", serde_json::json!({ "proxy": "a/b" }))));
        check(&patterns, "/", Some(("/", none())));
        check(&["/pets", "/pets/{proxy+}"], "/pets/", None);
        check(&["/{proxy+}"], "/", None);
        check(&["/{proxy+}"], "/a/", Some(("/{proxy+}", serde_json::json!({ "proxy": "a/" }))));
    }
}
