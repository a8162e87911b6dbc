//! The parts of an API: made, read, listed, changed and deleted alike.
//!
//! A document has the members of its model. In an update, a member that is `null` (which only CloudFormation sends) is
//! taken away.

use super::DOCUMENTS;
use crate::gateway::documents::text;
use crate::gateway::resources::new_id;
use crate::gateway::{Document, Place};
use crate::page;
use crate::storage::{Fault, Outcome, Rows};
use aloft_engine::{Context, ServiceError, storage_failed};
use aloft_store::Transaction;
use serde_json::{Value, json};

/// How many items a list gives at once.
const PAGE: usize = 1000;

/// A kind of part.
pub(super) struct Kind {
    /// `Route`
    pub name: &'static str,
    /// The member with its id.
    pub id: &'static str,
    /// Refuses what cannot be, and fills in what is not said.
    pub check: fn(&Transaction<'_>, &Place, &mut Document) -> Outcome<()>,
}

/// Defines a kind's operations.
macro_rules! operations_of {
    ($kind:expr) => {
        pub(super) async fn create(
            _: &ApiGatewayV2,
            context: &Context,
            input: Document,
        ) -> Result<Value, ServiceError> {
            kinds::create(context, &$kind, input).await
        }

        pub(super) async fn get(
            _: &ApiGatewayV2,
            context: &Context,
            input: Document,
        ) -> Result<Value, ServiceError> {
            kinds::get(context, &$kind, &input)
        }

        pub(super) async fn list(
            _: &ApiGatewayV2,
            context: &Context,
            input: Document,
        ) -> Result<Value, ServiceError> {
            kinds::list(context, &$kind, &input)
        }

        pub(super) async fn update(
            _: &ApiGatewayV2,
            context: &Context,
            input: Document,
        ) -> Result<Value, ServiceError> {
            kinds::update(context, &$kind, input).await
        }

        pub(super) async fn delete(
            _: &ApiGatewayV2,
            context: &Context,
            input: Document,
        ) -> Result<(), ServiceError> {
            kinds::delete(context, &$kind, &input).await
        }
    };
}
pub(super) use operations_of;

pub(super) fn bad_request(message: impl Into<String>) -> Fault {
    Fault::Service(ServiceError::new("BadRequestException", 400, message))
}

pub(super) fn not_found(kind: &str, id: &str) -> Fault {
    let kind = if kind == "Api" { "API" } else { kind };
    Fault::Service(ServiceError::new(
        "NotFoundException",
        404,
        format!("Invalid {kind} identifier specified {id}"),
    ))
}

pub(super) fn conflict(message: impl Into<String>) -> Fault {
    Fault::Service(ServiceError::new("ConflictException", 409, message))
}

pub(super) fn not_built(what: &str) -> Fault {
    Fault::Service(ServiceError::new("NotImplemented", 501, format!("the local cloud has not built {what}")))
}

/// The API, which must be there.
pub(super) fn api(rows: &impl Rows, place: &Place) -> Outcome<Document> {
    DOCUMENTS.get(rows, place, "Api", "")?.ok_or_else(|| not_found("Api", &place.api))
}

/// A part, which must be there.
pub(super) fn part(rows: &impl Rows, place: &Place, kind: &Kind, id: &str) -> Outcome<Document> {
    api(rows, place)?;
    DOCUMENTS.get(rows, place, kind.name, id)?.ok_or_else(|| not_found(kind.name, id))
}

/// Lays the members of an input over a document.
pub(super) fn merge(document: &mut Document, input: Document) {
    for (name, value) in input {
        if value.is_null() {
            document.shift_remove(&name);
        } else {
            document.insert(name, value);
        }
    }
}

pub(super) async fn create(
    context: &Context,
    kind: &'static Kind,
    mut input: Document,
) -> Result<Value, ServiceError> {
    let place = Place::new(context, text(&input, "ApiId"));
    let id = new_id(context, &mut input, 7);
    input.shift_remove("ApiId");
    let within = place.clone();
    let created = DOCUMENTS.change(context, &place, move |transaction| {
        api(transaction, &within)?;
        if let Some(known) = DOCUMENTS.get(transaction, &within, kind.name, &id)? {
            // Only a creation that is done again comes with an id that is there.
            return Ok(known);
        }
        let mut document = input;
        document.insert(kind.id.to_owned(), id.as_str().into());
        (kind.check)(transaction, &within, &mut document)?;
        DOCUMENTS.put(transaction, &within, kind.name, &id, &document)?;
        Ok(document)
    });
    Ok(created.await?.into())
}

pub(super) fn get(context: &Context, kind: &Kind, input: &Document) -> Result<Value, ServiceError> {
    let snapshot = context.store().read().map_err(|error| storage_failed(&error))?;
    let place = Place::new(context, text(input, "ApiId"));
    Ok(part(&snapshot, &place, kind, text(input, kind.id))?.into())
}

pub(super) fn list(context: &Context, kind: &Kind, input: &Document) -> Result<Value, ServiceError> {
    let place = Place::new(context, text(input, "ApiId"));
    let read = || -> Outcome<Vec<Document>> {
        let snapshot = context.store().read()?;
        api(&snapshot, &place)?;
        Ok(DOCUMENTS.list(&snapshot, &place, kind.name)?)
    };
    Ok(page_of(read()?, input))
}

/// A page of a list.
pub(super) fn page_of(items: Vec<Document>, input: &Document) -> Value {
    let limit = text(input, "MaxResults").parse().ok().filter(|limit| *limit > 0).unwrap_or(PAGE);
    let token = input.get("NextToken").and_then(Value::as_str);
    let (items, next) = page::of(items, limit, token);
    json!({ "Items": items, "NextToken": next })
}

pub(super) async fn update(
    context: &Context,
    kind: &'static Kind,
    mut input: Document,
) -> Result<Value, ServiceError> {
    let place = Place::new(context, text(&input, "ApiId"));
    let id = text(&input, kind.id).to_owned();
    input.shift_remove("ApiId");
    let within = place.clone();
    let updated = DOCUMENTS.change(context, &place, move |transaction| {
        let mut document = part(transaction, &within, kind, &id)?;
        merge(&mut document, input);
        (kind.check)(transaction, &within, &mut document)?;
        DOCUMENTS.put(transaction, &within, kind.name, &id, &document)?;
        Ok(document)
    });
    Ok(updated.await?.into())
}

pub(super) async fn delete(
    context: &Context,
    kind: &'static Kind,
    input: &Document,
) -> Result<(), ServiceError> {
    let place = Place::new(context, text(input, "ApiId"));
    let id = text(input, kind.id).to_owned();
    let within = place.clone();
    DOCUMENTS
        .change(context, &place, move |transaction| {
            part(transaction, &within, kind, &id)?;
            DOCUMENTS.delete(transaction, &within, kind.name, &id);
            Ok(())
        })
        .await
}
