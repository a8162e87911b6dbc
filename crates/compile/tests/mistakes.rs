//! Mistakes in a service: the code and the sentence of the original, the place in the file, and what to write instead.

use aloft_compile::{CompileOptions, Compiled, aws};
use aloft_config::{LoadRequest, Service};
use aloft_diag::Diagnostic;

fn errors(text: &str) -> (Service, Vec<Diagnostic>) {
    let (service, compiled) = compile(text);
    (service, compiled.unwrap_err())
}

fn compile(text: &str) -> (Service, Result<Compiled, Vec<Diagnostic>>) {
    let place = tempfile::tempdir().unwrap();
    let head = "service: demo\nprovider: { name: aws, runtime: nodejs18.x }\n";
    std::fs::write(place.path().join("serverless.yml"), format!("{head}{text}")).unwrap();
    std::fs::write(place.path().join("index.js"), "").unwrap();
    let service = aloft_config::load(LoadRequest::new(place.path(), "package")).unwrap().service;
    let artifacts = aloft_package::package(&service, &place.path().join(".serverless")).unwrap();
    let compiled = aws::compile(&service, &artifacts, &CompileOptions::default());
    (service, compiled)
}

/// The first error has this code, points at a line with this text and has a hint.
fn check(text: &str, code: &str, at: &str) {
    let (service, errors) = errors(text);
    let error = &errors[0];
    assert_eq!(error.code, code, "{text}");
    let span = error.labels.first().unwrap_or_else(|| panic!("{code} points nowhere")).span;
    let (line, _) = service.sources.line_column(span.source, span.start);
    let shown = service.sources.text(span.source).lines().nth(line - 1).unwrap();
    assert!(shown.contains(at), "{code} points at {shown:?}");
    assert!(error.help.is_some(), "{code} has no hint");
}

#[test]
fn mistakes_are_shown_where_they_stand() {
    let event =
        |event: &str| format!("functions:\n  f:\n    handler: index.handler\n    events:\n      - {event}\n");
    for (text, code, at) in [
        ("functions:\n  f:\n    timeout: 3\n".to_owned(), "FUNCTION_NEITHER_HANDLER_NOR_IMAGE_DEFINED_ERROR", "f:"),
        (event("http: { path: a, method: get, integration: http }"), "API_GATEWAY_MISSING_REQUEST_URI", "{ path: a"),
        (event("http: { path: a, method: get, authorizer: nobody }"), "FUNCTION_MISSING_IN_SERVICE", "nobody"),
        (event("httpApi: { path: /a }"), "MISSING_HTTP_API_METHOD", "{ path: /a }"),
        (event("httpApi: { path: /a, method: get, authorizer: nobody }"), "UNRECOGNIZED_HTTP_API_AUTHORIZER", "nobody"),
        (event("httpApi: GET /a\n      - httpApi: GET /a"), "DUPLICATE_HTTP_API_ROUTE", "GET /a"),
        (event("s3: Not_A_Bucket"), "S3_INVALID_BUCKET_PATTERN", "Not_A_Bucket"),
        (event("s3: { bucket: !Ref Photos }"), "S3_INVALID_NEW_BUCKET_FORMAT", "!Ref Photos"),
        (event("sns: { arn: !Ref Topic }"), "SNS_MISSING_TOPIC_NAME", "{ arn: !Ref Topic }"),
        (event("schedule: { rate: [rate(1 day)], timezone: UTC }"), "SCHEDULE_PARAMETER_NOT_SUPPORTED", "{ rate:"),
        (
            event("stream: { arn: 'arn:aws:kinesis:us-east-1:1:stream/s', consumer: true, startingPosition: AT_TIMESTAMP }"),
            "FUNCTION_STREAM_STARTING_POSITION_TIMESTAMP_INVALID",
            "AT_TIMESTAMP",
        ),
        // The original dies of a TypeError here.
        (event("http: { method: get }"), "EVENT_PROPERTY_MISSING", "{ method: get }"),
        (event("s3: { event: 's3:ObjectCreated:*' }"), "EVENT_PROPERTY_MISSING", "s3:"),
        (event("schedule: { enabled: true }"), "EVENT_PROPERTY_MISSING", "schedule:"),
        (event("sns: { displayName: x }"), "EVENT_PROPERTY_MISSING", "displayName"),
        (event("sqs: { batchSize: 1 }"), "EVENT_PROPERTY_MISSING", "batchSize"),
        (event("cognitoUserPool: { pool: p }"), "EVENT_PROPERTY_MISSING", "{ pool: p }"),
        (event("websocket: { authorizer: f }"), "EVENT_PROPERTY_MISSING", "websocket:"),
        (event("httpApi: GET a"), "INVALID_HTTP_API_PATH", "GET a"),
        (
            "functions:\n  f: { handler: index.handler, events: { http: GET / } }\n".to_owned(),
            "INVALID_CONFIGURATION_TYPE",
            "events:",
        ),
        ("functions:\n  f: { handler: index.handler }\nresources: all\n".to_owned(), "INVALID_CONFIGURATION_TYPE", "resources:"),
        (
            "functions:\n  f: { handler: index.handler }\nlayers:\n  one: { description: d }\n".to_owned(),
            "LAYER_PATH_MISSING",
            "one:",
        ),
        (
            "functions:\n  f:\n    handler: index.handler\nresources:\n  extensions:\n    Nothing: { Metadata: { a: 1 } }\n".to_owned(),
            "RESOURCE_EXTENSION_NOT_EXISTING",
            "Nothing:",
        ),
    ] {
        check(&text, code, at);
    }
}

/// What the original dies of although its schema allows it.
#[test]
fn every_method_of_the_root() {
    let compiled =
        compile("functions:\n  f:\n    handler: index.handler\n    events:\n      - http: '*'\n").1.unwrap();
    let method = &compiled.update_template["Resources"]["ApiGatewayMethodAny"]["Properties"];
    assert_eq!(method["HttpMethod"], "ANY");
    assert_eq!(method["ResourceId"]["Fn::GetAtt"][1], "RootResourceId");
}

#[test]
fn all_functions_are_looked_at() {
    let (_, errors) = errors("functions:\n  a: { timeout: 3 }\n  b: { timeout: 3 }\n");
    assert_eq!(errors.len(), 2);
    assert_eq!(
        errors[1].message,
        "Either \"handler\" or \"image\" property needs to be set on function \"b\""
    );
}
