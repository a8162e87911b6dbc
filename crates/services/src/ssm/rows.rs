//! What is stored: parameters, their versions, and where.

use crate::storage::{Outcome, Rows, decode};
use aloft_base::Timestamp;
use aloft_engine::{Context, ServiceError};
use aloft_store::{Key, Keyspace, key};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Parameters by account, region and name.
pub(super) const PARAMETERS: Keyspace = "ssm.parameters";
/// Versions by account, region, name and number.
pub(super) const VERSIONS: Keyspace = "ssm.versions";

/// What holds for all versions of a parameter.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Parameter {
    /// The number of the latest version.
    pub latest: u64,
    /// Labels, and the versions that bear them.
    pub labels: BTreeMap<String, u64>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// One version of a parameter.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Version {
    pub number: u64,
    pub kind: String,
    pub value: String,
    pub description: Option<String>,
    pub key_id: Option<String>,
    pub allowed_pattern: Option<String>,
    pub tier: String,
    pub data_type: String,
    pub modified: Timestamp,
    pub user: String,
}

/// The key of a parameter.
pub(super) fn parameter_key(context: &Context, name: &str) -> Key {
    key([context.account.as_str(), context.region.as_str(), name])
}

/// The key of a version.
pub(super) fn version_key(context: &Context, name: &str, number: u64) -> Key {
    parameter_key(context, name).number(number)
}

/// A parameter and one of its versions.
pub(super) fn load(rows: &impl Rows, context: &Context, name: &str) -> Outcome<Parameter> {
    let row = rows.row(PARAMETERS, parameter_key(context, name).as_ref())?;
    Ok(row.ok_or_else(|| not_found(name))?)
}

/// The version with a number.
pub(super) fn load_version(rows: &impl Rows, context: &Context, name: &str, number: u64) -> Outcome<Version> {
    let row = rows.row(VERSIONS, version_key(context, name, number).as_ref())?;
    Ok(row.ok_or_else(|| no_version(name, &number.to_string()))?)
}

/// All versions that are kept, the oldest first.
pub(super) fn versions(rows: &impl Rows, context: &Context, name: &str) -> Outcome<Vec<Version>> {
    let found = rows.rows(VERSIONS, parameter_key(context, name).as_ref(), usize::MAX)?;
    Ok(found.into_iter().map(|(_, value)| decode(VERSIONS, &value)).collect::<Result<_, _>>()?)
}

/// All parameters with their names.
pub(super) fn all(rows: &impl Rows, context: &Context) -> Outcome<Vec<(String, Parameter)>> {
    let prefix = key([context.account.as_str(), context.region.as_str()]);
    let mut found = Vec::new();
    for (row, value) in rows.rows(PARAMETERS, prefix.as_ref(), usize::MAX)? {
        if let Some(name) = Key::texts(&row).pop() {
            found.push((name, decode(PARAMETERS, &value)?));
        }
    }
    Ok(found)
}

impl Parameter {
    /// The labels of a version.
    pub fn labels_of(&self, number: u64) -> Vec<&str> {
        self.labels.iter().filter(|(_, of)| **of == number).map(|(label, _)| label.as_str()).collect()
    }
}

impl Version {
    /// As `GetParameter` tells it.
    pub fn tell(&self, context: &Context, name: &str, decrypt: bool) -> Value {
        json!({
            "Name": name,
            "Type": self.kind,
            "Value": self.shown(decrypt),
            "Version": self.number,
            "LastModifiedDate": seconds(self.modified),
            "ARN": arn(context, name),
            "DataType": self.data_type,
        })
    }

    /// As `DescribeParameters` tells it: without the value.
    pub fn describe(&self, context: &Context, name: &str) -> Value {
        let mut told = json!({
            "Name": name,
            "Type": self.kind,
            "Version": self.number,
            "LastModifiedDate": seconds(self.modified),
            "LastModifiedUser": self.user,
            "ARN": arn(context, name),
            "Tier": self.tier,
            "DataType": self.data_type,
            "Policies": [],
        });
        for (member, value) in [
            ("Description", &self.description),
            ("KeyId", &self.key_id),
            ("AllowedPattern", &self.allowed_pattern),
        ] {
            if let Some(value) = value {
                told[member] = value.as_str().into();
            }
        }
        told
    }

    /// The value; that of a secure string only for those who ask for it.
    pub fn shown(&self, decrypt: bool) -> String {
        if decrypt || self.kind != "SecureString" {
            return self.value.clone();
        }
        let digest = Sha256::digest(format!("{}:{}", self.modified.millis(), self.value));
        format!("AQICAH{}", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }
}

/// `arn:aws:ssm:us-east-1:000000000000:parameter/name`
pub(super) fn arn(context: &Context, name: &str) -> String {
    context.arn("ssm", format!("parameter/{}", name.trim_start_matches('/'))).to_string()
}

fn seconds(at: Timestamp) -> f64 {
    at.millis() as f64 / 1000.0
}

pub(super) fn not_found(name: &str) -> ServiceError {
    ServiceError::new("ParameterNotFound", 400, format!("Parameter {name} not found."))
}

pub(super) fn no_version(name: &str, version: &str) -> ServiceError {
    let message = format!(
        "Systems Manager could not find version {version} of {name}. Verify the version and try again."
    );
    ServiceError::new("ParameterVersionNotFound", 400, message)
}

pub(super) fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ValidationException", 400, message)
}
