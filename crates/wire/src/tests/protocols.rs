//! The protocol vectors: every record in both directions.
//!
//! An input case is written by the client and read by the server; an output or error case is read by the client, and
//! what was read is written by the server and read again.

use super::vectors;
use crate::model::{Kind, Location, Member};
use crate::{
    Input, Model, Operation, Output, Protocol, Request, ServiceError, bindings, cbor, event_stream, server,
    text, xml,
};
use crate::{
    match_operation, parse_error, parse_request, parse_response, write_error, write_request_with,
    write_response,
};
use aloft_base::Ids;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What is known not to hold: the beginning of the case's name, in which direction, and why.
const EXCEPTIONS: &[(&str, Option<Direction>, &str)] = &[
    ("SDKAppend", None, "compression of bodies is the HTTP layer's"),
    ("SDKApplied", None, "compression of bodies is the HTTP layer's"),
    ("RestJsonHttpChecksumRequired", Some(Direction::ClientWrites), "checksums are the caller's"),
    ("RestJsonNullAndEmptyHeaders", Some(Direction::ClientWrites), NO_EMPTY_HEADER),
    ("NullAndEmptyHeaders", Some(Direction::ClientWrites), NO_EMPTY_HEADER),
    ("RestXmlHttpPayloadWithUnion", Some(Direction::ClientWrites), MEMBER_NAMES_THE_ROOT),
    ("HttpPayloadWithXmlName", Some(Direction::ClientWrites), MEMBER_NAMES_THE_ROOT),
    ("XmlAttributesOnPayload", Some(Direction::ClientWrites), MEMBER_NAMES_THE_ROOT),
    (
        "legacy/input/rest-json.json#477",
        Some(Direction::ServerReads),
        "the default content type is a member too",
    ),
    ("legacy/output/json.json#546", None, "the vector declares a map to be a string"),
    ("legacy/output/rest-json.json#590", None, "header names have no case here"),
    ("HttpPrefixHeadersAreNotPresent", Some(Direction::ClientReads), "no header is an absent map"),
    ("HttpPrefixHeadersAreNotPresent", Some(Direction::RoundTrip), "no header is an absent map"),
    (
        "HttpPrefixHeadersResponse",
        Some(Direction::RoundTrip),
        "a map of all headers has the request's id too",
    ),
];
const NO_EMPTY_HEADER: &str = "an empty list sends no header, as an older vector wants it";
const MEMBER_NAMES_THE_ROOT: &str =
    "S3 needs the root to be named by the member, which the vector's member forbids";

/// The token that the recorded requests have where the client makes one.
const TOKEN: &str = "00000000-0000-4000-8000-000000000000";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Direction {
    ClientWrites,
    ServerReads,
    ClientReads,
    RoundTrip,
}

struct Case<'v> {
    name: String,
    protocol: String,
    model: Model,
    operation: String,
    case: &'v Value,
}

impl Case<'_> {
    fn operation(&self) -> &Operation {
        self.model.operation(&self.operation).expect("the one operation")
    }

    fn is_cbor(&self) -> bool {
        self.model.protocol() == Protocol::RpcV2Cbor
    }
}

