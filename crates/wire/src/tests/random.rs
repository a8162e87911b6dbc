//! No input makes the crate panic: random bytes, and valid messages with random damage.

use crate::{Input, MODELS, Request, aws_chunked, event_stream, model, sigv4};
use crate::{match_operation, parse_error, parse_request, parse_response, write_request};
use aloft_base::{Ids, Timestamp};
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::json;

/// Enough rounds to find what is easy to find, within a second or two.
const ROUNDS: u64 = 4_000;

#[test]
fn nothing_panics() {
    let ids = Ids::seeded(2);
    let seeds: &[&[u8]] = &[
        br#"{"TableName":"t","Key":{"a":{"M":{"b":{"L":[{"N":"1"}]}}}},"x":[null,1e999,-0,"\ud800"]}"#,
        b"<CreateBucketConfiguration xmlns=\"x\"><LocationConstraint>&amp;&#65;</LocationConstraint></CreateBucketConfiguration>",
        b"Action=SendMessageBatch&Version=1&A.1.Id=a&A.2.Id=%zz&A.99999999999999999999.Id=%F0&Tag.1.Key=k",
        b"\xbf\x6aMetricData\x9f\xbf\xff\xff\xfb\x7f\xf0\x00\x00\x00\x00\x00\x00\x5f\x41\x00\xff\xff",
        b"5;chunk-signature=ab\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n",
    ];
    let frame = event_stream::Frame::event("A", "text/plain", "hello".into()).encode();
    for round in 0..ROUNDS {
        let below = |bound: usize| ids.below(bound as u64) as usize;
        let mut body = seeds[below(seeds.len())].to_vec();
        match below(4) {
            0 => {
                body = vec![0; below(64)];
                ids.fill(&mut body);
            }
            1 => body = frame.to_vec(),
            _ => {}
        }
        for _ in 0..below(6) {
            if !body.is_empty() {
                let at = below(body.len());
                match below(3) {
                    0 => body[at] = below(256) as u8,
                    1 => body.truncate(at),
                    _ => body.insert(at, below(256) as u8),
                }
            }
        }
        let body = Bytes::from(body);
        let model = model(MODELS[round as usize % MODELS.len()]).expect("a model");
        let operations: Vec<_> = model.operations().collect();
        let operation = operations[below(operations.len())];
        let mut request =
            write_request(model, operation, &Input::new(json!({}))).unwrap_or_else(|_| Request {
                method: [Method::GET, Method::PUT, Method::POST, Method::DELETE][below(4)].clone(),
                path: ["/", "/b", "/b/%ff%", "//", "/2015-03-31/functions/f/invocations", "x"][below(6)]
                    .to_owned(),
                query: [
                    "",
                    "uploads",
                    "a=%&=&&",
                    "partNumber=x&uploadId=",
                    "X-Amz-Algorithm=AWS4-HMAC-SHA256",
                ][below(5)]
                .to_owned(),
                ..Request::default()
            });
        request.body = body.clone();
        let mut noise = vec![0; below(24)];
        ids.fill(&mut noise);
        for name in
            ["authorization", "x-amz-date", "x-amz-meta-a", "content-length", "x-amz-object-attributes"]
        {
            if let (0, Ok(value)) = (below(3), http::HeaderValue::from_bytes(&noise)) {
                request.headers.append(name, value);
            }
        }
        if below(3) == 0 {
            let header = format!(
                "AWS4-HMAC-SHA256 Credential=a/{}/s/aws4_request, SignedHeaders=, Signature=é",
                below(9)
            );
            crate::bindings::insert(&mut request.headers, "authorization", &header);
        }
        if let Ok((protocol, found)) = match_operation(model, &request) {
            let _ = parse_request(model, found, protocol, &request);
        }
        let _ = parse_request(model, operation, model.protocol(), &request);
        let _ = parse_response(model, operation, 200, &request.headers, body.clone());
        let _ = parse_error(model, 400, &HeaderMap::new(), body.clone());
        let _ = aws_chunked::decode(&body);
        let mut frames = body.clone();
        while let Ok(Some(_)) = event_stream::decode(&mut frames) {}
        if let Ok(Some(shown)) = sigv4::presented(&request) {
            let _ = sigv4::verify(&request, "h", &shown, "secret", Timestamp(0));
        }
    }
}

#[test]
fn depth_is_bounded_and_work_is_linear() {
    let dynamodb = model("dynamodb").expect("a model");
    let sqs = model("sqs").expect("a model");
    let s3 = model("s3").expect("a model");
    let cloudwatch = model("cloudwatch").expect("a model");
    let check = |model: &crate::Model, operation: &str, protocol, body: Vec<u8>| {
        let request = Request { path: "/b".to_owned(), body: body.into(), ..Request::default() };
        let operation = model.operation(operation).expect("an operation");
        assert!(parse_request(model, operation, protocol, &request).is_err(), "{}", operation.name());
    };
    use crate::Protocol::{Json10, Query, RestXml, RpcV2Cbor};
    check(dynamodb, "PutItem", Json10, b"[".repeat(100_000));
    check(
        dynamodb,
        "PutItem",
        Json10,
        br#"{"Item":{"a":"#.iter().chain(&br#"{"L":["#.repeat(50_000)).copied().collect(),
    );
    check(
        sqs,
        "SendMessage",
        Query,
        [b"Action=SendMessage&QueueUrl".to_vec(), b".a".repeat(100_000)].concat(),
    );
    check(s3, "CreateBucket", RestXml, b"<a>".repeat(100_000));
    check(cloudwatch, "PutMetricData", RpcV2Cbor, b"\x9f".repeat(100_000));
    check(cloudwatch, "PutMetricData", RpcV2Cbor, b"\xc1".repeat(100_000));
}
