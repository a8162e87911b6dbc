//! Values as forms: what the query protocols send.
//!
//! `List.member.1.Name=x` becomes a tree of its dotted names first, so that reading is linear in the form. Reads lists
//! with and without `member`, since clients of SQS and older services send either.

use crate::error::{DecodeError, MAX_DEPTH, too_deep};
use crate::model::{Kind, Member, Model, Protocol, Structure};
use crate::scalar::{self, TimestampFormat};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What is known of one dotted name.
#[derive(Debug, Default)]
pub(crate) struct Node {
    value: Option<String>,
    children: BTreeMap<String, Node>,
}

impl Node {
    /// The tree of a form's pairs.
    pub fn new(pairs: Vec<(String, String)>) -> Result<Self, DecodeError> {
        let mut root = Self::default();
        for (name, value) in pairs {
            let mut node = &mut root;
            for (depth, part) in name.split('.').enumerate() {
                if depth > MAX_DEPTH {
                    return Err(too_deep());
                }
                node = node.children.entry(part.to_owned()).or_default();
            }
            node.value = Some(value);
        }
        Ok(root)
    }

    /// The value of a name without dots.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.children.get(name)?.value.as_deref()
    }

    /// The children named by numbers, in the numbers' order.
    fn numbered(&self) -> Vec<&Self> {
        let mut nodes: Vec<(u64, &Self)> =
            self.children.iter().filter_map(|(name, node)| Some((name.parse().ok()?, node))).collect();
        nodes.sort_by_key(|(number, _)| *number);
        nodes.into_iter().map(|(_, node)| node).collect()
    }

    fn has_numbers(&self) -> bool {
        self.children.keys().any(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
    }
}

/// Reads and writes the values of one model in one of the two query protocols.
pub(crate) struct FormCodec<'m> {
    pub model: &'m Model,
    pub ec2: bool,
}

impl<'m> FormCodec<'m> {
    pub fn new(model: &'m Model, protocol: Protocol) -> Self {
        Self { model, ec2: protocol == Protocol::Ec2Query }
    }

    fn flattened(&self, member: &Member) -> bool {
        member.flattened || self.ec2
    }

    /// The name of a member; a flattened list without one of its own has its element's.
    fn name(&self, member: &Member) -> String {
        if self.ec2 {
            if let Some(name) = &member.query_name {
                return name.to_string();
            }
            let name = member.wire_name();
            let first = name.chars().next().map(|first| first.to_ascii_uppercase());
            return first.into_iter().chain(name.chars().skip(1)).collect();
        }
        match &self.model.shape(member).kind {
            Kind::List(element) if member.flattened && member.query_name() == &*member.name => {
                element.wire_name_or(&member.name).to_owned()
            }
            _ => member.query_name().to_owned(),
        }
    }

    /// Reads a structure's members.
    pub fn decode_members(
        &self,
        structure: &Structure,
        node: &Node,
    ) -> Result<Map<String, Value>, DecodeError> {
        let mut params = Map::new();
        for member in &structure.members {
            let name = self.name(member);
            // `Attribute.1.Name`: the documented name, or the member's own, which newer clients send.
            let child = node.children.get(&name).or_else(|| node.children.get(&*member.name));
            if let Some(child) = child
                && let Some(value) = self.decode(member, child)?
            {
                params.insert(member.name.to_string(), value);
            }
        }
        Ok(params)
    }

    fn decode(&self, member: &Member, node: &Node) -> Result<Option<Value>, DecodeError> {
        match &self.model.shape(member).kind {
            Kind::Structure(structure) => Ok(Some(self.decode_members(structure, node)?.into())),
            Kind::List(element) => {
                let list = if node.has_numbers() {
                    node
                } else {
                    node.children.get(element.wire_name()).unwrap_or(node)
                };
                let values =
                    list.numbered().into_iter().filter_map(|node| self.decode(element, node).transpose());
                Ok(Some(values.collect::<Result<Vec<Value>, _>>()?.into()))
            }
            Kind::Map(entry) => {
                let entries =
                    if node.has_numbers() { node } else { node.children.get("entry").unwrap_or(node) };
                let (key, value) = &**entry;
                let mut map = Map::new();
                for node in entries.numbered() {
                    let Some(name) = node.value(key.wire_name()) else { continue };
                    let inner = match node.children.get(value.wire_name()) {
                        Some(node) => self.decode(value, node)?,
                        None => None,
                    };
                    map.insert(name.to_owned(), inner.unwrap_or(Value::Null));
                }
                Ok(Some(map.into()))
            }
            kind => match node.value.as_deref() {
                None => Ok(None),
                Some("") if !matches!(kind, Kind::String | Kind::Blob) => Ok(None),
                Some(text) => scalar::read(self.model, member, text).map(Some),
            },
        }
    }

    /// Writes a structure's members.
    pub fn encode_members(
        &self,
        structure: &Structure,
        params: &Value,
        prefix: &str,
        out: &mut Vec<(String, String)>,
    ) {
        for member in &structure.members {
            if let Some(value) = params.get(&*member.name).filter(|value| !value.is_null()) {
                self.encode(member, &format!("{prefix}{}", self.name(member)), value, out);
            }
        }
    }

    fn encode(&self, member: &Member, name: &str, value: &Value, out: &mut Vec<(String, String)>) {
        match (&self.model.shape(member).kind, value) {
            (Kind::Structure(structure), Value::Object(_)) => {
                self.encode_members(structure, value, &format!("{name}."), out);
            }
            (Kind::List(_), Value::Array(values)) if values.is_empty() => {
                if !self.ec2 {
                    out.push((name.to_owned(), String::new()));
                }
            }
            (Kind::List(element), Value::Array(values)) => {
                let inner =
                    if self.flattened(member) { String::new() } else { format!(".{}", element.wire_name()) };
                for (number, value) in (1..).zip(values) {
                    self.encode(element, &format!("{name}{inner}.{number}"), value, out);
                }
            }
            (Kind::Map(entry), Value::Object(map)) => {
                let inner = if self.flattened(member) { "" } else { ".entry" };
                let (key, inner_value) = &**entry;
                for (number, (text, value)) in (1..).zip(map) {
                    out.push((format!("{name}{inner}.{number}.{}", key.wire_name()), text.clone()));
                    self.encode(
                        inner_value,
                        &format!("{name}{inner}.{number}.{}", inner_value.wire_name()),
                        value,
                        out,
                    );
                }
            }
            _ => {
                if let Some(text) = scalar::write(self.model, member, value, TimestampFormat::Iso8601) {
                    out.push((name.to_owned(), text));
                }
            }
        }
    }
}