#[test]
fn every_record_in_both_directions() {
    let Some(records) = vectors("aws-protocols.json") else { return };
    let mut counts: BTreeMap<(String, Direction), (usize, usize)> = BTreeMap::new();
    let mut failures = Vec::new();
    let mut excused = Vec::new();
    for (index, record) in records.as_array().expect("a list").iter().enumerate() {
        let case = read_case(index, record);
        let outcomes = if record["case"].get("serialized").is_some() {
            vec![
                (Direction::ClientWrites, client_writes(&case)),
                (Direction::ServerReads, server_reads(&case)),
            ]
        } else if record["case"].get("errorCode").is_some() {
            vec![
                (Direction::ClientReads, client_reads_error(&case)),
                (Direction::RoundTrip, error_round_trip(&case)),
            ]
        } else {
            vec![(Direction::ClientReads, client_reads(&case)), (Direction::RoundTrip, round_trip(&case))]
        };
        for (direction, outcome) in outcomes {
            let count = counts.entry((case.protocol.clone(), direction)).or_default();
            count.1 += 1;
            let exception = EXCEPTIONS.iter().find(|(name, which, _)| {
                case.name.starts_with(name) && which.is_none_or(|which| which == direction)
            });
            match outcome {
                Ok(()) if exception.is_some_and(|(_, which, _)| which.is_some()) => {
                    failures.push(format!("{} {direction:?}: holds, and is excused", case.name))
                }
                Ok(()) => count.0 += 1,
                Err(_) if exception.is_some() => excused.push(format!("{} {direction:?}", case.name)),
                Err(why) => failures.push(format!("{} {direction:?}: {why}", case.name)),
            }
        }
    }
    for ((protocol, direction), (good, all)) in &counts {
        eprintln!("{protocol:45} {direction:?}: {good} of {all}");
    }
    eprintln!("excused, {}: {}", excused.len(), excused.join(", "));
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

fn read_case(index: usize, record: &Value) -> Case<'_> {
    let case = &record["case"];
    let given = &case["given"];
    let operation = given["name"].as_str().expect("a name").to_owned();
    let mut shapes = record["shapes"].clone();
    // Models of an older form name the payload at the operation.
    if let (Some(shape), Some(payload)) = (given["input"]["shape"].as_str(), given["input"].get("payload")) {
        shapes[shape]["payload"] = payload.clone();
    }
    let model = json!({
        "name": "vectors",
        "metadata": record["metadata"],
        "operations": { operation.clone(): given },
        "shapes": shapes,
    });
    let file = record["file"].as_str().unwrap_or_default().to_owned();
    let name = case["id"].as_str().map_or_else(|| format!("{file}#{index}"), str::to_owned);
    let model = Model::parse(&model.to_string()).unwrap_or_else(|error| panic!("{name}: {error}"));
    Case { name, protocol: file, model, operation, case }
}

/// The vectors' values in this crate's conventions: blobs are base64 text, and the raw payload stands apart.
fn convention(model: &Model, member: Option<&Member>, value: &Value) -> (Value, Option<Bytes>) {
    let mut params = member.map_or(json!({}), |member| blobs_to_base64(model, member, value));
    let mut body = None;
    if let Some(payload) = member.and_then(|member| model.structure(member).payload())
        && server::is_raw(model, payload)
        && let Some(text) = value.get(&*payload.name).and_then(Value::as_str)
    {
        body = Some(Bytes::from(text.to_owned()));
        params.as_object_mut().expect("an object").shift_remove(&*payload.name);
    }
    (params, body)
}

fn blobs_to_base64(model: &Model, member: &Member, value: &Value) -> Value {
    match (&model.shape(member).kind, value) {
        // Some vectors give a JSON document as its text.
        (_, Value::String(text)) if member.json_value => serde_json::from_str(text).unwrap_or_default(),
        (Kind::Structure(structure), Value::Object(map)) if !structure.document => {
            let known = |(name, value): (&String, &Value)| {
                let member = structure.members.iter().find(|member| *member.name == **name)?;
                Some((name.clone(), blobs_to_base64(model, member, value)))
            };
            map.iter().filter_map(known).collect::<Map<_, _>>().into()
        }
        (Kind::List(element), Value::Array(values)) => {
            values.iter().map(|v| blobs_to_base64(model, element, v)).collect()
        }
        (Kind::Map(entry), Value::Object(map)) => map
            .iter()
            .map(|(k, v)| (k.clone(), blobs_to_base64(model, &entry.1, v)))
            .collect::<Map<_, _>>()
            .into(),
        (Kind::Blob, Value::String(text)) => BASE64.encode(text).into(),
        _ => value.clone(),
    }
}

fn check(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

/// Whether two values mean the same: numbers by value, null members absent.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            let covers = |a: &Map<String, Value>, b: &Map<String, Value>| {
                a.iter()
                    .filter(|(_, v)| !v.is_null())
                    .all(|(k, v)| b.get(k).is_some_and(|other| same(v, other)))
            };
            covers(a, b) && covers(b, a)
        }
        _ => a == b,
    }
}

