//! Deployments: copies of an API, on which stages run.

use super::errors::{bad_request, not_built};
use super::parts::{self, Kind, place};
use super::{ApiGateway, DOCUMENTS, stages};
use crate::gateway::documents::{map, text};
use crate::gateway::resources::new_id;
use crate::gateway::{Document, Place};
use crate::storage::Outcome;
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde_json::{Map, Value, json};

pub(super) static KIND: Kind = Kind {
    name: "deployment",
    member: "deploymentId",
    id: "id",
    missing: "Invalid Deployment identifier specified",
    patchable: &["description"],
    check: |_, _, _| Ok(()),
};

/// The kind of the copies.
pub(super) const SNAPSHOT: &str = "snapshot";
/// The kinds that a copy has.
const COPIED: [&str; 5] = ["resource", "authorizer", "validator", "model", "response"];

/// Copies an API, which must have a method, and an integration for each.
fn copy(transaction: &mut Transaction<'_>, place: &Place, id: &str) -> Outcome<Value> {
    let api = parts::api(transaction, place)?;
    let mut copy = Document::new();
    for kind in COPIED {
        let documents = DOCUMENTS.list(transaction, place, kind)?;
        copy.insert(kind.to_owned(), documents.into_iter().map(Value::Object).collect());
    }
    let mut summary = Map::new();
    let resources = copy.get("resource").and_then(Value::as_array);
    for resource in resources.into_iter().flatten().filter_map(Value::as_object) {
        for (verb, method) in map(resource, "resourceMethods") {
            if method.get("methodIntegration").is_none() {
                return Err(bad_request("No integration defined for method"));
            }
            let method = json!({ "authorizationType": method["authorizationType"], "apiKeyRequired": method["apiKeyRequired"] });
            let path = summary.entry(text(resource, "path").to_owned()).or_insert_with(|| json!({}));
            path[verb] = method;
        }
    }
    if summary.is_empty() {
        return Err(bad_request("The REST API doesn't contain any methods"));
    }
    copy.insert("api".to_owned(), api.into());
    DOCUMENTS.put(transaction, place, SNAPSHOT, id, &copy)?;
    Ok(summary.into())
}

pub(super) async fn create(
    service: &ApiGateway,
    context: &Context,
    mut input: Document,
) -> Result<Value, ServiceError> {
    if input.contains_key("canarySettings") {
        return Err(not_built("canary deployments").into());
    }
    let place = place(context, &input);
    let id = new_id(context, &mut input, 6);
    let now = context.now().seconds();
    let stage_name = text(&input, "stageName").to_owned();
    let at = place.clone();
    let created = DOCUMENTS.change(context, &place, move |transaction| {
        if let Some(known) = DOCUMENTS.get(transaction, &at, KIND.name, &id)? {
            return Ok(known);
        }
        let summary = copy(transaction, &at, &id)?;
        let mut document = Document::new();
        document.insert("id".to_owned(), id.as_str().into());
        if let Some(description) = input.get("description") {
            document.insert("description".to_owned(), description.clone());
        }
        document.insert("createdDate".to_owned(), now.into());
        document.insert("apiSummary".to_owned(), summary);
        DOCUMENTS.put(transaction, &at, KIND.name, &id, &document)?;
        let name = text(&input, "stageName");
        if !name.is_empty() {
            let mut stage = DOCUMENTS.get(transaction, &at, stages::KIND.name, name)?.unwrap_or_default();
            stage.insert("stageName".to_owned(), name.into());
            stage.insert("deploymentId".to_owned(), id.as_str().into());
            stage.insert("lastUpdatedDate".to_owned(), now.into());
            for (member, own) in [
                ("stageDescription", "description"),
                ("variables", "variables"),
                ("cacheClusterEnabled", "cacheClusterEnabled"),
                ("cacheClusterSize", "cacheClusterSize"),
                ("tracingEnabled", "tracingEnabled"),
            ] {
                if let Some(value) = input.get(member) {
                    stage.insert(own.to_owned(), value.clone());
                }
            }
            stages::complete(&mut stage, now)?;
            DOCUMENTS.put(transaction, &at, stages::KIND.name, name, &stage)?;
        }
        Ok(document)
    });
    let created = created.await?;
    service.authorizations.forget(&place.api, Some(&stage_name));
    Ok(created.into())
}

/// The summary is shown only when it is asked for.
fn shown(mut document: Document, input: &Document) -> Document {
    let embedded = crate::gateway::documents::list(input, "embed");
    if !embedded.iter().any(|embed| embed == "apisummary") {
        document.shift_remove("apiSummary");
    }
    document
}

pub(super) async fn get(_: &ApiGateway, context: &Context, input: Document) -> Result<Value, ServiceError> {
    let place = place(context, &input);
    parts::read(context, |snapshot| {
        Ok(shown(parts::part(snapshot, &place, &KIND, text(&input, "deploymentId"))?, &input).into())
    })
}

pub(super) async fn list(_: &ApiGateway, context: &Context, input: Document) -> Result<Value, ServiceError> {
    let place = place(context, &input);
    parts::read(context, |snapshot| {
        parts::api(snapshot, &place)?;
        let documents = DOCUMENTS.list(snapshot, &place, KIND.name)?;
        Ok(parts::page_of(documents.into_iter().map(|document| shown(document, &input)).collect(), &input))
    })
}

pub(super) async fn update(
    _: &ApiGateway,
    context: &Context,
    input: Document,
) -> Result<Value, ServiceError> {
    parts::update(context, &KIND, input).await
}

pub(super) async fn delete(_: &ApiGateway, context: &Context, input: Document) -> Result<(), ServiceError> {
    let place = place(context, &input);
    let (at, id) = (place.clone(), text(&input, "deploymentId").to_owned());
    DOCUMENTS
        .change(context, &place, move |transaction| {
            parts::part(transaction, &at, &KIND, &id)?;
            let stages = DOCUMENTS.list(transaction, &at, stages::KIND.name)?;
            if stages.iter().any(|stage| text(stage, "deploymentId") == id) {
                return Err(bad_request(
                    "Active stages pointing to this deployment must be moved or deleted",
                ));
            }
            DOCUMENTS.delete(transaction, &at, SNAPSHOT, &id);
            DOCUMENTS.delete(transaction, &at, KIND.name, &id);
            Ok(())
        })
        .await
}
