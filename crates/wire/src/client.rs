//! The client's side: a request from typed input, and typed output or an error from an answer.
//!
//! No connection and no retry. Keeps true: what an answer has beyond the model does no harm.

use crate::bindings;
use crate::cbor;
use crate::error::{DecodeError, ServiceError};
use crate::form::FormCodec;
use crate::json;
use crate::message::{Input, Output, Request};
use crate::model::{Kind, Location, Model, Namespace, Operation, Protocol, Structure};
use crate::s3;
use crate::scalar::{self, TimestampFormat};
use crate::server::{decode_body, is_event_stream, is_raw, message_member};
use crate::text;
use crate::xml::{self, Element};
use crate::xml_codec::XmlCodec;
use aloft_base::Ids;
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Map, Value};

/// Builds the request of an operation, in the model's protocol, with random idempotency tokens. It has neither a host
/// nor a signature yet. For S3 the bucket is in the path.
///
/// # Errors
/// When a member that the path needs is missing or empty.
pub fn write_request(model: &Model, operation: &Operation, input: &Input) -> Result<Request, ServiceError> {
    write_request_with(model, operation, input, &Ids::random())
}

/// As [`write_request`], with idempotency tokens from `ids`.
///
/// # Errors
/// When a member that the path needs is missing or empty.
pub fn write_request_with(
    model: &Model,
    operation: &Operation,
    input: &Input,
    ids: &Ids,
) -> Result<Request, ServiceError> {
    let mut params = input.params.clone();
    let structure = operation.input.as_ref().map(|member| model.structure(member));
    if let (Some(structure), Some(params)) = (structure, params.as_object_mut()) {
        for member in structure.members.iter().filter(|member| member.idempotency_token) {
            if params.get(&*member.name).is_none_or(Value::is_null) {
                params.insert(member.name.to_string(), ids.uuid().into());
            }
        }
    }
    let mut request = Request { method: Method::POST, path: "/".to_owned(), ..Request::default() };
    let headers = &mut request.headers;
    if model.query_compatible {
        bindings::insert(headers, "x-amzn-query-mode", "true");
    }
    match model.protocol {
        Protocol::Json10 | Protocol::Json11 => {
            let version = if model.protocol == Protocol::Json11 { "1.1" } else { "1.0" };
            bindings::insert(headers, "content-type", &format!("application/x-amz-json-{version}"));
            let target = format!("{}.{}", model.target_prefix().unwrap_or_default(), operation.name());
            bindings::insert(headers, "x-amz-target", &target);
            let document = structure.map(|structure| json::encode_members(model, structure, &params));
            request.path = operation.uri.path(|_| None).unwrap_or_else(|_| "/".to_owned());
            request.body = Value::from(document.unwrap_or_default()).to_string().into();
        }
        Protocol::RpcV2Cbor => {
            request.path = format!(
                "/service/{}/operation/{}",
                model.target_prefix().unwrap_or_default(),
                operation.name()
            );
            bindings::insert(headers, "smithy-protocol", "rpc-v2-cbor");
            bindings::insert(headers, "accept", "application/cbor");
            if let Some(structure) = structure {
                bindings::insert(headers, "content-type", "application/cbor");
                let mut body = Vec::new();
                cbor::encode_members(model, structure, &params, &mut body);
                request.body = body.into();
            }
        }
        Protocol::Query | Protocol::Ec2Query => {
            bindings::insert(headers, "content-type", "application/x-www-form-urlencoded; charset=utf-8");
            request.body = write_form(model, operation, structure, &params).into();
        }
        Protocol::RestJson | Protocol::RestXml => {
            if let Some(structure) = structure {
                request.query = bindings::write_query(model, operation, structure, &params);
            } else {
                request.query = bindings::write_query(model, operation, &Structure::EMPTY, &params);
            }
            request.method = operation.method.clone();
            request.path = write_path(model, operation, structure, &params)?;
            if let Some(structure) = structure {
                let body = write_body(model, operation, structure, &params, input.body.as_ref(), headers);
                bindings::write_headers(model, structure, &params, headers);
                request.body = body;
            }
        }
    }
    Ok(request)
}

fn write_form(model: &Model, operation: &Operation, structure: Option<&Structure>, params: &Value) -> String {
    let mut pairs = vec![
        ("Action".to_owned(), operation.name().to_owned()),
        ("Version".to_owned(), model.api_version().to_owned()),
    ];
    if let Some(structure) = structure {
        FormCodec::new(model, model.protocol).encode_members(structure, params, "", &mut pairs);
    }
    let encode = |(name, value): &(String, String)| {
        format!("{}={}", text::encode(name, false), text::encode(value, false))
    };
    pairs.iter().map(encode).collect::<Vec<_>>().join("&")
}

