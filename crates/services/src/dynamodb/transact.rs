//! `TransactWriteItems` and `TransactGetItems`.
//!
//! Keeps true: all of a transaction is done or none of it; the same token with the same request does it once.

use super::batch::total_size;
use super::capacity::{self, Capacity, read_units};
use super::error::{CONDITION_FAILED, Result, invalid};
use super::item::check_new;
use super::read::find;
use super::request::{Expressions, GET, PUT, UPDATE};
use super::table::Address;
use super::write::{Action, Write, Written};
use super::{DynamoDb, NAME};
use crate::storage::Fault;
use aloft_base::Timestamp;
use aloft_engine::timers::{self, Timer};
use aloft_engine::{Context, ServiceError};
use aloft_lang::expression::Item;
use aloft_lang::expression::value::check_item;
use aloft_store::{StoreError, Transaction, key};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Requests by account, region and token.
const TOKENS: &str = "dynamodb.tokens";
/// How long a token means the same request.
const TOKEN_KEPT: Duration = Duration::from_secs(600);
const MOST_ACTIONS: usize = 100;
const MOST_BYTES: usize = 4 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WriteInput {
    transact_items: Vec<BTreeMap<String, Value>>,
    client_request_token: Option<String>,
    return_consumed_capacity: Option<String>,
    return_item_collection_metrics: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ActionInput {
    table_name: String,
    #[serde(default)]
    item: Item,
    #[serde(default)]
    key: Item,
    return_values_on_condition_check_failure: Option<String>,
    #[serde(flatten)]
    expressions: Expressions,
}

/// One of a transaction's actions; what is wrong with it by itself is a reason to cancel, as what is wrong with its item.
struct Step {
    table_name: String,
    write: Write,
}

pub(super) async fn write(_: &DynamoDb, context: &Context, input: WriteInput) -> Result<Value> {
    if input.transact_items.len() > MOST_ACTIONS {
        return Err(invalid("Member must have length less than or equal to 100"));
    }
    let digest = format!("{:x?}", Sha256::digest(json!(input.transact_items).to_string()).as_slice());
    let steps: Vec<Step> =
        input.transact_items.iter().map(|item| step(context, item)).collect::<Result<_>>()?;
    let items = steps.iter().filter_map(|step| match &step.write.action {
        Action::Put(item) => Some(item),
        _ => None,
    });
    if total_size(items) > MOST_BYTES {
        return Err(invalid(
            "Transaction request cannot exceed 4 MB: the aggregate size of the items is too large",
        ));
    }
    let (there, token, now) = (context.clone(), input.client_request_token, context.now());
    let run = move |transaction: &mut Transaction<'_>| {
        if let Some(token) = &token
            && !claim(transaction, &there, token, &digest, now)?
        {
            return Ok(None);
        }
        run_all(transaction, &steps, now).map(|written| Some((steps, written)))
    };
    let Some((steps, written)) = context.store().write(run).await? else { return Ok(json!({})) };
    let mut out = json!({});
    let mode = input.return_consumed_capacity.as_deref();
    if capacity::is_wanted(mode) {
        let mut capacities = BTreeMap::<&str, Capacity>::new();
        for (step, written) in steps.iter().zip(&written) {
            let capacity = Capacity::of_write(&written.table, written.old.as_ref(), written.new.as_ref());
            capacities.entry(&step.table_name).or_default().add(&capacity.doubled());
        }
        let describe = |(name, capacity): (&&str, &Capacity)| {
            let mut described = capacity.describe(mode, name);
            described["WriteCapacityUnits"] = described["CapacityUnits"].clone();
            described
        };
        out["ConsumedCapacity"] = capacities.iter().map(describe).collect();
    }
    if input.return_item_collection_metrics.as_deref() == Some("SIZE") {
        let mut metrics = BTreeMap::<&str, Vec<Value>>::new();
        for (step, written) in steps.iter().zip(&written) {
            metrics.entry(&step.table_name).or_default().extend(written.collection_metrics());
        }
        metrics.retain(|_, all| !all.is_empty());
        out["ItemCollectionMetrics"] = json!(metrics);
    }
    Ok(out)
}

fn step(context: &Context, item: &BTreeMap<String, Value>) -> Result<Step> {
    let one = "TransactItems can only contain one of Check, Put, Update or Delete";
    let mut given = item.iter().filter(|(_, action)| !action.is_null());
    let (Some((kind, action)), None) = (given.next(), given.next()) else { return Err(invalid(one)) };
    let input: ActionInput =
        serde_json::from_value(action.clone()).map_err(|error| invalid(error.to_string()))?;
    let takes = if kind == "Update" { &UPDATE } else { &PUT };
    let parsed = input.expressions.parse(takes)?;
    let key = || check_item(&input.key);
    let action = match kind.as_str() {
        "Put" => Action::Put(check_new(&input.item)?),
        "Update" => Action::Update(key()?, parsed.update),
        "Delete" => Action::Delete(key()?),
        "ConditionCheck" => Action::Check(key()?),
        _ => return Err(invalid(one)),
    };
    let show_on_failure = input.return_values_on_condition_check_failure.as_deref() == Some("ALL_OLD");
    let write = Write {
        address: Address::of(context, &input.table_name)?,
        action,
        condition: parsed.condition,
        show_on_failure,
    };
    Ok(Step { table_name: input.table_name, write })
}

