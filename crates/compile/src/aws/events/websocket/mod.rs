//! `websocket`: one WebSocket API for the service, with a route per event and an integration per function.

mod event;

use super::super::context::Context;
use super::super::naming::{self, ROLE, WEBSOCKETS_API};
use super::super::values::{alphanumeric, at, display, get, object, stringify, text, truthy};
use super::api_gateway_logs;
use aloft_diag::Diagnostic;
use base64::Engine;
use event::Route;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

const LOG_FORMAT: &str = "$context.identity.sourceIp $context.identity.caller $context.identity.user [$context.requestTime] \
\"$context.eventType $context.routeKey $context.connectionId\" $context.requestId";

/// Adds the API with everything below it.
///
/// # Errors
/// `WEBSOCKETS_MISSING_AUTHORIZER_NAME`, `WEBSOCKETS_INVALID_LOGS_LEVEL`, `FUNCTION_MISSING_IN_SERVICE`.
pub fn compile(context: &mut Context<'_>) -> Result<(), Diagnostic> {
    let routes = event::read(context)?;
    if routes.is_empty() {
        return Ok(());
    }
    let external = context.api_gateway().and_then(|settings| get(settings, "websocketApiId")).cloned();
    let api = external.clone().unwrap_or_else(|| json!({ "Ref": WEBSOCKETS_API }));
    if external.is_none() {
        add_api(context);
    }
    for route in &routes {
        add_integration(context, &api, route);
    }
    for route in routes.iter().filter(|route| route.response_selection.is_some()) {
        let id = route_id(&route.key);
        let properties = json!({ "ApiId": api, "RouteId": { "Ref": id }, "RouteResponseKey": "$default" });
        context.put(
            format!("{id}Response"),
            json!({ "Type": "AWS::ApiGatewayV2::RouteResponse", "Properties": properties }),
        );
    }
    for route in &routes {
        add_authorizer(context, &api, route);
    }
    for route in &routes {
        add_permissions(context, &api, route);
    }
    for route in &routes {
        add_route(context, &api, route);
    }
    if external.is_none() {
        add_stage(context, &api)?;
    }
    add_deployment(context, &api, &routes, external.is_some());
    Ok(())
}

fn description(context: &Context<'_>) -> Value {
    get(context.provider, "websocketsDescription").cloned().unwrap_or_else(|| json!("Serverless Websockets"))
}

fn route_id(key: &str) -> String {
    format!("{}WebsocketsRoute", naming::websocket_route_key(key))
}

fn authorizer_id(name: &str) -> String {
    format!("{}WebsocketsAuthorizer", naming::normalized(name))
}

fn integration_id(function: &str) -> String {
    format!("{}WebsocketsIntegration", naming::normalized(function))
}

fn add_api(context: &mut Context<'_>) {
    let name = text(context.provider, "websocketsApiName").filter(|name| !name.is_empty()).map_or_else(
        || format!("{}-{}-websockets", context.service.stage, context.service.name),
        str::to_owned,
    );
    let selection = get(context.provider, "websocketsApiRouteSelectionExpression").cloned();
    let tagged = truthy(at(context.provider, &["websocket", "useProviderTags"]));
    let resource = json!({
        "Type": "AWS::ApiGatewayV2::Api",
        "Properties": {
            "Name": name,
            "RouteSelectionExpression": selection.unwrap_or_else(|| json!("$request.body.action")),
            "Description": description(context),
            "ProtocolType": "WEBSOCKET",
            "Tags": object(context.provider, "tags").filter(|_| tagged),
        },
    });
    let mut resource = resource;
    // What this holds is hashed for the deployment's id, so nothing empty may stay.
    super::super::merge::strip(&mut resource);
    context.merge(WEBSOCKETS_API, resource);
    if context.resources.contains_key(ROLE) {
        context.allow(json!({
            "Effect": "Allow",
            "Action": ["execute-api:ManageConnections"],
            "Resource": [{ "Fn::Sub": "arn:${AWS::Partition}:execute-api:*:*:*/@connections/*" }],
        }));
    }
}

fn add_integration(context: &mut Context<'_>, api: &Value, route: &Route<'_>) {
    let resource = json!({
        "Type": "AWS::ApiGatewayV2::Integration",
        "DependsOn": context.alias_id(route.function),
        "Properties": {
            "ApiId": api,
            "IntegrationType": "AWS_PROXY",
            "IntegrationUri": event::invocation_address(context.target(route.function)),
        },
    });
    context.merge(integration_id(route.function), resource);
}

fn add_authorizer(context: &mut Context<'_>, api: &Value, route: &Route<'_>) {
    let Some(authorizer) = &route.authorizer else { return };
    let resource = json!({
        "Type": "AWS::ApiGatewayV2::Authorizer",
        "DependsOn": context.alias_id(&authorizer.name),
        "Properties": {
            "ApiId": api,
            "Name": authorizer.name,
            "AuthorizerType": "REQUEST",
            "AuthorizerUri": authorizer.address,
            "IdentitySource": authorizer.identity_source,
        },
    });
    context.merge(authorizer_id(&authorizer.name), resource);
}

fn add_permissions(context: &mut Context<'_>, api: &Value, route: &Route<'_>) {
    let api_id = api.get("Ref").map(display);
    let own = context.alias_id(route.function).unwrap_or_else(|| naming::function(route.function));
    let depends_on = api_id.iter().cloned().chain([own]).collect();
    let target = context.target(route.function);
    let properties = json!({ "FunctionName": target, "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com" });
    context.merge(naming::permission(route.function, "Websockets"), permission(properties, depends_on));
    let Some(authorizer) = &route.authorizer else { return };
    let mut depends_on: Vec<String> = api_id.into_iter().collect();
    let target = match &authorizer.function {
        Some(function) => {
            depends_on.push(naming::function(function));
            depends_on.extend(context.alias_id(function));
            context.target(function)
        }
        None => authorizer.arn.clone(),
    };
    // The deployment's id is a hash over this text, so the original's order of keys, which differs here, has to be kept.
    let properties = json!({ "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com", "FunctionName": target });
    context.merge(naming::permission(&authorizer.name, "Websockets"), permission(properties, depends_on));
}

