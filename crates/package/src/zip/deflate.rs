//! Files deflated on all processors, and handed over in the order in which they were given.
//!
//! Keeps true: what waits to be handed over is bounded, whatever the number and size of the files; and the bytes do not depend on
//! how many processors there are.

use super::ZipEntry;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// The level that archives are deflated at: what the original's zlib makes at its level 1 is as large.
const LEVEL: Compression = Compression::new(2);
/// Most threads at work, and how many files make one more worth while.
const THREADS: usize = 8;
const FILES_A_THREAD: usize = 16;
/// Bytes that may wait to be handed over.
const WAITING: usize = 4 << 20;

/// A deflated file.
pub(super) struct Packed {
    pub bytes: Vec<u8>,
    pub crc: u32,
    /// Its size before.
    pub size: u64,
}

/// Deflates one file after another, and needs its memory once.
pub(super) struct Packer {
    encoder: DeflateEncoder<Vec<u8>>,
    buffer: Vec<u8>,
}

impl Packer {
    pub fn new() -> Self {
        Self { encoder: DeflateEncoder::new(Vec::new(), LEVEL), buffer: vec![0; 64 << 10] }
    }

    pub fn pack(&mut self, content: &mut impl Read) -> io::Result<Packed> {
        let (mut crc, mut size) = (crc32fast::Hasher::new(), 0);
        loop {
            let read = match content.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.encoder.reset(Vec::new())?;
                    return Err(error);
                }
            };
            crc.update(&self.buffer[..read]);
            self.encoder.write_all(&self.buffer[..read])?;
            size += read as u64;
        }
        Ok(Packed { bytes: self.encoder.reset(Vec::new())?, crc: crc.finalize(), size })
    }

    fn file(&mut self, entry: &ZipEntry) -> io::Result<Packed> {
        self.pack(&mut File::open(&entry.file)?)
    }
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
        let result = entries.iter().enumerate().try_for_each(|(place, entry)| take(entry, line.take(place)));
        line.close();
        result
    })
}

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
    done: HashMap<usize, io::Result<Packed>>,
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
            let place = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(entry) = entries.get(place) else { return };
            let packed = packer.file(entry);
            let length = packed.as_ref().map_or(0, |packed| packed.bytes.len());
            let mut state = self.lock();
            state.asleep += 1;
            while state.waiting > WAITING && state.wanted != place && !state.is_closed {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.asleep -= 1;
            if state.is_closed {
                return;
            }
            state.waiting += length;
            state.done.insert(place, packed);
            // Only who waits for this one is woken: there are many files, and waking costs more than a small one.
            if state.wanted == place {
                drop(state);
                self.changed.notify_all();
            }
        }
    }

    fn take(&self, place: usize) -> io::Result<Packed> {
        let mut state = self.lock();
        state.wanted = place;
        if state.asleep > 0 {
            self.changed.notify_all();
        }
        loop {
            if let Some(packed) = state.done.remove(&place) {
                state.waiting -= packed.as_ref().map_or(0, |packed| packed.bytes.len());
                return packed;
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
