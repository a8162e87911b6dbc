//! The server's side: which operation a request asks for and with what, and the answer to it.
//!
//! No authorisation and no dispatch. Keeps true: whatever the bytes, the outcome is an input that fits the model or an
//! error in the service's own words.

mod errors;

pub(crate) use errors::message_member;
pub use errors::write_error;

use crate::bindings;
use crate::cbor;
use crate::error::{DecodeError, ServiceError};
use crate::form::{FormCodec, Node};
use crate::json;
use crate::message::{Input, Output, Request};
use crate::model::{Kind, Member, Model, Namespace, Operation, Protocol, Structure};
use crate::route;
use crate::s3;
use crate::text;
use crate::validate;
use crate::xml;
use crate::xml_codec::XmlCodec;
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use serde_json::{Map, Value};

const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// Finds the protocol that the client speaks and the operation that it asks for.
///
/// # Errors
/// With the service's own code when there is no such operation.
pub fn match_operation<'m>(
    model: &'m Model,
    request: &Request,
) -> Result<(Protocol, &'m Operation), ServiceError> {
    if request.header("smithy-protocol") == Some("rpc-v2-cbor") {
        let name = request.path.rsplit_once("/operation/").map_or("", |(_, name)| name);
        return named(model, name).map(|operation| (Protocol::RpcV2Cbor, operation));
    }
    if let Some(target) = request.header("x-amz-target") {
        let (prefix, name) = target.rsplit_once('.').unwrap_or(("", target));
        let name = if model.target_prefix() == Some(prefix) { name } else { "" };
        let content_type = request.header("content-type").unwrap_or_default();
        let protocol = match model.protocol() {
            _ if content_type.contains("x-amz-json-1.0") => Protocol::Json10,
            _ if content_type.contains("x-amz-json-1.1") => Protocol::Json11,
            Protocol::Json11 => Protocol::Json11,
            _ => Protocol::Json10,
        };
        return named(model, name).map(|operation| (protocol, operation));
    }
    if model.protocol().is_rest() {
        return route::find(model, request).map(|operation| (model.protocol(), operation));
    }
    let protocol = if model.protocol() == Protocol::Ec2Query { Protocol::Ec2Query } else { Protocol::Query };
    let body = String::from_utf8_lossy(&request.body);
    let actions =
        body.split('&').chain(request.query.split('&')).filter_map(|pair| pair.strip_prefix("Action="));
    let Some(action) = actions.map(|action| text::decode(action.trim())).next() else {
        return Err(ServiceError::new(
            "MissingAction",
            400,
            "The request must contain the parameter Action.",
        ));
    };
    let invalid = || {
        ServiceError::new(
            "InvalidAction",
            400,
            format!("The action {action} is not valid for this web service."),
        )
    };
    model.operation(&action).map(|operation| (protocol, operation)).ok_or_else(invalid)
}

fn named<'m>(model: &'m Model, name: &str) -> Result<&'m Operation, ServiceError> {
    model.operation(name).ok_or_else(|| ServiceError::new("UnknownOperationException", 400, ""))
}

/// Decodes and validates a request.
///
/// # Errors
/// With the code and the words that the service uses for what is wrong.
pub fn parse_request(
    model: &Model,
    operation: &Operation,
    protocol: Protocol,
    request: &Request,
) -> Result<Input, ServiceError> {
    let mut input = Input::new(Value::Object(Map::new()));
    if let Some(member) = &operation.input {
        let structure = model.structure(member);
        input = decode_request(model, operation, protocol, structure, request)
            .map_err(|error| errors::of_decoding(model, protocol, error))?;
        validate::input(model, member, &input, protocol)?;
    }
    Ok(input)
}

fn decode_request(
    model: &Model,
    operation: &Operation,
    protocol: Protocol,
    structure: &Structure,
    request: &Request,
) -> Result<Input, DecodeError> {
    let mut params = Map::new();
    let mut body = None;
    match protocol {
        Protocol::Json10 | Protocol::Json11 => {
            json::decode_members(model, structure, json_object(&request.body)?, &mut params)?;
        }
        Protocol::RpcV2Cbor => params = cbor::decode_members(model, structure, cbor::parse(&request.body)?)?,
        Protocol::Query | Protocol::Ec2Query => {
            let mut pairs = text::form(&request.query);
            let form =
                std::str::from_utf8(&request.body).map_err(|_| DecodeError::new("the form is not UTF-8"))?;
            pairs.extend(text::form(form.trim()));
            params = FormCodec::new(model, protocol).decode_members(structure, &Node::new(pairs)?)?;
        }
        Protocol::RestJson | Protocol::RestXml => {
            bindings::read_request(model, operation, structure, request, &mut params)?;
            body = decode_body(model, protocol, structure, &request.body, &mut params)?;
        }
    }
    Ok(Input { params: params.into(), body })
}

