//! Tags as most services take and give them: lists of `Key` and `Value`.

use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Tags by key.
pub(crate) type Tags = BTreeMap<String, String>;

/// A tag in an input.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    key: String,
    #[serde(default)]
    value: String,
}

/// Tags by key; of two with one key the last holds.
pub(crate) fn map(tags: Vec<Tag>) -> Tags {
    tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

/// Tags as a list of `Key` and `Value`.
pub(crate) fn list(tags: &Tags) -> Value {
    tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}
