//! From text to a tree, by saphyr's events.
//!
//! Keeps true: nesting, size and what aliases expand to are bounded; duplicate keys and unknown tags are errors.

use crate::tags::Tag;
use crate::{Entry, Kind, Node, scalar};
use aloft_diag::{Diagnostic, SourceId, Span};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Bytes of text.
const MAX_TEXT: usize = 10 * 1024 * 1024;
/// Lists and maps within each other.
const MAX_DEPTH: usize = 100;
/// Values after aliases are expanded.
const MAX_NODES: usize = 250_000;
/// Every error of this crate.
const CODE: &str = "CONFIGURATION_PARSE_ERROR";

/// Reads one document. An empty text is null.
///
/// # Errors
/// `CONFIGURATION_PARSE_ERROR` with the place, for whatever is not YAML, and for what goes beyond the bounds.
pub fn parse(source: SourceId, text: &str) -> Result<Node, Diagnostic> {
    if text.len() > MAX_TEXT {
        return Err(Diagnostic::error(CODE, format!("the file is larger than {} MiB", MAX_TEXT >> 20)));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let offsets = Offsets::new(source, text);
    let mut builder = Builder { offsets, stack: Vec::new(), anchors: HashMap::new(), nodes: 0, root: None };
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| builder.offsets.scan_error(&error))?;
        let span = builder.offsets.span(span);
        match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    let message = "expected a single document in the stream, but found more";
                    return Err(Diagnostic::error(CODE, message).at(span, ""));
                }
            }
            event => builder
                .event(event, span)
                .map_err(|(message, span)| Diagnostic::error(CODE, message).at(span, ""))?,
        }
    }
    let empty = Node { span: Span { source, start: 0, end: 0 }, kind: Kind::Scalar(Value::Null) };
    Ok(builder.root.unwrap_or(empty))
}

/// saphyr counts characters, spans count bytes.
struct Offsets {
    source: SourceId,
    /// The byte of each character, when the text is not ASCII.
    bytes: Option<Vec<usize>>,
    length: usize,
}

impl Offsets {
    fn new(source: SourceId, text: &str) -> Self {
        let bytes = (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).collect());
        Self { source, bytes, length: text.len() }
    }

    fn byte(&self, character: usize) -> usize {
        match &self.bytes {
            Some(bytes) => bytes.get(character).copied().unwrap_or(self.length),
            None => character.min(self.length),
        }
    }

    fn span(&self, span: saphyr_parser::Span) -> Span {
        let start = self.byte(span.start.index());
        Span { source: self.source, start, end: self.byte(span.end.index()).max(start) }
    }

    fn scan_error(&self, error: &ScanError) -> Diagnostic {
        let start = self.byte(error.marker().index());
        let found =
            Diagnostic::error(CODE, error.info()).at(Span { source: self.source, start, end: start + 1 }, "");
        match error.info() {
            info if info.contains("tabs disallowed") => found.help("indent with spaces"),
            info if info.contains("flow mapping") || info.contains("flow sequence") => {
                found.help("between braces and brackets, put quotes around texts such as '${...}' and '{id}'")
            }
            _ => found,
        }
    }
}

type Failure = (String, Span);

/// A list or map that is still open.
struct Frame {
    anchor: usize,
    tag: Option<Tag>,
    span: Span,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<Entry>,
        seen: HashMap<String, usize>,
        overridable: HashSet<String>,
        key: Option<Key>,
    },
}

struct Key {
    text: String,
    span: Span,
    is_merge: bool,
}

