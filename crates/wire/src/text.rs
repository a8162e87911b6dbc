//! Percent-encoding and forms.
//!
//! Keeps true: decoding never fails; what is not valid UTF-8 becomes the replacement character.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All but RFC 3986's unreserved characters: what AWS encodes everywhere.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const RESERVED_BUT_SLASH: &AsciiSet = &RESERVED.remove(b'/');

/// Encodes for a path segment or a query.
pub(crate) fn encode(text: &str, keep_slashes: bool) -> String {
    utf8_percent_encode(text, if keep_slashes { RESERVED_BUT_SLASH } else { RESERVED }).to_string()
}

/// Decodes a path segment.
pub(crate) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The pairs of a query string or a form, decoded, in order.
pub(crate) fn form(text: &str) -> Vec<(String, String)> {
    let field = |text: &str| if text.contains('+') { decode(&text.replace('+', " ")) } else { decode(text) };
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (field(name), field(value))
        })
        .collect()
}
