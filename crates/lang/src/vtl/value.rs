//! The values of a template, and the heap that their lists and maps live in.
//!
//! Lists and maps are shared as in Java: two variables may hold the same one. They are indexes into the heap, so that
//! one which holds itself costs nothing to free.
//! Keeps true: everything that is made is paid for, so a template's memory is bounded; texts never exceed
//! [`limits::TEXT`].

use super::java;
use super::node::Node;
use super::{VtlError, limits};
use indexmap::IndexMap;
use serde_json::{Map, Value as Json};
use std::cell::Cell;
use std::rc::Rc;

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(Rc<str>),
    List(ListId),
    Map(MapId),
    /// A member of `entrySet()`.
    Entry(Rc<(Rc<str>, Value)>),
    /// What `#define` keeps: rendered where it is used.
    Block(Rc<[Node]>),
    /// `$input`
    Input,
    /// `$util`
    Util,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListId(usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MapId(usize);

pub(crate) type Members = IndexMap<Rc<str>, Value>;

/// What a list's slot or a map's entry counts for.
const SLOT: usize = 48;
/// How deep values may lie in one another when they are written or compared.
const DEPTH: usize = 128;

#[derive(Debug, Default)]
pub(crate) struct Heap {
    lists: Vec<Vec<Value>>,
    maps: Vec<Members>,
    spent: Cell<usize>,
}

impl Value {
    pub(crate) fn empty() -> Self {
        Self::Text("".into())
    }

    /// Everything but `false` and nothing.
    pub(crate) fn is_true(&self) -> bool {
        !matches!(self, Self::Null | Self::Boolean(false))
    }

    pub(crate) fn as_float(&self) -> Option<f64> {
        match self {
            Self::Integer(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }
}

impl Heap {
    /// Counts bytes against the limit.
    pub(crate) fn pay(&self, bytes: usize) -> Result<(), VtlError> {
        self.spent.set(self.spent.get().saturating_add(bytes));
        if self.spent.get() > limits::MEMORY { Err(VtlError::Limit("memory")) } else { Ok(()) }
    }

    /// Looking through a text costs a little of what making it costs.
    pub(crate) fn pay_for_search(&self, text: &str) -> Result<(), VtlError> {
        self.pay(text.len() / 16)
    }

    pub(crate) fn text(&self, text: impl AsRef<str>) -> Result<Value, VtlError> {
        let text = text.as_ref();
        if text.len() > limits::TEXT {
            return Err(VtlError::Limit("a text's length"));
        }
        self.pay(text.len() + SLOT)?;
        Ok(Value::Text(text.into()))
    }

    pub(crate) fn new_list(&mut self, all: Vec<Value>) -> Result<Value, VtlError> {
        self.pay((all.len() + 1) * SLOT)?;
        self.lists.push(all);
        Ok(Value::List(ListId(self.lists.len() - 1)))
    }

    pub(crate) fn new_map(&mut self, all: Members) -> Result<Value, VtlError> {
        self.pay((all.len() + 1) * SLOT * 2)?;
        self.maps.push(all);
        Ok(Value::Map(MapId(self.maps.len() - 1)))
    }

    pub(crate) fn list(&self, id: ListId) -> &[Value] {
        self.lists.get(id.0).map(Vec::as_slice).unwrap_or_default()
    }

    /// For changes; pay for what is added.
    pub(crate) fn list_mut(&mut self, id: ListId) -> &mut Vec<Value> {
        &mut self.lists[id.0]
    }

    pub(crate) fn map(&self, id: MapId) -> &Members {
        &self.maps[id.0]
    }

    pub(crate) fn map_mut(&mut self, id: MapId) -> &mut Members {
        &mut self.maps[id.0]
    }

    /// Puts an entry and gives what was there.
    pub(crate) fn put(&mut self, id: MapId, key: Rc<str>, value: Value) -> Result<Value, VtlError> {
        self.pay(SLOT * 2)?;
        Ok(self.map_mut(id).insert(key, value).unwrap_or(Value::Null))
    }

    pub(crate) fn read_json(&mut self, json: &Json) -> Result<Value, VtlError> {
        Ok(match json {
            Json::Null => Value::Null,
            Json::Bool(flag) => Value::Boolean(*flag),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Value::Integer(whole),
                None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => self.text(text)?,
            Json::Array(all) => {
                let all = all.iter().map(|each| self.read_json(each)).collect::<Result<_, _>>()?;
                self.new_list(all)?
            }
            Json::Object(map) => self.read_map(map)?,
        })
    }

    pub(crate) fn read_map(&mut self, map: &Map<String, Json>) -> Result<Value, VtlError> {
        let mut members = Members::new();
        for (key, value) in map {
            self.pay(key.len())?;
            members.insert(key.as_str().into(), self.read_json(value)?);
        }
        self.new_map(members)
    }

    /// The value as JSON; what JSON cannot express becomes text.
    pub(crate) fn write_json(&mut self, value: &Value, depth: usize) -> Result<Json, VtlError> {
        if depth > DEPTH {
            return Err(VtlError::Limit("nested values"));
        }
        self.pay(SLOT)?;
        Ok(match value {
            Value::Null => Json::Null,
            Value::Boolean(flag) => Json::Bool(*flag),
            Value::Integer(number) => Json::from(*number),
            Value::Float(number) => Json::from(*number),
            Value::List(id) => {
                let all = self.list(*id).to_vec();
                Json::Array(
                    all.iter().map(|each| self.write_json(each, depth + 1)).collect::<Result<_, _>>()?,
                )
            }
            Value::Map(id) => {
                let all = self.map(*id).clone();
                let mut map = Map::new();
                for (key, each) in all {
                    map.insert(key.to_string(), self.write_json(&each, depth + 1)?);
                }
                Json::Object(map)
            }
            other => Json::String(self.to_text(other)?),
        })
    }

    /// Java's `toString()`.
    pub(crate) fn to_text(&self, value: &Value) -> Result<String, VtlError> {
        let mut out = String::new();
        self.write(value, &mut out, 0)?;
        self.pay(out.len())?;
        Ok(out)
    }

    pub(crate) fn write(&self, value: &Value, out: &mut String, depth: usize) -> Result<(), VtlError> {
        if depth > DEPTH {
            return Err(VtlError::Limit("nested values"));
        }
        match value {
            Value::Null => out.push_str("null"),
            Value::Boolean(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Value::Integer(number) => out.push_str(&number.to_string()),
            Value::Float(number) => out.push_str(&java::double(*number)),
            Value::Text(text) => out.push_str(text),
            Value::List(id) => {
                out.push('[');
                for (at, each) in self.list(*id).iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { ", " });
                    self.write(each, out, depth + 1)?;
                }
                out.push(']');
            }
            Value::Map(id) => {
                out.push('{');
                for (at, (key, each)) in self.map(*id).iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { ", " });
                    out.push_str(key);
                    out.push('=');
                    self.write(each, out, depth + 1)?;
                }
                out.push('}');
            }
            Value::Entry(entry) => {
                out.push_str(&entry.0);
                out.push('=');
                self.write(&entry.1, out, depth + 1)?;
            }
            Value::Block(_) | Value::Input | Value::Util => {}
        }
        if out.len() > limits::TEXT { Err(VtlError::Limit("a text's length")) } else { Ok(()) }
    }

    /// Velocity's `==`: numbers by value, like kinds by content, all else by text.
    pub(crate) fn equal(&self, left: &Value, right: &Value) -> Result<bool, VtlError> {
        self.pay(1)?;
        Ok(match (left, right) {
            (Value::Null, Value::Null) => true,
            (Value::Null, _) | (_, Value::Null) => false,
            (Value::Integer(one), Value::Integer(two)) => one == two,
            (Value::Text(one), Value::Text(two)) => {
                self.pay_for_search(one)?;
                one == two
            }
            (Value::List(one), Value::List(two)) if one == two => true,
            (Value::Map(one), Value::Map(two)) if one == two => true,
            _ => match (left.as_float(), right.as_float()) {
                (Some(one), Some(two)) => one == two,
                _ => self.to_text(left)? == self.to_text(right)?,
            },
        })
    }
}
