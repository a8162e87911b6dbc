//! Document paths (`a.b[3]`): reading, selecting, setting and removing within an item.
//!
//! Names are resolved already; syntax is the parser's. Keeps true: a path begins with a name.

use super::{ExpressionError, Item};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// `.name`
    Name(String),
    /// `[index]`
    Index(usize),
}

/// A document path with at least one step, the first being a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(pub Vec<Step>);

impl fmt::Display for Path {
    /// `[a, b, [3]]`, as the service writes paths in messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<String> = self
            .0
            .iter()
            .map(|step| match step {
                Step::Name(name) => name.clone(),
                Step::Index(index) => format!("[{index}]"),
            })
            .collect();
        write!(f, "[{}]", steps.join(", "))
    }
}

fn invalid_path() -> ExpressionError {
    ExpressionError::new("The document path provided in the update expression is invalid for update")
}

fn child<'a>(value: &'a Value, step: &Step) -> Option<&'a Value> {
    match step {
        Step::Name(name) => value.get("M")?.get(name),
        Step::Index(index) => value.get("L")?.get(*index),
    }
}

fn child_mut<'a>(value: &'a mut Value, step: &Step) -> Option<&'a mut Value> {
    match step {
        Step::Name(name) => value.get_mut("M")?.get_mut(name),
        Step::Index(index) => value.get_mut("L")?.get_mut(*index),
    }
}

impl Path {
    /// The attribute that the path lies in.
    pub fn attribute(&self) -> &str {
        match self.0.first() {
            Some(Step::Name(name)) => name,
            _ => "",
        }
    }

    /// The value at the path.
    pub fn get<'a>(&self, item: &'a Item) -> Option<&'a Value> {
        let mut at = item.get(self.attribute())?;
        for step in self.0.get(1..)? {
            at = child(at, step)?;
        }
        Some(at)
    }

    /// What holds the last step, and the last step; nothing in the first place when that is the item itself.
    fn parent<'a>(&self, item: &'a mut Item) -> Result<(Option<&'a mut Value>, &Step), ExpressionError> {
        let (last, before) = self.0.split_last().ok_or_else(invalid_path)?;
        if before.is_empty() {
            return Ok((None, last));
        }
        let mut at = item.get_mut(self.attribute()).ok_or_else(invalid_path)?;
        for step in before.get(1..).unwrap_or_default() {
            at = child_mut(at, step).ok_or_else(invalid_path)?;
        }
        Ok((Some(at), last))
    }

    /// Puts a value there; an index beyond a list's end appends.
    ///
    /// # Errors
    /// What should hold the value is missing or of another type.
    pub(crate) fn set(&self, item: &mut Item, value: Value) -> Result<(), ExpressionError> {
        match self.parent(item)? {
            (None, _) => {
                item.insert(self.attribute().to_owned(), value);
            }
            (Some(parent), Step::Name(name)) => {
                let map = parent.get_mut("M").and_then(Value::as_object_mut).ok_or_else(invalid_path)?;
                map.insert(name.clone(), value);
            }
            (Some(parent), Step::Index(index)) => {
                let list = parent.get_mut("L").and_then(Value::as_array_mut).ok_or_else(invalid_path)?;
                match list.get_mut(*index) {
                    Some(slot) => *slot = value,
                    None => list.push(value),
                }
            }
        }
        Ok(())
    }

    /// Removes what is there; what is not there stays away.
    ///
    /// # Errors
    /// What should hold the value is missing or of another type.
    pub(crate) fn remove(&self, item: &mut Item) -> Result<(), ExpressionError> {
        match self.parent(item)? {
            (None, _) => {
                item.shift_remove(self.attribute());
            }
            (Some(parent), Step::Name(name)) => {
                let map = parent.get_mut("M").and_then(Value::as_object_mut).ok_or_else(invalid_path)?;
                map.shift_remove(name);
            }
            (Some(parent), Step::Index(index)) => {
                let list = parent.get_mut("L").and_then(Value::as_array_mut).ok_or_else(invalid_path)?;
                if *index < list.len() {
                    list.remove(*index);
                }
            }
        }
        Ok(())
    }
}

/// Refuses two paths of which one holds the other, or which take the same place for a map and for a list.
pub(crate) fn check_disjoint(paths: &[&Path]) -> Option<String> {
    for (at, one) in paths.iter().enumerate() {
        for two in paths.iter().take(at) {
            let differ = one.0.iter().zip(&two.0).find(|(left, right)| left != right);
            let problem = match differ {
                None => "overlap",
                Some((Step::Name(_), Step::Index(_)) | (Step::Index(_), Step::Name(_))) => "conflict",
                Some(_) => continue,
            };
            return Some(format!(
                "Two document paths {problem} with each other; must remove or rewrite one of these paths; path one: {two}, path two: {one}"
            ));
        }
    }
    None
}

/// The parts of an item at the paths, with the maps and lists around them but not their other members.
pub(crate) fn select(item: &Item, paths: &[Path]) -> Item {
    let tails: Vec<&[Step]> = paths.iter().map(|path| path.0.as_slice()).collect();
    select_names(item, &tails)
}

fn select_names(map: &Map<String, Value>, tails: &[&[Step]]) -> Map<String, Value> {
    let mut out = Map::new();
    for tail in tails {
        let Some(Step::Name(name)) = tail.first() else { continue };
        if out.contains_key(name) {
            continue;
        }
        let below: Vec<&[Step]> =
            tails.iter().filter(|other| other.first() == tail.first()).map(|other| &other[1..]).collect();
        if let Some(part) = map.get(name).and_then(|value| select_value(value, &below)) {
            out.insert(name.clone(), part);
        }
    }
    out
}

fn select_value(value: &Value, tails: &[&[Step]]) -> Option<Value> {
    if tails.iter().any(|tail| tail.is_empty()) {
        return Some(value.clone());
    }
    if let Some(map) = value.get("M").and_then(Value::as_object) {
        let out = select_names(map, tails);
        return (!out.is_empty()).then(|| json!({"M": out}));
    }
    let list = value.get("L").and_then(Value::as_array)?;
    let mut by_index: BTreeMap<usize, Vec<&[Step]>> = BTreeMap::new();
    for tail in tails {
        if let Some(Step::Index(index)) = tail.first() {
            by_index.entry(*index).or_default().push(&tail[1..]);
        }
    }
    let out: Vec<Value> =
        by_index.iter().filter_map(|(index, below)| select_value(list.get(*index)?, below)).collect();
    (!out.is_empty()).then(|| json!({"L": out}))
}
