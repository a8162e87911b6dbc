//! Deleting secrets: at once, or after a time in which they can be restored.

use super::SecretsManager;
use super::rows::{CONTENTS, SECRETS, Secret, invalid_parameter, load_any, not_found, secret_key};
use super::secrets::Named;
use crate::storage::{Fault, Outcome, Rows};
use aloft_engine::Context;
use aloft_engine::timers::{self, Timer};
use aloft_store::{StoreError, Transaction};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Days until a secret is gone, unless the caller says otherwise.
const WINDOW: u64 = 30;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Delete {
    secret_id: String,
    recovery_window_in_days: Option<u64>,
    #[serde(default)]
    force_delete_without_recovery: bool,
}

/// `DeleteSecret`
pub(super) async fn delete(_: &SecretsManager, context: &Context, input: Delete) -> Outcome<Value> {
    let is_at_once = input.force_delete_without_recovery;
    if is_at_once && input.recovery_window_in_days.is_some() {
        return Err(invalid_parameter(
            "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
        )
        .into());
    }
    let days = input.recovery_window_in_days.unwrap_or(WINDOW);
    if !(7..=30).contains(&days) {
        return Err(invalid_parameter(
            "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).",
        )
        .into());
    }
    let context_of_write = context.clone();
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Value> {
        let context = &context_of_write;
        let mut secret = match load_any(context, transaction, &input.secret_id) {
            // What nobody has can be deleted at once.
            Err(Fault::Service(_)) if is_at_once => {
                let answer = json!({ "Name": input.secret_id, "ARN": input.secret_id, "DeletionDate": context.now().as_seconds_f64() });
                return Ok(answer);
            }
            found => found?,
        };
        let wait = Duration::from_secs(if is_at_once { 0 } else { days * 86_400 });
        let date = context.now().add(wait);
        let answer =
            json!({ "ARN": secret.arn(context), "Name": secret.name, "DeletionDate": date.as_seconds_f64() });
        if is_at_once {
            forget(transaction, context, &secret.name)?;
            timers::cancel(transaction, "secretsmanager", &timer_name(context, &secret.name))?;
            return Ok(answer);
        }
        secret.deletion = Some(date);
        secret.save(transaction, context)?;
        let timer = Timer {
            service: "secretsmanager".to_owned(),
            name: timer_name(context, &secret.name),
            due: date,
            account: context.account.clone(),
            region: context.region.clone(),
            payload: Value::String(secret.name),
        };
        timers::set(transaction, &timer)?;
        Ok(answer)
    };
    context.store().write(write).await
}

/// `RestoreSecret`
pub(super) async fn restore(_: &SecretsManager, context: &Context, input: Named) -> Outcome<Value> {
    let context_of_write = context.clone();
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Value> {
        let context = &context_of_write;
        let mut secret = load_any(context, transaction, &input.secret_id)?;
        secret.deletion = None;
        secret.save(transaction, context)?;
        timers::cancel(transaction, "secretsmanager", &timer_name(context, &secret.name))?;
        Ok(json!({ "ARN": secret.arn(context), "Name": secret.name }))
    };
    context.store().write(write).await
}

/// Deletes what nobody restored in time.
pub(super) async fn expire(context: &Context, timer: &Timer) -> Outcome<()> {
    let name = timer.payload.as_str().ok_or_else(not_found)?.to_owned();
    let context_of_write = context.clone();
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let context = &context_of_write;
        let found: Option<Secret> = transaction.row(SECRETS, secret_key(context, &name).as_ref())?;
        if found.and_then(|secret| secret.deletion).is_some_and(|date| date <= context.now()) {
            forget(transaction, context, &name)?;
        }
        Ok(())
    };
    context.store().write(write).await
}

fn forget(transaction: &mut Transaction<'_>, context: &Context, name: &str) -> Result<(), StoreError> {
    transaction.delete(SECRETS, secret_key(context, name));
    transaction.delete_prefix(CONTENTS, secret_key(context, name))?;
    Ok(())
}

fn timer_name(context: &Context, name: &str) -> String {
    format!("deletion/{}/{}/{name}", context.account, context.region)
}
