//! The service: the configuration with its variables resolved, validated and coerced, as plain data.
//!
//! Not a typed mirror of the schema: the original's plugins and compilers meet plain objects, user mistakes that are only
//! warned about included, and so do ours. Keeps true: key order is the file's.

use aloft_diag::{SourceMap, Span};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// A loaded service.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// `service:`.
    pub name: String,
    /// The service directory, which paths in the configuration are relative to.
    pub directory: PathBuf,
    /// The configuration file's name in the directory, such as `serverless.yml`.
    pub file_name: String,
    /// `--stage`, else `provider.stage`, else `dev`.
    pub stage: String,
    /// `--region`, else `provider.region`, else `us-east-1`.
    pub region: String,
    /// Milliseconds since the epoch as text: names what must be new in each deploy (`${sls:instanceId}`).
    pub instance_id: String,
    /// The options given on the command line, by their long names.
    pub options: Map<String, Value>,
    /// The whole resolved configuration with the original's defaults filled in (`provider.stage`, `provider.region`,
    /// `provider.versionFunctions`, `functions.<key>.name`, `functions.<key>.events`, ...). `functions` given as a list is merged to a map.
    pub config: Map<String, Value>,
    /// Where each value stands in the files.
    pub spans: Spans,
    /// The texts that spans point into.
    pub sources: SourceMap,
}

impl Service {
    /// `provider`.
    pub fn provider(&self) -> &Map<String, Value> {
        self.section("provider")
    }

    /// `functions`, in the file's order; each value is an object.
    pub fn functions(&self) -> &Map<String, Value> {
        self.section("functions")
    }

    /// `package`.
    pub fn package(&self) -> &Map<String, Value> {
        self.section("package")
    }

    /// A top-level section; an empty object when it is missing or no object.
    pub fn section(&self, name: &str) -> &Map<String, Value> {
        static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        self.config.get(name).and_then(Value::as_object).unwrap_or(&EMPTY)
    }

    /// The value at a path of keys and indices.
    pub fn at(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.config.get(*first)?, |value, key| match value {
            Value::Object(map) => map.get(*key),
            Value::Array(list) => list.get(key.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// Where the value at a dotted path (`functions.hello.events.0`) stands, or its nearest ancestor that stands anywhere.
    pub fn span(&self, path: &str) -> Option<Span> {
        self.spans.nearest(path)
    }
}

/// Places of values by dotted path.
#[derive(Clone, Debug, Default)]
pub struct Spans(pub HashMap<Arc<str>, Span>);

impl Spans {
    /// The place of the path or of its nearest ancestor.
    pub fn nearest(&self, path: &str) -> Option<Span> {
        let mut path = path;
        loop {
            if let Some(span) = self.0.get(path) {
                return Some(*span);
            }
            path = path.rsplit_once('.')?.0;
        }
    }
}
