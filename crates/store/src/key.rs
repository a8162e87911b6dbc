//! Keys that sort as their parts do.

/// Builds a key part by part; keys compare as the tuples of their parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(Vec<u8>);

/// The key of a list of texts.
pub fn key<const N: usize>(parts: [&str; N]) -> Key {
    parts.into_iter().fold(Key::default(), Key::text)
}

impl Key {
    /// With a text. No text's key is the beginning of another text's.
    pub fn text(self, part: &str) -> Self {
        self.bytes(part.as_bytes())
    }

    /// With bytes: ended by `00 00`, a zero byte inside written `00 ff`, so that the order is kept.
    pub fn bytes(mut self, part: &[u8]) -> Self {
        for &byte in part {
            self.0.push(byte);
            if byte == 0 {
                self.0.push(0xff);
            }
        }
        self.0.extend([0, 0]);
        self
    }

    /// With a number, in eight bytes.
    pub fn number(mut self, part: u64) -> Self {
        self.0.extend(part.to_be_bytes());
        self
    }

    /// With bytes as they are: for the last part only, such as a key that already sorts.
    pub fn raw(mut self, part: &[u8]) -> Self {
        self.0.extend(part);
        self
    }

    /// The parts of a key made of texts only.
    pub fn texts(key: &[u8]) -> Vec<String> {
        let (mut parts, mut part, mut at) = (Vec::new(), Vec::new(), 0);
        while at < key.len() {
            match (key[at], key.get(at + 1)) {
                (0, Some(0)) => parts.push(String::from_utf8_lossy(&std::mem::take(&mut part)).into_owned()),
                (byte, _) => part.push(byte),
            }
            at += if key[at] == 0 { 2 } else { 1 };
        }
        parts
    }

    /// The bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_parts() {
        let sorted = [key(["a"]), key(["a", "b"]), key(["a\0"]), key(["ab"]), key(["b"])];
        assert!(sorted.is_sorted());
        assert!(Key::default().text("q").number(9) < Key::default().text("q").number(10));
    }

    #[test]
    fn texts_come_back() {
        assert_eq!(Key::texts(key(["a\0b", "", "c"]).as_ref()), ["a\0b", "", "c"]);
    }
}
