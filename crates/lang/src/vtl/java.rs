//! Spellings that Java's libraries give: doubles, URL encoding, escaped JavaScript.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::fmt::Write as _;

/// `Double.toString`: plain between 0.001 and ten million, scientific beyond, always with a fraction.
pub(crate) fn double(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let size = number.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        let text = number.to_string();
        return if text.contains('.') { text } else { format!("{text}.0") };
    }
    let text = format!("{number:E}");
    match text.split_once('E') {
        Some((mantissa, power)) if !mantissa.contains('.') => format!("{mantissa}.0E{power}"),
        _ => text,
    }
}

/// What `URLEncoder` leaves as it is, beside letters and digits.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'*').remove(b'_').remove(b' ');

/// `URLEncoder.encode`
pub(crate) fn url_encode(text: &str) -> String {
    utf8_percent_encode(text, KEPT).to_string().replace(' ', "+")
}

/// `URLDecoder.decode`
pub(crate) fn url_decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// `StringEscapeUtils.escapeJavaScript`
pub(crate) fn escape_javascript(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for unit in text.encode_utf16() {
        match char::from_u32(u32::from(unit)) {
            Some(c @ ('\'' | '"' | '\\' | '/')) => {
                out.push('\\');
                out.push(c);
            }
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some('\u{8}') => out.push_str("\\b"),
            Some('\u{c}') => out.push_str("\\f"),
            Some(c @ ' '..='~') => out.push(c),
            _ => {
                // Writing to a text cannot fail.
                let _ = write!(out, "\\u{unit:04X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        for (number, expected) in [
            (1.0, "1.0"),
            (0.05, "0.05"),
            (0.0001, "1.0E-4"),
            (1.5e10, "1.5E10"),
            (12_345_678.0, "1.2345678E7"),
            (-0.0, "-0.0"),
        ] {
            assert_eq!(double(number), expected);
        }
        assert_eq!(url_encode("a b&c=ü/~*-._"), "a+b%26c%3D%C3%BC%2F%7E*-._");
        assert_eq!(url_decode("a+b%26%C3%BC"), "a b&ü");
        assert_eq!(escape_javascript("it's \"a\"/\n\u{1}é😀"), r#"it\'s \"a\"\/\n\u0001\u00E9\uD83D\uDE00"#);
    }
}
