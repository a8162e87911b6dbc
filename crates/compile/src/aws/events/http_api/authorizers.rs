//! Authorizers of the HTTP API.

use super::config::{Authorizer, Config};
use super::permission;
use crate::aws::context::Context;
use crate::aws::naming;
use serde_json::{Value, json};

/// The logical id of an authorizer.
pub fn id(name: &str) -> String {
    format!("HttpApiAuthorizer{}", naming::normalized(name))
}

/// Adds one, with the permission to call its function.
pub fn add(context: &mut Context<'_>, config: &Config<'_>, authorizer: &Authorizer) {
    let sources = match &authorizer.identity_source {
        Some(Value::Array(sources)) => json!(sources),
        Some(source) => json!([source]),
        None => json!([]),
    };
    let mut properties = json!({ "ApiId": config.api(), "Name": authorizer.name, "IdentitySource": sources });
    let mut depends_on = None;
    if authorizer.kind == "request" {
        let target = match (&authorizer.function_arn, &authorizer.function) {
            (Some(arn), _) => arn.clone(),
            (None, Some(function)) => context.target(function),
            (None, None) => Value::Null,
        };
        depends_on = authorizer.function.as_ref().and_then(|function| context.alias_id(function));
        properties["AuthorizerType"] = json!("REQUEST");
        properties["EnableSimpleResponses"] = json!(authorizer.enable_simple_responses);
        properties["AuthorizerResultTtlInSeconds"] = json!(authorizer.result_ttl);
        properties["AuthorizerPayloadFormatVersion"] = authorizer.payload_version.clone();
        properties["AuthorizerUri"] = json!({
            "Fn::Join": ["", [
                "arn:", { "Ref": "AWS::Partition" }, ":apigateway:", { "Ref": "AWS::Region" },
                ":lambda:path/2015-03-31/functions/", target, "/invocations",
            ]],
        });
        if !authorizer.managed_externally {
            let permission_id =
                format!("{}LambdaAuthorizerPermissionHttpApi", naming::normalized(&authorizer.name));
            context.put(permission_id, permission(&target, &config.api(), depends_on.clone()));
        }
    } else {
        properties["AuthorizerType"] = json!("JWT");
        properties["JwtConfiguration"] =
            json!({ "Audience": authorizer.audience, "Issuer": authorizer.issuer });
    }
    context.put(
        id(&authorizer.name),
        json!({
            "Type": "AWS::ApiGatewayV2::Authorizer",
            "Properties": properties,
            "DependsOn": depends_on,
        }),
    );
}
