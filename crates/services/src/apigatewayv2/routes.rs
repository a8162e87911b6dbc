//! Routes: which integration answers a method and path, and who may call it.

use super::kinds::{self, Kind, bad_request, conflict, not_built, operations_of};
use super::{ApiGatewayV2, DOCUMENTS, authorizers, integrations};
use crate::gateway::documents::text;
use crate::gateway::{Document, Place};
use crate::storage::Outcome;
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde_json::Value;

pub(super) static KIND: Kind = Kind { name: "Route", id: "RouteId", check };

operations_of!(KIND);

const METHODS: [&str; 8] = ["ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

fn check(transaction: &Transaction<'_>, place: &Place, document: &mut Document) -> Outcome<()> {
    let key = text(document, "RouteKey").to_owned();
    let is_valid = key == "$default"
        || key
            .split_once(' ')
            .is_some_and(|(method, path)| METHODS.contains(&method) && path.starts_with('/'));
    if !is_valid {
        return Err(bad_request(
            "The provided route key is not formatted properly for HTTP protocol. Format should be \"<HTTP METHOD> /<RESOURCE PATH>\" or \"$default\"",
        ));
    }
    let id = text(document, "RouteId");
    for other in DOCUMENTS.list(transaction, place, KIND.name)? {
        if text(&other, "RouteKey") == key && text(&other, "RouteId") != id {
            return Err(conflict(format!("Route with key {key} already exists for this API")));
        }
    }
    if let Some(target) = document.get("Target").and_then(Value::as_str) {
        let integration = target.strip_prefix("integrations/").unwrap_or_default();
        if DOCUMENTS.get(transaction, place, integrations::KIND.name, integration)?.is_none() {
            return Err(bad_request(format!("Invalid Integration identifier specified {integration}")));
        }
    }
    let authorization = document.entry("AuthorizationType").or_insert("NONE".into());
    if matches!(authorization.as_str(), Some("JWT" | "CUSTOM")) {
        let authorizer = text(document, "AuthorizerId");
        if DOCUMENTS.get(transaction, place, authorizers::KIND.name, authorizer)?.is_none() {
            return Err(bad_request(format!("Invalid authorizer ID specified: {authorizer}")));
        }
    }
    document.entry("ApiKeyRequired").or_insert(false.into());
    if document.get("ApiKeyRequired") == Some(&Value::Bool(true)) {
        return Err(bad_request("API keys are not supported for HTTP protocol"));
    }
    if document.contains_key("RequestModels") || document.contains_key("ModelSelectionExpression") {
        return Err(not_built("models of HTTP APIs"));
    }
    Ok(())
}
