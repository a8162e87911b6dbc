//! Parts of an API that are made, read, listed, patched and deleted alike.

use super::DOCUMENTS;
use super::errors::not_found;
use super::patch;
use crate::gateway::documents::text;
use crate::gateway::resources::new_id;
use crate::gateway::{Document, Place};
use crate::page;
use crate::storage::{Outcome, Rows};
use aloft_engine::{Context, ServiceError, storage_failed};
use aloft_store::Transaction;
use serde_json::{Value, json};

/// A kind of part.
pub(super) struct Kind {
    /// The kind of its documents.
    pub name: &'static str,
    /// The member of inputs that says which one.
    pub member: &'static str,
    /// The member of documents that is the id.
    pub id: &'static str,
    /// What is said when it is not there.
    pub missing: &'static str,
    /// The members that patches may change.
    pub patchable: &'static [&'static str],
    /// Refuses what cannot be, and fills in what is not said.
    pub check: fn(&Transaction<'_>, &Place, &mut Document) -> Outcome<()>,
}

/// Defines a kind's operations.
macro_rules! operations_of {
    ($kind:expr) => {
        pub(super) async fn create(
            _: &ApiGateway,
            context: &Context,
            input: Document,
        ) -> Result<Value, ServiceError> {
            parts::create(context, &$kind, input).await
        }

        pub(super) async fn get(
            _: &ApiGateway,
            context: &Context,
            input: Document,
        ) -> Result<Value, ServiceError> {
            parts::get(context, &$kind, &input)
        }

        pub(super) async fn list(
            _: &ApiGateway,
            context: &Context,
            input: Document,
        ) -> Result<Value, ServiceError> {
            parts::list(context, &$kind, &input)
        }

        pub(super) async fn update(
            _: &ApiGateway,
            context: &Context,
            input: Document,
        ) -> Result<Value, ServiceError> {
            parts::update(context, &$kind, input).await
        }

        pub(super) async fn delete(
            _: &ApiGateway,
            context: &Context,
            input: Document,
        ) -> Result<(), ServiceError> {
            parts::delete(context, &$kind, &input).await
        }
    };
}
pub(super) use operations_of;

/// The place of the API that an input names.
pub(super) fn place(context: &Context, input: &Document) -> Place {
    Place::new(context, text(input, "restApiId"))
}

/// The API, which must be there.
pub(super) fn api(rows: &impl Rows, place: &Place) -> Outcome<Document> {
    let found = DOCUMENTS.get(rows, place, "api", "")?;
    found
        .ok_or_else(|| not_found(format!("Invalid API identifier specified {}:{}", place.account, place.api)))
}

/// A part, which must be there.
pub(super) fn part(rows: &impl Rows, place: &Place, kind: &Kind, id: &str) -> Outcome<Document> {
    api(rows, place)?;
    DOCUMENTS.get(rows, place, kind.name, id)?.ok_or_else(|| not_found(kind.missing))
}

/// A page of items, by `limit` and `position`.
pub(super) fn page_of(items: Vec<Document>, input: &Document) -> Value {
    let limit = input.get("limit").and_then(Value::as_u64).unwrap_or(500).clamp(1, 500) as usize;
    let (items, next) = page::of(items, limit, input.get("position").and_then(Value::as_str));
    json!({ "items": items, "position": next })
}

/// Reads from a snapshot.
pub(super) fn read<T>(
    context: &Context,
    work: impl FnOnce(&aloft_store::Snapshot) -> Outcome<T>,
) -> Result<T, ServiceError> {
    let snapshot = context.store().read().map_err(|error| storage_failed(&error))?;
    Ok(work(&snapshot)?)
}

pub(super) async fn create(
    context: &Context,
    kind: &'static Kind,
    mut input: Document,
) -> Result<Value, ServiceError> {
    let place = place(context, &input);
    let generated = new_id(context, &mut input, 6);
    input.shift_remove("restApiId");
    let within = place.clone();
    let created = DOCUMENTS.change(context, &place, move |transaction| {
        api(transaction, &within)?;
        input.insert("id".to_owned(), generated.into());
        let id = text(&input, kind.id).to_owned();
        let known = DOCUMENTS.get(transaction, &within, kind.name, &id)?;
        // Only a creation that is done again comes with an id that is there; a name may be taken.
        if let Some(known) = known.filter(|known| known.get("id") == input.get("id")) {
            return Ok(known);
        }
        (kind.check)(transaction, &within, &mut input)?;
        DOCUMENTS.put(transaction, &within, kind.name, &id, &input)?;
        Ok(input)
    });
    Ok(created.await?.into())
}

pub(super) fn get(context: &Context, kind: &Kind, input: &Document) -> Result<Value, ServiceError> {
    let place = place(context, input);
    read(context, |snapshot| Ok(part(snapshot, &place, kind, text(input, kind.member))?.into()))
}

pub(super) fn list(context: &Context, kind: &Kind, input: &Document) -> Result<Value, ServiceError> {
    let place = place(context, input);
    read(context, |snapshot| {
        api(snapshot, &place)?;
        Ok(page_of(DOCUMENTS.list(snapshot, &place, kind.name)?, input))
    })
}

pub(super) async fn update(
    context: &Context,
    kind: &'static Kind,
    input: Document,
) -> Result<Value, ServiceError> {
    let place = place(context, &input);
    let within = place.clone();
    let updated = DOCUMENTS.change(context, &place, move |transaction| {
        let id = text(&input, kind.member);
        let mut document = part(transaction, &within, kind, id)?;
        patch::apply(&mut document, &input, kind.patchable)?;
        (kind.check)(transaction, &within, &mut document)?;
        DOCUMENTS.put(transaction, &within, kind.name, id, &document)?;
        Ok(document)
    });
    Ok(updated.await?.into())
}

pub(super) async fn delete(
    context: &Context,
    kind: &'static Kind,
    input: &Document,
) -> Result<(), ServiceError> {
    let place = place(context, input);
    let (within, id) = (place.clone(), text(input, kind.member).to_owned());
    DOCUMENTS
        .change(context, &place, move |transaction| {
            part(transaction, &within, kind, &id)?;
            DOCUMENTS.delete(transaction, &within, kind.name, &id);
            Ok(())
        })
        .await
}
