//! Reads expressions and references.
//!
//! The operators and their precedence are Velocity's; arguments may be any expression, where Velocity takes operands.

use super::VtlError;
use super::node::{Accessor, Expression, Operator, Reference};
use super::parser::parse_quoted;
use super::scanner::{Scanner, is_name, starts_name};

/// The operators from the loosest to the tightest; of two that begin alike, the longer first.
const LEVELS: [&[(&str, Operator)]; 6] = [
    &[("||", Operator::Or), ("or", Operator::Or)],
    &[("&&", Operator::And), ("and", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("eq", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("ne", Operator::NotEqual),
    ],
    &[
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
        ("le", Operator::LessOrEqual),
        ("ge", Operator::GreaterOrEqual),
        ("lt", Operator::Less),
        ("gt", Operator::Greater),
    ],
    &[("+", Operator::Plus), ("-", Operator::Minus)],
    &[("*", Operator::Times), ("/", Operator::Divide), ("%", Operator::Modulo)],
];

/// An expression and the white space around it.
pub(crate) fn expression(scanner: &mut Scanner) -> Result<Expression, VtlError> {
    scanner.nested(|scanner| level(scanner, 0))
}

fn level(scanner: &mut Scanner, index: usize) -> Result<Expression, VtlError> {
    let Some(operators) = LEVELS.get(index) else { return unary(scanner) };
    let mut left = level(scanner, index + 1)?;
    loop {
        scanner.skip_space();
        let found = operators.iter().find(|(symbol, _)| {
            if symbol.starts_with(|c: char| c.is_ascii_alphabetic()) {
                scanner.eat_word(symbol)
            } else {
                scanner.eat(symbol)
            }
        });
        let Some((_, operator)) = found else { return Ok(left) };
        let right = level(scanner, index + 1)?;
        left = Expression::Binary(*operator, Box::new(left), Box::new(right));
    }
}

fn unary(scanner: &mut Scanner) -> Result<Expression, VtlError> {
    scanner.skip_space();
    if scanner.eat("!") || scanner.eat_word("not") {
        let inner = scanner.nested(unary)?;
        return Ok(Expression::Not(Box::new(inner)));
    }
    operand(scanner)
}

/// A literal, a reference, or an expression in parentheses.
pub(crate) fn operand(scanner: &mut Scanner) -> Result<Expression, VtlError> {
    scanner.skip_space();
    let next = scanner.peek();
    match next {
        Some('(') => {
            scanner.eat("(");
            let inner = expression(scanner)?;
            scanner.skip_space();
            scanner.expect(")")?;
            Ok(inner)
        }
        Some('[') => scanner.nested(list),
        Some('{') => scanner.nested(map),
        Some('"') => double_quoted(scanner),
        Some('\'') => Ok(Expression::Text(quoted(scanner, '\'')?)),
        Some('$') => match reference(scanner, 0)? {
            Some(found) => Ok(Expression::Reference(found)),
            None => Err(scanner.error("expected a reference")),
        },
        Some('0'..='9' | '-' | '.') => number(scanner),
        _ if scanner.eat_word("true") => Ok(Expression::Boolean(true)),
        _ if scanner.eat_word("false") => Ok(Expression::Boolean(false)),
        _ if scanner.eat_word("null") => Ok(Expression::Null),
        _ => Err(scanner.error("expected a value")),
    }
}

fn number(scanner: &mut Scanner) -> Result<Expression, VtlError> {
    let start = scanner.at;
    scanner.eat("-");
    scanner.take_while(|c| c.is_ascii_digit());
    let mut whole = true;
    if scanner.rest().starts_with('.') && !scanner.rest().starts_with("..") {
        whole = false;
        scanner.at += 1;
        scanner.take_while(|c| c.is_ascii_digit());
    }
    let after = scanner.rest().strip_prefix(['e', 'E']).unwrap_or_default();
    if after.strip_prefix(['+', '-']).unwrap_or(after).starts_with(|c: char| c.is_ascii_digit()) {
        whole = false;
        scanner.at += scanner.rest().len() - after.len() + 1;
        scanner.take_while(|c| c.is_ascii_digit());
    }
    let text = &scanner.text[start..scanner.at];
    if whole && let Ok(number) = text.parse() {
        return Ok(Expression::Integer(number));
    }
    text.parse().map(Expression::Float).map_err(|_| scanner.error("expected a number"))
}

/// `[1, 2]` or `[1..5]`
fn list(scanner: &mut Scanner) -> Result<Expression, VtlError> {
    scanner.expect("[")?;
    let mut all = Vec::new();
    loop {
        scanner.skip_space();
        if scanner.eat("]") {
            return Ok(Expression::List(all));
        }
        if !all.is_empty() {
            scanner.expect(",")?;
        }
        all.push(expression(scanner)?);
        scanner.skip_space();
        if all.len() == 1 && scanner.eat("..") {
            let last = expression(scanner)?;
            scanner.skip_space();
            scanner.expect("]")?;
            return match all.pop() {
                Some(first) => Ok(Expression::Range(Box::new(first), Box::new(last))),
                None => Err(scanner.error("expected a number")),
            };
        }
    }
}

/// `{"a": 1, $b: 2}`
fn map(scanner: &mut Scanner) -> Result<Expression, VtlError> {
    scanner.expect("{")?;
    let mut all = Vec::new();
    loop {
        scanner.skip_space();
        if scanner.eat("}") {
            return Ok(Expression::Map(all));
        }
        if !all.is_empty() {
            scanner.expect(",")?;
        }
        let key = expression(scanner)?;
        scanner.skip_space();
        scanner.expect(":")?;
        all.push((key, expression(scanner)?));
    }
}

/// The content of a quoted text: a doubled quote stands for one, and a backslash stands for itself.
fn quoted(scanner: &mut Scanner, quote: char) -> Result<String, VtlError> {
    scanner.at += quote.len_utf8();
    let mut out = String::new();
    loop {
        out.push_str(scanner.take_while(|c| c != quote));
        if scanner.peek().is_none() {
            return Err(scanner.error("the quoted text does not end"));
        }
        scanner.at += quote.len_utf8();
        if scanner.peek() != Some(quote) {
            return Ok(out);
        }
        scanner.at += quote.len_utf8();
        out.push(quote);
    }
}

fn double_quoted(scanner: &mut Scanner) -> Result<Expression, VtlError> {
    let text = quoted(scanner, '"')?;
    if !text.contains(['$', '#']) {
        return Ok(Expression::Text(text));
    }
    scanner.nested(|scanner| parse_quoted(scanner, &text)).map(Expression::Interpolated)
}

/// `$name`, `$!name`, `${name}` or `$!{name}` with what hangs on it; nothing, with the cursor unmoved, when the `$`
/// begins no reference.
pub(crate) fn reference(scanner: &mut Scanner, backslashes: usize) -> Result<Option<Reference>, VtlError> {
    let start = scanner.at;
    scanner.expect("$")?;
    scanner.eat("!");
    let bracketed = scanner.eat("{");
    if !scanner.peek().is_some_and(starts_name) {
        scanner.at = start;
        return Ok(None);
    }
    let root = scanner.take_while(is_name).to_owned();
    let mut accessors = Vec::new();
    loop {
        if scanner.rest().starts_with('[') {
            scanner.at += 1;
            let index = expression(scanner)?;
            scanner.skip_space();
            scanner.expect("]")?;
            accessors.push(Accessor::Index(index));
            continue;
        }
        let Some(after) = scanner.rest().strip_prefix('.') else { break };
        if !after.starts_with(starts_name) {
            break;
        }
        scanner.at += 1;
        let name = scanner.take_while(is_name).to_owned();
        accessors.push(if scanner.eat("(") {
            Accessor::Method(name, arguments(scanner)?)
        } else {
            Accessor::Property(name)
        });
    }
    if bracketed && !scanner.eat("}") {
        return Err(scanner.error("expected '}'"));
    }
    let source = scanner.text[start..scanner.at].to_owned();
    Ok(Some(Reference { root, accessors, source, backslashes }))
}

fn arguments(scanner: &mut Scanner) -> Result<Vec<Expression>, VtlError> {
    let mut all = Vec::new();
    loop {
        scanner.skip_space();
        if scanner.eat(")") {
            return Ok(all);
        }
        if !all.is_empty() {
            scanner.expect(",")?;
        }
        all.push(expression(scanner)?);
    }
}
