//! serverless.yml: discovery, variables, schema and the [`Service`] that everything else works on.
//!
//! Calls no cloud: what needs one is asked for through a trait that the binary fills.

mod service;

pub use service::{Service, Spans};
