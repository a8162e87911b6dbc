//! Creating, describing, listing and deleting functions.

use super::errors::{self, conflict, invalid, refuse};
use super::name::{FunctionKey, LATEST, Name};
use super::provisioned::PROVISIONED;
use super::rows::{ALIASES, Alias, EVENT_INVOKE, FUNCTIONS, Function, POLICIES, VERSIONS, Version};
use super::settings::{Changes, NOT_BUILT};
use super::{Lambda, code, concurrency, credentials, limits, provisioned, urls, versions};
use crate::page;
use crate::storage::{Fault, decode};
use aloft_engine::{Context, ServiceError};
use aloft_store::{Transaction, key};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Create {
    function_name: String,
    code: Value,
    #[serde(default)]
    publish: bool,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    package_type: Option<String>,
    #[serde(flatten)]
    changes: Changes,
}

/// `CreateFunction`
pub(super) async fn create(lambda: &Lambda, context: &Context, params: Value) -> Result<Value, ServiceError> {
    refuse(&params, NOT_BUILT)?;
    let input: Create = read(params)?;
    if input.package_type.as_deref() == Some("Image") {
        return Err(invalid("The local cloud runs zip packages only, no container images."));
    }
    let name = Name::parse(context, &input.function_name, None)?;
    if name.qualifier.is_some() {
        return Err(invalid("The function name of a new function cannot have a qualifier."));
    }
    let function = name.function;
    let exists = || conflict(format!("Function already exist: {}", function.name));
    let limits = limits::of(context);
    let snapshot = context.store().read().map_err(Fault::from)?;
    if Function::find(&snapshot, &function).is_ok() {
        return Err(exists());
    }
    // Told before the code is fetched, if it is the mistake.
    let settings = input.changes.apply(&snapshot, None, &limits)?;
    drop(snapshot);
    credentials::check_role(context, &settings.role, &function.name).await?;
    let running = lambda.running()?;
    let uploaded = code::store(context, &running.code, code::fetch(context, &input.code).await?).await?;
    let (now, ids, exists) = (context.now(), context.ids().clone(), exists());
    let (key, code) = (function.clone(), uploaded.code.clone());
    let write = move |transaction: &mut Transaction<'_>| -> Result<Value, Fault> {
        if transaction.get(FUNCTIONS, key.key())?.is_some() {
            uploaded.discard(transaction);
            return Ok(json!(null));
        }
        let settings = input.changes.apply(transaction, None, &limits)?;
        uploaded.claim(transaction)?;
        for layer in &settings.layers {
            code::share(transaction, &layer.sha256)?;
        }
        let latest = Version {
            number: 0,
            settings,
            code,
            revision_id: ids.uuid(),
            generation: ids.uuid(),
            modified: now,
        };
        latest.check_size(transaction, &limits)?;
        latest.save(transaction, &key)?;
        Function { tags: input.tags, reserved: None, last_version: 0, may_recur: false }
            .save(transaction, &key)?;
        if input.publish {
            let published = versions::publish_latest(transaction, &key, None, &ids, now)?;
            return Ok(published.tell_itself(&key));
        }
        Ok(latest.tell_itself(&key))
    };
    let told = context.store().write(write).await?;
    running.changed(&function);
    if told.is_null() { Err(exists) } else { Ok(told) }
}

/// Reads an input whose members were checked against the model.
pub(super) fn read<T: serde::de::DeserializeOwned>(params: Value) -> Result<T, ServiceError> {
    serde_json::from_value(params).map_err(|error| {
        ServiceError::new("SerializationException", 400, format!("unexpected input: {error}"))
    })
}

/// A function, and perhaps which version or alias of it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    pub function_name: String,
    pub qualifier: Option<String>,
}

impl Named {
    pub fn name(&self, context: &Context) -> Result<Name, ServiceError> {
        Name::parse(context, &self.function_name, self.qualifier.as_deref())
    }
}

/// `GetFunction`
pub(super) async fn get(_: &Lambda, context: &Context, input: Named) -> Result<Value, Fault> {
    let name = input.name(context)?;
    let snapshot = context.store().read()?;
    let version = Version::named(&snapshot, &name)?;
    let function = Function::find(&snapshot, &name.function)?;
    let location = format!("{}/_aws/lambda-code/{}", context.engine.endpoint(), version.code.sha256);
    let mut answer = json!({
        "Configuration": version.tell(&name.function, name.qualifier.as_deref()),
        "Code": { "RepositoryType": "S3", "Location": location },
    });
    if !function.tags.is_empty() && name.qualifier.is_none() {
        answer["Tags"] = json!(function.tags);
    }
    if let Some(reserved) = function.reserved {
        answer["Concurrency"] = json!({ "ReservedConcurrentExecutions": reserved });
    }
    Ok(answer)
}

/// `GetFunctionConfiguration`
pub(super) async fn get_configuration(_: &Lambda, context: &Context, input: Named) -> Result<Value, Fault> {
    let name = input.name(context)?;
    let version = Version::named(&context.store().read()?, &name)?;
    Ok(version.tell(&name.function, name.qualifier.as_deref()))
}

/// `GetFunctionCodeSigningConfig`: no function here has one.
pub(super) async fn get_code_signing(_: &Lambda, context: &Context, input: Named) -> Result<Value, Fault> {
    let name = input.name(context)?;
    Function::find(&context.store().read()?, &name.function)?;
    Ok(json!({ "FunctionName": name.function.name }))
}