struct Builder {
    offsets: Offsets,
    stack: Vec<Frame>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    root: Option<Node>,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Failure> {
        let tag_of = |tag: Option<std::borrow::Cow<'_, saphyr_parser::Tag>>| {
            tag.map(|tag| Tag::new(&tag.handle, &tag.suffix)).transpose().map_err(|message| (message, span))
        };
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_plain = style == ScalarStyle::Plain;
                let node = match tag_of(tag)? {
                    Some(tag) => {
                        tag.apply_to_scalar(&text, is_plain, span).map_err(|message| (message, span))?
                    }
                    None if is_plain => Node { span, kind: Kind::Scalar(scalar::resolve(&text)) },
                    None => Node { span, kind: Kind::Scalar(Value::String(text.clone().into_owned())) },
                };
                self.complete(node, anchor, (is_plain && text == "<<").then_some(()), 1)
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor) else {
                    return Err((
                        "an alias cannot stand within the value that it refers to".to_owned(),
                        span,
                    ));
                };
                // Errors within the copy point at the alias: that is what the reader can change.
                let (node, size) = (node.clone(), *size);
                self.complete(node, 0, None, size)
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(anchor, tag_of(tag)?, span, Content::Sequence(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                let (seen, overridable) = (HashMap::new(), HashSet::new());
                self.open(
                    anchor,
                    tag_of(tag)?,
                    span,
                    Content::Mapping { entries: Vec::new(), seen, overridable, key: None },
                )
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            _ => Ok(()),
        }
    }

    fn open(&mut self, anchor: usize, tag: Option<Tag>, span: Span, content: Content) -> Result<(), Failure> {
        if self.stack.len() >= MAX_DEPTH {
            return Err((format!("nested deeper than {MAX_DEPTH} levels"), span));
        }
        self.stack.push(Frame { anchor, tag, span, content });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Failure> {
        let Some(Frame { anchor, tag, mut span, content }) = self.stack.pop() else { return Ok(()) };
        let kind = match content {
            Content::Sequence(items) => {
                span.end = items.last().map_or(span.end, |item| item.span.end.max(span.start));
                Kind::Sequence(items)
            }
            Content::Mapping { entries, .. } => {
                span.end = entries.last().map_or(span.end, |entry| entry.value.span.end.max(span.start));
                Kind::Mapping(entries)
            }
        };
        let node = Node { span, kind };
        let node = match tag {
            Some(tag) => tag.apply_to_collection(node).map_err(|message| (message, span))?,
            None => node,
        };
        let size = if anchor > 0 { count(&node) } else { 1 };
        // Its children were counted when they came.
        self.nodes = self.nodes.saturating_sub(size - 1);
        self.complete(node, anchor, None, size)
    }

    /// A value stands: it is a key, an entry, an item or the whole.
    fn complete(&mut self, node: Node, anchor: usize, merge: Option<()>, size: usize) -> Result<(), Failure> {
        self.nodes += size;
        if self.nodes > MAX_NODES {
            return Err((format!("aliases expand to more than {MAX_NODES} values"), node.span));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.stack.last_mut().map(|frame| &mut frame.content) {
            None => self.root = Some(node),
            Some(Content::Sequence(items)) => items.push(node),
            Some(Content::Mapping { entries, seen, overridable, key }) => match key.take() {
                None => {
                    *key = Some(Key { text: key_text(&node)?, span: node.span, is_merge: merge.is_some() })
                }
                Some(name) if name.is_merge => merge_into(entries, seen, overridable, node)?,
                Some(Key { text, span, .. }) => match seen.get(&text) {
                    Some(at) if overridable.remove(&text) => {
                        entries[*at] = Entry { key: text, key_span: span, value: node }
                    }
                    Some(_) => return Err(("duplicated mapping key".to_owned(), span)),
                    None => {
                        seen.insert(text.clone(), entries.len());
                        entries.push(Entry { key: text, key_span: span, value: node });
                    }
                },
            },
        }
        Ok(())
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.kind {
        Kind::Scalar(_) => 0,
        Kind::Sequence(items) => items.iter().map(count).sum(),
        Kind::Mapping(entries) => entries.iter().map(|entry| 1 + count(&entry.value)).sum::<usize>(),
    }
}

/// `<<: map` and `<<: [map, map]`: the first that names a key wins, and what is written in the map itself wins over all.
fn merge_into(
    entries: &mut Vec<Entry>,
    seen: &mut HashMap<String, usize>,
    overridable: &mut HashSet<String>,
    node: Node,
) -> Result<(), Failure> {
    let sources = match node.kind {
        Kind::Sequence(items) => items,
        kind => vec![Node { span: node.span, kind }],
    };
    for source in sources {
        let Kind::Mapping(merged) = source.kind else {
            return Err((
                "cannot merge mappings; the provided source object is unacceptable".to_owned(),
                source.span,
            ));
        };
        for entry in merged {
            if !seen.contains_key(&entry.key) {
                seen.insert(entry.key.clone(), entries.len());
                overridable.insert(entry.key.clone());
                entries.push(entry);
            }
        }
    }
    Ok(())
}

/// Keys are text; numbers and booleans are written as JavaScript would.
fn key_text(node: &Node) -> Result<String, Failure> {
    match &node.kind {
        Kind::Scalar(Value::Null) if node.span.start == node.span.end => {
            Err(("a key is missing here".to_owned(), node.span))
        }
        Kind::Scalar(Value::String(text)) => Ok(text.clone()),
        Kind::Scalar(Value::Number(number)) => Ok(crate::number_text(number)),
        Kind::Scalar(value) => Ok(value.to_string()),
        _ => Err(("a key must be a scalar, not a list or a map".to_owned(), node.span)),
    }
}
