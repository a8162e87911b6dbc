//! Unpacks a deployment package into a directory, and refuses the ones that would do harm.
//!
//! Two passes: the first reads only the directory of the archive and refuses before anything is written; the second
//! writes, and trusts none of the announced sizes. Keeps true: nothing is written outside of the directory, no link in
//! it leads out of it, and after a refusal the directory is not there.

use aloft_base::ByteSize;
use std::collections::{HashMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Cursor, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use zip::ZipArchive;
use zip::result::ZipError;

/// The longest target of a symbolic link.
const LINK_LIMIT: u64 = 4096;

const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const LINK: u32 = 0o120_000;

/// How much a package may unpack to.
#[derive(Debug, Clone, Copy)]
pub struct UnpackLimits {
    /// All files together. Lambda's limit is 250 MB, layers included.
    pub unzipped: ByteSize,
    /// Files, directories and links.
    pub entries: usize,
}

impl Default for UnpackLimits {
    fn default() -> Self {
        Self { unzipped: ByteSize(262_144_000), entries: 100_000 }
    }
}

/// Why a package is refused.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// It is no zip archive, or a broken one.
    #[error("could not unzip the package: {0}")]
    Archive(#[source] ZipError),
    /// It is larger than the limit.
    #[error("unzipped size must be smaller than {0} bytes")]
    TooLarge(u64),
    /// It has more entries than the limit.
    #[error("the package has more than {0} entries")]
    TooMany(usize),
    /// An entry is not what a package may have.
    #[error("the package's entry `{name}` {problem}")]
    Entry {
        /// The entry's name in the archive.
        name: String,
        /// What is wrong with it, as the rest of a sentence.
        problem: &'static str,
    },
    /// The directory cannot be written.
    #[error("failed to write {}", path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    File,
    Link,
}

struct Entry {
    index: usize,
    path: PathBuf,
    kind: Kind,
    mode: u32,
    size: u64,
}

/// Unpacks `zip` into the directory `into`, which must not exist or be empty. Permissions are kept, but for the bits
/// that change the user; everybody may read. It blocks.
///
/// # Errors
/// See [`UnpackError`]. `into` is removed then.
pub fn unpack(zip: &[u8], into: &Path, limits: &UnpackLimits) -> Result<(), UnpackError> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).map_err(UnpackError::Archive)?;
    let entries = plan(&mut archive, limits)?;
    create_directory(into)?;
    if fs::read_dir(into).map_err(|source| write_error(into, source))?.next().is_some() {
        return Err(write_error(into, io::Error::from(io::ErrorKind::DirectoryNotEmpty)));
    }
    write(&mut archive, &entries, into, limits).inspect_err(|_| {
        let _ = fs::remove_dir_all(into);
    })
}

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// Reads the archive's directory and refuses what must not be written.
fn plan(archive: &mut Archive<'_>, limits: &UnpackLimits) -> Result<Vec<Entry>, UnpackError> {
    if archive.len() > limits.entries {
        return Err(UnpackError::TooMany(limits.entries));
    }
    let mut entries: Vec<Entry> = Vec::with_capacity(archive.len());
    let mut kinds: HashMap<PathBuf, Kind> = HashMap::new();
    let mut total = 0u64;
    for index in 0..archive.len() {
        let file = archive.by_index_raw(index).map_err(UnpackError::Archive)?;
        let name = file.name().map_err(UnpackError::Archive)?.into_owned();
        let problem = |problem| UnpackError::Entry { name: name.clone(), problem };
        if file.encrypted() {
            return Err(problem("is encrypted"));
        }
        let mode = file.unix_mode().unwrap_or(0);
        let kind = match mode & KIND {
            LINK => Kind::Link,
            DIRECTORY => Kind::Directory,
            REGULAR | 0 if name.ends_with('/') => Kind::Directory,
            REGULAR | 0 => Kind::File,
            _ => return Err(problem("is neither a file nor a directory nor a link")),
        };
        let path = relative(&name).map_err(problem)?;
        if path.as_os_str().is_empty() {
            // `./`, the root itself.
            if kind == Kind::Directory { continue } else { return Err(problem("has no name")) }
        }
        total = total.saturating_add(file.size());
        if total > limits.unzipped.0 {
            return Err(UnpackError::TooLarge(limits.unzipped.0));
        }
        match kinds.insert(path.clone(), kind) {
            Some(Kind::Directory) if kind == Kind::Directory => continue,
            Some(_) => return Err(problem("is there twice")),
            None => entries.push(Entry { index, path, kind, mode, size: file.size() }),
        }
    }
    if archive.has_duplicate_names() {
        return Err(UnpackError::Entry { name: String::new(), problem: "or another one is there twice" });
    }
    for entry in &entries {
        let above =
            entry.path.ancestors().skip(1).find_map(|it| kinds.get(it).filter(|it| **it != Kind::Directory));
        if above.is_some() {
            let name = entry.path.display().to_string();
            return Err(UnpackError::Entry { name, problem: "lies below something that is no directory" });
        }
    }
    Ok(entries)
}

