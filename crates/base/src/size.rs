//! An amount of bytes, and how people read and write one.

use std::fmt;
use std::str::FromStr;

/// An amount of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// `count` times 1,048,576 bytes.
    pub const fn mebibytes(count: u64) -> Self {
        Self(count * 1024 * 1024)
    }
}

/// With SI units and at most one decimal (two significant digits below ten), as the original framework prints sizes: `1.2 kB`.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut amount, mut unit) = (self.0 as f64, "B");
        for next in ["kB", "MB", "GB", "TB"] {
            if amount < 1000.0 {
                break;
            }
            (amount, unit) = (amount / 1000.0, next);
        }
        if unit == "B" || amount >= 10.0 {
            write!(f, "{amount:.0} {unit}")
        } else {
            let rounded = format!("{amount:.1}");
            write!(f, "{} {unit}", rounded.strip_suffix(".0").unwrap_or(&rounded))
        }
    }
}

/// Reads `512`, `64K`, `10MB`, `1 GiB`: letters are powers of 1024.
impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let wrong = || format!("`{text}` is not a size: write a number with K, M or G");
        let count: u64 = text[..digits].parse().map_err(|_| wrong())?;
        let factor = match text[digits..].trim().to_ascii_uppercase().as_str() {
            "" | "B" => 1,
            "K" | "KB" | "KIB" => 1 << 10,
            "M" | "MB" | "MIB" => 1 << 20,
            "G" | "GB" | "GIB" => 1 << 30,
            _ => return Err(wrong()),
        };
        count.checked_mul(factor).map(Self).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1234, "1.2 kB"),
            (2000, "2 kB"),
            (1_234_567, "1.2 MB"),
            (45_678, "46 kB"),
        ] {
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
        assert_eq!("64K".parse(), Ok(ByteSize(65536)));
        assert!("lots".parse::<ByteSize>().is_err());
    }
}
