//! What the parsers of all expressions share: the token cursor, placeholders, document paths, and the order in which
//! the service reports problems.
//!
//! The grammar of each expression is in its own file. Keeps true: a syntax error wins over every other problem, and of
//! the others the lowest [`Rank`] wins, whatever came first in the text.

use super::lexer::{Kind, Token, tokens};
use super::path::{Path, Step};
use super::reserved::is_reserved;
use super::{ExpressionError, Item, Used};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The longest expression that the service takes, in bytes.
const MAX_LENGTH: usize = 4096;
/// The most operators and functions in one expression.
const MAX_OPERATORS: usize = 300;
/// How deep parentheses and functions may lie in one another; ours, so that no input can exhaust the stack.
const MAX_DEPTH: usize = 32;

/// Problems that are not of syntax, in the order in which the service reports them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Section,
    Parentheses,
    UnknownFunction,
    Misused,
    Reserved,
    Undefined,
    Operand,
    Distinct,
    Type,
    Path,
}

/// A cursor over the tokens, with the request's placeholders.
pub(crate) struct Parser<'a> {
    /// `ConditionExpression`, for messages.
    what: &'static str,
    text: &'a str,
    tokens: Vec<Token<'a>>,
    at: usize,
    depth: usize,
    operators: usize,
    names: &'a Item,
    values: &'a Item,
    problems: BTreeMap<Rank, String>,
    pub(crate) used: Used,
    /// The top-level attributes that were named.
    pub(crate) attributes: BTreeSet<String>,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(
        what: &'static str,
        text: &'a str,
        names: &'a Item,
        values: &'a Item,
    ) -> Result<Self, ExpressionError> {
        let parser = Self {
            what,
            text,
            tokens: if text.len() > MAX_LENGTH { Vec::new() } else { tokens(text) },
            at: 0,
            depth: 0,
            operators: 0,
            names,
            values,
            problems: BTreeMap::new(),
            used: Used::default(),
            attributes: BTreeSet::new(),
        };
        if text.len() > MAX_LENGTH {
            let length = text.len();
            return Err(parser.error(&format!(
                "Expression size has exceeded the maximum allowed size; expression size: {length}"
            )));
        }
        if parser.peek().kind == Kind::End {
            return Err(parser.error("The expression can not be empty;"));
        }
        Ok(parser)
    }

    /// `Invalid ConditionExpression: ...`
    pub(crate) fn error(&self, message: &str) -> ExpressionError {
        ExpressionError::new(format!("Invalid {}: {message}", self.what))
    }

    /// Notes a problem, if none of its rank came before.
    pub(crate) fn note(&mut self, rank: Rank, message: impl Into<String>) {
        self.problems.entry(rank).or_insert_with(|| message.into());
    }

    /// Expects the end of the text and then reports what was noted.
    pub(crate) fn finish(&self) -> Result<(), ExpressionError> {
        if self.peek().kind != Kind::End {
            return Err(self.unexpected());
        }
        self.problems.values().next().map_or(Ok(()), |message| Err(self.error(message)))
    }

    pub(crate) fn peek(&self) -> Token<'a> {
        self.ahead(0)
    }

    pub(crate) fn ahead(&self, distance: usize) -> Token<'a> {
        let end = Token { kind: Kind::End, text: "", start: self.text.len() };
        self.tokens.get(self.at + distance).copied().unwrap_or(end)
    }

    pub(crate) fn advance(&mut self) -> Token<'a> {
        let token = self.peek();
        self.at += 1;
        token
    }

    /// Takes the symbol if it is next.
    pub(crate) fn eat(&mut self, symbol: &str) -> bool {
        let found = self.peek().kind == Kind::Symbol && self.peek().text == symbol;
        self.at += usize::from(found);
        found
    }

    pub(crate) fn expect(&mut self, symbol: &str) -> Result<(), ExpressionError> {
        if self.eat(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Does the parenthesis that opens here hold nothing but another pair?
    pub(crate) fn parentheses_are_doubled(&self) -> bool {
        let closing = |opening: usize| {
            let mut depth = 0_usize;
            self.tokens.iter().enumerate().skip(opening).find_map(|(at, token)| {
                match token.text {
                    "(" => depth += 1,
                    ")" => depth = depth.saturating_sub(1),
                    _ => {}
                }
                (depth == 0).then_some(at)
            })
        };
        self.ahead(1).text == "("
            && closing(self.at).zip(closing(self.at + 1)).is_some_and(|(outer, inner)| outer == inner + 1)
    }

    /// Is the next token this keyword, in whatever case?
    pub(crate) fn is_keyword(&self, keyword: &str) -> bool {
        self.peek().kind == Kind::Word && self.peek().text.eq_ignore_ascii_case(keyword)
    }

    pub(crate) fn eat_keyword(&mut self, keyword: &str) -> bool {
        let found = self.is_keyword(keyword);
        self.at += usize::from(found);
        found
    }

    /// A syntax error at the next token, with its neighbours as they stand in the text.
    pub(crate) fn unexpected(&self) -> ExpressionError {
        let token = self.peek();
        let start = self
            .at
            .checked_sub(1)
            .map_or(token, |before| self.tokens[before.min(self.tokens.len() - 1)])
            .start;
        let end = self.ahead(1).end().max(token.end());
        let near = self.text.get(start..end).unwrap_or_default().trim_end();
        let name = if token.kind == Kind::End { "<EOF>" } else { token.text };
        self.error(&format!("Syntax error; token: \"{name}\", near: \"{near}\""))
    }

    /// Runs `parse` one level deeper.
    pub(crate) fn nested<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, ExpressionError>,
    ) -> Result<T, ExpressionError> {
        if self.depth >= MAX_DEPTH {
            return Err(self.error("The expression has too many nested levels"));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    /// Counts an operator or a function against the limit.
    pub(crate) fn count_operator(&mut self) -> Result<(), ExpressionError> {
        self.operators += 1;
        if self.operators > MAX_OPERATORS {
            let count = self.operators;
            return Err(
                self.error(&format!("The expression contains too many operators; operator count: {count}"))
            );
        }
        Ok(())
    }

    /// `a.#b[3]`
    pub(crate) fn path(&mut self) -> Result<Path, ExpressionError> {
        let mut steps = vec![Step::Name(self.name()?)];
        loop {
            if self.eat(".") {
                steps.push(Step::Name(self.name()?));
            } else if self.eat("[") {
                let token = self.peek();
                if token.kind != Kind::Number {
                    return Err(self.unexpected());
                }
                let index = token.text.parse().map_err(|_| {
                    self.error(&format!(
                        "List index is not within the allowable range; index: [{}]",
                        token.text
                    ))
                })?;
                self.advance();
                self.expect("]")?;
                steps.push(Step::Index(index));
            } else {
                break;
            }
        }
        let path = Path(steps);
        self.attributes.insert(path.attribute().to_owned());
        Ok(path)
    }

    fn name(&mut self) -> Result<String, ExpressionError> {
        let token = self.peek();
        match token.kind {
            Kind::Word => {
                if is_reserved(token.text) {
                    self.note(
                        Rank::Reserved,
                        format!("Attribute name is a reserved keyword; reserved keyword: {}", token.text),
                    );
                }
                self.advance();
                Ok(token.text.to_owned())
            }
            Kind::NameRef => {
                self.advance();
                self.used.names.insert(token.text.to_owned());
                match self.names.get(token.text).and_then(Value::as_str) {
                    Some(name) => Ok(name.to_owned()),
                    None => {
                        self.note(
                            Rank::Undefined,
                            format!(
                                "An expression attribute name used in the document path is not defined; attribute name: {}",
                                token.text
                            ),
                        );
                        Ok(token.text.to_owned())
                    }
                }
            }
            _ => Err(self.unexpected()),
        }
    }

    /// `:value`; a null stands for one that is not defined, which is noted.
    pub(crate) fn value(&mut self) -> Result<Value, ExpressionError> {
        let token = self.peek();
        if token.kind != Kind::ValueRef {
            return Err(self.unexpected());
        }
        self.advance();
        self.used.values.insert(token.text.to_owned());
        if let Some(value) = self.values.get(token.text) {
            return Ok(value.clone());
        }
        self.note(
            Rank::Undefined,
            format!(
                "An expression attribute value used in expression is not defined; attribute value: {}",
                token.text
            ),
        );
        Ok(Value::Null)
    }
}

/// `Incorrect number of operands ...`
pub(crate) fn operand_count(name: &str, count: usize) -> String {
    format!(
        "Incorrect number of operands for operator or function; operator or function: {name}, number of operands: {count}"
    )
}

/// `Incorrect operand type ...`
pub(crate) fn operand_type(name: &str, kind: &str) -> String {
    format!(
        "Incorrect operand type for operator or function; operator or function: {name}, operand type: {kind}"
    )
}