fn json_object(body: &[u8]) -> Result<Map<String, Value>, DecodeError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(document)) => Ok(document),
        Ok(_) => Err(DecodeError::new("Start of structure or map expected")),
        Err(error) => Err(DecodeError::new(format!("the body is not JSON: {error}"))),
    }
}

/// Whether the payload is handed over as bytes.
pub(crate) fn is_raw(model: &Model, member: &Member) -> bool {
    member.streaming || matches!(model.shape(member).kind, Kind::Blob) || is_event_stream(model, member)
}

/// Whether a member is a stream of events.
pub(crate) fn is_event_stream(model: &Model, member: &Member) -> bool {
    matches!(&model.shape(member).kind, Kind::Structure(structure) if structure.event_stream)
}

/// Reads the body of a REST message, request or response: the raw one is returned, any other goes into `params`.
pub(crate) fn decode_body(
    model: &Model,
    protocol: Protocol,
    structure: &Structure,
    body: &Bytes,
    params: &mut Map<String, Value>,
) -> Result<Option<Bytes>, DecodeError> {
    let codec = XmlCodec::new(model, protocol);
    let Some(payload) = structure.payload() else {
        if structure.body_members().next().is_some() && !body.is_empty() {
            match protocol {
                Protocol::RestJson => json::decode_members(model, structure, json_object(body)?, params)?,
                _ => codec.decode_members(structure, &xml::parse(body)?, params)?,
            }
        }
        return Ok(None);
    };
    if is_raw(model, payload) {
        return Ok(Some(body.clone()));
    }
    if body.is_empty() {
        return Ok(None);
    }
    let value = match (&model.shape(payload).kind, protocol) {
        (Kind::String, _) => Some(String::from_utf8_lossy(body).into_owned().into()),
        (_, Protocol::RestJson) => {
            let document = serde_json::from_slice(body)
                .map_err(|error| DecodeError::new(format!("the body is not JSON: {error}")))?;
            Some(json::decode(model, payload, document)?).filter(|value| !value.is_null())
        }
        _ => codec.decode(payload, &xml::parse(body)?)?,
    };
    if let Some(value) = value {
        params.insert(payload.name.to_string(), value);
    }
    Ok(None)
}

/// Writes the answer to an operation that succeeded.
pub fn write_response(
    model: &Model,
    operation: &Operation,
    protocol: Protocol,
    request_id: &str,
    output: &Output,
) -> Response<Bytes> {
    let mut headers = HeaderMap::new();
    let mut status = 200;
    let member = operation.output.as_ref();
    let structure = member.map(|member| model.structure(member));
    let streams =
        |structure: &Structure| structure.members.iter().any(|member| is_event_stream(model, member));
    let body = match protocol {
        Protocol::Json10 | Protocol::Json11 if structure.is_some_and(streams) => {
            bindings::insert(&mut headers, "content-type", EVENT_STREAM);
            output.body.clone().unwrap_or_default()
        }
        Protocol::Json10 | Protocol::Json11 => {
            let document = structure.map(|structure| json::encode_members(model, structure, &output.params));
            Bytes::from(Value::from(document.unwrap_or_default()).to_string())
        }
        Protocol::RpcV2Cbor => {
            let mut body = Vec::new();
            match structure {
                Some(structure) => cbor::encode_members(model, structure, &output.params, &mut body),
                None => cbor::plain(&Value::Object(Map::new()), &mut body),
            }
            body.into()
        }
        Protocol::Query | Protocol::Ec2Query => {
            write_query(model, operation, protocol, request_id, output).into()
        }
        Protocol::RestJson | Protocol::RestXml => {
            status = operation.response_code;
            match (member, structure) {
                (Some(member), Some(structure)) => {
                    bindings::write_headers(model, structure, &output.params, &mut headers);
                    status = status_of(structure, &output.params).unwrap_or(status);
                    write_rest(model, operation, protocol, (member, structure), output, &mut headers)
                }
                _ => Bytes::new(),
            }
        }
    };
    finish(model, protocol, request_id, status, headers, body)
}

/// The status that a member bound to it asks for.
fn status_of(structure: &Structure, params: &Value) -> Option<u16> {
    let member =
        structure.members.iter().find(|member| member.location == crate::model::Location::StatusCode)?;
    params.get(&*member.name)?.as_u64().and_then(|status| status.try_into().ok())
}

fn write_query(
    model: &Model,
    operation: &Operation,
    protocol: Protocol,
    request_id: &str,
    output: &Output,
) -> String {
    let codec = XmlCodec::new(model, protocol);
    let name = operation.name();
    let mut body = format!("<{name}Response");
    body.push_str(" xmlns=\"");
    body.push_str(namespace(model).unwrap_or_default());
    body.push_str("\">");
    let structure = operation.output.as_ref().map(|member| model.structure(member));
    if protocol == Protocol::Ec2Query {
        if let Some(structure) = structure {
            codec.encode_members(structure, &output.params, &mut body);
        }
        body.push_str(&format!("<requestId>{request_id}</requestId>"));
    } else {
        if let Some(structure) = structure {
            let wrapper =
                operation.result_wrapper.as_deref().map_or_else(|| format!("{name}Result"), str::to_owned);
            body.push_str(&format!("<{wrapper}>"));
            codec.encode_members(structure, &output.params, &mut body);
            body.push_str(&format!("</{wrapper}>"));
        }
        body.push_str(&format!("<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"));
    }
    body.push_str(&format!("</{name}Response>"));
    body
}

