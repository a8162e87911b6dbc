//! The methods, and the permissions to call their functions.

use super::event::Method;
use super::resources::Resources;
use super::{api, integration};
use crate::aws::context::Context;
use crate::aws::merge::merge;
use crate::aws::naming;
use crate::aws::values::{display, truthy};
use aloft_diag::Diagnostic;
use serde_json::{Map, Value, json};

/// Adds the methods and says their logical ids.
pub fn add(
    context: &mut Context<'_>,
    methods: &[Method<'_>],
    resources: &Resources,
) -> Result<Vec<String>, Diagnostic> {
    let mut ids = Vec::new();
    for method in methods {
        let function = method.event.function;
        let id = naming::rest_method(&resources.name(&method.path), &method.method);
        let mut depends_on = vec![naming::permission(function, "ApiGateway")];
        depends_on.extend(context.alias_id(function));
        let mut resource = json!({
            "Type": "AWS::ApiGateway::Method",
            "Properties": {
                "HttpMethod": method.method.to_uppercase(),
                "RequestParameters": request_parameters(method),
                "ResourceId": resources.id(context, &method.path)?,
                "RestApiId": api(context),
                "OperationName": method.event.get("operationId"),
                "ApiKeyRequired": method.event.truthy("private").is_some(),
            },
            "DependsOn": depends_on,
        });
        // Lists are merged by place: the authorizer takes the permission's.
        let authorization = match &method.authorizer {
            Some(authorizer) => authorizer.of_method(),
            None => json!({ "Properties": { "AuthorizationType": "NONE" } }),
        };
        merge(&mut resource, authorization);
        resource["Properties"]["Integration"] = integration::integration(context, method);
        resource["Properties"]["MethodResponses"] = integration::method_responses(method);
        context.merge(id.clone(), resource);
        ids.push(id);
    }
    Ok(ids)
}

/// Which parameters a caller has to send.
fn request_parameters(method: &Method<'_>) -> Map<String, Value> {
    let parameters = method.parameters().into_iter().flatten();
    parameters.map(|(name, value)| (name.clone(), json!(required(value)))).collect()
}

/// A parameter's `required`; one that is described without it is required.
pub fn required(value: &Value) -> Value {
    match value {
        Value::Object(settings) => {
            settings.get("required").filter(|value| !value.is_null()).cloned().unwrap_or(json!(true))
        }
        other => other.clone(),
    }
}

/// Lets the API call the functions and the authorizers.
pub fn permit(context: &mut Context<'_>, methods: &[Method<'_>]) {
    let source = json!({
        "Fn::Join": ["", [
            "arn:", { "Ref": "AWS::Partition" }, ":execute-api:", { "Ref": "AWS::Region" }, ":", { "Ref": "AWS::AccountId" }, ":",
            api(context), "/*/*",
        ]],
    });
    let permission = |function: Value, depends_on: Option<String>| {
        json!({
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": function,
                "Action": "lambda:InvokeFunction",
                "Principal": "apigateway.amazonaws.com",
                "SourceArn": source,
            },
            "DependsOn": depends_on,
        })
    };
    for method in methods {
        let function = method.event.function;
        let own = permission(context.target(function), context.alias_id(function));
        context.put(naming::permission(function, "ApiGateway"), own);
        let Some(authorizer) = &method.authorizer else { continue };
        if authorizer.arn.is_none() || authorizer.is_user_pool() || authorizer.managed_externally {
            continue;
        }
        let id = naming::permission(&authorizer.name, "ApiGateway");
        if let Some(target) = authorizer.permission_target().filter(|_| !context.resources.contains_key(&id))
        {
            context.put(id, permission(target, None));
        }
    }
}

/// The claims of a user pool that a template passes on, each followed by a comma.
pub fn claims(method: &Method<'_>) -> String {
    let claims = method.authorizer.as_ref().map_or(&[][..], |authorizer| authorizer.claims.as_slice());
    let lines: Vec<String> = claims
        .iter()
        .filter(|claim| truthy(Some(claim)))
        .map(display)
        .map(|claim| match claim.split_once(':') {
            Some((_, name)) => format!("\"{name}\": \"$context.authorizer.claims['{claim}']\""),
            None => format!("\"{claim}\": \"$context.authorizer.claims.{claim}\""),
        })
        .collect();
    if lines.is_empty() { String::new() } else { format!("{},", lines.join(",")) }
}
