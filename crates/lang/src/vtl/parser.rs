//! Reads a template: text, references and directives. Expressions are read in `expression.rs`.
//!
//! Follows the tokens of Velocity 1.7: a directive's closing parenthesis, `#else` and `#end` swallow blanks up to and
//! with the end of the line; `#set` also swallows the blanks before it, unless they belong to a longer run of text.

use super::expression::{expression, reference};
use super::node::{Macro, Node, Template};
use super::scanner::{Scanner, is_name, is_word, starts_name};
use super::{VtlError, limits};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

pub(crate) fn parse(text: &str) -> Result<Template, VtlError> {
    if text.len() > limits::TEMPLATE {
        return Err(VtlError::Limit("the template's length"));
    }
    let mut parser = Parser { macros: HashMap::new(), names: macro_names(text) };
    let mut scanner = Scanner { text, at: 0, depth: 0, line: 0 };
    let (nodes, end) = parser.block(&mut scanner)?;
    if end != Ending::OfText {
        return Err(scanner.error("there is no block that this could end"));
    }
    Ok(Template { nodes: nodes.into(), macros: parser.macros })
}

/// The content of a double-quoted text, which may hold references and directives but defines no macros.
pub(crate) fn parse_quoted(scanner: &Scanner, text: &str) -> Result<Vec<Node>, VtlError> {
    let mut parser = Parser { macros: HashMap::new(), names: HashSet::new() };
    let line = scanner.line + scanner.text[..scanner.at].matches('\n').count();
    let mut inner = Scanner { text, at: 0, depth: scanner.depth, line };
    match parser.block(&mut inner)? {
        (nodes, Ending::OfText) => Ok(nodes),
        _ => Err(inner.error("there is no block that this could end")),
    }
}

/// The names that `#macro` defines anywhere: calls may stand before the definition, and any other `#word` is text.
fn macro_names(text: &str) -> HashSet<String> {
    let mut names = HashSet::new();
    for (at, _) in text.match_indices("macro") {
        let after = text[at + 5..].trim_start_matches('}').trim_start_matches([' ', '\t']);
        if let Some(after) = after.strip_prefix('(') {
            let name: String = after.trim_start().chars().take_while(|c| is_word(*c)).collect();
            names.insert(name);
        }
    }
    names
}

/// What ends a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    OfText,
    Block,
    Else,
    ElseIf,
}

const DIRECTIVES: [&str; 11] =
    ["set", "if", "elseif", "else", "end", "foreach", "define", "macro", "break", "stop", "return"];

struct Parser {
    macros: HashMap<String, Macro>,
    names: HashSet<String>,
}

impl Parser {
    fn is_directive(&self, word: &str) -> bool {
        DIRECTIVES.contains(&word) || self.names.contains(word)
    }

    /// Nodes up to what ends the block, which is taken.
    fn block(&mut self, scanner: &mut Scanner) -> Result<(Vec<Node>, Ending), VtlError> {
        let mut nodes = Vec::new();
        loop {
            let blanks = scanner.rest().trim_start_matches([' ', '\t']);
            if directive_name(blanks).is_some_and(|(name, after)| {
                name == "set" && after.trim_start_matches([' ', '\t']).starts_with('(')
            }) {
                scanner.at = scanner.text.len() - blanks.len();
            }
            let Some(first) = scanner.peek() else { return Ok((nodes, Ending::OfText)) };
            match first {
                '$' => match reference(scanner, 0)? {
                    Some(found) => nodes.push(Node::Reference(found)),
                    None => push_text(&mut nodes, take_one(scanner)),
                },
                '\\' => self.backslashes(scanner, &mut nodes)?,
                '#' => {
                    if let Some(end) = self.hash(scanner, &mut nodes)? {
                        return Ok((nodes, end));
                    }
                }
                _ => {
                    let text = scanner.take_while(|c| !matches!(c, '$' | '#' | '\\'));
                    push_text(&mut nodes, text);
                }
            }
        }
    }

