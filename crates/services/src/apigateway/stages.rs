//! Stages: names under which a deployment answers, with variables.

use super::errors::{bad_request, conflict, not_built};
use super::parts::{self, Kind, place};
use super::{ApiGateway, DOCUMENTS, deployments, patch};
use crate::gateway::documents::{map, text};
use crate::gateway::resources::TOKEN;
use crate::gateway::{Document, Place};
use crate::storage::{Outcome, Rows};
use aloft_engine::{Context, ServiceError};
use serde_json::{Map, Value, json};

pub(super) static KIND: Kind = Kind {
    name: "stage",
    member: "stageName",
    id: "stageName",
    missing: "Invalid stage identifier specified",
    patchable: &[
        "deploymentId",
        "description",
        "variables",
        "tracingEnabled",
        "accessLogSettings",
        "cacheClusterEnabled",
        "cacheClusterSize",
        "clientCertificateId",
        "documentationVersion",
    ],
    check: |_, _, _| Ok(()),
};

/// The settings of a method, by the path that patches name them with.
const SETTINGS: &[(&str, &str)] = &[
    ("metrics/enabled", "metricsEnabled"),
    ("logging/loglevel", "loggingLevel"),
    ("logging/dataTrace", "dataTraceEnabled"),
    ("throttling/burstLimit", "throttlingBurstLimit"),
    ("throttling/rateLimit", "throttlingRateLimit"),
    ("caching/enabled", "cachingEnabled"),
    ("caching/ttlInSeconds", "cacheTtlInSeconds"),
    ("caching/dataEncrypted", "cacheDataEncrypted"),
    ("caching/requireAuthorizationForCacheControl", "requireAuthorizationForCacheControl"),
    ("caching/unauthorizedCacheControlHeaderStrategy", "unauthorizedCacheControlHeaderStrategy"),
];

/// Fills in what a new stage does not say.
pub(super) fn complete(document: &mut Document, now: i64) -> Outcome<()> {
    let name = text(document, "stageName");
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.is_empty() || !name.bytes().all(is_name) {
        return Err(bad_request("Stage name only allows a-zA-Z0-9_"));
    }
    if document.contains_key("canarySettings") {
        return Err(not_built("canary deployments"));
    }
    for (name, default) in [
        ("cacheClusterEnabled", json!(false)),
        ("cacheClusterStatus", json!("NOT_AVAILABLE")),
        ("methodSettings", json!({})),
        ("tracingEnabled", json!(false)),
        ("createdDate", json!(now)),
        ("lastUpdatedDate", json!(now)),
    ] {
        document.entry(name).or_insert(default);
    }
    Ok(())
}

fn check_deployment(rows: &impl Rows, place: &Place, stage: &Document) -> Outcome<()> {
    let id = text(stage, "deploymentId");
    if DOCUMENTS.get(rows, place, deployments::KIND.name, id)?.is_none() {
        return Err(bad_request("Invalid deployment identifier specified"));
    }
    Ok(())
}

pub(super) async fn create(
    _: &ApiGateway,
    context: &Context,
    mut input: Document,
) -> Result<Value, ServiceError> {
    let place = place(context, &input);
    let retried = input.shift_remove(TOKEN).is_some();
    input.shift_remove("restApiId");
    let now = context.now().seconds();
    let at = place.clone();
    let created = DOCUMENTS.change(context, &place, move |transaction| {
        parts::api(transaction, &at)?;
        let name = text(&input, "stageName").to_owned();
        if let Some(known) = DOCUMENTS.get(transaction, &at, KIND.name, &name)? {
            let same = text(&known, "deploymentId") == text(&input, "deploymentId");
            return if retried && same { Ok(known) } else { Err(conflict("Stage already exists")) };
        }
        check_deployment(transaction, &at, &input)?;
        complete(&mut input, now)?;
        DOCUMENTS.put(transaction, &at, KIND.name, &name, &input)?;
        Ok(input)
    });
    Ok(created.await?.into())
}