fn write_path(
    model: &Model,
    operation: &Operation,
    structure: Option<&Structure>,
    params: &Value,
) -> Result<String, ServiceError> {
    let value = |label: &str| {
        let bound =
            |member: &&crate::model::Member| member.location == Location::Uri && member.wire_name() == label;
        let member = structure?.members.iter().find(bound)?;
        scalar::write(model, member, params.get(&*member.name)?, TimestampFormat::Iso8601)
    };
    operation
        .uri
        .path(value)
        .map_err(|label| ServiceError::validation(format!("{} needs a value for {label}", operation.name())))
}

fn write_body(
    model: &Model,
    operation: &Operation,
    structure: &Structure,
    params: &Value,
    raw: Option<&Bytes>,
    headers: &mut HeaderMap,
) -> Bytes {
    let json = model.protocol == Protocol::RestJson;
    let document_type = if json { "application/json" } else { "application/xml" };
    if let Some(payload) = structure.payload() {
        let kind = &model.shape(payload).kind;
        if is_raw(model, payload) {
            // S3 takes the absence for what it is, and a header for the object's own type.
            if json {
                bindings::insert(headers, "content-type", "application/octet-stream");
            }
            return raw.cloned().unwrap_or_default();
        }
        let value = params.get(&*payload.name).filter(|value| !value.is_null());
        return match (kind, value) {
            (Kind::String, Some(Value::String(text))) => {
                bindings::insert(headers, "content-type", "text/plain");
                text.clone().into()
            }
            (_, Some(value)) if json => {
                bindings::insert(headers, "content-type", document_type);
                json::encode(model, payload, value).to_string().into()
            }
            (_, Some(value)) => {
                bindings::insert(headers, "content-type", document_type);
                let name = payload.location_name.as_deref().unwrap_or(&model.shape(payload).name);
                let mut body = String::new();
                XmlCodec::new(model, model.protocol).encode(payload, name, value, &mut body);
                body.into()
            }
            // A service that takes a document takes an empty one.
            (Kind::Structure(inner), None) if json && !inner.union && !inner.document => {
                bindings::insert(headers, "content-type", document_type);
                Bytes::from_static(b"{}")
            }
            _ => Bytes::new(),
        };
    }
    let mut members = structure.body_members().peekable();
    if members.peek().is_none() {
        return Bytes::new();
    }
    if json {
        bindings::insert(headers, "content-type", document_type);
        return Value::from(json::encode_members(model, structure, params)).to_string().into();
    }
    let given = |name: &str| params.get(name).is_some_and(|value| !value.is_null());
    let (Some(member), true) = (&operation.input, members.any(|member| given(&member.name))) else {
        return Bytes::new();
    };
    bindings::insert(headers, "content-type", document_type);
    let codec = XmlCodec::new(model, model.protocol);
    let name = member.location_name.as_deref().unwrap_or(&model.shape(member).name);
    let default = model.xml_namespace.as_deref().map(|uri| Namespace { prefix: None, uri: uri.into() });
    let mut body = String::new();
    codec.open(name, member.namespace.as_deref().or(default.as_ref()), member, params, &mut body);
    codec.encode_members(structure, params, &mut body);
    body.push_str(&format!("</{name}>"));
    body.into()
}

