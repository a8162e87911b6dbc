//! Request validators: what of a request is looked at before its integration.

use super::ApiGateway;
use super::parts::{self, Kind, operations_of};
use crate::gateway::Document;
use aloft_engine::{Context, ServiceError};
use serde_json::Value;

pub(super) static KIND: Kind = Kind {
    name: "validator",
    member: "requestValidatorId",
    id: "id",
    missing: "Invalid Request Validator identifier specified",
    patchable: &["name", "validateRequestBody", "validateRequestParameters"],
    check: |_, _, document| {
        document.entry("validateRequestBody").or_insert(false.into());
        document.entry("validateRequestParameters").or_insert(false.into());
        Ok(())
    },
};

operations_of!(KIND);
