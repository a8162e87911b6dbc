//! Values as JSON: the JSON protocols' documents and rest-json's bodies.
//!
//! Decoding consumes the parsed document, so that strings are moved and not copied. Depth is bounded by `serde_json`
//! (128 levels, which DynamoDB's 32 nested documents need).

use crate::error::DecodeError;
use crate::model::{Kind, Member, Model, Structure};
use crate::scalar::{self, TimestampFormat};
use serde_json::{Map, Value};

/// Reads the members that a body carries into `params`. Unknown members are ignored.
pub(crate) fn decode_members(
    model: &Model,
    structure: &Structure,
    mut document: Map<String, Value>,
    params: &mut Map<String, Value>,
) -> Result<(), DecodeError> {
    for member in structure.body_members() {
        if let Some(value) = document.swap_remove(member.wire_name()).filter(|value| !value.is_null()) {
            params.insert(member.name.to_string(), decode(model, member, value)?);
        }
    }
    Ok(())
}

/// Reads one value.
pub(crate) fn decode(model: &Model, member: &Member, value: Value) -> Result<Value, DecodeError> {
    if value.is_null() {
        return Ok(value);
    }
    if member.json_value {
        return match value {
            Value::String(text) => serde_json::from_str(&text)
                .map_err(|_| DecodeError::new(format!("{} does not hold a JSON document", member.name))),
            other => Err(unexpected(&other, "String")),
        };
    }
    match (&model.shape(member).kind, value) {
        (Kind::Structure(structure), value) if structure.document => Ok(value),
        (Kind::Structure(structure), Value::Object(document)) => {
            let mut params = Map::new();
            let mut document = document;
            for member in &structure.members {
                if let Some(value) = document.swap_remove(member.wire_name()).filter(|value| !value.is_null())
                {
                    params.insert(member.name.to_string(), decode(model, member, value)?);
                }
            }
            Ok(params.into())
        }
        (Kind::List(element), Value::Array(values)) => {
            values.into_iter().map(|value| decode(model, element, value)).collect()
        }
        (Kind::Map(entry), Value::Object(values)) => {
            values.into_iter().map(|(key, value)| Ok((key, decode(model, &entry.1, value)?))).collect()
        }
        (Kind::String, value @ Value::String(_)) | (Kind::Boolean, value @ Value::Bool(_)) => Ok(value),
        (Kind::Integer, Value::Number(number)) => match number.as_f64() {
            _ if !number.is_f64() => Ok(number.into()),
            // Clients of languages with one number type write 1.0 for 1.
            Some(whole) if whole.fract() == 0.0 && whole.abs() < 9e15 => Ok((whole as i64).into()),
            _ => Err(unexpected(&Value::Number(number), "Integer")),
        },
        (Kind::Float, value @ Value::Number(_)) => Ok(value),
        (Kind::Float, Value::String(text)) if matches!(&*text, "NaN" | "Infinity" | "-Infinity") => {
            Ok(text.into())
        }
        (Kind::Blob, Value::String(text)) => scalar::canonical_base64(&text)
            .map(Value::from)
            .ok_or_else(|| DecodeError::new(format!("{} is not base64 text", member.name))),
        (Kind::Timestamp, Value::Number(number)) => Ok(number.as_f64().map_or(Value::Null, |seconds| {
            if number.is_f64() {
                scalar::epoch(aloft_base::Timestamp::from_seconds_f64(seconds))
            } else {
                number.into()
            }
        })),
        (Kind::Timestamp, Value::String(text)) => TimestampFormat::read(&text)
            .ok_or_else(|| DecodeError::new(format!("{} is not a timestamp", member.name))),
        (kind, other) => Err(unexpected(&other, kind.java_name())),
    }
}

impl Kind {
    /// How the services' own messages call the type.
    fn java_name(&self) -> &'static str {
        match self {
            Self::Structure(_) => "Structure",
            Self::List(_) => "List",
            Self::Map(_) => "Map",
            Self::String => "String",
            Self::Integer => "Integer",
            Self::Float => "Double",
            Self::Boolean => "Boolean",
            Self::Blob => "Blob",
            Self::Timestamp => "Timestamp",
        }
    }
}

/// The words that AWS's JSON services use, as far as they are known.
fn unexpected(value: &Value, wanted: &str) -> DecodeError {
    let word = match value {
        Value::Object(_) => return DecodeError::new("Start of structure or map found where not expected."),
        Value::Array(_) => return DecodeError::new("Start of list found where not expected"),
        _ if matches!(wanted, "Structure" | "List" | "Map") => {
            return DecodeError::new("Unexpected field type");
        }
        Value::String(_) => "STRING_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(number) if number.is_f64() => "DECIMAL_VALUE",
        _ => "NUMBER_VALUE",
    };
    DecodeError::new(format!("{word} cannot be converted to {wanted}"))
}

/// The document of a structure's body members.
pub(crate) fn encode_members(model: &Model, structure: &Structure, params: &Value) -> Map<String, Value> {
    encode_each(model, structure.body_members(), params)
}

fn encode_each<'m>(
    model: &Model,
    members: impl Iterator<Item = &'m Member>,
    params: &Value,
) -> Map<String, Value> {
    members
        .filter_map(|member| {
            let value = params.get(&*member.name).filter(|value| !value.is_null())?;
            Some((member.wire_name().to_owned(), encode(model, member, value)))
        })
        .collect()
}

/// Writes one value.
pub(crate) fn encode(model: &Model, member: &Member, value: &Value) -> Value {
    if member.json_value {
        return value.to_string().into();
    }
    match (&model.shape(member).kind, value) {
        (Kind::Structure(structure), Value::Object(_)) if !structure.document => {
            encode_each(model, structure.members.iter(), value).into()
        }
        (Kind::List(element), Value::Array(values)) => {
            values.iter().map(|value| encode(model, element, value)).collect()
        }
        (Kind::Map(entry), Value::Object(values)) => {
            values.iter().map(|(key, value)| (key.clone(), encode(model, &entry.1, value))).collect()
        }
        (Kind::Timestamp, Value::Number(_)) => match member.timestamp_format {
            None | Some(TimestampFormat::Epoch) => value.clone(),
            Some(format) => format.write(value).map_or(Value::Null, Value::from),
        },
        _ => value.clone(),
    }
}
