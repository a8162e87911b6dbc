//! APIs themselves.

use super::errors::{bad_request, not_built};
use super::parts::{self, page_of, place};
use super::{ApiGateway, DOCUMENTS, patch};
use crate::gateway::documents::text;
use crate::gateway::resources::new_id;
use crate::gateway::{Document, Place};
use crate::storage::Outcome;
use aloft_engine::{Context, ServiceError};
use aloft_lang::policy::Policy;
use serde_json::{Value, json};

const PATCHABLE: &[&str] = &[
    "name",
    "description",
    "policy",
    "version",
    "binaryMediaTypes",
    "minimumCompressionSize",
    "apiKeySource",
    "endpointConfiguration",
    "disableExecuteApiEndpoint",
];

/// The kinds of what belongs to an API.
const PARTS: [&str; 9] =
    ["resource", "authorizer", "validator", "model", "response", "deployment", "snapshot", "stage", "api"];

fn check(document: &mut Document, place: &Place) -> Outcome<()> {
    for (name, default) in [
        ("apiKeySource", json!("HEADER")),
        ("endpointConfiguration", json!({ "types": ["EDGE"] })),
        ("disableExecuteApiEndpoint", json!(false)),
        ("tags", json!({})),
    ] {
        document.entry(name).or_insert(default);
    }
    if text(document, "policy").is_empty() {
        document.shift_remove("policy");
    } else {
        // Resources may be written without the API itself, which has no ARN before it is made.
        let (region, account, api) = (&place.region, &place.account, &place.api);
        let full = format!("\"arn:{}:execute-api:{region}:{account}:{api}/", region.partition());
        let policy = text(document, "policy").replace("\"execute-api:/", &full);
        let parsed = Policy::parse_text(&policy);
        parsed.map_err(|error| bad_request(format!("Invalid policy document. {error}")))?;
        document.insert("policy".to_owned(), policy.into());
    }
    Ok(())
}

pub(super) async fn create(
    service: &ApiGateway,
    context: &Context,
    mut input: Document,
) -> Result<Value, ServiceError> {
    if input.contains_key("cloneFrom") {
        return Err(not_built("copies of REST APIs").into());
    }
    if input.contains_key("body") || input.contains_key("bodyS3Location") {
        return Err(not_built("REST APIs from OpenAPI documents").into());
    }
    let id = new_id(context, &mut input, 10);
    let root = context.ids().lower(10);
    input.insert("id".to_owned(), id.as_str().into());
    input.insert("createdDate".to_owned(), context.now().seconds().into());
    input.insert("rootResourceId".to_owned(), root.as_str().into());
    let place = Place::new(context, &id);
    check(&mut input, &place)?;
    let within = place.clone();
    let document = DOCUMENTS
        .change(context, &place, move |transaction| {
            if let Some(known) = DOCUMENTS.get(transaction, &within, "api", "")? {
                return Ok(known);
            }
            let resource = json!({ "id": root, "path": "/" });
            let resource = resource.as_object().cloned().unwrap_or_default();
            DOCUMENTS.put(transaction, &within, "api", "", &input)?;
            DOCUMENTS.put(transaction, &within, "resource", &root, &resource)?;
            for (name, description, schema) in [
                ("Empty", "This is a default empty schema model", EMPTY),
                ("Error", "This is a default error schema model", ERROR),
            ] {
                let model = json!({
                    "id": name.to_lowercase(), "name": name, "description": description, "schema": schema,
                    "contentType": "application/json",
                });
                let model = model.as_object().cloned().unwrap_or_default();
                DOCUMENTS.put(transaction, &within, "model", name, &model)?;
            }
            Ok(input)
        })
        .await?;
    service.apis.insert(&id);
    Ok(document.into())
}

const EMPTY: &str = "{\n  \"$schema\": \"http://json-schema.org/draft-04/schema#\",\n  \"title\" : \"Empty Schema\",\n  \"type\" : \"object\"\n}";
const ERROR: &str = "{\n  \"$schema\" : \"http://json-schema.org/draft-04/schema#\",\n  \"title\" : \"Error Schema\",\n  \"type\" : \"object\",\n  \"properties\" : {\n    \"message\" : { \"type\" : \"string\" }\n  }\n}";

pub(super) async fn get(_: &ApiGateway, context: &Context, input: Document) -> Result<Value, ServiceError> {
    parts::read(context, |snapshot| Ok(parts::api(snapshot, &place(context, &input))?.into()))
}

pub(super) async fn list(_: &ApiGateway, context: &Context, input: Document) -> Result<Value, ServiceError> {
    parts::read(context, |snapshot| {
        Ok(page_of(DOCUMENTS.list_all(snapshot, &Place::new(context, ""), "api")?, &input))
    })
}

pub(super) async fn update(
    _: &ApiGateway,
    context: &Context,
    input: Document,
) -> Result<Value, ServiceError> {
    let place = place(context, &input);
    let within = place.clone();
    let updated = DOCUMENTS.change(context, &place, move |transaction| {
        let mut document = parts::api(transaction, &within)?;
        patch::apply(&mut document, &input, PATCHABLE)?;
        check(&mut document, &within)?;
        DOCUMENTS.put(transaction, &within, "api", "", &document)?;
        Ok(document)
    });
    Ok(updated.await?.into())
}

pub(super) async fn delete(
    service: &ApiGateway,
    context: &Context,
    input: Document,
) -> Result<(), ServiceError> {
    let place = place(context, &input);
    let within = place.clone();
    let deleted: Outcome<()> = context
        .store()
        .write(move |transaction| {
            parts::api(transaction, &within)?;
            for kind in PARTS {
                DOCUMENTS.delete_all(transaction, &within, kind)?;
            }
            DOCUMENTS.forget(transaction, &within);
            Ok(())
        })
        .await;
    deleted?;
    service.apis.remove(&place.api);
    service.authorizations.forget(&place.api, None);
    Ok(())
}
