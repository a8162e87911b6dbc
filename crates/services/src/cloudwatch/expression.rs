//! Metric math, as far as it goes here: numbers, the ids of other queries, `+ - * /`, parentheses, and `IF`-free.
//!
//! A pure function from the values of other queries to values. What is not understood is refused with its place.

use aloft_base::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Values by time.
pub(super) type Values = BTreeMap<Timestamp, f64>;

/// An expression that was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Number(f64),
    Query(String),
    Two(Box<Expression>, char, Box<Expression>),
    Negative(Box<Expression>),
}

/// How deep parentheses may be.
const DEPTH: usize = 50;

/// Reads an expression; the error is for its writer.
pub(super) fn parse(text: &str) -> Result<Expression, String> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let expression = parser.sum()?;
    match parser.peek() {
        None => Ok(expression),
        Some(_) => Err(parser.refuse()),
    }
}

impl Expression {
    /// The ids of the queries that it needs.
    pub fn needs(&self, ids: &mut BTreeSet<String>) {
        match self {
            Self::Number(_) => {}
            Self::Query(id) => drop(ids.insert(id.clone())),
            Self::Two(one, _, other) => {
                one.needs(ids);
                other.needs(ids);
            }
            Self::Negative(inner) => inner.needs(ids),
        }
    }

    /// Its values: where all that it needs have one. A division by zero has none.
    pub fn evaluate(&self, queries: &BTreeMap<String, Values>) -> Values {
        let mut ids = BTreeSet::new();
        self.needs(&mut ids);
        let times: BTreeSet<Timestamp> =
            ids.iter().filter_map(|id| queries.get(id)).flat_map(|values| values.keys().copied()).collect();
        times.into_iter().filter_map(|at| Some((at, self.at(at, queries)?))).collect()
    }

    fn at(&self, time: Timestamp, queries: &BTreeMap<String, Values>) -> Option<f64> {
        let value = match self {
            Self::Number(number) => *number,
            Self::Query(id) => *queries.get(id)?.get(&time)?,
            Self::Negative(inner) => -inner.at(time, queries)?,
            Self::Two(one, operator, other) => {
                let (one, other) = (one.at(time, queries)?, other.at(time, queries)?);
                match operator {
                    '+' => one + other,
                    '-' => one - other,
                    '*' => one * other,
                    _ => one / other,
                }
            }
        };
        value.is_finite().then_some(value)
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text[self.at..].chars().next()
    }

    fn refuse(&self) -> String {
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return "it ends too early".to_owned();
        }
        format!("the local cloud understands numbers, ids, + - * / and parentheses, not `{rest}`")
    }

    fn operator(&mut self, operators: [char; 2]) -> Option<char> {
        let found = self.peek().filter(|next| operators.contains(next))?;
        self.at += 1;
        Some(found)
    }

    fn sum(&mut self) -> Result<Expression, String> {
        let mut left = self.product()?;
        while let Some(operator) = self.operator(['+', '-']) {
            left = Expression::Two(Box::new(left), operator, Box::new(self.product()?));
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Expression, String> {
        let mut left = self.factor()?;
        while let Some(operator) = self.operator(['*', '/']) {
            left = Expression::Two(Box::new(left), operator, Box::new(self.factor()?));
        }
        Ok(left)
    }

    fn factor(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("it is nested too deeply".to_owned());
        }
        let found = match self.peek() {
            Some('-') => {
                self.at += 1;
                Ok(Expression::Negative(Box::new(self.factor()?)))
            }
            Some('(') => {
                self.at += 1;
                let inner = self.sum()?;
                if self.peek() != Some(')') {
                    return Err(self.refuse());
                }
                self.at += 1;
                Ok(inner)
            }
            Some(next) if next.is_ascii_digit() || next == '.' => {
                let word = self.word(|it| it.is_ascii_digit() || it == '.');
                word.parse().map(Expression::Number).map_err(|_| format!("`{word}` is no number"))
            }
            Some(next) if next.is_ascii_lowercase() => {
                Ok(Expression::Query(self.word(|it| it.is_ascii_alphanumeric() || it == '_')))
            }
            _ => Err(self.refuse()),
        };
        self.depth -= 1;
        found
    }

    fn word(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let word: String = self.text[self.at..].chars().take_while(|it| belongs(*it)).collect();
        self.at += word.len();
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic() {
        let at = |seconds: i64| Timestamp(seconds * 1000);
        let queries: BTreeMap<String, Values> = [
            ("errors".to_owned(), [(at(0), 1.0), (at(60), 3.0), (at(120), 4.0)].into()),
            ("all".to_owned(), [(at(0), 4.0), (at(60), 0.0), (at(180), 1.0)].into()),
        ]
        .into();
        let check = |text: &str, expected: &[(i64, f64)]| {
            let values = parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).evaluate(&queries);
            let expected: Values = expected.iter().map(|(time, value)| (at(*time), *value)).collect();
            assert_eq!(values, expected, "{text}");
        };
        check("100 * errors / all", &[(0, 25.0)]);
        check("100*(errors/all)", &[(0, 25.0)]);
        check("errors - -1 + 2 * 3", &[(0, 8.0), (60, 10.0), (120, 11.0)]);
        check("other + 1", &[]);
        for text in ["", "SUM([m1])", "1 +", "(errors", "errors all", "1.2.3", "é", &"(".repeat(100)] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
