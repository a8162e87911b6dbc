//! Integrations of methods, and the responses that they are turned into.

use super::errors::{bad_request, not_built, not_found};
use super::methods::{self, change, put_within, take_within, within};
use super::parts::{self, place};
use super::{ApiGateway, mapping, patch};
use crate::gateway::Document;
use crate::gateway::documents::{text, texts};
use crate::storage::{Fault, Outcome};
use aloft_engine::{Context, ServiceError};
use serde_json::Value;

const PATCHABLE: &[&str] = &[
    "uri",
    "httpMethod",
    "credentials",
    "requestParameters",
    "requestTemplates",
    "passthroughBehavior",
    "contentHandling",
    "timeoutInMillis",
    "cacheNamespace",
    "cacheKeyParameters",
    "connectionType",
    "connectionId",
    "type",
    "tlsConfig",
];

/// Refuses what cannot be, and fills in what is not said.
pub(super) fn check(integration: &mut Document) -> Outcome<()> {
    let kind = text(integration, "type").to_owned();
    let uri = text(integration, "uri").to_owned();
    match kind.as_str() {
        "MOCK" => {}
        "HTTP" | "HTTP_PROXY" => {
            let variable = uri.starts_with("${stageVariables.")
                || uri.starts_with("http://${")
                || uri.starts_with("https://${");
            if !variable && !uri.starts_with("http://") && !uri.starts_with("https://") {
                return Err(bad_request("Invalid HTTP endpoint specified for URI"));
            }
        }
        "AWS" | "AWS_PROXY" => {
            if !uri.starts_with("arn:") {
                return Err(bad_request("Invalid ARN specified in the request"));
            }
            if kind == "AWS_PROXY" && !uri.contains(":lambda:path/") {
                return Err(bad_request(
                    "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.",
                ));
            }
        }
        _ => return Err(bad_request("Invalid integration type specified")),
    }
    if kind != "MOCK" && text(integration, "httpMethod").is_empty() {
        return Err(bad_request("Enumeration value for HttpMethod must be non-empty"));
    }
    if text(integration, "connectionType") == "VPC_LINK" {
        return Err(not_built("VPC links"));
    }
    if text(integration, "responseTransferMode") == "STREAM" {
        return Err(not_built("integrations that stream their response"));
    }
    integration.entry("passthroughBehavior").or_insert("WHEN_NO_MATCH".into());
    integration.entry("timeoutInMillis").or_insert(29_000.into());
    for (parameter, expression) in texts(integration, "requestParameters") {
        let valid = ["path", "querystring", "header"]
            .iter()
            .any(|place| parameter.starts_with(&format!("integration.request.{place}.")));
        if !valid || !mapping::is_valid(&expression) {
            return Err(bad_request(format!(
                "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: {expression}]"
            )));
        }
    }
    let responses = integration.get("integrationResponses").and_then(Value::as_object);
    for response in responses.into_iter().flatten().filter_map(|(_, response)| response.as_object()) {
        check_response(response)?;
    }
    Ok(())
}

fn check_response(response: &Document) -> Outcome<()> {
    let pattern = text(response, "selectionPattern");
    if mapping::whole_text(pattern).is_none() {
        return Err(bad_request(format!("Invalid selection pattern: {pattern}")));
    }
    for (parameter, expression) in texts(response, "responseParameters") {
        if !parameter.starts_with("method.response.header.") || !mapping::is_valid(&expression) {
            return Err(bad_request(format!("Invalid mapping expression specified: {expression}")));
        }
    }
    Ok(())
}

fn no_integration() -> Fault {
    not_found("Invalid Integration identifier specified")
}

fn no_response() -> Fault {
    not_found("Invalid Response status code specified")
}

/// The integration's document in a method's.
fn of(method: &Document) -> Outcome<Document> {
    method.get("methodIntegration").and_then(Value::as_object).cloned().ok_or_else(no_integration)
}

