//! Values as XML: rest-xml both ways, and what the query protocols answer.
//!
//! Reading takes the names as the model has them, and is lenient where services are: any element in a list is an
//! element of it.

use crate::error::DecodeError;
use crate::model::{Kind, Member, Model, Namespace, Protocol, Structure};
use crate::scalar::{self, TimestampFormat};
use crate::xml::{Element, escape};
use serde_json::{Map, Value};

/// Reads and writes the values of one model in one protocol.
pub(crate) struct XmlCodec<'m> {
    pub model: &'m Model,
    /// Whether names are those of the query protocol.
    pub query: bool,
}

impl<'m> XmlCodec<'m> {
    pub fn new(model: &'m Model, protocol: Protocol) -> Self {
        Self { model, query: protocol == Protocol::Query }
    }

    fn name<'a>(&self, member: &'a Member) -> &'a str {
        if self.query { member.query_name() } else { member.wire_name() }
    }

    /// The children that stand for a member. Some services name a flattened list after its element.
    fn named<'e>(&self, member: &Member, parent: &'e Element) -> Vec<&'e Element> {
        let named =
            |name: &str| parent.children.iter().filter(|child| child.name == name).collect::<Vec<_>>();
        match &self.model.shape(member).kind {
            Kind::List(inner) if member.flattened => {
                let elements = named(self.name(member));
                if elements.is_empty() { named(inner.wire_name_or("")) } else { elements }
            }
            Kind::Map(_) if member.flattened => named(self.name(member)),
            _ => parent.child(self.name(member)).into_iter().collect(),
        }
    }

    /// Reads the body members of a structure from the children of `element`.
    pub fn decode_members(
        &self,
        structure: &Structure,
        element: &Element,
        params: &mut Map<String, Value>,
    ) -> Result<(), DecodeError> {
        for member in structure.body_members() {
            if let Some(value) = self.decode_member(member, element)? {
                params.insert(member.name.to_string(), value);
            }
        }
        Ok(())
    }

    fn decode_member(&self, member: &Member, parent: &Element) -> Result<Option<Value>, DecodeError> {
        let name = self.name(member);
        if member.xml_attribute {
            return parent.attribute(name).map(|text| scalar::read(self.model, member, text)).transpose();
        }
        let named = self.named(member, parent);
        let Some(first) = named.first() else { return Ok(None) };
        match &self.model.shape(member).kind {
            Kind::List(inner) if member.flattened => {
                let values: Result<Vec<Value>, _> =
                    named.iter().map(|child| self.decode_or_null(inner, child)).collect();
                Ok(Some(values?.into()))
            }
            Kind::Map(entry) if member.flattened => self.decode_entries(entry, named.into_iter()).map(Some),
            _ => self.decode(member, first),
        }
    }

    /// Reads one element; `None` for an empty one whose kind is not written as nothing.
    pub fn decode(&self, member: &Member, element: &Element) -> Result<Option<Value>, DecodeError> {
        match &self.model.shape(member).kind {
            Kind::Structure(structure) => {
                let mut params = Map::new();
                for member in &structure.members {
                    if let Some(value) = self.decode_member(member, element)? {
                        params.insert(member.name.to_string(), value);
                    }
                }
                Ok(Some(params.into()))
            }
            Kind::List(inner) => {
                let values = element.children.iter().map(|child| self.decode_or_null(inner, child));
                Ok(Some(values.collect::<Result<Vec<Value>, _>>()?.into()))
            }
            Kind::Map(entry) => self.decode_entries(entry, element.children.iter()).map(Some),
            Kind::String | Kind::Blob => scalar::read(self.model, member, &element.text).map(Some),
            _ if element.text.trim().is_empty() => Ok(None),
            _ => scalar::read(self.model, member, &element.text).map(Some),
        }
    }

    fn decode_or_null(&self, member: &Member, element: &Element) -> Result<Value, DecodeError> {
        Ok(self.decode(member, element)?.unwrap_or(Value::Null))
    }

    fn decode_entries<'e>(
        &self,
        (key, value): &(Member, Member),
        entries: impl Iterator<Item = &'e Element>,
    ) -> Result<Value, DecodeError> {
        let mut map = Map::new();
        for entry in entries {
            let Some(name) = entry.child(key.wire_name()) else { continue };
            let value = match entry.child(value.wire_name()) {
                Some(element) => self.decode_or_null(value, element)?,
                None => Value::Null,
            };
            map.insert(name.text.clone(), value);
        }
        Ok(map.into())
    }

    /// Writes the body members of a structure as children of the element that is open in `out`.
    pub fn encode_members(&self, structure: &Structure, params: &Value, out: &mut String) {
        for member in structure.body_members().filter(|member| !member.xml_attribute) {
            if let Some(value) = params.get(&*member.name).filter(|value| !value.is_null()) {
                self.encode(member, self.name(member), value, out);
            }
        }
    }

    /// Writes one value as the element `name`, or several when the member is flattened.
    pub fn encode(&self, member: &Member, name: &str, value: &Value, out: &mut String) {
        match (&self.model.shape(member).kind, value) {
            (Kind::List(inner), Value::Array(values)) if member.flattened => {
                for value in values {
                    self.element(inner, name, value, out);
                }
            }
            (Kind::Map(entry), Value::Object(map)) if member.flattened => {
                self.encode_entries(name, member.namespace.as_deref(), entry, map, out);
            }
            _ => self.element(member, name, value, out),
        }
    }

    fn element(&self, member: &Member, name: &str, value: &Value, out: &mut String) {
        self.open(name, member.namespace.as_deref(), member, value, out);
        self.content(member, value, out);
        out.push_str("</");
        out.push_str(name);
        out.push('>');
    }

    /// What stands between a value's tags.
    pub fn content(&self, member: &Member, value: &Value, out: &mut String) {
        match (&self.model.shape(member).kind, value) {
            (Kind::Structure(structure), Value::Object(_)) => {
                for member in structure.members.iter().filter(|member| !member.xml_attribute) {
                    if let Some(value) = value.get(&*member.name).filter(|value| !value.is_null()) {
                        self.encode(member, self.name(member), value, out);
                    }
                }
            }
            (Kind::List(inner), Value::Array(values)) => {
                for value in values {
                    self.element(inner, inner.wire_name(), value, out);
                }
            }
            (Kind::Map(entry), Value::Object(map)) => self.encode_entries("entry", None, entry, map, out),
            _ => {
                if let Some(text) = scalar::write(self.model, member, value, self.timestamps()) {
                    escape(&text, false, out);
                }
            }
        }
    }

    fn encode_entries(
        &self,
        name: &str,
        namespace: Option<&Namespace>,
        (key, value): &(Member, Member),
        map: &Map<String, Value>,
        out: &mut String,
    ) {
        for (text, inner) in map {
            out.push('<');
            out.push_str(name);
            declare(namespace, out);
            out.push('>');
            self.element(key, key.wire_name(), &text.as_str().into(), out);
            self.encode(value, value.wire_name(), inner, out);
            out.push_str("</");
            out.push_str(name);
            out.push('>');
        }
    }

    /// Opens an element, with its namespace and with the members that are attributes.
    pub fn open(
        &self,
        name: &str,
        namespace: Option<&Namespace>,
        member: &Member,
        value: &Value,
        out: &mut String,
    ) {
        out.push('<');
        out.push_str(name);
        declare(namespace, out);
        if let Kind::Structure(structure) = &self.model.shape(member).kind {
            for member in structure.members.iter().filter(|member| member.xml_attribute) {
                let text = value
                    .get(&*member.name)
                    .and_then(|v| scalar::write(self.model, member, v, self.timestamps()));
                if let Some(text) = text {
                    out.push(' ');
                    out.push_str(member.wire_name());
                    out.push_str("=\"");
                    escape(&text, true, out);
                    out.push('"');
                }
            }
        }
        out.push('>');
    }

    fn timestamps(&self) -> TimestampFormat {
        if self.model.name() == "s3" { TimestampFormat::Iso8601Millis } else { TimestampFormat::Iso8601 }
    }
}

fn declare(namespace: Option<&Namespace>, out: &mut String) {
    let Some(namespace) = namespace else { return };
    out.push_str(" xmlns");
    if let Some(prefix) = &namespace.prefix {
        out.push(':');
        out.push_str(prefix);
    }
    out.push_str("=\"");
    escape(&namespace.uri, true, out);
    out.push('"');
}
