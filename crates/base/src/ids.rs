//! Identifiers, from the system's random source or, in tests, from a seed.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

const LOWER_ALNUM: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const UPPER_ALNUM: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const HEX: &[u8] = b"0123456789abcdef";

/// Makes identifiers. Cheap to clone; clones draw from the same sequence.
#[derive(Clone)]
pub struct Ids(Option<Arc<Mutex<u64>>>);

impl Ids {
    /// From the system's random source.
    pub fn random() -> Self {
        Self(None)
    }

    /// The same sequence every time, for tests.
    pub fn seeded(seed: u64) -> Self {
        Self(Some(Arc::new(Mutex::new(seed))))
    }

    /// A version 4 UUID in lower case with hyphens.
    pub fn uuid(&self) -> String {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let mut text = String::with_capacity(36);
        for (position, byte) in bytes.into_iter().enumerate() {
            if matches!(position, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            text.extend([byte >> 4, byte & 0x0f].map(|digit| char::from(HEX[usize::from(digit)])));
        }
        text
    }

    /// `length` characters of `[a-z0-9]`.
    pub fn lower(&self, length: usize) -> String {
        self.draw(LOWER_ALNUM, length)
    }

    /// `length` characters of `[A-Z0-9]`.
    pub fn upper(&self, length: usize) -> String {
        self.draw(UPPER_ALNUM, length)
    }

    /// `length` characters of `[0-9a-f]`.
    pub fn hex(&self, length: usize) -> String {
        self.draw(HEX, length)
    }

    /// A number below `bound` (which must not be 0), close enough to uniform for jitter and weights.
    pub fn below(&self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes) % bound.max(1)
    }

    /// Fills `bytes` with random ones.
    pub fn fill(&self, bytes: &mut [u8]) {
        match &self.0 {
            None => fill_at_random(bytes),
            Some(state) => {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                for chunk in bytes.chunks_mut(8) {
                    chunk.copy_from_slice(&split_mix(&mut state).to_le_bytes()[..chunk.len()]);
                }
            }
        }
    }

    fn draw(&self, alphabet: &[u8], length: usize) -> String {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes);
        bytes.into_iter().map(|byte| char::from(alphabet[usize::from(byte) % alphabet.len()])).collect()
    }
}

/// Fills `bytes` from the system's random source, which each thread asks for many at a time.
fn fill_at_random(bytes: &mut [u8]) {
    const ASKED: usize = 512;
    thread_local! {
        // Used from the end on.
        static LEFT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    let ask = |bytes: &mut [u8]| getrandom::fill(bytes).expect("the system's random source works");
    if bytes.len() > ASKED {
        return ask(bytes);
    }
    LEFT.with_borrow_mut(|left| {
        if left.len() < bytes.len() {
            left.resize(ASKED, 0);
            ask(left);
        }
        bytes.copy_from_slice(&left[left.len() - bytes.len()..]);
        left.truncate(left.len() - bytes.len());
    });
}

/// One step of SplitMix64.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Ids(seeded)" } else { "Ids(random)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let ids = Ids::seeded(1);
        let uuid = ids.uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "4");
        assert!(ids.lower(10).bytes().all(|byte| LOWER_ALNUM.contains(&byte)));
        assert_ne!(Ids::random().uuid(), Ids::random().uuid());
        assert_eq!(Ids::seeded(7).hex(32), Ids::seeded(7).hex(32));
    }
}
