//! The schema as the validator reads it: the keywords that it knows, looked at some hundred thousand times for a large service.
//!
//! Keeps true: a keyword that is not here is an error, so that none is passed over.

use super::formats::Pattern;
use indexmap::IndexMap;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::fmt;

/// A schema.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Schema {
    /// The name of a definition that stands here.
    #[serde(rename = "$ref")]
    pub reference: Option<Box<str>>,
    pub definitions: Box<IndexMap<String, Schema>>,
    #[serde(rename = "type", deserialize_with = "one_or_more")]
    pub types: Box<[Type]>,
    /// Null is a constant, too.
    #[serde(rename = "const", deserialize_with = "present")]
    pub constant: Option<Box<Value>>,
    #[serde(rename = "enum")]
    pub choice: Option<Box<[Value]>>,
    pub not: Option<Box<Schema>>,
    pub any_of: Option<Box<[Schema]>>,
    pub one_of: Option<Box<[Schema]>>,
    pub all_of: Option<Box<[Schema]>>,
    pub maximum: Option<f64>,
    pub minimum: Option<f64>,
    pub max_length: Option<u32>,
    pub min_length: Option<u32>,
    pub pattern: Option<Box<Pattern>>,
    pub format: Option<Box<str>>,
    #[serde(deserialize_with = "regexp")]
    pub regexp: Option<Box<Pattern>>,
    pub max_items: Option<u32>,
    pub min_items: Option<u32>,
    pub unique_items: bool,
    pub items: Option<Below>,
    pub additional_items: Option<bool>,
    pub max_properties: Option<u32>,
    pub min_properties: Option<u32>,
    pub required: Option<Box<[Box<str>]>>,
    pub property_names: Option<Box<Schema>>,
    #[serde(deserialize_with = "members")]
    pub properties: Option<Members<Box<str>>>,
    #[serde(deserialize_with = "members")]
    pub pattern_properties: Option<Members<Pattern>>,
    pub additional_properties: Option<Below>,
    pub dependencies: Option<Box<IndexMap<String, Vec<String>>>>,
}

/// Schemas of properties by their names, or by what their names match. So few that to look at each costs less than to hash one.
pub(super) type Members<K> = Box<[(K, Schema)]>;

impl Schema {
    /// The schema of a property that is named.
    pub fn property(&self, name: &str) -> Option<&Self> {
        self.properties.iter().flatten().find(|(known, _)| **known == *name).map(|(_, schema)| schema)
    }

    /// Whether it has keywords that only objects are checked with.
    pub fn looks_into_objects(&self) -> bool {
        self.max_properties.or(self.min_properties).is_some()
            || self.required.is_some()
            || self.dependencies.is_some()
            || self.property_names.is_some()
            || self.properties.is_some()
            || self.pattern_properties.is_some()
            || self.additional_properties.is_some()
    }
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Type {
    Object,
    Array,
    String,
    Boolean,
    Null,
    Number,
    Integer,
}

impl Type {
    /// As JSON Schema calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Null => "null",
            Self::Number => "number",
            Self::Integer => "integer",
        }
    }
}

/// What items or properties have to be.
#[derive(Debug)]
pub(super) enum Below {
    /// Anything, or not there at all.
    Allowed(bool),
    /// Each like this.
    Each(Box<Schema>),
    /// Each like its own one.
    Tuple(Box<[Schema]>),
}

impl<'de> Deserialize<'de> for Below {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Below;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a schema, a list of them, or whether there may be any")
            }

            fn visit_bool<E>(self, allowed: bool) -> Result<Below, E> {
                Ok(Below::Allowed(allowed))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Below, A::Error> {
                Deserialize::deserialize(MapAccessDeserializer::new(map)).map(Below::Each)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Below, A::Error> {
                Deserialize::deserialize(SeqAccessDeserializer::new(list)).map(Below::Tuple)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<Value>>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<[Type]>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Types {
        One(Type),
        More(Box<[Type]>),
    }
    Ok(match Types::deserialize(deserializer)? {
        Types::One(one) => Box::new([one]),
        Types::More(types) => types,
    })
}

fn members<'de, D: Deserializer<'de>, K: From<String>>(
    deserializer: D,
) -> Result<Option<Members<K>>, D::Error> {
    let members = IndexMap::<String, Schema>::deserialize(deserializer)?;
    Ok(Some(members.into_iter().map(|(name, schema)| (K::from(name), schema)).collect()))
}

/// A pattern with flags, as JavaScript writes it.
fn regexp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<Pattern>>, D::Error> {
    Ok(Some(Box::new(Pattern::with_flags(String::deserialize(deserializer)?))))
}
