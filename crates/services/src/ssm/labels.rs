//! Labels: names that point at versions of a parameter, each at one.

use super::rows::{PARAMETERS, Parameter, load, load_version, parameter_key};
use super::{Ssm, names};
use crate::storage::Outcome;
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};

/// Labels of one version.
const MOST: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Change {
    name: String,
    parameter_version: Option<u64>,
    labels: Vec<String>,
}

/// `LabelParameterVersion`
pub(super) async fn add(_: &Ssm, context: &Context, input: Change) -> Outcome<Value> {
    change(context, input, |parameter, number, labels| {
        let (invalid, valid): (Vec<String>, Vec<String>) =
            labels.into_iter().partition(|label| !is_label(label));
        parameter.labels.extend(valid.into_iter().map(|label| (label, number)));
        if parameter.labels_of(number).len() > MOST {
            let message = "A parameter version can have maximum 10 labels.Move one or more labels to another version and \
                           try again.";
            return Err(ServiceError::new("ParameterVersionLabelLimitExceeded", 400, message));
        }
        Ok(json!({ "InvalidLabels": invalid, "ParameterVersion": number }))
    })
    .await
}

/// `UnlabelParameterVersion`
pub(super) async fn remove(_: &Ssm, context: &Context, input: Change) -> Outcome<Value> {
    change(context, input, |parameter, number, labels| {
        let (removed, invalid): (Vec<String>, Vec<String>) =
            labels.into_iter().partition(|label| parameter.labels.get(label) == Some(&number));
        parameter.labels.retain(|label, _| !removed.contains(label));
        Ok(json!({ "RemovedLabels": removed, "InvalidLabels": invalid }))
    })
    .await
}

async fn change(
    context: &Context,
    input: Change,
    change: fn(&mut Parameter, u64, Vec<String>) -> Result<Value, ServiceError>,
) -> Outcome<Value> {
    let name = names::read(context, &input.name).name;
    let context_of_write = context.clone();
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Value> {
        let mut parameter = load(transaction, &context_of_write, &name)?;
        let number = input.parameter_version.unwrap_or(parameter.latest);
        load_version(transaction, &context_of_write, &name, number)?;
        let answer = change(&mut parameter, number, input.labels)?;
        transaction.put_json(PARAMETERS, parameter_key(&context_of_write, &name), &parameter)?;
        Ok(answer)
    };
    context.store().write(write).await
}

/// Whether a text may be a label.
///
/// Source: the requirements in the reference of `LabelParameterVersion`.
fn is_label(text: &str) -> bool {
    let is_allowed = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
    let lower = text.to_lowercase();
    text.len() <= 100
        && text.chars().all(is_allowed)
        && !text.starts_with(|it: char| it.is_ascii_digit())
        && !lower.starts_with("aws")
        && !lower.starts_with("ssm")
}
