//! Aliases: names for a version, or for two that share the invocations.

use super::errors::{conflict, invalid, not_found, wrong_revision};
use super::functions::with_marker;
use super::name::{FunctionKey, LATEST, Name};
use super::provisioned::PROVISIONED;
use super::rows::{ALIASES, Alias, EVENT_INVOKE, Function, POLICIES, Version};
use super::{Lambda, provisioned};
use crate::page;
use crate::storage::{Fault, decode};
use aloft_engine::{Context, ServiceError};
use aloft_store::{Key, Transaction};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Put {
    function_name: String,
    name: String,
    function_version: Option<String>,
    description: Option<String>,
    routing_config: Option<Routing>,
    revision_id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Routing {
    additional_version_weights: BTreeMap<String, f64>,
}

impl Alias {
    fn arn(function: &FunctionKey, name: &str) -> String {
        function.qualified_arn(Some(name))
    }

    fn tell(&self, function: &FunctionKey, name: &str) -> Value {
        let label = if self.version == 0 { LATEST.to_owned() } else { self.version.to_string() };
        let mut told = json!({
            "AliasArn": Self::arn(function, name),
            "Name": name,
            "FunctionVersion": label,
            "Description": self.description,
            "RevisionId": self.revision_id,
        });
        if !self.weights.is_empty() {
            told["RoutingConfig"] = json!({ "AdditionalVersionWeights": self.weights });
        }
        told
    }

    /// Whether the versions are there, and can share.
    fn check(&self, transaction: &Transaction<'_>, function: &FunctionKey) -> Result<(), Fault> {
        let mut named = vec![self.version];
        for (version, weight) in &self.weights {
            let number: u64 = version.parse().map_err(|_| {
                invalid(format!("{version} is not a version that an alias can share invocations with."))
            })?;
            if number == self.version {
                let message =
                    "Invalid function version in RoutingConfig: an alias cannot name its own version.";
                return Err(invalid(message).into());
            }
            if !(0.0..=1.0).contains(weight) {
                return Err(
                    invalid(format!("The weight of version {version} is not between 0 and 1.")).into()
                );
            }
            named.push(number);
        }
        if self.weights.len() > 1 {
            return Err(
                invalid("Number of items in AdditionalVersionWeights cannot be greater than 1").into()
            );
        }
        if self.version == 0 && !self.weights.is_empty() {
            return Err(
                invalid("$LATEST is not supported for an alias pointing to more than 1 version").into()
            );
        }
        for number in named {
            if Version::find(transaction, function, number)?.is_none() {
                let arn = function.qualified_arn(Some(&number.to_string()));
                return Err(super::errors::no_function(&arn).into());
            }
        }
        Ok(())
    }
}

fn number_of(text: &str) -> Result<u64, ServiceError> {
    if text == LATEST {
        Ok(0)
    } else {
        text.parse().map_err(|_| invalid(format!("{text} is not a version.")))
    }
}

fn missing(function: &FunctionKey, name: &str) -> ServiceError {
    not_found(format!("Cannot find alias arn: {}", Alias::arn(function, name)))
}

/// `CreateAlias`
pub(super) async fn create(lambda: &Lambda, context: &Context, input: Put) -> Result<Value, ServiceError> {
    let function = Name::parse(context, &input.function_name, None)?.function;
    if input.name.chars().all(|it| it.is_ascii_digit()) {
        return Err(invalid(format!("{} is a number and cannot be the name of an alias.", input.name)));
    }
    let version = number_of(input.function_version.as_deref().unwrap_or_default())?;
    let (key, revision_id) = (function.clone(), context.ids().uuid());
    let write = move |transaction: &mut Transaction<'_>| -> Result<Value, Fault> {
        Function::find(transaction, &key)?;
        if Alias::find(transaction, &key, &input.name)?.is_some() {
            return Err(conflict(format!("Alias already exists: {}", Alias::arn(&key, &input.name))).into());
        }
        let weights = input.routing_config.unwrap_or_default().additional_version_weights;
        let description = input.description.unwrap_or_default();
        let alias = Alias { version, description, weights, revision_id };
        alias.check(transaction, &key)?;
        transaction.put_json(ALIASES, key.key().text(&input.name), &alias)?;
        Ok(alias.tell(&key, &input.name))
    };
    let told = context.store().write(write).await?;
    lambda.running()?.changed(&function);
    provisioned::settle(lambda.running()?, context, &function).await?;
    Ok(told)
}

