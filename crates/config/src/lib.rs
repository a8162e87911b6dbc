//! serverless.yml: discovery, variables, schema and the [`Service`] that everything else works on.
//!
//! Calls no cloud: what needs one is asked for through a trait that the binary fills.

mod deprecations;
mod dotenv;
pub mod explain;
mod load;
mod locate;
mod nearest;
mod normalize;
mod options;
mod places;
pub mod print;
pub mod schema;
mod script;
mod service;
mod variables;
mod version;

pub use load::{LoadError, LoadRequest, Loaded, load};
pub use locate::find;
pub use nearest::nearest;
pub use service::{Service, Spans};
pub use variables::{CloudVariables, SsmParameter};
