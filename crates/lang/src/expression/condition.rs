//! `ConditionExpression` and `FilterExpression`: parsing and deciding.
//!
//! Key conditions use the same grammar and read the tree in `key_condition.rs`.
//! Keeps true: deciding never fails; what cannot be compared does not match.

use super::lexer::Kind;
use super::parser::{Parser, Rank, operand_count, operand_type};
use super::path::Path;
use super::{ExpressionError, Item, Used, value};
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::collections::BTreeSet;

const TYPES: [&str; 10] = ["S", "N", "B", "NULL", "SS", "BOOL", "L", "BS", "NS", "M"];

/// What stands on a side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Path(Path),
    Value(Value),
    Size(Box<Operand>),
}

/// `=`, `<>`, `<`, `<=`, `>`, `>=`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparator {
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    fn from_symbol(text: &str) -> Option<Self> {
        [Self::Equal, Self::NotEqual, Self::Less, Self::LessOrEqual, Self::Greater, Self::GreaterOrEqual]
            .into_iter()
            .find(|comparator| comparator.symbol() == text)
    }

    pub(crate) fn holds(self, left: &Value, right: &Value) -> bool {
        match self {
            Self::Equal => value::equal(left, right),
            Self::NotEqual => !value::equal(left, right),
            Self::Less => value::compare(left, right) == Some(Ordering::Less),
            Self::Greater => value::compare(left, right) == Some(Ordering::Greater),
            Self::LessOrEqual => value::compare(left, right).is_some_and(Ordering::is_le),
            Self::GreaterOrEqual => value::compare(left, right).is_some_and(Ordering::is_ge),
        }
    }
}

/// A node of the parsed tree.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Compare(Comparator, Operand, Operand),
    Between(Operand, Operand, Operand),
    In(Operand, Vec<Operand>),
    /// `attribute_exists`, or with `false` `attribute_not_exists`
    Exists(Path, bool),
    HasType(Operand, String),
    BeginsWith(Operand, Operand),
    Contains(Operand, Operand),
}

/// A parsed condition or filter.
#[derive(Clone, Debug)]
pub struct Condition {
    pub(crate) root: Node,
    attributes: BTreeSet<String>,
    used: Used,
}

impl Condition {
    /// Parses a `ConditionExpression`; `names` maps `#x` to strings, `values` maps `:x` to attribute values.
    ///
    /// # Errors
    /// With the service's message, which begins with `Invalid ConditionExpression:`.
    pub fn parse(text: &str, names: &Item, values: &Item) -> Result<Self, ExpressionError> {
        Self::parse_as("ConditionExpression", text, names, values)
    }

    /// Parses a `FilterExpression`.
    ///
    /// # Errors
    /// With the service's message, which begins with `Invalid FilterExpression:`.
    pub fn parse_filter(text: &str, names: &Item, values: &Item) -> Result<Self, ExpressionError> {
        Self::parse_as("FilterExpression", text, names, values)
    }

    pub(crate) fn parse_as(
        what: &'static str,
        text: &str,
        names: &Item,
        values: &Item,
    ) -> Result<Self, ExpressionError> {
        let mut parser = Parser::new(what, text, names, values)?;
        let root = condition(&mut parser)?;
        parser.finish()?;
        Ok(Self { root, attributes: parser.attributes, used: parser.used })
    }

    /// Does the item meet the condition? A missing item is an empty map.
    pub fn matches(&self, item: &Item) -> bool {
        self.root.matches(item)
    }

    /// The top-level attributes that it names.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.attributes.iter().map(String::as_str)
    }

    /// The placeholders that it uses, for [`super::check_all_used`].
    pub fn used(&self) -> &Used {
        &self.used
    }
}

impl Operand {
    fn value(&self, item: &Item) -> Option<Value> {
        match self {
            Self::Path(path) => path.get(item).cloned(),
            Self::Value(value) => Some(value.clone()),
            Self::Size(of) => value::size(&of.value(item)?).map(|size| json!({"N": size.to_string()})),
        }
    }
}