fn expect_same(what: &str, got: &Value, wanted: &Value) -> Result<(), String> {
    check(same(got, wanted), || format!("{what}: got {got}, wanted {wanted}"))
}

/// The path and the query, without the path that an endpoint's address may have.
fn target(serialized: &Value) -> (&str, &str) {
    let uri = serialized["uri"].as_str().unwrap_or_default();
    let base =
        serialized["host"].as_str().and_then(|host| host.find('/').map(|at| &host[at..])).unwrap_or_default();
    let uri = uri.strip_prefix(base).unwrap_or(uri);
    uri.split_once('?').unwrap_or((uri, ""))
}

fn client_writes(case: &Case<'_>) -> Result<(), String> {
    let (operation, wanted) = (case.operation(), &case.case["serialized"]);
    let (params, body) = convention(&case.model, operation.input.as_ref(), &case.case["params"]);
    let ids = Ids::seeded(1);
    let request = write_request_with(&case.model, operation, &Input { params, body }, &ids)
        .map_err(|error| error.to_string())?;
    let token = Ids::seeded(1).uuid();
    if let Some(method) = wanted["method"].as_str() {
        check(request.method == method, || format!("method {}", request.method))?;
    }
    let (path, query) = target(wanted);
    check(request.path == path, || format!("path {}, wanted {path}", request.path))?;
    let sorted = |query: &str| {
        let mut pairs = text::form(&query.replace(&token, TOKEN));
        pairs.sort();
        pairs
    };
    check(sorted(&request.query) == sorted(query), || format!("query {}, wanted {query}", request.query))?;
    for (name, value) in wanted["headers"].as_object().into_iter().flatten() {
        let got = request.header(name).map(|value| value.replace(&token, TOKEN));
        let value = value.as_str().unwrap_or_default();
        let spaceless = |text: &str| text.replace(' ', "");
        let holds = match (&got, name.eq_ignore_ascii_case("content-type")) {
            (Some(got), true) => got.split(';').next() == value.split(';').next(),
            (Some(got), false) => spaceless(got) == spaceless(value),
            (None, _) => false,
        };
        check(holds, || format!("header {name}: {got:?}, wanted {value}"))?;
    }
    for name in wanted["forbidHeaders"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        check(request.header(name).is_none(), || format!("header {name} is there"))?;
    }
    match wanted["body"].as_str() {
        Some(body) => same_body(case, &request.body, body, &token),
        None => Ok(()),
    }
}

fn same_body(case: &Case<'_>, got: &Bytes, wanted: &str, token: &str) -> Result<(), String> {
    if case.is_cbor() {
        let wanted = BASE64.decode(wanted).map_err(|error| error.to_string())?;
        let read = |bytes: &[u8]| cbor::parse(bytes).map(cbor::untyped).map_err(|error| error.to_string());
        return expect_same("body", &read(got)?, &read(&wanted)?);
    }
    let got = String::from_utf8_lossy(got).replace(token, TOKEN);
    let differs = || format!("body {got}, wanted {wanted}");
    if got == wanted {
        return Ok(());
    }
    if matches!(case.model.protocol(), Protocol::Query | Protocol::Ec2Query) {
        let sorted = |form: &str| {
            let mut pairs = text::form(form.trim());
            pairs.sort();
            pairs
        };
        return check(sorted(&got) == sorted(wanted), differs);
    }
    if case.model.protocol() == Protocol::RestXml {
        let tree = |text: &str| xml::parse(text.as_bytes()).map(|root| tree(&root)).ok();
        return check(tree(&got).is_some() && tree(&got) == tree(wanted), differs);
    }
    match (serde_json::from_str(&got), serde_json::from_str(wanted)) {
        (Ok(got), Ok(wanted)) => expect_same("body", &got, &wanted),
        _ => Err(differs()),
    }
}

/// An element for comparing: text counts where there are no children.
fn tree(element: &xml::Element) -> Value {
    let mut attributes = element.attributes.clone();
    attributes.sort();
    let text = if element.children.is_empty() { element.text.as_str() } else { "" };
    json!([element.name, attributes, text, element.children.iter().map(tree).collect::<Vec<_>>()])
}

