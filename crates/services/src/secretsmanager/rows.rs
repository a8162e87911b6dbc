//! What is stored: secrets, what their versions hold, and where.

use crate::storage::{Outcome, Rows};
use crate::tags::Tags;
use aloft_base::Timestamp;
use aloft_engine::{Context, ServiceError};
use aloft_store::{Key, Keyspace, StoreError, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Secrets by account, region and name.
pub(super) const SECRETS: Keyspace = "secretsmanager.secrets";
/// What versions hold, by account, region, name and version.
pub(super) const CONTENTS: Keyspace = "secretsmanager.contents";

/// The stage of the version that is read by those who name none.
pub(super) const CURRENT: &str = "AWSCURRENT";
/// The stage of the one before it.
pub(super) const PREVIOUS: &str = "AWSPREVIOUS";
/// How many versions without a stage are kept.
const KEPT: usize = 100;

/// A secret, without what it holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Secret {
    pub name: String,
    /// The six characters behind the name in the ARN.
    pub suffix: String,
    pub description: Option<String>,
    pub kms_key: Option<String>,
    pub tags: Tags,
    pub policy: Option<String>,
    pub created: Timestamp,
    pub changed: Timestamp,
    /// When it will be gone.
    pub deletion: Option<Timestamp>,
    pub versions: BTreeMap<String, Version>,
}

/// What is known of a version, without what it holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Version {
    pub stages: BTreeSet<String>,
    pub created: Timestamp,
}

/// What a version holds: a text, or bytes as base64.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Content {
    pub string: Option<String>,
    pub binary: Option<String>,
}

impl Content {
    /// What an input gives; none when it gives nothing.
    pub fn of(string: Option<String>, binary: Option<String>) -> Result<Option<Self>, ServiceError> {
        match (string, binary) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(invalid_parameter(
                "You can't specify both a binary secret value and a string secret value in the same secret.",
            )),
            (string, binary) => Ok(Some(Self { string, binary })),
        }
    }
}

/// The name in a name, an ARN, or an ARN without its last six characters.
pub(super) fn name_of(context: &Context, rows: &impl Rows, id: &str) -> Outcome<String> {
    let Some(resource) = id.strip_prefix(&format!("{}:", context.arn("secretsmanager", "secret"))) else {
        return Ok(id.to_owned());
    };
    let shorter = resource.rsplit_once('-').map(|(name, _)| name);
    for name in shorter.into_iter().chain([resource]) {
        let found: Option<Secret> = rows.row(SECRETS, secret_key(context, name).as_ref())?;
        if found.is_some_and(|secret| name == resource || secret.arn(context) == id) {
            return Ok(name.to_owned());
        }
    }
    Err(not_found().into())
}

/// A secret, also one that is marked for deletion.
pub(super) fn load_any(context: &Context, rows: &impl Rows, id: &str) -> Outcome<Secret> {
    let name = name_of(context, rows, id)?;
    Ok(rows.row(SECRETS, secret_key(context, &name).as_ref())?.ok_or_else(not_found)?)
}

/// A secret that is not marked for deletion.
pub(super) fn load(context: &Context, rows: &impl Rows, id: &str) -> Outcome<Secret> {
    let secret = load_any(context, rows, id)?;
    if secret.deletion.is_some() {
        return Err(invalid_request(
            "You can't perform this operation on the secret because it was marked for deletion.",
        )
        .into());
    }
    Ok(secret)
}

/// The key of a secret.
pub(super) fn secret_key(context: &Context, name: &str) -> Key {
    key([context.account.as_str(), context.region.as_str(), name])
}

/// The key of what a version holds.
pub(super) fn content_key(context: &Context, name: &str, version: &str) -> Key {
    secret_key(context, name).text(version)
}

impl Secret {
    pub fn arn(&self, context: &Context) -> String {
        context.arn("secretsmanager", format!("secret:{}-{}", self.name, self.suffix)).to_string()
    }

    pub fn save(&self, transaction: &mut Transaction<'_>, context: &Context) -> Result<(), StoreError> {
        transaction.put_json(SECRETS, secret_key(context, &self.name), self)
    }

    /// The version that bears a stage.
    pub fn with_stage(&self, stage: &str) -> Option<&String> {
        self.versions.iter().find(|(_, version)| version.stages.contains(stage)).map(|(id, _)| id)
    }

    /// Gives a version a stage, and takes it from the one that had it; the one that was current becomes the previous one.
    pub fn move_stage(&mut self, stage: &str, to: &str) {
        let from = self.with_stage(stage).cloned();
        if from.as_deref() == Some(to) {
            return;
        }
        for version in self.versions.values_mut() {
            version.stages.remove(stage);
            if stage == CURRENT && from.is_some() {
                version.stages.remove(PREVIOUS);
            }
        }
        if let Some(version) = self.versions.get_mut(to) {
            version.stages.insert(stage.to_owned());
        }
        if let Some(version) = from.filter(|_| stage == CURRENT).and_then(|from| self.versions.get_mut(&from))
        {
            version.stages.insert(PREVIOUS.to_owned());
        }
    }

    /// Adds a version with stages and what it holds, and forgets the oldest of those that have no stage.
    ///
    /// # Errors
    /// `ResourceExistsException` when the version is there and holds something else.
    pub fn add(
        &mut self,
        transaction: &mut Transaction<'_>,
        context: &Context,
        id: &str,
        content: &Content,
        stages: &[String],
    ) -> Outcome<()> {
        let place = content_key(context, &self.name, id);
        if let Some(known) = transaction.get_json::<Content>(CONTENTS, &place)? {
            if known == *content {
                return Ok(());
            }
            let message = format!("A resource with the ID you requested already exists: {id}");
            return Err(ServiceError::new("ResourceExistsException", 400, message).into());
        }
        transaction.put_json(CONTENTS, place, content)?;
        let version = Version { stages: BTreeSet::new(), created: context.now() };
        self.versions.insert(id.to_owned(), version);
        for stage in stages {
            self.move_stage(stage, id);
        }
        self.changed = context.now();
        let mut unused: Vec<(Timestamp, String)> = self
            .versions
            .iter()
            .filter(|(_, version)| version.stages.is_empty())
            .map(|(id, version)| (version.created, id.clone()))
            .collect();
        unused.sort();
        for (_, id) in unused.iter().take(unused.len().saturating_sub(KEPT)) {
            self.versions.remove(id);
            transaction.delete(CONTENTS, content_key(context, &self.name, id));
        }
        Ok(())
    }

    /// As `DescribeSecret` and `ListSecrets` tell it, with the member that holds the stages of versions.
    pub fn tell(&self, context: &Context, stages: &str) -> Value {
        let versions: BTreeMap<&String, &BTreeSet<String>> = self
            .versions
            .iter()
            .filter(|(_, version)| !version.stages.is_empty())
            .map(|(id, version)| (id, &version.stages))
            .collect();
        json!({
            "ARN": self.arn(context),
            "Name": self.name,
            "Description": self.description,
            "KmsKeyId": self.kms_key,
            "LastChangedDate": self.changed.as_seconds_f64(),
            "DeletedDate": self.deletion.map(Timestamp::as_seconds_f64),
            "Tags": crate::tags::list(&self.tags),
            stages: versions,
            "CreatedDate": self.created.as_seconds_f64(),
        })
    }
}

pub(super) fn not_found() -> ServiceError {
    ServiceError::new("ResourceNotFoundException", 400, "Secrets Manager can't find the specified secret.")
}

pub(super) fn invalid_request(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidRequestException", 400, message)
}

pub(super) fn invalid_parameter(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidParameterException", 400, message)
}
