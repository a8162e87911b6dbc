//! `UpdateExpression`: parsing and applying.
//!
//! Knows nothing of keys or tables: that a key attribute may not change is the service's check (see
//! [`Update::attributes`]). Keeps true: every operand is read from the item as it was before, so the order of the
//! actions in the text does not matter.

use super::lexer::Kind;
use super::number::Decimal;
use super::parser::{Parser, Rank, operand_count, operand_type};
use super::path::{Path, check_disjoint, select};
use super::{ExpressionError, Item, Used, value};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const SECTIONS: [&str; 4] = ["SET", "REMOVE", "ADD", "DELETE"];

/// What a `SET` puts at its path.
#[derive(Clone, Debug)]
enum Expression {
    Path(Path),
    Value(Value),
    IfNotExists(Path, Box<Expression>),
    Append(Box<Expression>, Box<Expression>),
    Plus(Box<Expression>, Box<Expression>),
    Minus(Box<Expression>, Box<Expression>),
}

#[derive(Clone, Debug)]
enum Action {
    Set(Path, Expression),
    Remove(Path),
    Add(Path, Value),
    Delete(Path, Value),
}

impl Action {
    fn path(&self) -> &Path {
        let (Self::Set(path, _) | Self::Remove(path) | Self::Add(path, _) | Self::Delete(path, _)) = self;
        path
    }
}

/// A parsed update.
#[derive(Clone, Debug)]
pub struct Update {
    actions: Vec<Action>,
    touched: Vec<Path>,
    attributes: BTreeSet<String>,
    used: Used,
}

impl Update {
    /// Parses an `UpdateExpression`; `names` maps `#x` to strings, `values` maps `:x` to attribute values.
    ///
    /// # Errors
    /// With the service's message, which begins with `Invalid UpdateExpression:`.
    pub fn parse(text: &str, names: &Item, values: &Item) -> Result<Self, ExpressionError> {
        let mut parser = Parser::new("UpdateExpression", text, names, values)?;
        let mut actions = Vec::new();
        let mut seen = BTreeSet::new();
        while parser.peek().kind != Kind::End {
            let Some(section) = SECTIONS.into_iter().find(|section| parser.is_keyword(section)) else {
                return Err(parser.unexpected());
            };
            parser.advance();
            if !seen.insert(section) {
                parser.note(
                    Rank::Section,
                    format!("The \"{section}\" section can only be used once in an update expression;"),
                );
            }
            loop {
                actions.push(action(&mut parser, section)?);
                if !parser.eat(",") {
                    break;
                }
            }
        }
        let touched: Vec<Path> = actions.iter().map(|action| action.path().clone()).collect();
        if let Some(problem) = check_disjoint(&touched.iter().collect::<Vec<_>>()) {
            parser.note(Rank::Path, problem);
        }
        parser.finish()?;
        let attributes = touched.iter().map(|path| path.attribute().to_owned()).collect();
        Ok(Self { actions, touched, attributes, used: parser.used })
    }

    /// The item after the update. For an item that does not exist yet, give one of its key attributes only.
    ///
    /// # Errors
    /// An operand is missing or of the wrong type, a path leads nowhere, or a sum does not fit.
    pub fn apply(&self, item: &Item) -> Result<Item, ExpressionError> {
        let mut puts = Vec::new();
        let mut removals = Vec::new();
        for action in &self.actions {
            match action {
                Action::Set(path, expression) => puts.push((path, expression.value(item)?)),
                Action::Remove(path) => removals.push(path),
                Action::Add(path, addend) => puts.push((path, add(path.get(item), addend)?)),
                Action::Delete(path, members) => match delete(path.get(item), members)? {
                    Deletion::Nothing => {}
                    Deletion::Left(value) => puts.push((path, value)),
                    Deletion::Emptied => removals.push(path),
                },
            }
        }
        // Ascending, so that indexes beyond a list's end are appended in their order; removals descending, so that
        // one does not move what the next one names.
        puts.sort_by(|one, two| one.0.cmp(two.0));
        removals.sort_by(|one, two| two.cmp(one));
        let mut out = item.clone();
        for (path, value) in puts {
            path.set(&mut out, value)?;
        }
        for path in removals {
            path.remove(&mut out)?;
        }
        Ok(out)
    }

