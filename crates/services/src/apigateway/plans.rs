//! Usage plans: which keys open which stages. Their throttles and quotas are kept and not enforced.

use super::errors::{bad_request, conflict, not_found};
use super::parts::{self, page_of};
use super::{ApiGateway, DOCUMENTS, keys, patch};
use crate::gateway::documents::text;
use crate::gateway::resources::new_id;
use crate::gateway::{Document, Place};
use crate::storage::{Fault, Outcome, Rows};
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde_json::{Value, json};

const KIND: &str = "plan";
/// The keys of plans; the plan stands where other documents have their API.
const KEYS: &str = "plan-key";
/// Which plans a key is in; the key stands where other documents have their API.
const PLANS: &str = "key-plan";

fn find(rows: &impl Rows, place: &Place, id: &str) -> Outcome<Document> {
    DOCUMENTS.get(rows, place, KIND, id)?.ok_or_else(|| not_found("Invalid Usage Plan ID specified"))
}

/// The plan through which a key opens a stage.
pub(super) fn opening(
    rows: &impl Rows,
    place: &Place,
    key: &str,
    api: &str,
    stage: &str,
) -> Outcome<Option<String>> {
    let of_key = Place { api: key.to_owned(), ..place.clone() };
    for index in DOCUMENTS.list(rows, &of_key, PLANS)? {
        let Some(plan) = DOCUMENTS.get(rows, place, KIND, text(&index, "plan"))? else { continue };
        let stages = plan.get("apiStages").and_then(Value::as_array);
        let mut stages = stages.into_iter().flatten().filter_map(Value::as_object);
        if stages.any(|one| text(one, "apiId") == api && text(one, "stage") == stage) {
            return Ok(Some(text(&plan, "id").to_owned()));
        }
    }
    Ok(None)
}

/// Takes a key that is gone out of all plans.
pub(super) fn forget_key(transaction: &mut Transaction<'_>, place: &Place, key: &str) -> Outcome<()> {
    let of_key = Place { api: key.to_owned(), ..place.clone() };
    for index in DOCUMENTS.list(transaction, &of_key, PLANS)? {
        let of_plan = Place { api: text(&index, "plan").to_owned(), ..place.clone() };
        DOCUMENTS.delete(transaction, &of_plan, KEYS, key);
    }
    Ok(DOCUMENTS.delete_all(transaction, &of_key, PLANS)?)
}

fn check(rows: &impl Rows, place: &Place, plan: &Document) -> Outcome<()> {
    let stages = plan.get("apiStages").and_then(Value::as_array);
    for one in stages.into_iter().flatten().filter_map(Value::as_object) {
        let at = Place { api: text(one, "apiId").to_owned(), ..place.clone() };
        if DOCUMENTS.get(rows, &at, "stage", text(one, "stage"))?.is_none() {
            let (api, stage) = (text(one, "apiId"), text(one, "stage"));
            return Err(not_found(format!("API Stage not found: {api}:{stage}")));
        }
    }
    Ok(())
}

pub(super) async fn create(
    _: &ApiGateway,
    context: &Context,
    mut input: Document,
) -> Result<Value, ServiceError> {
    let place = Place::new(context, "");
    let id = new_id(context, &mut input, 6);
    input.insert("id".to_owned(), id.as_str().into());
    input.entry("apiStages").or_insert(json!([]));
    let at = place.clone();
    let created = DOCUMENTS.change(context, &place, move |transaction| {
        check(transaction, &at, &input)?;
        DOCUMENTS.put(transaction, &at, KIND, &id, &input)?;
        Ok(input)
    });
    Ok(created.await?.into())
}

pub(super) async fn get(_: &ApiGateway, context: &Context, input: Document) -> Result<Value, ServiceError> {
    parts::read(context, |snapshot| {
        Ok(find(snapshot, &Place::new(context, ""), text(&input, "usagePlanId"))?.into())
    })
}

pub(super) async fn list(_: &ApiGateway, context: &Context, input: Document) -> Result<Value, ServiceError> {
    let place = Place::new(context, "");
    parts::read(context, |snapshot| {
        let mut plans = DOCUMENTS.list(snapshot, &place, KIND)?;
        if let Some(key) = input.get("keyId").and_then(Value::as_str) {
            let of_key = Place { api: key.to_owned(), ..place.clone() };
            let own = DOCUMENTS.list(snapshot, &of_key, PLANS)?;
            plans.retain(|plan| own.iter().any(|index| text(index, "plan") == text(plan, "id")));
        }
        Ok(page_of(plans, &input))
    })
}

/// `/apiStages` is patched by `api:stage`; the rest is patched as everywhere.
fn patch_stages(plan: &mut Document, operation: &Document) -> Outcome<bool> {
    if text(operation, "path") != "/apiStages" {
        return Ok(false);
    }
    let value = text(operation, "value");
    let (api, stage) =
        value.split_once(':').ok_or_else(|| bad_request(format!("Invalid API stage specified: {value}")))?;
    let stages = plan.entry("apiStages").or_insert(json!([]));
    if let Value::Array(stages) = stages {
        stages.retain(|one| one["apiId"] != api || one["stage"] != stage);
        if text(operation, "op") != "remove" {
            stages.push(json!({ "apiId": api, "stage": stage }));
        }
    }
    Ok(true)
}

