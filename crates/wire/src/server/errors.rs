//! Error envelopes: how each protocol writes a [`ServiceError`].

use super::{finish, namespace};
use crate::bindings;
use crate::cbor;
use crate::error::{DecodeError, ServiceError};
use crate::json;
use crate::model::{Exception, Member, Model, Operation, Protocol, Shape, Structure};
use crate::xml::escape;
use crate::xml_codec::XmlCodec;
use bytes::Bytes;
use http::{HeaderMap, Response};
use serde_json::{Map, Value};

/// Writes an error as the protocol's clients expect it. The operation, when it is known, changes nothing today: all
/// exceptions of a service have names of their own.
pub fn write_error(
    model: &Model,
    _operation: Option<&Operation>,
    protocol: Protocol,
    request_id: &str,
    error: &ServiceError,
) -> Response<Bytes> {
    let modelled = Modelled::new(model, error);
    let mut headers = HeaderMap::new();
    if let Some(structure) = modelled.structure {
        bindings::write_headers(model, structure, &modelled.params, &mut headers);
    }
    let json = matches!(protocol, Protocol::Json10 | Protocol::Json11 | Protocol::RpcV2Cbor);
    if json && model.query_compatible {
        let fault = if error.sender_fault { "Sender" } else { "Receiver" };
        bindings::insert(&mut headers, "x-amzn-query-error", &format!("{};{fault}", modelled.query_code));
    }
    let body = match protocol {
        Protocol::Json10 | Protocol::Json11 => {
            let mut document = Map::new();
            document.insert("__type".to_owned(), qualified(model, modelled.name).into());
            modelled.write_json(&mut document);
            Bytes::from(Value::from(document).to_string())
        }
        Protocol::RestJson => {
            bindings::insert(&mut headers, "x-amzn-errortype", modelled.name);
            let mut document = Map::new();
            modelled.write_json(&mut document);
            Bytes::from(Value::from(document).to_string())
        }
        Protocol::RpcV2Cbor => {
            let mut document = Map::new();
            document.insert("__type".to_owned(), modelled.name.into());
            modelled.write_json(&mut document);
            let mut body = Vec::new();
            cbor::plain(&document.into(), &mut body);
            body.into()
        }
        Protocol::Query | Protocol::Ec2Query | Protocol::RestXml => {
            modelled.write_xml(protocol, request_id, &mut headers).into()
        }
    };
    finish(model, protocol, request_id, modelled.status(), headers, body)
}

/// An error beside the exception that the model has for it.
struct Modelled<'a> {
    model: &'a Model,
    error: &'a ServiceError,
    structure: Option<&'a Structure>,
    exception: Option<&'a Exception>,
    /// The exception's name.
    name: &'a str,
    /// The code in the query protocol.
    query_code: &'a str,
    /// The message and the further fields, by member name.
    params: Value,
}

impl<'a> Modelled<'a> {
    fn new(model: &'a Model, error: &'a ServiceError) -> Self {
        let found: Option<(&Shape, &Structure, &Exception)> = model.exception(&error.code);
        let structure = found.map(|(_, structure, _)| structure);
        let exception = found.map(|(.., exception)| exception);
        let name = found.map_or(error.code.as_str(), |(shape, ..)| &shape.name);
        let query_code = exception.and_then(|exception| exception.code.as_deref()).unwrap_or(name);
        let mut params = error.fields.clone();
        if let Some(member) = structure.and_then(message_member)
            && !error.message.is_empty()
        {
            params.insert(member.name.to_string(), error.message.as_str().into());
        }
        let has_type =
            structure.is_some_and(|structure| structure.members.iter().any(|m| &*m.name == "Type"));
        if model.name() == "lambda" && has_type && !params.contains_key("Type") {
            params.insert("Type".to_owned(), if error.sender_fault { "User" } else { "Service" }.into());
        }
        Self { model, error, structure, exception, name, query_code, params: params.into() }
    }

    fn status(&self) -> u16 {
        match self.error.status {
            0 => self.exception.and_then(|exception| exception.status).unwrap_or(400),
            status => status,
        }
    }

    /// The message and the fields; fields that the model does not have are written as they are.
    fn write_json(&self, document: &mut Map<String, Value>) {
        let known = self.structure.map(|structure| json::encode_members(self.model, structure, &self.params));
        document.extend(known.unwrap_or_default());
        document.extend(self.unmodelled().map(|(name, value)| (name.clone(), value.clone())));
        if self.structure.and_then(message_member).is_none() && !self.error.message.is_empty() {
            document.insert("message".to_owned(), self.error.message.as_str().into());
        }
    }

    fn unmodelled(&self) -> impl Iterator<Item = (&String, &Value)> {
        let known =
            |name: &str| self.structure.is_some_and(|s| s.members.iter().any(|member| &*member.name == name));
        self.error.fields.iter().filter(move |(name, value)| !known(name) && !value.is_null())
    }

