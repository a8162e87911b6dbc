//! The zip format, as far as deterministic archives need it: headers in front of the members, a directory behind them.
//!
//! Source: PKWARE's APPNOTE.TXT 6.3. Keeps true: every member bears one fixed time and the mode 0644 or 0755, and sizes are known
//! before their member, so that nothing is written twice.

/// 1 January 1980, where the format's time begins.
const DATE: u16 = 0x0021;
const DEFLATED: u16 = 8;
/// Names are UTF-8.
const UTF8: u16 = 0x0800;
const UNIX: u16 = 3 << 8;
const FILE: u32 = 0o100_000;
const FULL: u32 = u32::MAX;

/// A member of an archive.
pub(super) struct Member {
    pub name: String,
    pub executable: bool,
    pub crc: u32,
    /// Bytes as they are in the archive.
    pub packed: u64,
    /// Bytes of the file.
    pub size: u64,
    /// Where its header is.
    pub offset: u64,
}

impl Member {
    /// What stands in front of its bytes.
    pub fn header(&self) -> Vec<u8> {
        let is_large = self.packed.max(self.size) >= u64::from(FULL);
        let extra = if is_large { extra(&[self.size, self.packed]) } else { Vec::new() };
        let (packed, size) = if is_large { (FULL, FULL) } else { (short(self.packed), short(self.size)) };
        let mut bytes = Vec::with_capacity(30 + self.name.len() + extra.len());
        put32(&mut bytes, 0x0403_4b50);
        self.put_common(&mut bytes, is_large, packed, size, extra.len());
        bytes.extend_from_slice(self.name.as_bytes());
        bytes.extend(extra);
        bytes
    }

    /// Its entry in the directory.
    fn entry(&self, bytes: &mut Vec<u8>) {
        let large: Vec<u64> = [self.size, self.packed, self.offset]
            .into_iter()
            .filter(|value| *value >= u64::from(FULL))
            .collect();
        let extra = if large.is_empty() { Vec::new() } else { extra(&large) };
        put32(bytes, 0x0201_4b50);
        put16(bytes, UNIX | version(!large.is_empty()));
        self.put_common(bytes, !large.is_empty(), short(self.packed), short(self.size), extra.len());
        // Comment, disk, internal attributes.
        bytes.extend_from_slice(&[0; 6]);
        let mode = if self.executable { 0o755 } else { 0o644 };
        put32(bytes, (FILE | mode) << 16);
        put32(bytes, short(self.offset));
        bytes.extend_from_slice(self.name.as_bytes());
        bytes.extend(extra);
    }

    fn put_common(&self, bytes: &mut Vec<u8>, is_large: bool, packed: u32, size: u32, extra: usize) {
        let flags = if self.name.is_ascii() { 0 } else { UTF8 };
        for value in [version(is_large), flags, DEFLATED, 0, DATE] {
            put16(bytes, value);
        }
        for value in [self.crc, packed, size] {
            put32(bytes, value);
        }
        put16(bytes, u16::try_from(self.name.len()).unwrap_or(u16::MAX));
        put16(bytes, u16::try_from(extra).unwrap_or(u16::MAX));
    }
}

/// What stands behind all members, when `offset` bytes are before it.
pub(super) fn directory(members: &[Member], offset: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for member in members {
        member.entry(&mut bytes);
    }
    let (count, length) = (members.len() as u64, bytes.len() as u64);
    let few = u16::try_from(count).ok().filter(|count| *count < u16::MAX);
    if few.is_none() || length >= u64::from(FULL) || offset >= u64::from(FULL) {
        let end = offset + length;
        put32(&mut bytes, 0x0606_4b50);
        bytes.extend(44u64.to_le_bytes());
        put16(&mut bytes, UNIX | version(true));
        put16(&mut bytes, version(true));
        bytes.extend_from_slice(&[0; 8]);
        for value in [count, count, length, offset] {
            bytes.extend(value.to_le_bytes());
        }
        put32(&mut bytes, 0x0706_4b50);
        put32(&mut bytes, 0);
        bytes.extend(end.to_le_bytes());
        put32(&mut bytes, 1);
    }
    put32(&mut bytes, 0x0605_4b50);
    put32(&mut bytes, 0);
    put16(&mut bytes, few.unwrap_or(u16::MAX));
    put16(&mut bytes, few.unwrap_or(u16::MAX));
    put32(&mut bytes, short(length));
    put32(&mut bytes, short(offset));
    put16(&mut bytes, 0);
    bytes
}

/// The version of the format that is needed to read: 4.5 for what is large.
fn version(is_large: bool) -> u16 {
    if is_large { 45 } else { 20 }
}

/// The field for sizes that do not fit elsewhere.
fn extra(values: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put16(&mut bytes, 1);
    put16(&mut bytes, u16::try_from(values.len() * 8).unwrap_or(u16::MAX));
    values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    bytes
}

fn short(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(FULL)
}

fn put16(bytes: &mut Vec<u8>, value: u16) {
    bytes.extend(value.to_le_bytes());
}

fn put32(bytes: &mut Vec<u8>, value: u32) {
    bytes.extend(value.to_le_bytes());
}
