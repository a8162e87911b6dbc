//! `httpApi`: one HTTP API for the service, with a route per event and an integration per function.

mod authorizers;
mod config;

pub use config::method_and_path;

use super::super::context::{Context, resource};
use super::super::naming::{self, HTTP_API};
use super::super::values::{at, object, truthy};
use aloft_diag::Diagnostic;
use config::{Config, Route};
use serde_json::{Value, json};
use std::collections::HashSet;

/// Adds the API, its stage, authorizers, routes, integrations and permissions.
///
/// # Errors
/// See [`config::resolve`].
pub fn compile(context: &mut Context<'_>) -> Result<(), Diagnostic> {
    let config = config::resolve(context)?;
    if config.routes.is_empty() {
        return Ok(());
    }
    if config.id.is_none() {
        add_api(context, &config);
    }
    if config.log_format.is_some() {
        let group = context.log_group(format!("/aws/http-api/{}", context.stack_name()));
        context.put("HttpApiLogGroup", group);
    }
    if config.id.is_none() {
        add_stage(context, &config);
    }
    for authorizer in config.authorizers.values() {
        authorizers::add(context, &config, authorizer);
    }
    let mut integrated = HashSet::new();
    for (key, route) in &config.routes {
        if integrated.insert(route.function) {
            add_integration(context, &config, route.function);
        }
        add_route(context, &config, key, route);
    }
    Ok(())
}

fn name(context: &Context<'_>) -> String {
    let (service, stage) = (&context.service.name, &context.service.stage);
    if let Some(name) = at(context.provider, &["httpApi", "name"]).filter(|name| truthy(Some(name))) {
        return super::super::values::display(name);
    }
    if truthy(at(context.provider, &["httpApi", "shouldStartNameWithService"])) {
        format!("{service}-{stage}")
    } else {
        format!("{stage}-{service}")
    }
}

fn add_api(context: &mut Context<'_>, config: &Config<'_>) {
    let cors = config.cors.as_ref().map(|cors| {
        json!({
            "AllowCredentials": cors.allow_credentials.then_some(true),
            "AllowHeaders": cors.headers,
            "AllowMethods": cors.methods,
            "AllowOrigins": cors.origins,
            "ExposeHeaders": cors.exposed,
            "MaxAge": cors.max_age,
        })
    });
    let properties = json!({
        "Name": name(context),
        "ProtocolType": "HTTP",
        "DisableExecuteApiEndpoint": at(context.provider, &["httpApi", "disableDefaultEndpoint"]),
        "Tags": object(context.provider, "tags"),
        "CorsConfiguration": cors,
    });
    context.put(HTTP_API, json!({ "Type": "AWS::ApiGatewayV2::Api", "Properties": properties }));
}

fn add_stage(context: &mut Context<'_>, config: &Config<'_>) {
    let metrics = at(context.provider, &["httpApi", "metrics"]).filter(|value| truthy(Some(value))).cloned();
    let logs = config.log_format.as_ref().map(
        |format| json!({ "DestinationArn": { "Fn::GetAtt": ["HttpApiLogGroup", "Arn"] }, "Format": format }),
    );
    let depends_on = logs.as_ref().map(|_| "HttpApiLogGroup");
    let properties = json!({
        "ApiId": { "Ref": HTTP_API },
        "StageName": "$default",
        "AutoDeploy": true,
        "DefaultRouteSettings": { "DetailedMetricsEnabled": metrics.unwrap_or(json!(false)) },
        "Tags": object(context.provider, "tags"),
        "AccessLogSettings": logs,
    });
    let stage =
        json!({ "Type": "AWS::ApiGatewayV2::Stage", "Properties": properties, "DependsOn": depends_on });
    context.put("HttpApiStage", stage);
    context.outputs.insert(
        "HttpApiId".to_owned(),
        json!({ "Description": "Id of the HTTP API", "Value": { "Ref": HTTP_API } }),
    );
    let address = json!([
        "https://", { "Ref": HTTP_API }, ".execute-api.", { "Ref": "AWS::Region" }, ".", { "Ref": "AWS::URLSuffix" },
    ]);
    let output = json!({ "Description": "URL of the HTTP API", "Value": { "Fn::Join": ["", address] } });
    context.outputs.insert("HttpApiUrl".to_owned(), output);
}

/// Lets the API call a function.
fn permission(function: &Value, api: &Value, depends_on: Option<String>) -> Value {
    json!({
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "FunctionName": function,
            "Action": "lambda:InvokeFunction",
            "Principal": "apigateway.amazonaws.com",
            "SourceArn": {
                "Fn::Join": ["", [
                    "arn:", { "Ref": "AWS::Partition" }, ":execute-api:", { "Ref": "AWS::Region" }, ":",
                    { "Ref": "AWS::AccountId" }, ":", api, "/*",
                ]],
            },
        },
        "DependsOn": depends_on,
    })
}

fn integration_id(function: &str) -> String {
    format!("HttpApiIntegration{}", naming::normalized(function))
}

fn add_integration(context: &mut Context<'_>, config: &Config<'_>, function: &str) {
    let (target, alias) = (context.target(function), context.alias_id(function));
    context.put(naming::permission(function, "HttpApi"), permission(&target, &config.api(), alias.clone()));
    let payload = at(context.functions[function].config, &["httpApi", "payload"])
        .or_else(|| at(context.provider, &["httpApi", "payload"]))
        .cloned()
        .unwrap_or_else(|| json!("2.0"));
    context.put(
        integration_id(function),
        json!({
            "Type": "AWS::ApiGatewayV2::Integration",
            "DependsOn": alias,
            "Properties": {
                "ApiId": config.api(),
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": target,
                "PayloadFormatVersion": payload,
                "TimeoutInMillis": 30000,
            },
        }),
    );
}

fn add_route(context: &mut Context<'_>, config: &Config<'_>, key: &str, route: &Route<'_>) {
    let integration = integration_id(route.function);
    let mut properties = json!({
        "ApiId": config.api(),
        "RouteKey": if key == "*" { "$default" } else { key },
        "Target": { "Fn::Join": ["/", ["integrations", { "Ref": integration }]] },
    });
    if let Some(authorizer) = &route.authorizer {
        properties["AuthorizationType"] = json!(match authorizer.kind.as_deref() {
            Some("request") => "CUSTOM",
            Some("aws_iam") => "AWS_IAM",
            _ => "JWT",
        });
        if authorizer.kind.as_deref() != Some("aws_iam") {
            properties["AuthorizerId"] = authorizer.id.clone().unwrap_or_else(
                || json!({ "Ref": authorizers::id(authorizer.name.as_deref().unwrap_or_default()) }),
            );
            properties["AuthorizationScopes"] = json!(route.scopes);
        }
    }
    let route = resource("AWS::ApiGatewayV2::Route", properties, Some(integration));
    context.put(naming::http_api_route(key), route);
}
