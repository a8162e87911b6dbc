//! Globs as the original framework matches them: micromatch with `dot: true`.
//!
//! Not a general glob library: only the one option set that packaging uses, and no walking of directories. Keeps true:
//! a pattern never fails, what cannot be understood is matched literally.

mod braces;
mod matcher;
mod parse;

use matcher::Node;

/// One compiled pattern.
#[derive(Clone, Debug)]
pub struct Glob {
    source: String,
    negated: bool,
    alternatives: Vec<Alternative>,
}

#[derive(Clone, Debug)]
struct Alternative {
    /// What every match begins with; a cheap test before the real one.
    prefix: String,
    nodes: Vec<Node>,
}

impl Glob {
    /// Compiles a pattern. Leading `!`s negate it, an even number of them does not.
    pub fn new(pattern: &str) -> Self {
        let body = pattern.trim_start_matches("./");
        let (negated, body) = split_negation(body);
        let alternatives = braces::expand(body)
            .iter()
            .map(|text| {
                let nodes = parse::parse(text.trim_start_matches("./"));
                Alternative { prefix: literal_prefix(&nodes), nodes }
            })
            .collect();
        Self { source: pattern.to_owned(), negated, alternatives }
    }

    /// Does the pattern match the whole path? Paths are relative and written with `/`.
    pub fn is_match(&self, path: &str) -> bool {
        if path.is_empty() {
            return false;
        }
        if path == self.source {
            return true;
        }
        let found = self.alternatives.iter().any(|alternative| {
            path.starts_with(&alternative.prefix) && matcher::is_match(&alternative.nodes, path)
        });
        found != self.negated
    }

    /// Does the pattern match everything below the directory whose path this is? May say no when it does.
    pub fn covers(&self, directory: &str) -> bool {
        !self.negated
            && self.alternatives.iter().any(|alternative| {
                matches!(alternative.nodes.last(), Some(Node::TrailingGlobstar | Node::Globstar))
                    && path_may_begin(&alternative.prefix, directory)
                    && matcher::is_match(&alternative.nodes, directory)
            })
    }

    /// May the pattern match something below the directory? Says yes when it is not sure.
    pub fn reaches_into(&self, directory: &str) -> bool {
        self.negated
            || self.alternatives.iter().any(|alternative| {
                let below = format!("{directory}/");
                alternative.prefix.starts_with(&below) || below.starts_with(alternative.prefix.as_str())
            })
    }
}

fn path_may_begin(prefix: &str, path: &str) -> bool {
    path.starts_with(prefix)
}

/// The negation that leading `!`s make, and the rest. `!(` begins an extended glob.
fn split_negation(pattern: &str) -> (bool, &str) {
    let mut negated = false;
    let mut rest = pattern;
    while let Some(after) = rest.strip_prefix('!') {
        if after.starts_with('(') && !after.starts_with("(?") {
            break;
        }
        negated = !negated;
        rest = after;
    }
    (negated, rest)
}

fn literal_prefix(nodes: &[Node]) -> String {
    let mut prefix = String::new();
    for node in nodes {
        match node {
            Node::Literal(character) => prefix.push(*character),
            _ => break,
        }
    }
    prefix
}

#[cfg(test)]
mod tests;
