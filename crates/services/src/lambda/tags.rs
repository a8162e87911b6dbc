//! Tags of functions. Layers and mappings have none here.

use super::Lambda;
use super::errors::invalid;
use super::name::{FunctionKey, Name};
use super::rows::Function;
use crate::storage::Fault;
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tagging {
    resource: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

fn function_of(context: &Context, arn: &str) -> Result<FunctionKey, ServiceError> {
    if arn.contains(":event-source-mapping:") || arn.contains(":layer:") {
        return Err(invalid("The local cloud keeps tags of functions only."));
    }
    let name = Name::parse(context, arn, None)?;
    if name.qualifier.is_some() {
        return Err(invalid(
            "Tags on function aliases and versions are not supported. Please specify a function ARN.",
        ));
    }
    Ok(name.function)
}

/// `TagResource`
pub(super) async fn tag(_: &Lambda, context: &Context, input: Tagging) -> Result<(), Fault> {
    let function = function_of(context, &input.resource)?;
    let write = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let mut row = Function::find(transaction, &function)?;
        row.tags.extend(input.tags);
        if row.tags.len() > 50 {
            return Err(invalid("Resource cannot have more than 50 tags").into());
        }
        Ok(row.save(transaction, &function)?)
    };
    context.store().write(write).await
}

/// `UntagResource`
pub(super) async fn untag(_: &Lambda, context: &Context, input: Tagging) -> Result<(), Fault> {
    let function = function_of(context, &input.resource)?;
    let write = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let mut row = Function::find(transaction, &function)?;
        row.tags.retain(|name, _| !input.tag_keys.contains(name));
        Ok(row.save(transaction, &function)?)
    };
    context.store().write(write).await
}

/// `ListTags`
pub(super) async fn list(_: &Lambda, context: &Context, input: Tagging) -> Result<Value, Fault> {
    let function = function_of(context, &input.resource)?;
    Ok(json!({ "Tags": Function::find(&context.store().read()?, &function)?.tags }))
}
