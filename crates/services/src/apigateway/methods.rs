//! Methods and their responses. They live in the document of their resource.

use super::errors::{bad_request, conflict, not_found};
use super::parts::{self, place};
use super::{ApiGateway, DOCUMENTS, integrations, patch, resources};
use crate::gateway::documents::{text, texts};
use crate::gateway::resources::TOKEN;
use crate::gateway::{Document, Place};
use crate::storage::{Outcome, Rows};
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde_json::{Map, Value, json};

const METHODS: [&str; 8] = ["ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
const PATCHABLE: &[&str] = &[
    "authorizationType",
    "authorizerId",
    "apiKeyRequired",
    "requestValidatorId",
    "operationName",
    "requestParameters",
    "requestModels",
    "authorizationScopes",
];

/// A member of a map within a document.
pub(super) fn within<'a>(document: &'a Document, map: &str, name: &str) -> Option<&'a Document> {
    document.get(map)?.get(name)?.as_object()
}

/// Puts a member into a map within a document.
pub(super) fn put_within(document: &mut Document, map: &str, name: &str, value: Value) {
    let members = document.entry(map.to_owned()).or_insert_with(|| Map::new().into());
    if let Value::Object(members) = members {
        members.insert(name.to_owned(), value);
    }
}

/// Takes a member out of a map within a document, and tells whether it was there.
pub(super) fn take_within(document: &mut Document, map: &str, name: &str) -> bool {
    let members = document.get_mut(map).and_then(Value::as_object_mut);
    members.and_then(|members| members.shift_remove(name)).is_some()
}

/// A method's document, which must be there.
pub(super) fn find(rows: &impl Rows, place: &Place, input: &Document) -> Outcome<Document> {
    let resource = resources::find(rows, place, text(input, "resourceId"))?;
    let found = within(&resource, "resourceMethods", text(input, "httpMethod")).cloned();
    found.ok_or_else(|| not_found("Invalid Method identifier specified"))
}

/// Changes a method that must be there, in one transaction, and gives what `work` gives.
pub(super) async fn change(
    context: &Context,
    input: Document,
    work: impl FnOnce(&mut Document, &Document) -> Outcome<Document> + Send + 'static,
) -> Result<Document, ServiceError> {
    let place = place(context, &input);
    let at = place.clone();
    DOCUMENTS
        .change(context, &place, move |transaction| {
            let mut method = find(transaction, &at, &input)?;
            let answer = work(&mut method, &input)?;
            check(transaction, &at, &mut method)?;
            store(transaction, &at, &input, method)?;
            Ok(answer)
        })
        .await
}

fn store(
    transaction: &mut Transaction<'_>,
    place: &Place,
    input: &Document,
    method: Document,
) -> Outcome<()> {
    let id = text(input, "resourceId");
    let mut resource = resources::find(transaction, place, id)?;
    put_within(&mut resource, "resourceMethods", text(input, "httpMethod"), method.into());
    Ok(DOCUMENTS.put(transaction, place, "resource", id, &resource)?)
}

fn check(transaction: &Transaction<'_>, place: &Place, method: &mut Document) -> Outcome<()> {
    match text(method, "authorizationType") {
        "NONE" | "AWS_IAM" => {}
        "CUSTOM" | "COGNITO_USER_POOLS" => {
            let authorizer = text(method, "authorizerId");
            if DOCUMENTS.get(transaction, place, "authorizer", authorizer)?.is_none() {
                return Err(bad_request(
                    "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer.",
                ));
            }
        }
        _ => {
            return Err(bad_request(
                "Invalid authorizationType specified. Must be one of [NONE, AWS_IAM, CUSTOM, COGNITO_USER_POOLS]",
            ));
        }
    }
    let validator = text(method, "requestValidatorId");
    if !validator.is_empty() && DOCUMENTS.get(transaction, place, "validator", validator)?.is_none() {
        return Err(bad_request("Invalid Request Validator identifier specified"));
    }
    for (_, model) in texts(method, "requestModels") {
        if DOCUMENTS.get(transaction, place, "model", &model)?.is_none() {
            return Err(bad_request(format!("Invalid model identifier specified: {model}")));
        }
    }
    for (parameter, _) in texts(method, "requestParameters") {
        let valid = ["path", "querystring", "header"]
            .iter()
            .any(|place| parameter.starts_with(&format!("method.request.{place}.")));
        if !valid {
            return Err(bad_request(format!("Invalid mapping expression specified: {parameter}")));
        }
    }
    if let Some(Value::Object(integration)) = method.get_mut("methodIntegration") {
        integrations::check(integration)?;
    }
    method.entry("apiKeyRequired").or_insert(false.into());
    Ok(())
}

