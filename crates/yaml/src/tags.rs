//! Tags: YAML's own, and CloudFormation's short forms, a fixed list. Any other tag is a mistake.

use crate::{Entry, Kind, Node, scalar};
use aloft_diag::Span;
use serde_json::Value;

/// The short tags that have a long form; `Transform` is not among them in the original either.
pub(crate) const FUNCTIONS: &[&str] = &[
    "And",
    "Base64",
    "Cidr",
    "Condition",
    "Equals",
    "FindInMap",
    "GetAZs",
    "GetAtt",
    "If",
    "ImportValue",
    "Join",
    "Not",
    "Or",
    "Ref",
    "Select",
    "Split",
    "Sub",
];

/// What a tag asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tag {
    /// A CloudFormation function's name.
    Function(String),
    /// One of YAML's own types, such as `str`, or `!` alone, which means text.
    Core(String),
}

impl Tag {
    /// The tag of a handle and a suffix, or how the unknown tag is written.
    pub(crate) fn new(handle: &str, suffix: &str) -> Result<Self, String> {
        const CORE: &[&str] = &["str", "int", "float", "bool", "null", "map", "seq", "set", "timestamp"];
        match (handle, suffix) {
            ("tag:yaml.org,2002:", name) if CORE.contains(&name) => Ok(Self::Core(name.to_owned())),
            ("", "!") => Ok(Self::Core("str".to_owned())),
            ("!", name) if FUNCTIONS.contains(&name) => Ok(Self::Function(name.to_owned())),
            ("!", "!") | ("!", "") => Ok(Self::Core("str".to_owned())),
            _ => Err(format!("unknown tag !<{handle}{suffix}>")),
        }
    }

    /// The tagged scalar; an error when the text does not fit the type.
    pub(crate) fn apply_to_scalar(&self, text: &str, is_plain: bool, span: Span) -> Result<Node, String> {
        let wrong =
            |name: &str| format!("cannot resolve a node with !<tag:yaml.org,2002:{name}> explicit tag");
        let value = match self {
            Self::Function(_) if is_plain && text.is_empty() => Value::Null,
            Self::Function(_) => Value::String(text.to_owned()),
            Self::Core(name) => match name.as_str() {
                "str" => Value::String(text.to_owned()),
                "int" | "float" => scalar::number(text).ok_or_else(|| wrong(name))?,
                "timestamp" => scalar::date(text).map(Value::String).ok_or_else(|| wrong(name))?,
                "bool" => Some(scalar::resolve(text)).filter(Value::is_boolean).ok_or_else(|| wrong(name))?,
                "null" => Some(scalar::resolve(text)).filter(Value::is_null).ok_or_else(|| wrong(name))?,
                _ => return Err(format!("unacceptable node kind for !<tag:yaml.org,2002:{name}> tag")),
            },
        };
        Ok(self.wrap(Node { span, kind: Kind::Scalar(value) }))
    }

    /// The tagged list or map.
    pub(crate) fn apply_to_collection(&self, node: Node) -> Result<Node, String> {
        match (self, &node.kind) {
            (Self::Core(name), Kind::Sequence(_)) if name == "seq" => Ok(node),
            (Self::Core(name), Kind::Mapping(_)) if name == "map" || name == "set" => Ok(node),
            (Self::Core(name), _) => {
                Err(format!("unacceptable node kind for !<tag:yaml.org,2002:{name}> tag"))
            }
            (Self::Function(_), _) => Ok(self.wrap(node)),
        }
    }

    /// `{Fn::X: node}` for functions.
    fn wrap(&self, node: Node) -> Node {
        let Self::Function(name) = self else { return node };
        let span = node.span;
        let argument = match node.kind {
            Kind::Scalar(Value::String(path)) if name == "GetAtt" => attribute(&path, span),
            kind => Node { span, kind },
        };
        let key =
            if matches!(name.as_str(), "Ref" | "Condition") { name.clone() } else { format!("Fn::{name}") };
        Node { span, kind: Kind::Mapping(vec![Entry { key, key_span: span, value: argument }]) }
    }
}

/// `A.B.C` as `[A, B.C]`.
fn attribute(path: &str, span: Span) -> Node {
    let (resource, name) = path.split_once('.').unwrap_or((path, ""));
    let text = |part: &str| Node { span, kind: Kind::Scalar(Value::String(part.to_owned())) };
    Node { span, kind: Kind::Sequence(vec![text(resource), text(name)]) }
}
