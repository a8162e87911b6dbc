//! `s3`: notifications of buckets of the stack, and of existing buckets by a custom resource.

mod existing;
mod new;

use super::super::context::Context;
use super::super::values::truthy;
use aloft_diag::Diagnostic;
use serde_json::Value;

/// Adds buckets, permissions and custom resources.
///
/// # Errors
/// `S3_INVALID_NEW_BUCKET_FORMAT`, `S3_INVALID_BUCKET_PATTERN`, `S3_MULTIPLE_BUCKETS_PER_FUNCTION`.
pub fn compile(context: &mut Context<'_>) -> Result<(), Diagnostic> {
    let (existing, new): (Vec<_>, Vec<_>) =
        context.events_of("s3").into_iter().partition(|event| truthy(event.value.get("existing")));
    new::add(context, &new)?;
    existing::add(context, &existing)
}

/// Each rule as its name and its value.
fn rules(value: &Value) -> Vec<(&String, &Value)> {
    let rules = value.get("rules").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    rules.iter().filter_map(|rule| rule.as_object()?.iter().next()).collect()
}
