//! The model's JSON as it is written, and its turning into a [`Model`].
//!
//! Borrows from the text while it is read, so that a model costs little more than what is kept of it.

use super::{
    Constraints, Exception, Kind, Location, Member, Model, ModelError, Namespace, Operation, Protocol, Shape,
    Structure,
};
use crate::route::UriTemplate;
use crate::scalar::TimestampFormat;
use http::Method;
use indexmap::IndexMap;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::HashMap;

type Text<'a> = Cow<'a, str>;

#[derive(Deserialize)]
struct RawModel<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    metadata: Metadata<'a>,
    operations: IndexMap<Text<'a>, RawOperation<'a>>,
    shapes: IndexMap<Text<'a>, RawShape<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow)]
    api_version: Option<Text<'a>>,
    aws_query_compatible: Option<serde::de::IgnoredAny>,
    endpoint_prefix: Option<Text<'a>>,
    json_version: Option<Text<'a>>,
    protocol: Text<'a>,
    signing_name: Option<Text<'a>>,
    target_prefix: Option<Text<'a>>,
    xml_namespace: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct RawOperation<'a> {
    #[serde(borrow, default)]
    http: Http<'a>,
    input: Option<Reference<'a>>,
    output: Option<Reference<'a>>,
    #[serde(default)]
    deprecated: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Http<'a> {
    #[serde(borrow)]
    method: Option<Text<'a>>,
    request_uri: Option<Text<'a>>,
    response_code: Option<u16>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference<'a> {
    #[serde(borrow)]
    shape: Text<'a>,
    #[serde(default)]
    flattened: bool,
    #[serde(default)]
    idempotency_token: bool,
    #[serde(default)]
    jsonvalue: bool,
    location: Option<Text<'a>>,
    location_name: Option<Text<'a>>,
    query_name: Option<Text<'a>>,
    result_wrapper: Option<Text<'a>>,
    #[serde(default)]
    streaming: bool,
    timestamp_format: Option<Text<'a>>,
    #[serde(default)]
    xml_attribute: bool,
    xml_namespace: Option<RawNamespace<'a>>,
}

