//! Authorizers: functions that decide who may call a method.

use super::ApiGateway;
use super::errors::{bad_request, not_built};
use super::parts::{self, Kind, operations_of};
use crate::gateway::documents::text;
use crate::gateway::{Document, Place};
use crate::storage::Outcome;
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde_json::Value;

pub(super) static KIND: Kind = Kind {
    name: "authorizer",
    member: "authorizerId",
    id: "id",
    missing: "Invalid Authorizer identifier specified",
    patchable: &[
        "name",
        "type",
        "providerARNs",
        "authType",
        "authorizerUri",
        "authorizerCredentials",
        "identitySource",
        "identityValidationExpression",
        "authorizerResultTtlInSeconds",
    ],
    check,
};

operations_of!(KIND);

fn check(_: &Transaction<'_>, _: &Place, document: &mut Document) -> Outcome<()> {
    match text(document, "type") {
        "TOKEN" if text(document, "identitySource").is_empty() => {
            return Err(bad_request("Identity source cannot be empty for TOKEN authorizers"));
        }
        "TOKEN" | "REQUEST" => {}
        "COGNITO_USER_POOLS" => return Err(not_built("authorizers by Cognito user pools")),
        _ => return Err(bad_request("Invalid authorizer type specified")),
    }
    if !text(document, "authorizerUri").contains(":lambda:path/") {
        return Err(bad_request(
            "Invalid Authorizer URI: the URI must be the ARN of a Lambda function's invocation",
        ));
    }
    document.entry("authorizerResultTtlInSeconds").or_insert(300.into());
    Ok(())
}