fn permission(properties: Value, depends_on: Vec<String>) -> Value {
    json!({ "Type": "AWS::Lambda::Permission", "DependsOn": depends_on, "Properties": properties })
}

fn add_route(context: &mut Context<'_>, api: &Value, route: &Route<'_>) {
    let mut properties = json!({
        "ApiId": api,
        "RouteKey": route.key,
        "AuthorizationType": if route.authorizer.is_some() { "CUSTOM" } else { "NONE" },
        "Target": { "Fn::Join": ["/", ["integrations", { "Ref": integration_id(route.function) }]] },
    });
    if let Some(selection) = route.response_selection {
        properties["RouteResponseSelectionExpression"] = selection.clone();
    }
    if let Some(authorizer) = &route.authorizer {
        properties["AuthorizerId"] = json!({ "Ref": authorizer_id(&authorizer.name) });
    }
    context
        .merge(route_id(&route.key), json!({ "Type": "AWS::ApiGatewayV2::Route", "Properties": properties }));
}

fn add_stage(context: &mut Context<'_>, api: &Value) -> Result<(), Diagnostic> {
    let mut properties =
        json!({ "ApiId": api, "StageName": context.service.stage, "Description": description(context) });
    let logs = at(context.provider, &["logs", "websocket"]).filter(|logs| truthy(Some(logs)));
    if let Some(logs) = logs {
        let empty = Map::new();
        let settings = logs.as_object().unwrap_or(&empty);
        let on = |key: &str| settings.get(key).is_none_or(|value| value.is_null() || truthy(Some(value)));
        let level = if on("executionLogging") {
            get(settings, "level").map_or("INFO".to_owned(), display)
        } else {
            "OFF".to_owned()
        };
        if !["INFO", "ERROR", "OFF"].contains(&level.as_str()) {
            let message = format!(
                "provider.logs.websocket.level is set to an invalid value. Support values are INFO, ERROR, got {level}."
            );
            return Err(context
                .error("WEBSOCKETS_INVALID_LOGS_LEVEL", message, "provider.logs.websocket.level")
                .help("write `level: INFO` or `level: ERROR`"));
        }
        properties["DefaultRouteSettings"] = json!({ "DataTraceEnabled": settings.get("fullExecutionData").filter(|value| !value.is_null()).cloned().unwrap_or(json!(true)), "LoggingLevel": level });
        if on("accessLogging") {
            properties["AccessLogSettings"] = json!({
                "DestinationArn": {
                    "Fn::Sub": "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${WebsocketsLogGroup}",
                },
                "Format": get(settings, "format").cloned().unwrap_or_else(|| json!(LOG_FORMAT)),
            });
        }
    }
    context.put(
        "WebsocketsDeploymentStage",
        json!({ "Type": "AWS::ApiGatewayV2::Stage", "Properties": properties }),
    );
    if logs.is_some() {
        let group =
            context.log_group(format!("/aws/websocket/{}-{}", context.service.name, context.service.stage));
        context.put("WebsocketsLogGroup", group);
        api_gateway_logs::ensure_role(context);
    }
    Ok(())
}

/// A deployment is new when anything of the API has changed: its id holds a hash of all that belongs to it.
fn add_deployment(context: &mut Context<'_>, api: &Value, routes: &[Route<'_>], external: bool) {
    let depends_on: Vec<String> = routes
        .iter()
        .flat_map(|route| {
            let id = route_id(&route.key);
            [route.response_selection.map(|_| format!("{id}Response")), Some(id)]
        })
        .flatten()
        .collect();
    let part: Map<String, Value> = context
        .resources
        .iter()
        .filter(|(id, resource)| {
            let named = |value: Option<&Value>| value.and_then(Value::as_str) == Some(WEBSOCKETS_API);
            id.as_str() == WEBSOCKETS_API
                || named(resource.pointer("/Properties/ApiId/Ref"))
                || resource
                    .get("DependsOn")
                    .and_then(Value::as_array)
                    .is_some_and(|ids| ids.iter().any(|id| named(Some(id))))
        })
        .map(|(id, resource)| (id.clone(), resource.clone()))
        .collect();
    let hash =
        base64::engine::general_purpose::STANDARD.encode(Sha256::digest(stringify(&Value::Object(part))));
    let id = format!("WebsocketsDeployment{}", alphanumeric(&hash));
    let mut properties = json!({ "ApiId": api, "Description": description(context) });
    if external {
        properties["StageName"] = json!(context.service.stage);
    }
    context.merge(
        id.clone(),
        json!({ "Type": "AWS::ApiGatewayV2::Deployment", "DependsOn": depends_on, "Properties": properties }),
    );
    let address = json!([
        "wss://", api, ".execute-api.", { "Ref": "AWS::Region" }, ".", { "Ref": "AWS::URLSuffix" },
        format!("/{}", context.service.stage),
    ]);
    let output =
        json!({ "Description": "URL of the service endpoint", "Value": { "Fn::Join": ["", address] } });
    context.output("ServiceEndpointWebsocket", output);
    if let Some(stage) =
        context.resources.get_mut("WebsocketsDeploymentStage").and_then(|stage| stage.get_mut("Properties"))
    {
        stage["DeploymentId"] = json!({ "Ref": id });
    }
}
