//! HTTP APIs as their clients and their functions see them.

mod tokens;

use super::{ApiGatewayV2, cloudformation};
use crate::gateway::testing::{Does, Gateway, arn};
use aloft_engine::{ResourceHandler, Update};
use serde_json::{Value, json};
use std::sync::Arc;

async fn gateway() -> Gateway {
    Gateway::start("apigatewayv2", vec![Arc::new(ApiGatewayV2::default())]).await
}

fn id(answer: &Value, name: &str) -> String {
    answer[name].as_str().expect("an id").to_owned()
}

/// An API with a stage that deploys by itself.
async fn api(gateway: &Gateway, settings: Value) -> String {
    let mut input = json!({ "Name": "shop", "ProtocolType": "HTTP" });
    input.as_object_mut().expect("a map").extend(settings.as_object().expect("a map").clone());
    let api = id(&gateway.make("CreateApi", input).await, "ApiId");
    gateway.make("CreateStage", json!({ "ApiId": api, "StageName": "$default", "AutoDeploy": true })).await;
    api
}

/// A route to a function.
async fn route(gateway: &Gateway, api: &str, key: &str, function: &str, format: &str, more: Value) -> String {
    let integration = json!({
        "ApiId": api,
        "IntegrationType": "AWS_PROXY",
        "IntegrationUri": arn(function),
        "PayloadFormatVersion": format,
        "TimeoutInMillis": if function == "slow" { 50 } else { 30_000 },
    });
    let integration = id(&gateway.make("CreateIntegration", integration).await, "IntegrationId");
    let mut input = json!({ "ApiId": api, "RouteKey": key, "Target": format!("integrations/{integration}") });
    input.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
    id(&gateway.make("CreateRoute", input).await, "RouteId")
}

#[tokio::test]
async fn the_event_of_format_2_is_as_documented() {
    let gateway = gateway().await;
    let api = api(&gateway, json!({})).await;
    let stage =
        json!({ "ApiId": api, "StageName": "dev", "AutoDeploy": true, "StageVariables": { "color": "red" } });
    gateway.make("CreateStage", stage).await;
    gateway.function("f", Does::Give(json!({ "ok": true })));
    route(&gateway, &api, "POST /pets/{id}/{proxy+}", "f", "2.0", json!({})).await;
    let request = format!(
        "POST /_aws/execute-api/{api}/dev/pets/a%20b/c/d?x=1&x=2&y=a%26b&z\nCookie: a=1; b=2\nX-One: 1\nX-One: 2\n\
         User-Agent: test\nContent-Type: application/json\nX-Amzn-Trace-Id: Root=1-2-3\n\n{{\"n\": 1}}"
    );
    gateway
        .check(
            &request,
            200,
            json!({ "content-type": "application/json", "apigw-requestid": "*", "content-length": "11" }),
            r#"{"ok":true}"#,
        )
        .await;
    let event = gateway.last_call().2;
    let short_id = event["requestContext"]["requestId"].as_str().expect("an id").to_owned();
    let port = gateway.cloud.engine.address().port().to_string();
    let expected = json!({
        "version": "2.0",
        "routeKey": "POST /pets/{id}/{proxy+}",
        "rawPath": "/dev/pets/a b/c/d",
        "rawQueryString": "x=1&x=2&y=a%26b&z",
        "cookies": ["a=1", "b=2"],
        "headers": {
            "connection": "close",
            "host": "localhost",
            "x-one": "1,2",
            "user-agent": "test",
            "content-type": "application/json",
            "content-length": "8",
            "x-amzn-trace-id": "Root=1-2-3",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-port": port,
            "x-forwarded-proto": "http",
        },
        "queryStringParameters": { "x": "1,2", "y": "a&b", "z": "" },
        "requestContext": {
            "accountId": "000000000000",
            "apiId": api,
            "domainName": format!("{api}.execute-api.localhost"),
            "domainPrefix": api,
            "http": {
                "method": "POST",
                "path": "/dev/pets/a b/c/d",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "test",
            },
            "requestId": short_id,
            "routeKey": "POST /pets/{id}/{proxy+}",
            "stage": "dev",
            "time": "23/Nov/2026:04:05:06 +0000",
            "timeEpoch": 1_795_406_706_000_i64,
        },
        "pathParameters": { "id": "a b", "proxy": "c/d" },
        "stageVariables": { "color": "red" },
        "body": "{\"n\": 1}",
        "isBase64Encoded": false,
    });
    assert_eq!(event, expected);
    gateway.stop().await;
}

