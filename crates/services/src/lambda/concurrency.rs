//! Reserved concurrency.

use super::errors::invalid;
use super::functions::{Named, scope};
use super::limits::{self, least_unreserved};
use super::name::{FunctionKey, Name};
use super::rows::{FUNCTIONS, Function};
use super::{Lambda, provisioned};
use crate::storage::{Fault, Rows, decode};
use aloft_engine::{Context, FunctionLimits, ServiceError};
use aloft_store::{StoreError, Transaction};
use serde::Deserialize;
use serde_json::{Value, json};

/// What all functions of an account and region take for themselves: what they reserve, or else have provisioned.
pub(super) fn taken_in_all(rows: &impl Rows, context: &Context) -> Result<u32, StoreError> {
    let mut taken = 0;
    for (key, row) in rows.rows(FUNCTIONS, scope(context).as_ref(), usize::MAX)? {
        let reserved = decode::<Function>(FUNCTIONS, &row)?.reserved;
        taken += match (reserved, FunctionKey::of_key(&key)) {
            (Some(reserved), _) => reserved,
            (None, Some(function)) => provisioned::sum(rows, &function)?,
            (None, None) => 0,
        };
    }
    Ok(taken)
}

/// Has the gates heed what has been set of a function.
pub(super) fn changed(
    lambda: &Lambda,
    context: &Context,
    function: &FunctionKey,
) -> Result<(), ServiceError> {
    let running = lambda.running()?;
    let taken = taken_in_all(&context.store().read().map_err(Fault::from)?, context).map_err(Fault::from)?;
    running.gates.set_taken(&context.account, &context.region, taken);
    running.changed(function);
    Ok(())
}

/// The most that functions may take for themselves.
pub(super) fn most_taken(limits: &FunctionLimits) -> u32 {
    limits.concurrent_executions - least_unreserved(limits)
}

/// What is told when too little would be left for all others.
pub(super) fn too_much(name: &str, limits: &FunctionLimits) -> ServiceError {
    let least = least_unreserved(limits);
    invalid(format!(
        "Specified {name} for function decreases account's UnreservedConcurrentExecution below its minimum value of [{least}]."
    ))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Put {
    function_name: String,
    reserved_concurrent_executions: u32,
}

/// `PutFunctionConcurrency`
pub(super) async fn put(lambda: &Lambda, context: &Context, input: Put) -> Result<Value, ServiceError> {
    let reserved = input.reserved_concurrent_executions;
    set(lambda, context, &input.function_name, Some(reserved)).await?;
    Ok(json!({ "ReservedConcurrentExecutions": reserved }))
}

/// `DeleteFunctionConcurrency`
pub(super) async fn delete(lambda: &Lambda, context: &Context, input: Named) -> Result<(), ServiceError> {
    set(lambda, context, &input.function_name, None).await
}

async fn set(
    lambda: &Lambda,
    context: &Context,
    text: &str,
    reserved: Option<u32>,
) -> Result<(), ServiceError> {
    let function = Name::parse(context, text, None)?.function;
    let (key, context_) = (function.clone(), context.clone());
    let limits = limits::of(context);
    let write = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let mut row = Function::find(transaction, &key)?;
        let provisioned = provisioned::sum(transaction, &key)?;
        let own = row.reserved.unwrap_or(provisioned);
        let others = taken_in_all(transaction, &context_)? - own;
        if others + reserved.unwrap_or(provisioned) > most_taken(&limits) {
            return Err(too_much("ReservedConcurrentExecutions", &limits).into());
        }
        if reserved.is_some_and(|reserved| reserved < provisioned) {
            let message = "ReservedConcurrentExecutions can not be less than the provisioned concurrency of the function.";
            return Err(invalid(message).into());
        }
        row.reserved = reserved;
        Ok(row.save(transaction, &key)?)
    };
    context.store().write(write).await?;
    changed(lambda, context, &function)
}

/// `GetFunctionConcurrency`
pub(super) async fn get(_: &Lambda, context: &Context, input: Named) -> Result<Value, Fault> {
    let function = Function::find(&context.store().read()?, &input.name(context)?.function)?;
    Ok(match function.reserved {
        Some(reserved) => json!({ "ReservedConcurrentExecutions": reserved }),
        None => json!({}),
    })
}
