//! Who may call, and with what: authorizers, keys, policies, validators, and how refusals are worded.

use super::{Api, gateway, uri};
use crate::gateway::testing::Does;
use serde_json::json;

fn policy(effect: &str, resource: &str) -> serde_json::Value {
    json!({
        "principalId": "me",
        "policyDocument": { "Version": "2012-10-17", "Statement": [{ "Action": "execute-api:Invoke", "Effect": effect, "Resource": resource }] },
        "context": { "number": 1, "flag": true },
    })
}

#[tokio::test]
async fn authorizers_decide() {
    let gateway = gateway().await;
    let api = Api::new(&gateway, json!({})).await;
    let authorizer = |name: &str, kind: &str, source: &str| {
        json!({
            "restApiId": api.id, "name": name, "type": kind, "authorizerUri": uri(name), "identitySource": source,
            "identityValidationExpression": "[a-z]+", "authorizerResultTtlInSeconds": 60,
        })
    };
    let token = gateway
        .make("CreateAuthorizer", authorizer("token", "TOKEN", "method.request.header.Authorization"))
        .await;
    let sources = "method.request.header.X-Who, method.request.querystring.q";
    let request = gateway.make("CreateAuthorizer", authorizer("request", "REQUEST", sources)).await;
    let (one, two) = (api.resource(&api.root, "one").await, api.resource(&api.root, "two").await);
    let custom =
        |made: &serde_json::Value| json!({ "authorizationType": "CUSTOM", "authorizerId": made["id"] });
    api.proxy(&one, "GET", "f", custom(&token)).await;
    api.proxy(&two, "GET", "f", custom(&request)).await;
    let signed = api.resource(&api.root, "signed").await;
    api.proxy(&signed, "GET", "f", json!({ "authorizationType": "AWS_IAM" })).await;
    api.deploy(json!({})).await;
    gateway.function("f", Does::Give(json!({ "body": "in" })));
    let get = |token: &str| format!("{}\nAuthorization: {token}", api.to("GET", "/one"));

    let unauthorized = json!({ "x-amzn-errortype": "UnauthorizedException" });
    gateway.check(&api.to("GET", "/one"), 401, unauthorized.clone(), r#"{"message":"Unauthorized"}"#).await;
    gateway.check(&get("123"), 401, unauthorized.clone(), r#"{"message":"Unauthorized"}"#).await;
    gateway.function("token", Does::Give(policy("Allow", "arn:aws:execute-api:*:*:*/dev/GET/one")));
    gateway.check(&get("abc"), 200, json!({}), "in").await;
    gateway.check_event(
        json!({ "requestContext": { "authorizer": { "principalId": "me", "number": "1", "flag": "true" } } }),
    );
    gateway.function("token", Does::Give(policy("Deny", "*")));
    gateway.check(&get("abc"), 200, json!({}), "in").await;
    let denied = json!({ "x-amzn-errortype": "AccessDeniedException" });
    let message = r#"{"Message":"User is not authorized to access this resource with an explicit deny"}"#;
    gateway.check(&get("abd"), 403, denied.clone(), message).await;
    gateway.check_event(json!({
        "type": "TOKEN", "authorizationToken": "abd",
        "methodArn": format!("arn:aws:execute-api:us-east-1:000000000000:{}/dev/GET/one", api.id),
    }));
    gateway.function("token", Does::Give(policy("Allow", "arn:aws:execute-api:*:*:*/dev/GET/other")));
    gateway
        .check(&get("abe"), 403, denied, r#"{"Message":"User is not authorized to access this resource"}"#)
        .await;
    gateway.function("token", Does::Throw(json!({ "errorMessage": "Unauthorized" })));
    gateway.check(&get("abf"), 401, unauthorized, r#"{"message":"Unauthorized"}"#).await;
    gateway.function("token", Does::Give(json!({ "no": "policy" })));
    let broken = json!({ "x-amzn-errortype": "AuthorizerConfigurationException" });
    gateway.check(&get("abg"), 500, broken, r#"{"message":null}"#).await;

    gateway.function("request", Does::Give(policy("Allow", "*")));
    gateway.check(&(api.to("GET", "/two") + "\nX-Who: a"), 401, json!({}), "*").await;
    gateway.check(&(api.to("GET", "/two?q=1") + "\nX-Who: a"), 200, json!({}), "in").await;
    let (_, _, _, count) = gateway.last_call();
    gateway.check(&(api.to("GET", "/two?q=1") + "\nX-Who: a"), 200, json!({}), "in").await;
    assert_eq!(gateway.last_call().3, count + 1, "the authorizer was not asked again");
    gateway.cloud.advance(61);
    gateway.check(&(api.to("GET", "/two?q=1") + "\nX-Who: a"), 200, json!({}), "in").await;
    assert_eq!(gateway.last_call().3, count + 3, "the authorizer was asked again");
    gateway
        .check(&api.to("GET", "/signed"), 403, json!({}), r#"{"message":"Missing Authentication Token"}"#)
        .await;
    gateway.stop().await;
}

#[tokio::test]
async fn keys_open_stages() {
    let gateway = gateway().await;
    let api = Api::new(&gateway, json!({})).await;
    api.proxy(&api.root, "GET", "f", json!({ "apiKeyRequired": true })).await;
    api.deploy(json!({})).await;
    gateway.function("f", Does::Give(json!({ "body": "in" })));
    let value = "k".repeat(20);
    let key = gateway.make("CreateApiKey", json!({ "name": "k", "value": value, "enabled": true })).await;
    let get = |value: &str| format!("{}\nX-Api-Key: {value}", api.to("GET", "/"));
    let refused = json!({ "x-amzn-errortype": "ForbiddenException" });
    let forbidden = r#"{"message":"Forbidden"}"#;
    gateway.check(&api.to("GET", "/"), 403, refused.clone(), forbidden).await;
    gateway.check(&get(&value), 403, refused.clone(), forbidden).await;
    let plan = json!({ "name": "p", "apiStages": [{ "apiId": api.id, "stage": "dev" }] });
    let plan = gateway.make("CreateUsagePlan", plan).await;
    let pair = json!({ "usagePlanId": plan["id"], "keyId": key["id"], "keyType": "API_KEY" });
    gateway.make("CreateUsagePlanKey", pair.clone()).await;
    gateway.check(&get(&value), 200, json!({}), "in").await;
    gateway
        .check_event(json!({ "requestContext": { "identity": { "apiKey": value, "apiKeyId": key["id"] } } }));
    gateway.check(&get("other"), 403, refused.clone(), forbidden).await;
    let patch = json!({ "apiKey": key["id"], "patchOperations": [{ "op": "replace", "path": "/enabled", "value": "false" }] });
    gateway.make("UpdateApiKey", patch).await;
    gateway.check(&get(&value), 403, refused.clone(), forbidden).await;
    gateway
        .check_operation(
            "GetApiKeys",
            json!({ "includeValues": true }),
            json!({ "items": [{ "value": value }] }),
        )
        .await;
    gateway
        .check_operation("GetApiKey", json!({ "apiKey": key["id"] }), json!({ "value": null, "name": "k" }))
        .await;
    gateway.make("DeleteApiKey", json!({ "apiKey": key["id"] })).await;
    let keys = json!({ "usagePlanId": plan["id"] });
    gateway.check_operation("GetUsagePlanKeys", keys, json!({ "items": [] })).await;
    gateway.stop().await;
}

#[tokio::test]
async fn validators_refuse_and_responses_are_worded() {
    let gateway = gateway().await;
    let api = Api::new(&gateway, json!({})).await;
    let schema =
        json!({ "type": "object", "required": ["name"], "properties": { "name": { "type": "string" } } });
    let model = json!({ "restApiId": api.id, "name": "Pet", "contentType": "application/json", "schema": schema.to_string() });
    gateway.make("CreateModel", model).await;
    let validator = json!({ "restApiId": api.id, "name": "all", "validateRequestBody": true, "validateRequestParameters": true });
    let validator = gateway.make("CreateRequestValidator", validator).await;
    let method = json!({
        "requestValidatorId": validator["id"], "requestModels": { "application/json": "Pet" },
        "requestParameters": { "method.request.querystring.q": true, "method.request.header.X-A": true, "method.request.header.X-B": false },
    });
    api.proxy(&api.root, "POST", "f", method).await;
    gateway.function("f", Does::Give(json!({ "body": "in" })));
    api.deploy(json!({})).await;
    let post = |query: &str, body: &str| {
        format!("{}\nX-A: 1\nContent-Type: application/json\n\n{body}", api.to("POST", query))
    };
    gateway.check(&post("/?q=1", "{\"name\": \"n\"}"), 200, json!({}), "in").await;
    let refused = json!({ "x-amzn-errortype": "BadRequestException" });
    let message = r#"{"message": "Missing required request parameters: [q, X-A]"}"#;
    gateway.check(&(api.to("POST", "/") + "\n\n{}"), 400, refused.clone(), message).await;
    for body in ["{}", "[1]", "no", ""] {
        gateway
            .check(&post("/?q=1", body), 400, refused.clone(), r#"{"message": "Invalid request body"}"#)
            .await;
    }
    let worded = json!({
        "restApiId": api.id, "responseType": "BAD_REQUEST_BODY", "statusCode": "422",
        "responseParameters": { "gatewayresponse.header.X-Why": "'body'", "gatewayresponse.header.X-Path": "context.path" },
        "responseTemplates": { "application/json": "{\"error\": $context.error.messageString, \"found\": \"$util.escapeJavaScript($context.error.validationErrorString)\"}" },
    });
    gateway.make("PutGatewayResponse", worded).await;
    let default = json!({ "restApiId": api.id, "responseType": "DEFAULT_4XX", "responseParameters": { "gatewayresponse.header.Access-Control-Allow-Origin": "'*'" } });
    gateway.make("PutGatewayResponse", default).await;
    api.deploy(json!({})).await;
    let body = r#"{"error": "Invalid request body", "found": "[object has missing required properties ([\"name\"])]"}"#;
    gateway
        .check(&post("/?q=1", "{}"), 422, json!({ "x-why": "body", "x-path": "/_aws/execute-api/*" }), body)
        .await;
    let allowed = json!({ "access-control-allow-origin": "*" });
    gateway.check(&api.to("GET", "/no"), 403, allowed, r#"{"message":"Missing Authentication Token"}"#).await;
    gateway.stop().await;
}

#[tokio::test]
async fn an_api_has_a_policy_of_its_own() {
    let gateway = gateway().await;
    let document = json!({
        "Version": "2012-10-17",
        "Statement": [
            { "Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*/*/*" },
            { "Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/dev/GET/secret" },
        ],
    });
    let api = Api::new(&gateway, json!({ "policy": document.to_string() })).await;
    let secret = api.resource(&api.root, "secret").await;
    api.proxy(&secret, "ANY", "f", json!({})).await;
    api.deploy(json!({})).await;
    gateway.function("f", Does::Give(json!({ "body": "in" })));
    gateway.check(&api.to("POST", "/secret"), 200, json!({}), "in").await;
    let message = format!(
        "{{\"Message\":\"User: anonymous is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:us-east-1:000000000000:{}/dev/GET/secret with an explicit deny\"}}",
        api.id
    );
    gateway.check(&api.to("GET", "/secret"), 403, json!({}), &message).await;
    gateway.stop().await;
}
