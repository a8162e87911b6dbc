//! Changing a function's code and settings.

use super::errors::{refuse, wrong_revision};
use super::functions::read;
use super::limits;
use super::name::{FunctionKey, Name};
use super::rows::{Function, Version};
use super::settings::{Changes, NOT_BUILT};
use super::{Lambda, code, versions};
use crate::storage::Fault;
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateCode {
    function_name: String,
    #[serde(default)]
    publish: bool,
    #[serde(default)]
    dry_run: bool,
    revision_id: Option<String>,
    architectures: Option<Value>,
}

/// The function that an update is for: a name with a qualifier is refused but for `$LATEST`.
fn latest_of(context: &Context, text: &str) -> Result<FunctionKey, ServiceError> {
    let name = Name::parse(context, text, None)?;
    match name.qualifier.as_deref() {
        None | Some(super::name::LATEST) => Ok(name.function),
        Some(_) => Err(super::errors::invalid("This operation does not support versions or aliases.")),
    }
}

/// `UpdateFunctionCode`
pub(super) async fn update_code(
    lambda: &Lambda,
    context: &Context,
    params: Value,
) -> Result<Value, ServiceError> {
    refuse(&params, NOT_BUILT)?;
    let input: UpdateCode = read(params.clone())?;
    let function = latest_of(context, &input.function_name)?;
    let snapshot = context.store().read().map_err(Fault::from)?;
    check_revision(&Version::latest(&snapshot, &function)?, input.revision_id.as_deref())?;
    drop(snapshot);
    let running = lambda.running()?;
    let zip = code::fetch(context, &params).await?;
    if input.dry_run {
        let latest = Version::latest(&context.store().read().map_err(Fault::from)?, &function)?;
        let told = Version { code: code::describe(&zip), ..latest };
        return Ok(told.tell_itself(&function));
    }
    let uploaded = code::store(context, &running.code, zip).await?;
    let (key, ids, now, context_) = (function.clone(), context.ids().clone(), context.now(), context.clone());
    let limits = limits::of(context);
    let write = move |transaction: &mut Transaction<'_>| -> Result<Value, Fault> {
        let mut latest = Version::latest(transaction, &key)?;
        check_revision(&latest, input.revision_id.as_deref())?;
        uploaded.claim(transaction)?;
        code::release(transaction, &context_, &latest.code.sha256, now)?;
        let mut settings = latest.settings.clone();
        if let Some(architectures) = input.architectures {
            settings.others.insert("Architectures".to_owned(), architectures);
        }
        if latest.code != uploaded.code || latest.settings != settings {
            latest.generation = ids.uuid();
        }
        latest = Version {
            code: uploaded.code.clone(),
            settings,
            revision_id: ids.uuid(),
            modified: now,
            ..latest
        };
        latest.check_size(transaction, &limits)?;
        latest.save(transaction, &key)?;
        if input.publish {
            return Ok(versions::publish_latest(transaction, &key, None, &ids, now)?.tell_itself(&key));
        }
        Ok(latest.tell_itself(&key))
    };
    let told = context.store().write(write).await?;
    running.replaced(&function);
    Ok(told)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Update {
    function_name: String,
    revision_id: Option<String>,
    #[serde(flatten)]
    changes: Changes,
}

/// `UpdateFunctionConfiguration`
pub(super) async fn update(lambda: &Lambda, context: &Context, params: Value) -> Result<Value, ServiceError> {
    refuse(&params, NOT_BUILT)?;
    let input: Update = read(params)?;
    let function = latest_of(context, &input.function_name)?;
    let (key, ids, now, context_) = (function.clone(), context.ids().clone(), context.now(), context.clone());
    let limits = limits::of(context);
    let write = move |transaction: &mut Transaction<'_>| -> Result<Value, Fault> {
        Function::find(transaction, &key)?;
        let mut latest = Version::latest(transaction, &key)?;
        check_revision(&latest, input.revision_id.as_deref())?;
        let settings = input.changes.apply(transaction, Some(&latest.settings), &limits)?;
        for layer in &settings.layers {
            code::share(transaction, &layer.sha256)?;
        }
        for layer in &latest.settings.layers {
            code::release(transaction, &context_, &layer.sha256, now)?;
        }
        if latest.settings != settings {
            latest.generation = ids.uuid();
        }
        latest = Version { settings, revision_id: ids.uuid(), modified: now, ..latest };
        latest.check_size(transaction, &limits)?;
        latest.save(transaction, &key)?;
        Ok(latest.tell_itself(&key))
    };
    let told = context.store().write(write).await?;
    lambda.running()?.replaced(&function);
    Ok(json!(told))
}

pub(super) fn check_revision(latest: &Version, asked: Option<&str>) -> Result<(), ServiceError> {
    match asked {
        Some(asked) if asked != latest.revision_id => Err(wrong_revision()),
        _ => Ok(()),
    }
}
