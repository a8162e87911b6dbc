//! Walks a template's tree and writes its text.

use super::node::{Expression, Node, Operator, Reference, Template};
use super::value::{Heap, Members, Value};
use super::{Context, Overrides, Rendered, VtlError, arithmetic, limits};
use serde_json::{Map, Value as Json};
use std::collections::HashMap;
use std::rc::Rc;

/// How a run of nodes ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Stop,
}

/// One rendering of one template.
pub(crate) struct Renderer<'a> {
    pub context: &'a Context,
    pub heap: Heap,
    pub variables: HashMap<String, Value>,
    /// The body as JSON, once it was needed.
    pub document: Option<Json>,
    /// How many values JSONPath queries may still look at.
    pub visits: usize,
    macros: &'a HashMap<String, super::node::Macro>,
    out: String,
    steps: usize,
    depth: usize,
}

impl<'a> Renderer<'a> {
    pub(crate) fn new(context: &'a Context, template: &'a Template) -> Result<Self, VtlError> {
        let mut heap = Heap::default();
        let mut variables = HashMap::new();
        variables.insert("input".to_owned(), Value::Input);
        variables.insert("util".to_owned(), Value::Util);
        variables.insert("stageVariables".to_owned(), heap.read_map(&context.stage_variables)?);
        let mut gateway = match &context.context {
            Json::Object(map) => map.clone(),
            _ => Map::new(),
        };
        let empty = || Json::Object(Map::new());
        let group =
            |names: &[&str]| Json::Object(names.iter().map(|name| ((*name).to_owned(), empty())).collect());
        gateway.insert("requestOverride".to_owned(), group(&["header", "path", "querystring"]));
        gateway.insert("responseOverride".to_owned(), group(&["header"]));
        variables.insert("context".to_owned(), heap.read_map(&gateway)?);
        for (name, value) in &context.variables {
            let value = heap.read_json(value)?;
            variables.insert(name.clone(), value);
        }
        Ok(Self {
            context,
            heap,
            variables,
            document: None,
            visits: limits::VISITS,
            macros: &template.macros,
            out: String::new(),
            steps: 0,
            depth: 0,
        })
    }

    pub(crate) fn run(mut self, template: &Template) -> Result<Rendered, VtlError> {
        // What the context holds at the start, so that a template which replaces `$context` overrides nothing.
        let context = self.variables.get("context").cloned();
        self.nodes(&template.nodes)?;
        let overrides = self.overrides(context)?;
        Ok(Rendered { text: self.out, overrides })
    }

    fn overrides(&mut self, context: Option<Value>) -> Result<Overrides, VtlError> {
        let json = match context {
            Some(context @ Value::Map(_)) => self.heap.write_json(&context, 0)?,
            _ => Json::Null,
        };
        let group =
            |pointer: &str| json.pointer(pointer).and_then(Json::as_object).cloned().unwrap_or_default();
        let status = json.pointer("/responseOverride/status");
        let status = status.and_then(|value| value.as_u64().or_else(|| value.as_str()?.trim().parse().ok()));
        Ok(Overrides {
            request_path: group("/requestOverride/path"),
            request_querystring: group("/requestOverride/querystring"),
            request_header: group("/requestOverride/header"),
            response_header: group("/responseOverride/header"),
            response_status: status.and_then(|status| u16::try_from(status).ok()),
        })
    }

    /// Counts a step against the limit.
    pub(super) fn step(&mut self) -> Result<(), VtlError> {
        self.steps += 1;
        if self.steps > limits::STEPS { Err(VtlError::Limit("steps")) } else { Ok(()) }
    }

    fn nodes(&mut self, nodes: &[Node]) -> Result<Flow, VtlError> {
        if self.depth >= limits::DEPTH {
            return Err(VtlError::Limit("nested blocks and calls"));
        }
        self.depth += 1;
        let mut flow = Flow::On;
        for node in nodes {
            self.step()?;
            flow = self.node(node)?;
            if self.out.len() > limits::TEXT {
                return Err(VtlError::Limit("the rendered text's length"));
            }
            if flow != Flow::On {
                break;
            }
        }
        self.depth -= 1;
        Ok(flow)
    }

