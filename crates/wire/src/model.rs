//! An API model in memory: operations, and the shapes of what goes in and comes out.
//!
//! Built once from the JSON of `models/` by [`raw`], and read-only from then on. Not a protocol: how a shape is
//! written on the wire is the codecs' affair. Keeps true: every shape that a member names exists.

mod raw;

use crate::route::UriTemplate;
use crate::scalar::TimestampFormat;
use http::Method;
use std::sync::OnceLock;

/// A protocol in which a request may arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `application/x-amz-json-1.0` with `X-Amz-Target`.
    Json10,
    /// `application/x-amz-json-1.1` with `X-Amz-Target`.
    Json11,
    /// Form in, XML out.
    Query,
    /// Query as EC2 speaks it.
    Ec2Query,
    /// Method and path, JSON bodies.
    RestJson,
    /// Method and path, XML bodies.
    RestXml,
    /// Smithy's `rpc-v2-cbor`.
    RpcV2Cbor,
}

impl Protocol {
    /// Whether the operation is named by the method and the path.
    pub fn is_rest(self) -> bool {
        matches!(self, Self::RestJson | Self::RestXml)
    }
}

/// A service's API.
#[derive(Debug)]
pub struct Model {
    pub(crate) name: Box<str>,
    pub(crate) api_version: Box<str>,
    pub(crate) protocol: Protocol,
    pub(crate) target_prefix: Option<Box<str>>,
    pub(crate) signing_name: Box<str>,
    pub(crate) endpoint_prefix: Box<str>,
    pub(crate) xml_namespace: Option<Box<str>>,
    pub(crate) query_compatible: bool,
    pub(crate) operations: Vec<Operation>,
    shapes: Vec<Shape>,
}

/// The text is not a model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// It is not JSON of the expected form.
    #[error("the model cannot be read")]
    Json(#[from] serde_json::Error),
    /// A member names a shape that the model does not have.
    #[error("the model has no shape {0}")]
    UnknownShape(String),
    /// A word stands where the format defines others.
    #[error("the model says {0}, which is not known")]
    UnknownWord(String),
}

impl Model {
    /// Reads a model: botocore's `service-2.json`, or the reduced form of it that `models/` holds.
    ///
    /// # Errors
    /// When it is not JSON, or refers to what it does not define.
    pub fn parse(json: &str) -> Result<Self, ModelError> {
        raw::parse(json)
    }

    /// The operation of that name, such as `PutItem`.
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        let at = self.operations.binary_search_by(|operation| operation.name.as_ref().cmp(name)).ok()?;
        Some(&self.operations[at])
    }

    /// All operations, by name.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter()
    }

    /// The protocol that clients of this model use.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The service's name, as in [`crate::MODELS`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The API's version, such as `2012-08-10`.
    pub fn api_version(&self) -> &str {
        &self.api_version
    }

    /// What stands before the dot of `X-Amz-Target`, for the JSON protocols.
    pub fn target_prefix(&self) -> Option<&str> {
        self.target_prefix.as_deref()
    }

    /// The service's name in a signature's scope.
    pub fn signing_name(&self) -> &str {
        &self.signing_name
    }

    /// The first label of the service's host name.
    pub fn endpoint_prefix(&self) -> &str {
        &self.endpoint_prefix
    }

    pub(crate) fn shape(&self, member: &Member) -> &Shape {
        &self.shapes[member.shape as usize]
    }

    /// The structure behind a member; an empty one when it is of another kind.
    pub(crate) fn structure(&self, member: &Member) -> &Structure {
        static EMPTY: Structure = Structure::EMPTY;
        match &self.shape(member).kind {
            Kind::Structure(structure) => structure,
            _ => &EMPTY,
        }
    }

    /// The exception whose shape has that name, or whose query code it is.
    pub(crate) fn exception(&self, code: &str) -> Option<(&Shape, &Structure, &Exception)> {
        let exceptions = || {
            self.shapes.iter().filter_map(|shape| match &shape.kind {
                Kind::Structure(structure) => Some((shape, structure, structure.exception.as_deref()?)),
                _ => None,
            })
        };
        let by_name = exceptions().find(|(shape, ..)| shape.name.as_ref() == code);
        by_name.or_else(|| exceptions().find(|(.., exception)| exception.code.as_deref() == Some(code)))
    }
}

