//! Integrations: what answers behind a route.

use super::ApiGatewayV2;
use super::kinds::{self, Kind, bad_request, not_built, operations_of};
use crate::gateway::documents::text;
use crate::gateway::{Document, Place};
use crate::storage::Outcome;
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde_json::Value;

pub(super) static KIND: Kind = Kind { name: "Integration", id: "IntegrationId", check };

operations_of!(KIND);

fn check(_: &Transaction<'_>, _: &Place, document: &mut Document) -> Outcome<()> {
    match text(document, "IntegrationType") {
        "AWS_PROXY" if document.contains_key("IntegrationSubtype") => {
            return Err(not_built("integrations of HTTP APIs with other services than Lambda"));
        }
        "AWS_PROXY" | "HTTP_PROXY" => {}
        _ => {
            return Err(bad_request(
                "HTTP APIs support AWS_PROXY and HTTP_PROXY integrations only".to_owned(),
            ));
        }
    }
    if text(document, "ConnectionType") == "VPC_LINK" {
        return Err(not_built("private integrations"));
    }
    if document.contains_key("RequestParameters") || document.contains_key("ResponseParameters") {
        return Err(not_built("parameter mappings of HTTP APIs"));
    }
    if text(document, "IntegrationUri").is_empty() {
        return Err(bad_request("IntegrationUri is required"));
    }
    let is_function = text(document, "IntegrationType") == "AWS_PROXY";
    document.entry("ConnectionType").or_insert("INTERNET".into());
    document.entry("PayloadFormatVersion").or_insert("1.0".into());
    document.entry("TimeoutInMillis").or_insert(30_000.into());
    document.entry("IntegrationMethod").or_insert(if is_function { "POST" } else { "ANY" }.into());
    if !matches!(document.get("PayloadFormatVersion").and_then(Value::as_str), Some("1.0" | "2.0")) {
        return Err(bad_request("PayloadFormatVersion must be one of 1.0, 2.0"));
    }
    Ok(())
}
