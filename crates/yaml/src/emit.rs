//! YAML text of a plain value, byte for byte what js-yaml's `dump` writes with its default options and `noRefs`.
//!
//! The original's `print` is read by scripts, so quoting and folding follow its rules, which go further than YAML needs.

use crate::{number_text, scalar};
use serde_json::{Map, Value};
use std::fmt::Write;

/// Columns that a line aims at.
const WIDTH: usize = 80;
/// Columns that deep nesting leaves at least.
const LEAST_WIDTH: usize = 40;
/// Keys longer than this are written with `?`.
const LONGEST_KEY: usize = 1024;

/// The document, ending with a newline.
pub fn emit(value: &Value) -> String {
    node(value, 0, true) + "\n"
}

/// A value at a nesting level; `compact` when it follows `- ` on the same line.
fn node(value: &Value, level: usize, compact: bool) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number_yaml(&number_text(number)),
        Value::String(text) => scalar_text(text, level, false),
        Value::Array(items) if items.is_empty() => "[]".to_owned(),
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Array(items) => sequence(items, level, compact),
        Value::Object(map) => mapping(map, level, compact),
    }
}

/// JavaScript's `5e-7` gets a point, as YAML wants it; js-yaml leaves whole numbers such as `1e+21` alone.
fn number_yaml(text: &str) -> String {
    match text.split_once('e') {
        Some((mantissa, exponent)) if !mantissa.contains('.') && exponent.starts_with('-') => {
            format!("{mantissa}.e{exponent}")
        }
        _ => text.to_owned(),
    }
}

fn new_line(level: usize) -> String {
    format!("\n{}", "  ".repeat(level))
}

fn sequence(items: &[Value], level: usize, compact: bool) -> String {
    let mut text = String::new();
    for item in items {
        if !compact || !text.is_empty() {
            text += &new_line(level);
        }
        let item = node(item, level + 1, true);
        text += if item.starts_with('\n') { "-" } else { "- " };
        text += &item;
    }
    text
}

fn mapping(map: &Map<String, Value>, level: usize, compact: bool) -> String {
    let mut text = String::new();
    for (key, value) in map {
        if !compact || !text.is_empty() {
            text += &new_line(level);
        }
        let key = scalar_text(key, level + 1, true);
        let is_long = key.chars().count() > LONGEST_KEY;
        if is_long {
            text += "? ";
            text += &key;
            text += &new_line(level);
        } else {
            text += &key;
        }
        let value = node(value, level + 1, is_long);
        text += if value.starts_with('\n') { ":" } else { ": " };
        text += &value;
    }
    text
}

fn scalar_text(text: &str, level: usize, is_key: bool) -> String {
    if text.is_empty() {
        return "''".to_owned();
    }
    if is_old_boolean(text) || is_base_60(text) {
        return format!("'{text}'");
    }
    let indent = 2 * level.max(1);
    let width = LEAST_WIDTH.max(WIDTH.saturating_sub(indent));
    match style(text, is_key, width) {
        Style::Plain => text.to_owned(),
        Style::Single => format!("'{}'", text.replace('\'', "''")),
        Style::Double => format!("\"{}\"", escape(text)),
        Style::Literal => format!("|{}{}", header(text), without_last_newline(&indented(text, indent))),
        Style::Folded => {
            format!(">{}{}", header(text), without_last_newline(&indented(&fold(text, width), indent)))
        }
    }
}

enum Style {
    Plain,
    Single,
    Double,
    Literal,
    Folded,
}

fn style(text: &str, single_line: bool, width: usize) -> Style {
    if text.chars().any(|c| !is_printable(c) && (single_line || c != '\n')) {
        return Style::Double;
    }
    // Runs of characters between line breaks that are too long and not indented further.
    let foldable =
        !single_line && text.split('\n').any(|line| line.chars().count() > width && !line.starts_with(' '));
    let has_break = text.contains('\n');
    if single_line || !(has_break || foldable) {
        return if is_plain(text) && !scalar::is_ambiguous(text) { Style::Plain } else { Style::Single };
    }
    if foldable { Style::Folded } else { Style::Literal }
}

fn is_old_boolean(text: &str) -> bool {
    const WORDS: &[&str] =
        &["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off", "OFF"];
    WORDS.contains(&text)
}

/// `1:30`, which YAML 1.1 read as a number to the base of 60.
fn is_base_60(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_group =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let mut parts = text.split(':').collect::<Vec<_>>();
    let Some(last) = parts.pop() else { return false };
    let (last, fraction) = last.split_once('.').unwrap_or((last, ""));
    !parts.is_empty()
        && parts.into_iter().all(is_group)
        && is_group(last)
        && fraction.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
}

