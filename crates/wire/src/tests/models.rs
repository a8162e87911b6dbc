//! Every built-in model, and every operation in it: what the client writes is found and read by the server, and what the
//! server writes is read by the client.

use crate::model::{Kind, Location, Member, Structure};
use crate::{Input, MODELS, Model, Operation, Output, Protocol, model, server};
use crate::{match_operation, parse_request, parse_response, write_request, write_response};
use bytes::Bytes;
use serde_json::{Map, Value, json};

#[test]
fn well_known_operations_are_there() {
    let check = |service: &str, protocol: Protocol, signing_name: &str, operations: &[&str]| {
        let model = model(service).unwrap_or_else(|| panic!("no model {service}"));
        assert_eq!((model.name(), model.protocol(), model.signing_name()), (service, protocol, signing_name));
        for operation in operations {
            assert!(model.operation(operation).is_some(), "{service} has no {operation}");
        }
    };
    check(
        "apigateway",
        Protocol::RestJson,
        "apigateway",
        &["CreateRestApi", "PutMethod", "CreateDeployment"],
    );
    check("apigatewayv2", Protocol::RestJson, "apigateway", &["CreateApi", "CreateRoute", "CreateStage"]);
    check("cloudformation", Protocol::Query, "cloudformation", &["CreateStack", "DescribeStackEvents"]);
    check("cloudwatch", Protocol::RpcV2Cbor, "monitoring", &["PutMetricData", "GetMetricStatistics"]);
    check("dynamodb", Protocol::Json10, "dynamodb", &["PutItem", "Query", "TransactWriteItems"]);
    check("dynamodbstreams", Protocol::Json10, "dynamodb", &["GetRecords"]);
    check("events", Protocol::Json11, "events", &["PutEvents", "PutRule", "PutTargets"]);
    check("iam", Protocol::Query, "iam", &["CreateRole", "PutRolePolicy"]);
    check("kinesis", Protocol::Json11, "kinesis", &["PutRecord"]);
    check("lambda", Protocol::RestJson, "lambda", &["CreateFunction", "Invoke", "CreateEventSourceMapping"]);
    check("logs", Protocol::Json11, "logs", &["PutLogEvents", "FilterLogEvents"]);
    check("rekognition", Protocol::Json11, "rekognition", &["IndexFaces", "SearchFacesByImage"]);
    check("s3", Protocol::RestXml, "s3", &["PutObject", "ListObjectsV2", "CompleteMultipartUpload"]);
    check("scheduler", Protocol::RestJson, "scheduler", &["CreateSchedule", "GetSchedule"]);
    check("secretsmanager", Protocol::Json11, "secretsmanager", &["GetSecretValue"]);
    check("sns", Protocol::Query, "sns", &["Publish", "Subscribe"]);
    check("sqs", Protocol::Json10, "sqs", &["SendMessage", "ReceiveMessage", "DeleteMessageBatch"]);
    check("ssm", Protocol::Json11, "ssm", &["GetParameter"]);
    check("sts", Protocol::Query, "sts", &["GetCallerIdentity", "AssumeRole"]);
    assert!(model("nothing").is_none());
    assert!(MODELS.is_sorted());
}

/// Operations that another one has taken the path of.
const SHADOWED: &[&str] = &[
    "GetBucketLifecycle",
    "GetBucketNotification",
    "ListDirectoryBuckets",
    "PutBucketLifecycle",
    "PutBucketNotification",
];

