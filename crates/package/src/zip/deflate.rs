//! Files deflated on all processors, and handed over in the order in which they were given.
//!
//! Keeps true: what waits to be handed over is bounded, whatever the number and size of the files; and the bytes do not depend on
//! how many processors there are.

use super::ZipEntry;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use libdeflater::{CompressionLvl, Compressor};
use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Bytes of a file that is deflated in one go, which takes two thirds of the time; a larger one is never held whole.
const WHOLE: u64 = 4 << 20;
/// Most threads at work, and how many files make one more worth while.
const THREADS: usize = 8;
const FILES_A_THREAD: usize = 16;
/// How many files a thread takes at once, and how many deflated bytes it hands over before it has done them all.
const BATCH: usize = 16;
const PIECE: usize = 256 << 10;
/// Bytes that may wait to be handed over.
const WAITING: usize = 4 << 20;

/// A deflated file.
pub(super) struct Packed {
    pub bytes: Vec<u8>,
    pub crc: u32,
    /// Its size before.
    pub size: u64,
    /// Whether its owner may execute it.
    pub is_executable: bool,
}

/// Deflates one file after another, and needs its memory once.
pub(super) struct Packer {
    compressor: Compressor,
    content: Vec<u8>,
    deflated: Vec<u8>,
}

impl Packer {
    pub fn new() -> Self {
        Self { compressor: Compressor::new(level()), content: Vec::new(), deflated: Vec::new() }
    }

    pub fn pack(&mut self, content: &[u8]) -> io::Result<Packed> {
        pack(&mut self.compressor, &mut self.deflated, content)
    }

    fn file(&mut self, entry: &ZipEntry) -> io::Result<Packed> {
        let mut file = File::open(&entry.file)?;
        let metadata = file.metadata()?;
        let packed = if metadata.len() > WHOLE {
            stream(&mut file)?
        } else {
            self.content.clear();
            file.take(metadata.len()).read_to_end(&mut self.content)?;
            pack(&mut self.compressor, &mut self.deflated, &self.content)?
        };
        Ok(Packed { is_executable: is_executable(&metadata), ..packed })
    }
}

/// The lowest level at which it compresses at all: what the original's zlib makes at its level 1 is larger.
fn level() -> CompressionLvl {
    CompressionLvl::new(1).unwrap_or_default()
}

fn pack(compressor: &mut Compressor, deflated: &mut Vec<u8>, content: &[u8]) -> io::Result<Packed> {
    let most = compressor.deflate_compress_bound(content.len());
    if deflated.len() < most {
        // Not `resize`: of fresh zeros only what is written to takes memory.
        *deflated = vec![0; most];
    }
    let length = compressor.deflate_compress(content, deflated).map_err(io::Error::other)?;
    let (bytes, size) = (deflated[..length].to_vec(), content.len() as u64);
    Ok(Packed { bytes, crc: crc32fast::hash(content), size, is_executable: false })
}

/// Deflates what is too large to be held.
fn stream(content: &mut impl Read) -> io::Result<Packed> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(2));
    let mut buffer = vec![0; 64 << 10];
    let (mut crc, mut size) = (crc32fast::Hasher::new(), 0);
    loop {
        let read = match content.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        crc.update(&buffer[..read]);
        encoder.write_all(&buffer[..read])?;
        size += read as u64;
    }
    Ok(Packed { bytes: encoder.finish()?, crc: crc.finalize(), size, is_executable: false })
}

#[cfg(unix)]
fn is_executable(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_metadata: &Metadata) -> bool {
    true
}

/// Deflates the files and gives each to `take`, in order. Ends at the first error.
pub(super) fn each<E>(
    entries: &[ZipEntry],
    mut take: impl FnMut(&ZipEntry, io::Result<Packed>) -> Result<(), E>,
) -> Result<(), E> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let threads = processors.min(THREADS).min(entries.len() / FILES_A_THREAD);
    if threads < 2 {
        let mut packer = Packer::new();
        return entries.iter().try_for_each(|entry| take(entry, packer.file(entry)));
    }
    let line = Line::default();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| line.work(entries));
        }
        let mut hand_over = || {
            let mut place = 0;
            while place < entries.len() {
                for (entry, packed) in entries[place..].iter().zip(line.take(place)) {
                    take(entry, packed)?;
                    place += 1;
                }
            }
            Ok(())
        };
        let result = hand_over();
        line.close();
        result
    })
}

/// Files that follow each other, deflated.
type Piece = Vec<io::Result<Packed>>;

/// Where threads leave what they have done, for the one that hands it over.
#[derive(Default)]
struct Line {
    /// The file that is to be begun next.
    next: AtomicUsize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// By the place of their first file.
    done: HashMap<usize, Piece>,
    /// Bytes of what is done.
    waiting: usize,
    /// The file that is handed over next: it never waits for room.
    wanted: usize,
    /// Threads that wait for room.
    asleep: usize,
    is_closed: bool,
}

impl Line {
    fn work(&self, entries: &[ZipEntry]) {
        let mut packer = Packer::new();
        loop {
            let start = self.next.fetch_add(BATCH, Ordering::Relaxed);
            let Some(batch) = entries.get(start..) else { return };
            let batch = &batch[..BATCH.min(batch.len())];
            let (mut place, mut piece, mut length) = (start, Piece::new(), 0);
            for (index, entry) in batch.iter().enumerate() {
                let packed = packer.file(entry);
                length += packed.as_ref().map_or(0, |packed| packed.bytes.len());
                piece.push(packed);
                if length > PIECE || index + 1 == batch.len() {
                    if !self.put(place, std::mem::take(&mut piece), length) {
                        return;
                    }
                    (place, length) = (start + index + 1, 0);
                }
            }
        }
    }

    /// Leaves a piece as soon as there is room for it; false when nobody takes any more.
    fn put(&self, place: usize, piece: Piece, length: usize) -> bool {
        let mut state = self.lock();
        state.asleep += 1;
        while state.waiting > WAITING && state.wanted != place && !state.is_closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.asleep -= 1;
        if state.is_closed {
            return false;
        }
        state.waiting += length;
        state.done.insert(place, piece);
        // Only who waits for this one is woken: there are many files, and waking costs more than a small one.
        if state.wanted == place {
            drop(state);
            self.changed.notify_all();
        }
        true
    }

    /// The piece that begins with the file at that place.
    fn take(&self, place: usize) -> Piece {
        let mut state = self.lock();
        state.wanted = place;
        if state.asleep > 0 {
            self.changed.notify_all();
        }
        loop {
            if let Some(piece) = state.done.remove(&place) {
                state.waiting -= piece.iter().flatten().map(|packed| packed.bytes.len()).sum::<usize>();
                return piece;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_too_large_to_be_held_is_deflated_as_well() {
        let content = b"content ".repeat(100_000);
        let packed = stream(&mut &content[..]).unwrap();
        let mut inflated = Vec::new();
        flate2::read::DeflateDecoder::new(&packed.bytes[..]).read_to_end(&mut inflated).unwrap();
        assert_eq!((inflated, packed.size), (content.clone(), content.len() as u64));
        assert_eq!(packed.crc, Packer::new().pack(&content).unwrap().crc);
    }
}
