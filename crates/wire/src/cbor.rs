//! Values as CBOR (RFC 8949), for `rpc-v2-cbor`.
//!
//! A generic item is read first, within bounds, and then turned by the shape. Lengths that the bytes only promise
//! reserve no memory.

use crate::error::{DecodeError, MAX_DEPTH, too_deep};
use crate::model::{Kind, Member, Model, Structure};
use crate::scalar::{self, TimestampFormat};
use aloft_base::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

const BREAK: u8 = 0xff;

/// A data item. Tags are dropped: the shape says what the item is.
#[derive(Debug)]
pub(crate) enum Item {
    Integer(i64),
    Float(f64),
    Bool(bool),
    Null,
    Bytes(Vec<u8>),
    Text(String),
    List(Vec<Item>),
    Map(Vec<(String, Item)>),
}

/// Reads one item that takes all the bytes; no bytes are an empty map.
pub(crate) fn parse(bytes: &[u8]) -> Result<Item, DecodeError> {
    if bytes.is_empty() {
        return Ok(Item::Map(Vec::new()));
    }
    let mut reader = Reader { rest: bytes };
    let item = reader.item(0)?;
    if reader.rest.is_empty() { Ok(item) } else { Err(malformed()) }
}

fn malformed() -> DecodeError {
    DecodeError::new("the body is not well-formed CBOR")
}

struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    fn take(&mut self, count: u64) -> Result<&'b [u8], DecodeError> {
        let count = usize::try_from(count).map_err(|_| malformed())?;
        let (head, tail) = self.rest.split_at_checked(count).ok_or_else(malformed)?;
        self.rest = tail;
        Ok(head)
    }

    fn unsigned(&mut self, width: u64) -> Result<u64, DecodeError> {
        Ok(self.take(width)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// The argument of an initial byte; `None` for an indefinite length.
    fn argument(&mut self, low: u8) -> Result<Option<u64>, DecodeError> {
        match low {
            0..=23 => Ok(Some(low.into())),
            24..=27 => self.unsigned(1 << (low - 24)).map(Some),
            31 => Ok(None),
            _ => Err(malformed()),
        }
    }

    fn at_break(&mut self) -> bool {
        let found = self.rest.first() == Some(&BREAK);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn item(&mut self, depth: usize) -> Result<Item, DecodeError> {
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        let initial = self.take(1)?[0];
        let (major, low) = (initial >> 5, initial & 0x1f);
        if major == 7 {
            return self.simple(low);
        }
        let argument = self.argument(low)?;
        match (major, argument) {
            (0, Some(number)) => i64::try_from(number).map(Item::Integer).map_err(|_| malformed()),
            (1, Some(number)) => {
                i64::try_from(number).map(|number| Item::Integer(-1 - number)).map_err(|_| malformed())
            }
            (2, length) => self.string(2, length).map(Item::Bytes),
            (3, length) => {
                String::from_utf8(self.string(3, length)?).map(Item::Text).map_err(|_| malformed())
            }
            (4, length) => {
                let mut items = Vec::new();
                while !self.ended(length, items.len()) {
                    items.push(self.item(depth + 1)?);
                }
                Ok(Item::List(items))
            }
            (5, length) => {
                let mut entries = Vec::new();
                while !self.ended(length, entries.len()) {
                    let Item::Text(key) = self.item(depth + 1)? else { return Err(malformed()) };
                    entries.push((key, self.item(depth + 1)?));
                }
                Ok(Item::Map(entries))
            }
            (6, Some(_)) => self.item(depth + 1),
            _ => Err(malformed()),
        }
    }

    fn ended(&mut self, length: Option<u64>, count: usize) -> bool {
        match length {
            Some(length) => count as u64 >= length,
            None => self.at_break(),
        }
    }

    fn string(&mut self, major: u8, length: Option<u64>) -> Result<Vec<u8>, DecodeError> {
        if let Some(length) = length {
            return Ok(self.take(length)?.to_vec());
        }
        let mut bytes = Vec::new();
        while !self.at_break() {
            let initial = self.take(1)?[0];
            let length =
                self.argument(initial & 0x1f)?.filter(|_| initial >> 5 == major).ok_or_else(malformed)?;
            bytes.extend_from_slice(self.take(length)?);
        }
        Ok(bytes)
    }

    fn simple(&mut self, low: u8) -> Result<Item, DecodeError> {
        Ok(match low {
            20 => Item::Bool(false),
            21 => Item::Bool(true),
            22 | 23 => Item::Null,
            25 => Item::Float(half(self.unsigned(2)? as u16)),
            26 => Item::Float(f32::from_bits(self.unsigned(4)? as u32).into()),
            27 => Item::Float(f64::from_bits(self.unsigned(8)?)),
            _ => return Err(malformed()),
        })
    }
}

/// A half-precision number (RFC 8949, appendix D).
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { magnitude } else { -magnitude }
}

/// Reads a structure's members from a map. Unknown members are ignored.
pub(crate) fn decode_members(
    model: &Model,
    structure: &Structure,
    item: Item,
) -> Result<Map<String, Value>, DecodeError> {
    let Item::Map(entries) = item else { return Err(DecodeError::new("Start of structure or map expected")) };
    let mut params = Map::new();
    for (key, item) in entries {
        if matches!(item, Item::Null) {
            continue;
        }
        if let Some(member) = structure.members.iter().find(|member| member.wire_name() == key) {
            params.insert(member.name.to_string(), decode(model, member, item)?);
        }
    }
    Ok(params)
}

fn decode(model: &Model, member: &Member, item: Item) -> Result<Value, DecodeError> {
    let wrong = || DecodeError::new(format!("{} has a value of another type", member.name));
    Ok(match (&model.shape(member).kind, item) {
        (_, Item::Null) => Value::Null,
        (Kind::Structure(structure), item @ Item::Map(_)) => decode_members(model, structure, item)?.into(),
        (Kind::List(element), Item::List(items)) => {
            items.into_iter().map(|item| decode(model, element, item)).collect::<Result<Vec<_>, _>>()?.into()
        }
        (Kind::Map(entry), Item::Map(entries)) => {
            let entries = entries.into_iter().map(|(key, item)| Ok((key, decode(model, &entry.1, item)?)));
            entries.collect::<Result<Map<_, _>, DecodeError>>()?.into()
        }
        (Kind::String, Item::Text(text)) => text.into(),
        (Kind::Blob, Item::Bytes(bytes)) => BASE64.encode(bytes).into(),
        (Kind::Boolean, Item::Bool(truth)) => truth.into(),
        (Kind::Integer | Kind::Timestamp | Kind::Float, Item::Integer(number)) => number.into(),
        (Kind::Float, Item::Float(number)) => scalar::float(number).ok_or_else(wrong)?,
        (Kind::Timestamp, Item::Float(seconds)) if seconds.is_finite() => {
            scalar::epoch(Timestamp::from_seconds_f64(seconds))
        }
        (Kind::Timestamp, Item::Text(text)) => TimestampFormat::read(&text).ok_or_else(wrong)?,
        _ => return Err(wrong()),
    })
}

/// Writes a structure's members as a map.
pub(crate) fn encode_members(model: &Model, structure: &Structure, params: &Value, out: &mut Vec<u8>) {
    let present = |member: &&Member| params.get(&*member.name).is_some_and(|value| !value.is_null());
    head(5, structure.members.iter().filter(present).count() as u64, out);
    for member in structure.members.iter().filter(present) {
        text(member.wire_name(), out);
        encode(model, member, &params[&*member.name], out);
    }
}

fn encode(model: &Model, member: &Member, value: &Value, out: &mut Vec<u8>) {
    match (&model.shape(member).kind, value) {
        (Kind::Structure(structure), Value::Object(_)) => encode_members(model, structure, value, out),
        (Kind::List(element), Value::Array(values)) => {
            head(4, values.len() as u64, out);
            values.iter().for_each(|value| encode(model, element, value, out));
        }
        (Kind::Map(entry), Value::Object(map)) => {
            head(5, map.len() as u64, out);
            for (key, value) in map {
                text(key, out);
                encode(model, &entry.1, value, out);
            }
        }
        (Kind::Blob, Value::String(encoded)) => {
            let bytes = BASE64.decode(encoded).unwrap_or_default();
            head(2, bytes.len() as u64, out);
            out.extend_from_slice(&bytes);
        }
        (Kind::Timestamp, Value::Number(number)) => {
            head(6, 1, out);
            double(number.as_f64().unwrap_or_default(), out);
        }
        (Kind::Float, Value::String(word)) => double(
            match word.as_str() {
                "Infinity" => f64::INFINITY,
                "-Infinity" => f64::NEG_INFINITY,
                _ => f64::NAN,
            },
            out,
        ),
        (Kind::Float, Value::Number(number)) => double(number.as_f64().unwrap_or_default(), out),
        (_, value) => plain(value, out),
    }
}

/// A value whose shape says no more than JSON does.
pub(crate) fn plain(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(truth) => out.push(if *truth { 0xf5 } else { 0xf4 }),
        Value::String(string) => text(string, out),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => head(0, number, out),
            (_, Some(number)) => head(1, number.unsigned_abs() - 1, out),
            _ => double(number.as_f64().unwrap_or_default(), out),
        },
        Value::Array(values) => {
            head(4, values.len() as u64, out);
            values.iter().for_each(|value| plain(value, out));
        }
        Value::Object(map) => {
            head(5, map.len() as u64, out);
            for (key, value) in map {
                text(key, out);
                plain(value, out);
            }
        }
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    head(3, text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

fn double(number: f64, out: &mut Vec<u8>) {
    out.push(0xfb);
    out.extend_from_slice(&number.to_be_bytes());
}

fn head(major: u8, argument: u64, out: &mut Vec<u8>) {
    let bytes = argument.to_be_bytes();
    let (low, width) = match argument {
        0..=23 => (bytes[7], 0),
        24..=0xff => (24, 1),
        0x100..=0xffff => (25, 2),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 8),
    };
    out.push(major << 5 | low);
    out.extend_from_slice(&bytes[8 - width..]);
}

/// An item as JSON, without the help of a shape: bytes are base64 text.
pub(crate) fn untyped(item: Item) -> Value {
    match item {
        Item::Null => Value::Null,
        Item::Bool(truth) => truth.into(),
        Item::Integer(number) => number.into(),
        Item::Float(number) => scalar::float(number).unwrap_or_default(),
        Item::Text(text) => text.into(),
        Item::Bytes(bytes) => BASE64.encode(bytes).into(),
        Item::List(items) => items.into_iter().map(untyped).collect(),
        Item::Map(entries) => entries.into_iter().map(|(key, item)| (key, untyped(item))).collect(),
    }
}
