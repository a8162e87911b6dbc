//! Splits an expression into tokens.
//!
//! Knows no keyword and no grammar: a word is a word. Keeps true: the last token is the end, and every token knows
//! where it stands, so that a syntax error can show its neighbours.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A bare name, keyword or function.
    Word,
    /// `#name`
    NameRef,
    /// `:value`
    ValueRef,
    /// Digits.
    Number,
    /// An operator, bracket, comma or full stop.
    Symbol,
    /// A character that no expression holds.
    Unknown,
    /// The end of the text.
    End,
}

/// A piece of the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    /// Bytes from the start of the expression.
    pub start: usize,
}

impl Token<'_> {
    pub(crate) fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// All tokens, the end included.
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut all = Vec::new();
    let mut start = 0;
    while let Some(first) = text[start..].chars().next() {
        let rest = &text[start..];
        let word_length = |from: usize| {
            let more = rest[from..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            more.map_or(rest.len(), |length| from + length)
        };
        let (kind, length) = match first {
            ' ' | '\t' | '\r' | '\n' => {
                start += 1;
                continue;
            }
            'a'..='z' | 'A'..='Z' | '_' => (Kind::Word, word_length(0)),
            '#' if word_length(1) > 1 => (Kind::NameRef, word_length(1)),
            ':' if word_length(1) > 1 => (Kind::ValueRef, word_length(1)),
            '0'..='9' => (Kind::Number, rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())),
            '<' if rest.starts_with("<=") || rest.starts_with("<>") => (Kind::Symbol, 2),
            '>' if rest.starts_with(">=") => (Kind::Symbol, 2),
            '(' | ')' | '[' | ']' | ',' | '.' | '=' | '<' | '>' | '+' | '-' => (Kind::Symbol, 1),
            other => (Kind::Unknown, other.len_utf8()),
        };
        all.push(Token { kind, text: &rest[..length], start });
        start += length;
    }
    all.push(Token { kind: Kind::End, text: "", start });
    all
}