#[tokio::test]
async fn the_event_of_format_1_is_as_documented() {
    let gateway = gateway().await;
    let api = api(&gateway, json!({})).await;
    gateway.function("f", Does::Give(json!({ "statusCode": 201, "multiValueHeaders": { "set-cookie": ["a=1", "b=2"] }, "body": "made" })));
    route(&gateway, &api, "ANY /form", "f", "1.0", json!({})).await;
    let request = format!(
        "PUT /form?a=1&a=2\nHost: {api}.execute-api.localhost:4566\nContent-Type: application/x-www-form-urlencoded\n\na=b"
    );
    gateway.check(&request, 201, json!({ "set-cookie": "a=1 | b=2" }), "made").await;
    gateway.check_event(json!({
        "version": "1.0",
        "resource": "/form",
        "path": "/form",
        "httpMethod": "PUT",
        "headers": { "Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-For": "127.0.0.1" },
        "multiValueHeaders": { "Content-Length": ["3"] },
        "queryStringParameters": { "a": "2" },
        "multiValueQueryStringParameters": { "a": ["1", "2"] },
        "pathParameters": null,
        "stageVariables": null,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": api,
            "domainName": format!("{api}.execute-api.localhost"),
            "httpMethod": "PUT",
            "identity": { "sourceIp": "127.0.0.1", "userArn": null },
            "path": "/form",
            "requestTime": "23/Nov/2026:04:05:06 +0000",
            "resourcePath": "/form",
            "stage": "$default",
        },
        "body": "YT1i",
        "isBase64Encoded": true,
    }));
    gateway.stop().await;
}