impl Node {
    fn matches(&self, item: &Item) -> bool {
        let both = |left: &Operand, right: &Operand| left.value(item).zip(right.value(item));
        match self {
            Self::And(all) => all.iter().all(|node| node.matches(item)),
            Self::Or(all) => all.iter().any(|node| node.matches(item)),
            Self::Not(node) => !node.matches(item),
            // What is missing is unequal to everything.
            Self::Compare(comparator, left, right) => match both(left, right) {
                Some((left, right)) => comparator.holds(&left, &right),
                None => *comparator == Comparator::NotEqual,
            },
            Self::Between(operand, low, high) => {
                both(operand, low).is_some_and(|(value, low)| Comparator::GreaterOrEqual.holds(&value, &low))
                    && both(operand, high)
                        .is_some_and(|(value, high)| Comparator::LessOrEqual.holds(&value, &high))
            }
            Self::In(operand, all) => all.iter().any(|candidate| {
                both(operand, candidate).is_some_and(|(left, right)| value::equal(&left, &right))
            }),
            Self::Exists(path, wanted) => path.get(item).is_some() == *wanted,
            Self::HasType(operand, kind) => {
                operand.value(item).is_some_and(|found| value::kind(&found) == kind)
            }
            Self::BeginsWith(operand, prefix) => {
                both(operand, prefix).is_some_and(|(value, prefix)| value::begins_with(&value, &prefix))
            }
            Self::Contains(operand, needle) => {
                both(operand, needle).is_some_and(|(value, needle)| value::contains(&value, &needle))
            }
        }
    }
}

/// What a stretch of text turned out to be, before it is known what is wanted there.
enum Term {
    Operand(Operand),
    /// The name is that of the function, when it is one.
    Condition(Node, Option<String>),
}

fn condition(parser: &mut Parser) -> Result<Node, ExpressionError> {
    let term = disjunction(parser)?;
    as_condition(parser, term)
}

fn as_condition(parser: &mut Parser, term: Term) -> Result<Node, ExpressionError> {
    match term {
        Term::Condition(node, _) => Ok(node),
        Term::Operand(Operand::Size(_)) => {
            parser.note(
                Rank::Misused,
                "The function is not allowed to be used this way in an expression; function: size",
            );
            Ok(Node::And(Vec::new()))
        }
        Term::Operand(_) => Err(parser.unexpected()),
    }
}

fn as_operand(parser: &mut Parser, term: Term) -> Result<Operand, ExpressionError> {
    match term {
        Term::Operand(operand) => Ok(operand),
        Term::Condition(_, Some(function)) => {
            parser.note(
                Rank::Misused,
                format!(
                    "The function is not allowed to be used this way in an expression; function: {function}"
                ),
            );
            Ok(Operand::Value(Value::Null))
        }
        Term::Condition(_, None) => Err(parser.unexpected()),
    }
}

fn disjunction(parser: &mut Parser) -> Result<Term, ExpressionError> {
    chain(parser, "OR", conjunction, Node::Or)
}

fn conjunction(parser: &mut Parser) -> Result<Term, ExpressionError> {
    chain(parser, "AND", negation, Node::And)
}

fn chain(
    parser: &mut Parser,
    keyword: &str,
    below: fn(&mut Parser) -> Result<Term, ExpressionError>,
    join: fn(Vec<Node>) -> Node,
) -> Result<Term, ExpressionError> {
    let first = below(parser)?;
    if !parser.is_keyword(keyword) {
        return Ok(first);
    }
    let mut all = vec![as_condition(parser, first)?];
    while parser.eat_keyword(keyword) {
        parser.count_operator()?;
        let next = below(parser)?;
        all.push(as_condition(parser, next)?);
    }
    Ok(Term::Condition(join(all), None))
}

fn negation(parser: &mut Parser) -> Result<Term, ExpressionError> {
    if !parser.eat_keyword("NOT") {
        return comparison(parser);
    }
    parser.count_operator()?;
    let inner = parser.nested(negation)?;
    let node = as_condition(parser, inner)?;
    Ok(Term::Condition(Node::Not(Box::new(node)), None))
}

