//! Proxied functions.

use super::{Api, gateway};
use crate::gateway::testing::Does;
use serde_json::json;
use std::sync::Arc;

#[tokio::test]
async fn the_event_is_as_documented() {
    let gateway = gateway().await;
    let api = Api::new(&gateway, json!({ "binaryMediaTypes": ["image/*"] })).await;
    let pets = api.resource(&api.root, "pets").await;
    let pet = api.resource(&pets, "{id}").await;
    api.proxy(&pet, "PUT", "f", json!({ "operationName": "putPet" })).await;
    api.deploy(json!({ "variables": { "color": "red" } })).await;
    gateway.function("f", Does::Give(json!({ "body": "ok" })));
    let request = api.to("PUT", "/pets/a%20b?x=1&x=2&y=%26")
        + "\nX-One: 1\nX-One: 2\nUser-Agent: test\nContent-Type: text/plain\nX-Amzn-Trace-Id: Root=1-2-3\n\nhello";
    let headers = json!({
        "content-type": "application/json", "x-amzn-requestid": "*", "x-amz-apigw-id": "*", "x-amzn-trace-id": "Root=1-2-3",
    });
    gateway.check(&request, 200, headers, "ok").await;
    let event = gateway.last_call().2;
    let context = &event["requestContext"];
    let port = gateway.cloud.engine.address().port().to_string();
    let expected = json!({
        "resource": "/pets/{id}",
        "path": "/pets/a%20b",
        "httpMethod": "PUT",
        "headers": {
            "Connection": "close", "Host": "localhost", "X-One": "2", "User-Agent": "test", "Content-Type": "text/plain",
            "Content-Length": "5", "X-Amzn-Trace-Id": "Root=1-2-3", "X-Forwarded-For": "127.0.0.1",
            "X-Forwarded-Port": port, "X-Forwarded-Proto": "http",
        },
        "multiValueHeaders": {
            "Connection": ["close"], "Host": ["localhost"], "X-One": ["1", "2"], "User-Agent": ["test"],
            "Content-Type": ["text/plain"], "Content-Length": ["5"], "X-Amzn-Trace-Id": ["Root=1-2-3"],
            "X-Forwarded-For": ["127.0.0.1"], "X-Forwarded-Port": [port], "X-Forwarded-Proto": ["http"],
        },
        "queryStringParameters": { "x": "2", "y": "&" },
        "multiValueQueryStringParameters": { "x": ["1", "2"], "y": ["&"] },
        "pathParameters": { "id": "a b" },
        "stageVariables": { "color": "red" },
        "requestContext": {
            "resourceId": pet,
            "resourcePath": "/pets/{id}",
            "operationName": "putPet",
            "httpMethod": "PUT",
            "extendedRequestId": context["extendedRequestId"],
            "requestTime": "23/Nov/2026:04:05:06 +0000",
            // As it was asked for.
            "path": format!("/_aws/execute-api/{}/dev/pets/a%20b", api.id),
            "accountId": "000000000000",
            "protocol": "HTTP/1.1",
            "stage": "dev",
            "domainPrefix": api.id,
            "requestTimeEpoch": 1_795_406_706_000_i64,
            "requestId": context["requestId"],
            "identity": {
                "cognitoIdentityPoolId": null, "accountId": null, "cognitoIdentityId": null, "caller": null,
                "sourceIp": "127.0.0.1", "principalOrgId": null, "accessKey": null,
                "cognitoAuthenticationType": null, "cognitoAuthenticationProvider": null, "userArn": null,
                "userAgent": "test", "user": null,
            },
            "domainName": format!("{}.execute-api.localhost", api.id),
            "deploymentId": context["deploymentId"],
            "apiId": api.id,
        },
        "body": "hello",
        "isBase64Encoded": false,
    });
    assert_eq!(event, expected);
    let image = api.to("PUT", "/pets/1") + "\nContent-Type: image/png\n\nhi";
    gateway.check(&image, 200, json!({}), "ok").await;
    gateway.check_event(json!({
        "body": "aGk=", "isBase64Encoded": true, "queryStringParameters": null, "multiValueQueryStringParameters": null,
    }));
    gateway.stop().await;
}

