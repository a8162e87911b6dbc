//! Authorizers: functions that decide who may call a route.

use super::ApiGatewayV2;
use super::kinds::{self, Kind, bad_request, not_built, operations_of};
use crate::gateway::documents::{text, truth};
use crate::gateway::{Document, Place};
use crate::storage::Outcome;
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde_json::Value;

pub(super) static KIND: Kind = Kind { name: "Authorizer", id: "AuthorizerId", check };

operations_of!(KIND);

fn check(_: &Transaction<'_>, _: &Place, document: &mut Document) -> Outcome<()> {
    if text(document, "AuthorizerType") == "JWT" {
        return Err(not_built("JWT authorizers"));
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

pub(super) async fn reset_cache(
    service: &ApiGatewayV2,
    _: &Context,
    input: Document,
) -> Result<(), ServiceError> {
    service.authorizations.forget(text(&input, "ApiId"), Some(text(&input, "StageName")));
    Ok(())
}
