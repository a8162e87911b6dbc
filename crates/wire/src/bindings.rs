//! The REST protocols' bindings: members that travel in the path, the query, headers and the status.
//!
//! Bodies are the codecs' affair. Header names compare without case, as everywhere in HTTP.

use crate::error::DecodeError;
use crate::message::Request;
use crate::model::{Kind, Location, Member, Model, Operation, Structure};
use crate::scalar::{self, TimestampFormat};
use crate::text;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

/// Reads what a request carries outside its body.
pub(crate) fn read_request(
    model: &Model,
    operation: &Operation,
    structure: &Structure,
    request: &Request,
    params: &mut Map<String, Value>,
) -> Result<(), DecodeError> {
    let labels = operation.uri.labels(&request.path).unwrap_or_default();
    let query = text::form(&request.query);
    for member in &structure.members {
        let value = match member.location {
            Location::Uri => match labels.iter().find(|(name, _)| *name == member.wire_name()) {
                Some((_, raw)) => Some(scalar::read(model, member, &text::decode(raw))?),
                None => None,
            },
            Location::QueryString => read_query(model, operation, structure, member, &query)?,
            _ => None,
        };
        if let Some(value) = value {
            params.insert(member.name.to_string(), value);
        }
    }
    read_headers(model, structure, &request.headers, params)
}

fn read_query(
    model: &Model,
    operation: &Operation,
    structure: &Structure,
    member: &Member,
    query: &[(String, String)],
) -> Result<Option<Value>, DecodeError> {
    let mut values = query.iter().filter(|(name, _)| name == member.wire_name()).map(|(_, value)| value);
    match &model.shape(member).kind {
        Kind::List(element) => {
            let values: Vec<Value> =
                values.map(|value| scalar::read(model, element, value)).collect::<Result<_, _>>()?;
            Ok((!values.is_empty()).then_some(values.into()))
        }
        Kind::Map(entry) => {
            let bound = |name: &str| {
                operation.uri.query.iter().any(|(constant, _)| constant.as_ref() == name)
                    || structure.members.iter().any(|other| is_named(model, other, name))
            };
            let mut map = Map::new();
            for (name, value) in query.iter().filter(|(name, _)| !bound(name)) {
                match &model.shape(&entry.1).kind {
                    Kind::List(element) => {
                        let value = scalar::read(model, element, value)?;
                        match map.entry(name.as_str()).or_insert_with(|| Value::Array(Vec::new())) {
                            Value::Array(values) => values.push(value),
                            _ => unreachable!("only lists are put in"),
                        }
                    }
                    _ => {
                        map.insert(name.clone(), scalar::read(model, &entry.1, value)?);
                    }
                }
            }
            Ok((!map.is_empty()).then_some(map.into()))
        }
        kind => match values.next() {
            // `?max-keys=` is how some clients leave a number out.
            Some(value) if value.is_empty() && !matches!(kind, Kind::String) => Ok(None),
            Some(value) => Ok(Some(scalar::read(model, member, value)?)),
            None => Ok(None),
        },
    }
}

/// Whether a member, and no map, has that name in the query.
pub(crate) fn is_named(model: &Model, member: &Member, name: &str) -> bool {
    let is_map = matches!(model.shape(member).kind, Kind::Map(_));
    member.location == Location::QueryString && member.wire_name() == name && !is_map
}

/// Reads what a message carries in headers.
pub(crate) fn read_headers(
    model: &Model,
    structure: &Structure,
    headers: &HeaderMap,
    params: &mut Map<String, Value>,
) -> Result<(), DecodeError> {
    for member in &structure.members {
        let value = match member.location {
            Location::Header => read_header(model, member, headers)?,
            Location::Headers => read_prefixed(member, headers),
            _ => None,
        };
        if let Some(value) = value {
            params.insert(member.name.to_string(), value);
        }
    }
    Ok(())
}

fn read_header(model: &Model, member: &Member, headers: &HeaderMap) -> Result<Option<Value>, DecodeError> {
    let mut lines = headers.get_all(member.wire_name()).iter().map(header_text).peekable();
    if lines.peek().is_none() {
        return Ok(None);
    }
    let line = lines.collect::<Vec<_>>().join(",");
    if member.json_value {
        let json = BASE64.decode(line.trim()).ok().and_then(|json| serde_json::from_slice(&json).ok());
        return json
            .map(Some)
            .ok_or_else(|| DecodeError::new(format!("{} does not hold JSON", member.wire_name())));
    }
    match &model.shape(member).kind {
        Kind::List(element) => {
            let dates = matches!(model.shape(element).kind, Kind::Timestamp)
                && matches!(element.timestamp_format, None | Some(TimestampFormat::HttpDate));
            let values: Vec<Value> = split_list(&line, dates)
                .iter()
                .map(|value| scalar::read(model, element, value))
                .collect::<Result<_, _>>()?;
            Ok((!values.is_empty()).then_some(values.into()))
        }
        Kind::String => Ok(Some(line.into())),
        _ if line.trim().is_empty() => Ok(None),
        _ => scalar::read(model, member, line.trim()).map(Some),
    }
}

