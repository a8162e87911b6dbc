//! Provisioned concurrency: invocations that a version has room for whatever others do.
//!
//! What is asked for is allocated at once, out of what the function reserves or the account has left; so many environments
//! are started ahead of requests, as the machine has room, and kept.

use super::Lambda;
use super::concurrency::{self, taken_in_all};
use super::errors::{invalid, user};
use super::functions::{Named, with_marker};
use super::gates::Numbers;
use super::limits;
use super::name::{FunctionKey, LATEST, Name};
use super::rows::{Alias, Function, Version};
use super::running::Running;
use crate::page;
use crate::storage::{Fault, Rows, decode};
use aloft_base::Timestamp;
use aloft_engine::{Context, Engine, ServiceError};
use aloft_store::{Key, Keyspace, StoreError, Transaction};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// Settings by function and qualifier.
pub(super) const PROVISIONED: Keyspace = "lambda.provisioned";

/// What a version or an alias has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Provisioned {
    count: u32,
    modified: Timestamp,
}

impl Provisioned {
    fn tell(&self) -> Value {
        json!({
            "RequestedProvisionedConcurrentExecutions": self.count,
            "AvailableProvisionedConcurrentExecutions": self.count,
            "AllocatedProvisionedConcurrentExecutions": self.count,
            "Status": "READY",
            "LastModified": self.modified.format("%Y-%m-%dT%H:%M:%S+0000"),
        })
    }
}

fn key(name: &Name) -> Key {
    name.function.key().text(name.qualifier())
}

fn all(rows: &impl Rows, function: &FunctionKey) -> Result<Vec<(String, Provisioned)>, StoreError> {
    let rows = rows.rows(PROVISIONED, function.key().as_ref(), usize::MAX)?;
    let read = |(key, row): &(Vec<u8>, Vec<u8>)| {
        Ok((Key::texts(key).pop().unwrap_or_default(), decode(PROVISIONED, row)?))
    };
    rows.iter().map(read).collect()
}

/// How much a function has provisioned.
pub(super) fn sum(rows: &impl Rows, function: &FunctionKey) -> Result<u32, StoreError> {
    Ok(all(rows, function)?.iter().map(|(_, it)| it.count).sum())
}

/// The numbers of a function's gate: an alias means the version that it points to.
pub(super) fn numbers(
    rows: &impl Rows,
    key: &FunctionKey,
    function: &Function,
) -> Result<Numbers, StoreError> {
    let mut numbers = Numbers { reserved: function.reserved, ..Numbers::default() };
    for (qualifier, it) in all(rows, key)? {
        let version = match Alias::find(rows, key, &qualifier)? {
            Some(alias) => alias.version.to_string(),
            None => qualifier,
        };
        *numbers.provisioned.entry(version).or_default() += it.count;
    }
    Ok(numbers)
}

/// Has the workers keep the environments that a function has provisioned.
pub(super) async fn settle(
    running: &Arc<Running>,
    context: &Context,
    function: &FunctionKey,
) -> Result<(), ServiceError> {
    let snapshot = context.store().read().map_err(Fault::from)?;
    let numbers = match Function::find(&snapshot, function) {
        Ok(found) => numbers(&snapshot, function, &found).map_err(Fault::from)?,
        Err(_) => Numbers::default(),
    };
    drop(snapshot);
    let mut kept = Vec::new();
    for (version, count) in numbers.provisioned {
        let name = Name { function: function.clone(), qualifier: Some(version) };
        let target = running.targets.find(running, context, &name).await?;
        running.credentials.ensure(context, &target.spec).await?;
        kept.push((target.spec.clone(), count as usize));
    }
    running.workers.keep(&function.account, &function.region, &function.name, kept);
    Ok(())
}