fn server_reads(case: &Case<'_>) -> Result<(), String> {
    let (operation, sent) = (case.operation(), &case.case["serialized"]);
    let (path, query) = target(sent);
    let mut request = Request {
        method: sent["method"]
            .as_str()
            .map_or(operation.method.clone(), |method| method.parse().expect("a method")),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: headers(&sent["headers"]),
        body: body(case, &sent["body"]),
    };
    let named_by_target = matches!(case.model.protocol(), Protocol::Json10 | Protocol::Json11);
    if named_by_target && request.header("x-amz-target").is_none() {
        let target = format!("{}.{}", case.model.target_prefix().unwrap_or_default(), operation.name());
        bindings::insert(&mut request.headers, "x-amz-target", &target);
    }
    let (protocol, found) = match_operation(&case.model, &request).map_err(|error| error.to_string())?;
    check(found.name() == operation.name(), || format!("found {}", found.name()))?;
    let input = parse_request(&case.model, found, protocol, &request).map_err(|error| error.to_string())?;
    let (mut wanted, body) = convention(&case.model, operation.input.as_ref(), &case.case["params"]);
    for member in operation.input.iter().flat_map(|input| &case.model.structure(input).members) {
        if member.idempotency_token && wanted.get(&*member.name).is_none() {
            wanted[&*member.name] = TOKEN.into();
        }
    }
    check(input.body.unwrap_or_default() == body.unwrap_or_default(), || "the raw body differs".to_owned())?;
    let mut got = input.params;
    forget_the_traceless(&case.model, operation, &mut wanted);
    forget_the_traceless(&case.model, operation, &mut got);
    expect_same("params", &got, &wanted)
}

/// Takes out what two inputs may differ in though their requests are the same: empty collections where they leave no
/// trace, a payload without members, and in a map of the whole query what has members of its own.
fn forget_the_traceless(model: &Model, operation: &Operation, params: &mut Value) {
    let Some(structure) = operation.input.as_ref().map(|input| model.structure(input)) else { return };
    let Some(params) = params.as_object_mut() else { return };
    let form = matches!(model.protocol(), Protocol::Query | Protocol::Ec2Query);
    for member in &structure.members {
        let Some(value) = params.get_mut(&*member.name) else { continue };
        if let (Location::QueryString, Value::Object(map)) = (member.location, &mut *value) {
            map.retain(|name, _| {
                !structure.members.iter().any(|other| bindings::is_named(model, other, name))
            });
        }
        let payload = structure.payload().is_some_and(|payload| payload.name == member.name);
        let empty =
            value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty);
        if empty && (form || payload || member.location != Location::Body) {
            params.shift_remove(&*member.name);
        }
    }
}

fn headers(recorded: &Value) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in recorded.as_object().into_iter().flatten() {
        bindings::insert(&mut headers, name, value.as_str().unwrap_or_default());
    }
    headers
}

fn body(case: &Case<'_>, recorded: &Value) -> Bytes {
    let text = recorded.as_str().unwrap_or_default();
    if case.is_cbor() { BASE64.decode(text).expect("base64").into() } else { text.to_owned().into() }
}

/// The recorded answer as the client reads it.
fn read_output(case: &Case<'_>) -> Result<Output, String> {
    let response = &case.case["response"];
    let status = response["status_code"].as_u64().unwrap_or(200) as u16;
    parse_response(
        &case.model,
        case.operation(),
        status,
        &headers(&response["headers"]),
        body(case, &response["body"]),
    )
    .map_err(|error| error.to_string())
}

fn client_reads(case: &Case<'_>) -> Result<(), String> {
    let output = read_output(case)?;
    if let Some(stream) = event_stream_member(case) {
        let mut frames =
            BASE64.decode(case.case["response"]["body"].as_str().unwrap_or_default()).map(Bytes::from);
        let frames = frames.as_mut().map_err(|error| error.to_string())?;
        return same_events(frames, &case.case["result"], &stream.name);
    }
    let (wanted, body) = convention(&case.model, case.operation().output.as_ref(), &case.case["result"]);
    check(output.body.unwrap_or_default() == body.unwrap_or_default(), || "the raw body differs".to_owned())?;
    expect_same("params", &output.params, &wanted)
}

