//! What must happen later: rows in the store, so that a restart forgets none.
//!
//! A timer is set in the transaction that makes it needed, and is dropped once its service has done it. Keeps true: each
//! fires at least once, at or after its due time by the injected clock; never twice at the same moment.

use crate::{Context, Engine, ServiceError};
use aloft_base::{AccountId, Region, Timestamp};
use aloft_store::{Key, StoreError, Transaction};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashSet;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// By due time, then name.
const DUE: &str = "timers.due";
/// Due time by name.
const NAMES: &str = "timers.names";
/// How many timers may be at work at once.
const AT_WORK: usize = 64;
/// How long a timer that failed waits before it is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// How long the loop sleeps at most: a bound on what a missed wake-up costs.
const NAP: Duration = Duration::from_secs(30);

/// Something that is due at a time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timer {
    /// The service that will be told.
    pub service: String,
    /// Unique within the service; setting a timer again moves it.
    pub name: String,
    /// When.
    pub due: Timestamp,
    /// The account it belongs to.
    pub account: AccountId,
    /// The region it belongs to.
    pub region: Region,
    /// What the service wanted to remember.
    pub payload: Value,
}

/// A timer as it is stored: with the number of times that it was set while it stood.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    #[serde(flatten)]
    timer: Timer,
    #[serde(default)]
    generation: u64,
}

/// Sets a timer, or moves the one of the same name.
pub fn set(transaction: &mut Transaction<'_>, timer: &Timer) -> Result<(), StoreError> {
    let name = name_key(&timer.service, &timer.name);
    let before: Option<(Timestamp, u64)> = transaction.get_json(NAMES, &name)?;
    let generation = before.map_or(0, |(_, generation)| generation + 1);
    if let Some((due, _)) = before {
        transaction.delete(DUE, due_key(due, &name));
    }
    transaction.put_json(NAMES, &name, &(timer.due, generation))?;
    transaction.put_json(DUE, due_key(timer.due, &name), &Row { timer: timer.clone(), generation })
}

/// Drops a timer, if it is there.
pub fn cancel(transaction: &mut Transaction<'_>, service: &str, name: &str) -> Result<(), StoreError> {
    let name = name_key(service, name);
    if let Some((due, _)) = transaction.get_json::<(Timestamp, u64)>(NAMES, &name)? {
        transaction.delete(DUE, due_key(due, &name));
        transaction.delete(NAMES, &name);
    }
    Ok(())
}

fn name_key(service: &str, name: &str) -> Vec<u8> {
    Key::default().text(service).text(name).into_bytes()
}

fn due_key(due: Timestamp, name: &[u8]) -> Vec<u8> {
    // The sign bit is flipped, so that times before 1970 sort first.
    Key::default().number(due.millis() as u64 ^ (1 << 63)).raw(name).into_bytes()
}

/// Which timers are being done right now.
#[derive(Default)]
struct AtWork {
    keys: Mutex<HashSet<Vec<u8>>>,
    ended: Notify,
}

/// Fires timers until the engine stops.
pub(crate) async fn run(engine: Engine) {
    let jumped = Arc::new(Notify::new());
    let listener = jumped.clone();
    engine.clock().on_advance(move || listener.notify_one());
    let mut changed = engine.store().watch(DUE);
    let mut stopped = std::pin::pin!(engine.stopped());
    let at_work = Arc::<AtWork>::default();
    loop {
        let nap = match fire_due(&engine, &at_work) {
            Ok(nap) => nap,
            Err(error) => {
                tracing::error!(%error, "timers could not be read");
                RETRY
            }
        };
        tokio::select! {
            () = tokio::time::sleep(nap) => {}
            () = jumped.notified() => {}
            () = at_work.ended.notified() => {}
            _ = changed.changed() => {}
            () = stopped.as_mut() => return,
        }
    }
}

/// Starts what is due, and tells how long nothing else will be.
fn fire_due(engine: &Engine, at_work: &Arc<AtWork>) -> Result<Duration, StoreError> {
    let now = engine.clock().now();
    let mut keys = at_work.keys.lock().unwrap_or_else(PoisonError::into_inner);
    let rows = engine.store().read()?.range(DUE, Bound::Unbounded, Bound::Unbounded, 2 * AT_WORK, false)?;
    for (key, row) in rows {
        if keys.contains(&key) {
            continue;
        }
        let row: Row = serde_json::from_slice(&row)
            .map_err(|error| StoreError::Damaged { keyspace: DUE.to_owned(), reason: error.to_string() })?;
        if row.timer.due > now {
            return Ok(if engine.clock().is_fixed() { NAP } else { row.timer.due.since(now).min(NAP) });
        }
        if keys.len() >= AT_WORK {
            break;
        }
        keys.insert(key.clone());
        tokio::spawn(fire(engine.clone(), at_work.clone(), key, row));
    }
    Ok(NAP)
}

async fn fire(engine: Engine, at_work: Arc<AtWork>, key: Vec<u8>, Row { timer, generation }: Row) {
    let context = Context::service(&engine, &timer.service, timer.account.clone(), timer.region.clone());
    let result = match engine.service(&timer.service) {
        Some(service) => service.timer(&context, &timer).await,
        None => Err(ServiceError::new("ServiceUnavailable", 503, format!("no service `{}`", timer.service))),
    };
    let retry_at = engine.clock().now().add(RETRY);
    let settled = engine
        .store()
        .write(move |transaction| {
            // The service may have moved or set it again meanwhile: then this row is no longer ours to settle.
            let now: Option<(Timestamp, u64)> = transaction.get_json(NAMES, name_key(&timer.service, &timer.name))?;
            if now.is_none_or(|(_, now)| now != generation) {
                return Ok(());
            }
            match result {
                Ok(()) => cancel(transaction, &timer.service, &timer.name),
                Err(error) => {
                    tracing::warn!(service = timer.service, timer = timer.name, %error, "a timer failed and will be tried again");
                    set(transaction, &Timer { due: retry_at, ..timer })
                }
            }
        })
        .await;
    if let Err(error) = settled as Result<(), StoreError> {
        tracing::error!(%error, "a timer could not be settled");
    }
    at_work.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    at_work.ended.notify_one();
}
