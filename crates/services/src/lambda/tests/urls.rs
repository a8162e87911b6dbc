//! Function URLs, over HTTP.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Sends a request and gives the answer as it came.
async fn send(cloud: &Cloud, request: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(cloud.engine.address()).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("answered");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_url_gives_the_request_to_the_function_and_answers_as_it_says() {
    let cloud = cloud().await;
    let code = r#"exports.handler = async (event) => event.rawPath === "/plain" ? { seen: event } : {
        statusCode: 201, headers: { "X-Own": "yes" }, cookies: ["a=b"], body: JSON.stringify(event) };"#;
    create(&cloud, node("web", code)).await;
    let cors = json!({ "AllowOrigins": ["https://a.example"], "AllowMethods": ["GET"] });
    let input = json!({ "FunctionName": "web", "AuthType": "NONE", "Cors": cors });
    let url = check(
        &cloud,
        "CreateFunctionUrlConfig",
        input,
        json!({ "FunctionUrl": "http://*", "InvokeMode": "BUFFERED" }),
    )
    .await;
    let url = url["FunctionUrl"].as_str().expect("a URL").to_owned();
    let host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let id = host.split('.').next().expect("an id").to_owned();

    let request = format!(
        "POST /a%20b?x=1&x=2&y=%C3%BC HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nCookie: c=d; e=f\r\nOrigin: https://a.example\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
    );
    let answer = send(&cloud, &request).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
    let head = head.to_ascii_lowercase();
    for line in [
        "http/1.1 201 created",
        "x-own: yes",
        "set-cookie: a=b",
        "access-control-allow-origin: https://a.example",
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    let event: Value = serde_json::from_str(body).expect("JSON");
    let expected = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/a b", "rawQueryString": "x=1&x=2&y=%C3%BC",
        "queryStringParameters": { "x": "1,2", "y": "ü" }, "cookies": ["c=d", "e=f"], "body": "hello", "isBase64Encoded": false,
        "headers": { "host": host, "content-type": "text/plain", "x-forwarded-for": "127.0.0.1" },
        "requestContext": { "accountId": "anonymous", "apiId": id, "http": { "method": "POST", "path": "/a b", "sourceIp": "127.0.0.1" } },
    });
    assert!(matches(&expected, &event), "{event:#}");

    let get = |path: &str, more: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n")
    };
    let by_path = send(&cloud, &get(&format!("/_aws/lambda-url/{id}/plain"), "")).await;
    assert!(
        by_path.starts_with("HTTP/1.1 200") && by_path.contains("{\"seen\":{\"version\":\"2.0\""),
        "{by_path}"
    );
    let unknown = send(&cloud, &get("/_aws/lambda-url/none/", "")).await;
    assert!(
        unknown.starts_with("HTTP/1.1 403") && unknown.ends_with("{\"Message\":\"Forbidden\"}"),
        "{unknown}"
    );
    let preflight = format!(
        "OPTIONS / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nOrigin: https://a.example\r\n\r\n"
    );
    assert!(
        send(&cloud, &preflight).await.to_ascii_lowercase().contains("access-control-allow-methods: get")
    );

    let update = json!({ "FunctionName": "web", "AuthType": "AWS_IAM" });
    check(&cloud, "UpdateFunctionUrlConfig", update, json!({ "AuthType": "AWS_IAM" })).await;
    let unsigned = send(&cloud, &get(&format!("/_aws/lambda-url/{id}/plain"), "")).await;
    assert!(unsigned.starts_with("HTTP/1.1 403"), "{unsigned}");
    let location =
        check(&cloud, "GetFunction", json!({ "FunctionName": "web" }), json!("*")).await["Code"]["Location"]
            .clone();
    let path = location
        .as_str()
        .and_then(|it| it.strip_prefix(&cloud.engine.endpoint()))
        .expect("a path here")
        .to_owned();
    let head = send(&cloud, &get(&path, "Range: bytes=0-0\r\n")).await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("application/zip"), "{head}");
    check(&cloud, "DeleteFunctionUrlConfig", json!({ "FunctionName": "web" }), json!({})).await;
    check(
        &cloud,
        "GetFunctionUrlConfig",
        json!({ "FunctionName": "web" }),
        json!("ResourceNotFoundException: *"),
    )
    .await;
    cloud.stop().await;
}

const STREAMER: &str = "exports.handler = awslambda.streamifyResponse(async (event, stream) => {
    if (event.rawPath === '/typed') {
        stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { 'X-Own': 'yes' }, cookies: ['a=b'] });
    }
    stream.write('one ');
    await new Promise((done) => setTimeout(done, 20));
    if (event.fail) throw new Error('half-way');
    stream.end('two');
})";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_passed_on_while_they_are_written() {
    let cloud = cloud().await;
    create(&cloud, node("web", STREAMER)).await;
    let input = json!({ "FunctionName": "web", "AuthType": "NONE", "InvokeMode": "RESPONSE_STREAM" });
    let url =
        check(&cloud, "CreateFunctionUrlConfig", input, json!({ "InvokeMode": "RESPONSE_STREAM" })).await;
    let url = url["FunctionUrl"].as_str().expect("a URL").to_owned();
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let pieces = "\r\n\r\n4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n";
    for (path, lines) in [
        ("/plain", &["http/1.1 200 ok", "content-type: application/octet-stream"][..]),
        ("/typed", &["http/1.1 201 created", "x-own: yes", "set-cookie: a=b", "transfer-encoding: chunked"]),
    ] {
        let answer = send(&cloud, &get(path)).await;
        let head = answer.to_ascii_lowercase();
        assert!(lines.iter().all(|line| head.contains(line)) && answer.ends_with(pieces), "{answer}");
    }

    // The same through the API, as events.
    for (fail, expected, unexpected) in [
        (false, &["PayloadChunk", "one ", "two", "InvokeComplete", "LogResult"][..], "ErrorCode"),
        (true, &["one ", "InvokeComplete", r#""ErrorCode":"Unhandled""#, "half-way"], "two"),
    ] {
        let input = json!({ "FunctionName": "web", "LogType": "Tail" });
        let payload = Some(Bytes::from(json!({ "fail": fail }).to_string()));
        let reply = cloud.context.call_with_body("lambda", "InvokeWithResponseStream", input, payload).await;
        let reply = reply.expect("a reply");
        assert_eq!(reply.params["StatusCode"], 200);
        let bytes = reply.body.expect("a body").collect().await.expect("all of it");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(expected.iter().all(|it| text.contains(it)) && !text.contains(unexpected), "{text}");
    }
    // Who does not ask for a stream gets the whole.
    let whole = cloud.context.call_with_body(
        "lambda",
        "Invoke",
        json!({ "FunctionName": "web" }),
        Some(Bytes::from_static(b"{}")),
    );
    assert_eq!(whole.await.expect("a reply").bytes(), "one two");
    cloud.stop().await;
}
