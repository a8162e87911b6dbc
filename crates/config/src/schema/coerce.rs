//! Types and how a value of one becomes one of another, by the rules of Ajv's `coerceTypes: array`.

use super::keywords::Type;
use serde_json::Value;

/// A value that is validated. A list of one may be looked through to its only item, without the list being changed:
/// what is validated afterwards in the same place sees the item too.
pub(super) struct Slot<'v> {
    value: &'v mut Value,
    /// How many lists of one are looked through.
    depth: usize,
}

impl<'v> Slot<'v> {
    pub(super) fn new(value: &'v mut Value) -> Self {
        Self { value, depth: 0 }
    }

    pub(super) fn get(&self) -> &Value {
        (0..self.depth).fold(self.value, |value, _| &value[0])
    }

    pub(super) fn get_mut(&mut self) -> &mut Value {
        (0..self.depth).fold(self.value, |value, _| &mut value[0])
    }

    /// Makes the value one of these types, if it can be; false when it cannot.
    pub(super) fn coerce(&mut self, types: &[Type]) -> bool {
        if matches!(self.get(), Value::Array(items) if items.len() == 1) {
            self.depth += 1;
            if types.iter().any(|kind| is(self.get(), *kind)) {
                let value = self.get().clone();
                self.replace(value);
                return true;
            }
        }
        match types.iter().find_map(|kind| coerced(self.get(), *kind)) {
            Some(value) => {
                self.replace(value);
                true
            }
            None => false,
        }
    }

    fn replace(&mut self, value: Value) {
        *self.value = value;
        self.depth = 0;
    }
}

/// Whether a value is of a type.
pub(super) fn is(value: &Value, kind: Type) -> bool {
    match kind {
        Type::Object => value.is_object(),
        Type::Array => value.is_array(),
        Type::String => value.is_string(),
        Type::Boolean => value.is_boolean(),
        Type::Null => value.is_null(),
        Type::Number => value.is_number(),
        Type::Integer => value.as_f64().is_some_and(|number| number.fract() == 0.0),
    }
}

/// Whether values can be made into this type at all.
pub(super) fn can_coerce_to(kind: Type) -> bool {
    kind != Type::Object
}

fn coerced(value: &Value, kind: Type) -> Option<Value> {
    let zero = |value: &Value| value.as_f64() == Some(0.0);
    match (kind, value) {
        (Type::String, Value::Null) => Some(Value::from("")),
        (Type::String, Value::Bool(value)) => Some(Value::from(value.to_string())),
        (Type::String, Value::Number(number)) => Some(Value::from(aloft_yaml::number_text(number))),
        (Type::Number | Type::Integer, Value::Null) => Some(Value::from(0)),
        (Type::Number | Type::Integer, Value::Bool(value)) => Some(Value::from(u8::from(*value))),
        (Type::Number | Type::Integer, Value::String(text)) if !text.is_empty() => {
            let number = crate::variables::javascript_number(text)?;
            let fits = kind == Type::Number || number.fract() == 0.0;
            if fits { aloft_yaml::integral(number).map(Value::Number) } else { None }
        }
        (Type::Boolean, Value::Null) => Some(Value::Bool(false)),
        (Type::Boolean, Value::String(text)) if text == "false" || text == "true" => {
            Some(Value::Bool(text == "true"))
        }
        (Type::Boolean, Value::Number(number)) if zero(value) || number.as_f64() == Some(1.0) => {
            Some(Value::Bool(!zero(value)))
        }
        (Type::Null, Value::String(text)) if text.is_empty() => Some(Value::Null),
        (Type::Null, Value::Bool(false)) => Some(Value::Null),
        (Type::Null, Value::Number(_)) if zero(value) => Some(Value::Null),
        (Type::Array, Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            Some(Value::Array(vec![value.clone()]))
        }
        _ => None,
    }
}
