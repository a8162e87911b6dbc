//! `${...}` in values: resolved in place, type-preserving, with fallbacks, and all mistakes collected.
//!
//! Knows neither clouds nor files of the command line: a cloud is asked through [`CloudVariables`]. Keeps true: resolution
//! ends, whatever refers to whatever.

mod cloud;
mod parse;
mod resolve;
pub(crate) mod text;
pub(crate) mod trace;
mod tree;

mod aws;
mod cf;
mod env;
mod file;
mod opt;
mod param;
mod s3;
mod self_;
mod sls;
mod ssm;
mod str_to_bool;

pub use cloud::{CloudVariables, SsmParameter};
pub(crate) use parse::javascript_number;
pub(crate) use resolve::Resolver;

use serde_json::{Map, Value};
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;

/// Every source there is, by name.
const SOURCES: &[Source] = &[
    Source { name: "aws", since: Phase::Cloud, resolve: aws::resolve },
    Source { name: "cf", since: Phase::Cloud, resolve: cf::resolve },
    Source { name: "env", since: Phase::Core, resolve: env::resolve },
    Source { name: "file", since: Phase::Core, resolve: file::resolve },
    Source { name: "opt", since: Phase::Core, resolve: opt::resolve },
    Source { name: "param", since: Phase::Service, resolve: param::resolve },
    Source { name: "s3", since: Phase::Cloud, resolve: s3::resolve },
    Source { name: "self", since: Phase::Core, resolve: self_::resolve },
    Source { name: "sls", since: Phase::Core, resolve: sls::resolve },
    Source { name: "ssm", since: Phase::Cloud, resolve: ssm::resolve },
    Source { name: "strToBool", since: Phase::Core, resolve: str_to_bool::resolve },
];

/// The names of all sources.
pub(crate) fn source_names() -> impl Iterator<Item = &'static str> {
    SOURCES.iter().map(|source| source.name)
}

/// One source of values.
struct Source {
    /// What stands after `${`.
    name: &'static str,
    /// The phase from which on it can be asked.
    since: Phase,
    /// The value for params and an address.
    resolve: fn(&mut Request<'_, '_>) -> Result<Found, SourceError>,
}

/// The original resolves in phases, and what a variable may refer to depends on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Before the service is known.
    Core,
    /// The service is known, options are final.
    Service,
    /// The cloud can be asked.
    Cloud,
}

/// What variables may look at besides the configuration.
pub(crate) struct Context<'a> {
    /// What paths are relative to.
    pub directory: PathBuf,
    /// Those options that the command knows, missing ones as null.
    pub options: Map<String, Value>,
    /// Environment variables, those of `.env` files included once they are read.
    pub environment: HashMap<String, String>,
    /// `${sls:instanceId}`.
    pub instance_id: String,
    /// Whom to ask for what only a cloud knows.
    pub cloud: Option<&'a dyn CloudVariables>,
}

impl Context<'_> {
    /// An option that was given and is not empty.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).and_then(Value::as_str).filter(|value| !value.is_empty())
    }
}

/// What a source is asked.
struct Request<'r, 'a> {
    resolver: &'r mut Resolver<'a>,
    /// The property that the variable stands in, its keys joined by NUL.
    path: &'r str,
    params: Option<Vec<Value>>,
    address: Option<Value>,
}

impl Request<'_, '_> {
    /// The address, which this source cannot do without.
    fn address(&self, source: &str) -> Result<String, SourceError> {
        match &self.address {
            None | Some(Value::Null) => {
                Err(SourceError::Text(format!("Missing address argument in variable \"{source}\" source")))
            }
            Some(value) => match text::coerce(value) {
                Some(text) if text.is_empty() => Err(SourceError::Text(format!(
                    "Missing address argument in variable \"{source}\" source"
                ))),
                Some(text) => Ok(text),
                None => Err(SourceError::Text(format!(
                    "Non-string address argument in variable \"{source}\" source: {value}"
                ))),
            },
        }
    }

    /// A param, when it is there and is not null.
    fn param(&self, index: usize) -> Option<&Value> {
        self.params.as_ref()?.get(index).filter(|value| !value.is_null())
    }

    /// The region that a param names.
    fn region(&self) -> Option<String> {
        self.param(0).and_then(text::coerce)
    }

    /// The cloud, or why there is none.
    fn cloud(&self) -> Result<&dyn CloudVariables, SourceError> {
        let missing =
            || SourceError::Text("no cloud can be asked: this value is only known to AWS".to_owned());
        self.resolver.context.cloud.ok_or_else(missing)
    }

    /// A property of the configuration, resolved first.
    fn property(&mut self, keys: &[&str]) -> Result<Value, SourceError> {
        self.resolver.dependency(self.path, keys)
    }
}

/// What a source answers.
#[derive(Default)]
struct Found {
    /// The value; null lets the next alternative be asked.
    value: Value,
    /// Null may become a value in a later phase.
    is_pending: bool,
    /// What to say when nothing follows, instead of the usual sentence.
    missing: Option<String>,
}

impl From<Value> for Found {
    fn from(value: Value) -> Self {
        Self { value, ..Self::default() }
    }
}

/// Why a source cannot answer.
enum SourceError {
    /// It depends on what is not known in this phase.
    NotYet,
    /// What it depends on is wrong.
    Dependency(Rc<Failure>),
    /// The request is wrong.
    Text(String),
}

/// A variable that cannot be resolved.
#[derive(Debug, PartialEq)]
pub(crate) struct Failure {
    /// The original's sentence.
    pub message: String,
    /// The property it stands in, dotted.
    pub path: String,
}

impl Failure {
    /// A failure at a property; the sentence is put after the original's introduction.
    fn at(path: &str, what: &str) -> Rc<Self> {
        let path = text::dotted(path);
        Rc::new(Self { message: format!("Cannot resolve variable at \"{path}\": {what}"), path })
    }
}
