//! Custom integrations: templates, mappings, mocks, other servers, other services.

use super::{Api, gateway, uri};
use crate::gateway::testing::{Does, Gateway};
use serde_json::{Value, json};
use std::sync::Arc;

/// How a conversation by SMS is answered: fields of the query become JSON, the answer becomes TwiML.
#[tokio::test]
async fn a_text_message_is_answered_in_twiml() {
    let gateway = gateway().await;
    let api = Api::new(&gateway, json!({})).await;
    let sms = api.resource(&api.root, "sms").await;
    let template = r##"#set($q = $input.params().querystring){"from": "$util.escapeJavaScript($q.get('From'))", "body": "$util.escapeJavaScript($input.params('Body'))", "image": "$input.params('MediaUrl0')", "stage": "$context.stage"}"##;
    let form = r##"{#foreach($token in $input.path('$').split('&'))#set($pair = $token.split('='))"$pair[0]": "$util.escapeJavaScript($util.urlDecode($pair[1]))"#if($foreach.hasNext), #end#end}"##;
    let integration = |template: &str, media_type: &str| {
        json!({
            "type": "AWS", "integrationHttpMethod": "POST", "uri": uri("twilio"), "passthroughBehavior": "NEVER",
            "requestTemplates": { media_type: template },
        })
    };
    let response = json!({
        "statusCode": "200",
        "responseParameters": { "method.response.header.Content-Type": "'text/xml'" },
        "responseTemplates": { "application/json": "#set($inputRoot = $input.path('$'))<?xml version=\"1.0\"?><Response><Message><Body>$inputRoot.message</Body></Message></Response>" },
    });
    let failure = json!({ "statusCode": "400", "selectionPattern": "[\\s\\S]*\\[400\\][\\s\\S]*", "responseTemplates": { "application/json": "<Error>$input.path('$.errorMessage')</Error>" } });
    api.custom(&sms, "GET", integration(template, "application/json"), &[response.clone(), failure]).await;
    api.custom(&sms, "POST", integration(form, "application/x-www-form-urlencoded"), &[response]).await;
    api.deploy(json!({})).await;
    gateway.function("twilio", Does::Give(json!({ "message": "Hi <you>" })));
    let xml = r#"<?xml version="1.0"?><Response><Message><Body>Hi <you></Body></Message></Response>"#;
    let text_xml = json!({ "content-type": "text/xml", "x-amzn-requestid": "*" });
    let get = api.to("GET", "/sms?From=%2B15551234&Body=comp+%22me%22&MediaUrl0=http%3A%2F%2Fi%2F1");
    gateway.check(&get, 200, text_xml.clone(), xml).await;
    gateway.check_event(
        json!({ "from": "+15551234", "body": "comp \"me\"", "image": "http://i/1", "stage": "dev" }),
    );
    let post = api.to("POST", "/sms")
        + "\nContent-Type: application/x-www-form-urlencoded; charset=utf-8\n\nFrom=%2B1555&Body=a+b";
    gateway.check(&post, 200, text_xml, xml).await;
    gateway.check_event(json!({ "From": "+1555", "Body": "a b" }));
    gateway.function(
        "twilio",
        Does::Throw(json!({ "errorMessage": "[400] no such command", "errorType": "Error" })),
    );
    gateway
        .check(
            &get,
            400,
            json!({ "content-type": "application/json" }),
            "<Error>[400] no such command</Error>",
        )
        .await;
    gateway.function("twilio", Does::Throw(json!({ "errorMessage": "something else" })));
    gateway.check(&get, 200, json!({}), "*").await;
    let plain = api.to("POST", "/sms") + "\nContent-Type: text/plain\n\nx";
    let refused = r#"{"message": "Unsupported Media Type"}"#;
    gateway.check(&plain, 415, json!({ "x-amzn-errortype": "BadRequestException" }), refused).await;
    gateway.stop().await;
}

