//! A table as it is kept: its definition, its keys and indexes, and how a request names it.
//!
//! Not its items, which are in `rows.rs`. Keeps true: a table's id is never used again, so what is left behind under the
//! id of a deleted table is never seen.

use super::error::{Result, invalid, table_not_found};
use super::stream::Stream;
use crate::storage::Rows;
use aloft_base::{AccountId, Arn, Region, Timestamp};
use aloft_engine::Context;
use aloft_lang::expression::Item;
use aloft_lang::expression::number::sort_key;
use aloft_lang::expression::value::typed;
use aloft_store::{Key, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Tables by account, region and name.
pub(crate) const TABLES: &str = "dynamodb.tables";

/// Where a table is: what `TableName` says, be it a name or an ARN.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    /// The account that owns it.
    pub account: AccountId,
    /// The region that it is in.
    pub region: Region,
    /// Its name.
    pub name: String,
}

impl Address {
    /// Reads `TableName`.
    pub fn of(context: &Context, text: &str) -> Result<Self> {
        let (account, region, name) = match text.parse::<Arn>() {
            Ok(arn) => {
                let there = context.within(&arn);
                let name = arn
                    .resource
                    .strip_prefix("table/")
                    .ok_or_else(|| invalid(format!("Invalid TableArn: {text}")))?;
                (there.account, there.region, name.split('/').next().unwrap_or_default().to_owned())
            }
            Err(_) => (context.account.clone(), context.region.clone(), text.to_owned()),
        };
        if !(3..=255).contains(&name.len()) {
            return Err(invalid(
                "TableName must be at least 3 characters long and at most 255 characters long",
            ));
        }
        check_name("tableName", &name)?;
        Ok(Self { account, region, name })
    }

    /// The table's row.
    pub fn key(&self) -> Key {
        key([self.account.as_str(), self.region.as_str(), &self.name])
    }

    /// The table, if it is there.
    pub fn find(&self, source: &impl Rows) -> Result<Option<Table>> {
        Ok(source.row(TABLES, self.key().as_ref())?)
    }

    /// The table, for operations on tables.
    pub fn table(&self, source: &impl Rows) -> Result<Table> {
        self.find(source)?.ok_or_else(|| table_not_found(&self.name))
    }

    /// Writes the table's row.
    pub fn save(&self, transaction: &mut Transaction<'_>, table: &Table) -> Result<()> {
        Ok(transaction.put_json(TABLES, self.key(), table)?)
    }
}

/// Refuses what is no name of a table or an index.
pub(crate) fn check_name(member: &str, name: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if name.bytes().all(fits) {
        return Ok(());
    }
    Err(invalid(format!(
        "1 validation error detected: Value '{name}' at '{member}' failed to satisfy constraint: \
         Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
    )))
}

/// A table's definition.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Table {
    /// Names this very table in the other keyspaces.
    pub id: String,
    pub name: String,
    pub arn: String,
    pub created: Timestamp,
    pub key: KeySchema,
    pub indexes: Vec<Index>,
    /// Whether requests are paid one by one, and since when.
    pub on_demand_since: Option<Timestamp>,
    /// Whether a billing mode was ever named: only then is there a summary of it.
    pub billing_named: bool,
    pub throughput: Throughput,
    pub on_demand_limits: Option<Value>,
    /// The stream that is being written.
    pub stream: Option<Stream>,
    /// The last stream's label, on or off.
    pub latest_stream_label: Option<String>,
    /// How items expire.
    pub expiry: Option<Expiry>,
    pub tags: BTreeMap<String, String>,
    /// `SSEDescription`
    pub encryption: Option<Value>,
    pub class: Option<String>,
    pub deletion_protection: bool,
    /// Whether point-in-time recovery was asked for, and since when.
    pub recovery_since: Option<Timestamp>,
}

/// The attribute that says when an item expires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Expiry {
    /// Names this very setting in the other keyspaces.
    pub id: String,
    pub attribute: String,
}

/// `ProvisionedThroughput`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Throughput {
    pub read_capacity_units: u64,
    pub write_capacity_units: u64,
}

/// An attribute of a key, and its type: `S`, `N` or `B`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyAttribute {
    pub name: String,
    pub kind: String,
}