/// Reads the answer to an operation.
///
/// # Errors
/// The service's error when the status tells of one, and `InvalidResponse` when the answer cannot be read.
pub fn parse_response(
    model: &Model,
    operation: &Operation,
    status: u16,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Output, ServiceError> {
    if status >= 300 && status != operation.response_code {
        return Err(parse_error(model, status, headers, body));
    }
    let mut output = Output::empty();
    if let Some(member) = &operation.output {
        output = decode_output(model, operation, model.structure(member), status, headers, &body)
            .map_err(|error| ServiceError::new("InvalidResponse", 502, error.to_string()))?;
    }
    Ok(output)
}

fn decode_output(
    model: &Model,
    operation: &Operation,
    structure: &Structure,
    status: u16,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Output, DecodeError> {
    let mut params = Map::new();
    let mut raw = None;
    match model.protocol {
        Protocol::Json10 | Protocol::Json11 => {
            if structure.members.iter().any(|member| is_event_stream(model, member)) {
                raw = Some(body.clone());
            } else if !body.is_empty() {
                let document =
                    serde_json::from_slice(body).map_err(|_| DecodeError::new("the answer is not JSON"))?;
                json::decode_members(model, structure, document, &mut params)?;
            }
        }
        Protocol::RpcV2Cbor => params = cbor::decode_members(model, structure, cbor::parse(body)?)?,
        Protocol::Query | Protocol::Ec2Query => {
            let root = xml::parse(body)?;
            let result = match &operation.result_wrapper {
                Some(wrapper) => root.child(wrapper),
                None => root.child(&format!("{}Result", operation.name())),
            };
            XmlCodec::new(model, Protocol::Query).decode_members(
                structure,
                result.unwrap_or(&root),
                &mut params,
            )?;
        }
        Protocol::RestJson | Protocol::RestXml => {
            bindings::read_headers(model, structure, headers, &mut params)?;
            for member in structure.members.iter().filter(|member| member.location == Location::StatusCode) {
                params.insert(member.name.to_string(), status.into());
            }
            if model.name() == "s3" && operation.name() == s3::GET_BUCKET_LOCATION {
                let text = xml::parse(body)?.text.trim().to_owned();
                if !text.is_empty() {
                    params.insert("LocationConstraint".to_owned(), text.into());
                }
            } else {
                raw = decode_body(model, model.protocol, structure, body, &mut params)?;
            }
        }
    }
    Ok(Output { params: params.into(), body: raw })
}

/// Reads an answer that is an error, as far as it can be read.
pub fn parse_error(model: &Model, status: u16, headers: &HeaderMap, body: Bytes) -> ServiceError {
    let mut error = match model.protocol {
        Protocol::Query | Protocol::Ec2Query | Protocol::RestXml => xml_error(model, &body),
        Protocol::RpcV2Cbor => {
            cbor::parse(&body).ok().map(cbor::untyped).map(|document| json_error(model, headers, document))
        }
        _ => Some(json_error(model, headers, serde_json::from_slice(&body).unwrap_or_default())),
    }
    .unwrap_or_else(|| ServiceError::new("", status, ""));
    error.status = status;
    error.sender_fault = status < 500;
    if error.code.is_empty() {
        error.code = s3::code_of_status(status);
    }
    if let Some((_, structure, _)) = model.exception(&error.code)
        && model.protocol.is_rest()
    {
        // Headers that make no sense leave the error as it is.
        let _ = bindings::read_headers(model, structure, headers, &mut error.fields);
        for member in structure.members.iter().filter(|member| member.location == Location::StatusCode) {
            error.fields.insert(member.name.to_string(), status.into());
        }
    }
    if let Some(query) = headers.get("x-amzn-query-error").and_then(|value| value.to_str().ok())
        && model.query_compatible
    {
        let (code, fault) = query.split_once(';').unwrap_or((query, "Sender"));
        error.code = code.to_owned();
        error.sender_fault = fault != "Receiver";
    }
    error
}

fn json_error(model: &Model, headers: &HeaderMap, document: Value) -> ServiceError {
    let header = headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok());
    let in_body = || ["__type", "code", "Code"].iter().find_map(|key| document.get(key)?.as_str());
    let code = header.or_else(in_body).unwrap_or_default();
    // `namespace#Code:http://address/`
    let code = code.split(':').next().unwrap_or_default();
    let code = code.rsplit('#').next().unwrap_or_default().to_owned();
    let message = ["message", "Message", "errorMessage"].iter().find_map(|key| document.get(key)?.as_str());
    let mut error = ServiceError::new(code, 0, message.unwrap_or_default());
    if let (Some((_, structure, _)), Value::Object(document)) = (model.exception(&error.code), document) {
        let message = message_member(structure).map(|member| &*member.name);
        for member in structure.body_members().filter(|member| Some(&*member.name) != message) {
            if let Some(value) = document.get(member.wire_name()).filter(|value| !value.is_null())
                && let Ok(value) = json::decode(model, member, value.clone())
            {
                error.fields.insert(member.name.to_string(), value);
            }
        }
    }
    error
}

fn xml_error(model: &Model, body: &[u8]) -> Option<ServiceError> {
    let root = xml::parse(body).ok().filter(|root| !root.name.is_empty())?;
    // `<ErrorResponse><Error>`, `<Response><Errors><Error>`, or `<Error>` alone.
    let outer = root.child("Errors").unwrap_or(&root);
    let element = outer.child("Error").unwrap_or(outer);
    let text = |name: &str| element.child(name).map(|child| child.text.trim().to_owned());
    let code = text("Code")?;
    let mut error =
        ServiceError::new(code, 0, text("Message").or_else(|| text("message")).unwrap_or_default());
    if let Some((_, structure, _)) = model.exception(&error.code) {
        let codec = XmlCodec::new(model, Protocol::RestXml);
        // A field that does not fit the model is as good as none.
        let _ = codec.decode_members(structure, element, &mut error.fields);
        if let Some(message) = message_member(structure) {
            error.fields.shift_remove(&*message.name);
        }
    } else if model.name() == "s3" {
        error.fields.extend(details(element));
    }
    Some(error)
}

/// S3 tells the bucket, the key and more in elements that its model does not have.
fn details(element: &Element) -> impl Iterator<Item = (String, Value)> {
    let known = |name: &str| matches!(name, "Code" | "Message" | "RequestId" | "HostId");
    let others =
        element.children.iter().filter(move |child| !known(&child.name) && child.children.is_empty());
    others.map(|child| (child.name.clone(), child.text.as_str().into()))
}
