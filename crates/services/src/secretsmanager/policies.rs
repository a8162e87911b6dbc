//! Resource policies of secrets: kept and told, not enforced.

use super::SecretsManager;
use super::rows::{Secret, load};
use super::secrets::Named;
use crate::storage::Outcome;
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Put {
    secret_id: String,
    resource_policy: String,
}

/// `PutResourcePolicy`
pub(super) async fn put(_: &SecretsManager, context: &Context, input: Put) -> Outcome<Value> {
    if !serde_json::from_str::<Value>(&input.resource_policy).is_ok_and(|policy| policy.is_object()) {
        let message = "This resource policy contains invalid Json.";
        return Err(ServiceError::new("MalformedPolicyDocumentException", 400, message).into());
    }
    set(context, input.secret_id, Some(input.resource_policy)).await
}

/// `DeleteResourcePolicy`
pub(super) async fn delete(_: &SecretsManager, context: &Context, input: Named) -> Outcome<Value> {
    set(context, input.secret_id, None).await
}

async fn set(context: &Context, id: String, policy: Option<String>) -> Outcome<Value> {
    let context_of_write = context.clone();
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Value> {
        let mut secret = load(&context_of_write, transaction, &id)?;
        secret.policy = policy;
        secret.save(transaction, &context_of_write)?;
        Ok(named(&context_of_write, &secret))
    };
    context.store().write(write).await
}

/// `GetResourcePolicy`
pub(super) async fn get(_: &SecretsManager, context: &Context, input: Named) -> Outcome<Value> {
    let secret = load(context, &context.store().read()?, &input.secret_id)?;
    let mut answer = named(context, &secret);
    answer["ResourcePolicy"] = secret.policy.into();
    Ok(answer)
}

fn named(context: &Context, secret: &Secret) -> Value {
    json!({ "ARN": secret.arn(context), "Name": secret.name })
}
