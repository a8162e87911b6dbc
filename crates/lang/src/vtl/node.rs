//! The tree of a parsed template.
//!
//! Keeps true: a [`Reference`] knows its own text, since an escaped one is rendered as it was written.

use std::collections::HashMap;
use std::rc::Rc;

/// A parsed template.
#[derive(Debug, Default)]
pub(crate) struct Template {
    pub nodes: Rc<[Node]>,
    pub macros: HashMap<String, Macro>,
}

#[derive(Clone, Debug)]
pub(crate) struct Macro {
    pub parameters: Vec<String>,
    pub body: Rc<[Node]>,
}

#[derive(Debug)]
pub(crate) enum Node {
    Text(String),
    Reference(Reference),
    Set(Reference, Expression),
    /// The conditions with their blocks in order, then the block of `#else`.
    If(Vec<(Expression, Vec<Node>)>, Vec<Node>),
    Foreach {
        variable: String,
        source: Expression,
        body: Vec<Node>,
    },
    Define(String, Rc<[Node]>),
    Call(String, Vec<Expression>),
    Break,
    Stop,
}

/// `$name.property.method(..)[index]`
#[derive(Debug)]
pub(crate) struct Reference {
    pub root: String,
    pub accessors: Vec<Accessor>,
    /// As written, from the `$` on.
    pub source: String,
    /// How many backslashes stand before it.
    pub backslashes: usize,
}

#[derive(Debug)]
pub(crate) enum Accessor {
    Property(String),
    Method(String, Vec<Expression>),
    Index(Expression),
}

#[derive(Debug)]
pub(crate) enum Expression {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    /// A double-quoted text with references or directives in it.
    Interpolated(Vec<Node>),
    List(Vec<Expression>),
    Map(Vec<(Expression, Expression)>),
    Range(Box<Expression>, Box<Expression>),
    Reference(Reference),
    Not(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
    Plus,
    Minus,
    Times,
    Divide,
    Modulo,
}
