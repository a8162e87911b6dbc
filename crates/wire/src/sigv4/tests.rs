//! The published test suite, and what verification refuses.

use super::canonical::{canonical_request, hex_hash, scope, signable_headers};
use super::*;
use crate::tests::vectors;
use serde_json::Value;

const HOST: &str = "example.amazonaws.com";

fn credentials(token: Option<&str>) -> Credentials {
    Credentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        session_token: token.map(str::to_owned),
    }
}

/// Reads the suite's raw requests; a header's continuation lines are joined with spaces.
fn read_request(text: &str) -> Request {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let head = head.replace("\n ", " ");
    let mut lines = head.lines();
    let first = lines.next().unwrap_or_default();
    let (method, rest) = first.split_once(' ').expect("a method");
    let target = rest.strip_suffix(" HTTP/1.1").expect("a version");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method: method.parse().expect("a method"),
        path: path.to_owned(),
        query: query.to_owned(),
        body: body.to_owned().into(),
        ..Request::default()
    };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let name: http::HeaderName = name.parse().expect("a header's name");
        if name != "host" {
            request.headers.append(name, value.trim().parse().expect("a header's value"));
        }
    }
    request
}

#[test]
fn the_published_suite() {
    let Some(suite) = vectors("sigv4.json") else { return };
    let now = Timestamp::parse_iso8601("2015-08-30T12:36:00Z").expect("a time");
    for (name, case) in suite.as_object().expect("cases by name") {
        let text = |key: &str| case[key].as_str().unwrap_or_default();
        let mut request = read_request(text("req"));
        // The one case with a token gives it in the signed request only.
        let signed_with = read_request(text("sreq"));
        let token = request
            .header("x-amz-security-token")
            .is_none()
            .then(|| signed_with.header("x-amz-security-token"));
        let signs_token = text("creq").contains("x-amz-security-token:");
        let credentials = credentials(token.flatten().filter(|_| signs_token));
        if let Some(token) = &credentials.session_token {
            bindings::insert(&mut request.headers, "x-amz-security-token", token);
        }
        let signed = signable_headers(&request);
        let canonical =
            canonical_request(&request, HOST, &signed, &request.query, "service", &hex_hash(&request.body));
        assert_eq!(canonical, text("creq"), "{name}");
        let scope = scope(now, "us-east-1", "service");
        assert_eq!(string_to_sign(now, &scope, &canonical), text("sts"), "{name}");
        sign(&mut request, HOST, &credentials, "us-east-1", "service", now, Payload::Body);
        assert_eq!(request.header("authorization"), case["authz"].as_str(), "{name}");
        let shown = presented(&request).expect("readable").expect("a signature");
        verify(&request, HOST, &shown, &credentials.secret_access_key, now)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    assert_eq!(suite.as_object().map_or(0, serde_json::Map::len), 34);
    let _: Value = suite;
}

#[test]
fn refusals() {
    let now = Timestamp::parse_iso8601("2026-11-23T04:05:06Z").expect("a time");
    let credentials = credentials(None);
    let check =
        |service: &str, presigned: bool, change: &dyn Fn(&mut Request), seconds: u64, expected: &str| {
            let mut request =
                Request { path: "/b/a%20b+c".to_owned(), body: "hello".into(), ..Request::default() };
            request.query = "x=%2F&a".to_owned();
            if presigned {
                presign(&mut request, HOST, &credentials, "us-east-1", service, now, Duration::from_secs(60));
            } else {
                sign(&mut request, HOST, &credentials, "us-east-1", service, now, Payload::Body);
            }
            change(&mut request);
            let later = now.add(Duration::from_secs(seconds));
            let outcome = presented(&request).and_then(|shown| {
                let shown = shown.expect("a signature");
                verify(&request, HOST, &shown, &credentials.secret_access_key, later)
            });
            assert_eq!(
                outcome.err().map_or(String::new(), |error| error.code),
                expected,
                "{service} {presigned} {seconds}"
            );
        };
    check("s3", false, &|_| {}, 800, "");
    check("s3", true, &|_| {}, 60, "");
    check("s3", true, &|request| request.body = "other".into(), 0, "");
    check("sqs", true, &|request| request.body = "other".into(), 0, "SignatureDoesNotMatch");
    check("s3", true, &|_| {}, 61, "AccessDenied");
    check("sqs", true, &|_| {}, 61, "RequestExpired");
    check("s3", false, &|_| {}, 901, "RequestTimeTooSkewed");
    check("sqs", false, &|_| {}, 901, "RequestExpired");
    check("s3", false, &|request| request.body = "other".into(), 0, "XAmzContentSHA256Mismatch");
    check("sqs", false, &|request| request.body = "other".into(), 0, "SignatureDoesNotMatch");
    check("sqs", false, &|request| request.query.push_str("&b=1"), 0, "SignatureDoesNotMatch");
    check("s3", false, &|request| request.path.push('x'), 0, "SignatureDoesNotMatch");
    check(
        "s3",
        false,
        &|request| bindings::insert(&mut request.headers, "authorization", "AWS4-HMAC-SHA256 Credential=a"),
        0,
        "IncompleteSignature",
    );
}