fn is_plain(text: &str) -> bool {
    let mut previous = None;
    for c in text.chars() {
        let safe = match (previous, c) {
            (None, c) => is_plain_first(c),
            (Some(before), '#') => is_word(before),
            (Some(':'), c) => is_word(c),
            (Some(_), c) => is_printable(c) || c == ' ',
        };
        if !safe {
            return false;
        }
        previous = Some(c);
    }
    previous.is_some_and(|last| !matches!(last, ' ' | '\t' | ':'))
}

fn is_plain_first(c: char) -> bool {
    is_word(c) && !"-?:,[]{}#&*!|=>'\"%@`".contains(c)
}

/// Printable and no blank.
fn is_word(c: char) -> bool {
    is_printable(c) && !matches!(c, ' ' | '\t')
}

fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a1}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
        && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// The indicators after `|` or `>`: indentation when the text begins with a blank, and what happens to the last newlines.
fn header(text: &str) -> String {
    let indentation = if text.trim_start_matches('\n').starts_with(' ') { "2" } else { "" };
    let chomp = match text {
        "\n" => "+",
        _ if text.ends_with("\n\n") => "+",
        _ if text.ends_with('\n') => "",
        _ => "-",
    };
    format!("{indentation}{chomp}\n")
}

fn indented(text: &str, indent: usize) -> String {
    let blanks = " ".repeat(indent);
    text.split_inclusive('\n')
        .map(|line| if line == "\n" { line.to_owned() } else { format!("{blanks}{line}") })
        .collect()
}

fn without_last_newline(text: &str) -> &str {
    text.strip_suffix('\n').unwrap_or(text)
}

/// Lines broken at blanks. A break within a paragraph needs an empty line more, one beside an indented line does not.
fn fold(text: &str, width: usize) -> String {
    let first_end = text.find('\n').unwrap_or(text.len());
    let mut folded = fold_line(&text[..first_end], width);
    let mut after_indented = text.starts_with(['\n', ' ']);
    let mut rest = &text[first_end..];
    while !rest.is_empty() {
        let breaks = rest.len() - rest.trim_start_matches('\n').len();
        let line = &rest[breaks..];
        let line = &line[..line.find('\n').unwrap_or(line.len())];
        let is_indented = line.starts_with(' ');
        folded += &rest[..breaks];
        if !after_indented && !is_indented && !line.is_empty() {
            folded.push('\n');
        }
        folded += &fold_line(line, width);
        after_indented = is_indented;
        rest = &rest[breaks + line.len()..];
    }
    folded
}

/// The longest pieces that fit, or the shortest that do not where there is no blank to break at.
fn fold_line(line: &str, width: usize) -> String {
    if line.is_empty() || line.starts_with(' ') {
        return line.to_owned();
    }
    let chars: Vec<char> = line.chars().collect();
    let piece = |from: usize, to: usize| chars[from..to].iter().collect::<String>();
    let mut pieces = Vec::new();
    let (mut start, mut current) = (0, 0);
    // A break cannot be followed by a blank, that would read as an indented line.
    let mut next = 0;
    while let Some(at) =
        (next..chars.len().saturating_sub(1)).find(|at| chars[*at] == ' ' && chars[*at + 1] != ' ')
    {
        if at - start > width {
            let end = if current > start { current } else { at };
            pieces.push(piece(start, end));
            start = end + 1;
        }
        current = at;
        next = at + 2;
    }
    if chars.len() - start > width && current > start {
        pieces.push(piece(start, current));
        start = current + 1;
    }
    pieces.push(piece(start, chars.len()));
    pieces.join("\n")
}

fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\0' => escaped += "\\0",
            '\u{7}' => escaped += "\\a",
            '\u{8}' => escaped += "\\b",
            '\t' => escaped += "\\t",
            '\n' => escaped += "\\n",
            '\u{b}' => escaped += "\\v",
            '\u{c}' => escaped += "\\f",
            '\r' => escaped += "\\r",
            '\u{1b}' => escaped += "\\e",
            '"' => escaped += "\\\"",
            '\\' => escaped += "\\\\",
            '\u{85}' => escaped += "\\N",
            '\u{a0}' => escaped += "\\_",
            '\u{2028}' => escaped += "\\L",
            '\u{2029}' => escaped += "\\P",
            c if is_printable(c) => escaped.push(c),
            c => {
                let code = u32::from(c);
                // Writing to a string cannot fail.
                let _ = match code {
                    0..=0xff => write!(escaped, "\\x{code:02X}"),
                    0x100..=0xffff => write!(escaped, "\\u{code:04X}"),
                    _ => write!(escaped, "\\U{code:08X}"),
                };
            }
        }
    }
    escaped
}
