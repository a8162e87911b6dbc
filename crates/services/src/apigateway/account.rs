//! The account's settings in a region.

use super::{ApiGateway, DOCUMENTS, parts, patch};
use crate::gateway::{Document, Place};
use crate::storage::{Outcome, Rows};
use aloft_engine::{Context, ServiceError};
use serde_json::{Value, json};

fn find(rows: &impl Rows, place: &Place) -> Outcome<Document> {
    let mut document = DOCUMENTS.get(rows, place, "account", "")?.unwrap_or_default();
    document.insert("throttleSettings".to_owned(), json!({ "burstLimit": 5000, "rateLimit": 10000.0 }));
    document.insert("features".to_owned(), json!(["UsagePlans"]));
    document.insert("apiKeyVersion".to_owned(), "4".into());
    Ok(document)
}

pub(super) async fn get(_: &ApiGateway, context: &Context, _: Document) -> Result<Value, ServiceError> {
    parts::read(context, |snapshot| Ok(find(snapshot, &Place::new(context, ""))?.into()))
}

pub(super) async fn update(
    _: &ApiGateway,
    context: &Context,
    input: Document,
) -> Result<Value, ServiceError> {
    let place = Place::new(context, "");
    let at = place.clone();
    let updated = DOCUMENTS.change(context, &place, move |transaction| {
        let mut document = find(transaction, &at)?;
        patch::apply(&mut document, &input, &["cloudwatchRoleArn"])?;
        DOCUMENTS.put(transaction, &at, "account", "", &document)?;
        Ok(document)
    });
    Ok(updated.await?.into())
}
