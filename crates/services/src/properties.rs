//! Reading the properties of a CloudFormation resource, which come as YAML left them: numbers and truths may be text.

use aloft_engine::ResourceContext;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A property as text, whatever scalar it is; documents are written as JSON.
pub(crate) fn text(properties: &Value, name: &str) -> Option<String> {
    as_text(properties.get(name)?)
}

/// A value as text.
pub(crate) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Whether a property says true.
pub(crate) fn truth(properties: &Value, name: &str) -> bool {
    text(properties, name).as_deref() == Some("true")
}

/// The items of a property that is a list.
pub(crate) fn list<'a>(properties: &'a Value, name: &str) -> &'a [Value] {
    properties.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The tags of the stack, with those of the resource's own `Tags` (a list of `Key` and `Value`) over them.
pub(crate) fn tags(resource: &ResourceContext, properties: &Value) -> BTreeMap<String, String> {
    let stack = resource.tags.iter().filter_map(|(key, value)| Some((key.clone(), as_text(value)?)));
    let own =
        list(properties, "Tags").iter().filter_map(|tag| Some((text(tag, "Key")?, text(tag, "Value")?)));
    stack.chain(own).collect()
}

/// Attributes for `Fn::GetAtt`.
pub(crate) fn attributes<const N: usize>(pairs: [(&str, &str); N]) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}
