//! From the text of a pattern without braces to its nodes.
//!
//! Knows the peculiarities of picomatch 2 that users can meet: a class also matches its own text, a star doubled
//! inside a segment is one star, a negated group looks ahead only as far as picomatch does.

use super::matcher::{Class, Follow, GroupKind, Node};

/// Parses a whole pattern.
pub fn parse(pattern: &str) -> Vec<Node> {
    // A short cut of picomatch, in which the stars keep crossing slashes.
    if let Some(extension) = pattern.strip_prefix("**.")
        && !extension.is_empty()
        && extension.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
    {
        let tail = extension.chars().map(Node::Literal);
        return [Node::Globstar, Node::Literal('.')].into_iter().chain(tail).collect();
    }
    let characters: Vec<char> = pattern.chars().collect();
    Parser { characters: &characters, at: 0 }.sequence(true)
}

struct Parser<'a> {
    characters: &'a [char],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.characters.get(self.at + ahead).copied()
    }

    /// Nodes up to the end, or, inside a group, to its `|` or `)`.
    fn sequence(&mut self, top: bool) -> Vec<Node> {
        let mut nodes: Vec<Node> = Vec::new();
        while let Some(character) = self.peek(0) {
            if !top && matches!(character, '|' | ')') {
                break;
            }
            match character {
                '\\' => {
                    self.at += 1;
                    if let Some(escaped) = self.peek(0) {
                        nodes.push(Node::Literal(escaped));
                        self.at += 1;
                    } else {
                        nodes.push(Node::Literal('\\'));
                    }
                }
                '"' => self.quoted(&mut nodes),
                '!' | '@' | '?' | '+' | '*'
                    if self.peek(1) == Some('(') && self.closing(self.at + 1).is_some() =>
                {
                    self.at += 1;
                    let group = self.group(character);
                    nodes.push(group);
                }
                '(' if self.closing(self.at).is_some() => {
                    let group = self.group('@');
                    nodes.push(group);
                }
                '[' => self.class(&mut nodes),
                '?' => {
                    nodes.push(Node::AnyCharacter);
                    self.at += 1;
                }
                '*' => self.stars(&mut nodes),
                _ => {
                    nodes.push(Node::Literal(character));
                    self.at += 1;
                }
            }
        }
        nodes
    }

    fn quoted(&mut self, nodes: &mut Vec<Node>) {
        self.at += 1;
        while let Some(character) = self.peek(0) {
            self.at += 1;
            if character == '"' {
                return;
            }
            nodes.push(Node::Literal(character));
        }
    }

    fn stars(&mut self, nodes: &mut Vec<Node>) {
        let mut count = 0;
        while self.peek(0) == Some('*') && !(count > 0 && self.peek(1) == Some('(')) {
            count += 1;
            self.at += 1;
        }
        let segment_start = matches!(
            nodes.last(),
            None | Some(Node::Literal('/') | Node::MiddleGlobstar | Node::LeadingGlobstar)
        );
        let next = self.peek(0);
        let segment_end = matches!(next, None | Some('/' | '|' | ')'));
        if count != 2 || !segment_start || !segment_end {
            nodes.push(Node::Star { starts_segment: segment_start && count == 1 });
            return;
        }
        // `**/**` is one.
        while self.peek(0) == Some('/')
            && self.peek(1) == Some('*')
            && self.peek(2) == Some('*')
            && matches!(self.peek(3), None | Some('/'))
        {
            self.at += 3;
        }
        let after_slash = matches!(nodes.last(), Some(Node::Literal('/')));
        // A pattern that begins with the slash itself is no "middle".
        let slash_is_first = after_slash && nodes.len() == 1;
        match (self.peek(0), after_slash && !slash_is_first) {
            (Some('/'), true) => {
                self.at += 1;
                nodes.pop();
                nodes.push(Node::MiddleGlobstar);
            }
            (Some('/'), false) if nodes.is_empty() => {
                self.at += 1;
                nodes.push(Node::LeadingGlobstar);
            }
            (None, true) => {
                nodes.pop();
                nodes.push(Node::TrailingGlobstar);
            }
            _ => nodes.push(Node::Globstar),
        }
    }

    /// The place of the parenthesis that closes the one at `open`.
    fn closing(&self, open: usize) -> Option<usize> {
        let mut depth = 0;
        let mut index = open;
        while let Some(character) = self.characters.get(index) {
            match character {
                '\\' => index += 1,
                '(' => depth += 1,
                ')' => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(index);
                    }
                }
                _ => {}
            }
            index += 1;
        }
        None
    }

    fn group(&mut self, kind: char) -> Node {
        let open = self.at;
        self.at += 1;
        let mut branches = Vec::new();
        loop {
            branches.push(self.sequence(false));
            let stop = self.peek(0);
            self.at += 1;
            if stop != Some('|') {
                break;
            }
        }
        let kind = match kind {
            '?' => GroupKind::Optional,
            '+' => GroupKind::OneOrMore,
            '*' => GroupKind::Any,
            '@' => GroupKind::One,
            _ => return self.negated_group(open, branches),
        };
        Node::Group { kind, branches }
    }

    fn negated_group(&self, open: usize, branches: Vec<Vec<Node>>) -> Node {
        let inner = &self.characters[open + 1..self.at.saturating_sub(1).min(self.characters.len())];
        let rest: String = self.characters.get(self.at..).unwrap_or_default().iter().collect();
        let crosses = inner.len() > 1 && inner.contains(&'/');
        let ends = rest.is_empty() || rest.chars().all(|character| character == ')');
        let extension =
            rest.strip_prefix('.').is_some_and(|tail| !tail.is_empty() && !tail.contains(['\\', '/', '.']));
        let follow = if inner.contains(&'*') && extension {
            Follow::Pattern(parse(&rest))
        } else if crosses || ends {
            Follow::End
        } else {
            Follow::Anything
        };
        Node::Not { branches, follow, crosses }
    }

    fn class(&mut self, nodes: &mut Vec<Node>) {
        let start = self.at + 1;
        let first_may_close = match self.characters.get(start) {
            Some('^') => start + 2,
            _ => start + 1,
        };
        let after_name = match self.characters.get(start..start + 2) {
            Some(['[', ':']) => {
                (start..self.characters.len()).find(|index| self.characters[*index] == ']').map(|end| end + 1)
            }
            _ => None,
        };
        let close = (after_name.unwrap_or(first_may_close)..self.characters.len())
            .find(|index| self.characters[*index] == ']');
        let Some(close) = close else {
            nodes.push(Node::Literal('['));
            self.at += 1;
            return;
        };
        let body = &self.characters[start..close];
        let literal = !body.iter().any(|character| "-*+?.^${}(|)[]\\".contains(*character));
        nodes.push(Node::Class { class: class(body), own_text: literal.then(|| own_text(body)) });
        self.at = close + 1;
    }
}