/// Runs every step; when one fails, tells of each why.
fn run_all(transaction: &mut Transaction<'_>, steps: &[Step], now: Timestamp) -> Result<Vec<Written>> {
    let mut seen = BTreeSet::new();
    let (mut written, mut reasons, mut failed) = (Vec::new(), Vec::new(), false);
    for step in steps {
        let done = step.write.place(transaction).and_then(|(_, place)| {
            if !seen.insert((step.write.address.clone(), place)) {
                return Err(invalid(SAME_ITEM));
            }
            step.write.run(transaction, now)
        });
        match done {
            Ok(done) => {
                reasons.push(json!({"Code": "None"}));
                written.push(done);
            }
            Err(failure) => {
                failed = true;
                reasons.push(reason(failure)?);
            }
        }
    }
    if failed { Err(cancelled(&reasons)) } else { Ok(written) }
}

const SAME_ITEM: &str = "Transaction request cannot include multiple operations on one item";

/// Why one action cancels the transaction; what is wrong with the request as a whole fails it.
fn reason(failure: Fault) -> Result<Value> {
    let Fault::Service(error) = failure else { return Err(failure) };
    match error.code.as_str() {
        CONDITION_FAILED => {
            let mut reason = json!({"Code": "ConditionalCheckFailed", "Message": error.message});
            if let Some(item) = error.fields.get("Item") {
                reason["Item"] = item.clone();
            }
            Ok(reason)
        }
        "ValidationException" if error.message != SAME_ITEM => {
            Ok(json!({"Code": "ValidationError", "Message": error.message}))
        }
        _ => Err(Fault::Service(error)),
    }
}

fn cancelled(reasons: &[Value]) -> Fault {
    let codes: Vec<&str> = reasons.iter().filter_map(|reason| reason["Code"].as_str()).collect();
    let message = format!(
        "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
        codes.join(", ")
    );
    ServiceError::new("TransactionCanceledException", 400, message)
        .with_field("CancellationReasons", reasons)
        .into()
}

/// Takes a token for this request. False when the same request has been done under it already.
fn claim(
    transaction: &mut Transaction<'_>,
    context: &Context,
    token: &str,
    digest: &str,
    now: Timestamp,
) -> Result<bool> {
    let row = key([context.account.as_str(), context.region.as_str(), token]);
    if let Some((known, until)) = transaction.get_json::<(String, Timestamp)>(TOKENS, &row)?
        && until > now
    {
        if known == digest {
            return Ok(false);
        }
        let message = "The provided client token is already in use with different parameters";
        return Err(ServiceError::new("IdempotentParameterMismatchException", 400, message).into());
    }
    let until = now.add(TOKEN_KEPT);
    transaction.put_json(TOKENS, row, &(digest, until))?;
    let timer = Timer {
        service: NAME.to_owned(),
        name: format!("token/{}/{}/{token}", context.account, context.region),
        due: until,
        account: context.account.clone(),
        region: context.region.clone(),
        payload: json!({"token": token}),
    };
    timers::set(transaction, &timer)?;
    Ok(true)
}

/// Forgets a token.
pub(super) async fn forget_token(context: &Context, timer: &Timer) -> Result<()> {
    let row = key([
        context.account.as_str(),
        context.region.as_str(),
        timer.payload["token"].as_str().unwrap_or_default(),
    ]);
    let forget = move |transaction: &mut Transaction<'_>| {
        transaction.delete(TOKENS, row);
        Ok::<_, StoreError>(())
    };
    Ok(context.store().write(forget).await?)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetInput {
    transact_items: Vec<GetAction>,
    return_consumed_capacity: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetAction {
    get: ActionInput,
}

pub(super) async fn get(_: &DynamoDb, context: &Context, input: GetInput) -> Result<Value> {
    if input.transact_items.len() > MOST_ACTIONS {
        return Err(invalid("Member must have length less than or equal to 100"));
    }
    let snapshot = context.store().read()?;
    let (mut responses, mut reasons, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    let (mut capacities, mut bytes, mut failed) = (BTreeMap::<String, Capacity>::new(), 0, false);
    for GetAction { get } in input.transact_items {
        let parsed = get.expressions.parse(&GET)?;
        let address = Address::of(context, &get.table_name)?;
        let found = match find(&snapshot, &address, &get.key, parsed.projection.as_ref()) {
            Ok(found) => found,
            Err(failure) => {
                failed = true;
                reasons.push(reason(failure)?);
                continue;
            }
        };
        reasons.push(json!({"Code": "None"}));
        if !seen.insert((address, found.table.key.place(&check_item(&get.key)?))) {
            return Err(invalid(SAME_ITEM));
        }
        bytes += found.size;
        capacities.entry(get.table_name).or_default().table += 2.0 * read_units(found.size, true);
        responses.push(found.item.map_or_else(|| json!({}), |item| json!({"Item": item})));
    }
    if failed {
        return Err(cancelled(&reasons));
    }
    if bytes > MOST_BYTES {
        return Err(invalid(
            "Transaction request cannot exceed 4 MB: the aggregate size of the items is too large",
        ));
    }
    let mut out = json!({"Responses": responses});
    let mode = input.return_consumed_capacity.as_deref();
    if capacity::is_wanted(mode) {
        let describe = |(name, capacity): (&String, &Capacity)| {
            let mut described = capacity.describe(mode, name);
            described["ReadCapacityUnits"] = described["CapacityUnits"].clone();
            described
        };
        out["ConsumedCapacity"] = capacities.iter().map(describe).collect();
    }
    Ok(out)
}
