//! Stages and deployments. A deployment keeps a copy of what the API was when it was made.

use super::kinds::{self, Kind, bad_request, conflict, not_found};
use super::{ApiGatewayV2, DOCUMENTS, authorizers, integrations, routes};
use crate::gateway::documents::{text, truth};
use crate::gateway::resources::{TOKEN, new_id};
use crate::gateway::{Document, Place};
use crate::storage::Outcome;
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde_json::{Value, json};

pub(super) static KIND: Kind = Kind { name: "Stage", id: "StageName", check };
pub(super) static DEPLOYMENT: Kind = Kind { name: "Deployment", id: "DeploymentId", check: |_, _, _| Ok(()) };

/// The kind of the copies that deployments keep.
pub(super) const SNAPSHOT: &str = "Snapshot";
/// The kinds that a copy has.
pub(super) static COPIED: [&Kind; 3] = [&authorizers::KIND, &integrations::KIND, &routes::KIND];

fn check(transaction: &Transaction<'_>, place: &Place, document: &mut Document) -> Outcome<()> {
    let name = text(document, "StageName");
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name != "$default" && (name.is_empty() || !name.bytes().all(is_name)) {
        return Err(bad_request(
            "Stage name must be $default or contain only alphanumeric characters, hyphens, and underscores",
        ));
    }
    let deployment = text(document, "DeploymentId");
    if !deployment.is_empty() && DOCUMENTS.get(transaction, place, DEPLOYMENT.name, deployment)?.is_none() {
        return Err(not_found("Deployment", deployment));
    }
    for (name, default) in [
        ("AutoDeploy", json!(false)),
        ("DefaultRouteSettings", json!({ "DetailedMetricsEnabled": false })),
        ("RouteSettings", json!({})),
        ("StageVariables", json!({})),
        ("Tags", json!({})),
    ] {
        document.entry(name).or_insert(default);
    }
    Ok(())
}

/// Makes a stage; one that deploys by itself begins with a deployment.
pub(super) async fn make(context: &Context, mut input: Document) -> Result<Value, ServiceError> {
    let place = Place::new(context, text(&input, "ApiId"));
    let retried = input.shift_remove(TOKEN).is_some();
    input.shift_remove("ApiId");
    let now: Value = context.now().seconds().into();
    input.insert("CreatedDate".to_owned(), now.clone());
    input.insert("LastUpdatedDate".to_owned(), now.clone());
    let (within, deployment) = (place.clone(), context.ids().lower(6));
    let created = DOCUMENTS.change(context, &place, move |transaction| {
        kinds::api(transaction, &within)?;
        let name = text(&input, "StageName").to_owned();
        if let Some(known) = DOCUMENTS.get(transaction, &within, KIND.name, &name)? {
            if retried {
                return Ok(known);
            }
            return Err(conflict("Stage already exists"));
        }
        if truth(&input, "AutoDeploy") && !input.contains_key("DeploymentId") {
            let record = json!({
                "DeploymentId": deployment,
                "AutoDeployed": true,
                "CreatedDate": now,
                "DeploymentStatus": "DEPLOYED",
                "Description": "Automatic deployment triggered by changes to the Api configuration",
            });
            let record = record.as_object().cloned().unwrap_or_default();
            deploy(transaction, &within, &record)?;
            input.insert("DeploymentId".to_owned(), deployment.into());
        }
        check(transaction, &within, &mut input)?;
        DOCUMENTS.put(transaction, &within, KIND.name, &name, &input)?;
        Ok(input)
    });
    Ok(created.await?.into())
}

/// Keeps a deployment with a copy of the API.
fn deploy(transaction: &mut Transaction<'_>, place: &Place, record: &Document) -> Outcome<()> {
    let mut copy = Document::new();
    for kind in COPIED {
        let documents = DOCUMENTS.list(transaction, place, kind.name)?;
        copy.insert(kind.name.to_owned(), documents.into_iter().map(Value::Object).collect());
    }
    let id = text(record, DEPLOYMENT.id).to_owned();
    DOCUMENTS.put(transaction, place, SNAPSHOT, &id, &copy)?;
    Ok(DOCUMENTS.put(transaction, place, DEPLOYMENT.name, &id, record)?)
}

pub(super) async fn create(
    _: &ApiGatewayV2,
    context: &Context,
    input: Document,
) -> Result<Value, ServiceError> {
    make(context, input).await
}

pub(super) async fn get(_: &ApiGatewayV2, context: &Context, input: Document) -> Result<Value, ServiceError> {
    kinds::get(context, &KIND, &input)
}