/// Makes a method. CloudFormation sends it with all that belongs to it, and over one that is there.
pub(super) async fn put(
    _: &ApiGateway,
    context: &Context,
    mut input: Document,
) -> Result<Value, ServiceError> {
    let place = place(context, &input);
    let at = place.clone();
    let whole = input.shift_remove(TOKEN).is_some();
    let created = DOCUMENTS.change(context, &place, move |transaction| {
        let verb = text(&input, "httpMethod").to_owned();
        if !METHODS.contains(&verb.as_str()) {
            return Err(bad_request(
                "Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY",
            ));
        }
        let resource = resources::find(transaction, &at, text(&input, "resourceId"))?;
        if !whole && within(&resource, "resourceMethods", &verb).is_some() {
            return Err(conflict("Method already exists for this resource"));
        }
        let mut method = input.clone();
        method.shift_remove("restApiId");
        method.shift_remove("resourceId");
        check(transaction, &at, &mut method)?;
        store(transaction, &at, &input, method.clone())?;
        Ok(method)
    });
    Ok(created.await?.into())
}

pub(super) async fn get(_: &ApiGateway, context: &Context, input: Document) -> Result<Value, ServiceError> {
    parts::read(context, |snapshot| Ok(find(snapshot, &place(context, &input), &input)?.into()))
}

pub(super) async fn update(
    _: &ApiGateway,
    context: &Context,
    input: Document,
) -> Result<Value, ServiceError> {
    let changed = change(context, input, |method, input| {
        patch::apply(method, input, PATCHABLE)?;
        for (name, required) in
            method.get_mut("requestParameters").and_then(Value::as_object_mut).into_iter().flatten()
        {
            if let Value::String(text) = required {
                let parsed = text.parse::<bool>();
                *required =
                    parsed.map_err(|_| bad_request(format!("Invalid value for {name}: {text}")))?.into();
            }
        }
        Ok(method.clone())
    });
    Ok(changed.await?.into())
}

pub(super) async fn delete(_: &ApiGateway, context: &Context, input: Document) -> Result<(), ServiceError> {
    let place = place(context, &input);
    let at = place.clone();
    DOCUMENTS
        .change(context, &place, move |transaction| {
            let id = text(&input, "resourceId");
            let mut resource = resources::find(transaction, &at, id)?;
            if !take_within(&mut resource, "resourceMethods", text(&input, "httpMethod")) {
                return Err(not_found("Invalid Method identifier specified"));
            }
            Ok(DOCUMENTS.put(transaction, &at, "resource", id, &resource)?)
        })
        .await
}

fn no_response() -> crate::storage::Fault {
    not_found("Invalid Response status code specified")
}

pub(super) async fn put_response(
    _: &ApiGateway,
    context: &Context,
    input: Document,
) -> Result<Value, ServiceError> {
    let changed = change(context, input, |method, input| {
        let status = text(input, "statusCode");
        if within(method, "methodResponses", status).is_some() {
            return Err(conflict("Response already exists for this resource"));
        }
        let response = json!({
            "statusCode": status,
            "responseParameters": input.get("responseParameters"),
            "responseModels": input.get("responseModels"),
        });
        put_within(method, "methodResponses", status, response.clone());
        Ok(response.as_object().cloned().unwrap_or_default())
    });
    Ok(changed.await?.into())
}

pub(super) async fn get_response(
    _: &ApiGateway,
    context: &Context,
    input: Document,
) -> Result<Value, ServiceError> {
    parts::read(context, |snapshot| {
        let method = find(snapshot, &place(context, &input), &input)?;
        let response = within(&method, "methodResponses", text(&input, "statusCode"));
        Ok(response.cloned().ok_or_else(no_response)?.into())
    })
}

pub(super) async fn update_response(
    _: &ApiGateway,
    context: &Context,
    input: Document,
) -> Result<Value, ServiceError> {
    let changed = change(context, input, |method, input| {
        let status = text(input, "statusCode");
        let mut response = within(method, "methodResponses", status).cloned().ok_or_else(no_response)?;
        patch::apply(&mut response, input, &["responseParameters", "responseModels"])?;
        put_within(method, "methodResponses", status, response.clone().into());
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
        let gone = take_within(method, "methodResponses", text(input, "statusCode"));
        gone.then(Document::new).ok_or_else(no_response)
    });
    changed.await.map(drop)
}
