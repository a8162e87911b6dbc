//! API keys.

use super::errors::{bad_request, conflict, not_found};
use super::parts::{self, page_of};
use super::{ApiGateway, DOCUMENTS, patch};
use crate::gateway::documents::{list as texts, text, truth};
use crate::gateway::resources::new_id;
use crate::gateway::{Document, Place};
use crate::storage::{Outcome, Rows};
use aloft_engine::{Context, ServiceError};
use serde_json::{Value, json};

/// Keys by id.
const KIND: &str = "key";
/// Ids by value.
const VALUES: &str = "key-value";

/// A key, which must be there.
pub(super) fn find(rows: &impl Rows, place: &Place, id: &str) -> Outcome<Document> {
    let found = DOCUMENTS.get(rows, place, KIND, id)?;
    found.ok_or_else(|| not_found("Invalid API Key identifier specified"))
}

/// The enabled key of that value.
pub(super) fn by_value(rows: &impl Rows, place: &Place, value: &str) -> Outcome<Option<Document>> {
    let Some(index) = DOCUMENTS.get(rows, place, VALUES, value)? else { return Ok(None) };
    let key = DOCUMENTS.get(rows, place, KIND, text(&index, "id"))?;
    Ok(key.filter(|key| truth(key, "enabled")))
}

/// `api/stage`, as keys remember stages.
fn stage_keys(input: &Document) -> Vec<String> {
    let items = input.get("stageKeys").and_then(Value::as_array);
    let items = items.into_iter().flatten().filter_map(Value::as_object);
    items.map(|item| format!("{}/{}", text(item, "restApiId"), text(item, "stageName"))).collect()
}

fn shown(mut document: Document, input: &Document, flag: &str) -> Document {
    if !truth(input, flag) {
        document.shift_remove("value");
    }
    document
}

pub(super) async fn create(
    _: &ApiGateway,
    context: &Context,
    mut input: Document,
) -> Result<Value, ServiceError> {
    let place = Place::new(context, "");
    let id = new_id(context, &mut input, 10);
    let now: Value = context.now().seconds().into();
    let stage_keys = stage_keys(&input);
    input.shift_remove("generateDistinctId");
    input.insert("id".to_owned(), id.as_str().into());
    input.insert("stageKeys".to_owned(), stage_keys.into());
    input.insert("createdDate".to_owned(), now.clone());
    input.insert("lastUpdatedDate".to_owned(), now);
    input.entry("enabled").or_insert(false.into());
    input.entry("value").or_insert_with(|| context.ids().lower(40).into());
    if !(20..=128).contains(&text(&input, "value").chars().count()) {
        return Err(bad_request("API Key value should be at least 20 characters").into());
    }
    let at = place.clone();
    let created = DOCUMENTS.change(context, &place, move |transaction| {
        if let Some(known) = DOCUMENTS.get(transaction, &at, KIND, &id)? {
            return Ok(known);
        }
        let value = text(&input, "value");
        if DOCUMENTS.get(transaction, &at, VALUES, value)?.is_some() {
            return Err(conflict("API Key already exists"));
        }
        let index = json!({ "id": id }).as_object().cloned().unwrap_or_default();
        DOCUMENTS.put(transaction, &at, VALUES, value, &index)?;
        DOCUMENTS.put(transaction, &at, KIND, &id, &input)?;
        Ok(input)
    });
    Ok(created.await?.into())
}

pub(super) async fn get(_: &ApiGateway, context: &Context, input: Document) -> Result<Value, ServiceError> {
    parts::read(context, |snapshot| {
        let document = find(snapshot, &Place::new(context, ""), text(&input, "apiKey"))?;
        Ok(shown(document, &input, "includeValue").into())
    })
}

pub(super) async fn list(_: &ApiGateway, context: &Context, input: Document) -> Result<Value, ServiceError> {
    parts::read(context, |snapshot| {
        let keys = DOCUMENTS.list(snapshot, &Place::new(context, ""), KIND)?;
        let fits = |key: &Document| {
            text(key, "name").starts_with(text(&input, "nameQuery"))
                && input.get("customerId").is_none_or(|wanted| key.get("customerId") == Some(wanted))
        };
        let keys = keys.into_iter().filter(fits).map(|key| shown(key, &input, "includeValues"));
        Ok(page_of(keys.collect(), &input))
    })
}

pub(super) async fn update(
    _: &ApiGateway,
    context: &Context,
    input: Document,
) -> Result<Value, ServiceError> {
    let place = Place::new(context, "");
    let now = context.now().seconds();
    let at = place.clone();
    let updated = DOCUMENTS.change(context, &place, move |transaction| {
        let id = text(&input, "apiKey");
        let mut document = find(transaction, &at, id)?;
        patch::apply(&mut document, &input, &["name", "description", "enabled", "customerId"])?;
        if let Some(Value::Array(items)) = document.get("stageKeys")
            && items.iter().any(Value::is_object)
        {
            let keys = stage_keys(&document);
            document.insert("stageKeys".to_owned(), keys.into());
        }
        document.insert("lastUpdatedDate".to_owned(), now.into());
        DOCUMENTS.put(transaction, &at, KIND, id, &document)?;
        Ok(shown(document, &input, "includeValue"))
    });
    Ok(updated.await?.into())
}

pub(super) async fn delete(_: &ApiGateway, context: &Context, input: Document) -> Result<(), ServiceError> {
    let place = Place::new(context, "");
    let at = place.clone();
    DOCUMENTS
        .change(context, &place, move |transaction| {
            let id = text(&input, "apiKey");
            let document = find(transaction, &at, id)?;
            DOCUMENTS.delete(transaction, &at, VALUES, text(&document, "value"));
            DOCUMENTS.delete(transaction, &at, KIND, id);
            super::plans::forget_key(transaction, &at, id)
        })
        .await
}

/// Whether a key opens a stage by itself, without a usage plan.
pub(super) fn opens(key: &Document, api: &str, stage: &str) -> bool {
    texts(key, "stageKeys").contains(&format!("{api}/{stage}"))
}
