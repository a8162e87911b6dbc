//! Loops of functions: how often each has been invoked in one chain of requests, which the trace header carries along.
//!
//! `Lineage=<function>:<count>|<function>:<count>` stands behind the trace's own parts. SDKs send the header with their
//! calls, queues and topics pass it on with messages. Keeps true: a chain that goes through a bus, a table or a stream
//! begins anew there, as on AWS.

use super::Lambda;
use super::errors::user;
use super::functions::Named;
use super::name::FunctionKey;
use super::rows::Function;
use crate::storage::Fault;
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// How many functions of a chain are remembered.
const REMEMBERED: usize = 32;

/// Names a function in the header: eight hexadecimal digits.
pub(super) fn mark(function: &FunctionKey) -> String {
    Sha256::digest(function.arn()).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// The marks and counts in a header.
fn lineage(trace: &str) -> impl Iterator<Item = (&str, u32)> {
    let part = trace.split(';').find_map(|part| part.trim().strip_prefix("Lineage="));
    let pairs = part.unwrap_or_default().split('|');
    pairs
        .filter_map(|pair| pair.split_once(':'))
        .filter_map(|(mark, count)| Some((mark, count.parse().ok()?)))
}

/// How often the function of this mark has been invoked in the chain.
pub(super) fn count(trace: &str, mark: &str) -> u32 {
    lineage(trace).filter(|(other, _)| *other == mark).map(|(_, count)| count).max().unwrap_or(0)
}

/// Whether one more invocation would be one too many.
pub(super) fn is_loop(trace: &str, mark: &str, limit: u32) -> bool {
    count(trace, mark) >= limit
}

/// The trace without the chain.
pub(super) fn without(trace: &str) -> String {
    let parts = trace.split(';').filter(|part| !part.trim().starts_with("Lineage="));
    parts.collect::<Vec<_>>().join(";")
}

/// The trace with one more invocation of the function.
pub(super) fn counted(trace: &str, mark: &str) -> String {
    let others = lineage(trace).filter(|(other, _)| *other != mark).take(REMEMBERED - 1);
    let mut marks = vec![format!("{mark}:{}", count(trace, mark) + 1)];
    marks.extend(others.map(|(mark, count)| format!("{mark}:{count}")));
    format!("{};Lineage={}", without(trace), marks.join("|"))
}

/// What a caller in a loop is told.
pub(super) fn refused() -> ServiceError {
    user(
        "RecursiveInvocationException",
        400,
        "Lambda has detected your function being invoked in a recursive loop with other AWS resources and stopped your function's invocation.",
    )
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Put {
    recursive_loop: String,
    #[serde(flatten)]
    named: Named,
}

/// `PutFunctionRecursionConfig`
pub(super) async fn put(lambda: &Lambda, context: &Context, input: Put) -> Result<Value, ServiceError> {
    let function = input.named.name(context)?.function;
    let (key, allowed) = (function.clone(), input.recursive_loop == "Allow");
    let write = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let mut row = Function::find(transaction, &key)?;
        row.may_recur = allowed;
        Ok(row.save(transaction, &key)?)
    };
    context.store().write(write).await?;
    lambda.running()?.changed(&function);
    Ok(json!({ "RecursiveLoop": input.recursive_loop }))
}

/// `GetFunctionRecursionConfig`
pub(super) async fn get(_: &Lambda, context: &Context, input: Named) -> Result<Value, Fault> {
    let function = Function::find(&context.store().read()?, &input.name(context)?.function)?;
    Ok(json!({ "RecursiveLoop": if function.may_recur { "Allow" } else { "Terminate" } }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_counts_each_function() {
        let mut trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0".to_owned();
        for _ in 0..16 {
            assert!(!is_loop(&trace, "0a0b0c0d", 16));
            trace = counted(&counted(&trace, "0a0b0c0d"), "11111111");
        }
        assert_eq!(
            trace,
            "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0;Lineage=11111111:16|0a0b0c0d:16"
        );
        assert!(is_loop(&trace, "0a0b0c0d", 16) && !is_loop(&trace, "22222222", 16));
        assert_eq!(without(&trace), "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0");
    }
}