fn comparison(parser: &mut Parser) -> Result<Term, ExpressionError> {
    let left = primary(parser)?;
    if let Some(comparator) = Comparator::from_symbol(parser.peek().text) {
        let left = as_operand(parser, left)?;
        parser.advance();
        parser.count_operator()?;
        let right = operand(parser)?;
        check_distinct(parser, comparator.symbol(), &left, &right);
        if !matches!(comparator, Comparator::Equal | Comparator::NotEqual) {
            for side in [&left, &right] {
                check_ordered(parser, comparator.symbol(), side);
            }
        }
        return Ok(Term::Condition(Node::Compare(comparator, left, right), None));
    }
    if parser.is_keyword("BETWEEN") {
        let left = as_operand(parser, left)?;
        parser.advance();
        parser.count_operator()?;
        let low = operand(parser)?;
        if !parser.eat_keyword("AND") {
            return Err(parser.unexpected());
        }
        let high = operand(parser)?;
        check_bounds(parser, &low, &high);
        return Ok(Term::Condition(Node::Between(left, low, high), None));
    }
    if parser.is_keyword("IN") {
        let left = as_operand(parser, left)?;
        parser.advance();
        parser.count_operator()?;
        parser.expect("(")?;
        let all = arguments(parser)?;
        return Ok(Term::Condition(Node::In(left, all), None));
    }
    Ok(left)
}

/// What has no `AND`, `OR`, `NOT` or comparison on its own level: a path, a value, a function, or something in parentheses.
fn primary(parser: &mut Parser) -> Result<Term, ExpressionError> {
    let token = parser.peek();
    if token.text == "(" {
        if parser.parentheses_are_doubled() {
            parser.note(Rank::Parentheses, "The expression has redundant parentheses;");
        }
        parser.advance();
        let inner = parser.nested(disjunction)?;
        parser.expect(")")?;
        return Ok(inner);
    }
    match token.kind {
        Kind::ValueRef => Ok(Term::Operand(Operand::Value(parser.value()?))),
        Kind::Word if parser.ahead(1).text == "(" && !is_operator(token.text) => parser.nested(function),
        Kind::Word if is_operator(token.text) => Err(parser.unexpected()),
        _ => Ok(Term::Operand(Operand::Path(parser.path()?))),
    }
}

