//! Where a value stands in a file that a variable read.

use super::Place;
use crate::places::Places;
use aloft_diag::SourceMap;
use std::path::Path;

/// The place of a dotted address in a YAML or JSON file; of what it lies in, when it stands nowhere itself. Another file's
/// place is its first line.
pub(super) fn place(directory: &Path, path: &str, address: &str) -> Option<Place> {
    let text = std::fs::read(directory.join(path)).ok()?;
    let text = String::from_utf8_lossy(&text);
    let shown = path.trim_start_matches("./");
    let mut sources = SourceMap::default();
    let source = sources.add(shown, &*text);
    let extension = Path::new(path).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let is_tree = matches!(extension, "yml" | "yaml" | "json" | "tfstate");
    let span = is_tree
        .then(|| aloft_yaml::parse(source, &text).ok())
        .flatten()
        .and_then(|node| Places::new(&node).value(address));
    match span {
        Some(span) => Some(Place::of(&sources, span)),
        None => {
            let text = text.lines().next().unwrap_or_default().trim().to_owned();
            Some(Place { file: shown.to_owned(), line: 1, column: 1, text })
        }
    }
}
