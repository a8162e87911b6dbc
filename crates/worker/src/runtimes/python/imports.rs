//! The files of a function that its handler imports, found by reading, not by running.
//!
//! It reads `import` and `from` statements line by line, which finds what nearly everybody writes and no more: not what is
//! imported by a computed name, nor by a changed search path. Keeps true: only files of the function's own directory are
//! read, and only so many, however they import each other; of Lambda's SDK, where a function brings its own, none is.

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// How many files are read at most.
const FILES: usize = 32;
/// How much of a file is read at most, and of all together, in bytes.
const FILE_BYTES: u64 = 1024 * 1024;
const ALL_BYTES: u64 = 4 * FILE_BYTES;
/// How many modules are looked for at most. Most that a file imports are none of the function's.
const MODULES: usize = 512;
/// How many lines the names of one statement may take.
const LINES: usize = 200;
/// What nobody writes for one function.
const SDK: [&str; 3] = ["boto3", "botocore", "s3transfer"];

/// The text of a module and of those that it imports, the nearest first.
pub(super) fn texts(root: &Path, module: &str) -> Vec<String> {
    let Ok(root) = root.canonicalize() else { return Vec::new() };
    let module = module.replace('/', ".");
    let (mut queue, mut known) = (VecDeque::from([module.clone()]), HashSet::from([module]));
    let (mut texts, mut files, mut left) = (Vec::new(), HashSet::new(), ALL_BYTES);
    while let Some(module) = queue.pop_front() {
        let Some((file, is_package)) = find(&root, &module).filter(|it| files.insert(it.0.clone())) else {
            continue;
        };
        let mut bytes = Vec::new();
        let read = fs::File::open(file).and_then(|it| it.take(left.min(FILE_BYTES)).read_to_end(&mut bytes));
        if read.is_err() {
            continue;
        }
        left -= bytes.len() as u64;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let package = if is_package { &module } else { module.rsplit_once('.').map_or("", |it| it.0) };
        for imported in imported(&text, package) {
            if known.len() < MODULES && known.insert(imported.clone()) {
                queue.push_back(imported);
            }
        }
        texts.push(text);
        if texts.len() == FILES || left == 0 {
            break;
        }
    }
    texts
}

/// A module's file, and whether it is a package's.
fn find(root: &Path, module: &str) -> Option<(PathBuf, bool)> {
    if module.split('.').any(str::is_empty) || SDK.contains(&module.split('.').next()?) {
        return None;
    }
    let path = root.join(module.replace('.', "/"));
    let mut name = path.file_name()?.to_owned();
    name.push(".py");
    let found = |file: PathBuf, is_package| {
        // A link may lead anywhere.
        let file = file.canonicalize().ok().filter(|it| it.starts_with(root) && it.is_file())?;
        Some((file, is_package))
    };
    found(path.join("__init__.py"), true).or_else(|| found(path.with_file_name(name), false))
}

/// The modules that a text in `package` seems to import, those above them included: `a`, `a.b`.
fn imported(text: &str, package: &str) -> Vec<String> {
    let mut modules = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim_start();
        if let Some(names) = line.strip_prefix("import ") {
            names_of(names).for_each(|name| add(&mut modules, "", name));
        } else if let Some((module, names)) =
            line.strip_prefix("from ").and_then(|it| it.split_once(" import"))
        {
            let mut names = uncommented(names).trim().to_owned();
            for _ in 0..LINES {
                let goes_on = names.ends_with('\\') || names.starts_with('(') && !names.contains(')');
                let Some(line) = goes_on.then(|| lines.next()).flatten() else { break };
                names = format!("{} {}", names.trim_end_matches('\\'), uncommented(line).trim_end());
            }
            if let Some(module) = absolute(module.trim(), package) {
                add(&mut modules, "", &module);
                names_of(&names).for_each(|name| add(&mut modules, &module, name));
            }
        }
    }
    modules
}

fn uncommented(line: &str) -> &str {
    line.split('#').next().unwrap_or_default()
}

/// `a.b` of `a.b as c, d`.
fn names_of(names: &str) -> impl Iterator<Item = &str> {
    uncommented(names)
        .split(',')
        .filter_map(|it| it.trim_matches([' ', '\t', '(', ')', ';']).split(' ').next())
}