/// One call of an API.
#[derive(Debug)]
pub struct Operation {
    pub(crate) name: Box<str>,
    pub(crate) method: Method,
    pub(crate) uri: UriTemplate,
    pub(crate) response_code: u16,
    pub(crate) input: Option<Member>,
    pub(crate) output: Option<Member>,
    pub(crate) result_wrapper: Option<Box<str>>,
    pub(crate) deprecated: bool,
}

impl Operation {
    /// Its name, such as `PutItem`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The HTTP method that clients use.
    pub fn method(&self) -> &Method {
        &self.method
    }
}

/// Where a structure's member travels in a REST protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    Body,
    Header,
    Headers,
    QueryString,
    Uri,
    StatusCode,
}

/// A reference to a shape: a structure's member, a list's element, a map's key or value, an operation's side.
/// Traits that the reference does not set are those of its shape.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub name: Box<str>,
    pub shape: u32,
    pub location: Location,
    pub location_name: Option<Box<str>>,
    pub query_name: Option<Box<str>>,
    pub timestamp_format: Option<TimestampFormat>,
    pub namespace: Option<Box<Namespace>>,
    pub required: bool,
    pub flattened: bool,
    pub streaming: bool,
    pub xml_attribute: bool,
    pub json_value: bool,
    pub idempotency_token: bool,
}

impl Member {
    /// The name in headers, queries, JSON and XML.
    pub fn wire_name(&self) -> &str {
        self.location_name.as_deref().unwrap_or(&self.name)
    }

    /// The name that the model gives it beside its own, or else `other`.
    pub fn wire_name_or<'a>(&'a self, other: &'a str) -> &'a str {
        self.location_name.as_deref().unwrap_or(other)
    }

    /// The name in forms, and in the XML that answers them.
    pub fn query_name(&self) -> &str {
        self.query_name.as_deref().unwrap_or_else(|| self.wire_name())
    }
}

/// An XML namespace declaration.
#[derive(Debug, Clone)]
pub(crate) struct Namespace {
    pub prefix: Option<Box<str>>,
    pub uri: Box<str>,
}

/// A type.
#[derive(Debug)]
pub(crate) struct Shape {
    pub name: Box<str>,
    pub kind: Kind,
    pub constraints: Option<Box<Constraints>>,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Structure(Structure),
    List(Box<Member>),
    Map(Box<(Member, Member)>),
    String,
    Integer,
    Float,
    Boolean,
    Blob,
    Timestamp,
}

#[derive(Debug)]
pub(crate) struct Structure {
    pub members: Vec<Member>,
    /// The member that alone is the HTTP body.
    pub payload: Option<usize>,
    pub union: bool,
    /// Any JSON value.
    pub document: bool,
    pub event_stream: bool,
    pub exception: Option<Box<Exception>>,
}

impl Structure {
    pub const EMPTY: Self = Self {
        members: Vec::new(),
        payload: None,
        union: false,
        document: false,
        event_stream: false,
        exception: None,
    };

    /// The member that alone is the HTTP body.
    pub fn payload(&self) -> Option<&Member> {
        self.payload.map(|at| &self.members[at])
    }

    /// The members that a body document carries: all that are bound nowhere else.
    pub fn body_members(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.location == Location::Body)
    }
}

/// What makes a structure an error.
#[derive(Debug)]
pub(crate) struct Exception {
    /// The code in the query protocol, where it is not the shape's name.
    pub code: Option<Box<str>>,
    pub status: Option<u16>,
}

/// What a value must satisfy.
#[derive(Debug, Default)]
pub(crate) struct Constraints {
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub pattern: Option<Box<str>>,
    pub values: Vec<Box<str>>,
    /// The pattern compiled at its first use; `None` where it is beyond what [`regex`] can say.
    pub compiled: OnceLock<Option<regex::Regex>>,
}