/// Older models write a bare address.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawNamespace<'a> {
    Address(#[serde(borrow)] Text<'a>),
    Full {
        #[serde(borrow)]
        uri: Text<'a>,
        prefix: Option<Text<'a>>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawShape<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    members: Option<IndexMap<Text<'a>, Reference<'a>>>,
    #[serde(default)]
    required: Vec<Text<'a>>,
    member: Option<Reference<'a>>,
    key: Option<Reference<'a>>,
    value: Option<Reference<'a>>,
    #[serde(rename = "enum", default)]
    values: Vec<Text<'a>>,
    min: Option<f64>,
    max: Option<f64>,
    pattern: Option<Text<'a>>,
    payload: Option<Text<'a>>,
    error: Option<RawError<'a>>,
    #[serde(default)]
    exception: bool,
    #[serde(default)]
    flattened: bool,
    #[serde(default)]
    union: bool,
    #[serde(default)]
    document: bool,
    #[serde(default)]
    eventstream: bool,
    #[serde(default)]
    streaming: bool,
    location: Option<Text<'a>>,
    location_name: Option<Text<'a>>,
    result_wrapper: Option<Text<'a>>,
    timestamp_format: Option<Text<'a>>,
    xml_namespace: Option<RawNamespace<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawError<'a> {
    #[serde(borrow)]
    code: Option<Text<'a>>,
    http_status_code: Option<u16>,
}

pub(super) fn parse(json: &str) -> Result<Model, ModelError> {
    let raw: RawModel<'_> = serde_json::from_str(json)?;
    let index: HashMap<&str, u32> =
        raw.shapes.keys().zip(0..).map(|(name, at)| (name.as_ref(), at)).collect();
    let builder = Builder { raw: &raw, index };
    let mut shapes: Vec<Shape> =
        raw.shapes.iter().map(|(name, shape)| builder.shape(name, shape)).collect::<Result<_, _>>()?;
    let mut operations: Vec<Operation> = raw
        .operations
        .iter()
        .map(|(name, operation)| builder.operation(name, operation))
        .collect::<Result<_, _>>()?;
    operations.sort_by(|a, b| a.name.cmp(&b.name));
    unbind_answers(&operations, &mut shapes);
    let metadata = &raw.metadata;
    let endpoint_prefix = metadata.endpoint_prefix.as_deref().unwrap_or_default();
    Ok(Model {
        name: raw.name.as_deref().unwrap_or(endpoint_prefix).into(),
        api_version: metadata.api_version.as_deref().unwrap_or_default().into(),
        protocol: protocol(&metadata.protocol, metadata.json_version.as_deref())?,
        target_prefix: boxed(&metadata.target_prefix),
        signing_name: metadata.signing_name.as_deref().unwrap_or(endpoint_prefix).into(),
        endpoint_prefix: endpoint_prefix.into(),
        xml_namespace: boxed(&metadata.xml_namespace),
        query_compatible: metadata.aws_query_compatible.is_some(),
        operations,
        shapes,
    })
}

/// An answer has neither a path nor a query: what is bound to them there travels in its body.
fn unbind_answers(operations: &[Operation], shapes: &mut [Shape]) {
    let inputs: Vec<u32> =
        operations.iter().filter_map(|operation| Some(operation.input.as_ref()?.shape)).collect();
    for output in operations.iter().filter_map(|operation| operation.output.as_ref()) {
        if let (Kind::Structure(structure), false) =
            (&mut shapes[output.shape as usize].kind, inputs.contains(&output.shape))
        {
            let bound =
                |member: &&mut Member| matches!(member.location, Location::QueryString | Location::Uri);
            structure.members.iter_mut().filter(bound).for_each(|member| member.location = Location::Body);
        }
    }
}

fn protocol(word: &str, json_version: Option<&str>) -> Result<Protocol, ModelError> {
    Ok(match word {
        "json" if json_version == Some("1.1") => Protocol::Json11,
        "json" => Protocol::Json10,
        "query" => Protocol::Query,
        "ec2" => Protocol::Ec2Query,
        "rest-json" => Protocol::RestJson,
        "rest-xml" => Protocol::RestXml,
        "smithy-rpc-v2-cbor" => Protocol::RpcV2Cbor,
        other => return Err(ModelError::UnknownWord(other.to_owned())),
    })
}

fn boxed(text: &Option<Text<'_>>) -> Option<Box<str>> {
    text.as_deref().map(Into::into)
}

struct Builder<'r, 'a> {
    raw: &'r RawModel<'a>,
    index: HashMap<&'r str, u32>,
}

impl Builder<'_, '_> {
    fn operation(&self, name: &str, raw: &RawOperation<'_>) -> Result<Operation, ModelError> {
        let method = raw.http.method.as_deref().unwrap_or("POST");
        let output = raw.output.as_ref();
        let target = output.and_then(|output| self.raw.shapes.get(output.shape.as_ref()));
        Ok(Operation {
            name: name.into(),
            method: Method::from_bytes(method.as_bytes())
                .map_err(|_| ModelError::UnknownWord(method.to_owned()))?,
            uri: UriTemplate::parse(raw.http.request_uri.as_deref().unwrap_or("/")),
            response_code: raw.http.response_code.unwrap_or(200),
            input: raw.input.as_ref().map(|input| self.root(input)).transpose()?,
            output: output.map(|output| self.root(output)).transpose()?,
            result_wrapper: output
                .and_then(|output| boxed(&output.result_wrapper))
                .or_else(|| boxed(&target?.result_wrapper)),
            deprecated: raw.deprecated,
        })
    }

    /// An operation's side: the name that a structure gives itself is that of its document.
    fn root(&self, raw: &Reference<'_>) -> Result<Member, ModelError> {
        let mut member = self.member("", raw, false)?;
        member.location_name =
            boxed(&self.raw.shapes[member.shape as usize].location_name).or(member.location_name);
        Ok(member)
    }

    fn shape(&self, name: &str, raw: &RawShape<'_>) -> Result<Shape, ModelError> {
        let kind = match raw.kind.as_ref() {
            "structure" => Kind::Structure(self.structure(raw)?),
            "list" => Kind::List(Box::new(self.part(name, "member", raw.member.as_ref())?)),
            "map" => Kind::Map(Box::new((
                self.part(name, "key", raw.key.as_ref())?,
                self.part(name, "value", raw.value.as_ref())?,
            ))),
            "string" | "character" => Kind::String,
            "integer" | "long" | "short" | "byte" | "bigInteger" => Kind::Integer,
            "float" | "double" | "bigDecimal" => Kind::Float,
            "boolean" => Kind::Boolean,
            "blob" => Kind::Blob,
            "timestamp" => Kind::Timestamp,
            other => return Err(ModelError::UnknownWord(other.to_owned())),
        };
        let constrained =
            raw.min.is_some() || raw.max.is_some() || raw.pattern.is_some() || !raw.values.is_empty();
        let constraints = constrained.then(|| {
            Box::new(Constraints {
                min: raw.min,
                max: raw.max,
                pattern: boxed(&raw.pattern),
                values: raw.values.iter().map(|value| value.as_ref().into()).collect(),
                ..Constraints::default()
            })
        });
        Ok(Shape { name: name.into(), kind, constraints })
    }

    fn structure(&self, raw: &RawShape<'_>) -> Result<Structure, ModelError> {
        let mut members = Vec::with_capacity(raw.members.as_ref().map_or(0, IndexMap::len));
        for (name, reference) in raw.members.iter().flatten() {
            members.push(self.member(name, reference, raw.required.contains(name))?);
        }
        let exception = raw.exception.then(|| {
            let error = raw.error.as_ref();
            Box::new(Exception {
                code: error.and_then(|error| boxed(&error.code)),
                status: error.and_then(|error| error.http_status_code),
            })
        });
        let payload =
            raw.payload.as_deref().and_then(|name| members.iter().position(|member| &*member.name == name));
        if let Some(payload) = payload.map(|at| &mut members[at]) {
            let own = boxed(&self.raw.shapes[payload.shape as usize].location_name);
            payload.location_name = payload.location_name.take().or(own);
        }
        Ok(Structure {
            members,
            payload,
            union: raw.union,
            document: raw.document,
            event_stream: raw.eventstream,
            exception,
        })
    }

    fn part(&self, shape: &str, name: &str, raw: Option<&Reference<'_>>) -> Result<Member, ModelError> {
        self.member(name, raw.ok_or_else(|| ModelError::UnknownShape(format!("{shape}.{name}")))?, false)
    }

    fn member(&self, name: &str, raw: &Reference<'_>, required: bool) -> Result<Member, ModelError> {
        let unknown = || ModelError::UnknownShape(raw.shape.to_string());
        let shape = *self.index.get(raw.shape.as_ref()).ok_or_else(unknown)?;
        let target = &self.raw.shapes[shape as usize];
        let format = raw.timestamp_format.as_deref().or(target.timestamp_format.as_deref());
        Ok(Member {
            name: name.into(),
            shape,
            location: location(raw.location.as_deref().or(target.location.as_deref()))?,
            // A structure's own name is that of a document, see `root`.
            location_name: boxed(&raw.location_name)
                .or_else(|| boxed(&target.location_name).filter(|_| target.kind != "structure")),
            query_name: boxed(&raw.query_name),
            timestamp_format: format.map(timestamp_format).transpose()?,
            namespace: raw.xml_namespace.as_ref().or(target.xml_namespace.as_ref()).map(namespace),
            required,
            flattened: raw.flattened || target.flattened,
            streaming: raw.streaming || target.streaming,
            xml_attribute: raw.xml_attribute,
            json_value: raw.jsonvalue,
            idempotency_token: raw.idempotency_token,
        })
    }
}

fn location(word: Option<&str>) -> Result<Location, ModelError> {
    Ok(match word {
        None => Location::Body,
        Some("header") => Location::Header,
        Some("headers") => Location::Headers,
        Some("querystring") => Location::QueryString,
        Some("uri") => Location::Uri,
        Some("statusCode") => Location::StatusCode,
        Some(other) => return Err(ModelError::UnknownWord(other.to_owned())),
    })
}

fn timestamp_format(word: &str) -> Result<TimestampFormat, ModelError> {
    Ok(match word {
        "iso8601" => TimestampFormat::Iso8601,
        "rfc822" => TimestampFormat::HttpDate,
        "unixTimestamp" => TimestampFormat::Epoch,
        other => return Err(ModelError::UnknownWord(other.to_owned())),
    })
}

fn namespace(raw: &RawNamespace<'_>) -> Box<Namespace> {
    Box::new(match raw {
        RawNamespace::Address(uri) => Namespace { prefix: None, uri: uri.as_ref().into() },
        RawNamespace::Full { uri, prefix } => Namespace { prefix: boxed(prefix), uri: uri.as_ref().into() },
    })
}