/// `GetRuntimeManagementConfig`
pub(super) async fn get_runtime_management(
    _: &Lambda,
    context: &Context,
    input: Named,
) -> Result<Value, Fault> {
    let name = input.name(context)?;
    Version::named(&context.store().read()?, &name)?;
    Ok(json!({ "UpdateRuntimeOn": "Auto", "FunctionArn": name.arn() }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    function_version: Option<String>,
    marker: Option<String>,
    max_items: Option<usize>,
}

/// `ListFunctions`
pub(super) async fn list(_: &Lambda, context: &Context, input: List) -> Result<Value, Fault> {
    let snapshot = context.store().read()?;
    let mut told = Vec::new();
    for (row, _) in snapshot.scan(FUNCTIONS, scope(context), usize::MAX)? {
        let Some(function) = FunctionKey::of_key(&row) else { continue };
        if input.function_version.as_deref() == Some("ALL") {
            let all = Version::all(&snapshot, &function)?;
            told.extend(all.iter().map(|it| it.tell(&function, Some(&it.label()))));
        } else {
            told.push(Version::latest(&snapshot, &function)?.tell_itself(&function));
        }
    }
    let (page, next) = page::of(told, input.max_items.unwrap_or(50).min(50), input.marker.as_deref());
    Ok(with_marker(json!({ "Functions": page }), next))
}

pub(super) fn with_marker(mut answer: Value, next: Option<String>) -> Value {
    if let Some(next) = next {
        answer["NextMarker"] = next.into();
    }
    answer
}

/// The beginning of the keys of an account and region.
pub(super) fn scope(context: &Context) -> aloft_store::Key {
    key([context.account.as_str(), context.region.as_str()])
}

/// `DeleteFunction`: the function, or one version of it. Event source mappings stay, as on AWS.
pub(super) async fn delete(lambda: &Lambda, context: &Context, input: Named) -> Result<(), ServiceError> {
    let name = input.name(context)?;
    let (context_, named, now) = (context.clone(), name.clone(), context.now());
    let write = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let function = &named.function;
        Function::find(transaction, function)?;
        let gone = match named.qualifier.as_deref() {
            None => Version::all(transaction, function)?,
            Some(LATEST) => {
                let message = "$LATEST version cannot be deleted without deleting the function.";
                return Err(invalid(message).into());
            }
            Some(text) => {
                transaction.delete(PROVISIONED, function.key().text(text));
                vec![one_version(transaction, function, text)?]
            }
        };
        for version in &gone {
            transaction.delete(VERSIONS, Version::key(function, version.number));
            code::release(transaction, &context_, &version.code.sha256, now)?;
            for layer in &version.settings.layers {
                code::release(transaction, &context_, &layer.sha256, now)?;
            }
        }
        if named.qualifier.is_none() {
            transaction.delete(FUNCTIONS, function.key());
            for keyspace in [ALIASES, EVENT_INVOKE, POLICIES, PROVISIONED] {
                transaction.delete_prefix(keyspace, function.key())?;
            }
            urls::forget(transaction, function)?;
        }
        Ok(())
    };
    context.store().write(write).await?;
    let running = lambda.running()?;
    concurrency::changed(lambda, context, &name.function)?;
    provisioned::settle(running, context, &name.function).await?;
    running.workers.retire(&name.function.account, &name.function.region, &name.function.name);
    Ok(())
}

/// The version to delete, which no alias may point to.
fn one_version(transaction: &Transaction<'_>, function: &FunctionKey, text: &str) -> Result<Version, Fault> {
    let number: u64 = text.parse().map_err(|_| {
        invalid(format!("Deletion of aliases is not currently supported. Use DeleteAlias to delete {text}."))
    })?;
    for (_, row) in transaction.scan(ALIASES, function.key(), usize::MAX)? {
        let alias: Alias = decode(ALIASES, &row)?;
        if alias.version == number || alias.weights.contains_key(text) {
            return Err(conflict(format!(
                "Version deletion failed because the version {number} is referenced by an alias."
            ))
            .into());
        }
    }
    let found = Version::find(transaction, function, number)?;
    Ok(found.ok_or_else(|| errors::no_function(&function.qualified_arn(Some(text))))?)
}

/// `GetAccountSettings`
pub(super) async fn account_settings(_: &Lambda, context: &Context, _: Value) -> Result<Value, Fault> {
    let snapshot = context.store().read()?;
    let functions = snapshot.scan(FUNCTIONS, scope(context), usize::MAX)?.len();
    let (taken, limits) = (concurrency::taken_in_all(&snapshot, context)?, limits::of(context));
    Ok(json!({
        "AccountLimit": {
            "TotalCodeSize": limits::CODE_STORAGE,
            "CodeSizeUnzipped": limits.unzipped_package.0,
            "CodeSizeZipped": limits.zipped_package.0,
            "ConcurrentExecutions": limits.concurrent_executions,
            "UnreservedConcurrentExecutions": limits.concurrent_executions.saturating_sub(taken),
        },
        "AccountUsage": { "TotalCodeSize": code::total(&snapshot)?, "FunctionCount": functions },
    }))
}
