//! APIs themselves.

use super::kinds::{self, bad_request, not_built};
use super::{ApiGatewayV2, DOCUMENTS, authorizers, integrations, routes, stages};
use crate::gateway::documents::{text, truth};
use crate::gateway::resources::new_id;
use crate::gateway::{Document, Place, address};
use crate::storage::Outcome;
use aloft_engine::{Context, ServiceError, storage_failed};
use serde_json::{Value, json};

/// All kinds of parts.
const PARTS: [&str; 6] = [
    authorizers::KIND.name,
    integrations::KIND.name,
    routes::KIND.name,
    stages::KIND.name,
    stages::DEPLOYMENT.name,
    stages::SNAPSHOT,
];

fn check(document: &mut Document) -> Outcome<()> {
    if text(document, "ProtocolType") == "WEBSOCKET" {
        return Err(not_built("WebSocket APIs"));
    }
    if ["Body", "BodyS3Location"].iter().any(|name| document.contains_key(*name)) {
        return Err(not_built("HTTP APIs from OpenAPI documents"));
    }
    let selection =
        document.entry("RouteSelectionExpression").or_insert("$request.method $request.path".into());
    if selection != "$request.method $request.path" && selection != "${request.method} ${request.path}" {
        return Err(bad_request(
            "Only $request.method $request.path is supported as a route selection expression for HTTP protocol",
        ));
    }
    let cors = document.get("CorsConfiguration").and_then(Value::as_object);
    let any_origin = cors
        .and_then(|cors| cors.get("AllowOrigins")?.as_array())
        .is_some_and(|all| all.contains(&"*".into()));
    if any_origin && cors.is_some_and(|cors| truth(cors, "AllowCredentials")) {
        return Err(bad_request("Wildcard(*) allow origin is not supported when allow-credentials is true."));
    }
    Ok(())
}

/// With what is not kept because it depends on where the cloud listens.
fn described(context: &Context, mut document: Document) -> Value {
    let endpoint = address::endpoint(&context.engine, text(&document, "ApiId"));
    document.insert("ApiEndpoint".to_owned(), endpoint.into());
    document.into()
}

pub(super) async fn create(
    service: &ApiGatewayV2,
    context: &Context,
    mut input: Document,
) -> Result<Value, ServiceError> {
    let id = new_id(context, &mut input, 10);
    let place = Place::new(context, &id);
    let target = input.shift_remove("Target");
    let route_key = input.shift_remove("RouteKey");
    let credentials = input.shift_remove("CredentialsArn");
    input.insert("ApiId".to_owned(), id.as_str().into());
    input.insert("ApiKeySelectionExpression".to_owned(), "$request.header.x-api-key".into());
    input.insert("CreatedDate".to_owned(), context.now().seconds().into());
    for (name, default) in
        [("DisableExecuteApiEndpoint", json!(false)), ("IpAddressType", json!("ipv4")), ("Tags", json!({}))]
    {
        input.entry(name).or_insert(default);
    }
    check(&mut input)?;
    let within = place.clone();
    let document = DOCUMENTS
        .change(context, &place, move |transaction| {
            if let Some(known) = DOCUMENTS.get(transaction, &within, "Api", "")? {
                return Ok(known);
            }
            DOCUMENTS.put(transaction, &within, "Api", "", &input)?;
            Ok(input)
        })
        .await?;
    service.apis.insert(&id);
    if let Some(Value::String(target)) = target {
        let route_key = route_key.unwrap_or_else(|| "$default".into());
        quick_create(context, &id, &target, &route_key, credentials).await?;
    }
    Ok(described(context, document))
}

/// A route to one target and a stage, as `CreateApi` makes them when it is given a target.
async fn quick_create(
    context: &Context,
    api: &str,
    target: &str,
    route_key: &Value,
    credentials: Option<Value>,
) -> Result<(), ServiceError> {
    let is_function = target.starts_with("arn:");
    let integration = json!({
        "ApiId": api,
        "ApiGatewayManaged": true,
        "IntegrationType": if is_function { "AWS_PROXY" } else { "HTTP_PROXY" },
        "IntegrationMethod": if is_function { "POST" } else { "ANY" },
        "IntegrationUri": target,
        "PayloadFormatVersion": if is_function { "2.0" } else { "1.0" },
        "CredentialsArn": credentials,
    });
    let as_document = |value: Value| value.as_object().cloned().unwrap_or_default();
    let integration = kinds::create(context, &integrations::KIND, as_document(integration)).await?;
    let id = integration["IntegrationId"].as_str().unwrap_or_default();
    let route = json!({ "ApiId": api, "ApiGatewayManaged": true, "RouteKey": route_key, "Target": format!("integrations/{id}") });
    kinds::create(context, &routes::KIND, as_document(route)).await?;
    let stage =
        json!({ "ApiId": api, "ApiGatewayManaged": true, "StageName": "$default", "AutoDeploy": true });
    stages::make(context, as_document(stage)).await.map(drop)
}

pub(super) async fn get(_: &ApiGatewayV2, context: &Context, input: Document) -> Result<Value, ServiceError> {
    let snapshot = context.store().read().map_err(|error| storage_failed(&error))?;
    let document = kinds::api(&snapshot, &Place::new(context, text(&input, "ApiId")))?;
    Ok(described(context, document))
}

pub(super) async fn list(
    _: &ApiGatewayV2,
    context: &Context,
    input: Document,
) -> Result<Value, ServiceError> {
    let place = Place::new(context, "");
    let documents = context.store().read().and_then(|rows| DOCUMENTS.list_all(&rows, &place, "Api"));
    let documents = documents.map_err(|error| storage_failed(&error))?;
    let described = documents.into_iter().filter_map(|document| match described(context, document) {
        Value::Object(document) => Some(document),
        _ => None,
    });
    Ok(kinds::page_of(described.collect(), &input))
}

pub(super) async fn update(
    _: &ApiGatewayV2,
    context: &Context,
    mut input: Document,
) -> Result<Value, ServiceError> {
    let place = Place::new(context, text(&input, "ApiId"));
    if input.contains_key("Target") || input.contains_key("RouteKey") {
        return Err(not_built("changes of the target of an API that was created with one").into());
    }
    input.shift_remove("ApiId");
    let within = place.clone();
    let updated = DOCUMENTS.change(context, &place, move |transaction| {
        let mut document = kinds::api(transaction, &within)?;
        kinds::merge(&mut document, input);
        check(&mut document)?;
        DOCUMENTS.put(transaction, &within, "Api", "", &document)?;
        Ok(document)
    });
    Ok(described(context, updated.await?))
}

pub(super) async fn delete(
    service: &ApiGatewayV2,
    context: &Context,
    input: Document,
) -> Result<(), ServiceError> {
    let place = Place::new(context, text(&input, "ApiId"));
    let within = place.clone();
    let deleted: Outcome<()> = context
        .store()
        .write(move |transaction| {
            kinds::api(transaction, &within)?;
            DOCUMENTS.delete(transaction, &within, "Api", "");
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

pub(super) async fn delete_cors(
    service: &ApiGatewayV2,
    context: &Context,
    mut input: Document,
) -> Result<(), ServiceError> {
    input.insert("CorsConfiguration".to_owned(), Value::Null);
    update(service, context, input).await.map(drop)
}