fn read_prefixed(member: &Member, headers: &HeaderMap) -> Option<Value> {
    let prefix = member.location_name.as_deref().unwrap_or_default().to_ascii_lowercase();
    let mut map = Map::new();
    for name in headers.keys().filter(|name| name.as_str().starts_with(&prefix)) {
        let lines: Vec<String> = headers.get_all(name).iter().map(header_text).collect();
        map.insert(name.as_str()[prefix.len()..].to_owned(), lines.join(",").into());
    }
    (!map.is_empty()).then_some(map.into())
}

/// Headers are UTF-8 in practice and Latin-1 by the book.
fn header_text(value: &HeaderValue) -> String {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_) => value.as_bytes().iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// Splits at commas outside quotes; HTTP dates have one comma each.
fn split_list(line: &str, dates: bool) -> Vec<String> {
    let (mut values, mut value, mut quoted, mut commas) = (Vec::new(), String::new(), false, 0);
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => quoted = !quoted,
            '\\' if quoted => value.extend(characters.next()),
            ',' if !quoted => {
                commas += 1;
                if dates && commas % 2 == 1 {
                    value.push(c);
                } else {
                    values.push(std::mem::take(&mut value).trim().to_owned());
                }
            }
            _ => value.push(c),
        }
    }
    values.push(value.trim().to_owned());
    values.retain(|value| !value.is_empty());
    values
}

/// The query string of a request: the template's constants, then the bound members.
pub(crate) fn write_query(
    model: &Model,
    operation: &Operation,
    structure: &Structure,
    params: &Value,
) -> String {
    let mut pairs: Vec<String> = Vec::new();
    for (name, value) in &operation.uri.query {
        pairs.push(value.as_ref().map_or_else(|| name.to_string(), |value| format!("{name}={value}")));
    }
    let mut push = |name: &str, value: String| {
        pairs.push(format!("{}={}", text::encode(name, false), text::encode(&value, false)));
    };
    let bound = |member: &&Member| member.location == Location::QueryString;
    // Maps come last: a member that has a name of its own goes before an entry of the same name.
    let (maps, named): (Vec<&Member>, Vec<&Member>) = structure
        .members
        .iter()
        .filter(bound)
        .partition(|member| matches!(model.shape(member).kind, Kind::Map(_)));
    let format = TimestampFormat::Iso8601;
    for member in &named {
        match (&model.shape(member).kind, params.get(&*member.name)) {
            (Kind::List(element), Some(Value::Array(values))) => {
                for value in values.iter().filter_map(|value| scalar::write(model, element, value, format)) {
                    push(member.wire_name(), value);
                }
            }
            (_, Some(value)) => {
                if let Some(value) = scalar::write(model, member, value, format) {
                    push(member.wire_name(), value);
                }
            }
            (_, None) => {}
        }
    }
    for member in maps {
        let Some(Value::Object(map)) = params.get(&*member.name) else { continue };
        let taken = |name: &str| {
            named.iter().any(|other| {
                other.wire_name() == name && params.get(&*other.name).is_some_and(|v| !v.is_null())
            })
        };
        for (name, value) in map.iter().filter(|(name, _)| !taken(name)) {
            match value {
                Value::Array(values) => {
                    values.iter().filter_map(Value::as_str).for_each(|v| push(name, v.to_owned()))
                }
                Value::String(text) => push(name, text.clone()),
                _ => {}
            }
        }
    }
    pairs.join("&")
}

/// Writes what a message carries in headers. Values that HTTP cannot carry are left out.
pub(crate) fn write_headers(model: &Model, structure: &Structure, params: &Value, headers: &mut HeaderMap) {
    for member in &structure.members {
        let Some(value) = params.get(&*member.name).filter(|value| !value.is_null()) else { continue };
        match member.location {
            Location::Header => {
                if let Some(text) = header_value(model, member, value) {
                    insert(headers, member.wire_name(), &text);
                }
            }
            Location::Headers => {
                let prefix = member.location_name.as_deref().unwrap_or_default();
                for (name, value) in value.as_object().into_iter().flatten() {
                    if let Some(text) = value.as_str() {
                        insert(headers, &format!("{prefix}{name}"), text);
                    }
                }
            }
            _ => {}
        }
    }
}

fn header_value(model: &Model, member: &Member, value: &Value) -> Option<String> {
    if member.json_value {
        return Some(BASE64.encode(value.to_string()));
    }
    match (&model.shape(member).kind, value) {
        (Kind::List(element), Value::Array(values)) => {
            let dates = matches!(model.shape(element).kind, Kind::Timestamp);
            let values: Vec<String> = values
                .iter()
                .filter_map(|value| scalar::write(model, element, value, TimestampFormat::HttpDate))
                .map(|text| if dates { text } else { quote(text) })
                .collect();
            (!values.is_empty()).then(|| values.join(","))
        }
        _ => scalar::write(model, member, value, TimestampFormat::HttpDate),
    }
}

fn quote(text: String) -> String {
    if text.contains([',', '"']) {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        text
    }
}

pub(crate) fn insert(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes())) {
        headers.insert(name, value);
    }
}
