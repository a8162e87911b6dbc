//! Which files a package consists of.
//!
//! The original lists the files with one library and filters them with another; both rules hold here in one walk:
//! a directory that a pattern such as `!node_modules` names is not entered until a later pattern asks for it.
//! Keeps true: patterns apply in order, the last that matches a file decides.

use crate::Glob;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// What to choose by.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Patterns to leave out, applied first; one that begins with `!` takes back in.
    pub exclude: Vec<String>,
    /// Patterns to take in, applied next; one that begins with `!` leaves out.
    pub include: Vec<String>,
    /// Directories of development dependencies and links to their programs, relative; left out whatever the patterns say.
    pub development: HashSet<String>,
}

/// One pattern of the original's list, in its order.
struct Rule {
    glob: Glob,
    takes_in: bool,
    /// Only patterns of `include` direct the walk.
    directs_walk: bool,
    /// A pattern that names a directory itself and so keeps the walk out of it.
    names_directory: bool,
    /// The directory that the pattern begins in. The original walks from there, so what is said of it or of a directory above
    /// does not keep this pattern out.
    base: String,
}

/// The chosen files relative to `root`, written with `/`, sorted. Empty when nothing matches.
pub fn select(root: &Path, selection: &Selection) -> Vec<String> {
    let rules: Vec<Rule> = selection
        .exclude
        .iter()
        .map(|pattern| rule(pattern, false))
        .chain(selection.include.iter().map(|pattern| rule(pattern, true)))
        .collect();
    let mut walk =
        Walk { rules: &rules, development: &selection.development, files: Vec::new(), ancestors: Vec::new() };
    walk.begin(root, "");
    for base in outside(selection) {
        let path = root.join(&base);
        walk.begin(&path, &base);
        if path.is_file() {
            walk.file(base, &[]);
        }
    }
    walk.files.sort();
    walk.files.dedup();
    walk.files
}

fn rule(pattern: &str, include: bool) -> Rule {
    let (bare, negative) = match pattern.strip_prefix('!') {
        Some(rest) => (rest, true),
        None => (pattern, false),
    };
    let takes_in = include != negative;
    let last = bare.trim_end_matches('/').rsplit('/').next().unwrap_or(bare);
    Rule {
        glob: Glob::new(bare),
        takes_in,
        directs_walk: include,
        names_directory: include && negative && !is_dynamic(last),
        base: base(bare),
    }
}

fn base(pattern: &str) -> String {
    let segments: Vec<&str> = pattern.split('/').collect();
    let fixed = segments.iter().take_while(|segment| !is_dynamic(segment)).count().min(segments.len() - 1);
    segments[..fixed].join("/")
}

fn is_dynamic(text: &str) -> bool {
    text.starts_with('!')
        || text.contains(['*', '?', '[', '\\', '('])
        || (text.contains('{') && text.contains([',', '.']))
}

/// The directories above or beside the root that `include` patterns begin in.
fn outside(selection: &Selection) -> Vec<String> {
    let mut bases: Vec<String> = selection
        .include
        .iter()
        .filter(|pattern| pattern.starts_with("..") || pattern.starts_with('/'))
        .map(|pattern| {
            let fixed: Vec<&str> = pattern.split('/').take_while(|segment| !is_dynamic(segment)).collect();
            fixed.join("/")
        })
        .collect();
    bases.sort();
    bases.dedup();
    bases
}

/// A rule that keeps the walk out of a directory.
#[derive(Clone, Copy)]
struct Block {
    place: usize,
    /// How long the directory's path is.
    depth: usize,
}

impl Block {
    /// Whether the block holds for a pattern at that place that begins in that directory.
    fn holds(self, place: usize, base: &str) -> bool {
        self.place > place && self.depth > base.len()
    }
}

struct Walk<'a> {
    rules: &'a [Rule],
    development: &'a HashSet<String>,
    files: Vec<String>,
    /// The real paths of the directories being walked, so that a link to one of them ends.
    ancestors: Vec<PathBuf>,
}

impl Walk<'_> {
    fn begin(&mut self, path: &Path, relative: &str) {
        if let Ok(real) = path.canonicalize() {
            self.directory(path, real, relative, &[]);
        }
    }

    fn directory(&mut self, path: &Path, real: PathBuf, relative: &str, blocks: &[Block]) {
        if self.ancestors.contains(&real) {
            return;
        }
        let Ok(entries) = std::fs::read_dir(path) else { return };
        self.ancestors.push(real.clone());
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let child = if relative.is_empty() { name.clone() } else { format!("{relative}/{name}") };
            let Ok(kind) = entry.file_type() else { continue };
            // Links are followed; one that leads nowhere is left out.
            let (is_directory, is_file) = if kind.is_symlink() {
                match std::fs::metadata(entry.path()) {
                    Ok(target) => (target.is_dir(), target.is_file()),
                    Err(_) => continue,
                }
            } else {
                (kind.is_dir(), kind.is_file())
            };
            if self.development.contains(&child) {
                continue;
            }
            if is_directory {
                let Some(blocks) = self.enters(&child, blocks) else { continue };
                let path = entry.path();
                // To ask the system for the real path of each would take as long as all the rest.
                let real = if kind.is_symlink() { path.canonicalize() } else { Ok(real.join(name)) };
                if let Ok(real) = real {
                    self.directory(&path, real, &child, &blocks);
                }
            } else if is_file {
                self.file(child, blocks);
            }
        }
        self.ancestors.pop();
    }

    /// What keeps the walk out from the directory on; nothing when nothing below it can be chosen.
    fn enters(&self, directory: &str, blocks: &[Block]) -> Option<Vec<Block>> {
        let mut blocks = blocks.to_vec();
        let mut covered = None;
        for (place, rule) in self.rules.iter().enumerate().filter(|(_, rule)| !rule.takes_in) {
            if rule.names_directory && rule.glob.is_match(directory) {
                blocks.push(Block { place, depth: directory.len() });
            } else if rule.glob.covers(directory) {
                covered = Some(place);
            }
        }
        let reaching = || {
            self.rules
                .iter()
                .enumerate()
                .filter(|(_, rule)| rule.takes_in && rule.glob.reaches_into(directory))
        };
        let is_open = |place: usize, rule: &Rule| {
            rule.directs_walk && !blocks.iter().any(|block| block.holds(place, &rule.base))
        };
        let listed = blocks.is_empty() || reaching().any(|(place, rule)| is_open(place, rule));
        let chosen = covered.is_none_or(|covered| reaching().any(|(place, _)| place > covered));
        (listed && chosen).then_some(blocks)
    }

    fn file(&mut self, path: String, blocks: &[Block]) {
        let mut chosen = true;
        let mut listed = blocks.is_empty() && !path.starts_with("..") && !path.starts_with('/');
        for (place, rule) in self.rules.iter().enumerate() {
            if rule.glob.is_match(&path) {
                chosen = rule.takes_in;
                listed |= rule.directs_walk
                    && rule.takes_in
                    && !blocks.iter().any(|block| block.holds(place, &rule.base));
            }
        }
        if chosen && listed {
            self.files.push(path);
        }
    }
}
