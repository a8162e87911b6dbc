//! What secrets hold: put, and read by version or stage.

use super::SecretsManager;
use super::find::{Filter, matching};
use super::rows::{CONTENTS, CURRENT, Content, Secret, content_key, invalid_parameter, load};
use crate::page;
use crate::storage::{Fault, Outcome, Rows};
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Get {
    secret_id: String,
    version_id: Option<String>,
    version_stage: Option<String>,
}

/// `GetSecretValue`
pub(super) async fn get(_: &SecretsManager, context: &Context, input: Get) -> Outcome<Value> {
    let snapshot = context.store().read()?;
    let secret = load(context, &snapshot, &input.secret_id)?;
    read(context, &snapshot, &secret, &input)
}

fn read(context: &Context, rows: &impl Rows, secret: &Secret, input: &Get) -> Outcome<Value> {
    let stage = input.version_stage.as_deref();
    let missing = |what: String| {
        let message = format!("Secrets Manager can't find the specified secret value for {what}");
        ServiceError::new("ResourceNotFoundException", 400, message)
    };
    let id = match (&input.version_id, stage) {
        (Some(id), stage) => {
            let version = secret.versions.get(id).ok_or_else(|| missing(format!("VersionId: {id}")))?;
            if stage.is_some_and(|stage| !version.stages.contains(stage)) {
                let message = "You provided a VersionStage that is not associated to the provided VersionId.";
                return Err(super::rows::invalid_request(message).into());
            }
            id
        }
        (None, stage) => {
            let stage = stage.unwrap_or(CURRENT);
            secret.with_stage(stage).ok_or_else(|| missing(format!("staging label: {stage}")))?
        }
    };
    let content: Option<Content> = rows.row(CONTENTS, content_key(context, &secret.name, id).as_ref())?;
    let content = content.ok_or_else(|| missing(format!("VersionId: {id}")))?;
    let version = &secret.versions[id];
    Ok(json!({
        "ARN": secret.arn(context),
        "Name": secret.name,
        "VersionId": id,
        "SecretString": content.string,
        "SecretBinary": content.binary,
        "VersionStages": version.stages,
        "CreatedDate": version.created.as_seconds_f64(),
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetAll {
    secret_id_list: Option<Vec<String>>,
    filters: Option<Vec<Filter>>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// `BatchGetSecretValue`
pub(super) async fn get_all(_: &SecretsManager, context: &Context, input: GetAll) -> Outcome<Value> {
    let snapshot = context.store().read()?;
    let (ids, next) = match (input.secret_id_list, input.filters) {
        (Some(ids), None) => (ids, None),
        (None, Some(filters)) => {
            let found = matching(context, &snapshot, &filters, false)?;
            let names = found.into_iter().map(|secret| secret.name).collect();
            page::of(names, input.max_results.unwrap_or(20), input.next_token.as_deref())
        }
        _ => {
            return Err(invalid_parameter(
                "You must specify either a list of secrets or filters, and not both.",
            )
            .into());
        }
    };
    let (mut values, mut errors) = (Vec::new(), Vec::new());
    for id in ids {
        let wanted = Get { secret_id: id, ..Get::default() };
        let found = load(context, &snapshot, &wanted.secret_id)
            .and_then(|secret| read(context, &snapshot, &secret, &wanted));
        match found {
            Ok(value) => values.push(value),
            Err(Fault::Service(error)) => errors.push(json!({
                "SecretId": wanted.secret_id, "ErrorCode": error.code, "Message": error.message,
            })),
            Err(other) => return Err(other),
        }
    }
    let mut answer = json!({ "SecretValues": values, "Errors": errors });
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Put {
    secret_id: String,
    client_request_token: Option<String>,
    secret_binary: Option<String>,
    secret_string: Option<String>,
    version_stages: Option<Vec<String>>,
}

/// `PutSecretValue`
pub(super) async fn put(_: &SecretsManager, context: &Context, input: Put) -> Outcome<Value> {
    let content = Content::of(input.secret_string, input.secret_binary)?
        .ok_or_else(|| invalid_parameter("You must provide either SecretString or SecretBinary."))?;
    let context_of_write = context.clone();
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Value> {
        let context = &context_of_write;
        let mut secret = load(context, transaction, &input.secret_id)?;
        let token = input.client_request_token.unwrap_or_else(|| context.ids().uuid());
        let mut stages = input.version_stages.unwrap_or_else(|| vec![CURRENT.to_owned()]);
        // A first version is the current one, whatever else it is called.
        if secret.with_stage(CURRENT).is_none() && !stages.iter().any(|stage| stage == CURRENT) {
            stages.push(CURRENT.to_owned());
        }
        secret.add(transaction, context, &token, &content, &stages)?;
        secret.save(transaction, context)?;
        let told = &secret.versions[&token].stages;
        Ok(
            json!({ "ARN": secret.arn(context), "Name": secret.name, "VersionId": token, "VersionStages": told }),
        )
    };
    context.store().write(write).await
}