    /// Backslashes escape a reference or a known directive; before anything else they are text.
    fn backslashes(&mut self, scanner: &mut Scanner, nodes: &mut Vec<Node>) -> Result<(), VtlError> {
        let run = scanner.take_while(|c| c == '\\');
        let count = run.len();
        match scanner.peek() {
            Some('$') => {
                if let Some(found) = reference(scanner, count)? {
                    nodes.push(Node::Reference(found));
                    return Ok(());
                }
            }
            Some('#') => {
                if let Some((name, after)) = directive_name(scanner.rest())
                    && self.is_directive(name)
                {
                    push_text(nodes, &run[..count / 2]);
                    if count % 2 == 1 {
                        let length = scanner.rest().len() - after.len();
                        push_text(nodes, &scanner.rest()[..length]);
                        scanner.at += length;
                    }
                    return Ok(());
                }
            }
            _ => {}
        }
        push_text(nodes, run);
        Ok(())
    }

    /// A comment, a directive, or just the character.
    fn hash(&mut self, scanner: &mut Scanner, nodes: &mut Vec<Node>) -> Result<Option<Ending>, VtlError> {
        if scanner.eat("##") {
            scanner.take_while(|c| c != '\n' && c != '\r');
            scanner.skip_line_end();
            return Ok(None);
        }
        for (open, close, is_text) in [("#*", "*#", false), ("#[[", "]]#", true)] {
            if scanner.eat(open) {
                let rest = scanner.rest();
                let Some(length) = rest.find(close) else {
                    return Err(scanner.error(format!("expected '{close}'")));
                };
                scanner.at += length + close.len();
                if is_text {
                    push_text(nodes, &rest[..length]);
                }
                return Ok(None);
            }
        }
        let Some((name, after)) = directive_name(scanner.rest()) else {
            push_text(nodes, take_one(scanner));
            return Ok(None);
        };
        if !self.is_directive(name) {
            push_text(nodes, take_one(scanner));
            return Ok(None);
        }
        let start = scanner.at;
        scanner.at = scanner.text.len() - after.len();
        let has_arguments = after.trim_start_matches([' ', '\t']).starts_with('(');
        match name {
            "end" | "else" => {
                scanner.skip_line_end();
                return Ok(Some(if name == "end" { Ending::Block } else { Ending::Else }));
            }
            "elseif" => return Ok(Some(Ending::ElseIf)),
            "break" => nodes.push(Node::Break),
            "stop" => nodes.push(Node::Stop),
            "return" => {
                if has_arguments {
                    self.arguments(scanner)?;
                }
                nodes.push(Node::Stop);
            }
            _ if !has_arguments => {
                // Without parentheses a macro's name is text, and so is any other directive's.
                push_text(nodes, &scanner.text[start..scanner.at]);
            }
            "set" => nodes.push(set(scanner)?),
            "if" => {
                let node = scanner.nested(|scanner| self.branches(scanner))?;
                nodes.push(node);
            }
            "foreach" => {
                let node = scanner.nested(|scanner| self.foreach(scanner))?;
                nodes.push(node);
            }
            "define" => {
                let node = scanner.nested(|scanner| self.define(scanner))?;
                nodes.push(node);
            }
            "macro" => scanner.nested(|scanner| self.definition(scanner))?,
            _ => {
                let arguments = self.arguments(scanner)?;
                nodes.push(Node::Call(name.to_owned(), arguments));
            }
        }
        Ok(None)
    }

    /// The block up to `#end`.
    fn body(&mut self, scanner: &mut Scanner) -> Result<Vec<Node>, VtlError> {
        match self.block(scanner)? {
            (nodes, Ending::Block) => Ok(nodes),
            _ => Err(scanner.error("expected '#end'")),
        }
    }

    fn branches(&mut self, scanner: &mut Scanner) -> Result<Node, VtlError> {
        let mut branches = Vec::new();
        loop {
            open(scanner)?;
            let condition = expression(scanner)?;
            close(scanner)?;
            let (nodes, end) = self.block(scanner)?;
            branches.push((condition, nodes));
            match end {
                Ending::ElseIf => {}
                Ending::Else => return Ok(Node::If(branches, self.body(scanner)?)),
                Ending::Block => return Ok(Node::If(branches, Vec::new())),
                Ending::OfText => return Err(scanner.error("expected '#end'")),
            }
        }
    }

