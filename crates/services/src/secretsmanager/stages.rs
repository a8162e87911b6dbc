//! Versions of a secret and their stages.

use super::SecretsManager;
use super::rows::{invalid_parameter, load, load_any};
use crate::page;
use crate::storage::Outcome;
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Update {
    secret_id: String,
    version_stage: String,
    remove_from_version_id: Option<String>,
    move_to_version_id: Option<String>,
}

/// `UpdateSecretVersionStage`
pub(super) async fn update(_: &SecretsManager, context: &Context, input: Update) -> Outcome<Value> {
    let context_of_write = context.clone();
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Value> {
        let context = &context_of_write;
        let (mut secret, stage) = (load(context, transaction, &input.secret_id)?, &input.version_stage);
        let owner = secret.with_stage(stage).cloned();
        for id in [&input.remove_from_version_id, &input.move_to_version_id].into_iter().flatten() {
            if !secret.versions.contains_key(id) {
                let message =
                    format!("Secrets Manager can't find the specified secret value for VersionId: {id}");
                return Err(ServiceError::new("ResourceNotFoundException", 400, message).into());
            }
        }
        if input.remove_from_version_id.is_some() && input.remove_from_version_id != owner {
            let message = format!("The specified version does not have the staging label {stage}.");
            return Err(invalid_parameter(message).into());
        }
        match &input.move_to_version_id {
            Some(_)
                if owner.is_some()
                    && input.remove_from_version_id.is_none()
                    && owner != input.move_to_version_id =>
            {
                let owner = owner.unwrap_or_default();
                let message = format!(
                    "The parameter RemoveFromVersionId can't be empty. Staging label {stage} is currently attached to version {owner}, so you must explicitly reference that version in RemoveFromVersionId."
                );
                return Err(invalid_parameter(message).into());
            }
            Some(to) => secret.move_stage(stage, to),
            None if stage == super::rows::CURRENT => {
                return Err(invalid_parameter("You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.").into());
            }
            None => {
                for version in secret.versions.values_mut() {
                    version.stages.remove(stage);
                }
            }
        }
        secret.changed = context.now();
        secret.save(transaction, context)?;
        Ok(json!({ "ARN": secret.arn(context), "Name": secret.name }))
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    secret_id: String,
    max_results: Option<usize>,
    next_token: Option<String>,
    #[serde(default)]
    include_deprecated: bool,
}

/// `ListSecretVersionIds`
pub(super) async fn list(_: &SecretsManager, context: &Context, input: List) -> Outcome<Value> {
    let secret = load_any(context, &context.store().read()?, &input.secret_id)?;
    let versions =
        secret.versions.iter().filter(|(_, version)| input.include_deprecated || !version.stages.is_empty());
    let told = versions.map(|(id, version)| {
        json!({ "VersionId": id, "VersionStages": version.stages, "CreatedDate": version.created.as_seconds_f64() })
    });
    let (page, next) =
        page::of(told.collect(), input.max_results.unwrap_or(100), input.next_token.as_deref());
    let mut answer = json!({ "Versions": page, "ARN": secret.arn(context), "Name": secret.name });
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(answer)
}