pub(super) async fn get(_: &ApiGateway, context: &Context, input: Document) -> Result<Value, ServiceError> {
    parts::get(context, &KIND, &input)
}

pub(super) async fn list(_: &ApiGateway, context: &Context, input: Document) -> Result<Value, ServiceError> {
    let place = place(context, &input);
    parts::read(context, |snapshot| {
        parts::api(snapshot, &place)?;
        let mut stages = DOCUMENTS.list(snapshot, &place, KIND.name)?;
        if let Some(deployment) = input.get("deploymentId") {
            stages.retain(|stage| stage.get("deploymentId") == Some(deployment));
        }
        Ok(json!({ "item": stages }))
    })
}

/// A patch of a method's settings: `/pets~1{id}/GET/throttling/rateLimit`.
fn patch_setting(stage: &mut Document, operation: &Document) -> Outcome<bool> {
    let segments = patch::segments(text(operation, "path"));
    let [resource, method, setting @ ..] = segments.as_slice() else { return Ok(false) };
    let setting = setting.join("/");
    let found = SETTINGS.iter().find(|(path, _)| *path == setting);
    if found.is_none() && !(setting.is_empty() && text(operation, "op") == "remove") {
        return Ok(false);
    }
    let key = format!("{}/{method}", resource.trim_start_matches('/'));
    let mut settings = map(stage, "methodSettings");
    match found {
        None => drop(settings.shift_remove(&key)),
        Some((_, member)) => {
            let mut one = settings.get(&key).and_then(Value::as_object).cloned().unwrap_or_default();
            let mut operation = operation.clone();
            operation.insert("path".to_owned(), format!("/{member}").into());
            let input = Map::from_iter([("patchOperations".to_owned(), json!([operation]))]);
            patch::apply(&mut one, &input, &[member])?;
            settings.insert(key, one.into());
        }
    }
    stage.insert("methodSettings".to_owned(), settings.into());
    Ok(true)
}

pub(super) async fn update(
    service: &ApiGateway,
    context: &Context,
    mut input: Document,
) -> Result<Value, ServiceError> {
    let place = place(context, &input);
    let now = context.now().seconds();
    let name = text(&input, "stageName").to_owned();
    let at = place.clone();
    let updated = DOCUMENTS.change(context, &place, move |transaction| {
        let mut stage = parts::part(transaction, &at, &KIND, text(&input, "stageName"))?;
        if let Some(Value::Array(operations)) = input.get("patchOperations").cloned() {
            let mut others = Vec::new();
            for operation in operations {
                let is_setting = operation
                    .as_object()
                    .map(|operation| patch_setting(&mut stage, operation))
                    .transpose()?;
                if is_setting != Some(true) {
                    others.push(operation);
                }
            }
            input.insert("patchOperations".to_owned(), others.into());
        }
        patch::apply(&mut stage, &input, KIND.patchable)?;
        stage.insert("lastUpdatedDate".to_owned(), now.into());
        check_deployment(transaction, &at, &stage)?;
        complete(&mut stage, now)?;
        DOCUMENTS.put(transaction, &at, KIND.name, text(&input, "stageName"), &stage)?;
        Ok(stage)
    });
    let updated = updated.await?;
    service.authorizations.forget(&place.api, Some(&name));
    Ok(updated.into())
}

pub(super) async fn delete(
    service: &ApiGateway,
    context: &Context,
    input: Document,
) -> Result<(), ServiceError> {
    parts::delete(context, &KIND, &input).await?;
    flush_authorizers(service, context, input).await
}

pub(super) async fn flush_authorizers(
    service: &ApiGateway,
    _: &Context,
    input: Document,
) -> Result<(), ServiceError> {
    service.authorizations.forget(text(&input, "restApiId"), Some(text(&input, "stageName")));
    Ok(())
}

/// There is no cache of responses, so it is empty.
pub(super) async fn flush(_: &ApiGateway, context: &Context, input: Document) -> Result<(), ServiceError> {
    parts::get(context, &KIND, &input).map(drop)
}