pub(super) async fn put(_: &ApiGateway, context: &Context, input: Document) -> Result<Value, ServiceError> {
    let changed = change(context, input, |method, input| {
        let mut integration = input.clone();
        for name in ["restApiId", "resourceId", "httpMethod"] {
            integration.shift_remove(name);
        }
        if let Some(verb) = integration.shift_remove("integrationHttpMethod") {
            integration.insert("httpMethod".to_owned(), verb);
        }
        integration.entry("cacheNamespace").or_insert(text(input, "resourceId").into());
        integration.entry("cacheKeyParameters").or_insert(Value::Array(Vec::new()));
        check(&mut integration)?;
        method.insert("methodIntegration".to_owned(), integration.clone().into());
        Ok(integration)
    });
    Ok(changed.await?.into())
}

pub(super) async fn get(_: &ApiGateway, context: &Context, input: Document) -> Result<Value, ServiceError> {
    parts::read(
        context,
        |snapshot| Ok(of(&methods::find(snapshot, &place(context, &input), &input)?)?.into()),
    )
}

pub(super) async fn update(
    _: &ApiGateway,
    context: &Context,
    input: Document,
) -> Result<Value, ServiceError> {
    let changed = change(context, input, |method, input| {
        let mut integration = of(method)?;
        patch::apply(&mut integration, input, PATCHABLE)?;
        method.insert("methodIntegration".to_owned(), integration.clone().into());
        Ok(integration)
    });
    Ok(changed.await?.into())
}

pub(super) async fn delete(_: &ApiGateway, context: &Context, input: Document) -> Result<(), ServiceError> {
    let changed = change(context, input, |method, _| {
        method.shift_remove("methodIntegration").map(|_| Document::new()).ok_or_else(no_integration)
    });
    changed.await.map(drop)
}

pub(super) async fn put_response(
    _: &ApiGateway,
    context: &Context,
    input: Document,
) -> Result<Value, ServiceError> {
    let changed = change(context, input, |method, input| {
        let mut integration = of(method)?;
        let status = text(input, "statusCode").to_owned();
        if within(method, "methodResponses", &status).is_none() {
            return Err(no_response());
        }
        let mut response = input.clone();
        for name in ["restApiId", "resourceId", "httpMethod"] {
            response.shift_remove(name);
        }
        check_response(&response)?;
        put_within(&mut integration, "integrationResponses", &status, response.clone().into());
        method.insert("methodIntegration".to_owned(), integration.into());
        Ok(response)
    });
    Ok(changed.await?.into())
}

pub(super) async fn get_response(
    _: &ApiGateway,
    context: &Context,
    input: Document,
) -> Result<Value, ServiceError> {
    parts::read(context, |snapshot| {
        let integration = of(&methods::find(snapshot, &place(context, &input), &input)?)?;
        let response = within(&integration, "integrationResponses", text(&input, "statusCode"));
        Ok(response.cloned().ok_or_else(no_response)?.into())
    })
}

pub(super) async fn update_response(
    _: &ApiGateway,
    context: &Context,
    input: Document,
) -> Result<Value, ServiceError> {
    let changed = change(context, input, |method, input| {
        let mut integration = of(method)?;
        let status = text(input, "statusCode");
        let found = within(&integration, "integrationResponses", status);
        let mut response = found.cloned().ok_or_else(no_response)?;
        let allowed = ["selectionPattern", "responseParameters", "responseTemplates", "contentHandling"];
        patch::apply(&mut response, input, &allowed)?;
        check_response(&response)?;
        put_within(&mut integration, "integrationResponses", status, response.clone().into());
        method.insert("methodIntegration".to_owned(), integration.into());
        Ok(response)
    });
    Ok(changed.await?.into())
}

pub(super) async fn delete_response(
    _: &ApiGateway,
    context: &Context,
    input: Document,
) -> Result<(), ServiceError> {
    let changed = change(context, input, |method, input| {
        let mut integration = of(method)?;
        if !take_within(&mut integration, "integrationResponses", text(input, "statusCode")) {
            return Err(no_response());
        }
        method.insert("methodIntegration".to_owned(), integration.into());
        Ok(Document::new())
    });
    changed.await.map(drop)
}
