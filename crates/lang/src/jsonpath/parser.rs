//! Reads a path into segments.

use super::filter::{Comparison, Filter, Operand};
use super::{JsonPathError, MAX_LENGTH, Segment};
use regex::RegexBuilder;
use serde_json::Value;

/// How deep parentheses in a filter may lie in one another.
const MAX_DEPTH: usize = 16;

struct Cursor<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

pub(super) fn parse(text: &str) -> Result<Vec<Segment>, JsonPathError> {
    let mut cursor = Cursor { text, at: 0, depth: 0 };
    if text.len() > MAX_LENGTH {
        return Err(cursor.error("the path is too long"));
    }
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(cursor.error("the path is empty"));
    }
    cursor.skip_space();
    let mut segments = Vec::new();
    if !cursor.eat("$") && !cursor.rest().starts_with('[') {
        segments.push(cursor.dotted()?);
    }
    cursor.segments(&mut segments)?;
    cursor.skip_space();
    if cursor.rest().is_empty() { Ok(segments) } else { Err(cursor.error("expected '.' or '['")) }
}

impl Cursor<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn error(&self, reason: &'static str) -> JsonPathError {
        JsonPathError::Syntax { position: self.at, reason }
    }

    fn eat(&mut self, symbol: &str) -> bool {
        let found = self.rest().starts_with(symbol);
        self.at += if found { symbol.len() } else { 0 };
        found
    }

    fn expect(&mut self, symbol: &str, reason: &'static str) -> Result<(), JsonPathError> {
        self.skip_space();
        if self.eat(symbol) { Ok(()) } else { Err(self.error(reason)) }
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn segments(&mut self, segments: &mut Vec<Segment>) -> Result<(), JsonPathError> {
        loop {
            if self.eat("..") {
                segments.push(Segment::DeepScan);
                segments.push(if self.rest().starts_with('[') { self.bracketed()? } else { self.dotted()? });
            } else if self.eat(".") {
                segments.push(if self.rest().starts_with('[') { self.bracketed()? } else { self.dotted()? });
            } else if self.rest().starts_with('[') {
                segments.push(self.bracketed()?);
            } else {
                return Ok(());
            }
        }
    }

    /// What follows a full stop.
    fn dotted(&mut self) -> Result<Segment, JsonPathError> {
        if self.eat("*") {
            return Ok(Segment::Wildcard);
        }
        let ends = |c: char| c.is_whitespace() || ".[]()=<>!&|,'\"*?@/".contains(c);
        let length = self.rest().find(ends).unwrap_or(self.rest().len());
        if length == 0 {
            return Err(self.error("expected a name"));
        }
        let name = self.rest()[..length].to_owned();
        self.at += length;
        Ok(if self.eat("()") { Segment::Function(name) } else { Segment::Child(name) })
    }

    fn bracketed(&mut self) -> Result<Segment, JsonPathError> {
        self.expect("[", "expected '['")?;
        self.skip_space();
        let segment = if self.eat("*") {
            Segment::Wildcard
        } else if self.eat("?") {
            self.expect("(", "expected '(' after '?'")?;
            let filter = self.disjunction()?;
            self.expect(")", "expected ')'")?;
            Segment::Filter(filter)
        } else if self.rest().starts_with(['\'', '"']) {
            self.names()?
        } else {
            self.indexes()?
        };
        self.expect("]", "expected ']'")?;
        Ok(segment)
    }

    fn names(&mut self) -> Result<Segment, JsonPathError> {
        let first = self.quoted()?;
        let mut all = vec![first.clone()];
        loop {
            self.skip_space();
            if !self.eat(",") {
                break;
            }
            self.skip_space();
            all.push(self.quoted()?);
        }
        Ok(if all.len() == 1 { Segment::Child(first) } else { Segment::Children(all) })
    }

    fn quoted(&mut self) -> Result<String, JsonPathError> {
        let quote = match self.rest().chars().next() {
            Some(quote @ ('\'' | '"')) => quote,
            _ => return Err(self.error("expected a quoted text")),
        };
        let mut out = String::new();
        let mut escaped = false;
        for (at, each) in self.rest().char_indices().skip(1) {
            match each {
                _ if escaped => {
                    out.push(match each {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        other => other,
                    });
                    escaped = false;
                }
                '\\' => escaped = true,
                _ if each == quote => {
                    self.at += at + 1;
                    return Ok(out);
                }
                other => out.push(other),
            }
        }
        Err(self.error("the quoted text does not end"))
    }

    fn integer(&mut self) -> Result<Option<i64>, JsonPathError> {
        self.skip_space();
        let digits = |c: char| !c.is_ascii_digit();
        let sign = usize::from(self.rest().starts_with('-'));
        let length = sign + self.rest()[sign..].find(digits).unwrap_or(self.rest().len() - sign);
        if length == 0 {
            return Ok(None);
        }
        let number = self.rest()[..length].parse().map_err(|_| self.error("expected a number"))?;
        self.at += length;
        Ok(Some(number))
    }

    fn indexes(&mut self) -> Result<Segment, JsonPathError> {
        let first = self.integer()?;
        self.skip_space();
        if self.eat(":") {
            let to = self.integer()?;
            self.skip_space();
            let step = if self.eat(":") { self.integer()?.unwrap_or(1) } else { 1 };
            if step < 1 {
                return Err(self.error("the step of a slice must be positive"));
            }
            return Ok(Segment::Slice(first, to, step));
        }
        let first = first.ok_or_else(|| self.error("expected an index, a quoted name, '*' or '?'"))?;
        let mut all = vec![first];
        while self.eat(",") {
            all.push(self.integer()?.ok_or_else(|| self.error("expected an index"))?);
            self.skip_space();
        }
        Ok(if all.len() == 1 { Segment::Index(first) } else { Segment::Indexes(all) })
    }

    fn disjunction(&mut self) -> Result<Filter, JsonPathError> {
        let mut all = vec![self.conjunction()?];
        self.skip_space();
        while self.eat("||") {
            all.push(self.conjunction()?);
            self.skip_space();
        }
        Ok(Filter::Any(all))
    }

    fn conjunction(&mut self) -> Result<Filter, JsonPathError> {
        let mut all = vec![self.term()?];
        self.skip_space();
        while self.eat("&&") {
            all.push(self.term()?);
            self.skip_space();
        }
        Ok(Filter::All(all))
    }

    fn term(&mut self) -> Result<Filter, JsonPathError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("the filter has too many levels"));
        }
        self.skip_space();
        let term = if self.eat("!") {
            Filter::Not(Box::new(self.term()?))
        } else if self.eat("(") {
            let inner = self.disjunction()?;
            self.expect(")", "expected ')'")?;
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(term)
    }

    fn comparison(&mut self) -> Result<Filter, JsonPathError> {
        let left = self.operand()?;
        self.skip_space();
        if self.eat("=~") {
            self.skip_space();
            return Ok(Filter::Matches(left, self.regex()?));
        }
        // Longer symbols first; words must not run into a name.
        const OPERATORS: [(&str, Comparison); 16] = [
            ("===", Comparison::Equal),
            ("!==", Comparison::NotEqual),
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
            ("in ", Comparison::In),
            ("in[", Comparison::In),
            ("nin ", Comparison::NotIn),
            ("nin[", Comparison::NotIn),
            ("contains ", Comparison::Contains),
            ("contains'", Comparison::Contains),
            ("size ", Comparison::Size),
            ("empty ", Comparison::Empty),
        ];
        for (symbol, comparison) in OPERATORS {
            let symbol = symbol.trim_end_matches(['[', '\'']);
            if self.rest().starts_with(symbol) {
                self.at += symbol.len();
                let right = self.operand()?;
                return Ok(Filter::Compare(comparison, left, right));
            }
        }
        Ok(Filter::Exists(left))
    }

    fn operand(&mut self) -> Result<Operand, JsonPathError> {
        self.skip_space();
        let relative = self.eat("@");
        if relative || self.eat("$") {
            let mut segments = Vec::new();
            self.segments(&mut segments)?;
            return Ok(if relative { Operand::Current(segments) } else { Operand::Root(segments) });
        }
        if self.rest().starts_with(['\'', '"']) {
            return Ok(Operand::Literal(Value::String(self.quoted()?)));
        }
        if self.eat("[") {
            let mut all = Vec::new();
            loop {
                self.skip_space();
                if self.eat("]") {
                    return Ok(Operand::Literal(Value::Array(all)));
                }
                if !all.is_empty() {
                    self.expect(",", "expected ',' or ']'")?;
                }
                match self.operand()? {
                    Operand::Literal(value) if !value.is_array() => all.push(value),
                    _ => return Err(self.error("expected a literal")),
                }
            }
        }
        let ends = |c: char| c.is_whitespace() || ")],&|=<>!".contains(c);
        let length = self.rest().find(ends).unwrap_or(self.rest().len());
        let literal = serde_json::from_str(&self.rest()[..length]);
        let literal = literal.map_err(|_| self.error("expected a path or a literal"))?;
        self.at += length;
        Ok(Operand::Literal(literal))
    }

    /// `/pattern/flags`
    fn regex(&mut self) -> Result<regex::Regex, JsonPathError> {
        self.expect("/", "expected a pattern between '/'")?;
        let mut escaped = false;
        let end = self.rest().char_indices().find_map(|(at, each)| {
            let ends = each == '/' && !escaped;
            escaped = each == '\\' && !escaped;
            ends.then_some(at)
        });
        let end = end.ok_or_else(|| self.error("the pattern does not end"))?;
        let pattern = format!("^(?:{})$", self.rest()[..end].replace("\\/", "/"));
        let ignore_case = self.rest()[end + 1..].starts_with('i');
        let built = RegexBuilder::new(&pattern).case_insensitive(ignore_case).size_limit(1 << 20).build();
        let regex = built.map_err(|_| self.error("the pattern is malformed"))?;
        self.at += end + 1 + usize::from(ignore_case);
        Ok(regex)
    }
}