    fn write_xml(&self, protocol: Protocol, request_id: &str, headers: &mut HeaderMap) -> String {
        let Self { model, error, .. } = self;
        let mut body = String::new();
        if protocol == Protocol::RestXml {
            bindings::insert(headers, "content-type", "application/xml");
            body.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        }
        let bare = model.name() == "s3";
        match protocol {
            _ if bare => {}
            Protocol::Ec2Query => body.push_str("<Response><Errors>"),
            _ => {
                body.push_str("<ErrorResponse");
                if let Some(namespace) = namespace(model) {
                    body.push_str(&format!(" xmlns=\"{namespace}\""));
                }
                body.push('>');
            }
        }
        body.push_str("<Error>");
        if !bare && protocol != Protocol::Ec2Query {
            leaf("Type", if error.sender_fault { "Sender" } else { "Receiver" }, &mut body);
        }
        leaf("Code", self.query_code, &mut body);
        leaf("Message", &error.message, &mut body);
        if let Some(structure) = self.structure {
            let mut params = self.params.clone();
            if let (Some(member), Some(params)) = (message_member(structure), params.as_object_mut()) {
                params.shift_remove(&*member.name);
            }
            XmlCodec::new(model, protocol).encode_members(structure, &params, &mut body);
        }
        for (name, value) in self.unmodelled() {
            leaf(name, &value.as_str().map_or_else(|| value.to_string(), str::to_owned), &mut body);
        }
        if bare {
            leaf("RequestId", request_id, &mut body);
            leaf("HostId", request_id, &mut body);
        }
        body.push_str("</Error>");
        match protocol {
            _ if bare => {}
            Protocol::Ec2Query => {
                body.push_str("</Errors>");
                leaf("RequestID", request_id, &mut body);
                body.push_str("</Response>");
            }
            _ => {
                leaf("RequestId", request_id, &mut body);
                body.push_str("</ErrorResponse>");
            }
        }
        body
    }
}

/// The member that carries the message, however it is spelt.
pub(crate) fn message_member(structure: &Structure) -> Option<&Member> {
    structure.members.iter().find(|member| member.name.eq_ignore_ascii_case("message"))
}

fn leaf(name: &str, text: &str, out: &mut String) {
    out.push_str(&format!("<{name}>"));
    escape(text, false, out);
    out.push_str(&format!("</{name}>"));
}

/// The exception's name with the namespace that some services put before it; clients cut it off.
fn qualified(model: &Model, name: &str) -> String {
    let namespace = match (model.name(), name) {
        ("dynamodb" | "dynamodbstreams", "ValidationException") => "com.amazon.coral.validate",
        (
            "dynamodb" | "dynamodbstreams",
            "SerializationException"
            | "UnknownOperationException"
            | "AccessDeniedException"
            | "UnrecognizedClientException",
        ) => "com.amazon.coral.service",
        ("dynamodb" | "dynamodbstreams", _) => "com.amazonaws.dynamodb.v20120810",
        ("sqs", _) => "com.amazonaws.sqs",
        _ => return name.to_owned(),
    };
    format!("{namespace}#{name}")
}

/// The code under which a protocol reports bytes that it cannot read.
pub(super) fn of_decoding(model: &Model, protocol: Protocol, error: DecodeError) -> ServiceError {
    let code = match (model.name(), protocol) {
        ("apigateway" | "apigatewayv2", _) => "BadRequestException",
        ("lambda", _) => {
            let message = format!("Could not parse request body into json: {error}");
            return ServiceError::new("InvalidRequestContentException", 400, message);
        }
        ("s3", _) => "MalformedXML",
        (_, Protocol::Query | Protocol::Ec2Query) => "MalformedInput",
        _ => "SerializationException",
    };
    ServiceError::new(code, 400, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model;

    #[test]
    fn envelopes() {
        let check = |service: &str, protocol, error: &ServiceError, status: u16, parts: &[&str]| {
            let response = write_error(model(service).expect("a model"), None, protocol, "id-1", error);
            let text = format!("{:?} {}", response.headers(), String::from_utf8_lossy(response.body()));
            assert_eq!(response.status().as_u16(), status, "{text}");
            for part in parts {
                assert!(text.contains(part), "{part} is not in {text}");
            }
        };
        let missing = ServiceError::new("ResourceNotFoundException", 400, "no table");
        check(
            "dynamodb",
            Protocol::Json10,
            &missing,
            400,
            &[
                r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"no table"}"#,
                "x-amz-json-1.0",
            ],
        );
        let missing = ServiceError::new("ResourceNotFoundException", 0, "no function");
        check(
            "lambda",
            Protocol::RestJson,
            &missing,
            404,
            &[
                r#"{"Type":"User","Message":"no function"}"#,
                r#""x-amzn-errortype": "ResourceNotFoundException""#,
            ],
        );
        let missing = ServiceError::new("QueueDoesNotExist", 400, "no queue");
        let code = "AWS.SimpleQueueService.NonExistentQueue";
        let header = format!("\"x-amzn-query-error\": \"{code};Sender\"");
        check(
            "sqs",
            Protocol::Json10,
            &missing,
            400,
            &[&header, r##""__type":"com.amazonaws.sqs#QueueDoesNotExist""##],
        );
        check("sqs", Protocol::Query, &missing, 400, &[&format!("<Type>Sender</Type><Code>{code}</Code>")]);
        let missing = ServiceError::new("NoSuchKey", 404, "gone").with_field("Key", "a&b");
        check(
            "s3",
            Protocol::RestXml,
            &missing,
            404,
            &[
                "<Error><Code>NoSuchKey</Code><Message>gone</Message><Key>a&amp;b</Key><RequestId>id-1</RequestId>",
            ],
        );
        let missing = ServiceError::new("NoSuchEntity", 404, "no role");
        check(
            "iam",
            Protocol::Query,
            &missing,
            404,
            &[
                "<Code>NoSuchEntity</Code><Message>no role</Message></Error><RequestId>id-1</RequestId></ErrorResponse>",
            ],
        );
    }
}
