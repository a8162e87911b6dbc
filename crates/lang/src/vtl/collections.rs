//! Java's methods on lists and maps.

use super::VtlError;
use super::value::{Heap, ListId, MapId, Members, Value};
use std::rc::Rc;

fn out_of_bounds<T>(index: i64, length: usize) -> Result<T, VtlError> {
    Err(VtlError::Evaluation(format!("index {index} is out of bounds for length {length}")))
}

fn position(index: i64, length: usize) -> Result<usize, VtlError> {
    match usize::try_from(index) {
        Ok(at) if at < length => Ok(at),
        _ => out_of_bounds(index, length),
    }
}

/// `$list[index]`; a negative index counts from the end.
pub(crate) fn element(heap: &Heap, id: ListId, index: i64) -> Result<Value, VtlError> {
    let all = heap.list(id);
    let from_start = if index < 0 { index.saturating_add(all.len() as i64) } else { index };
    Ok(all[position(from_start, all.len())?].clone())
}

/// `#set($list[index] = value)`
pub(crate) fn set_element(heap: &mut Heap, id: ListId, index: i64, value: Value) -> Result<Value, VtlError> {
    let length = heap.list(id).len();
    let from_start = if index < 0 { index.saturating_add(length as i64) } else { index };
    let at = position(from_start, length)?;
    Ok(std::mem::replace(&mut heap.list_mut(id)[at], value))
}

fn index_of(heap: &Heap, id: ListId, wanted: &Value) -> Result<Option<usize>, VtlError> {
    for (at, each) in heap.list(id).iter().enumerate() {
        if heap.equal(each, wanted)? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// A method on a list; nothing when Java's `List` has none such.
pub(crate) fn call_on_list(
    heap: &mut Heap,
    id: ListId,
    name: &str,
    arguments: &[Value],
) -> Result<Value, VtlError> {
    let length = heap.list(id).len();
    match (name, arguments) {
        ("size", []) => Ok(Value::Integer(length as i64)),
        ("isEmpty", []) => Ok(Value::Boolean(length == 0)),
        ("toString", []) => {
            let text = heap.to_text(&Value::List(id))?;
            heap.text(text)
        }
        ("get", [Value::Integer(index)]) => Ok(heap.list(id)[position(*index, length)?].clone()),
        ("set", [Value::Integer(index), value]) => {
            position(*index, length)?;
            set_element(heap, id, *index, value.clone())
        }
        ("add", [value]) => {
            heap.pay(48)?;
            heap.list_mut(id).push(value.clone());
            Ok(Value::Boolean(true))
        }
        ("add", [Value::Integer(index), value]) => {
            let at = position(*index, length + 1)?;
            heap.pay(48)?;
            heap.list_mut(id).insert(at, value.clone());
            Ok(Value::Null)
        }
        ("addAll", [Value::List(other)]) => {
            let more = heap.list(*other).to_vec();
            heap.pay(more.len() * 48)?;
            let changed = !more.is_empty();
            heap.list_mut(id).extend(more);
            Ok(Value::Boolean(changed))
        }
        ("remove", [Value::Integer(index)]) => {
            let at = position(*index, length)?;
            Ok(heap.list_mut(id).remove(at))
        }
        ("remove", [value]) => {
            let found = index_of(heap, id, value)?;
            if let Some(at) = found {
                heap.list_mut(id).remove(at);
            }
            Ok(Value::Boolean(found.is_some()))
        }
        ("clear", []) => {
            heap.list_mut(id).clear();
            Ok(Value::Null)
        }
        ("contains", [value]) => Ok(Value::Boolean(index_of(heap, id, value)?.is_some())),
        ("containsAll", [Value::List(other)]) => {
            for wanted in heap.list(*other) {
                if index_of(heap, id, wanted)?.is_none() {
                    return Ok(Value::Boolean(false));
                }
            }
            Ok(Value::Boolean(true))
        }
        ("indexOf", [value]) => Ok(Value::Integer(index_of(heap, id, value)?.map_or(-1, |at| at as i64))),
        ("equals", [other]) => Ok(Value::Boolean(heap.equal(&Value::List(id), other)?)),
        ("subList", [Value::Integer(from), Value::Integer(to)]) => {
            let bounds = usize::try_from(*from).ok().zip(usize::try_from(*to).ok());
            match bounds.and_then(|(from, to)| heap.list(id).get(from..to)) {
                Some(part) => {
                    let part = part.to_vec();
                    heap.new_list(part)
                }
                None => out_of_bounds(*to, length),
            }
        }
        ("iterator" | "toArray", []) => Ok(Value::List(id)),
        _ => Ok(Value::Null),
    }
}

/// A method on a map; nothing when Java's `Map` has none such.
pub(crate) fn call_on_map(
    heap: &mut Heap,
    id: MapId,
    name: &str,
    arguments: &[Value],
) -> Result<Value, VtlError> {
    let key = match arguments.first() {
        Some(first) => Rc::from(heap.to_text(first)?),
        None => Rc::from(""),
    };
    match (name, arguments) {
        ("size", []) => Ok(Value::Integer(heap.map(id).len() as i64)),
        ("isEmpty", []) => Ok(Value::Boolean(heap.map(id).is_empty())),
        ("toString", []) => {
            let text = heap.to_text(&Value::Map(id))?;
            heap.text(text)
        }
        ("get", [_]) => Ok(heap.map(id).get(&key).cloned().unwrap_or(Value::Null)),
        ("getOrDefault", [_, otherwise]) => Ok(heap.map(id).get(&key).cloned().unwrap_or(otherwise.clone())),
        ("put", [_, value]) => heap.put(id, key, value.clone()),
        ("putIfAbsent", [_, value]) => match heap.map(id).get(&key) {
            Some(found) => Ok(found.clone()),
            None => heap.put(id, key, value.clone()),
        },
        ("putAll", [Value::Map(other)]) => {
            let more: Members = heap.map(*other).clone();
            heap.pay(more.len() * 96)?;
            heap.map_mut(id).extend(more);
            Ok(Value::Null)
        }
        ("remove", [_]) => Ok(heap.map_mut(id).shift_remove(&key).unwrap_or(Value::Null)),
        ("clear", []) => {
            heap.map_mut(id).clear();
            Ok(Value::Null)
        }
        ("containsKey", [_]) => Ok(Value::Boolean(heap.map(id).contains_key(&key))),
        ("containsValue", [value]) => {
            for each in heap.map(id).values() {
                if heap.equal(each, value)? {
                    return Ok(Value::Boolean(true));
                }
            }
            Ok(Value::Boolean(false))
        }
        ("equals", [other]) => Ok(Value::Boolean(heap.equal(&Value::Map(id), other)?)),
        ("keySet", []) => {
            let keys = heap.map(id).keys().cloned().map(Value::Text).collect();
            heap.new_list(keys)
        }
        ("values", []) => {
            let values = heap.map(id).values().cloned().collect();
            heap.new_list(values)
        }
        ("entrySet", []) => {
            let entries =
                heap.map(id).iter().map(|(key, value)| Value::Entry(Rc::new((key.clone(), value.clone()))));
            let entries = entries.collect();
            heap.new_list(entries)
        }
        _ => Ok(Value::Null),
    }
}