/// Does so for all functions, after a start.
pub(super) async fn settle_all(running: &Arc<Running>, engine: &Engine) -> Result<(), ServiceError> {
    let rows =
        engine.store().read().and_then(|it| it.scan(PROVISIONED, [], usize::MAX)).map_err(Fault::from)?;
    let mut functions: Vec<FunctionKey> =
        rows.iter().filter_map(|(key, _)| FunctionKey::of_key(key)).collect();
    functions.dedup();
    for function in functions {
        let (account, region) = (function.account.clone(), function.region.clone());
        let context = Context::service(engine, "lambda", account, region);
        if let Err(error) = settle(running, &context, &function).await {
            tracing::warn!(%error, function = function.arn(), "what is provisioned cannot be started");
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Put {
    provisioned_concurrent_executions: u32,
    #[serde(flatten)]
    named: Named,
}

/// `PutProvisionedConcurrencyConfig`
pub(super) async fn put(lambda: &Lambda, context: &Context, input: Put) -> Result<Value, ServiceError> {
    let name = input.named.name(context)?;
    if name.qualifier() == LATEST {
        let message = "Provisioned Concurrency Configs cannot be applied to unpublished function versions.";
        return Err(invalid(message));
    }
    let (named, now, asked) = (name.clone(), context.now(), input.provisioned_concurrent_executions);
    let (context_, limits) = (context.clone(), limits::of(context));
    let write = move |transaction: &mut Transaction<'_>| -> Result<Value, Fault> {
        Version::named(transaction, &named)?;
        let function = Function::find(transaction, &named.function)?;
        if Alias::find(transaction, &named.function, named.qualifier())?
            .is_some_and(|alias| !alias.weights.is_empty())
        {
            return Err(invalid("Alias with weights can not be used with Provisioned Concurrency").into());
        }
        let before: Option<Provisioned> = transaction.get_json(PROVISIONED, key(&named))?;
        let before = before.map_or(0, |it| it.count);
        match function.reserved {
            Some(reserved) if sum(transaction, &named.function)? - before + asked > reserved => {
                return Err(invalid(format!(
                    "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function {}",
                    named.function.name
                ))
                .into());
            }
            None if taken_in_all(transaction, &context_)? - before + asked
                > concurrency::most_taken(&limits) =>
            {
                return Err(concurrency::too_much("ConcurrentExecutions", &limits).into());
            }
            _ => {}
        }
        let row = Provisioned { count: asked, modified: now };
        transaction.put_json(PROVISIONED, key(&named), &row)?;
        Ok(row.tell())
    };
    let told = context.store().write(write).await?;
    concurrency::changed(lambda, context, &name.function)?;
    settle(lambda.running()?, context, &name.function).await?;
    Ok(told)
}

fn missing() -> ServiceError {
    user(
        "ProvisionedConcurrencyConfigNotFoundException",
        404,
        "No Provisioned Concurrency Config found for this function",
    )
}

/// `GetProvisionedConcurrencyConfig`
pub(super) async fn get(_: &Lambda, context: &Context, input: Named) -> Result<Value, Fault> {
    let name = input.name(context)?;
    let snapshot = context.store().read()?;
    Version::named(&snapshot, &name)?;
    let found: Option<Provisioned> = snapshot.get_json(PROVISIONED, key(&name))?;
    Ok(found.ok_or_else(missing)?.tell())
}

/// `DeleteProvisionedConcurrencyConfig`: one that is not there is no error.
pub(super) async fn delete(lambda: &Lambda, context: &Context, input: Named) -> Result<(), ServiceError> {
    let name = input.name(context)?;
    let named = name.clone();
    let write = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        Version::named(transaction, &named)?;
        transaction.delete(PROVISIONED, key(&named));
        Ok(())
    };
    context.store().write(write).await?;
    concurrency::changed(lambda, context, &name.function)?;
    settle(lambda.running()?, context, &name.function).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    function_name: String,
    marker: Option<String>,
    max_items: Option<usize>,
}

/// `ListProvisionedConcurrencyConfigs`
pub(super) async fn list(_: &Lambda, context: &Context, input: List) -> Result<Value, Fault> {
    let function = Name::parse(context, &input.function_name, None)?.function;
    let snapshot = context.store().read()?;
    Function::find(&snapshot, &function)?;
    let tell = |(qualifier, it): (String, Provisioned)| {
        let mut told = it.tell();
        told["FunctionArn"] = function.qualified_arn(Some(&qualifier)).into();
        told
    };
    let told = all(&snapshot, &function)?.into_iter().map(tell).collect();
    let (page, next): (Vec<Value>, _) =
        page::of(told, input.max_items.unwrap_or(50).min(50), input.marker.as_deref());
    Ok(with_marker(json!({ "ProvisionedConcurrencyConfigs": page }), next))
}
