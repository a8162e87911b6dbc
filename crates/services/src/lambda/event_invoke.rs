//! Settings of asynchronous invocation: how often, how long, and whereto with the result.

use super::Lambda;
use super::errors::{invalid, not_found};
use super::functions::{Named, with_marker};
use super::name::{LATEST, Name};
use super::rows::{EVENT_INVOKE, Version};
use super::settings::check_target;
use crate::page;
use crate::storage::{Fault, Rows, decode};
use aloft_base::Timestamp;
use aloft_engine::{Context, ServiceError};
use aloft_store::{Key, StoreError, Transaction};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The settings of a function's version or alias.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct EventInvoke {
    pub retries: Option<u32>,
    pub age_seconds: Option<u64>,
    pub on_success: Option<String>,
    pub on_failure: Option<String>,
    modified: Timestamp,
}

impl EventInvoke {
    pub fn find(rows: &impl Rows, name: &Name) -> Result<Option<Self>, StoreError> {
        rows.row(EVENT_INVOKE, key(name).as_ref())
    }

    fn tell(&self, name: &Name, qualifier: &str) -> Value {
        let mut told = json!({
            "LastModified": self.modified.as_seconds_f64(),
            "FunctionArn": name.function.qualified_arn(Some(qualifier)),
            "DestinationConfig": { "OnSuccess": {}, "OnFailure": {} },
        });
        if let Some(retries) = self.retries {
            told["MaximumRetryAttempts"] = retries.into();
        }
        if let Some(age) = self.age_seconds {
            told["MaximumEventAgeInSeconds"] = age.into();
        }
        for (name, arn) in [("OnSuccess", &self.on_success), ("OnFailure", &self.on_failure)] {
            if let Some(arn) = arn {
                told["DestinationConfig"][name]["Destination"] = arn.clone().into();
            }
        }
        told
    }
}

fn key(name: &Name) -> Key {
    name.function.key().text(name.qualifier())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Put {
    function_name: String,
    qualifier: Option<String>,
    maximum_retry_attempts: Option<u32>,
    maximum_event_age_in_seconds: Option<u64>,
    destination_config: Option<Destinations>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Destinations {
    on_success: Option<Destination>,
    on_failure: Option<Destination>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Destination {
    destination: Option<String>,
}

async fn set(context: &Context, input: Put, replace: bool) -> Result<Value, Fault> {
    let name = Name::parse(context, &input.function_name, input.qualifier.as_deref())?;
    if input.maximum_retry_attempts.is_none()
        && input.maximum_event_age_in_seconds.is_none()
        && input.destination_config.is_none()
    {
        let message = "You must specify at least one of error handling or destination setting.";
        return Err(invalid(message).into());
    }
    let (now, own) = (context.now(), name.function.arn());
    let write = move |transaction: &mut Transaction<'_>| -> Result<Value, Fault> {
        Version::named(transaction, &name)?;
        let before = if replace { None } else { EventInvoke::find(transaction, &name)? };
        if !replace && before.is_none() {
            return Err(missing(&name).into());
        }
        let mut settings = EventInvoke { modified: now, ..before.unwrap_or_default() };
        settings.retries = input.maximum_retry_attempts.or(settings.retries);
        settings.age_seconds = input.maximum_event_age_in_seconds.or(settings.age_seconds);
        let destinations = input.destination_config.unwrap_or_default();
        for (place, destination, services) in [
            (&mut settings.on_success, destinations.on_success, &["events", "lambda", "sns", "sqs"][..]),
            (&mut settings.on_failure, destinations.on_failure, &["events", "lambda", "s3", "sns", "sqs"]),
        ] {
            let Some(destination) = destination else { continue };
            *place = destination.destination.filter(|arn| !arn.is_empty());
            if let Some(arn) = place {
                check_target(arn, services)?;
                if arn.starts_with(&own) {
                    let message = format!("The destination ARN {arn} is the function itself.");
                    return Err(invalid(message).into());
                }
            }
        }
        transaction.put_json(EVENT_INVOKE, key(&name), &settings)?;
        Ok(settings.tell(&name, name.qualifier()))
    };
    context.store().write(write).await
}

fn missing(name: &Name) -> ServiceError {
    let arn = name.function.qualified_arn(Some(name.qualifier()));
    not_found(format!("The function {arn} doesn't have an EventInvokeConfig"))
}

/// `PutFunctionEventInvokeConfig`
pub(super) async fn put(_: &Lambda, context: &Context, input: Put) -> Result<Value, Fault> {
    set(context, input, true).await
}

/// `UpdateFunctionEventInvokeConfig`
pub(super) async fn update(_: &Lambda, context: &Context, input: Put) -> Result<Value, Fault> {
    set(context, input, false).await
}

/// `GetFunctionEventInvokeConfig`
pub(super) async fn get(_: &Lambda, context: &Context, input: Named) -> Result<Value, Fault> {
    let name = input.name(context)?;
    let settings = EventInvoke::find(&context.store().read()?, &name)?;
    Ok(settings.ok_or_else(|| missing(&name))?.tell(&name, name.qualifier()))
}

/// `DeleteFunctionEventInvokeConfig`
pub(super) async fn delete(_: &Lambda, context: &Context, input: Named) -> Result<(), Fault> {
    let name = input.name(context)?;
    let write = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        EventInvoke::find(transaction, &name)?.ok_or_else(|| missing(&name))?;
        transaction.delete(EVENT_INVOKE, key(&name));
        Ok(())
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    function_name: String,
    marker: Option<String>,
    max_items: Option<usize>,
}

/// `ListFunctionEventInvokeConfigs`
pub(super) async fn list(_: &Lambda, context: &Context, input: List) -> Result<Value, Fault> {
    let name = Name::parse(context, &input.function_name, None)?;
    let snapshot = context.store().read()?;
    Version::latest(&snapshot, &name.function)?;
    let mut told = Vec::new();
    for (key, row) in snapshot.scan(EVENT_INVOKE, name.function.key(), usize::MAX)? {
        let settings: EventInvoke = decode(EVENT_INVOKE, &row)?;
        let qualifier = Key::texts(&key).pop().unwrap_or_else(|| LATEST.to_owned());
        told.push(settings.tell(&name, &qualifier));
    }
    let (page, next) = page::of(told, input.max_items.unwrap_or(50).min(50), input.marker.as_deref());
    Ok(with_marker(json!({ "FunctionEventInvokeConfigs": page }), next))
}