/// The attributes that find an item in a table or an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeySchema {
    pub partition: KeyAttribute,
    pub sort: Option<KeyAttribute>,
}

impl KeySchema {
    /// The partition key, then the sort key.
    pub fn attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        std::iter::once(&self.partition).chain(&self.sort)
    }

    /// Whether the attribute is part of the key.
    pub fn has(&self, name: &str) -> bool {
        self.attributes().any(|attribute| attribute.name == name)
    }

    /// Just the key of an item.
    pub fn of(&self, item: &Item) -> Item {
        let part =
            |attribute: &KeyAttribute| Some((attribute.name.clone(), item.get(&attribute.name)?.clone()));
        self.attributes().filter_map(part).collect()
    }

    /// Where an item is among the others: two bytes that spread partitions, the partition, the sort key. Nothing for an
    /// item that has no such key.
    pub fn place(&self, item: &Item) -> Option<Vec<u8>> {
        let mut place = partition_place(self.partition.value(item)?);
        if let Some(sort) = &self.sort {
            place.extend(sort_key(sort.value(item)?));
        }
        Some(place)
    }

    /// `KeySchema`
    pub fn describe(&self) -> Value {
        let types = ["HASH", "RANGE"];
        let element = |(attribute, kind): (&KeyAttribute, &str)| json!({"AttributeName": attribute.name, "KeyType": kind});
        self.attributes().zip(types).map(element).collect()
    }
}

impl KeyAttribute {
    /// The item's value of it, if that has the right type and is not empty.
    pub fn value<'a>(&self, item: &'a Item) -> Option<&'a Value> {
        let value = item.get(&self.name)?;
        self.fits(value).then_some(value)
    }

    /// Whether a value can be this part of a key.
    pub fn fits(&self, value: &Value) -> bool {
        typed(value).is_some_and(|(kind, inner)| {
            kind == self.kind && inner.as_str().is_some_and(|text| !text.is_empty())
        })
    }
}

/// Where a partition begins. The two bytes in front spread partitions evenly, for parallel scans.
pub(crate) fn partition_place(value: &Value) -> Vec<u8> {
    let partition = sort_key(value);
    let spread = crc32fast::hash(&partition) as u16;
    [&spread.to_be_bytes()[..], &partition].concat()
}

/// A secondary index.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Index {
    /// Names this very index in the other keyspaces.
    pub id: String,
    pub name: String,
    /// Whether it has partitions of its own.
    pub global: bool,
    pub key: KeySchema,
    pub projection: IndexProjection,
    pub throughput: Throughput,
    pub on_demand_limits: Option<Value>,
    /// False while it is being filled from the items that were there before it.
    pub active: bool,
}

/// `Projection` of an index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct IndexProjection {
    pub projection_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub non_key_attributes: Option<Vec<String>>,
}

impl IndexProjection {
    /// Whether the index has whole items.
    pub fn is_all(&self) -> bool {
        self.projection_type.as_deref() == Some("ALL")
    }
}

impl Index {
    /// Whether the index has the attribute.
    pub fn projects(&self, table: &Table, name: &str) -> bool {
        let chosen = || self.projection.non_key_attributes.iter().flatten().any(|other| other == name);
        self.projection.is_all() || self.key.has(name) || table.key.has(name) || chosen()
    }

    /// An item as the index has it.
    pub fn project(&self, table: &Table, item: &Item) -> Item {
        if self.projection.is_all() {
            return item.clone();
        }
        let wanted = |(name, _): &(&String, &Value)| self.projects(table, name);
        item.iter().filter(wanted).map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

impl Table {
    /// The index of that name.
    pub fn index(&self, name: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| index.name == name)
    }

    /// Whether requests are paid one by one.
    pub fn on_demand(&self) -> bool {
        self.on_demand_since.is_some()
    }

    /// `AttributeDefinitions`: every attribute of a key, once.
    pub fn attribute_definitions(&self) -> Value {
        let keys = std::iter::once(&self.key).chain(self.indexes.iter().map(|index| &index.key));
        let kinds: Map<String, Value> =
            keys.flat_map(KeySchema::attributes).map(|each| (each.name.clone(), json!(each.kind))).collect();
        kinds.into_iter().map(|(name, kind)| json!({"AttributeName": name, "AttributeType": kind})).collect()
    }
}