/// An entry's path below the root.
fn relative(name: &str) -> Result<PathBuf, &'static str> {
    if name.contains('\0') {
        return Err("has a NUL in its name");
    }
    if name.starts_with('/') || name.starts_with('\\') || name.as_bytes().get(1) == Some(&b':') {
        return Err("has an absolute path");
    }
    let mut path = PathBuf::new();
    for part in name.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => return Err("leads out of the package"),
            part if part.len() > 255 => return Err("has too long a name"),
            part => path.push(part),
        }
    }
    if path.as_os_str().len() > 3000 { Err("has too long a path") } else { Ok(path) }
}

fn write(
    archive: &mut Archive<'_>,
    entries: &[Entry],
    into: &Path,
    limits: &UnpackLimits,
) -> Result<(), UnpackError> {
    let mut left = limits.unzipped.0;
    let links: HashSet<&Path> =
        entries.iter().filter(|it| it.kind == Kind::Link).map(|it| it.path.as_path()).collect();
    let mut targets = Vec::new();
    for entry in entries {
        let path = into.join(&entry.path);
        if entry.kind == Kind::Directory {
            create_directory(&path)?;
            continue;
        }
        create_directory(path.parent().unwrap_or(into))?;
        let mut file = archive.by_index(entry.index).map_err(UnpackError::Archive)?;
        if entry.kind == Kind::Link {
            let mut target = String::new();
            let problem = |problem| UnpackError::Entry { name: entry.path.display().to_string(), problem };
            file.take(LINK_LIMIT).read_to_string(&mut target).map_err(|_| problem("is a link to no path"))?;
            stays_inside(&entry.path, &target, &links).map_err(problem)?;
            targets.push((path, target));
            continue;
        }
        // One byte more than announced tells a lie.
        let most = entry.size.min(left);
        // Everybody may read, since a jailed function is somebody else; who else may look is up to the directories above.
        let everybody = if entry.mode & 0o100 == 0 { 0o644 } else { 0o755 };
        let mode = everybody | entry.mode & 0o777;
        let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
        let mut output = opened.map_err(|source| write_error(&path, source))?;
        let copied = copy(&mut file.by_ref().take(most + 1), &mut output, &path)?;
        if copied > most {
            return Err(UnpackError::TooLarge(limits.unzipped.0));
        }
        left -= copied;
        // What the process's mask took away.
        output
            .set_permissions(fs::Permissions::from_mode(mode))
            .map_err(|source| write_error(&path, source))?;
    }
    // Last, so that nothing is written through them.
    for (path, target) in targets {
        symlink(target, &path).map_err(|source| write_error(&path, source))?;
    }
    for entry in entries.iter().filter(|it| it.kind == Kind::Directory && it.mode & 0o777 != 0) {
        let path = into.join(&entry.path);
        let mode = fs::Permissions::from_mode(0o755 | entry.mode & 0o777);
        fs::set_permissions(&path, mode).map_err(|source| write_error(&path, source))?;
    }
    Ok(())
}

/// Copies and tells whether reading or writing failed.
fn copy(from: &mut impl Read, to: &mut impl Write, path: &Path) -> Result<u64, UnpackError> {
    let mut buffer = [0; 32 * 1024];
    let mut total = 0;
    loop {
        let length = from.read(&mut buffer).map_err(|error| UnpackError::Archive(ZipError::Io(error)))?;
        if length == 0 {
            return Ok(total);
        }
        to.write_all(&buffer[..length]).map_err(|source| write_error(path, source))?;
        total += length as u64;
    }
}

/// Whether a link's target lies below the root. A target that leads through another link could be anywhere, so that is
/// refused as well.
fn stays_inside(link: &Path, target: &str, links: &HashSet<&Path>) -> Result<(), &'static str> {
    if target.is_empty() || target.contains('\0') {
        return Err("is a link to no path");
    }
    if target.starts_with('/') {
        return Err("is a link out of the package");
    }
    let mut at = link.parent().unwrap_or(Path::new("")).to_owned();
    for part in target.split('/') {
        if links.contains(at.as_path()) {
            return Err("is a link through another link");
        }
        match part {
            "" | "." => {}
            ".." => {
                if !at.pop() {
                    return Err("is a link out of the package");
                }
            }
            part => at.push(part),
        }
    }
    Ok(())
}

fn create_directory(path: &Path) -> Result<(), UnpackError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(path);
    made.map_err(|source| write_error(path, source))
}

fn write_error(path: &Path, source: io::Error) -> UnpackError {
    UnpackError::Write { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
