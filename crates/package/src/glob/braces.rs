//! Brace expansion: `{a,b}` into two patterns.
//!
//! Not the shell's: a range stays a class of characters, as picomatch makes it. Keeps true: text without a comma or
//! a range between its braces stays as it is.

/// All patterns that the braces of a pattern stand for, in order.
pub fn expand(pattern: &str) -> Vec<String> {
    match first_group(pattern) {
        None => vec![pattern.to_owned()],
        Some((start, end)) => {
            let (before, body, after) = (&pattern[..start], &pattern[start + 1..end], &pattern[end + 1..]);
            let parts = split_top_level(body);
            let tails = expand(after);
            let heads: Vec<String> = if parts.len() > 1 {
                parts.iter().flat_map(|part| expand(part)).collect()
            } else {
                vec![range(body).unwrap_or_else(|| format!("\\{{{body}\\}}"))]
            };
            heads
                .iter()
                .flat_map(|head| tails.iter().map(move |tail| format!("{before}{head}{tail}")))
                .collect()
        }
    }
}

/// The byte places of the first balanced pair of braces.
fn first_group(pattern: &str) -> Option<(usize, usize)> {
    let mut depth = 0_usize;
    let mut start = None;
    let mut escaped = false;
    for (index, character) in pattern.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => {
                depth += 1;
                start = start.or(Some(index));
            }
            '}' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    return start.map(|start| (start, index));
                }
            }
            _ => {}
        }
    }
    None
}

fn split_top_level(body: &str) -> Vec<&str> {
    let (mut depth, mut from, mut escaped) = (0_i32, 0, false);
    let mut parts = Vec::new();
    for (index, character) in body.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' | '(' => depth += 1,
            '}' | ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&body[from..index]);
                from = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&body[from..]);
    parts
}

fn range(body: &str) -> Option<String> {
    let (first, last) = body.split_once("..")?;
    let single = |text: &str| text.chars().count() == 1;
    (single(first) && single(last)).then(|| {
        let (low, high) = if first <= last { (first, last) } else { (last, first) };
        format!("[{low}-{high}]")
    })
}