#[tokio::test]
async fn answers_and_errors_are_the_gateways() {
    let gateway = gateway().await;
    let api = Api::new(&gateway, json!({ "binaryMediaTypes": ["image/png"] })).await;
    let server_error =
        json!({ "x-amzn-errortype": "InternalServerErrorException", "content-type": "application/json" });
    let cases = [
        (
            "multi",
            Does::Give(
                json!({ "statusCode": 418, "headers": { "Date": "x", "A": 1 }, "multiValueHeaders": { "Set-Cookie": ["a", "b"] } }),
            ),
            418,
            json!({ "set-cookie": "a | b", "a": "1", "x-amzn-remapped-date": "x" }),
            "",
        ),
        (
            "text",
            Does::Give(json!("hello")),
            502,
            server_error.clone(),
            r#"{"message": "Internal server error"}"#,
        ),
        (
            "object",
            Does::Give(json!({ "statusCode": 200, "body": {} })),
            502,
            server_error.clone(),
            r#"{"message": "Internal server error"}"#,
        ),
        (
            "throw",
            Does::Throw(json!({ "errorMessage": "no" })),
            502,
            server_error.clone(),
            r#"{"message": "Internal server error"}"#,
        ),
        ("slow", Does::Hang, 504, server_error.clone(), r#"{"message": "Endpoint request timed out"}"#),
        (
            "binary",
            Does::Give(
                json!({ "body": "aGk=", "isBase64Encoded": true, "headers": { "Content-Type": "image/png" } }),
            ),
            200,
            json!({ "content-type": "image/png" }),
            "aGk=",
        ),
    ];
    for (name, does, ..) in &cases {
        let resource = api.resource(&api.root, name).await;
        gateway.function(name, does.clone());
        api.proxy(&resource, "GET", name, json!({})).await;
    }
    let gone = api.resource(&api.root, "gone").await;
    api.proxy(&gone, "GET", "gone", json!({})).await;
    api.deploy(json!({})).await;
    for (name, _, status, headers, body) in cases {
        gateway.check(&api.to("GET", &format!("/{name}")), status, headers, body).await;
    }
    gateway.check(&(api.to("GET", "/binary") + "\nAccept: image/png"), 200, json!({}), "hi").await;
    gateway
        .check(&api.to("GET", "/gone"), 500, server_error, r#"{"message": "Internal server error"}"#)
        .await;
    let missing = json!({ "x-amzn-errortype": "MissingAuthenticationTokenException" });
    for request in
        [api.to("GET", "/nothing"), api.to("POST", "/text"), api.to("GET", "/text/more"), api.to("GET", "")]
    {
        gateway.check(&request, 403, missing.clone(), r#"{"message":"Missing Authentication Token"}"#).await;
    }
    let forbidden = r#"{"message":"Forbidden"}"#;
    gateway.check(&format!("GET /_aws/execute-api/{}/prod/text", api.id), 403, json!({}), forbidden).await;
    let long = "x".repeat(10 * 1024 * 1024 + 1);
    let request = format!("{}\n\n{long}", api.to("GET", "/text"));
    gateway
        .check(
            &request,
            413,
            json!({ "x-amzn-errortype": "RequestTooLargeException" }),
            r#"{"message":"Request Too Long"}"#,
        )
        .await;
    gateway.stop().await;
}

#[tokio::test]
async fn stages_run_what_was_deployed() {
    let gateway = gateway().await;
    let api = Api::new(&gateway, json!({})).await;
    let proxy = api.resource(&api.root, "{proxy+}").await;
    let item = api.resource(&api.root, "item").await;
    gateway.function("all", Does::Give(json!({ "body": "all" })));
    gateway.function("item", Does::Give(json!({ "body": "item" })));
    api.proxy(&proxy, "ANY", "all", json!({})).await;
    api.proxy(&item, "GET", "item", json!({})).await;
    api.proxy(&api.root, "GET", "all", json!({})).await;
    api.deploy(json!({})).await;
    for (verb, path, body) in [
        ("GET", "/item", "item"),
        ("GET", "/item/", "item"),
        ("DELETE", "/a/b", "all"),
        ("GET", "/", "all"),
        ("GET", "", "all"),
    ] {
        gateway.check(&api.to(verb, path), 200, json!({}), body).await;
    }
    gateway.check_event(json!({ "path": "/", "resource": "/", "pathParameters": null }));
    let by_host = format!("GET /dev/item\nHost: {}.execute-api.localhost:4566", api.id);
    gateway.check(&by_host, 200, json!({}), "item").await;
    let by_user_request = format!("GET /restapis/{}/dev/_user_request_/item", api.id);
    gateway.check(&by_user_request, 200, json!({}), "item").await;
    // Changes show after the next deployment only.
    api.on("DeleteMethod", &item, "GET", json!({})).await;
    gateway.check(&api.to("GET", "/item"), 200, json!({}), "item").await;
    api.deploy(json!({})).await;
    gateway.check(&api.to("GET", "/item"), 403, json!({}), "*").await;
    let (request, id) = (api.to("GET", "/a"), api.id.clone());
    let gateway = gateway.restart(vec![Arc::new(super::ApiGateway::default())]).await;
    gateway.check(&request, 200, json!({}), "all").await;
    gateway.make("DeleteRestApi", json!({ "restApiId": id })).await;
    assert_ne!(gateway.send(&request).await["status"], 200);
    gateway.stop().await;
}