    /// The paths that the update sets, removes, adds to or deletes from.
    pub fn touched(&self) -> &[Path] {
        &self.touched
    }

    /// The part of an item at the touched paths: `UPDATED_OLD` of the old item, `UPDATED_NEW` of the new.
    pub fn touched_part(&self, item: &Item) -> Item {
        select(item, &self.touched)
    }

    /// The top-level attributes that it changes.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.attributes.iter().map(String::as_str)
    }

    /// The placeholders that it uses, for [`super::check_all_used`].
    pub fn used(&self) -> &Used {
        &self.used
    }
}

fn wrong_type() -> ExpressionError {
    ExpressionError::new("An operand in the update expression has an incorrect data type")
}

impl Expression {
    fn value(&self, item: &Item) -> Result<Value, ExpressionError> {
        match self {
            Self::Path(path) => path.get(item).cloned().ok_or_else(|| {
                ExpressionError::new(
                    "The provided expression refers to an attribute that does not exist in the item",
                )
            }),
            Self::Value(value) => Ok(value.clone()),
            Self::IfNotExists(path, otherwise) => match path.get(item) {
                Some(value) => Ok(value.clone()),
                None => otherwise.value(item),
            },
            Self::Append(first, second) => {
                let mut all = list(&first.value(item)?)?;
                all.extend(list(&second.value(item)?)?);
                Ok(json!({ "L": all }))
            }
            Self::Plus(left, right) => sum(&left.value(item)?, &right.value(item)?, false),
            Self::Minus(left, right) => sum(&left.value(item)?, &right.value(item)?, true),
        }
    }

    /// The type as far as the text alone tells it; empty otherwise.
    fn kind(&self) -> &str {
        match self {
            Self::Value(literal) => value::kind(literal),
            Self::Append(..) => "L",
            Self::Plus(..) | Self::Minus(..) => "N",
            Self::Path(_) | Self::IfNotExists(..) => "",
        }
    }
}

fn list(value: &Value) -> Result<Vec<Value>, ExpressionError> {
    value.get("L").and_then(Value::as_array).cloned().ok_or_else(wrong_type)
}

fn number(value: &Value) -> Result<Decimal, ExpressionError> {
    Decimal::parse(value.get("N").and_then(Value::as_str).ok_or_else(wrong_type)?)
}

fn sum(left: &Value, right: &Value, minus: bool) -> Result<Value, ExpressionError> {
    let (left, right) = (number(left)?, number(right)?);
    let sum = left.plus(if minus { right.negated() } else { right })?;
    Ok(json!({"N": sum.to_string()}))
}

/// `ADD`: a number to a number, members to a set; what is missing counts as zero or empty.
fn add(current: Option<&Value>, addend: &Value) -> Result<Value, ExpressionError> {
    let Some(current) = current else { return Ok(addend.clone()) };
    match (value::typed(current), value::typed(addend)) {
        (Some(("N", _)), Some(("N", _))) => sum(current, addend, false),
        (Some((kind @ ("SS" | "NS" | "BS"), _)), Some((other, _))) if kind == other => {
            let mut all = value::members(current);
            all.extend(value::members(addend));
            Ok(json!({ kind: all }))
        }
        _ => Err(wrong_type()),
    }
}

enum Deletion {
    Nothing,
    Left(Value),
    Emptied,
}

/// `DELETE`: members from a set, which vanishes when none is left.
fn delete(current: Option<&Value>, unwanted: &Value) -> Result<Deletion, ExpressionError> {
    let Some(current) = current else { return Ok(Deletion::Nothing) };
    match (value::typed(current), value::typed(unwanted)) {
        (Some((kind @ ("SS" | "NS" | "BS"), _)), Some((other, _))) if kind == other => {
            let gone = value::members(unwanted);
            let left: Vec<String> =
                value::members(current).into_iter().filter(|each| !gone.contains(each)).collect();
            Ok(if left.is_empty() { Deletion::Emptied } else { Deletion::Left(json!({ kind: left })) })
        }
        _ => Err(wrong_type()),
    }
}

