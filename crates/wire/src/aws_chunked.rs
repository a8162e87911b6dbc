//! S3's `aws-chunked` bodies: chunks with a signature each, or without, and trailers with checksums.
//!
//! Takes the body apart; it does not verify the chunks' signatures, which sign what the request's own signature already
//! vouches for the sender of. Keeps true: the decoded body is never longer than what was sent.

use thiserror::Error;

/// The longest line that a chunk's header or a trailer may have.
const MAX_LINE: usize = 8 * 1024;
/// The most trailers that one body may have.
const MAX_TRAILERS: usize = 32;

/// A body without its framing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// The object's bytes.
    pub body: Vec<u8>,
    /// Trailing headers, names in lower case: `x-amz-checksum-crc32`, `x-amz-trailer-signature`, ...
    pub trailers: Vec<(String, String)>,
}

/// The framing is broken.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ChunkError {
    /// The body ends before the last chunk does.
    #[error("the body ends before its last chunk")]
    Incomplete,
    /// A chunk's header or a trailer is not what it must be.
    #[error("a chunk's header cannot be read")]
    Malformed,
}

/// Whether `x-amz-content-sha256` announces such a body.
pub fn is_announced(content_sha256: &str) -> bool {
    content_sha256.starts_with("STREAMING-")
}

/// Takes a body apart.
///
/// # Errors
/// When it is incomplete or malformed.
pub fn decode(bytes: &[u8]) -> Result<Decoded, ChunkError> {
    let mut decoded = Decoded { body: Vec::with_capacity(bytes.len()), trailers: Vec::new() };
    let mut rest = bytes;
    loop {
        let header = line(&mut rest)?;
        let size = header.split(';').next().unwrap_or_default().trim();
        if size.is_empty() || size.len() > 16 {
            return Err(ChunkError::Malformed);
        }
        let size = usize::from_str_radix(size, 16).map_err(|_| ChunkError::Malformed)?;
        if size == 0 {
            break;
        }
        let (chunk, tail) = rest.split_at_checked(size).ok_or(ChunkError::Incomplete)?;
        decoded.body.extend_from_slice(chunk);
        rest = tail.strip_prefix(b"\r\n").ok_or(if tail.len() < 2 {
            ChunkError::Incomplete
        } else {
            ChunkError::Malformed
        })?;
    }
    // Trailers end with an empty line, or, as some clients have it, with the body.
    while !rest.is_empty() {
        let trailer = line(&mut rest)?;
        if trailer.is_empty() {
            continue;
        }
        let (name, value) = trailer.split_once(':').ok_or(ChunkError::Malformed)?;
        if decoded.trailers.len() == MAX_TRAILERS {
            return Err(ChunkError::Malformed);
        }
        decoded.trailers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(decoded)
}

/// Takes a line off, without its end.
fn line<'b>(rest: &mut &'b [u8]) -> Result<&'b str, ChunkError> {
    let window = &rest[..rest.len().min(MAX_LINE)];
    let end = window.iter().position(|byte| *byte == b'\n');
    let Some(end) = end else {
        return Err(if window.len() == MAX_LINE { ChunkError::Malformed } else { ChunkError::Incomplete });
    };
    let text = std::str::from_utf8(&rest[..end]).map_err(|_| ChunkError::Malformed)?;
    *rest = &rest[end + 1..];
    Ok(text.strip_suffix('\r').unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        type Parts<'a> = (&'a str, &'a [(&'a str, &'a str)]);
        let check = |text: &str, expected: Result<Parts<'_>, ChunkError>| {
            let decoded = decode(text.as_bytes());
            let expected = expected.map(|(body, trailers)| Decoded {
                body: body.as_bytes().to_vec(),
                trailers: trailers
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
            });
            assert_eq!(decoded, expected, "{text:?}");
        };
        check(
            "5;chunk-signature=ab\r\nhello\r\n3;chunk-signature=cd\r\n!\r\n\r\n0;chunk-signature=ef\r\n\r\n",
            Ok(("hello!\r\n", &[])),
        );
        check(
            "5\r\nhello\r\n0\r\nX-Amz-Checksum-CRC32:NhCmhg==\r\n\r\n",
            Ok(("hello", &[("x-amz-checksum-crc32", "NhCmhg==")])),
        );
        check(
            "5;chunk-signature=a\r\nhello\r\n0;chunk-signature=b\r\nx-amz-checksum-crc32:NhCmhg==\nx-amz-trailer-signature:c\r\n\r\n",
            Ok(("hello", &[("x-amz-checksum-crc32", "NhCmhg=="), ("x-amz-trailer-signature", "c")])),
        );
        check("0\r\n\r\n", Ok(("", &[])));
        check("5\r\nhel", Err(ChunkError::Incomplete));
        check("5\r\nhello\r\n", Err(ChunkError::Incomplete));
        check("3\r\nhello\r\n", Err(ChunkError::Malformed));
        check("-1\r\n", Err(ChunkError::Malformed));
        check("ffffffffffffffff\r\nhello", Err(ChunkError::Incomplete));
    }
}
