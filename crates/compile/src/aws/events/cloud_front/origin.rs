//! The origins of a distribution.

use crate::aws::context::{Context, Event};
use crate::aws::naming;
use crate::aws::values::{display, get, stringify};
use aloft_diag::Diagnostic;
use serde_json::{Map, Value, json};

/// All origins, each once.
#[derive(Default)]
pub struct Origins {
    list: Vec<Map<String, Value>>,
    /// The id of the one that is said to be the default.
    default: Option<String>,
}

impl Origins {
    /// Adds the origin of an event, or extends the one of the same id, and says its id.
    ///
    /// # Errors
    /// `CLOUDFRONT_MULTIPLE_DEFAULT_ORIGIN_EVENTS`.
    pub fn add(&mut self, context: &Context<'_>, event: Event<'_>) -> Result<String, Diagnostic> {
        let mut origin = match event.get("origin") {
            Some(Value::Object(settings)) => settings.clone(),
            Some(address) => from_address(&display(address)),
            None => Map::new(),
        };
        let id = id(&origin);
        origin.insert("Id".to_owned(), json!(id));
        match self.list.iter_mut().find(|known| known.get("Id") == Some(&json!(id))) {
            Some(known) => extend(known, &origin),
            None => self.list.push(origin),
        }
        if event.truthy("isDefaultOrigin").is_some() {
            if self.default.as_ref().is_some_and(|default| *default != id) {
                return Err(context
                    .error(
                        "CLOUDFRONT_MULTIPLE_DEFAULT_ORIGIN_EVENTS",
                        "Found more than one cloudfront event with \"isDefaultOrigin\" defined",
                        &format!("{}.isDefaultOrigin", event.path()),
                    )
                    .help("leave `isDefaultOrigin: true` at one origin"));
            }
            self.default = Some(id.clone());
        }
        Ok(id)
    }

    /// The id of the default: the one that says so, or the only one.
    pub fn default_id(&self) -> Option<String> {
        match (&self.default, self.list.as_slice()) {
            (Some(id), _) => Some(id.clone()),
            (None, [only]) => only.get("Id").map(display),
            _ => None,
        }
    }

    pub fn list(self) -> Vec<Map<String, Value>> {
        self.list
    }
}

/// `s3://bucket.s3.amazonaws.com/path` or `https://host/path`.
fn from_address(address: &str) -> Map<String, Value> {
    let (protocol, rest) = address.split_once("://").unwrap_or(("", address));
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let host = authority.rsplit('@').next().unwrap_or(authority).split(':').next().unwrap_or(authority);
    let path = path.split(['?', '#']).next().unwrap_or(path);
    let mut origin = Map::new();
    let host = if protocol.is_empty() { Value::Null } else { json!(host.to_lowercase()) };
    origin.insert("DomainName".to_owned(), host);
    if path.len() > 1 {
        origin.insert("OriginPath".to_owned(), json!(path));
    }
    if protocol == "s3" {
        origin.insert("S3OriginConfig".to_owned(), json!({}));
    } else {
        origin.insert("CustomOriginConfig".to_owned(), json!({ "OriginProtocolPolicy": "match-viewer" }));
    }
    origin
}

fn id(origin: &Map<String, Value>) -> String {
    let kind = if get(origin, "S3OriginConfig").is_some() { "s3" } else { "custom" };
    let domain = match origin.get("DomainName") {
        Some(Value::String(name)) => name.clone(),
        Some(reference) => naming::plain(&stringify(reference)),
        None => String::new(),
    };
    format!("{kind}/{domain}{}", get(origin, "OriginPath").map(display).unwrap_or_default())
}

/// Keeps what is there; lists grow by what they lack. What is not there yet is not added.
pub fn extend(known: &mut Map<String, Value>, more: &Map<String, Value>) {
    for (key, value) in more {
        match (known.get_mut(key), value) {
            (Some(Value::Array(items)), value) => {
                let new = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
                for item in new {
                    if !items.contains(&item) {
                        items.push(item);
                    }
                }
            }
            (Some(Value::Object(inner)), Value::Object(value)) => extend(inner, value),
            _ => {}
        }
    }
}
