//! Which installed packages only development needs: `excludeDevDependencies`.
//!
//! The original runs `npm ls` twice per `package.json`, which takes seconds; the same answer follows from the metadata
//! of the installed packages. Runs no program, reads only the packages that are reachable. Keeps true: a package that any production
//! dependency leads to stays in, and one that nothing leads to stays in too.

use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// What to leave out, as paths relative to the root: directories of packages and links in `.bin`.
pub fn development_only(root: &Path) -> HashSet<String> {
    let mut found = HashSet::new();
    let mut projects = Vec::new();
    find_projects(root, &mut projects, 0);
    for project in projects {
        if project.join("node_modules").is_dir() || has_ancestor_modules(&project, root) {
            Graph::default().exclude(root, &project, &mut found);
        }
    }
    found
}

fn has_ancestor_modules(project: &Path, root: &Path) -> bool {
    project != root && root.join("node_modules").is_dir()
}

/// Directories that hold a `package.json`, outside of `node_modules`.
fn find_projects(directory: &Path, projects: &mut Vec<PathBuf>, depth: usize) {
    // Deeper than any sane project, and an end for links in a circle.
    if depth > 32 {
        return;
    }
    if directory.join("package.json").is_file() {
        projects.push(directory.to_owned());
    }
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let skipped = name.to_str().is_some_and(|name| name.contains("node_modules") || name == ".git");
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !skipped && is_directory {
            find_projects(&entry.path(), projects, depth + 1);
        }
    }
}

/// The packages that are reachable from one project.
#[derive(Default)]
struct Graph {
    manifests: HashMap<PathBuf, Option<Map<String, Value>>>,
}

impl Graph {
    fn exclude(&mut self, root: &Path, project: &Path, found: &mut HashSet<String>) {
        let Some(manifest) = read_manifest(project) else { return };
        let development = names(&manifest, "devDependencies");
        if development.is_empty() {
            return;
        }
        let mut production: HashSet<String> = HashSet::new();
        for kind in ["dependencies", "optionalDependencies", "peerDependencies"] {
            production.extend(names(&manifest, kind));
        }
        for name in &development {
            production.remove(name);
        }
        let kept = self.reach(project, production);
        let dropped = self.reach(project, development.into_iter().collect());
        for package in dropped.difference(&kept) {
            self.leave_out(root, package, found);
        }
    }

    /// The directories of all packages that the names lead to.
    fn reach(&mut self, project: &Path, names_of: HashSet<String>) -> HashSet<PathBuf> {
        let mut reached = HashSet::new();
        let mut open: Vec<(PathBuf, String)> =
            names_of.into_iter().map(|name| (project.to_owned(), name)).collect();
        while let Some((from, name)) = open.pop() {
            let Some(package) = resolve(&from, &name) else { continue };
            if !reached.insert(package.clone()) {
                continue;
            }
            let Some(manifest) = self.manifest(&package) else { continue };
            for kind in ["dependencies", "optionalDependencies", "peerDependencies"] {
                open.extend(names(manifest, kind).into_iter().map(|name| (package.clone(), name)));
            }
        }
        reached
    }

    fn manifest(&mut self, package: &Path) -> Option<&Map<String, Value>> {
        self.manifests.entry(package.to_owned()).or_insert_with(|| read_manifest(package)).as_ref()
    }

    fn leave_out(&mut self, root: &Path, package: &Path, found: &mut HashSet<String>) {
        let Some(path) = package.strip_prefix(root).ok().and_then(Path::to_str) else { return };
        // A package that cannot be read stays in, as in the original.
        let Some(manifest) = self.manifest(package) else { return };
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        match manifest.get("bin") {
            Some(Value::Object(programs)) => {
                found.extend(programs.keys().map(|program| format!("{folder}/.bin/{program}")));
            }
            Some(Value::String(_)) => {
                found.insert(format!("{folder}/.bin/{name}"));
            }
            _ => {}
        }
        found.insert(path.to_owned());
    }
}

/// Node's own resolution: the nearest `node_modules/<name>` on the way up.
fn resolve(from: &Path, name: &str) -> Option<PathBuf> {
    from.ancestors()
        .filter(|folder| folder.file_name().is_none_or(|last| last != "node_modules"))
        .map(|folder| folder.join("node_modules").join(name))
        .find(|package| package.is_dir())
        .map(|package| if package.is_symlink() { package.canonicalize().unwrap_or(package) } else { package })
}

fn read_manifest(package: &Path) -> Option<Map<String, Value>> {
    let text = std::fs::read(package.join("package.json")).ok()?;
    match serde_json::from_slice(&text) {
        Ok(Value::Object(manifest)) => Some(manifest),
        _ => None,
    }
}

fn names(manifest: &Map<String, Value>, kind: &str) -> Vec<String> {
    manifest.get(kind).and_then(Value::as_object).map(|map| map.keys().cloned().collect()).unwrap_or_default()
}