    fn node(&mut self, node: &Node) -> Result<Flow, VtlError> {
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Reference(reference) => self.write_reference(reference)?,
            Node::Set(target, expression) => {
                let value = self.evaluate(expression)?;
                // Nothing cannot be set: the old value stays.
                if !matches!(value, Value::Null) {
                    self.assign(target, value)?;
                }
            }
            Node::If(branches, otherwise) => {
                for (condition, body) in branches {
                    if self.evaluate(condition)?.is_true() {
                        return self.nodes(body);
                    }
                }
                return self.nodes(otherwise);
            }
            Node::Foreach { variable, source, body } => return self.foreach(variable, source, body),
            Node::Define(name, body) => {
                self.variables.insert(name.clone(), Value::Block(Rc::clone(body)));
            }
            Node::Call(name, arguments) => return self.call_macro(name, arguments),
            Node::Break => return Ok(Flow::Break),
            Node::Stop => return Ok(Flow::Stop),
        }
        Ok(Flow::On)
    }

    /// An odd number of backslashes shows the reference as it was written; each pair shows one.
    fn write_reference(&mut self, reference: &Reference) -> Result<(), VtlError> {
        self.out.extend(std::iter::repeat_n('\\', reference.backslashes / 2));
        if reference.backslashes % 2 == 1 {
            self.out.push_str(&reference.source);
            return Ok(());
        }
        match self.resolve(reference)? {
            Value::Block(body) => {
                self.nodes(&body)?;
                Ok(())
            }
            value => self.heap.write(&value, &mut self.out, 0),
        }
    }

    /// Binds `name` and gives what it was bound to.
    fn bind(&mut self, name: &str, value: Value) -> (String, Option<Value>) {
        (name.to_owned(), self.variables.insert(name.to_owned(), value))
    }

    fn restore(&mut self, saved: Vec<(String, Option<Value>)>) {
        for (name, value) in saved.into_iter().rev() {
            match value {
                Some(value) => self.variables.insert(name, value),
                None => self.variables.remove(&name),
            };
        }
    }

    fn foreach(&mut self, variable: &str, source: &Expression, body: &[Node]) -> Result<Flow, VtlError> {
        // A copy, since the body may change what it runs over.
        let (all, count): (Vec<Value>, usize) = match self.evaluate(source)? {
            Value::List(id) => {
                let list = self.heap.list(id);
                (list.iter().take(limits::LOOP).cloned().collect(), list.len())
            }
            Value::Map(id) => {
                let map = self.heap.map(id);
                (map.values().take(limits::LOOP).cloned().collect(), map.len())
            }
            _ => return Ok(Flow::On),
        };
        let parent = self.variables.get("foreach").cloned();
        let mut saved = Vec::new();
        for name in [variable, "foreach", "velocityCount", "velocityHasNext"] {
            saved.push(self.bind(name, Value::Null));
        }
        // One map for the whole loop: it changes with each turn, as Velocity's does.
        let parent = Members::from_iter([("parent".into(), parent.unwrap_or(Value::Null))]);
        let state = self.heap.new_map(parent)?;
        self.variables.insert("foreach".to_owned(), state.clone());
        let mut flow = Flow::On;
        for (index, value) in all.into_iter().enumerate() {
            self.step()?;
            let number = index as i64;
            let has_next = index + 1 < count;
            if let Value::Map(state) = state {
                let members = self.heap.map_mut(state);
                members.insert("index".into(), Value::Integer(number));
                members.insert("count".into(), Value::Integer(number + 1));
                members.insert("hasNext".into(), Value::Boolean(has_next));
                members.insert("first".into(), Value::Boolean(index == 0));
                members.insert("last".into(), Value::Boolean(!has_next));
            }
            self.variables.insert("velocityCount".to_owned(), Value::Integer(number + 1));
            self.variables.insert("velocityHasNext".to_owned(), Value::Boolean(has_next));
            self.variables.insert(variable.to_owned(), value);
            flow = self.nodes(body)?;
            if flow != Flow::On {
                break;
            }
        }
        self.restore(saved);
        Ok(if flow == Flow::Stop { Flow::Stop } else { Flow::On })
    }

    fn call_macro(&mut self, name: &str, arguments: &[Expression]) -> Result<Flow, VtlError> {
        // The parser takes a call for one only when the template defines the macro somewhere.
        let Some(found) = self.macros.get(name) else { return Ok(Flow::On) };
        let mut values = Vec::new();
        for argument in arguments {
            values.push(self.evaluate(argument)?);
        }
        let mut saved = Vec::new();
        for (at, parameter) in found.parameters.iter().enumerate() {
            let value = values.get(at).cloned().unwrap_or(Value::Null);
            saved.push(self.bind(parameter, value));
        }
        let body = Rc::clone(&found.body);
        let flow = self.nodes(&body)?;
        self.restore(saved);
        Ok(if flow == Flow::Stop { Flow::Stop } else { Flow::On })
    }

    /// The value of an expression; nothing when a calculation has no result.
    pub(super) fn evaluate(&mut self, expression: &Expression) -> Result<Value, VtlError> {
        self.step()?;
        Ok(match expression {
            Expression::Null => Value::Null,
            Expression::Boolean(flag) => Value::Boolean(*flag),
            Expression::Integer(number) => Value::Integer(*number),
            Expression::Float(number) => Value::Float(*number),
            Expression::Text(text) => self.heap.text(text)?,
            Expression::Interpolated(nodes) => {
                let outer = std::mem::take(&mut self.out);
                let result = self.nodes(nodes);
                let text = std::mem::replace(&mut self.out, outer);
                result?;
                self.heap.text(text)?
            }
            Expression::List(all) => {
                let all = all.iter().map(|each| self.evaluate(each)).collect::<Result<_, _>>()?;
                self.heap.new_list(all)?
            }
            Expression::Map(all) => {
                let mut members = Members::new();
                for (key, value) in all {
                    let key = self.evaluate(key)?;
                    let key = self.heap.to_text(&key)?;
                    members.insert(key.into(), self.evaluate(value)?);
                }
                self.heap.new_map(members)?
            }
            Expression::Range(first, last) => {
                let (first, last) = (self.evaluate(first)?, self.evaluate(last)?);
                let (Value::Integer(first), Value::Integer(last)) = (first, last) else {
                    return Ok(Value::Null);
                };
                let length = first.abs_diff(last).saturating_add(1);
                self.heap.pay(usize::try_from(length).unwrap_or(usize::MAX).saturating_mul(48))?;
                let all = if first <= last {
                    (first..=last).map(Value::Integer).collect()
                } else {
                    (last..=first).rev().map(Value::Integer).collect()
                };
                self.heap.new_list(all)?
            }
            Expression::Reference(reference) => self.resolve(reference)?,
            Expression::Not(inner) => Value::Boolean(!self.evaluate(inner)?.is_true()),
            Expression::Binary(Operator::Or, left, right) => {
                Value::Boolean(self.evaluate(left)?.is_true() || self.evaluate(right)?.is_true())
            }
            Expression::Binary(Operator::And, left, right) => {
                Value::Boolean(self.evaluate(left)?.is_true() && self.evaluate(right)?.is_true())
            }
            Expression::Binary(operator, left, right) => {
                let (left, right) = (self.evaluate(left)?, self.evaluate(right)?);
                arithmetic::apply(&mut self.heap, *operator, &left, &right)?
            }
        })
    }
}