#[test]
fn every_request_finds_its_operation_and_is_read_back() {
    let mut failures = Vec::new();
    for (model, operation) in all_operations() {
        let member = operation.input.as_ref();
        let params = member.map_or(json!({}), |member| sample(model, member, true, 0));
        let (params, body) = set_apart(model, member, params);
        let input = Input { params, body };
        let name = format!("{} {}", model.name(), operation.name());
        let outcome = write_request(model, operation, &input).and_then(|request| {
            let (protocol, found) = match_operation(model, &request)?;
            if found.name() != operation.name() && !SHADOWED.contains(&operation.name()) {
                failures.push(format!("{name}: found {}", found.name()));
            }
            parse_request(model, operation, protocol, &request)
        });
        match outcome {
            // A sample satisfies all constraints but patterns.
            Err(error) if error.message.contains("regular expression") => {}
            Err(error) => failures.push(format!("{name}: {error}")),
            Ok(read) if read == input => {}
            Ok(read) => failures.push(format!("{name}: wrote {input:?}, read {read:?}")),
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_answer_is_read_back() {
    let mut failures = Vec::new();
    for (model, operation) in all_operations() {
        let member = operation.output.as_ref();
        let params = member.map_or(json!({}), |member| sample(model, member, false, 0));
        let (params, body) = set_apart(model, member, params);
        let output = Output { params, body };
        let response = write_response(model, operation, model.protocol(), "id", &output);
        let (parts, body) = response.into_parts();
        let read = parse_response(model, operation, parts.status.as_u16(), &parts.headers, body.clone());
        // An operation that lacks what the first event stream would carry has nothing to read.
        let streams = member.is_some_and(|member| {
            model.structure(member).members.iter().any(|m| server::is_event_stream(model, m))
        });
        if !streams && read.as_ref() != Ok(&output) && !SHADOWED.contains(&operation.name()) {
            let body = String::from_utf8_lossy(&body).into_owned();
            failures.push(format!("{} {}: {output:?}\n{body}\n{read:?}", model.name(), operation.name()));
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// SQS over the query protocol, which older clients still speak.
#[test]
fn sqs_by_form() {
    let model = model("sqs").expect("a model");
    let body = "Action=SendMessageBatch&QueueUrl=http%3A%2F%2Flocalhost%2Fq\
                &SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageBody=x+y\
                &SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=n\
                &SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType=String\
                &SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringValue=v";
    let request = crate::Request { path: "/".into(), body: body.into(), ..crate::Request::default() };
    let (protocol, operation) = match_operation(model, &request).expect("an operation");
    assert_eq!((protocol, operation.name()), (Protocol::Query, "SendMessageBatch"));
    let input = parse_request(model, operation, protocol, &request).expect("an input");
    let attributes = json!({ "n": { "DataType": "String", "StringValue": "v" } });
    let entry = json!({ "Id": "a", "MessageBody": "x y", "MessageAttributes": attributes });
    assert_eq!(input.params, json!({ "QueueUrl": "http://localhost/q", "Entries": [entry] }));

    let receive = model.operation("GetQueueAttributes").expect("an operation");
    let output = Output::new(json!({ "Attributes": { "DelaySeconds": "0" } }));
    let response = write_response(model, receive, Protocol::Query, "id", &output);
    assert_eq!(
        String::from_utf8_lossy(response.body()),
        "<GetQueueAttributesResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><GetQueueAttributesResult>\
         <Attribute><Name>DelaySeconds</Name><Value>0</Value></Attribute></GetQueueAttributesResult>\
         <ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></GetQueueAttributesResponse>"
    );
}

#[test]
fn s3_documents_have_their_own_roots() {
    let model = model("s3").expect("a model");
    let check = |operation: &str, params: Value, expected: &str| {
        let operation = model.operation(operation).expect("an operation");
        let response =
            write_response(model, operation, Protocol::RestXml, "id", &Output::new(params.clone()));
        let body = String::from_utf8_lossy(response.body()).into_owned();
        assert_eq!(body.split_once('\n').map(|(_, document)| document), Some(expected));
        let read = parse_response(model, operation, 200, response.headers(), response.body().clone());
        assert_eq!(read.map(|output| output.params), Ok(params));
    };
    let xmlns = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";
    check(
        "ListObjectsV2",
        json!({ "Name": "b", "Contents": [{ "Key": "k", "LastModified": 1_576_540_098, "Size": 3 }] }),
        &format!(
            "<ListBucketResult {xmlns}><Contents><Key>k</Key><LastModified>2019-12-16T23:48:18.000Z</LastModified>\
             <Size>3</Size></Contents><Name>b</Name></ListBucketResult>"
        ),
    );
    check(
        "GetBucketLocation",
        json!({ "LocationConstraint": "eu-west-1" }),
        &format!("<LocationConstraint {xmlns}>eu-west-1</LocationConstraint>"),
    );
    check("GetBucketLocation", json!({}), &format!("<LocationConstraint {xmlns}></LocationConstraint>"));
    check(
        "CopyObject",
        json!({ "VersionId": "v", "CopyObjectResult": { "ETag": "\"e\"" } }),
        &format!("<CopyObjectResult {xmlns}><ETag>\"e\"</ETag></CopyObjectResult>"),
    );
}

fn all_operations() -> impl Iterator<Item = (&'static Model, &'static Operation)> {
    MODELS.iter().filter_map(|name| model(name)).flat_map(|model| model.operations().map(move |o| (model, o)))
}

/// A value that satisfies the model: the required members only, or three levels of all of them.
fn sample(model: &Model, member: &Member, required_only: bool, depth: usize) -> Value {
    let shape = model.shape(member);
    let bounds = shape.constraints.as_deref();
    let least = bounds.and_then(|bounds| bounds.min).unwrap_or(0.0) as usize;
    match &shape.kind {
        Kind::Structure(structure) => sample_structure(model, structure, required_only, depth),
        Kind::List(element) => {
            (0..least.max(1)).map(|_| sample(model, element, required_only, depth + 1)).collect()
        }
        Kind::Map(entry) => {
            let Value::String(key) = sample(model, &entry.0, required_only, depth + 1) else {
                return json!({});
            };
            let key = if member.location == Location::Headers { key.to_lowercase() } else { key };
            json!({ key: sample(model, &entry.1, required_only, depth + 1) })
        }
        Kind::String if member.json_value => json!({ "a": 1 }),
        Kind::String => match bounds.and_then(|bounds| bounds.values.first()) {
            Some(value) => (&**value).into(),
            None => "a".repeat(least.max(1)).into(),
        },
        Kind::Integer if member.location == Location::StatusCode => 200.into(),
        Kind::Integer => least.max(1).into(),
        Kind::Float => 1.5.into(),
        Kind::Boolean => true.into(),
        Kind::Blob => "aGk=".into(),
        Kind::Timestamp => 1_576_540_098.into(),
    }
}

fn sample_structure(model: &Model, structure: &Structure, required_only: bool, depth: usize) -> Value {
    if depth > 6 {
        return json!({});
    }
    let wanted = |member: &&Member| match required_only {
        true => member.required || member.idempotency_token,
        false => depth < 4,
    };
    let mut members: Vec<&Member> = structure.members.iter().filter(wanted).collect();
    let payload = structure.payload().map(|payload| &payload.name);
    if depth == 0 && required_only {
        members.extend(structure.payload().filter(|payload| !payload.required));
    }
    // Forms cannot say that there is a structure without members.
    if structure.union || members.is_empty() && depth > 0 {
        members = structure.members.iter().take(1).collect();
    }
    // Only the payload is in the body, where there is one.
    if depth == 0 && payload.is_some() {
        members.retain(|member| member.location != Location::Body || Some(&member.name) == payload);
    }
    let sampled =
        members.into_iter().map(|m| (m.name.to_string(), sample(model, m, required_only, depth + 1)));
    sampled.collect::<Map<_, _>>().into()
}

/// Moves the raw payload out of the parameters.
fn set_apart(model: &Model, member: Option<&Member>, mut params: Value) -> (Value, Option<Bytes>) {
    let payload =
        member.and_then(|member| model.structure(member).payload()).filter(|p| server::is_raw(model, p));
    let body = payload.map(|payload| {
        params.as_object_mut().expect("an object").shift_remove(&*payload.name);
        Bytes::from_static(b"raw")
    });
    (params, body)
}
