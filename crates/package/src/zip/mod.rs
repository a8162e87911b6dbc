//! Deterministic zips, streamed to disk and hashed on the way.
//!
//! Keeps true: entries are sorted by name and deflated by one back end at one level (two, by their size), so that equal files give equal bytes on
//! every machine; and memory does not grow with what is packed.

mod deflate;
mod format;

use crate::{Artifact, io_error};
use aloft_diag::Diagnostic;
use base64::Engine;
use deflate::{Packed, Packer};
use format::Member;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// One file of a zip.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ZipEntry {
    /// Its name in the zip.
    pub name: String,
    /// Where its bytes are.
    pub file: PathBuf,
}

/// Writes a zip of the entries, in the order of their names; of two with one name the first stays.
///
/// # Errors
/// `CANNOT_READ_FILE` for an entry, `FILE_ACCESS_FAILED` for the zip.
pub fn write_zip(path: &Path, mut entries: Vec<ZipEntry>) -> Result<Artifact, Diagnostic> {
    entries.sort();
    entries.dedup_by(|later, first| later.name == first.name);
    let mut archive = Archive::create(path)?;
    deflate::each(&entries, |entry, packed| {
        let packed = packed.map_err(|error| unreadable(&entry.file, &error))?;
        archive.add(&entry.name, &packed)
    })?;
    archive.finish()
}

/// Writes a zip of texts that are at hand: names in ascending order, and contents.
///
/// # Errors
/// `FILE_ACCESS_FAILED` for the zip.
pub fn write_zip_of(path: &Path, files: &[(&str, &str)]) -> Result<Artifact, Diagnostic> {
    let mut archive = Archive::create(path)?;
    let mut packer = Packer::new();
    for (name, content) in files {
        let packed = packer.pack(content.as_bytes()).map_err(|error| io_error("write", path, &error))?;
        archive.add(name, &packed)?;
    }
    archive.finish()
}

/// A zip that is being written.
struct Archive<'p> {
    path: &'p Path,
    target: Hashing<BufWriter<File>>,
    members: Vec<Member>,
}

impl<'p> Archive<'p> {
    fn create(path: &'p Path) -> Result<Self, Diagnostic> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| io_error("create", folder, &error))?;
        }
        let file = File::create(path).map_err(|error| io_error("create", path, &error))?;
        let inner = BufWriter::with_capacity(1 << 16, file);
        Ok(Self { path, target: Hashing { inner, hash: Sha256::new(), size: 0 }, members: Vec::new() })
    }

    fn add(&mut self, name: &str, file: &Packed) -> Result<(), Diagnostic> {
        let member = Member {
            name: name.to_owned(),
            executable: file.is_executable,
            crc: file.crc,
            packed: file.bytes.len() as u64,
            size: file.size,
            offset: self.target.size,
        };
        let header = self.target.write_all(&member.header());
        let written = header.and_then(|()| self.target.write_all(&file.bytes));
        self.members.push(member);
        written.map_err(|error| io_error("write", self.path, &error))
    }

    fn finish(mut self) -> Result<Artifact, Diagnostic> {
        let directory = format::directory(&self.members, self.target.size);
        let written = self.target.write_all(&directory).and_then(|()| self.target.flush());
        written.map_err(|error| io_error("write", self.path, &error))?;
        let Hashing { hash, size, .. } = self.target;
        let sha256 = base64::engine::general_purpose::STANDARD.encode(hash.finalize());
        Ok(Artifact { path: self.path.to_owned(), sha256, size, remote: None })
    }
}

fn unreadable(file: &Path, error: &io::Error) -> Diagnostic {
    Diagnostic::error("CANNOT_READ_FILE", format!("Cannot read file {} due to: {error}", file.display()))
        .help("check that the file exists and that you may read it, or exclude it with a pattern `!...` in `package.patterns`")
}

/// Base64 SHA-256 and size of a file that is there already.
///
/// # Errors
/// When it cannot be read.
pub fn hash_file(path: &Path) -> io::Result<(String, u64)> {
    let mut target = Hashing { inner: io::sink(), hash: Sha256::new(), size: 0 };
    io::copy(&mut File::open(path)?, &mut target)?;
    Ok((base64::engine::general_purpose::STANDARD.encode(target.hash.finalize()), target.size))
}

struct Hashing<W> {
    inner: W,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_zip_is_read_as_it_was_written_whatever_the_order_of_the_threads() {
        let directory = tempfile::tempdir().unwrap();
        let content = |number: usize| format!("{number} ").repeat(number * 97 % 5000);
        let entries: Vec<ZipEntry> = (0..200)
            .map(|number| {
                let file = directory.path().join(format!("{number}"));
                std::fs::write(&file, content(number)).unwrap();
                if number % 2 == 0 {
                    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
                }
                ZipEntry { name: format!("ordner/dätei{number:03}"), file }
            })
            .collect();
        let (first, second) = (directory.path().join("first.zip"), directory.path().join("second.zip"));
        let made = write_zip(&first, entries.clone()).unwrap();
        let again = write_zip(&second, entries.into_iter().rev().collect()).unwrap();
        assert_eq!((&made.sha256, made.size), (&again.sha256, std::fs::metadata(&first).unwrap().len()));
        assert_eq!(hash_file(&first).unwrap(), (made.sha256, made.size));
        let mut archive = zip::ZipArchive::new(File::open(&first).unwrap()).unwrap();
        assert_eq!(archive.len(), 200);
        for number in 0..200 {
            let mut member = archive.by_index(number).unwrap();
            let (mut text, mode) = (String::new(), member.unix_mode());
            member.read_to_string(&mut text).unwrap();
            assert_eq!(text, content(number));
            assert_eq!(mode, Some(if number % 2 == 0 { 0o100_755 } else { 0o100_644 }));
        }
    }

    #[test]
    fn an_archive_of_more_members_than_its_first_format_counts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("many.zip");
        let names: Vec<String> = (0..70_000).map(|number| format!("{number:05}")).collect();
        let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
        write_zip_of(&path, &files).unwrap();
        assert_eq!(zip::ZipArchive::new(File::open(&path).unwrap()).unwrap().len(), 70_000);
    }

    #[test]
    fn the_first_file_that_cannot_be_read_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let entry = |number: usize| ZipEntry {
            name: format!("{number:03}"),
            file: directory.path().join(format!("absent{number}")),
        };
        let error = write_zip(&directory.path().join("a.zip"), (0..100).map(entry).collect()).unwrap_err();
        assert!(error.message.contains("absent0 "), "{}", error.message);
    }
}