#[tokio::test]
async fn bodies_pass_or_are_mapped() {
    let gateway = gateway().await;
    let api = Api::new(&gateway, json!({})).await;
    let pass = api.resource(&api.root, "pass").await;
    let integration = json!({ "type": "AWS", "integrationHttpMethod": "POST", "uri": uri("f") });
    let response = json!({
        "statusCode": "201",
        "responseParameters": {
            "method.response.header.X-Name": "integration.response.body.list[0].name",
            "method.response.header.X-Id": "context.requestId",
            "method.response.header.X-Color": "stageVariables.color",
            "method.response.header.X-None": "integration.response.body.none",
        },
    });
    api.custom(&pass, "POST", integration, &[response]).await;
    let other = api.resource(&api.root, "other").await;
    let integration = json!({
        "type": "AWS", "integrationHttpMethod": "POST", "uri": uri("f"),
        "requestParameters": { "integration.request.header.X-Amz-Invocation-Type": "'Event'" },
        "requestTemplates": { "application/json": "{\"at\": \"$context.resourcePath\", \"who\": $input.json('$.who')}" },
    });
    let changed = json!({
        "statusCode": "200",
        "responseTemplates": { "application/json": "#set($context.responseOverride.status = 202)#set($context.responseOverride.header.X-Over = 'yes')taken" },
    });
    api.custom(&other, "POST", integration, &[changed]).await;
    api.deploy(json!({ "variables": { "color": "red" } })).await;
    gateway.function("f", Does::Give(json!({ "list": [{ "name": "n" }] })));
    let request = api.to("POST", "/pass") + "\nContent-Type: application/json\n\n{\"any\":1}";
    let headers = json!({ "x-name": "n", "x-id": "*", "x-color": "red", "x-none": null, "content-type": "application/json" });
    gateway.check(&request, 201, headers, r#"{"list":[{"name":"n"}]}"#).await;
    gateway.check_event(json!({ "any": 1 }));
    let request = api.to("POST", "/other") + "\nContent-Type: application/json\n\n{\"who\":{\"a\":1}}";
    gateway.check(&request, 202, json!({ "x-over": "yes" }), "taken").await;
    gateway.check_event(json!({ "at": "/other", "who": { "a": 1 } }));
    assert_eq!(gateway.last_call().1, "Event");
    gateway.stop().await;
}

#[tokio::test]
async fn mocks_answer_preflights() {
    let gateway = gateway().await;
    let api = Api::new(&gateway, json!({})).await;
    // As the framework writes it: not quite JSON.
    let integration = json!({ "type": "MOCK", "requestTemplates": { "application/json": "{statusCode:200}" }, "contentHandling": "CONVERT_TO_TEXT" });
    let response = json!({
        "statusCode": "200",
        "responseParameters": { "method.response.header.Access-Control-Allow-Origin": "'*'" },
        "responseTemplates": { "application/json": "" },
    });
    api.custom(&api.root, "OPTIONS", integration, &[response]).await;
    let by_status = api.resource(&api.root, "status").await;
    let integration = json!({ "type": "MOCK", "requestTemplates": { "application/json": "{\"statusCode\": $input.params('s')}" } });
    let responses = [
        json!({ "statusCode": "200" }),
        json!({ "statusCode": "404", "selectionPattern": "4\\d{2}", "responseTemplates": { "application/json": "gone" } }),
    ];
    api.custom(&by_status, "GET", integration, &responses).await;
    api.deploy(json!({})).await;
    gateway.check(&api.to("OPTIONS", "/"), 200, json!({ "access-control-allow-origin": "*" }), "").await;
    gateway.check(&api.to("GET", "/status?s=200"), 200, json!({}), "").await;
    gateway.check(&api.to("GET", "/status?s=404"), 404, json!({}), "gone").await;
    gateway.check(&api.to("GET", "/status"), 500, json!({}), r#"{"message": "Internal server error"}"#).await;
    gateway.stop().await;
}

#[tokio::test]
async fn other_servers_answer() {
    let gateway = gateway().await;
    let target = Api::new(&gateway, json!({})).await;
    let any = target.resource(&target.root, "{proxy+}").await;
    target.proxy(&any, "ANY", "echo", json!({})).await;
    target.deploy(json!({})).await;
    let endpoint = format!("{}/_aws/execute-api/{}/dev", gateway.cloud.engine.endpoint(), target.id);
    let api = Api::new(&gateway, json!({})).await;
    let item = api.resource(&api.root, "{id}").await;
    let proxy = json!({
        "type": "HTTP_PROXY", "integrationHttpMethod": "ANY", "uri": format!("{endpoint}/items/{{item}}"),
        "requestParameters": { "integration.request.path.item": "method.request.path.id", "integration.request.header.X-By": "'gateway'" },
    });
    api.custom(&item, "PUT", proxy, &[]).await;
    let custom = json!({ "type": "HTTP", "integrationHttpMethod": "POST", "uri": format!("{endpoint}/x"), "requestParameters": { "integration.request.querystring.q": "method.request.querystring.from" } });
    let responses = [
        json!({ "statusCode": "200" }),
        json!({ "statusCode": "409", "selectionPattern": "5\\d\\d", "responseTemplates": { "application/json": "upstream: $input.body" }, "responseParameters": { "method.response.header.X-Kind": "integration.response.header.X-Kind" } }),
    ];
    api.custom(&item, "POST", custom, &responses).await;
    let nowhere =
        json!({ "type": "HTTP_PROXY", "integrationHttpMethod": "GET", "uri": "http://127.0.0.1:1/" });
    api.custom(&item, "GET", nowhere, &[]).await;
    api.deploy(json!({})).await;
    gateway.function(
        "echo",
        Does::Give(json!({ "statusCode": 203, "headers": { "X-Kind": "k" }, "body": "up" })),
    );
    let request = api.to("PUT", "/a%20b?z=1") + "\nX-Own: 1\n\nbody";
    gateway.check(&request, 203, json!({ "x-kind": "k" }), "up").await;
    gateway.check_event(json!({
        "httpMethod": "PUT", "path": "/items/a%20b", "queryStringParameters": { "z": "1" }, "body": "body",
        "headers": { "X-By": "gateway", "X-Own": "1" },
    }));
    gateway.function(
        "echo",
        Does::Give(json!({ "statusCode": 503, "headers": { "X-Kind": "k" }, "body": "down" })),
    );
    gateway
        .check(&(api.to("POST", "/1?from=me") + "\n\n{}"), 409, json!({ "x-kind": "k" }), "upstream: down")
        .await;
    gateway.check_event(json!({ "queryStringParameters": { "q": "me" } }));
    let refused = r#"{"message": "Network error communicating with endpoint"}"#;
    gateway.check(&api.to("GET", "/1"), 504, json!({}), refused).await;
    gateway.stop().await;
}

#[tokio::test]
async fn other_services_answer() {
    let services: Vec<Arc<dyn aloft_engine::Service>> = vec![
        Arc::new(super::ApiGateway::default()),
        Arc::new(crate::sqs::Sqs::default()),
        Arc::new(crate::dynamodb::DynamoDb),
    ];
    let gateway = Gateway::start("apigateway", services).await;
    gateway.cloud.check("sqs", "CreateQueue", json!({ "QueueName": "orders" }), json!({})).await;
    let table = json!({
        "TableName": "items", "BillingMode": "PAY_PER_REQUEST", "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
        "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
    });
    gateway.cloud.check("dynamodb", "CreateTable", table, json!({})).await;
    let api = Api::new(&gateway, json!({})).await;
    let queue = api.resource(&api.root, "queue").await;
    let integration = json!({
        "type": "AWS", "integrationHttpMethod": "POST", "uri": "arn:aws:apigateway:us-east-1:sqs:path/000000000000/orders",
        "requestParameters": { "integration.request.header.Content-Type": "'application/x-www-form-urlencoded'" },
        "requestTemplates": { "application/json": "Action=SendMessage&Version=2012-11-05&MessageBody=$util.urlEncode($input.body)" },
    });
    api.custom(
        &queue,
        "POST",
        integration,
        &[json!({ "statusCode": "200", "responseTemplates": { "application/json": "{\"queued\": true}" } })],
    )
    .await;
    let table = api.resource(&api.root, "table").await;
    let integration = json!({
        "type": "AWS", "integrationHttpMethod": "POST", "uri": "arn:aws:apigateway:us-east-1:dynamodb:action/PutItem",
        "requestTemplates": { "application/json": "{\"TableName\": \"items\", \"Item\": {\"id\": {\"S\": \"$context.requestId\"}, \"name\": {\"S\": $input.json('$.name')}}}" },
    });
    let failed = json!({ "statusCode": "400", "selectionPattern": "4\\d\\d", "responseTemplates": { "application/json": "$input.path('$.__type')" } });
    api.custom(&table, "POST", integration, &[json!({ "statusCode": "200" }), failed]).await;
    api.deploy(json!({})).await;
    let body = "\nContent-Type: application/json\n\n{\"name\": \"a & b\"}";
    gateway.check(&(api.to("POST", "/queue") + body), 200, json!({}), r#"{"queued": true}"#).await;
    let address = json!({ "QueueUrl": "http://localhost/000000000000/orders" });
    let received = json!({ "Messages": [{ "Body": "{\"name\": \"a & b\"}" }] });
    gateway.cloud.check("sqs", "ReceiveMessage", address, received).await;
    gateway.check(&(api.to("POST", "/table") + body), 200, json!({}), "{}").await;
    let items: Value = json!({ "Count": 1, "Items": [{ "name": { "S": "a & b" } }] });
    gateway.cloud.check("dynamodb", "Scan", json!({ "TableName": "items" }), items).await;
    let empty = api.to("POST", "/table") + "\nContent-Type: application/json\n\n{\"name\": 1}";
    gateway.check(&empty, 400, json!({}), "com.amazon*").await;
    gateway.stop().await;
}
