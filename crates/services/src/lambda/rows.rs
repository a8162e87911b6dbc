//! What is stored of a function: the function, its versions, its aliases.

use super::name::{FunctionKey, LATEST, Name};
use super::settings::Settings;
use crate::storage::{Fault, Rows};
use aloft_base::Timestamp;
use aloft_engine::FunctionLimits;
use aloft_store::{Key, Keyspace, StoreError, Transaction};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Functions by account, region and name.
pub(super) const FUNCTIONS: Keyspace = "lambda.functions";
/// Versions by function and number; 0 is `$LATEST`.
pub(super) const VERSIONS: Keyspace = "lambda.versions";
/// Aliases by function and name.
pub(super) const ALIASES: Keyspace = "lambda.aliases";
/// Resource policies by function and qualifier.
pub(super) const POLICIES: Keyspace = "lambda.policies";
/// Settings of asynchronous invocation by function and qualifier.
pub(super) const EVENT_INVOKE: Keyspace = "lambda.event-invoke";

/// A function.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Function {
    pub tags: BTreeMap<String, String>,
    /// Its reserved concurrency.
    pub reserved: Option<u32>,
    /// The highest number that a version ever had.
    pub last_version: u64,
    /// Whether it may be invoked over and over in one chain of requests.
    #[serde(default)]
    pub may_recur: bool,
}

/// Code in the store, by its digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Code {
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
    /// Of the zip, in bytes.
    pub size: u64,
}

/// A version of a function.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Version {
    /// 0 is `$LATEST`.
    pub number: u64,
    pub settings: Settings,
    pub code: Code,
    pub revision_id: String,
    /// Changes when code or settings do; a published version keeps that of the `$LATEST` it was made from.
    pub generation: String,
    pub modified: Timestamp,
}

/// An alias.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Alias {
    pub version: u64,
    pub description: String,
    /// Other versions, by number, with their share of the invocations.
    pub weights: BTreeMap<String, f64>,
    pub revision_id: String,
}

impl Code {
    /// The digest as the API tells it.
    pub fn base64(&self) -> String {
        let digits = self.sha256.as_bytes().chunks(2);
        let bytes = digits.map(|pair| u8::from_str_radix(&String::from_utf8_lossy(pair), 16).unwrap_or(0));
        BASE64.encode(bytes.collect::<Vec<u8>>())
    }
}

impl Function {
    pub fn find(rows: &impl Rows, function: &FunctionKey) -> Result<Self, Fault> {
        let found = rows.row(FUNCTIONS, function.key().as_ref())?;
        Ok(found.ok_or_else(|| super::errors::no_function(&function.arn()))?)
    }

    pub fn save(&self, transaction: &mut Transaction<'_>, function: &FunctionKey) -> Result<(), StoreError> {
        transaction.put_json(FUNCTIONS, function.key(), self)
    }
}

impl Version {
    pub fn key(function: &FunctionKey, number: u64) -> Key {
        function.key().number(number)
    }

    pub fn find(rows: &impl Rows, function: &FunctionKey, number: u64) -> Result<Option<Self>, StoreError> {
        rows.row(VERSIONS, Self::key(function, number).as_ref())
    }

    /// `$LATEST`
    pub fn latest(rows: &impl Rows, function: &FunctionKey) -> Result<Self, Fault> {
        let found = Self::find(rows, function, 0)?;
        Ok(found.ok_or_else(|| super::errors::no_function(&function.arn()))?)
    }

    /// The version that a name means; of an alias, its main one.
    pub fn named(rows: &impl Rows, name: &Name) -> Result<Self, Fault> {
        let number = match name.qualifier() {
            LATEST => Some(0),
            text => match text.parse() {
                Ok(number) if number > 0 => Some(number),
                _ => Alias::find(rows, &name.function, text)?.map(|alias| alias.version),
            },
        };
        let found = match number {
            Some(number) => Self::find(rows, &name.function, number)?,
            None => None,
        };
        Ok(found.ok_or_else(|| name.not_found())?)
    }

    /// Refuses code and layers that are too large together.
    pub fn check_size(&self, rows: &impl Rows, limits: &FunctionLimits) -> Result<(), Fault> {
        let layers = self.settings.layers.iter().map(|layer| layer.sha256.as_str());
        super::code::check_unzipped(rows, layers.chain([self.code.sha256.as_str()]), limits.unzipped_package)
    }

    /// All versions, `$LATEST` first.
    pub fn all(rows: &impl Rows, function: &FunctionKey) -> Result<Vec<Self>, StoreError> {
        let found = rows.rows(VERSIONS, function.key().as_ref(), usize::MAX)?;
        found.iter().map(|(_, row)| crate::storage::decode(VERSIONS, row)).collect()
    }

    pub fn save(&self, transaction: &mut Transaction<'_>, function: &FunctionKey) -> Result<(), StoreError> {
        transaction.put_json(VERSIONS, Self::key(function, self.number), self)
    }

    /// `$LATEST` or the number.
    pub fn label(&self) -> String {
        if self.number == 0 { LATEST.to_owned() } else { self.number.to_string() }
    }

    /// As the API tells it, with the ARN as it was asked for.
    pub fn tell(&self, function: &FunctionKey, qualifier: Option<&str>) -> Value {
        let mut told = self.settings.tell(function);
        let members = json!({
            "FunctionName": function.name,
            "FunctionArn": function.qualified_arn(qualifier),
            "CodeSize": self.code.size,
            "CodeSha256": self.code.base64(),
            "LastModified": self.modified.format("%Y-%m-%dT%H:%M:%S%.3f+0000"),
            "Version": self.label(),
            "RevisionId": self.revision_id,
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "PackageType": "Zip",
        });
        if let (Value::Object(told), Value::Object(members)) = (&mut told, members) {
            told.extend(members);
        }
        told
    }

    /// As it is told when the version itself is meant.
    pub fn tell_itself(&self, function: &FunctionKey) -> Value {
        let label = (self.number != 0).then(|| self.label());
        self.tell(function, label.as_deref())
    }
}

impl Alias {
    pub fn find(rows: &impl Rows, function: &FunctionKey, name: &str) -> Result<Option<Self>, StoreError> {
        rows.row(ALIASES, function.key().text(name).as_ref())
    }
}
