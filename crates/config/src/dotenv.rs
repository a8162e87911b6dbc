//! `.env` files, as the packages dotenv and dotenv-expand read them.
//!
//! The real environment wins over the file, and `${NAME}` and `${NAME:-default}` in values are filled in.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::Path;

/// Reads `.env.<stage>`, or `.env` when there is none, into the environment. Neither need be there.
///
/// # Errors
/// The original's sentence when a file is there and cannot be read.
pub(crate) fn load(
    directory: &Path,
    stage: &str,
    environment: &mut HashMap<String, String>,
) -> Result<(), String> {
    for name in [format!(".env.{stage}"), ".env".to_owned()] {
        let path = directory.join(name);
        match std::fs::read(&path) {
            Ok(bytes) => {
                extend(&String::from_utf8_lossy(&bytes), environment);
                return Ok(());
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                return Err(format!(
                    "Failed to load environment variables from \"{}\": {error}",
                    path.display()
                ));
            }
        }
    }
    Ok(())
}

fn extend(text: &str, environment: &mut HashMap<String, String>) {
    let pairs = parse(&text.replace("\r\n", "\n").replace('\r', "\n"));
    for (key, value) in &pairs {
        environment.entry(key.clone()).or_insert_with(|| value.clone());
    }
    for (key, _) in pairs {
        let value = environment.get(&key).cloned().unwrap_or_default();
        let value = interpolate(value, environment).replace("\\$", "$");
        environment.insert(key, value);
    }
}

/// The pairs of a file; lines that are none are passed over.
fn parse(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let trimmed = line.trim_start();
        let trimmed = trimmed.strip_prefix("export ").map_or(trimmed, str::trim_start);
        let key_end = trimmed
            .find(|c: char| !(c.is_ascii_alphanumeric() || "_.-".contains(c)))
            .unwrap_or(trimmed.len());
        let (key, separator) = trimmed.split_at(key_end);
        let value = separator.trim_start().strip_prefix('=').or_else(|| separator.strip_prefix(": "));
        let Some(value) = value.filter(|_| !key.is_empty()) else {
            rest = after;
            continue;
        };
        // A quoted value may go on over lines.
        let value_start = rest.len() - after.len() - usize::from(rest.len() > line.len()) - value.len();
        let from_value = rest[value_start..].trim_start_matches([' ', '\t']);
        let (value, remainder) = match quoted(from_value) {
            Some((inner, remainder)) => (inner, remainder.split_once('\n').map_or("", |(_, after)| after)),
            None => (value.split('#').next().unwrap_or_default().trim().to_owned(), after),
        };
        pairs.push((key.to_owned(), value));
        rest = remainder;
    }
    pairs
}

/// What stands in quotes at the beginning, and what follows. In double quotes `\n` and `\r` are line breaks.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"' | '`'))?;
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !is_escaped {
            let inner = &text[1..at];
            let inner =
                if quote == '"' { inner.replace("\\n", "\n").replace("\\r", "\r") } else { inner.to_owned() };
            return Some((inner, &text[at + 1..]));
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    None
}

/// Fills in references, the last one first, so that defaults may hold references.
fn interpolate(mut value: String, environment: &HashMap<String, String>) -> String {
    // Each round takes one reference away; a value that refers to itself would bring it back for ever.
    for _ in 0..100 {
        let bytes = value.as_bytes();
        let last =
            (0..bytes.len()).rev().find(|at| bytes[*at] == b'$' && (*at == 0 || bytes[*at - 1] != b'\\'));
        let Some(start) = last else { break };
        let rest = &value[start + 1..];
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let name_end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        if name_end == 0 {
            break;
        }
        let (name, after) = rest.split_at(name_end);
        let default = after
            .strip_prefix(":-")
            .map(|default| &default[..default.find(['}', '\\']).unwrap_or(default.len())]);
        let after = default.map_or(after, |default| &after[2 + default.len()..]);
        let after = after.strip_prefix('}').unwrap_or(after);
        let known = environment.get(name).map(String::as_str).filter(|known| !known.is_empty());
        value = format!("{}{}{after}", &value[..start], known.or(default).unwrap_or_default());
        if value.len() > 1024 * 1024 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_as_people_write_them() {
        let text = "# comment\nA=1\nexport B = two words # why\nC='it # stays'\nD=\"line\\nbreak\"\nE=\nF: x\nnonsense\n\
                    G=\"over\nlines\" # end\nH=a-${A}-${NOPE:-none}-$B\nREAL=file\nI=\\$A\nJ=${REAL}\n";
        let mut environment = HashMap::from([("REAL".to_owned(), "real".to_owned())]);
        extend(text, &mut environment);
        for (key, value) in [
            ("A", "1"),
            ("B", "two words"),
            ("C", "it # stays"),
            ("D", "line\nbreak"),
            ("E", ""),
            ("F", "x"),
            ("G", "over\nlines"),
            ("H", "a-1-none-two words"),
            ("I", "$A"),
            ("J", "real"),
            ("REAL", "real"),
        ] {
            assert_eq!(environment.get(key).map(String::as_str), Some(value), "{key}");
        }
    }

    #[test]
    fn a_value_that_refers_to_itself_ends() {
        let mut environment = HashMap::new();
        extend("A=${A}x\nB=$B$B$B\nC=${\nD=$\n", &mut environment);
        assert!(environment.contains_key("D"));
    }
}
