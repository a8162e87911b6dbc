//! Following and setting references.

use super::VtlError;
use super::node::{Accessor, Reference};
use super::render::Renderer;
use super::value::Value;
use super::{collections, strings};

impl Renderer<'_> {
    /// The value of a reference; the empty text when it leads nowhere, as API Gateway has it.
    pub(super) fn resolve(&mut self, reference: &Reference) -> Result<Value, VtlError> {
        let found = self.follow(reference, &reference.accessors)?;
        Ok(if matches!(found, Value::Null) { Value::empty() } else { found })
    }

    fn follow(&mut self, reference: &Reference, accessors: &[Accessor]) -> Result<Value, VtlError> {
        let mut value = self.variables.get(&reference.root).cloned().unwrap_or(Value::Null);
        for accessor in accessors {
            if matches!(value, Value::Null) {
                break;
            }
            self.step()?;
            value = match accessor {
                Accessor::Property(name) => self.property(&value, name)?,
                Accessor::Method(name, arguments) => {
                    let mut values = Vec::with_capacity(arguments.len());
                    for argument in arguments {
                        values.push(self.evaluate(argument)?);
                    }
                    self.call(&value, name, &values)?
                }
                Accessor::Index(index) => {
                    let index = self.evaluate(index)?;
                    self.index(&value, &index)?
                }
            };
        }
        Ok(value)
    }

    /// `#set($reference = value)`; a target that does not exist swallows the value.
    pub(super) fn assign(&mut self, target: &Reference, value: Value) -> Result<(), VtlError> {
        let Some((last, before)) = target.accessors.split_last() else {
            self.variables.insert(target.root.clone(), value);
            return Ok(());
        };
        let holder = self.follow(target, before)?;
        let index = match last {
            Accessor::Property(name) => self.heap.text(name)?,
            Accessor::Index(index) => self.evaluate(index)?,
            Accessor::Method(..) => return Ok(()),
        };
        match (holder, index) {
            (Value::Map(id), key) => {
                let key = self.heap.to_text(&key)?;
                self.heap.put(id, key.into(), value)?;
            }
            (Value::List(id), Value::Integer(at)) => {
                collections::set_element(&mut self.heap, id, at, value)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn property(&mut self, value: &Value, name: &str) -> Result<Value, VtlError> {
        Ok(match (value, name) {
            (Value::Map(id), _) => self.heap.map(*id).get(name).cloned().unwrap_or(Value::Null),
            (Value::Entry(entry), "key") => Value::Text(entry.0.clone()),
            (Value::Entry(entry), "value") => entry.1.clone(),
            (Value::Text(text), "empty") => Value::Boolean(text.is_empty()),
            (Value::List(id), "empty") => Value::Boolean(self.heap.list(*id).is_empty()),
            (Value::Input, "body") => self.heap.text(&self.context.body)?,
            _ => Value::Null,
        })
    }

    fn index(&mut self, value: &Value, index: &Value) -> Result<Value, VtlError> {
        match (value, index) {
            (Value::List(id), Value::Integer(at)) => collections::element(&self.heap, *id, *at),
            (Value::Map(id), key) => {
                let key = self.heap.to_text(key)?;
                Ok(self.heap.map(*id).get(key.as_str()).cloned().unwrap_or(Value::Null))
            }
            _ => Ok(Value::Null),
        }
    }

    fn call(&mut self, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, VtlError> {
        match value {
            Value::Text(text) => strings::call(&mut self.heap, text, name, arguments),
            Value::List(id) => collections::call_on_list(&mut self.heap, *id, name, arguments),
            Value::Map(id) => collections::call_on_map(&mut self.heap, *id, name, arguments),
            Value::Boolean(_) | Value::Integer(_) | Value::Float(_) => {
                strings::call_on_scalar(&mut self.heap, value, name, arguments)
            }
            Value::Entry(entry) => Ok(match name {
                "getKey" => Value::Text(entry.0.clone()),
                "getValue" => entry.1.clone(),
                _ => Value::Null,
            }),
            Value::Input => self.call_on_input(name, arguments),
            Value::Util => self.call_on_util(name, arguments),
            Value::Block(_) | Value::Null => Ok(Value::Null),
        }
    }
}
