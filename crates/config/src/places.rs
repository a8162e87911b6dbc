//! Where values and keys stand in the configuration file.

use crate::Spans;
use aloft_diag::Span;
use aloft_yaml::{Kind, Node};
use std::collections::HashMap;

/// Places by dotted path. Of a list or a map the key that names it is its place: the whole would be many lines.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Of values.
    pub values: Spans,
    /// Of keys.
    keys: HashMap<String, Span>,
}

impl Places {
    pub fn new(node: &Node) -> Self {
        let mut places = Self::default();
        places.add(node, "");
        places
    }

    fn add(&mut self, node: &Node, path: &str) {
        let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        let is_scalar = |node: &Node| matches!(node.kind, Kind::Scalar(_));
        match &node.kind {
            Kind::Scalar(_) => {}
            Kind::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    let path = below(&index.to_string());
                    self.values.0.insert(path.clone(), item.span);
                    self.add(item, &path);
                }
            }
            Kind::Mapping(entries) => {
                for entry in entries {
                    let path = below(&entry.key);
                    let is_visible = is_scalar(&entry.value) && entry.value.span.end > entry.value.span.start;
                    self.values
                        .0
                        .insert(path.clone(), if is_visible { entry.value.span } else { entry.key_span });
                    self.keys.insert(path.clone(), entry.key_span);
                    self.add(&entry.value, &path);
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
        self.keys.get(&full).copied().or_else(|| self.values.nearest(&full))
    }

    /// Forgets the numbers of a list whose items were merged into one map.
    pub fn flatten(&mut self, section: &str) {
        let shorten = |path: &String| {
            let rest = path.strip_prefix(section)?.strip_prefix('.')?;
            let (index, rest) = rest.split_once('.')?;
            index.parse::<usize>().ok().map(|_| format!("{section}.{rest}"))
        };
        for map in [&mut self.values.0, &mut self.keys] {
            let moved: Vec<(String, Span)> =
                map.iter().filter_map(|(path, span)| Some((shorten(path)?, *span))).collect();
            map.extend(moved);
        }
    }
}
