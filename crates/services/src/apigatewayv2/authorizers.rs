//! Authorizers: functions, or the issuer of a token, that decide who may call a route.

use super::ApiGatewayV2;
use super::kinds::{self, Kind, bad_request, operations_of};
use crate::gateway::documents::{self, text, truth};
use crate::gateway::jwt;
use crate::gateway::{Document, Place};
use crate::storage::Outcome;
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde_json::Value;

pub(super) static KIND: Kind = Kind { name: "Authorizer", id: "AuthorizerId", check };

operations_of!(KIND);

fn check(_: &Transaction<'_>, _: &Place, document: &mut Document) -> Outcome<()> {
    if text(document, "AuthorizerType") == "JWT" {
        return check_issuer(document);
    }
    if text(document, "AuthorizerUri").is_empty() {
        return Err(bad_request("AuthorizerUri is required for REQUEST authorizers"));
    }
    match text(document, "AuthorizerPayloadFormatVersion") {
        "2.0" => Ok(()),
        "1.0" if truth(document, "EnableSimpleResponses") => {
            Err(bad_request("Simple responses are supported by payload format version 2.0 only"))
        }
        "1.0" => Ok(()),
        _ => Err(bad_request(
            "AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizer. Valid values are: [1.0, 2.0]",
        )),
    }
}

/// A token's issuer must be one that can be asked for its keys. Whether it answers shows when the first token comes.
fn check_issuer(document: &Document) -> Outcome<()> {
    let settings = document.get("JwtConfiguration").and_then(Value::as_object).cloned().unwrap_or_default();
    let issuer = text(&settings, "Issuer");
    if !jwt::is_allowed(issuer) {
        return Err(bad_request(format!(
            "Invalid issuer: {issuer}. Issuer must be an https URL, or an http URL of this machine, with a discovery endpoint under it"
        )));
    }
    if documents::list(&settings, "Audience").is_empty() {
        return Err(bad_request("Audience is required for JWT authorizers"));
    }
    if documents::list(document, "IdentitySource").is_empty() {
        return Err(bad_request("IdentitySource is required for JWT authorizers"));
    }
    Ok(())
}

pub(super) async fn reset_cache(
    service: &ApiGatewayV2,
    _: &Context,
    input: Document,
) -> Result<(), ServiceError> {
    service.authorizations.forget(text(&input, "ApiId"), Some(text(&input, "StageName")));
    Ok(())
}
