//! The texts that spans point into.

use std::path::{Path, PathBuf};

/// One text of a [`SourceMap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub u32);

/// A range of bytes in one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The text.
    pub source: SourceId,
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// All the texts of a run: the configuration and every file it reads.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    sources: Vec<(PathBuf, String)>,
}

impl SourceMap {
    /// Adds a text under the path that users shall see.
    pub fn add(&mut self, path: impl Into<PathBuf>, text: impl Into<String>) -> SourceId {
        self.sources.push((path.into(), text.into()));
        SourceId(u32::try_from(self.sources.len() - 1).unwrap_or(u32::MAX))
    }

    /// The path of a text.
    pub fn path(&self, id: SourceId) -> &Path {
        &self.sources[id.0 as usize].0
    }

    /// The text.
    pub fn text(&self, id: SourceId) -> &str {
        &self.sources[id.0 as usize].1
    }

    /// Line and column of a byte, both from 1; the column counts characters.
    pub fn line_column(&self, id: SourceId, offset: usize) -> (usize, usize) {
        let before = self.text(id).get(..offset).unwrap_or_else(|| self.text(id));
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}