/// The name from the root on: `..a` in `b.c` is `b.a`.
fn absolute(module: &str, package: &str) -> Option<String> {
    let rest = module.trim_start_matches('.');
    let level = module.len() - rest.len();
    if level == 0 {
        return Some(rest.to_owned());
    }
    let parts: Vec<&str> = package.split('.').filter(|it| !it.is_empty()).collect();
    let kept = (parts.len() + 1).checked_sub(level)?;
    Some(
        parts[..kept].iter().copied().chain((!rest.is_empty()).then_some(rest)).collect::<Vec<_>>().join("."),
    )
}

/// Adds a module below another one, and all that are above it.
fn add(modules: &mut Vec<String>, above: &str, name: &str) {
    let is_name = |it: &str| !it.is_empty() && it.chars().all(|it| it.is_alphanumeric() || it == '_');
    let mut whole = above.to_owned();
    for part in name.split('.').take_while(|it| is_name(it)) {
        if !whole.is_empty() {
            whole.push('.');
        }
        whole += part;
        modules.push(whole.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Scratch;
    use std::os::unix::fs::symlink;

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().expect("below the root")).expect("a directory");
            fs::write(path, text).expect("a file");
        }
    }

    #[test]
    fn statements_are_read() {
        let check = |text: &str, package: &str, expected: &[&str]| {
            assert_eq!(imported(text, package), expected, "{text}");
        };
        check("import os, a.b as c  # and d", "", &["os", "a", "a.b"]);
        check("    from a import b as c, d;", "p", &["a", "a.b", "a.d"]);
        check("from . import z", "p.q", &["p", "p.q", "p.q.z"]);
        check("from . import z", "", &["z"]);
        check("from .a import *\nfrom ..b import c", "p.q", &["p", "p.q", "p.q.a", "p", "p.b", "p.b.c"]);
        check("from ... import c", "p", &[]);
        check("from a import (\n    b,  # the first\n    c,\n)\nimport d", "", &["a", "a.b", "a.c", "d"]);
        check("from a import b, \\\n  c\nimport d", "", &["a", "a.b", "a.c", "d"]);
        check("from a import (", "", &["a"]);
        check("important = 1\nfrom ../x import y\nimport /etc", "", &[]);
    }

    #[test]
    fn only_what_is_imported_and_the_functions_own_is_read() {
        let (scratch, elsewhere) = (Scratch::new(), Scratch::new());
        let root = scratch.path();
        write(elsewhere.path(), &[("secret.py", "secret")]);
        write(
            root,
            &[
                ("src/app.py", "import shop.orders, linked, json\nfrom . import near\nimport boto3"),
                ("src/near.py", "from .app import handler"),
                ("shop/__init__.py", "from ..above import x"),
                ("shop/orders.py", "from .clients import table"),
                ("shop/clients/__init__.py", "from . import again"),
                ("shop/unused.py", ""),
                ("boto3/__init__.py", "import shop.unused"),
            ],
        );
        symlink(elsewhere.path().join("secret.py"), root.join("linked.py")).expect("a link");
        // `shop.clients.again` is `shop.clients`.
        symlink(root.join("shop/clients"), root.join("shop/clients/again")).expect("a link");
        let expected =
            ["src/app.py", "shop/__init__.py", "shop/orders.py", "src/near.py", "shop/clients/__init__.py"];
        let expected = expected.map(|it| fs::read_to_string(root.join(it)).expect("a file"));
        for handler in ["src/app", "src.app"] {
            assert_eq!(texts(root, handler), expected);
        }
        for absent in ["", "none", "../app", "./src/app", "/etc/app", "linked"] {
            assert_eq!(texts(root, absent), Vec::<String>::new(), "{absent}");
        }
    }

    /// Many files, large files, and more imports than anybody reads.
    #[test]
    fn as_much_is_read_as_there_may_be() {
        let scratch = Scratch::new();
        let imports: String = (0..2000).map(|it| format!("import m{it}, n{it}\n")).collect();
        write(scratch.path(), &[("app.py", &imports)]);
        for number in 0..100 {
            write(scratch.path(), &[(&format!("m{number}.py"), "x = 1")]);
        }
        assert_eq!(texts(scratch.path(), "app").len(), FILES);
        let large = format!("{imports}{}", " ".repeat(3 * FILE_BYTES as usize / 2));
        for name in ["app.py", "m0.py", "m1.py", "m2.py", "m3.py"] {
            write(scratch.path(), &[(name, &large)]);
        }
        let lengths: Vec<u64> = texts(scratch.path(), "app").iter().map(|it| it.len() as u64).collect();
        assert_eq!(lengths, [FILE_BYTES; 4]);
    }
}
