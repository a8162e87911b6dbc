//! A cursor over a template's text.

use super::{VtlError, limits};

/// Where the parser stands.
pub(crate) struct Scanner<'a> {
    pub text: &'a str,
    pub at: usize,
    pub depth: usize,
    /// Lines before this text, when it is a part of a template.
    pub line: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(crate) fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        self.at += if found { text.len() } else { 0 };
        found
    }

    /// Takes a word that does not go on.
    pub(crate) fn eat_word(&mut self, word: &str) -> bool {
        let found = self.rest().strip_prefix(word).is_some_and(|after| !after.starts_with(is_word));
        self.at += if found { word.len() } else { 0 };
        found
    }

    pub(crate) fn expect(&mut self, text: &str) -> Result<(), VtlError> {
        if self.eat(text) { Ok(()) } else { Err(self.error(format!("expected '{text}'"))) }
    }

    /// The characters that fulfil `wanted`, taken.
    pub(crate) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    pub(crate) fn skip_space(&mut self) {
        self.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
    }

    /// What closes a directive also swallows the rest of its line, when that is blank.
    pub(crate) fn skip_line_end(&mut self) {
        let after = self.rest().trim_start_matches([' ', '\t']);
        for end in ["\r\n", "\n", "\r"] {
            if let Some(after) = after.strip_prefix(end) {
                self.at = self.text.len() - after.len();
                return;
            }
        }
    }

    pub(crate) fn error(&self, reason: impl Into<String>) -> VtlError {
        let before = self.text.get(..self.at).unwrap_or(self.text);
        VtlError::Syntax { line: self.line + 1 + before.matches('\n').count(), reason: reason.into() }
    }

    /// Runs `parse` one level deeper.
    pub(crate) fn nested<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, VtlError>,
    ) -> Result<T, VtlError> {
        if self.depth >= limits::DEPTH {
            return Err(VtlError::Limit("nested blocks and expressions"));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }
}

/// A character of a directive's or macro's name.
pub(crate) fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// A character of a reference's name after the first.
pub(crate) fn is_name(c: char) -> bool {
    is_word(c) || c == '-'
}

/// The first character of a name.
pub(crate) fn starts_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}
