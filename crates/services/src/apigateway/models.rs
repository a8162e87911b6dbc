//! Models: JSON schemas of bodies, by name.

use super::errors::{bad_request, conflict};
use super::parts::{self, Kind, operations_of};
use super::{ApiGateway, DOCUMENTS};
use crate::gateway::documents::text;
use crate::gateway::{Document, Place};
use crate::storage::Outcome;
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde_json::Value;

pub(super) static KIND: Kind = Kind {
    name: "model",
    member: "modelName",
    id: "name",
    missing: "Invalid model name specified",
    patchable: &["description", "schema"],
    check,
};

operations_of!(KIND);

fn check(transaction: &Transaction<'_>, place: &Place, document: &mut Document) -> Outcome<()> {
    let name = text(document, "name");
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(bad_request(format!("Model name must be alphanumeric: {name}")));
    }
    let known = DOCUMENTS.get(transaction, place, KIND.name, name)?;
    if known.is_some_and(|known| known.get("id") != document.get("id")) {
        return Err(conflict(format!("Model name already exists for this REST API: {name}")));
    }
    let schema = text(document, "schema");
    if !schema.is_empty() && serde_json::from_str::<Value>(schema).is_err() {
        return Err(bad_request(
            "Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema specified]",
        ));
    }
    Ok(())
}