fn is_operator(word: &str) -> bool {
    ["AND", "OR", "NOT", "IN", "BETWEEN"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
}

fn operand(parser: &mut Parser) -> Result<Operand, ExpressionError> {
    let term = parser.nested(primary)?;
    as_operand(parser, term)
}

/// Operands up to the closing parenthesis, which is taken.
fn arguments(parser: &mut Parser) -> Result<Vec<Operand>, ExpressionError> {
    let mut all = vec![operand(parser)?];
    while parser.eat(",") {
        all.push(operand(parser)?);
    }
    parser.expect(")")?;
    Ok(all)
}

fn function(parser: &mut Parser) -> Result<Term, ExpressionError> {
    let name = parser.advance().text.to_owned();
    parser.count_operator()?;
    parser.expect("(")?;
    let arguments = arguments(parser)?;
    let count = arguments.len();
    let mut arguments = arguments.into_iter();
    let wanted = match name.as_str() {
        "attribute_exists" | "attribute_not_exists" | "size" => 1,
        "attribute_type" | "begins_with" | "contains" => 2,
        "if_not_exists" | "list_append" => {
            parser.note(
                Rank::UnknownFunction,
                format!("The function is not allowed in a condition expression; function: {name}"),
            );
            count
        }
        _ => {
            parser.note(Rank::UnknownFunction, format!("Invalid function name; function: {name}"));
            count
        }
    };
    if wanted != count {
        parser.note(Rank::Operand, operand_count(&name, count));
    }
    let (first, second) = match (arguments.next(), arguments.next()) {
        (Some(first), second) => (first, second.unwrap_or(Operand::Value(Value::Null))),
        (None, _) => return Err(parser.unexpected()),
    };
    if count == 2 {
        check_distinct(parser, &name, &first, &second);
    }
    let node = match name.as_str() {
        "attribute_exists" | "attribute_not_exists" => {
            let Operand::Path(path) = first else {
                let message =
                    format!("Operator or function requires a document path; operator or function: {name}");
                parser.note(Rank::Type, message);
                return Ok(Term::Condition(Node::And(Vec::new()), Some(name)));
            };
            Node::Exists(path, name == "attribute_exists")
        }
        "attribute_type" => {
            let kind = wanted_type(parser, &second);
            Node::HasType(first, kind)
        }
        "begins_with" => {
            for side in [&first, &second] {
                let kind = literal_kind(side);
                if !matches!(kind, "" | "S" | "B") {
                    parser.note(Rank::Type, operand_type(&name, kind));
                }
            }
            Node::BeginsWith(first, second)
        }
        "contains" => Node::Contains(first, second),
        "size" => {
            let kind = literal_kind(&first);
            if matches!(kind, "N" | "BOOL" | "NULL") {
                parser.note(Rank::Type, operand_type(&name, kind));
            }
            return Ok(Term::Operand(Operand::Size(Box::new(first))));
        }
        _ => Node::And(Vec::new()),
    };
    Ok(Term::Condition(node, Some(name)))
}

/// The type that `attribute_type` asks for, which must be a literal.
fn wanted_type(parser: &mut Parser, operand: &Operand) -> String {
    let kind = literal_kind(operand);
    if kind != "S" {
        let shown = if kind.is_empty() { "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}" } else { kind };
        parser.note(Rank::Type, operand_type("attribute_type", shown));
        return String::new();
    }
    let Operand::Value(literal) = operand else { return String::new() };
    let wanted = literal.get("S").and_then(Value::as_str).unwrap_or_default();
    if !TYPES.contains(&wanted) {
        parser.note(
            Rank::Type,
            format!("Invalid attribute type name found; type: {wanted}, valid types: {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}"),
        );
    }
    wanted.to_owned()
}

/// The type of an operand that is known without an item; empty otherwise.
fn literal_kind(operand: &Operand) -> &str {
    match operand {
        Operand::Value(literal) => value::kind(literal),
        Operand::Size(_) => "N",
        Operand::Path(_) => "",
    }
}

fn check_distinct(parser: &mut Parser, operator: &str, left: &Operand, right: &Operand) {
    if let (Operand::Path(one), Operand::Path(two)) = (left, right)
        && one == two
    {
        parser.note(
            Rank::Distinct,
            format!(
                "The first operand must be distinct from the remaining operands for this operator or function; operator: {operator}, first operand: {one}"
            ),
        );
    }
}

fn check_ordered(parser: &mut Parser, operator: &str, side: &Operand) {
    let kind = literal_kind(side);
    if !matches!(kind, "" | "S" | "N" | "B") {
        parser.note(Rank::Type, operand_type(operator, kind));
    }
}

fn check_bounds(parser: &mut Parser, low: &Operand, high: &Operand) {
    for side in [low, high] {
        check_ordered(parser, "BETWEEN", side);
    }
    let (Operand::Value(low), Operand::Value(high)) = (low, high) else { return };
    let (Some((low_kind, low_inner)), Some((high_kind, high_inner))) =
        (value::typed(low), value::typed(high))
    else {
        return;
    };
    let shown = |inner: &Value| inner.as_str().map_or_else(|| inner.to_string(), str::to_owned);
    let rule = if low_kind != high_kind {
        "requires same data type for lower and upper bounds"
    } else if value::compare(low, high) == Some(Ordering::Greater) {
        "requires upper bound to be greater than or equal to lower bound"
    } else {
        return;
    };
    parser.note(
        Rank::Type,
        format!(
            "The BETWEEN operator {rule}; lower bound operand: AttributeValue: {{{low_kind}:{}}}, upper bound operand: AttributeValue: {{{high_kind}:{}}}",
            shown(low_inner),
            shown(high_inner)
        ),
    );
}
