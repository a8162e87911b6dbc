//! The grammar of `${...}` in a text: variables with fallbacks, escapes, and foreign scopes such as `${AWS::Region}`.
//!
//! Only syntax; what a source means is not known here. Offsets are bytes of the text they were found in.

use serde_json::Value;

/// Variables within variables; deeper is refused.
const MAX_DEPTH: usize = 100;

/// A `${...}` or an escape within a text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Variable {
    /// Where it begins.
    pub start: usize,
    /// One past its end.
    pub end: usize,
    /// Whether it is all of its text, so that its value keeps its type.
    pub is_whole: bool,
    /// What it stands for.
    pub state: State,
}

/// How far a variable has come.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    /// These sources are still to be asked, in this order.
    Open(Vec<Source>),
    /// Its value; for an escape, the text it stands for.
    Known(Value),
}

/// One alternative of a variable.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    /// `'text'`, `"text"`, `true`, `null`, `1.5`
    Literal(Value),
    /// `type(params):address`
    Call {
        /// Its name.
        name: String,
        /// What stands in brackets.
        params: Option<Vec<Text>>,
        /// What stands after the colon.
        address: Option<Text>,
    },
}

/// A text that may hold variables.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Text {
    /// The text; a param may also be a literal of another type.
    pub value: Value,
    /// What was found in it, in order; empty when it is final.
    pub variables: Vec<Variable>,
    /// The pieces it was put together from: each is looked at alone, so that no variable arises by joining.
    pub pieces: Option<Vec<String>>,
}

/// The variables of a text; empty when there are none.
///
/// # Errors
/// The original's sentence about the first mistake.
pub(crate) fn parse(text: &str) -> Result<Vec<Variable>, String> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let mut found = Vec::new();
    parser.text(&mut found)?;
    mark_whole(text.len(), &mut found);
    Ok(found)
}

fn mark_whole(length: usize, found: &mut [Variable]) {
    if let [only] = found {
        only.is_whole = only.start == 0 && only.end == length;
    }
}