pub(super) async fn update(
    _: &ApiGateway,
    context: &Context,
    mut input: Document,
) -> Result<Value, ServiceError> {
    let place = Place::new(context, "");
    let at = place.clone();
    let updated = DOCUMENTS.change(context, &place, move |transaction| {
        let id = text(&input, "usagePlanId").to_owned();
        let mut plan = find(transaction, &at, &id)?;
        let mut others = Vec::new();
        let operations = input.get("patchOperations").and_then(Value::as_array);
        for operation in operations.into_iter().flatten().filter_map(Value::as_object) {
            if !patch_stages(&mut plan, operation)? {
                others.push(operation.clone());
            }
        }
        input.insert("patchOperations".to_owned(), others.into());
        let allowed = ["name", "description", "throttle", "quota", "productCode", "apiStages"];
        patch::apply(&mut plan, &input, &allowed)?;
        check(transaction, &at, &plan)?;
        DOCUMENTS.put(transaction, &at, KIND, &id, &plan)?;
        Ok(plan)
    });
    Ok(updated.await?.into())
}

pub(super) async fn delete(_: &ApiGateway, context: &Context, input: Document) -> Result<(), ServiceError> {
    let place = Place::new(context, "");
    let at = place.clone();
    DOCUMENTS
        .change(context, &place, move |transaction| {
            let id = text(&input, "usagePlanId");
            find(transaction, &at, id)?;
            let of_plan = Place { api: id.to_owned(), ..at.clone() };
            for key in DOCUMENTS.list(transaction, &of_plan, KEYS)? {
                let of_key = Place { api: text(&key, "id").to_owned(), ..at.clone() };
                DOCUMENTS.delete(transaction, &of_key, PLANS, id);
            }
            DOCUMENTS.delete_all(transaction, &of_plan, KEYS)?;
            DOCUMENTS.delete(transaction, &at, KIND, id);
            Ok(())
        })
        .await
}

fn no_key() -> Fault {
    not_found("Invalid Usage Plan Key identifier specified")
}

pub(super) async fn add_key(
    _: &ApiGateway,
    context: &Context,
    input: Document,
) -> Result<Value, ServiceError> {
    let place = Place::new(context, "");
    let at = place.clone();
    let retried = input.contains_key(crate::gateway::resources::TOKEN);
    let created = DOCUMENTS.change(context, &place, move |transaction| {
        let (plan, id) = (text(&input, "usagePlanId"), text(&input, "keyId"));
        find(transaction, &at, plan)?;
        let key = keys::find(transaction, &at, id)?;
        let of_plan = Place { api: plan.to_owned(), ..at.clone() };
        let of_key = Place { api: id.to_owned(), ..at.clone() };
        if !retried && DOCUMENTS.get(transaction, &of_plan, KEYS, id)?.is_some() {
            return Err(conflict("Usage Plan Key already exists"));
        }
        let document = json!({
            "id": id, "type": "API_KEY", "value": text(&key, "value"), "name": text(&key, "name"),
        });
        let document = document.as_object().cloned().unwrap_or_default();
        let index = json!({ "plan": plan }).as_object().cloned().unwrap_or_default();
        DOCUMENTS.put(transaction, &of_plan, KEYS, id, &document)?;
        DOCUMENTS.put(transaction, &of_key, PLANS, plan, &index)?;
        Ok(document)
    });
    Ok(created.await?.into())
}

/// The place of a plan's keys.
fn of_plan(context: &Context, input: &Document) -> Place {
    Place::new(context, text(input, "usagePlanId"))
}

pub(super) async fn get_key(
    _: &ApiGateway,
    context: &Context,
    input: Document,
) -> Result<Value, ServiceError> {
    parts::read(context, |snapshot| {
        let found = DOCUMENTS.get(snapshot, &of_plan(context, &input), KEYS, text(&input, "keyId"))?;
        Ok(found.ok_or_else(no_key)?.into())
    })
}

pub(super) async fn list_keys(
    _: &ApiGateway,
    context: &Context,
    input: Document,
) -> Result<Value, ServiceError> {
    parts::read(context, |snapshot| {
        find(snapshot, &Place::new(context, ""), text(&input, "usagePlanId"))?;
        let mut all = DOCUMENTS.list(snapshot, &of_plan(context, &input), KEYS)?;
        all.retain(|key| text(key, "name").starts_with(text(&input, "nameQuery")));
        Ok(page_of(all, &input))
    })
}

pub(super) async fn remove_key(
    _: &ApiGateway,
    context: &Context,
    input: Document,
) -> Result<(), ServiceError> {
    let place = Place::new(context, "");
    let of_plan = of_plan(context, &input);
    let at = place.clone();
    DOCUMENTS
        .change(context, &place, move |transaction| {
            let id = text(&input, "keyId");
            DOCUMENTS.get(transaction, &of_plan, KEYS, id)?.ok_or_else(no_key)?;
            DOCUMENTS.delete(transaction, &of_plan, KEYS, id);
            let of_key = Place { api: id.to_owned(), ..at.clone() };
            DOCUMENTS.delete(transaction, &of_key, PLANS, text(&input, "usagePlanId"));
            Ok(())
        })
        .await
}