#[tokio::test]
async fn answers_and_errors_are_the_gateways() {
    let gateway = gateway().await;
    let api = api(&gateway, json!({})).await;
    let json_type = json!({ "content-type": "application/json" });
    for (name, does, status, headers, body) in [
        ("text", Does::Give(json!("hello")), 200, json_type.clone(), "hello"),
        ("list", Does::Give(json!([1, 2])), 200, json_type.clone(), "[1,2]"),
        (
            "status",
            Does::Give(
                json!({ "statusCode": 418, "body": "tea", "cookies": ["a=1", "b=2"], "headers": { "X-N": 1 } }),
            ),
            418,
            json!({ "content-type": "text/plain;charset=UTF-8", "set-cookie": "a=1 | b=2", "x-n": "1" }),
            "tea",
        ),
        (
            "binary",
            Does::Give(json!({ "statusCode": 200, "body": "aGk=", "isBase64Encoded": true })),
            200,
            json!({ "content-length": "2" }),
            "hi",
        ),
        (
            "bad",
            Does::Give(json!({ "statusCode": "x" })),
            500,
            json_type.clone(),
            r#"{"message":"Internal Server Error"}"#,
        ),
        (
            "throw",
            Does::Throw(json!({ "errorMessage": "no" })),
            500,
            json_type.clone(),
            r#"{"message":"Internal Server Error"}"#,
        ),
        ("slow", Does::Hang, 503, json_type.clone(), r#"{"message":"Service Unavailable"}"#),
    ] {
        gateway.function(name, does);
        route(&gateway, &api, &format!("GET /{name}"), name, "2.0", json!({})).await;
        gateway.check(&format!("GET /_aws/execute-api/{api}/{name}"), status, headers, body).await;
    }
    route(&gateway, &api, "GET /gone", "gone", "2.0", json!({})).await;
    let not_found = r#"{"message":"Not Found"}"#;
    for (request, status, body) in [
        (format!("GET /_aws/execute-api/{api}/gone"), 500, r#"{"message":"Internal Server Error"}"#),
        (format!("POST /_aws/execute-api/{api}/text"), 404, not_found),
        (format!("GET /_aws/execute-api/{api}/text/"), 404, not_found),
        ("GET /_aws/execute-api/unknown/text".to_owned(), 404, not_found),
    ] {
        gateway.check(&request, status, json_type.clone(), body).await;
    }
    gateway.make("UpdateApi", json!({ "ApiId": api, "DisableExecuteApiEndpoint": true })).await;
    gateway.check(&format!("GET /_aws/execute-api/{api}/text"), 404, json!({}), not_found).await;
    gateway.make("DeleteApi", json!({ "ApiId": api })).await;
    let gone = format!("NotFoundException: Invalid API identifier specified {api}");
    gateway.check_operation("GetApi", json!({ "ApiId": api }), gone.into()).await;
    gateway.stop().await;
}

#[tokio::test]
async fn the_most_specific_route_answers() {
    let gateway = gateway().await;
    let api = api(&gateway, json!({})).await;
    for (number, key) in [
        "$default",
        "ANY /{proxy+}",
        "GET /pets/{proxy+}",
        "GET /pets/dog/{id}",
        "GET /pets/dog/1",
        "ANY /pets/dog/1",
    ]
    .iter()
    .enumerate()
    {
        let name = format!("f{number}");
        gateway.function(&name, Does::Give(json!(*key)));
        route(&gateway, &api, key, &name, "2.0", json!({})).await;
    }
    for (request, key) in [
        ("GET /pets/dog/1", "GET /pets/dog/1"),
        ("POST /pets/dog/1", "ANY /pets/dog/1"),
        ("GET /pets/dog/2", "GET /pets/dog/{id}"),
        ("GET /pets/cat/1", "GET /pets/{proxy+}"),
        ("POST /test/5", "ANY /{proxy+}"),
        ("GET /", "$default"),
    ] {
        let (method, path) = request.split_once(' ').expect("two parts");
        gateway.check(&format!("{method} /_aws/execute-api/{api}{path}"), 200, json!({}), key).await;
    }
    let again = json!({ "ApiId": api, "RouteKey": "$default" });
    let conflict = "ConflictException: Route with key $default already exists for this API";
    gateway.check_operation("CreateRoute", again, conflict.into()).await;
    gateway.stop().await;
}

#[tokio::test]
async fn preflights_are_answered_and_origins_told() {
    let gateway = gateway().await;
    let cors = json!({
        "AllowOrigins": ["https://a.example", "http://*"], "AllowMethods": ["GET", "POST"], "AllowHeaders": ["x-a"],
        "ExposeHeaders": ["x-b"], "MaxAge": 60, "AllowCredentials": true,
    });
    let api = api(&gateway, json!({ "CorsConfiguration": cors })).await;
    gateway.function(
        "f",
        Does::Give(json!({ "statusCode": 200, "headers": { "Access-Control-Allow-Origin": "*" } })),
    );
    route(&gateway, &api, "GET /x", "f", "2.0", json!({})).await;
    let preflight = |origin: &str| {
        format!("OPTIONS /_aws/execute-api/{api}/x\nOrigin: {origin}\nAccess-Control-Request-Method: GET")
    };
    let allowed = json!({
        "access-control-allow-origin": "https://a.example", "access-control-allow-methods": "GET,POST",
        "access-control-allow-headers": "x-a", "access-control-expose-headers": "x-b", "access-control-max-age": "60",
        "access-control-allow-credentials": "true",
    });
    let none = json!({ "access-control-allow-origin": null, "access-control-allow-methods": null });
    gateway.check(&preflight("https://a.example"), 204, allowed, "").await;
    gateway.check(&preflight("https://b.example"), 204, none.clone(), "").await;
    let get = |origin: &str| format!("GET /_aws/execute-api/{api}/x\nOrigin: {origin}");
    let origin =
        json!({ "access-control-allow-origin": "http://c.example", "access-control-expose-headers": "x-b" });
    gateway.check(&get("http://c.example"), 200, origin, "").await;
    gateway.check(&get("https://b.example"), 200, none, "").await;
    gateway.stop().await;
}

#[tokio::test]
async fn authorizers_decide() {
    let gateway = gateway().await;
    let api = api(&gateway, json!({})).await;
    gateway.function("f", Does::Give(json!("in")));
    let authorizer = |name: &str, format: &str, simple: bool, hold: u32| {
        json!({
            "ApiId": api, "Name": name, "AuthorizerType": "REQUEST", "AuthorizerUri": arn(name),
            "AuthorizerPayloadFormatVersion": format, "EnableSimpleResponses": simple,
            "IdentitySource": ["$request.header.Authorization"], "AuthorizerResultTtlInSeconds": hold,
        })
    };
    let simple =
        id(&gateway.make("CreateAuthorizer", authorizer("simple", "2.0", true, 60)).await, "AuthorizerId");
    let policy =
        id(&gateway.make("CreateAuthorizer", authorizer("policy", "1.0", false, 0)).await, "AuthorizerId");
    let custom = |id: &str| json!({ "AuthorizationType": "CUSTOM", "AuthorizerId": id });
    route(&gateway, &api, "GET /simple", "f", "2.0", custom(&simple)).await;
    gateway.function("g", Does::Give(json!({ "statusCode": 200, "body": "in" })));
    route(&gateway, &api, "GET /policy", "g", "1.0", custom(&policy)).await;
    route(&gateway, &api, "GET /iam", "f", "2.0", json!({ "AuthorizationType": "AWS_IAM" })).await;
    let get = |path: &str, token: &str| format!("GET /_aws/execute-api/{api}/{path}\nAuthorization: {token}");
    let (forbidden, unauthorized) = (r#"{"message":"Forbidden"}"#, r#"{"message":"Unauthorized"}"#);

    gateway.check(&format!("GET /_aws/execute-api/{api}/simple"), 401, json!({}), unauthorized).await;
    gateway.function("simple", Does::Give(json!({ "isAuthorized": true, "context": { "who": { "n": 1 } } })));
    gateway.check(&get("simple", "a"), 200, json!({}), "in").await;
    gateway.check_event(json!({ "requestContext": { "authorizer": { "lambda": { "who": { "n": 1 } } } } }));
    // The answer for `a` is remembered, the one for `b` is not there yet.
    gateway.function("simple", Does::Give(json!({ "isAuthorized": false })));
    gateway.check(&get("simple", "a"), 200, json!({}), "in").await;
    gateway.check(&get("simple", "b"), 403, json!({}), forbidden).await;
    gateway.check_event(json!({
        "version": "2.0", "type": "REQUEST", "identitySource": ["b"], "routeKey": "GET /simple", "rawPath": "/simple",
        "routeArn": format!("arn:aws:execute-api:us-east-1:000000000000:{api}/$default/GET/simple"),
    }));
    gateway.cloud.advance(61);
    gateway.check(&get("simple", "a"), 403, json!({}), forbidden).await;

    let allow = |effect: &str| {
        json!({
            "principalId": "me",
            "policyDocument": {
                "Version": "2012-10-17",
                "Statement": [{ "Action": "execute-api:Invoke", "Effect": effect, "Resource": "arn:aws:execute-api:*:*:*/*/GET/policy" }],
            },
            "context": { "k": "v" },
        })
    };
    gateway.function("policy", Does::Give(allow("Allow")));
    gateway.check(&get("policy", "a"), 200, json!({}), "in").await;
    gateway.check_event(json!({ "requestContext": { "authorizer": { "principalId": "me", "k": "v" } } }));
    gateway.function("policy", Does::Give(allow("Deny")));
    gateway.check(&get("policy", "a"), 403, json!({}), forbidden).await;
    gateway.check_event(
        json!({ "version": "1.0", "type": "REQUEST", "authorizationToken": "a", "methodArn": "*" }),
    );
    gateway.function("policy", Does::Throw(json!({})));
    gateway.check(&get("policy", "a"), 500, json!({}), r#"{"message":"Internal Server Error"}"#).await;
    gateway.check(&format!("GET /_aws/execute-api/{api}/iam"), 403, json!({}), forbidden).await;
    gateway.stop().await;
}

#[tokio::test]
async fn stages_run_their_deployments_or_the_newest() {
    let gateway = gateway().await;
    let created = gateway.make("CreateApi", json!({ "Name": "n", "ProtocolType": "HTTP" })).await;
    let api = id(&created, "ApiId");
    assert_eq!(created["ApiEndpoint"], format!("{}/_aws/execute-api/{api}", gateway.cloud.engine.endpoint()));
    gateway.function("one", Does::Give(json!("one")));
    gateway.function("two", Does::Give(json!("two")));
    let first = route(&gateway, &api, "GET /x", "one", "2.0", json!({})).await;
    let deployment = id(&gateway.make("CreateDeployment", json!({ "ApiId": api })).await, "DeploymentId");
    let stage = json!({ "ApiId": api, "StageName": "held", "DeploymentId": deployment });
    gateway.make("CreateStage", stage).await;
    gateway.make("CreateStage", json!({ "ApiId": api, "StageName": "live", "AutoDeploy": true })).await;
    gateway.make("DeleteRoute", json!({ "ApiId": api, "RouteId": first })).await;
    route(&gateway, &api, "GET /x", "two", "2.0", json!({})).await;
    gateway.check(&format!("GET /_aws/execute-api/{api}/held/x"), 200, json!({}), "one").await;
    gateway.check(&format!("GET /_aws/execute-api/{api}/live/x"), 200, json!({}), "two").await;
    gateway.make("CreateDeployment", json!({ "ApiId": api, "StageName": "held" })).await;
    gateway.check(&format!("GET /_aws/execute-api/{api}/held/x"), 200, json!({}), "two").await;
    gateway
        .check_operation("GetRoutes", json!({ "ApiId": api }), json!({ "Items": [{ "RouteKey": "GET /x" }] }))
        .await;
    let arn = format!("arn:aws:apigateway:us-east-1::/apis/{api}/stages/held");
    gateway.make("TagResource", json!({ "ResourceArn": arn, "Tags": { "a": "1", "b": "2" } })).await;
    gateway.make("UntagResource", json!({ "ResourceArn": arn, "TagKeys": ["a"] })).await;
    gateway
        .check_operation("GetTags", json!({ "ResourceArn": arn }), json!({ "Tags": { "b": "2", "a": null } }))
        .await;
    gateway.stop().await;
}

#[tokio::test]
async fn one_call_makes_a_whole_api() {
    let gateway = gateway().await;
    gateway.function("f", Does::Give(json!("here")));
    let input = json!({ "Name": "quick", "ProtocolType": "HTTP", "Target": arn("f") });
    let api = id(&gateway.make("CreateApi", input).await, "ApiId");
    gateway.check(&format!("GET /_aws/execute-api/{api}/any/thing"), 200, json!({}), "here").await;
    let socket = json!({ "Name": "n", "ProtocolType": "WEBSOCKET", "RouteSelectionExpression": "$request.body.action" });
    let refusal = "NotImplemented: the local cloud has not built WebSocket APIs";
    gateway.check_operation("CreateApi", socket, refusal.into()).await;
    gateway.stop().await;
}

fn handler(name: &str) -> &'static dyn ResourceHandler {
    let name = format!("AWS::ApiGatewayV2::{name}");
    cloudformation::RESOURCES.iter().find(|resource| resource.name == name).expect("a type").handler
}

#[tokio::test]
async fn a_stack_makes_an_api() {
    let gateway = gateway().await;
    gateway.function("f", Does::Give(json!("stacked")));
    let create = async |kind: &str, token: &str, properties: Value| {
        handler(kind).create(&gateway.resource(kind, token), &properties).await.expect(kind)
    };
    let properties = json!({ "Name": "dev-probe", "ProtocolType": "HTTP", "CorsConfiguration": { "AllowOrigins": ["*"], "MaxAge": "300" } });
    let api = create("Api", "ABCDEFGHIJKL", properties.clone()).await;
    assert_eq!(api.physical_id, "abcdefghij");
    assert_eq!(api, create("Api", "ABCDEFGHIJKL", properties).await, "a retried creation");
    assert!(api.attributes.contains_key("ApiEndpoint"));
    let api = api.physical_id;
    let integration = json!({ "ApiId": api, "IntegrationType": "AWS_PROXY", "IntegrationUri": arn("f"), "PayloadFormatVersion": "2.0", "TimeoutInMillis": "30000" });
    let integration = create("Integration", "A1", integration).await.physical_id;
    let target = format!("integrations/{integration}");
    let old = json!({ "ApiId": api, "RouteKey": "GET /x", "Target": target });
    let route = create("Route", "B1", old.clone()).await.physical_id;
    let stage = json!({ "ApiId": api, "StageName": "$default", "AutoDeploy": "true", "DefaultRouteSettings": { "DetailedMetricsEnabled": false } });
    assert_eq!(create("Stage", "C1", stage).await.physical_id, "$default");
    gateway.check(&format!("GET /_aws/execute-api/{api}/x"), 200, json!({}), "stacked").await;
    let new = json!({ "ApiId": api, "RouteKey": "GET /y", "Target": target });
    let updated = handler("Route").update(&gateway.resource("Route", "B1"), &route, &old, &new).await;
    assert!(matches!(updated, Ok(Update::InPlace(_))));
    gateway.check(&format!("GET /_aws/execute-api/{api}/y"), 200, json!({}), "stacked").await;
    gateway.check(&format!("GET /_aws/execute-api/{api}/x"), 404, json!({}), "*").await;
    for _ in 0..2 {
        handler("Route").delete(&gateway.resource("Route", "B1"), &route, &new).await.expect("deleted");
    }
    gateway.check(&format!("GET /_aws/execute-api/{api}/y"), 404, json!({}), "*").await;
    gateway.stop().await;
}
