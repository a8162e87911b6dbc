//! EXIF orientation: how a camera was held (EXIF 2.32, tag 0x0112), and turning pictures by it.

use crate::gray::Gray;

/// The orientation in a TIFF structure, with or without `Exif\0\0` before it: 1 to 8, and 1 for whatever is not to be understood.
pub(crate) fn of(exif: &[u8]) -> u8 {
    find(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif)).filter(|it| (1..=8).contains(it)).unwrap_or(1)
}

fn find(tiff: &[u8]) -> Option<u8> {
    let is_little = match tiff.get(..2)? {
        b"II" => true,
        b"MM" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let bytes: [u8; 2] = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if is_little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let long = |at: usize| {
        let bytes: [u8; 4] = tiff.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if is_little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    let directory = long(4)? as usize;
    let count = usize::from(short(directory)?);
    (0..count).find_map(|number| {
        let entry = directory + 2 + number * 12;
        (short(entry)? == 0x0112).then(|| short(entry + 8))??.try_into().ok()
    })
}

/// The picture as it was seen.
pub(crate) fn upright(gray: Gray, orientation: u8) -> Gray {
    if !(2..=8).contains(&orientation) {
        return gray;
    }
    let (width, height) =
        if orientation >= 5 { (gray.height, gray.width) } else { (gray.width, gray.height) };
    let (right, bottom) = (gray.width - 1, gray.height - 1);
    let mut data = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let (from_x, from_y) = match orientation {
                2 => (right - x, y),
                3 => (right - x, bottom - y),
                4 => (x, bottom - y),
                5 => (y, x),
                6 => (y, bottom - x),
                7 => (right - y, bottom - x),
                _ => (right - y, x),
            };
            data.push(gray.data[from_y * gray.width + from_x]);
        }
    }
    Gray { width, height, data }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An `F` in three columns and five rows.
    const UPRIGHT: &str = "### #.. ##. #.. #..";

    fn picture(text: &str) -> Gray {
        let lines: Vec<&str> = text.split(' ').collect();
        Gray {
            width: lines[0].len(),
            height: lines.len(),
            data: text.bytes().filter(|it| *it != b' ').collect(),
        }
    }

    #[test]
    fn every_orientation_is_turned_upright() {
        for (orientation, stored) in [
            (1, UPRIGHT),
            (2, "### ..# .## ..# ..#"),
            (3, "..# ..# .## ..# ###"),
            (4, "#.. #.. ##. #.. ###"),
            (5, "##### #.#.. #...."),
            (6, "#.... #.#.. #####"),
            (7, "....# ..#.# #####"),
            (8, "##### ..#.# ....#"),
        ] {
            assert_eq!(upright(picture(stored), orientation), picture(UPRIGHT), "{orientation}");
        }
    }

    #[test]
    fn orientation_is_found_in_either_byte_order() {
        let little =
            b"II*\0\x08\0\0\0\x02\0\x0f\x01\x02\0\x01\0\0\0\0\0\0\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";
        let big = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0";
        let endless = b"II*\0\xff\xff\xff\xff";
        for (exif, expected) in [(&little[..], 6), (big, 8), (endless, 1), (b"", 1), (&little[..30], 1)] {
            assert_eq!(of(exif), expected);
            assert_eq!(of(&[b"Exif\0\0", exif].concat()), expected);
        }
    }
}
