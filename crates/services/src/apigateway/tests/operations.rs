//! The operations themselves: what they refuse, and what patches do.

use super::{Api, gateway, uri};
use serde_json::json;

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let gateway = gateway().await;
    let api = Api::new(&gateway, json!({})).await;
    let of = |more: serde_json::Value| {
        let mut input = json!({ "restApiId": api.id });
        input.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        input
    };
    let pets = api.resource(&api.root, "pets").await;
    api.resource(&pets, "{id}").await;
    let method = |verb: &str| json!({ "restApiId": api.id, "resourceId": pets, "httpMethod": verb });
    let with = |verb: &str, more: serde_json::Value| {
        let mut input = method(verb);
        input.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        input
    };
    gateway.make("PutMethod", with("GET", json!({ "authorizationType": "NONE" }))).await;
    let wrong_uri = json!({ "type": "AWS", "integrationHttpMethod": "POST", "uri": "http://x" });
    let cognito = json!({ "name": "c", "type": "COGNITO_USER_POOLS", "providerARNs": ["arn:x"] });
    for (operation, input, expected) in [
        (
            "GetRestApi",
            json!({ "restApiId": "none" }),
            "NotFoundException: Invalid API identifier specified 000000000000:none",
        ),
        (
            "CreateResource",
            of(json!({ "parentId": api.root, "pathPart": "pets" })),
            "ConflictException: Another resource with the same parent already has this name: pets",
        ),
        (
            "CreateResource",
            of(json!({ "parentId": pets, "pathPart": "{other}" })),
            "BadRequestException: A sibling ({id}) of this resource already has a variable path part -- only one is allowed",
        ),
        (
            "CreateResource",
            of(json!({ "parentId": pets, "pathPart": "a/b" })),
            "BadRequestException: Resource's path part only allow*",
        ),
        (
            "CreateResource",
            of(json!({ "parentId": "none", "pathPart": "a" })),
            "NotFoundException: Invalid Resource identifier specified",
        ),
        (
            "DeleteResource",
            of(json!({ "resourceId": api.root })),
            "BadRequestException: Root resource can not be deleted",
        ),
        (
            "PutMethod",
            with("GET", json!({ "authorizationType": "NONE" })),
            "ConflictException: Method already exists for this resource",
        ),
        (
            "PutMethod",
            with("PUT", json!({ "authorizationType": "CUSTOM" })),
            "BadRequestException: Invalid authorizer ID specified. *",
        ),
        ("GetMethod", method("PUT"), "NotFoundException: Invalid Method identifier specified"),
        ("GetIntegration", method("GET"), "NotFoundException: Invalid Integration identifier specified"),
        (
            "PutIntegration",
            with("GET", wrong_uri),
            "BadRequestException: Invalid ARN specified in the request",
        ),
        ("CreateDeployment", of(json!({})), "BadRequestException: No integration defined for method"),
        (
            "GetStage",
            of(json!({ "stageName": "x" })),
            "NotFoundException: Invalid stage identifier specified",
        ),
        (
            "CreateAuthorizer",
            of(cognito),
            "NotImplemented: the local cloud has not built authorizers by Cognito user pools",
        ),
        (
            "ImportRestApi",
            json!({}),
            "NotImplemented: the local cloud has not built apigateway:ImportRestApi",
        ),
    ] {
        gateway.check_operation(operation, input, expected.into()).await;
    }
    gateway.stop().await;
}

#[tokio::test]
async fn patches_change_what_they_name() {
    let gateway = gateway().await;
    let api = Api::new(&gateway, json!({})).await;
    api.proxy(&api.root, "GET", "f", json!({})).await;
    api.deploy(json!({ "description": "first" })).await;
    let patch = |op: &str, path: &str, value: &str| json!([{ "op": op, "path": path, "value": value }]);
    for (operation, mut input, patches, expected) in [
        ("UpdateRestApi", json!({}), patch("replace", "/name", "new"), json!({ "name": "new" })),
        (
            "UpdateStage",
            json!({ "stageName": "dev" }),
            patch("replace", "/variables/a", "1"),
            json!({ "variables": { "a": "1" } }),
        ),
        (
            "UpdateStage",
            json!({ "stageName": "dev" }),
            patch("replace", "/*/*/throttling/rateLimit", "5"),
            json!({ "methodSettings": { "*/*": { "throttlingRateLimit": 5 } } }),
        ),
        (
            "UpdateMethod",
            json!({ "resourceId": api.root, "httpMethod": "GET" }),
            patch("add", "/requestParameters/method.request.header.A", "true"),
            json!({ "requestParameters": { "method.request.header.A": true } }),
        ),
        (
            "UpdateIntegration",
            json!({ "resourceId": api.root, "httpMethod": "GET" }),
            patch("replace", "/uri", &uri("g")),
            json!({ "uri": uri("g"), "type": "AWS_PROXY", "httpMethod": "POST" }),
        ),
    ] {
        input["restApiId"] = api.id.as_str().into();
        input["patchOperations"] = patches;
        gateway.check_operation(operation, input, expected).await;
    }
    let resources = json!({ "restApiId": api.id, "embed": ["methods"] });
    let expected = json!({ "items": [{ "path": "/", "resourceMethods": { "GET": { "methodIntegration": { "uri": uri("g") } } } }] });
    gateway.check_operation("GetResources", resources, expected).await;
    let stages = gateway.make("GetStages", json!({ "restApiId": api.id })).await;
    let deployment = stages["item"][0]["deploymentId"].clone();
    let refusal = "BadRequestException: Active stages pointing to this deployment must be moved or deleted";
    let named = json!({ "restApiId": api.id, "deploymentId": deployment });
    gateway.check_operation("DeleteDeployment", named.clone(), refusal.into()).await;
    gateway.make("DeleteStage", json!({ "restApiId": api.id, "stageName": "dev" })).await;
    gateway.make("DeleteDeployment", named).await;
    let arn = format!("arn:aws:apigateway:us-east-1::/restapis/{}", api.id);
    gateway.make("TagResource", json!({ "resourceArn": arn, "tags": { "a": "1" } })).await;
    gateway.check_operation("GetTags", json!({ "resourceArn": arn }), json!({ "tags": { "a": "1" } })).await;
    gateway.stop().await;
}