fn own_text(body: &[char]) -> String {
    let mut text = String::from("[");
    text.extend(body);
    text.push(']');
    text
}

fn class(body: &[char]) -> Class {
    let (negated, body) = match body.split_first() {
        Some(('^', rest)) => (true, rest),
        _ => (false, body),
    };
    let text: String = body.iter().collect();
    if let Some(name) = text.strip_prefix("[:").and_then(|rest| rest.strip_suffix(":]")) {
        return Class { negated, ranges: named(name) };
    }
    let mut ranges = Vec::new();
    let mut index = 0;
    while index < body.len() {
        let mut low = body[index];
        if low == '\\' && index + 1 < body.len() {
            index += 1;
            low = body[index];
        }
        if body.get(index + 1) == Some(&'-') && index + 2 < body.len() {
            ranges.push((low, body[index + 2]));
            index += 3;
        } else {
            ranges.push((low, low));
            index += 1;
        }
    }
    Class { negated, ranges }
}

fn named(name: &str) -> Vec<(char, char)> {
    match name {
        "alpha" => vec![('a', 'z'), ('A', 'Z')],
        "digit" => vec![('0', '9')],
        "alnum" => vec![('a', 'z'), ('A', 'Z'), ('0', '9')],
        "lower" => vec![('a', 'z')],
        "upper" => vec![('A', 'Z')],
        "word" => vec![('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')],
        _ => Vec::new(),
    }
}
