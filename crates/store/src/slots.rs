//! Small records of what is under way, which outlive a killed process: a file of slots of equal size beside the rows.
//!
//! A record is in the system's memory when [`Slots::put`] has returned, which costs a microsecond: it survives the end of
//! the process, however it ends. It is not forced to the disk, so the machine's own crash may take the last ones.
//! Keeps true: a slot that was written only in part is told from a whole one, and dropped.

use crate::StoreError;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// How many bytes a slot has. Slots never cross a page of memory, so a killed process leaves no half-written one.
const SIZE: usize = 2048;
/// In front of the record: its length and its checksum.
const HEAD: usize = 8;

/// Slots with their records.
pub type Records = Vec<(u32, Vec<u8>)>;

/// The slots. In a store without files nothing is kept, as nothing of it outlives the process.
pub struct Slots {
    file: Option<File>,
    free: Mutex<Free>,
}

/// Which slots hold nothing that is needed.
#[derive(Default)]
struct Free {
    returned: Vec<u32>,
    next: u32,
}

impl Slots {
    /// The most bytes of a record.
    pub const ROOM: usize = SIZE - HEAD;

    /// Opens the file, and gives the records that are in it with their slots. They keep their slots until these are returned.
    pub(crate) fn open(path: Option<&Path>) -> Result<(Self, Records), StoreError> {
        let Some(path) = path else {
            return Ok((Self { file: None, free: Mutex::default() }, Vec::new()));
        };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let bytes = std::fs::read(path)?;
        let (mut free, mut records) = (Free::default(), Vec::new());
        for (number, slot) in bytes.chunks(SIZE).enumerate() {
            let number = u32::try_from(number).map_err(|error| StoreError::Storage(error.to_string()))?;
            free.next = number + 1;
            match record(slot) {
                Some(found) => records.push((number, found.to_vec())),
                None => free.returned.push(number),
            }
        }
        Ok((Self { file: Some(file), free: Mutex::new(free) }, records))
    }

    /// Puts a record into a free slot, and tells which.
    ///
    /// # Errors
    /// When it does not fit, or the disk refuses it.
    pub fn take(&self, bytes: &[u8]) -> Result<u32, StoreError> {
        let slot = {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            free.returned.pop().unwrap_or_else(|| {
                free.next += 1;
                free.next - 1
            })
        };
        self.put(slot, bytes).inspect_err(|_| self.give_back([slot]))?;
        Ok(slot)
    }

    /// Writes over the record of a slot.
    ///
    /// # Errors
    /// When it does not fit, or the disk refuses it.
    pub fn put(&self, slot: u32, bytes: &[u8]) -> Result<(), StoreError> {
        let Some(file) = &self.file else { return Ok(()) };
        let too_long = || StoreError::Storage(format!("a record of {} bytes fits no slot", bytes.len()));
        let length =
            u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= Self::ROOM).ok_or_else(too_long)?;
        let mut whole = [0; SIZE];
        whole[..4].copy_from_slice(&length.to_le_bytes());
        whole[4..HEAD].copy_from_slice(&crc32fast::hash(bytes).to_le_bytes());
        whole[HEAD..HEAD + bytes.len()].copy_from_slice(bytes);
        Ok(file.write_all_at(&whole[..HEAD + bytes.len()], u64::from(slot) * SIZE as u64)?)
    }

    /// Empties a slot: its record is not to be found again.
    ///
    /// # Errors
    /// When the disk refuses it.
    pub fn clear(&self, slot: u32) -> Result<(), StoreError> {
        self.put(slot, &[])
    }

    /// Says that slots may be taken again. What is in them stays to be found until then.
    pub fn give_back(&self, slots: impl IntoIterator<Item = u32>) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).returned.extend(slots);
    }

    /// Forgets all records. Slots that are taken stay so.
    ///
    /// # Errors
    /// When the disk refuses it.
    pub fn wipe(&self) -> Result<(), StoreError> {
        if let Some(file) = &self.file {
            file.set_len(0)?;
        }
        Ok(())
    }
}

/// The record in a slot, when there is a whole one.
fn record(slot: &[u8]) -> Option<&[u8]> {
    let length = u32::from_le_bytes(*slot.first_chunk()?) as usize;
    let sum = u32::from_le_bytes(*slot.get(4..)?.first_chunk()?);
    let bytes = slot.get(HEAD..HEAD + length)?;
    (length > 0 && crc32fast::hash(bytes) == sum).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_again_unless_torn_or_cleared() {
        let path = std::env::temp_dir().join(format!("aloft-slots-{}", aloft_base::Ids::random().hex(8)));
        {
            let (slots, found) = Slots::open(Some(&path)).expect("slots");
            assert!(found.is_empty());
            let taken: Vec<u32> =
                ["a", "bb", "ccc", "dddd"].map(|text| slots.take(text.as_bytes()).expect("room")).to_vec();
            assert_eq!(taken, [0, 1, 2, 3]);
            slots.put(0, b"again").expect("written");
            slots.clear(1).expect("cleared");
            slots.give_back([1]);
            assert_eq!(slots.take(b"new").expect("room"), 1);
            slots.clear(2).expect("cleared");
            assert!(slots.take(&vec![0; Slots::ROOM + 1]).is_err());
        }
        // A byte of the last one flips.
        let file = OpenOptions::new().write(true).open(&path).expect("the file");
        file.write_all_at(b"x", 3 * SIZE as u64 + HEAD as u64).expect("written");
        let (slots, found) = Slots::open(Some(&path)).expect("slots");
        assert_eq!(found, [(0, b"again".to_vec()), (1, b"new".to_vec())]);
        slots.wipe().expect("wiped");
        drop(slots);
        assert!(Slots::open(Some(&path)).expect("slots").1.is_empty());
        std::fs::remove_file(path).expect("removed");
    }
}
