//! Wait conditions: a stack that waits until someone sends to an address that the stack gave out.
//!
//! Not here: creation policies and `SignalResource`. Keeps true: signals that were accepted are rows, and the wait has an end.

use super::door;
use super::template::{invalid, text_of};
use crate::properties;
use crate::storage::Fault;
use aloft_engine::timers::{self, Timer};
use aloft_engine::{
    Context, Resource, ResourceContext, ResourceHandler, ServiceError, Update, async_trait, storage_failed,
};
use aloft_store::{StoreError, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// What was sent to each address, by its token.
const SIGNALS: &str = "cloudformation.signals";
/// The longest wait, in seconds.
const MAX_TIMEOUT: u64 = 43_200;

/// What was sent to an address.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Received {
    /// By the ids that the senders chose; the first signal of an id counts.
    signals: BTreeMap<String, Signal>,
    /// Whether the end of the wait was set.
    waited_for: bool,
    /// Whether the wait is over.
    over: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Signal {
    succeeded: bool,
    reason: String,
    data: String,
}

/// `AWS::CloudFormation::WaitConditionHandle`: an address.
pub struct WaitConditionHandle;

/// `AWS::CloudFormation::WaitCondition`: the wait for what is sent to it.
pub struct WaitCondition;

#[async_trait]
impl ResourceHandler for WaitConditionHandle {
    async fn create(&self, resource: &ResourceContext, _: &Value) -> Result<Resource, ServiceError> {
        let token = resource.context.ids().lower(32);
        let physical_id = door::signal_url(&resource.context, &token);
        write(&resource.context, move |transaction| {
            transaction.put_json(SIGNALS, key([&token]), &Received::default())
        })
        .await?;
        Ok(Resource { physical_id, attributes: Map::new() })
    }

    async fn update(
        &self,
        _: &ResourceContext,
        physical_id: &str,
        _: &Value,
        _: &Value,
    ) -> Result<Update, ServiceError> {
        Ok(Update::InPlace(Resource { physical_id: physical_id.to_owned(), attributes: Map::new() }))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        _: &Value,
    ) -> Result<(), ServiceError> {
        let Some(token) = door::signal_token(physical_id).map(str::to_owned) else { return Ok(()) };
        write(&resource.context, move |transaction| {
            transaction.delete(SIGNALS, key([&token]));
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl ResourceHandler for WaitCondition {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let context = &resource.context;
        let number = |name: &str| properties::text(properties, name).map(|text| text.parse::<u64>());
        let handle = properties::text(properties, "Handle").unwrap_or_default();
        let token = door::signal_token(&handle).map(str::to_owned);
        let token =
            token.ok_or_else(|| invalid("Property Handle must be the Ref of a WaitConditionHandle"))?;
        let Some(Ok(seconds @ 0..=MAX_TIMEOUT)) = number("Timeout") else {
            return Err(invalid(format!("Property Timeout must be a number of seconds up to {MAX_TIMEOUT}")));
        };
        let Ok(count) = number("Count").unwrap_or(Ok(1)) else {
            return Err(invalid("Property Count must be a number"));
        };
        set_end(context, &token, seconds).await?;
        let received = wait(context, &token, count).await?;
        let data: Map<String, Value> =
            received.signals.into_iter().map(|(id, signal)| (id, signal.data.into())).collect();
        let attributes = properties::attributes([("Data", Value::Object(data).to_string().as_str())]);
        Ok(Resource { physical_id: resource.generated_name(128), attributes })
    }

    async fn update(
        &self,
        _: &ResourceContext,
        _: &str,
        _: &Value,
        _: &Value,
    ) -> Result<Update, ServiceError> {
        Err(invalid("Update to resource type AWS::CloudFormation::WaitCondition is not supported."))
    }

    async fn delete(&self, _: &ResourceContext, _: &str, _: &Value) -> Result<(), ServiceError> {
        Ok(())
    }
}

/// Takes a signal; false when nobody gave out that address.
pub async fn signal(context: &Context, token: &str, body: &[u8]) -> Result<bool, ServiceError> {
    let sent: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| properties::text(&sent, name);
    let (Some(status), Some(id)) = (text("Status"), text("UniqueId")) else {
        return Err(invalid("a signal has a Status and a UniqueId"));
    };
    let data = sent.get("Data").map(text_of).unwrap_or_default();
    let signal = Signal { succeeded: status == "SUCCESS", reason: text("Reason").unwrap_or_default(), data };
    change(context, token, move |received| {
        received.signals.entry(id).or_insert(signal);
    })
    .await
}

/// Ends the wait.
pub async fn too_late(context: &Context, token: &str) -> Result<(), ServiceError> {
    change(context, token, |received| received.over = true).await.map(drop)
}

/// Sets the end of the wait, once.
async fn set_end(context: &Context, token: &str, seconds: u64) -> Result<(), ServiceError> {
    let timer = Timer {
        service: "cloudformation".to_owned(),
        name: format!("wait:{token}"),
        due: context.now().add(Duration::from_secs(seconds)),
        account: context.account.clone(),
        region: context.region.clone(),
        payload: json!(token),
    };
    let place = key([token]);
    write(context, move |transaction| {
        let received: Option<Received> = transaction.get_json(SIGNALS, &place)?;
        match received {
            Some(received) if !received.waited_for => {
                transaction.put_json(SIGNALS, &place, &Received { waited_for: true, ..received })?;
                timers::set(transaction, &timer)
            }
            _ => Ok(()),
        }
    })
    .await
}

async fn wait(context: &Context, token: &str, count: u64) -> Result<Received, ServiceError> {
    let mut changes = context.store().watch(SIGNALS);
    loop {
        changes.borrow_and_update();
        let snapshot = context.store().read().map_err(|error| storage_failed(&error))?;
        let received: Received = snapshot
            .get_json(SIGNALS, key([token]))
            .map_err(|error| storage_failed(&error))?
            .unwrap_or_default();
        if let Some((id, signal)) = received.signals.iter().find(|(_, signal)| !signal.succeeded) {
            let message =
                format!("WaitCondition received failed message: '{}' for uniqueId: {id}", signal.reason);
            return Err(ServiceError::new("", 400, message));
        }
        let so_far = received.signals.len() as u64;
        if so_far >= count {
            return Ok(received);
        }
        if received.over || !received.waited_for {
            let message =
                format!("WaitCondition timed out. Received {so_far} conditions when expecting {count}");
            return Err(ServiceError::new("", 400, message));
        }
        if changes.changed().await.is_err() {
            return Err(ServiceError::new("InternalFailure", 500, "the local cloud is stopping"));
        }
    }
}

async fn change<F>(context: &Context, token: &str, work: F) -> Result<bool, ServiceError>
where
    F: FnOnce(&mut Received) + Send + 'static,
{
    let place = key([token]);
    write(context, move |transaction| {
        let Some(mut received) = transaction.get_json::<Received>(SIGNALS, &place)? else { return Ok(false) };
        work(&mut received);
        transaction.put_json(SIGNALS, &place, &received)?;
        Ok(true)
    })
    .await
}

async fn write<T, F>(context: &Context, work: F) -> Result<T, ServiceError>
where
    T: Send + 'static,
    F: FnOnce(&mut Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
{
    context.store().write(work).await.map_err(|error| ServiceError::from(Fault::Store(error)))
}