/// The namespace of a service's XML documents.
fn namespace(model: &Model) -> Option<&str> {
    match model.name() {
        "s3" => Some(s3::NAMESPACE),
        // SQS's model speaks JSON and has forgotten it.
        "sqs" => Some("http://queue.amazonaws.com/doc/2012-11-05/"),
        _ => model.xml_namespace.as_deref(),
    }
}

fn write_rest(
    model: &Model,
    operation: &Operation,
    protocol: Protocol,
    (member, structure): (&Member, &Structure),
    output: &Output,
    headers: &mut HeaderMap,
) -> Bytes {
    let params = &output.params;
    if let Some(payload) = structure.payload() {
        if is_raw(model, payload) {
            if !headers.contains_key("content-type") {
                let kind = match model.name() {
                    _ if is_event_stream(model, payload) => EVENT_STREAM,
                    "lambda" => "application/json",
                    "s3" => "binary/octet-stream",
                    _ => "application/octet-stream",
                };
                bindings::insert(headers, "content-type", kind);
            }
            return output.body.clone().unwrap_or_default();
        }
        let Some(value) = params.get(&*payload.name).filter(|value| !value.is_null()) else {
            return Bytes::new();
        };
        return match (&model.shape(payload).kind, value) {
            (Kind::String, Value::String(text)) => {
                if !headers.contains_key("content-type") {
                    bindings::insert(headers, "content-type", "text/plain");
                }
                Bytes::from(text.clone())
            }
            _ if protocol == Protocol::RestJson => {
                Bytes::from(json::encode(model, payload, value).to_string())
            }
            _ => {
                let root = payload.location_name.as_deref().unwrap_or(&model.shape(payload).name);
                document(model, root, payload, |codec, body| codec.content(payload, value, body), value)
            }
        };
    }
    if structure.body_members().next().is_none() {
        return Bytes::new();
    }
    if protocol == Protocol::RestJson {
        return Bytes::from(Value::from(json::encode_members(model, structure, params)).to_string());
    }
    let root = s3::root(operation).filter(|_| model.name() == "s3");
    let root = root.or(member.location_name.as_deref()).unwrap_or(&model.shape(member).name);
    if model.name() == "s3" && operation.name() == s3::GET_BUCKET_LOCATION {
        return document(
            model,
            root,
            member,
            |_, body| {
                let text = params.get("LocationConstraint").and_then(Value::as_str).unwrap_or_default();
                xml::escape(text, false, body);
            },
            params,
        );
    }
    document(model, root, member, |codec, body| codec.encode_members(structure, params, body), params)
}

fn document(
    model: &Model,
    root: &str,
    member: &Member,
    content: impl FnOnce(&XmlCodec<'_>, &mut String),
    value: &Value,
) -> Bytes {
    let codec = XmlCodec::new(model, Protocol::RestXml);
    let mut body = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let default = namespace(model).map(|uri| Namespace { prefix: None, uri: uri.into() });
    codec.open(root, member.namespace.as_deref().or(default.as_ref()), member, value, &mut body);
    content(&codec, &mut body);
    body.push_str(&format!("</{root}>"));
    body.into()
}

/// Puts on the headers that every answer of a protocol has.
fn finish(
    model: &Model,
    protocol: Protocol,
    request_id: &str,
    status: u16,
    mut headers: HeaderMap,
    body: Bytes,
) -> Response<Bytes> {
    let content_type = match protocol {
        Protocol::Json10 => "application/x-amz-json-1.0",
        Protocol::Json11 => "application/x-amz-json-1.1",
        Protocol::RpcV2Cbor => "application/cbor",
        Protocol::Query | Protocol::Ec2Query => "text/xml",
        Protocol::RestJson => "application/json",
        Protocol::RestXml => "application/xml",
    };
    if !body.is_empty() && !headers.contains_key("content-type") {
        bindings::insert(&mut headers, "content-type", content_type);
    }
    if protocol == Protocol::RpcV2Cbor {
        bindings::insert(&mut headers, "smithy-protocol", "rpc-v2-cbor");
    }
    let id_header = if model.name() == "s3" { "x-amz-request-id" } else { "x-amzn-requestid" };
    bindings::insert(&mut headers, id_header, request_id);
    if model.name() == "s3" {
        bindings::insert(&mut headers, "x-amz-id-2", request_id);
    }
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = headers;
    response
}