/// Where a `${` stands: what it may be depends on it.
#[derive(Clone, Copy)]
struct Scope {
    /// The byte that offsets count from.
    base: usize,
    /// Whether it stands within a real variable, where nothing foreign is allowed.
    is_nested: bool,
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

type Parsed<T> = Result<T, String>;

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn skip_blanks(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    fn slice(&self, start: usize) -> &str {
        &self.text[start..self.at]
    }

    fn error<T>(&self, what: &str, at: usize) -> Parsed<T> {
        Err(format!("{what} at index {} in \"{}\"", self.text[..at].encode_utf16().count(), self.text))
    }

    fn unterminated<T>(&self) -> Parsed<T> {
        Err(format!("Missing variable closing bracket in {}", self.text))
    }

    /// The outermost text, where a backslash escapes.
    fn text(&mut self, found: &mut Vec<Variable>) -> Parsed<()> {
        let scope = Scope { base: 0, is_nested: false };
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' => self.escape(scope, found)?,
                b'$' => self.dollar(scope, found)?,
                _ => self.at += 1,
            }
        }
        Ok(())
    }

    /// A run of backslashes: before `${` it is halved, and an odd one turns the `${` into text.
    fn escape(&mut self, scope: Scope, found: &mut Vec<Variable>) -> Parsed<()> {
        let start = self.at;
        while self.peek() == Some(b'\\') {
            self.at += 1;
        }
        let count = self.at - start;
        if !self.text[self.at..].starts_with('$') {
            return Ok(());
        }
        let opens = self.text[self.at..].starts_with("${");
        let mut known = |end: usize, text: String| {
            let state = State::Known(Value::String(text));
            found.push(Variable { start, end, is_whole: false, state });
        };
        if count % 2 == 1 {
            self.at += 1;
            if opens {
                known(self.at, "\\".repeat(count / 2) + "$");
                self.at += 1;
            }
            return Ok(());
        }
        if opens {
            known(self.at, "\\".repeat(count / 2));
        }
        self.dollar(scope, found)
    }

    /// From a `$`: the variable it opens, if it opens one.
    fn dollar(&mut self, scope: Scope, found: &mut Vec<Variable>) -> Parsed<()> {
        let start = self.at;
        while self.peek() == Some(b'$') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'{') => {
                self.at += 1;
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return self.error("Excessive variables nest depth", start);
                }
                self.opened(start, scope, found)?;
                self.depth -= 1;
            }
            // The character after a lone `$` is no longer looked at.
            Some(byte) if byte.is_ascii() => self.at += 1,
            _ => {}
        }
        Ok(())
    }

    /// After `${`.
    fn opened(&mut self, start: usize, scope: Scope, found: &mut Vec<Variable>) -> Parsed<()> {
        let name_start = self.at;
        if !self.peek().is_some_and(|byte| byte.is_ascii_lowercase()) {
            return match self.peek() {
                None if scope.is_nested => self.unterminated(),
                None => Ok(()),
                Some(_) if scope.is_nested => self.error("Invalid variable type", self.at),
                Some(_) => self.foreign(scope, found),
            };
        }
        while self.peek().is_some_and(is_word) {
            self.at += 1;
        }
        let name = self.slice(name_start).to_owned();
        match self.peek() {
            Some(b':' | b'(') => {}
            None if scope.is_nested => return self.unterminated(),
            None => return Ok(()),
            Some(_) if scope.is_nested => return self.error("Invalid variable type", name_start),
            Some(_) => return self.foreign(scope, found),
        }
        let mut sources = Vec::new();
        let mut next = Some(name);
        while let Some(name) = next {
            let params = if self.peek() == Some(b'(') { Some(self.params()?) } else { None };
            if params.is_some() {
                self.skip_blanks();
                match self.peek() {
                    Some(b':' | b'}' | b',') => {}
                    None => return self.unterminated(),
                    Some(_) => return self.error("Invalid variable address", self.at),
                }
            }
            let mut address = None;
            if self.peek() == Some(b':') {
                self.at += 1;
                self.skip_blanks();
                address = match self.peek() {
                    Some(b'}' | b',') => None,
                    Some(b':') if params.is_none() && !scope.is_nested && sources.is_empty() => {
                        return self.foreign(scope, found);
                    }
                    Some(b':') => return self.error("Invalid variable address", self.at),
                    None => return self.unterminated(),
                    Some(_) => Some(self.address()?),
                };
            }
            sources.push(Source::Call { name, params, address });
            next = if self.next() == Some(b'}') { None } else { self.fallback(&mut sources)? };
        }
        let (start, end) = (start - scope.base, self.at - scope.base);
        found.push(Variable { start, end, is_whole: false, state: State::Open(sources) });
        Ok(())
    }

    /// After a comma: a literal, which must be the last, or the name of the next source.
    fn fallback(&mut self, sources: &mut Vec<Source>) -> Parsed<Option<String>> {
        self.skip_blanks();
        let start = self.at;
        match self.peek() {
            None => return self.unterminated(),
            Some(b'"' | b'\'') => {
                let text = self.quoted("Invalid variable source", b"}")?;
                self.at += 1;
                sources.push(Source::Literal(Value::String(text)));
                return Ok(None);
            }
            Some(byte) if is_word(byte) => {}
            Some(_) => return self.error("Invalid variable source", start),
        }
        while self.peek().is_some_and(|byte| is_word(byte) || byte == b' ') {
            self.at += 1;
        }
        let word = self.slice(start).to_owned();
        match self.peek() {
            None => self.unterminated(),
            Some(b':' | b'(') if is_name(&word) => Ok(Some(word)),
            Some(b'}') => {
                self.at += 1;
                let word = word.trim();
                match literal(word) {
                    Some(value) => sources.push(Source::Literal(value)),
                    None => return self.error(&format!("Invalid literal source \"{word}\""), start),
                }
                Ok(None)
            }
            Some(_) => self.error("Invalid variable source", start),
        }
    }

    /// From `(` to after `)`.
    fn params(&mut self) -> Parsed<Vec<Text>> {
        self.at += 1;
        let mut params = Vec::new();
        loop {
            self.skip_blanks();
            let start = self.at;
            match self.peek() {
                None => return self.unterminated(),
                Some(b')') => {
                    self.at += 1;
                    return Ok(params);
                }
                Some(b',') => {
                    self.at += 1;
                    params.push(Text::default());
                    continue;
                }
                Some(b'}') => return self.error("Invalid variable param", start),
                Some(b'"' | b'\'') => {
                    let text = self.quoted("Invalid variable param", b"),")?;
                    params.push(Text { value: Value::String(text), ..Text::default() });
                }
                Some(_) => {
                    let mut text = self.until(b"),}")?;
                    if self.peek() == Some(b'}') {
                        return self.error("Invalid variable param", start);
                    }
                    if let (Some(raw), true) = (text.value.as_str(), text.variables.is_empty()) {
                        text.value = param_literal(raw);
                    }
                    if !(self.peek() == Some(b')') && self.slice(start).trim().is_empty()) {
                        params.push(text);
                    }
                }
            }
            if self.next() == Some(b')') {
                return Ok(params);
            }
        }
    }

    fn address(&mut self) -> Parsed<Text> {
        if matches!(self.peek(), Some(b'"' | b'\'')) {
            let text = self.quoted("Invalid variable address", b"},")?;
            return Ok(Text { value: Value::String(text), ..Text::default() });
        }
        self.until(b"},")
    }

    /// Text with variables up to one of `stops`, which is left.
    fn until(&mut self, stops: &[u8]) -> Parsed<Text> {
        let start = self.at;
        let scope = Scope { base: start, is_nested: true };
        let mut variables = Vec::new();
        loop {
            match self.peek() {
                None => return self.unterminated(),
                Some(b'$') => self.dollar(scope, &mut variables)?,
                Some(byte) if stops.contains(&byte) => break,
                Some(_) => self.at += 1,
            }
        }
        let value = self.slice(start).trim();
        let leading = self.slice(start).len() - self.slice(start).trim_start().len();
        for variable in &mut variables {
            (variable.start, variable.end) = (variable.start - leading, variable.end - leading);
        }
        mark_whole(value.len(), &mut variables);
        let value = if value.is_empty() { Value::Null } else { Value::String(value.to_owned()) };
        Ok(Text { value, variables, pieces: None })
    }

    /// A quoted string and the blanks after it, up to one of `stops`, which is left.
    fn quoted(&mut self, mistake: &str, stops: &[u8]) -> Parsed<String> {
        let start = self.at;
        let quote = self.next();
        loop {
            match self.next() {
                None => return self.unterminated(),
                Some(b'\\') if quote == Some(b'"') => {
                    self.next();
                }
                byte if byte == quote => break,
                Some(_) => {}
            }
        }
        let end = self.at;
        self.skip_blanks();
        match self.peek() {
            None => return self.unterminated(),
            Some(byte) if stops.contains(&byte) => {}
            Some(_) => return self.error(mistake, start),
        }
        let raw = &self.text[start..end];
        if quote == Some(b'\'') {
            return Ok(raw[1..raw.len() - 1].to_owned());
        }
        serde_json::from_str(raw).or_else(|error| {
            self.error::<String>("Invalid string literal", start)
                .map_err(|message| format!("{message}: {error}"))
        })
    }

    /// The rest of a scope that is not ours; variables in it count.
    fn foreign(&mut self, scope: Scope, found: &mut Vec<Variable>) -> Parsed<()> {
        loop {
            match self.peek() {
                None => return Ok(()),
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'$') => self.dollar(scope, found)?,
                Some(_) => self.at += 1,
            }
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')
}

fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_lowercase())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// What an unquoted param means. The original takes `false`, `0` and an empty one for nothing.
fn param_literal(raw: &str) -> Value {
    match literal(raw) {
        Some(Value::Bool(false)) => Value::Null,
        Some(Value::Number(number)) if number.as_f64() == Some(0.0) => Value::Null,
        Some(value) => value,
        None => Value::String(raw.to_owned()),
    }
}

fn literal(word: &str) -> Option<Value> {
    match word {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        "null" => Some(Value::Null),
        _ => javascript_number(word)
            .map(|number| aloft_yaml::integral(number).map_or(Value::Null, Value::Number)),
    }
}

/// JavaScript's `Number(text)`; `None` for NaN.
pub(crate) fn javascript_number(text: &str) -> Option<f64> {
    let text = text.trim();
    if text.is_empty() {
        return Some(0.0);
    }
    let radix = match text.get(..2) {
        Some("0x" | "0X") => 16,
        Some("0o" | "0O") => 8,
        Some("0b" | "0B") => 2,
        _ => 10,
    };
    if radix != 10 {
        return u64::from_str_radix(&text[2..], radix).ok().map(|value| value as f64);
    }
    match text {
        "Infinity" | "+Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ if text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
