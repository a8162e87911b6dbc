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
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| io_error("create", folder, &error))?;
    }
    let file = File::create(path).map_err(|error| io_error("create", path, &error))?;
    let target = Hashing { inner: BufWriter::with_capacity(1 << 16, file), hash: Sha256::new(), size: 0 };
    let mut writer = zip::ZipWriter::new_stream(target);
    for entry in &entries {
        add(&mut writer, entry)?;
    }
    let finish = || -> io::Result<(String, u64)> {
        let mut target = writer.finish().map_err(io::Error::other)?.into_inner();
        target.flush()?;
        Ok((base64::engine::general_purpose::STANDARD.encode(target.hash.finalize()), target.size))
    };
    let (sha256, size) = finish().map_err(|error| io_error("write", path, &error))?;
    Ok(Artifact { path: path.to_owned(), sha256, size, remote: None })
}

fn add<W: Write>(
    writer: &mut zip::ZipWriter<zip::write::StreamWriter<W>>,
    entry: &ZipEntry,
) -> Result<(), Diagnostic> {
    let unreadable = |error: io::Error| {
        Diagnostic::error("CANNOT_READ_FILE", format!("Cannot read file {} due to: {error}", entry.file.display()))
            .help("check that the file exists and that you may read it, or exclude it with a pattern `!...` in `package.patterns`")
    };
    let mut content = File::open(&entry.file).map_err(unreadable)?;
    let length = content.metadata().map_err(unreadable)?.len();
    let options = SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .compression_level(Some(6))
        .last_modified_time(zip::DateTime::default())
        .large_file(length >= u64::from(u32::MAX))
        .unix_permissions(if entry.executable { 0o755 } else { 0o644 });
    writer.start_file(entry.name.as_str(), options).map_err(|error| unreadable(io::Error::other(error)))?;
    io::copy(&mut content, writer).map_err(unreadable)?;
    Ok(())
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
