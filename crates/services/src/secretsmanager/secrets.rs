//! Secrets: made, described, updated and tagged.

use super::SecretsManager;
use super::rows::{
    CURRENT, Content, SECRETS, Secret, invalid_parameter, invalid_request, load, load_any, secret_key,
};
use crate::storage::{Outcome, Rows};
use crate::tags::{self, Tag};
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Create {
    name: String,
    client_request_token: Option<String>,
    description: Option<String>,
    kms_key_id: Option<String>,
    secret_binary: Option<String>,
    secret_string: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
    add_replica_regions: Option<Value>,
}

/// `CreateSecret`
pub(super) async fn create(_: &SecretsManager, context: &Context, input: Create) -> Outcome<Value> {
    if input.add_replica_regions.is_some() {
        return Err(ServiceError::new(
            "NotImplemented",
            501,
            "the local cloud has not built replication of secrets",
        )
        .into());
    }
    check_name(&input.name)?;
    let content = Content::of(input.secret_string, input.secret_binary)?;
    let context_of_write = context.clone();
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Value> {
        let context = &context_of_write;
        let token = input.client_request_token.unwrap_or_else(|| context.ids().uuid());
        let known: Option<Secret> = transaction.row(SECRETS, secret_key(context, &input.name).as_ref())?;
        if let Some(known) = known {
            if known.deletion.is_some() {
                return Err(invalid_request("You can't create this secret because a secret with this name is already scheduled for deletion.").into());
            }
            // The same request once more.
            if known.versions.contains_key(&token) {
                return Ok(answer(context, &known, Some(&token)));
            }
            let message = format!("The operation failed because the secret {} already exists.", input.name);
            return Err(ServiceError::new("ResourceExistsException", 400, message).into());
        }
        let now = context.now();
        let mut secret = Secret {
            name: input.name,
            suffix: suffix(context),
            description: input.description,
            kms_key: input.kms_key_id,
            tags: tags::map(input.tags),
            policy: None,
            created: now,
            changed: now,
            deletion: None,
            versions: BTreeMap::new(),
        };
        if let Some(content) = &content {
            secret.add(transaction, context, &token, content, &[CURRENT.to_owned()])?;
        }
        secret.save(transaction, context)?;
        Ok(answer(context, &secret, content.is_some().then_some(&token)))
    };
    context.store().write(write).await
}

/// Six letters or digits.
fn suffix(context: &Context) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let letter = |_| {
        usize::try_from(context.ids().below(letters.len() as u64))
            .map_or('A', |place| char::from(letters[place]))
    };
    (0..6).map(letter).collect()
}

/// Source: the rules for names in the reference of `CreateSecret`.
fn check_name(name: &str) -> Result<(), ServiceError> {
    let is_allowed = |it: char| it.is_ascii_alphanumeric() || "/_+=.@-!".contains(it);
    if name.chars().all(is_allowed) {
        return Ok(());
    }
    let message = "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!";
    Err(ServiceError::new("ValidationException", 400, message))
}

fn answer(context: &Context, secret: &Secret, version: Option<&String>) -> Value {
    json!({ "ARN": secret.arn(context), "Name": secret.name, "VersionId": version })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    pub secret_id: String,
}

/// `DescribeSecret`
pub(super) async fn describe(_: &SecretsManager, context: &Context, input: Named) -> Outcome<Value> {
    let secret = load_any(context, &context.store().read()?, &input.secret_id)?;
    Ok(secret.tell(context, "VersionIdsToStages"))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Update {
    secret_id: String,
    client_request_token: Option<String>,
    description: Option<String>,
    kms_key_id: Option<String>,
    secret_binary: Option<String>,
    secret_string: Option<String>,
}

/// `UpdateSecret`
pub(super) async fn update(_: &SecretsManager, context: &Context, input: Update) -> Outcome<Value> {
    let content = Content::of(input.secret_string, input.secret_binary)?;
    let context_of_write = context.clone();
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Value> {
        let context = &context_of_write;
        let mut secret = load(context, transaction, &input.secret_id)?;
        if let Some(description) = input.description {
            secret.description = Some(description);
        }
        if let Some(key) = input.kms_key_id {
            secret.kms_key = Some(key);
        }
        secret.changed = context.now();
        let token = input.client_request_token.unwrap_or_else(|| context.ids().uuid());
        if let Some(content) = &content {
            secret.add(transaction, context, &token, content, &[CURRENT.to_owned()])?;
        }
        secret.save(transaction, context)?;
        Ok(answer(context, &secret, content.is_some().then_some(&token)))
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tagged {
    secret_id: String,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

/// `TagResource`
pub(super) async fn tag(_: &SecretsManager, context: &Context, input: Tagged) -> Outcome<()> {
    change(context, input, |secret, input| {
        secret.tags.extend(tags::map(input.tags));
        match secret.tags.len() {
            0..=50 => Ok(()),
            _ => Err(invalid_parameter("A secret can have at most 50 tags.")),
        }
    })
    .await
}

/// `UntagResource`
pub(super) async fn untag(_: &SecretsManager, context: &Context, input: Tagged) -> Outcome<()> {
    change(context, input, |secret, input| {
        secret.tags.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    })
    .await
}

async fn change(
    context: &Context,
    input: Tagged,
    change: fn(&mut Secret, Tagged) -> Result<(), ServiceError>,
) -> Outcome<()> {
    let context_of_write = context.clone();
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let mut secret = load(&context_of_write, transaction, &input.secret_id)?;
        change(&mut secret, input)?;
        Ok(secret.save(transaction, &context_of_write)?)
    };
    context.store().write(write).await
}
