//! Gateway responses: how an API words the gateway's own refusals.

use super::errors::{bad_request, not_found};
use super::faults::{self, FAULTS};
use super::parts::{self, place};
use super::{ApiGateway, DOCUMENTS, patch};
use crate::gateway::documents::text;
use crate::gateway::{Document, Place};
use crate::storage::{Outcome, Rows};
use aloft_engine::{Context, ServiceError};
use serde_json::{Value, json};

const KIND: &str = "response";

fn default_of(kind: &str) -> Document {
    let status = FAULTS.iter().find(|fault| fault.kind == kind).map(|fault| fault.status.to_string());
    let document = json!({
        "responseType": kind,
        "statusCode": status,
        "responseParameters": {},
        "responseTemplates": { "application/json": "{\"message\":$context.error.messageString}" },
        "defaultResponse": true,
    });
    document.as_object().cloned().unwrap_or_default()
}

fn find(rows: &impl Rows, place: &Place, kind: &str) -> Outcome<Document> {
    parts::api(rows, place)?;
    Ok(DOCUMENTS.get(rows, place, KIND, kind)?.unwrap_or_else(|| default_of(kind)))
}

pub(super) async fn put(
    _: &ApiGateway,
    context: &Context,
    mut input: Document,
) -> Result<Value, ServiceError> {
    let place = place(context, &input);
    input.shift_remove("restApiId");
    let at = place.clone();
    let put = DOCUMENTS.change(context, &place, move |transaction| {
        parts::api(transaction, &at)?;
        let kind = text(&input, "responseType").to_owned();
        if !faults::KINDS.contains(&kind.as_str()) {
            return Err(bad_request(format!("Invalid response type specified: {kind}")));
        }
        let mut document = default_of(&kind);
        document.shift_remove("responseTemplates");
        document.extend(input);
        document.entry("responseTemplates").or_insert_with(|| default_of(&kind)["responseTemplates"].clone());
        document.insert("defaultResponse".to_owned(), false.into());
        DOCUMENTS.put(transaction, &at, KIND, &kind, &document)?;
        Ok(document)
    });
    Ok(put.await?.into())
}

pub(super) async fn get(_: &ApiGateway, context: &Context, input: Document) -> Result<Value, ServiceError> {
    parts::read(context, |snapshot| {
        Ok(find(snapshot, &place(context, &input), text(&input, "responseType"))?.into())
    })
}

pub(super) async fn list(_: &ApiGateway, context: &Context, input: Document) -> Result<Value, ServiceError> {
    let place = place(context, &input);
    parts::read(context, |snapshot| {
        let all: Outcome<Vec<Document>> =
            faults::KINDS.iter().map(|kind| find(snapshot, &place, kind)).collect();
        Ok(parts::page_of(all?, &input))
    })
}

pub(super) async fn update(
    _: &ApiGateway,
    context: &Context,
    input: Document,
) -> Result<Value, ServiceError> {
    let place = place(context, &input);
    let at = place.clone();
    let updated = DOCUMENTS.change(context, &place, move |transaction| {
        let kind = text(&input, "responseType");
        let mut document = find(transaction, &at, kind)?;
        patch::apply(&mut document, &input, &["statusCode", "responseParameters", "responseTemplates"])?;
        document.insert("defaultResponse".to_owned(), false.into());
        DOCUMENTS.put(transaction, &at, KIND, kind, &document)?;
        Ok(document)
    });
    Ok(updated.await?.into())
}

pub(super) async fn delete(_: &ApiGateway, context: &Context, input: Document) -> Result<(), ServiceError> {
    let place = place(context, &input);
    let at = place.clone();
    DOCUMENTS
        .change(context, &place, move |transaction| {
            let kind = text(&input, "responseType");
            if DOCUMENTS.get(transaction, &at, KIND, kind)?.is_none() {
                return Err(not_found("Gateway response type not defined on api"));
            }
            DOCUMENTS.delete(transaction, &at, KIND, kind);
            Ok(())
        })
        .await
}
