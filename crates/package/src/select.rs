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
    walk.directory(root, "", &Blocked(None));
    for base in outside(selection) {
        walk.directory(&root.join(&base), &base, &Blocked(None));
        if root.join(&base).is_file() {
            walk.file(base, &Blocked(None));
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
    }
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

/// The place among the rules of the last that keeps the walk out of a directory.
#[derive(Clone, Copy)]
struct Blocked(Option<usize>);

struct Walk<'a> {
    rules: &'a [Rule],
    development: &'a HashSet<String>,
    files: Vec<String>,
    /// The real paths of the directories being walked, so that a link to one of them ends.
    ancestors: Vec<PathBuf>,
}

impl Walk<'_> {
    fn directory(&mut self, path: &Path, relative: &str, blocked: &Blocked) {
        let Ok(real) = path.canonicalize() else { return };
        if self.ancestors.contains(&real) {
            return;
        }
        let Ok(entries) = std::fs::read_dir(path) else { return };
        self.ancestors.push(real);
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let child = if relative.is_empty() { name } else { format!("{relative}/{name}") };
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
                if let Some(blocked) = self.enters(&child, blocked) {
                    self.directory(&entry.path(), &child, &blocked);
                }
            } else if is_file {
                self.file(child, blocked);
            }
        }
        self.ancestors.pop();
    }

    /// Whether anything below the directory can be chosen, and what keeps the walk out from there on.
    fn enters(&self, directory: &str, blocked: &Blocked) -> Option<Blocked> {
        let mut blocked = blocked.0;
        let mut shut = blocked;
        for (place, rule) in self.rules.iter().enumerate() {
            if rule.takes_in {
                continue;
            }
            if rule.names_directory && rule.glob.is_match(directory) {
                blocked = blocked.max(Some(place));
                shut = shut.max(Some(place));
            } else if rule.glob.covers(directory) {
                shut = shut.max(Some(place));
            }
        }
        if let Some(place) = shut {
            let later = &self.rules[place + 1..];
            if !later.iter().any(|rule| rule.takes_in && rule.glob.reaches_into(directory)) {
                return None;
            }
        }
        Some(Blocked(blocked))
    }

    fn file(&mut self, path: String, blocked: &Blocked) {
        let mut chosen = true;
        let mut listed = blocked.0.is_none() && !path.starts_with("..") && !path.starts_with('/');
        for (place, rule) in self.rules.iter().enumerate() {
            if rule.glob.is_match(&path) {
                chosen = rule.takes_in;
                if rule.directs_walk && rule.takes_in && blocked.0.is_none_or(|block| place > block) {
                    listed = true;
                }
            }
        }
        if chosen && listed {
            self.files.push(path);
        }
    }
}
