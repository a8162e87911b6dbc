//! Published versions.

use super::Lambda;
use super::configuration::check_revision;
use super::errors::{invalid, refuse};
use super::functions::{read, with_marker};
use super::name::{FunctionKey, Name};
use super::rows::{Function, Version};
use super::{code, errors};
use crate::page;
use crate::storage::Fault;
use aloft_base::{Ids, Timestamp};
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Publish {
    function_name: String,
    #[serde(rename = "CodeSha256")]
    code_sha256: Option<String>,
    description: Option<String>,
    revision_id: Option<String>,
}

/// `PublishVersion`
pub(super) async fn publish(
    lambda: &Lambda,
    context: &Context,
    params: Value,
) -> Result<Value, ServiceError> {
    refuse(&params, &["PublishTo"])?;
    let input: Publish = read(params)?;
    let function = Name::parse(context, &input.function_name, None)?.function;
    let (key, ids, now) = (function.clone(), context.ids().clone(), context.now());
    let write = move |transaction: &mut Transaction<'_>| -> Result<Value, Fault> {
        let latest = Version::latest(transaction, &key)?;
        check_revision(&latest, input.revision_id.as_deref())?;
        let digest = latest.code.base64();
        if let Some(asked) = input.code_sha256.filter(|asked| !asked.is_empty() && *asked != digest) {
            return Err(invalid(format!(
                "CodeSHA256 ({asked}) is different from current CodeSHA256 in $LATEST ({digest}). Please try again with the CodeSHA256 in $LATEST."
            ))
            .into());
        }
        let published = publish_latest(transaction, &key, input.description, &ids, now)?;
        Ok(published.tell_itself(&key))
    };
    let told = context.store().write(write).await?;
    lambda.running()?.changed(&function);
    Ok(told)
}

/// Makes a version of `$LATEST`, unless the last one is the same.
pub(super) fn publish_latest(
    transaction: &mut Transaction<'_>,
    key: &FunctionKey,
    description: Option<String>,
    ids: &Ids,
    now: Timestamp,
) -> Result<Version, Fault> {
    let mut function = Function::find(transaction, key)?;
    let latest = Version::latest(transaction, key)?;
    let last = Version::find(transaction, key, function.last_version.max(1))?;
    if let Some(last) = last.filter(|last| last.generation == latest.generation) {
        return Ok(last);
    }
    function.last_version += 1;
    function.save(transaction, key)?;
    let mut published =
        Version { number: function.last_version, revision_id: ids.uuid(), modified: now, ..latest };
    if let Some(description) = description.filter(|text| !text.is_empty()) {
        published.settings.description = description;
    }
    code::share(transaction, &published.code.sha256)?;
    for layer in &published.settings.layers {
        code::share(transaction, &layer.sha256)?;
    }
    published.save(transaction, key)?;
    Ok(published)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    function_name: String,
    marker: Option<String>,
    max_items: Option<usize>,
}

/// `ListVersionsByFunction`
pub(super) async fn list(_: &Lambda, context: &Context, input: List) -> Result<Value, Fault> {
    let function = Name::parse(context, &input.function_name, None)?.function;
    let all = Version::all(&context.store().read()?, &function)?;
    if all.is_empty() {
        return Err(errors::no_function(&function.arn()).into());
    }
    let told = all.iter().map(|it| it.tell(&function, Some(&it.label()))).collect();
    let (page, next): (Vec<Value>, _) =
        page::of(told, input.max_items.unwrap_or(50).min(50), input.marker.as_deref());
    Ok(with_marker(json!({ "Versions": page }), next))
}
