//! Temporary directories with a service in them.

use crate::places::workspace;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A directory that is removed when dropped.
pub struct Project {
    directory: TempDir,
}

impl Project {
    /// A project of these files: path and content each.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let project = Self { directory: temporary("aloft-project-") };
        for (path, content) in files {
            project.write(path, content);
        }
        project
    }

    /// A copy of a folder of the workspace, such as `examples/notes-api`.
    pub fn copy_of(folder: &str) -> Self {
        let project = Self { directory: temporary("aloft-project-") };
        copy(&workspace().join(folder), project.path());
        project
    }

    /// Puts what `cargo xtask setup` installed at a place in it, such as packages that functions carry.
    #[track_caller]
    pub fn bring(&self, installed: &str, to: &str) {
        let to = self.path().join(to);
        fs::create_dir_all(&to).expect("a directory can be made");
        copy(&crate::clients::installed(installed), &to);
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file, with the directories above it.
    pub fn write(&self, path: &str, content: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("a file has a directory")).expect("a directory can be made");
        fs::write(path, content).expect("a file can be written");
    }

    /// A file's content.
    pub fn read(&self, path: &str) -> String {
        let path = self.path().join(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Replaces a text that must be in the file.
    #[track_caller]
    pub fn replace(&self, path: &str, from: &str, to: &str) {
        let content = self.read(path);
        assert!(content.contains(from), "{path} does not contain {from:?}");
        self.write(path, &content.replace(from, to));
    }
}

pub(crate) fn temporary(prefix: &str) -> TempDir {
    tempfile::Builder::new().prefix(prefix).tempdir().expect("a temporary directory can be made")
}

fn copy(from: &Path, to: &Path) {
    let entries = fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    for entry in entries {
        let from: PathBuf = entry.expect("an entry can be read").path();
        let name = from.file_name().expect("an entry has a name");
        // What a person who tried the example left there.
        if ["node_modules", "vendor", ".serverless", "__pycache__"].iter().any(|left| name == *left) {
            continue;
        }
        if from.is_dir() {
            fs::create_dir_all(to.join(name)).expect("a directory can be made");
            copy(&from, &to.join(name));
        } else {
            fs::copy(&from, to.join(name)).expect("a file can be copied");
        }
    }
}
