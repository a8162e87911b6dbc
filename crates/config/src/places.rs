//! Where values and keys stand in the configuration file.

use crate::Spans;
use aloft_diag::Span;
use aloft_yaml::{Entry, Kind, Node};
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

/// Places by dotted path. Of a list or a map the key that names it is its place: the whole would be many lines.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Of values.
    pub values: Spans,
    /// Of keys.
    keys: HashMap<Arc<str>, Span>,
}

impl Places {
    pub fn new(node: &Node) -> Self {
        let mut places = Self::default();
        places.add(node, &mut String::new());
        places
    }

    fn add(&mut self, node: &Node, path: &mut String) {
        let length = path.len();
        let separator = if path.is_empty() { "" } else { "." };
        match &node.kind {
            Kind::Scalar(_) => {}
            Kind::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    // Writing to a text does not fail.
                    let _ = write!(path, "{separator}{index}");
                    self.values.0.insert(path.as_str().into(), item.span);
                    self.add(item, path);
                    path.truncate(length);
                }
            }
            Kind::Mapping(entries) => {
                for Entry { key, key_span, value } in entries {
                    path.push_str(separator);
                    path.push_str(key);
                    let is_visible =
                        matches!(value.kind, Kind::Scalar(_)) && value.span.end > value.span.start;
                    let shared: Arc<str> = path.as_str().into();
                    self.keys.insert(shared.clone(), *key_span);
                    self.values.0.insert(shared, if is_visible { value.span } else { *key_span });
                    self.add(value, path);
                    path.truncate(length);
                }
            }
        }
    }

    /// The place of a value, or of what it lies in.
    pub fn value(&self, path: &str) -> Option<Span> {
        self.values.nearest(path)
    }

    /// The place of a key of the value at a path.
    pub fn key(&self, path: &str, key: &str) -> Option<Span> {
        let full = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        self.keys.get(full.as_str()).copied().or_else(|| self.values.nearest(&full))
    }

    /// Forgets the numbers of a list whose items were merged into one map.
    pub fn flatten(&mut self, section: &str) {
        let shorten = |path: &str| {
            let rest = path.strip_prefix(section)?.strip_prefix('.')?;
            let (index, rest) = rest.split_once('.')?;
            index.parse::<usize>().ok().map(|_| format!("{section}.{rest}").into())
        };
        for map in [&mut self.values.0, &mut self.keys] {
            let moved: Vec<(Arc<str>, Span)> =
                map.iter().filter_map(|(path, span)| Some((shorten(path)?, *span))).collect();
            map.extend(moved);
        }
    }
}
