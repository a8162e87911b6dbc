//! Single parameters: read by name, version or label, and deleted.

use super::rows::{
    PARAMETERS, Parameter, VERSIONS, invalid, load, load_version, no_version, not_found, parameter_key,
    versions,
};
use super::{Ssm, names};
use crate::page;
use crate::storage::{Fault, Outcome, Rows};
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};

/// Below this path, secrets of Secrets Manager are read as parameters.
const SECRETS: &str = "/aws/reference/secretsmanager/";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Get {
    name: String,
    #[serde(default)]
    with_decryption: bool,
}

/// `GetParameter`
pub(super) async fn get(_: &Ssm, context: &Context, input: Get) -> Outcome<Value> {
    Ok(json!({ "Parameter": read(context, &input.name, input.with_decryption).await? }))
}

async fn read(context: &Context, text: &str, decrypt: bool) -> Outcome<Value> {
    if let Some(secret) = text.strip_prefix(SECRETS) {
        return of_secret(context, text, secret, decrypt).await;
    }
    let named = names::read(context, text);
    let snapshot = context.store().read()?;
    let parameter = load(&snapshot, context, &named.name)?;
    let number = selected(&parameter, &named)?;
    let version = load_version(&snapshot, context, &named.name, number)?;
    let mut told = version.tell(context, &named.name, decrypt);
    if let Some(selector) = named.selector {
        told["Selector"] = format!(":{selector}").into();
    }
    Ok(told)
}

/// The number that a selector stands for.
fn selected(parameter: &Parameter, named: &names::Named) -> Result<u64, ServiceError> {
    let Some(selector) = &named.selector else { return Ok(parameter.latest) };
    let number = selector.parse().ok().or_else(|| parameter.labels.get(selector).copied());
    number.ok_or_else(|| no_version(&named.name, selector))
}

async fn of_secret(context: &Context, name: &str, secret: &str, decrypt: bool) -> Outcome<Value> {
    if !decrypt {
        return Err(
            invalid("WithDecryption flag must be True for retrieving a Secret Manager secret.").into()
        );
    }
    let answer = context.call("secretsmanager", "GetSecretValue", json!({ "SecretId": secret })).await;
    let found = answer.map_err(|error| match error.code.as_str() {
        "ResourceNotFoundException" => not_found(name),
        _ => error,
    })?;
    let value = found.get("SecretString").or_else(|| found.get("SecretBinary")).cloned().unwrap_or_default();
    Ok(json!({
        "Name": name,
        "Type": "SecureString",
        "Value": value,
        "Version": 0,
        "SourceResult": found.to_string(),
        "LastModifiedDate": found["CreatedDate"],
        "ARN": found["ARN"],
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetAll {
    names: Vec<String>,
    #[serde(default)]
    with_decryption: bool,
}

/// `GetParameters`
pub(super) async fn get_all(_: &Ssm, context: &Context, input: GetAll) -> Outcome<Value> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for name in input.names {
        match read(context, &name, input.with_decryption).await {
            Ok(parameter) => found.push(parameter),
            Err(Fault::Service(error)) if error.code.starts_with("Parameter") => missing.push(name),
            Err(other) => return Err(other),
        }
    }
    Ok(json!({ "Parameters": found, "InvalidParameters": missing }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct History {
    name: String,
    #[serde(default)]
    with_decryption: bool,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// `GetParameterHistory`
pub(super) async fn history(_: &Ssm, context: &Context, input: History) -> Outcome<Value> {
    let name = names::read(context, &input.name).name;
    let snapshot = context.store().read()?;
    let parameter = load(&snapshot, context, &name)?;
    let all = versions(&snapshot, context, &name)?;
    let (page, next) = page::of(all, input.max_results.unwrap_or(50), input.next_token.as_deref());
    let told = page.iter().map(|version| {
        let mut told = version.describe(context, &name);
        told["Value"] = version.shown(input.with_decryption).into();
        told["Labels"] = parameter.labels_of(version.number).into();
        told
    });
    let mut answer = json!({ "Parameters": told.collect::<Vec<_>>() });
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Delete {
    name: String,
}

/// `DeleteParameter`
pub(super) async fn delete(_: &Ssm, context: &Context, input: Delete) -> Outcome<()> {
    match remove(context, vec![input.name.clone()]).await?.first() {
        Some(_) => Ok(()),
        None => Err(not_found(&input.name).into()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteAll {
    names: Vec<String>,
}

/// `DeleteParameters`
pub(super) async fn delete_all(_: &Ssm, context: &Context, input: DeleteAll) -> Outcome<Value> {
    let deleted = remove(context, input.names.clone()).await?;
    let missing: Vec<&String> = input.names.iter().filter(|name| !deleted.contains(name)).collect();
    Ok(json!({ "DeletedParameters": deleted, "InvalidParameters": missing }))
}

/// Removes parameters with all their versions, and gives those that were there.
async fn remove(context: &Context, wanted: Vec<String>) -> Outcome<Vec<String>> {
    let context_of_write = context.clone();
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Vec<String>> {
        let mut removed = Vec::new();
        for text in wanted {
            let key = parameter_key(&context_of_write, &names::read(&context_of_write, &text).name);
            if transaction.row::<Parameter>(PARAMETERS, key.as_ref())?.is_some() {
                transaction.delete(PARAMETERS, key.clone());
                transaction.delete_prefix(VERSIONS, key)?;
                removed.push(text);
            }
        }
        Ok(removed)
    };
    context.store().write(write).await
}
