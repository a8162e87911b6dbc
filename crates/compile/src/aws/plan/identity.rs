//! Which resource of one template is which of the other, whatever each package calls anew.

use regex::Regex;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::LazyLock;

/// What is new in each package, and what stands for it here. Ids of versions and of WebSocket deployments are hashes of what
/// other resources say already.
static RANDOM: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    let patterns = [
        (r"\b\d{13}-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "<package>"),
        (r"LambdaVersion[0-9A-Za-z]{32,44}\b", "LambdaVersion<hash>"),
        (r"ApiGatewayDeployment\d{10,}\b", "ApiGatewayDeployment<time>"),
        (r"WebsocketsDeployment[0-9A-Za-z]{32,44}\b", "WebsocketsDeployment<hash>"),
        (r"(LambdaLayer(?:Permission)?)[0-9a-f]{40}\b", "${1}<hash>"),
    ];
    patterns.iter().filter_map(|(pattern, stands)| Some((Regex::new(pattern).ok()?, *stands))).collect()
});

/// A text without what is new in each package.
pub fn stable_text(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for (pattern, stands) in RANDOM.iter() {
        if pattern.is_match(&text) {
            text = Cow::Owned(pattern.replace_all(&text, *stands).into_owned());
        }
    }
    text
}

/// A value without what is new in each package.
pub fn stable(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let member = |(key, value): (&String, &Value)| (stable_text(key).into_owned(), stable(value));
            Value::Object(map.iter().map(member).collect())
        }
        Value::Array(items) => items.iter().map(stable).collect(),
        Value::String(text) => Value::String(stable_text(text).into_owned()),
        other => other.clone(),
    }
}

/// A resource of a template.
#[derive(Clone, Debug)]
pub struct Resource<'a> {
    /// Its logical id.
    pub id: &'a str,
    /// Its type.
    pub kind: &'a str,
    /// All of it, as the template has it.
    pub value: &'a Value,
}

impl<'a> Resource<'a> {
    /// Its properties without what is new in each package; an empty object when it has none.
    pub fn properties(&self) -> Value {
        self.value.get("Properties").map_or_else(|| json!({}), stable)
    }

    /// Another member of it.
    pub fn attribute(&self, name: &str) -> Option<Value> {
        self.value.get(name).map(stable)
    }

    /// Whether the ids differ only in what is new in each package.
    pub fn is_renewed(&self, old: &Resource<'_>) -> bool {
        self.id != old.id
    }

    /// The logical id of the function that this is a version of.
    pub fn version_of(&self) -> Option<&'a str> {
        let is_version = self.kind == "AWS::Lambda::Version";
        is_version.then(|| self.value.pointer("/Properties/FunctionName/Ref")?.as_str()).flatten()
    }

    /// The hash of the code of a version.
    pub fn code_hash(&self) -> Option<&'a str> {
        self.value.pointer("/Properties/CodeSha256")?.as_str()
    }

    /// The hash of a layer: at the end of its id, or in an output beside it.
    pub fn layer_hash(&self, template: &'a Value) -> Option<&'a str> {
        let output = template.get("Outputs")?.get(format!("{}Hash", self.id));
        match output.and_then(|output| output.get("Value")?.as_str()) {
            Some(hash) => Some(hash),
            None => self.id.len().checked_sub(40).and_then(|start| self.id.get(start..)),
        }
    }
}

/// The resources of a template, in its order.
pub fn resources(template: &Value) -> Vec<Resource<'_>> {
    let map = template.get("Resources").and_then(Value::as_object);
    map.into_iter()
        .flat_map(Map::iter)
        .map(|(id, value)| Resource {
            id,
            kind: value.get("Type").and_then(Value::as_str).unwrap_or("unknown"),
            value,
        })
        .collect()
}

/// For each new resource the place of the old one that it continues.
pub fn pairs(old: &[Resource<'_>], new: &[Resource<'_>]) -> BTreeMap<usize, usize> {
    let by_id: HashMap<&str, usize> = old.iter().enumerate().map(|(index, one)| (one.id, index)).collect();
    let mut pairs: BTreeMap<usize, usize> = BTreeMap::new();
    for (index, resource) in new.iter().enumerate() {
        if let Some(&kept) = by_id.get(resource.id) {
            pairs.insert(index, kept);
        }
    }
    let taken: HashSet<usize> = pairs.values().copied().collect();
    // Ids that hold something new in each package: paired with what is the same but for that.
    let mut families: HashMap<String, VecDeque<usize>> = HashMap::new();
    for (index, resource) in old.iter().enumerate().filter(|(index, _)| !taken.contains(index)) {
        families.entry(family(resource)).or_default().push_back(index);
    }
    for (index, resource) in new.iter().enumerate() {
        if !pairs.contains_key(&index)
            && let Some(kept) = families.get_mut(&family(resource)).and_then(VecDeque::pop_front)
        {
            pairs.insert(index, kept);
        }
    }
    pairs
}

fn family(resource: &Resource<'_>) -> String {
    format!("{} {}", resource.kind, stable_text(resource.id))
}
