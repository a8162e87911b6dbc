//! Which installed packages only development needs: `excludeDevDependencies`.
//!
//! The original runs `npm ls` twice per `package.json`, which takes seconds; the same answer follows from the metadata
//! of the installed packages. Runs no program, reads only the packages that are reachable. Keeps true: a package that any production
//! dependency leads to stays in, and one that nothing leads to stays in too.

use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// What to leave out, as paths relative to the root: directories of packages, links to them, and links in `.bin`.
pub fn development_only(root: &Path) -> HashSet<String> {
    let mut projects = Vec::new();
    find_projects(root, &mut projects, 0);
    let mut graph = Graph::default();
    let (mut kept, mut dropped) = (Packages::new(), Packages::new());
    let has_modules =
        |project: &&PathBuf| project.join("node_modules").is_dir() || has_ancestor_modules(project, root);
    let installed: Vec<&PathBuf> = projects.iter().filter(has_modules).collect();
    for project in &installed {
        graph.walk(project, For::Development, &mut dropped);
    }
    if dropped.is_empty() {
        return HashSet::new();
    }
    for project in &installed {
        graph.walk(project, For::Production, &mut kept);
    }
    // A package of a workspace is the user's own, whoever depends on it.
    let own: HashSet<PathBuf> = projects.iter().filter_map(|project| project.canonicalize().ok()).collect();
    let mut found = HashSet::new();
    for (package, links) in &dropped {
        if !kept.contains_key(package) && !own.contains(package) {
            graph.leave_out(root, package, links, &mut found);
        }
    }
    found
}

/// Directories of packages, each with the paths under which it was found: with pnpm and workspaces those are links.
type Packages = HashMap<PathBuf, HashSet<PathBuf>>;

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

/// What a project needs a package for.
#[derive(Clone, Copy, PartialEq)]
enum For {
    Development,
    Production,
}

/// Where a manifest names what the package needs to run.
const KINDS: [&str; 3] = ["dependencies", "optionalDependencies", "peerDependencies"];

/// The packages that are reachable from one project.
#[derive(Default)]
struct Graph {
    manifests: HashMap<PathBuf, Option<Map<String, Value>>>,
}

impl Graph {
    /// Adds what a project's dependencies lead to.
    fn walk(&mut self, project: &Path, purpose: For, reached: &mut Packages) {
        let Some(manifest) = read_manifest(project) else { return };
        let mut wanted: HashSet<String> = names(&manifest, "devDependencies").into_iter().collect();
        if purpose == For::Production {
            let production = KINDS.iter().flat_map(|kind| names(&manifest, kind));
            wanted = production.filter(|name| !wanted.contains(name)).collect();
        }
        self.reach(project, wanted, reached);
    }

    /// Adds all packages that the names lead to.
    fn reach(&mut self, project: &Path, names_of: HashSet<String>, reached: &mut Packages) {
        let mut open: Vec<(PathBuf, String)> =
            names_of.into_iter().map(|name| (project.to_owned(), name)).collect();
        while let Some((from, name)) = open.pop() {
            let Some((link, package)) = resolve(&from, &name) else { continue };
            let is_known = reached.contains_key(&package);
            reached.entry(package.clone()).or_default().insert(link);
            if is_known {
                continue;
            }
            let Some(manifest) = self.manifest(&package) else { continue };
            for kind in KINDS {
                open.extend(names(manifest, kind).into_iter().map(|name| (package.clone(), name)));
            }
        }
    }

    fn manifest(&mut self, package: &Path) -> Option<&Map<String, Value>> {
        self.manifests.entry(package.to_owned()).or_insert_with(|| read_manifest(package)).as_ref()
    }

    fn leave_out(
        &mut self,
        root: &Path,
        package: &Path,
        links: &HashSet<PathBuf>,
        found: &mut HashSet<String>,
    ) {
        // A package that cannot be read stays in, as in the original.
        let Some(manifest) = self.manifest(package) else { return };
        let programs: Vec<String> = match manifest.get("bin") {
            Some(Value::Object(programs)) => programs.keys().cloned().collect(),
            Some(Value::String(_)) => {
                package.file_name().map(|name| name.to_string_lossy().into_owned()).into_iter().collect()
            }
            _ => Vec::new(),
        };
        for link in links {
            let Some(path) = relative(root, link) else { continue };
            let (folder, _) = path.rsplit_once('/').unwrap_or(("", path));
            found.extend(programs.iter().map(|program| format!("{folder}/.bin/{program}")));
            found.insert(path.to_owned());
        }
        // The package itself, when all of the above are links; pnpm gives it a folder with links to what it depends on.
        let Some(path) = relative(root, package) else { return };
        let store =
            path.find(STORE).and_then(|at| Some(at + STORE.len() + path[at + STORE.len()..].find('/')?));
        found.insert(path[..store.unwrap_or(path.len())].to_owned());
    }
}

/// Where pnpm keeps all packages.
const STORE: &str = "node_modules/.pnpm/";

/// The path of something installed, relative to the root; what is the user's own has none.
fn relative<'p>(root: &Path, path: &'p Path) -> Option<&'p str> {
    let real = || path.strip_prefix(root.canonicalize().ok()?).ok();
    let path = path.strip_prefix(root).ok().or_else(real)?.to_str()?;
    path.contains("node_modules/").then_some(path)
}

/// Node's own resolution: the nearest `node_modules/<name>` on the way up, and what that is when it is a link.
fn resolve(from: &Path, name: &str) -> Option<(PathBuf, PathBuf)> {
    let folders =
        from.ancestors().filter(|folder| folder.file_name().is_none_or(|last| last != "node_modules"));
    folders.map(|folder| folder.join("node_modules").join(name)).find_map(|link| {
        let kind = link.symlink_metadata().ok()?.file_type();
        if kind.is_dir() {
            return Some((link.clone(), link));
        }
        let package = link.canonicalize().ok().filter(|package| kind.is_symlink() && package.is_dir())?;
        Some((link, package))
    })
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
