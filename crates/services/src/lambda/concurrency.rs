//! Reserved concurrency.

use super::Lambda;
use super::errors::invalid;
use super::functions::{Named, scope};
use super::name::Name;
use super::rows::{FUNCTIONS, Function};
use crate::storage::{Fault, Rows, decode};
use aloft_engine::{Context, ServiceError};
use aloft_store::{StoreError, Transaction};
use serde::Deserialize;
use serde_json::{Value, json};

/// How many invocations of an account may run at once in a region.
pub(super) const ACCOUNT_LIMIT: u32 = 1000;
/// What must be left of it for the functions that reserve nothing.
const LEAST_UNRESERVED: u32 = 100;

/// What all functions of an account and region reserve together.
pub(super) fn reserved_in_all(rows: &impl Rows, context: &Context) -> Result<u32, StoreError> {
    let rows = rows.rows(FUNCTIONS, scope(context).as_ref(), usize::MAX)?;
    rows.iter().map(|(_, row)| Ok(decode::<Function>(FUNCTIONS, row)?.reserved.unwrap_or(0))).sum()
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
    let write = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let mut row = Function::find(transaction, &key)?;
        let others = reserved_in_all(transaction, &context_)? - row.reserved.unwrap_or(0);
        if others + reserved.unwrap_or(0) > ACCOUNT_LIMIT - LEAST_UNRESERVED {
            return Err(invalid(format!(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{LEAST_UNRESERVED}]."
            ))
            .into());
        }
        row.reserved = reserved;
        Ok(row.save(transaction, &key)?)
    };
    context.store().write(write).await?;
    lambda.running()?.changed(&function);
    Ok(())
}

/// `GetFunctionConcurrency`
pub(super) async fn get(_: &Lambda, context: &Context, input: Named) -> Result<Value, Fault> {
    let function = Function::find(&context.store().read()?, &input.name(context)?.function)?;
    Ok(match function.reserved {
        Some(reserved) => json!({ "ReservedConcurrentExecutions": reserved }),
        None => json!({}),
    })
}
