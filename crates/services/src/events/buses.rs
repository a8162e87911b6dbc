//! The operations on event buses.

use super::bus::{Address, BUSES, Bus, DEFAULT};
use super::rule::RULES;
use super::{Events, errors};
use crate::storage::Outcome;
use crate::tags;
use aloft_engine::{Context, ServiceError};
use aloft_store::{Transaction, key};
use serde::Deserialize;
use serde_json::{Value, json};

/// What is kept and returned, and changes nothing here: encryption, logs, dead letters of the bus itself.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Settings {
    name: Option<String>,
    event_source_name: Option<String>,
    description: Option<String>,
    kms_key_identifier: Option<String>,
    dead_letter_config: Option<Value>,
    log_config: Option<Value>,
    #[serde(default)]
    tags: Vec<tags::Tag>,
}

impl Settings {
    fn put_on(self, bus: &mut Bus) {
        bus.description = self.description;
        bus.kms_key = self.kms_key_identifier;
        bus.dead_letter_config = self.dead_letter_config;
        bus.log_config = self.log_config;
    }
}

/// What create, describe and update answer.
fn tell(bus: &Bus) -> Value {
    let time = |at: aloft_base::Timestamp| (at.millis() > 0).then(|| at.as_seconds_f64());
    json!({
        "Name": bus.address.name,
        "Arn": bus.address.arn(),
        "EventBusArn": bus.address.arn(),
        "Description": bus.description,
        "KmsKeyIdentifier": bus.kms_key,
        "DeadLetterConfig": bus.dead_letter_config,
        "LogConfig": bus.log_config,
        "Policy": bus.policy.as_ref().map(Value::to_string),
        "CreationTime": time(bus.created),
        "LastModifiedTime": time(bus.modified),
    })
}

/// `CreateEventBus`
pub(super) async fn create(_: &Events, context: &Context, mut input: Settings) -> Outcome<Value> {
    let name = input.name.take().unwrap_or_default();
    if input.event_source_name.is_some() {
        return Err(errors::not_built("partner event sources").into());
    }
    if name.contains('/') {
        return Err(ServiceError::validation("Event bus name must not contain '/'.").into());
    }
    let (address, now) = (Address::of(context, Some(&name))?, context.now());
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Value> {
        if address.is_default() || transaction.get(BUSES, address.key())?.is_some() {
            let message = format!("Event bus {name} already exists.");
            return Err(ServiceError::new("ResourceAlreadyExistsException", 400, message).into());
        }
        let mut bus = Bus::new(address, now);
        bus.tags = tags::map(std::mem::take(&mut input.tags));
        input.put_on(&mut bus);
        bus.save(transaction)?;
        Ok(tell(&bus))
    };
    context.store().write(write).await
}

/// `UpdateEventBus`
pub(super) async fn update(_: &Events, context: &Context, input: Settings) -> Outcome<Value> {
    let (address, now) = (Address::of(context, input.name.as_deref())?, context.now());
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Value> {
        let mut bus = address.load(transaction)?;
        input.put_on(&mut bus);
        bus.modified = now;
        bus.save(transaction)?;
        Ok(tell(&bus))
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    name: Option<String>,
}

/// `DescribeEventBus`
pub(super) async fn describe(_: &Events, context: &Context, input: Named) -> Outcome<Value> {
    let address = Address::of(context, input.name.as_deref())?;
    Ok(tell(&address.find(&context.store().read()?)?))
}

/// `DeleteEventBus`: one that is gone is no error.
pub(super) async fn delete(_: &Events, context: &Context, input: Named) -> Outcome<()> {
    let address = Address::of(context, input.name.as_deref())?;
    if address.is_default() {
        return Err(ServiceError::validation("Cannot delete event bus default.").into());
    }
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        if !transaction.scan(RULES, address.key(), 1)?.is_empty() {
            return Err(ServiceError::validation("Event bus can't be deleted since it has rules.").into());
        }
        transaction.delete(BUSES, address.key());
        Ok(())
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    name_prefix: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
}

/// `ListEventBuses`
pub(super) async fn list(_: &Events, context: &Context, input: List) -> Outcome<Value> {
    let snapshot = context.store().read()?;
    let prefix = key([context.account.as_str(), context.region.as_str()]);
    let rows = snapshot.scan_json::<Bus>(BUSES, prefix, usize::MAX)?;
    let mut buses = vec![Address::of(context, Some(DEFAULT))?.find(&snapshot)?];
    buses.extend(rows.into_iter().map(|(_, bus)| bus).filter(|bus| !bus.address.is_default()));
    buses.retain(|bus| bus.address.name.starts_with(input.name_prefix.as_deref().unwrap_or_default()));
    buses.sort_by(|one, other| one.address.name.cmp(&other.address.name));
    let (page, next) = crate::page::of(buses, input.limit.unwrap_or(100), input.next_token.as_deref());
    Ok(json!({ "EventBuses": page.iter().map(tell).collect::<Vec<_>>(), "NextToken": next }))
}
