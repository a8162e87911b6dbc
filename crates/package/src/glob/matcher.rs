//! Matches nodes against a path by backtracking.
//!
//! Regular expressions without look-ahead cannot say "anything but this", which `!(...)` needs; a small matcher can.

/// A part of a pattern.
#[derive(Clone, Debug)]
pub enum Node {
    /// This character.
    Literal(char),
    /// One character that is no slash.
    AnyCharacter,
    /// Any characters but slashes.
    Star {
        /// At the start of a segment something has to be there, and no `.` or `..`.
        starts_segment: bool,
    },
    /// One of some characters, or the class's own text.
    Class {
        /// The characters.
        class: Class,
        /// `[id]` matches `[id]` too.
        own_text: Option<String>,
    },
    /// `**` with nothing around: anything.
    Globstar,
    /// `**/` at the start: nothing or some directories.
    LeadingGlobstar,
    /// `/**/`: a slash, or directories between two.
    MiddleGlobstar,
    /// `/**` at the end: nothing, or anything below.
    TrailingGlobstar,
    /// `@(a|b)` and its kin.
    Group {
        /// How often.
        kind: GroupKind,
        /// The alternatives.
        branches: Vec<Vec<Node>>,
    },
    /// `!(a|b)`.
    Not {
        /// What may not stand here.
        branches: Vec<Vec<Node>>,
        /// What has to follow it for the refusal to hold.
        follow: Follow,
        /// Whether the text that is accepted may contain slashes.
        crosses: bool,
    },
}

/// A set of characters.
#[derive(Clone, Debug)]
pub struct Class {
    /// All but these. A negated class never contains the slash.
    pub negated: bool,
    /// Both ends belong to a range.
    pub ranges: Vec<(char, char)>,
}

impl Class {
    fn contains(&self, character: char) -> bool {
        let inside = self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&character));
        if self.negated { !inside && character != '/' } else { inside }
    }
}

/// How often a group matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupKind {
    /// `@(...)`
    One,
    /// `?(...)`
    Optional,
    /// `+(...)`
    OneOrMore,
    /// `*(...)`
    Any,
}

/// What follows a refused text.
#[derive(Clone, Debug)]
pub enum Follow {
    /// It is refused wherever it stands.
    Anything,
    /// Only when the path ends with it.
    End,
    /// Only when this follows.
    Pattern(Vec<Node>),
}

/// Does the whole path match?
pub fn is_match(nodes: &[Node], path: &str) -> bool {
    here(nodes, path, 0, &|at| at == path.len())
}

type Continue<'a> = &'a dyn Fn(usize) -> bool;

fn here(nodes: &[Node], path: &str, at: usize, then: Continue<'_>) -> bool {
    let Some((node, rest)) = nodes.split_first() else { return then(at) };
    let next = path[at..].chars().next();
    match node {
        Node::Literal(character) => {
            next == Some(*character) && here(rest, path, at + character.len_utf8(), then)
        }
        Node::AnyCharacter => {
            next.is_some_and(|found| found != '/' && here(rest, path, at + found.len_utf8(), then))
        }
        Node::Star { starts_segment } => {
            let allowed = !starts_segment || (next.is_some() && !segment_is_dots(path, at));
            allowed && span(rest, path, at, false, then)
        }
        Node::Class { class, own_text } => {
            next.is_some_and(|found| class.contains(found) && here(rest, path, at + found.len_utf8(), then))
                || own_text.as_ref().is_some_and(|text| {
                    path[at..].starts_with(text.as_str()) && here(rest, path, at + text.len(), then)
                })
        }
        Node::Globstar => span(rest, path, at, true, then),
        Node::LeadingGlobstar => here(rest, path, at, then) || after_each_slash(rest, path, at, then),
        Node::MiddleGlobstar => {
            next == Some('/')
                && (here(rest, path, at + 1, then) || after_each_slash(rest, path, at + 1, then))
        }
        Node::TrailingGlobstar => {
            (next.is_none() && here(rest, path, at, then))
                || (next == Some('/') && span(rest, path, at + 1, true, then))
        }
        Node::Group { kind, branches } => group(*kind, branches, rest, path, at, then),
        Node::Not { branches, follow, crosses } => {
            let refused = branches.iter().any(|branch| {
                here(branch, path, at, &|end| match follow {
                    Follow::Anything => true,
                    Follow::End => end == path.len(),
                    Follow::Pattern(nodes) => here(nodes, path, end, &|_| true),
                })
            });
            !refused && span(rest, path, at, *crosses, then)
        }
    }
}

/// The rest after any number of characters, which may be slashes when `crosses`. Never into a `.` or `..` segment.
fn span(rest: &[Node], path: &str, at: usize, crosses: bool, then: Continue<'_>) -> bool {
    if rest.is_empty() && crosses && !has_dot_segment(&path[at..]) && then(path.len()) {
        return true;
    }
    let mut end = at;
    loop {
        if here(rest, path, end, then) {
            return true;
        }
        match path[end..].chars().next() {
            Some('/') if !crosses => return false,
            None => return false,
            Some(_) if crosses && segment_is_dots(path, end) => return false,
            Some(character) => end += character.len_utf8(),
        }
    }
}

fn after_each_slash(rest: &[Node], path: &str, at: usize, then: Continue<'_>) -> bool {
    let mut from = at;
    while let Some(slash) = path[from..].find('/') {
        if matches!(&path[from..from + slash], "." | "..") {
            return false;
        }
        from += slash + 1;
        if here(rest, path, from, then) {
            return true;
        }
    }
    false
}

fn has_dot_segment(text: &str) -> bool {
    text.split('/').any(|segment| matches!(segment, "." | ".."))
}

fn segment_is_dots(path: &str, at: usize) -> bool {
    let starts = at == 0 || path.as_bytes()[at - 1] == b'/';
    starts && matches!(path[at..].split('/').next(), Some("." | ".."))
}

fn group(
    kind: GroupKind,
    branches: &[Vec<Node>],
    rest: &[Node],
    path: &str,
    at: usize,
    then: Continue<'_>,
) -> bool {
    let once = |follow: Continue<'_>| branches.iter().any(|branch| here(branch, path, at, follow));
    let after = |end: usize| here(rest, path, end, then);
    match kind {
        GroupKind::One => once(&after),
        GroupKind::Optional => once(&after) || after(at),
        // Each round has to consume something, so that the recursion ends.
        GroupKind::OneOrMore => once(&|end| {
            after(end) || (end > at && group(GroupKind::OneOrMore, branches, rest, path, end, then))
        }),
        GroupKind::Any => {
            after(at) || once(&|end| end > at && group(GroupKind::Any, branches, rest, path, end, then))
        }
    }
}