pub(super) async fn list(
    _: &ApiGatewayV2,
    context: &Context,
    input: Document,
) -> Result<Value, ServiceError> {
    kinds::list(context, &KIND, &input)
}

pub(super) async fn update(
    _: &ApiGatewayV2,
    context: &Context,
    mut input: Document,
) -> Result<Value, ServiceError> {
    input.insert("LastUpdatedDate".to_owned(), context.now().seconds().into());
    kinds::update(context, &KIND, input).await
}

pub(super) async fn delete(
    service: &ApiGatewayV2,
    context: &Context,
    input: Document,
) -> Result<(), ServiceError> {
    kinds::delete(context, &KIND, &input).await?;
    service.authorizations.forget(text(&input, "ApiId"), Some(text(&input, "StageName")));
    Ok(())
}

pub(super) async fn delete_access_log_settings(
    service: &ApiGatewayV2,
    context: &Context,
    mut input: Document,
) -> Result<(), ServiceError> {
    input.insert("AccessLogSettings".to_owned(), Value::Null);
    update(service, context, input).await.map(drop)
}

pub(super) async fn delete_route_settings(
    service: &ApiGatewayV2,
    context: &Context,
    mut input: Document,
) -> Result<(), ServiceError> {
    let key = input.shift_remove("RouteKey");
    let stage = kinds::get(context, &KIND, &input)?;
    let mut settings = stage.get("RouteSettings").and_then(Value::as_object).cloned().unwrap_or_default();
    settings.shift_remove(key.as_ref().and_then(Value::as_str).unwrap_or_default());
    input.insert("RouteSettings".to_owned(), settings.into());
    update(service, context, input).await.map(drop)
}

pub(super) async fn create_deployment(
    _: &ApiGatewayV2,
    context: &Context,
    mut input: Document,
) -> Result<Value, ServiceError> {
    let place = Place::new(context, text(&input, "ApiId"));
    let id = new_id(context, &mut input, 6);
    let now: Value = context.now().seconds().into();
    let stage = text(&input, "StageName").to_owned();
    let record = json!({
        "DeploymentId": id,
        "AutoDeployed": false,
        "CreatedDate": now,
        "DeploymentStatus": "DEPLOYED",
        "Description": input.get("Description"),
    });
    let mut record = record.as_object().cloned().unwrap_or_default();
    record.retain(|_, value| !value.is_null());
    let within = place.clone();
    let created = DOCUMENTS.change(context, &place, move |transaction| {
        kinds::api(transaction, &within)?;
        deploy(transaction, &within, &record)?;
        if !stage.is_empty() {
            let mut document = kinds::part(transaction, &within, &KIND, &stage)?;
            document.insert("DeploymentId".to_owned(), id.into());
            document.insert("LastUpdatedDate".to_owned(), now);
            DOCUMENTS.put(transaction, &within, KIND.name, &stage, &document)?;
        }
        Ok(record)
    });
    Ok(created.await?.into())
}

pub(super) async fn get_deployment(
    _: &ApiGatewayV2,
    context: &Context,
    input: Document,
) -> Result<Value, ServiceError> {
    kinds::get(context, &DEPLOYMENT, &input)
}

pub(super) async fn list_deployments(
    _: &ApiGatewayV2,
    context: &Context,
    input: Document,
) -> Result<Value, ServiceError> {
    kinds::list(context, &DEPLOYMENT, &input)
}

pub(super) async fn update_deployment(
    _: &ApiGatewayV2,
    context: &Context,
    input: Document,
) -> Result<Value, ServiceError> {
    kinds::update(context, &DEPLOYMENT, input).await
}

pub(super) async fn delete_deployment(
    _: &ApiGatewayV2,
    context: &Context,
    input: Document,
) -> Result<(), ServiceError> {
    let place = Place::new(context, text(&input, "ApiId"));
    let id = text(&input, "DeploymentId").to_owned();
    let within = place.clone();
    DOCUMENTS
        .change(context, &place, move |transaction| {
            kinds::part(transaction, &within, &DEPLOYMENT, &id)?;
            let stages = DOCUMENTS.list(transaction, &within, KIND.name)?;
            if stages.iter().any(|stage| text(stage, "DeploymentId") == id) {
                return Err(bad_request(
                    "Active stages with deployments pointing to them must be moved or deleted before the deployment is deleted",
                ));
            }
            DOCUMENTS.delete(transaction, &within, SNAPSHOT, &id);
            DOCUMENTS.delete(transaction, &within, DEPLOYMENT.name, &id);
            Ok(())
        })
        .await
}
