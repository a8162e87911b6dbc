//! What a table has beside its items: time to live, backups; and what an account has: limits, endpoints.
//!
//! Point-in-time recovery is only remembered: restoring is not built and says so. Keeps true: an item expires no earlier
//! than its attribute says, and within seconds after it.

use super::DynamoDb;
use super::error::{Result, invalid};
use super::table::{Address, Expiry, Table};
use super::tables::TableInput;
use super::work;
use crate::storage::Fault;
use aloft_base::Timestamp;
use aloft_engine::Context;
use aloft_store::Transaction;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// How far back a table can be restored.
const RECOVERY_DAYS: u64 = 35;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TimeToLiveInput {
    table_name: String,
    time_to_live_specification: TimeToLive,
}

/// `TimeToLiveSpecification`
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TimeToLive {
    attribute_name: String,
    enabled: bool,
}

pub(super) async fn update_time_to_live(
    _: &DynamoDb,
    context: &Context,
    input: TimeToLiveInput,
) -> Result<Value> {
    let address = Address::of(context, &input.table_name)?;
    let wanted = input.time_to_live_specification;
    let (there, specification, id, now) =
        (address.clone(), wanted.clone(), context.ids().hex(8), context.now());
    let update = move |transaction: &mut Transaction<'_>| {
        let mut table = there.table(transaction)?;
        match (specification.enabled, &table.expiry) {
            (true, None) => {
                table.expiry = Some(Expiry { id, attribute: specification.attribute_name });
                work::begin_fill(transaction, &there, &table, now)?;
            }
            (false, Some(expiry)) if expiry.attribute == specification.attribute_name => {
                work::begin_sweep(transaction, &there, &table, Some(&expiry.id), now)?;
                table.expiry = None;
            }
            (true, Some(expiry)) if expiry.attribute == specification.attribute_name => {
                return Err(invalid("TimeToLive is already enabled"));
            }
            (false, None) => return Err(invalid("TimeToLive is already disabled")),
            (_, Some(expiry)) => {
                return Err(invalid(format!(
                    "TimeToLive is active on a different AttributeName: current AttributeName is {}",
                    expiry.attribute
                )));
            }
        }
        there.save(transaction, &table)?;
        Ok::<_, Fault>(table)
    };
    let table = context.store().write(update).await?;
    if wanted.enabled {
        work::fill(context, &address, &table.id).await?;
    }
    Ok(json!({"TimeToLiveSpecification": wanted}))
}

pub(super) async fn describe_time_to_live(
    _: &DynamoDb,
    context: &Context,
    input: TableInput,
) -> Result<Value> {
    let table = Address::of(context, &input.table_name)?.table(&context.store().read()?)?;
    Ok(json!({"TimeToLiveDescription": match table.expiry {
        Some(expiry) => json!({"TimeToLiveStatus": "ENABLED", "AttributeName": expiry.attribute}),
        None => json!({"TimeToLiveStatus": "DISABLED"}),
    }}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BackupsInput {
    table_name: String,
    point_in_time_recovery_specification: Recovery,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Recovery {
    point_in_time_recovery_enabled: bool,
}

pub(super) async fn update_backups(_: &DynamoDb, context: &Context, input: BackupsInput) -> Result<Value> {
    let (address, now) = (Address::of(context, &input.table_name)?, context.now());
    let enabled = input.point_in_time_recovery_specification.point_in_time_recovery_enabled;
    let update = move |transaction: &mut Transaction<'_>| {
        let mut table = address.table(transaction)?;
        table.recovery_since = enabled.then(|| table.recovery_since.unwrap_or(now));
        address.save(transaction, &table)?;
        Ok::<_, Fault>(describe(&table, now))
    };
    context.store().write(update).await
}

pub(super) async fn describe_backups(_: &DynamoDb, context: &Context, input: TableInput) -> Result<Value> {
    let table = Address::of(context, &input.table_name)?.table(&context.store().read()?)?;
    Ok(describe(&table, context.now()))
}

fn describe(table: &Table, now: Timestamp) -> Value {
    let recovery = match table.recovery_since {
        Some(since) => {
            let oldest =
                Timestamp(now.millis() - Duration::from_secs(RECOVERY_DAYS * 86_400).as_millis() as i64);
            json!({
                "PointInTimeRecoveryStatus": "ENABLED",
                "RecoveryPeriodInDays": RECOVERY_DAYS,
                "EarliestRestorableDateTime": since.max(oldest).as_seconds_f64(),
                "LatestRestorableDateTime": now.as_seconds_f64(),
            })
        }
        None => json!({"PointInTimeRecoveryStatus": "DISABLED"}),
    };
    json!({"ContinuousBackupsDescription": {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": recovery}})
}

/// An input without members.
#[derive(Deserialize)]
pub(super) struct NoInput {}

pub(super) async fn describe_limits(_: &DynamoDb, _: &Context, _: NoInput) -> Result<Value> {
    Ok(json!({
        "AccountMaxReadCapacityUnits": 80_000,
        "AccountMaxWriteCapacityUnits": 80_000,
        "TableMaxReadCapacityUnits": 40_000,
        "TableMaxWriteCapacityUnits": 40_000,
    }))
}

pub(super) async fn describe_endpoints(_: &DynamoDb, context: &Context, _: NoInput) -> Result<Value> {
    let address = context.engine.address().to_string();
    Ok(json!({"Endpoints": [{"Address": address, "CachePeriodInMinutes": 1440}]}))
}