fn event_stream_member<'c>(case: &'c Case<'_>) -> Option<&'c Member> {
    let output = case.operation().output.as_ref()?;
    let is_stream =
        |member: &&Member| matches!(&case.model.shape(member).kind, Kind::Structure(s) if s.event_stream);
    case.model.structure(output).members.iter().find(is_stream)
}

/// Compares the types of the recorded frames' events with the recorded list of events.
fn same_events(frames: &mut Bytes, result: &Value, stream: &str) -> Result<(), String> {
    let mut types = Vec::new();
    while let Some(frame) = event_stream::decode(frames).map_err(|error| error.to_string())? {
        check(frame.header(":message-type") == Some("event"), || format!("{frame:?}"))?;
        types.push(frame.header(":event-type").unwrap_or_default().to_owned());
    }
    types.retain(|event_type| event_type != "initial-response");
    let events = result[stream].as_array().into_iter().flatten().filter_map(Value::as_object);
    let wanted: Vec<String> = events.flat_map(|event| event.keys().cloned()).collect();
    check(frames.is_empty() && types == wanted, || format!("events {types:?}, wanted {wanted:?}"))
}

fn round_trip(case: &Case<'_>) -> Result<(), String> {
    let operation = case.operation();
    let (params, body) = convention(&case.model, operation.output.as_ref(), &case.case["result"]);
    let mut output = Output { params, body };
    if event_stream_member(case).is_some() {
        // Frames pass as they are, and say all there is to say.
        let frames = BASE64.decode(case.case["response"]["body"].as_str().unwrap_or_default());
        output = Output { params: json!({}), body: Some(frames.map_err(|error| error.to_string())?.into()) };
    }
    let response = write_response(&case.model, operation, case.model.protocol(), "id", &output);
    let (parts, body) = response.into_parts();
    let read = parse_response(&case.model, operation, parts.status.as_u16(), &parts.headers, body.clone())
        .map_err(|error| error.to_string())?;
    check(read.body.unwrap_or_default() == output.body.unwrap_or_default(), || {
        "the raw body differs".to_owned()
    })?;
    expect_same(&format!("by way of {}", String::from_utf8_lossy(&body)), &read.params, &output.params)
}

/// The recorded error as the client reads it.
fn read_error(case: &Case<'_>) -> ServiceError {
    let response = &case.case["response"];
    let status = response["status_code"].as_u64().unwrap_or(400) as u16;
    parse_error(&case.model, status, &headers(&response["headers"]), body(case, &response["body"]))
}

fn client_reads_error(case: &Case<'_>) -> Result<(), String> {
    let (error, wanted) = (read_error(case), case.case);
    check(wanted["errorCode"] == error.code.as_str(), || format!("code {}", error.code))?;
    if let Some(message) = wanted["errorMessage"].as_str() {
        check(error.message == message, || format!("message {}", error.message))?;
    }
    let mut fields = error.fields.clone();
    for name in ["message", "Message"] {
        // The vectors list the message among the members where the model does.
        if wanted["error"].get(name).is_some() {
            fields.insert(name.to_owned(), error.message.as_str().into());
        }
    }
    expect_same("fields", &fields.into(), &wanted["error"])
}

fn error_round_trip(case: &Case<'_>) -> Result<(), String> {
    let error = read_error(case);
    let response = write_error(&case.model, Some(case.operation()), case.model.protocol(), "id", &error);
    let (parts, body) = response.into_parts();
    let read = parse_error(&case.model, parts.status.as_u16(), &parts.headers, body);
    let bound = case.model.exception(&error.code).map(|(_, structure, _)| structure);
    let statuses =
        bound.into_iter().flat_map(|s| &s.members).filter(|member| member.location == Location::StatusCode);
    check(statuses.count() < 2 && read == error, || format!("read {read:?}, wrote {error:?}"))
}
