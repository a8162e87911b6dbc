//! Deterministic zips, streamed to disk and hashed on the way.
//!
//! Keeps true: entries are sorted by name, bear one fixed time and the mode 0644 or 0755, and are deflated by one
//! back end at one level, so that equal files give equal bytes on every machine.

use crate::{Artifact, io_error};
use aloft_diag::Diagnostic;
use base64::Engine;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use zip::write::SimpleFileOptions;

/// One file of a zip.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ZipEntry {
    /// Its name in the zip.
    pub name: String,
    /// Where its bytes are.
    pub file: PathBuf,
    /// Whether its owner may execute it.
    pub executable: bool,
}

/// Writes a zip of the entries, in the order of their names; of two with one name the first stays.
///
/// # Errors
/// `CANNOT_READ_FILE` for an entry, `FILE_ACCESS_FAILED` for the zip.
pub fn write_zip(path: &Path, mut entries: Vec<ZipEntry>) -> Result<Artifact, Diagnostic> {
    entries.sort();
    entries.dedup_by(|later, first| later.name == first.name);
    write(path, |writer| {
        for entry in &entries {
            let unreadable = |error: io::Error| unreadable(&entry.file, &error);
            let mut content = File::open(&entry.file).map_err(unreadable)?;
            let length = content.metadata().map_err(unreadable)?.len();
            add(writer, &entry.name, length, entry.executable, &mut content).map_err(unreadable)?;
        }
        Ok(())
    })
}

/// Writes a zip of texts that are at hand: names in ascending order, and contents.
///
/// # Errors
/// `FILE_ACCESS_FAILED` for the zip.
pub fn write_zip_of(path: &Path, files: &[(&str, &str)]) -> Result<Artifact, Diagnostic> {
    write(path, |writer| {
        for (name, content) in files {
            let added = add(writer, name, content.len() as u64, false, &mut content.as_bytes());
            added.map_err(|error| io_error("write", path, &error))?;
        }
        Ok(())
    })
}

type Writer = zip::ZipWriter<zip::write::StreamWriter<Hashing<BufWriter<File>>>>;

fn write(
    path: &Path,
    fill: impl FnOnce(&mut Writer) -> Result<(), Diagnostic>,
) -> Result<Artifact, Diagnostic> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| io_error("create", folder, &error))?;
    }
    let file = File::create(path).map_err(|error| io_error("create", path, &error))?;
    let target = Hashing { inner: BufWriter::with_capacity(1 << 16, file), hash: Sha256::new(), size: 0 };
    let mut writer = zip::ZipWriter::new_stream(target);
    fill(&mut writer)?;
    let finish = || -> io::Result<(String, u64)> {
        let mut target = writer.finish().map_err(io::Error::other)?.into_inner();
        target.flush()?;
        Ok((base64::engine::general_purpose::STANDARD.encode(target.hash.finalize()), target.size))
    };
    let (sha256, size) = finish().map_err(|error| io_error("write", path, &error))?;
    Ok(Artifact { path: path.to_owned(), sha256, size, remote: None })
}

fn unreadable(file: &Path, error: &io::Error) -> Diagnostic {
    Diagnostic::error("CANNOT_READ_FILE", format!("Cannot read file {} due to: {error}", file.display()))
        .help("check that the file exists and that you may read it, or exclude it with a pattern `!...` in `package.patterns`")
}

fn add(
    writer: &mut Writer,
    name: &str,
    length: u64,
    executable: bool,
    content: &mut impl io::Read,
) -> io::Result<()> {
    let options = SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .compression_level(Some(6))
        .last_modified_time(zip::DateTime::default())
        .large_file(length >= u64::from(u32::MAX))
        .unix_permissions(if executable { 0o755 } else { 0o644 });
    writer.start_file(name, options).map_err(io::Error::other)?;
    io::copy(content, writer).map(drop)
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