    fn foreach(&mut self, scanner: &mut Scanner) -> Result<Node, VtlError> {
        open(scanner)?;
        let variable = variable(scanner)?;
        scanner.skip_space();
        if !scanner.eat_word("in") {
            return Err(scanner.error("expected 'in'"));
        }
        let source = expression(scanner)?;
        close(scanner)?;
        Ok(Node::Foreach { variable, source, body: self.body(scanner)? })
    }

    fn define(&mut self, scanner: &mut Scanner) -> Result<Node, VtlError> {
        open(scanner)?;
        let name = variable(scanner)?;
        close(scanner)?;
        Ok(Node::Define(name, self.body(scanner)?.into()))
    }

    fn definition(&mut self, scanner: &mut Scanner) -> Result<(), VtlError> {
        open(scanner)?;
        let name = scanner.take_while(is_word).to_owned();
        let mut parameters = Vec::new();
        loop {
            scanner.take_while(|c| c.is_whitespace() || c == ',');
            if scanner.rest().starts_with(')') {
                break;
            }
            parameters.push(variable(scanner)?);
        }
        close(scanner)?;
        let body: Rc<[Node]> = self.body(scanner)?.into();
        // The first definition of a name stays, as Velocity keeps it.
        self.macros.entry(name).or_insert(Macro { parameters, body });
        Ok(())
    }

    /// `($a "b", 3)`, with or without commas.
    fn arguments(&mut self, scanner: &mut Scanner) -> Result<Vec<super::node::Expression>, VtlError> {
        open(scanner)?;
        let mut all = Vec::new();
        loop {
            scanner.take_while(|c| c.is_whitespace() || c == ',');
            if scanner.rest().starts_with(')') {
                close(scanner)?;
                return Ok(all);
            }
            all.push(super::expression::operand(scanner)?);
        }
    }
}

/// `#name` or `#{name}` at the start of the text: the name and what follows.
fn directive_name(text: &str) -> Option<(&str, &str)> {
    let after = text.strip_prefix('#')?;
    let (inner, bracketed) = match after.strip_prefix('{') {
        Some(inner) => (inner, true),
        None => (after, false),
    };
    if !inner.starts_with(starts_name) {
        return None;
    }
    let length = inner.find(|c| !is_word(c)).unwrap_or(inner.len());
    let after = &inner[length..];
    Some((&inner[..length], if bracketed { after.strip_prefix('}')? } else { after }))
}

fn set(scanner: &mut Scanner) -> Result<Node, VtlError> {
    open(scanner)?;
    scanner.skip_space();
    let Some(target) = reference(scanner, 0)? else {
        return Err(scanner.error("expected a reference to set"));
    };
    scanner.skip_space();
    scanner.expect("=")?;
    let value = expression(scanner)?;
    close(scanner)?;
    Ok(Node::Set(target, value))
}

/// `$name`
fn variable(scanner: &mut Scanner) -> Result<String, VtlError> {
    scanner.skip_space();
    scanner.expect("$")?;
    let bracketed = scanner.eat("{");
    if !scanner.peek().is_some_and(starts_name) {
        return Err(scanner.error("expected a variable's name"));
    }
    let name = scanner.take_while(is_name).to_owned();
    if bracketed {
        scanner.expect("}")?;
    }
    Ok(name)
}

fn open(scanner: &mut Scanner) -> Result<(), VtlError> {
    scanner.skip_space();
    scanner.expect("(")
}

fn close(scanner: &mut Scanner) -> Result<(), VtlError> {
    scanner.skip_space();
    scanner.expect(")")?;
    scanner.skip_line_end();
    Ok(())
}

fn take_one<'a>(scanner: &mut Scanner<'a>) -> &'a str {
    let rest = scanner.rest();
    let length = rest.chars().next().map_or(0, char::len_utf8);
    scanner.at += length;
    &rest[..length]
}

fn push_text(nodes: &mut Vec<Node>, text: &str) {
    match nodes.last_mut() {
        Some(Node::Text(last)) => last.push_str(text),
        _ if text.is_empty() => {}
        _ => nodes.push(Node::Text(text.to_owned())),
    }
}