/// `UpdateAlias`
pub(super) async fn update(lambda: &Lambda, context: &Context, input: Put) -> Result<Value, ServiceError> {
    let function = Name::parse(context, &input.function_name, None)?.function;
    let (key, revision_id) = (function.clone(), context.ids().uuid());
    let write = move |transaction: &mut Transaction<'_>| -> Result<Value, Fault> {
        Function::find(transaction, &key)?;
        let mut alias =
            Alias::find(transaction, &key, &input.name)?.ok_or_else(|| missing(&key, &input.name))?;
        if input.revision_id.as_ref().is_some_and(|asked| *asked != alias.revision_id) {
            return Err(wrong_revision().into());
        }
        if let Some(version) = &input.function_version {
            alias.version = number_of(version)?;
        }
        if let Some(description) = input.description {
            alias.description = description;
        }
        if let Some(routing) = input.routing_config {
            alias.weights = routing.additional_version_weights;
        }
        alias.revision_id = revision_id;
        alias.check(transaction, &key)?;
        transaction.put_json(ALIASES, key.key().text(&input.name), &alias)?;
        Ok(alias.tell(&key, &input.name))
    };
    let told = context.store().write(write).await?;
    lambda.running()?.changed(&function);
    provisioned::settle(lambda.running()?, context, &function).await?;
    Ok(told)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Which {
    function_name: String,
    name: String,
}

/// `GetAlias`
pub(super) async fn get(_: &Lambda, context: &Context, input: Which) -> Result<Value, Fault> {
    let function = Name::parse(context, &input.function_name, None)?.function;
    let alias = Alias::find(&context.store().read()?, &function, &input.name)?;
    Ok(alias.ok_or_else(|| missing(&function, &input.name))?.tell(&function, &input.name))
}

/// `DeleteAlias`: one that is not there is no error.
pub(super) async fn delete(lambda: &Lambda, context: &Context, input: Which) -> Result<(), ServiceError> {
    let function = Name::parse(context, &input.function_name, None)?.function;
    let key = function.clone();
    let write = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        Function::find(transaction, &key)?;
        for keyspace in [ALIASES, EVENT_INVOKE, POLICIES, PROVISIONED] {
            transaction.delete(keyspace, key.key().text(&input.name));
        }
        Ok(())
    };
    context.store().write(write).await?;
    lambda.running()?.changed(&function);
    provisioned::settle(lambda.running()?, context, &function).await?;
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    function_name: String,
    function_version: Option<String>,
    marker: Option<String>,
    max_items: Option<usize>,
}

/// `ListAliases`
pub(super) async fn list(_: &Lambda, context: &Context, input: List) -> Result<Value, Fault> {
    let function = Name::parse(context, &input.function_name, None)?.function;
    let snapshot = context.store().read()?;
    Function::find(&snapshot, &function)?;
    let mut told = Vec::new();
    for (key, row) in snapshot.scan(ALIASES, function.key(), usize::MAX)? {
        let alias: Alias = decode(ALIASES, &row)?;
        let name = Key::texts(&key).pop().unwrap_or_default();
        let alias = alias.tell(&function, &name);
        if input.function_version.as_deref().is_none_or(|version| alias["FunctionVersion"] == version) {
            told.push(alias);
        }
    }
    let (page, next) = page::of(told, input.max_items.unwrap_or(50).min(50), input.marker.as_deref());
    Ok(with_marker(json!({ "Aliases": page }), next))
}