fn action(parser: &mut Parser, section: &str) -> Result<Action, ExpressionError> {
    if SECTIONS.iter().any(|keyword| parser.is_keyword(keyword)) {
        return Err(parser.unexpected());
    }
    let path = parser.path()?;
    match section {
        "SET" => {
            parser.expect("=")?;
            let expression = sum_of_operands(parser)?;
            Ok(Action::Set(path, expression))
        }
        "REMOVE" => Ok(Action::Remove(path)),
        _ => {
            parser.count_operator()?;
            let operand = parser.value()?;
            let kind = value::kind(&operand);
            let fits = matches!(kind, "" | "SS" | "NS" | "BS") || (kind == "N" && section == "ADD");
            if !fits {
                let name = match kind {
                    "S" => "STRING",
                    "N" => "NUMBER",
                    "B" => "BINARY",
                    "BOOL" => "BOOLEAN",
                    "L" => "LIST",
                    "M" => "MAP",
                    other => other,
                };
                parser.note(
                    Rank::Type,
                    format!(
                        "Incorrect operand type for operator or function; operator: {section}, operand type: {name}, typeSet: ALLOWED_FOR_{section}_OPERAND"
                    ),
                );
            }
            Ok(if section == "ADD" { Action::Add(path, operand) } else { Action::Delete(path, operand) })
        }
    }
}

/// An operand, or the sum or difference of two; the grammar has no longer chains.
fn sum_of_operands(parser: &mut Parser) -> Result<Expression, ExpressionError> {
    let left = operand(parser)?;
    let name = match parser.peek().text {
        "+" => "+",
        "-" => "-",
        _ => return Ok(left),
    };
    parser.advance();
    parser.count_operator()?;
    let right = operand(parser)?;
    for side in [&left, &right] {
        if !matches!(side.kind(), "" | "N") {
            parser.note(Rank::Type, operand_type(name, side.kind()));
        }
    }
    let (left, right) = (Box::new(left), Box::new(right));
    Ok(if name == "+" { Expression::Plus(left, right) } else { Expression::Minus(left, right) })
}

fn operand(parser: &mut Parser) -> Result<Expression, ExpressionError> {
    let token = parser.peek();
    if parser.eat("(") {
        let inner = parser.nested(sum_of_operands)?;
        parser.expect(")")?;
        return Ok(inner);
    }
    match token.kind {
        Kind::ValueRef => Ok(Expression::Value(parser.value()?)),
        Kind::Word if parser.ahead(1).text == "(" => parser.nested(function),
        Kind::Word if SECTIONS.iter().any(|keyword| token.text.eq_ignore_ascii_case(keyword)) => {
            Err(parser.unexpected())
        }
        _ => Ok(Expression::Path(parser.path()?)),
    }
}

fn function(parser: &mut Parser) -> Result<Expression, ExpressionError> {
    let name = parser.advance().text.to_owned();
    parser.count_operator()?;
    parser.expect("(")?;
    let mut arguments = vec![operand(parser)?];
    while parser.eat(",") {
        arguments.push(operand(parser)?);
    }
    parser.expect(")")?;
    match name.as_str() {
        "if_not_exists" | "list_append" => {}
        "attribute_exists"
        | "attribute_not_exists"
        | "attribute_type"
        | "begins_with"
        | "contains"
        | "size" => {
            parser.note(
                Rank::UnknownFunction,
                format!("The function is not allowed in an update expression; function: {name}"),
            );
            return Ok(Expression::Value(Value::Null));
        }
        _ => {
            parser.note(Rank::UnknownFunction, format!("Invalid function name; function: {name}"));
            return Ok(Expression::Value(Value::Null));
        }
    }
    let count = arguments.len();
    let mut arguments = arguments.into_iter();
    let (Some(first), Some(second), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        parser.note(Rank::Operand, operand_count(&name, count));
        return Ok(Expression::Value(Value::Null));
    };
    if name == "list_append" {
        for side in [&first, &second] {
            if !matches!(side.kind(), "" | "L") {
                parser.note(Rank::Type, operand_type(&name, side.kind()));
            }
        }
        return Ok(Expression::Append(Box::new(first), Box::new(second)));
    }
    let Expression::Path(path) = first else {
        let message = format!("Operator or function requires a document path; operator or function: {name}");
        parser.note(Rank::Type, message);
        return Ok(Expression::Value(Value::Null));
    };
    Ok(Expression::IfNotExists(path, Box::new(second)))
}
