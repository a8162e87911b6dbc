//! Velocity as API Gateway runs mapping templates.
//!
//! Velocity 1.7's grammar and rendering, white space included, with API Gateway's two changes: a reference that leads
//! nowhere is the empty text (so it renders as nothing and is true in an `#if`), and the context is `$input`, `$util`,
//! `$context` and `$stageVariables`. No `#parse`, `#include` or `#evaluate`, and no Java objects but texts, numbers,
//! booleans, lists and maps.
//! Keeps true: the template's depth, the loops, the steps, the memory and the output are bounded (see [`limits`]).
//! Sources: "Mapping template reference" in the API Gateway developer guide, the Velocity 1.7 user guide.

mod arithmetic;
mod collections;
mod expression;
mod gateway;
mod java;
pub mod limits;
mod node;
mod parser;
mod reference;
mod render;
mod scanner;
mod strings;
#[cfg(test)]
mod tests;
mod value;

use serde_json::{Map, Value as Json};

/// What a template can see.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// `$input.body`, and the document that `$input.path` and `$input.json` read.
    pub body: String,
    /// `$input.params(..)`
    pub params: Params,
    /// `$stageVariables`
    pub stage_variables: Map<String, Json>,
    /// `$context`: an object; `requestOverride` and `responseOverride` are added.
    pub context: Json,
    /// Further variables by name, without the `$`.
    pub variables: Map<String, Json>,
}

/// The request's parameters by place.
#[derive(Clone, Debug, Default)]
pub struct Params {
    /// Of the path.
    pub path: Map<String, Json>,
    /// Of the query string.
    pub querystring: Map<String, Json>,
    /// The headers.
    pub header: Map<String, Json>,
}

/// What a template gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rendered {
    /// The text.
    pub text: String,
    /// What it wrote to `$context.requestOverride` and `$context.responseOverride`.
    pub overrides: Overrides,
}

/// The changes that a template asks for beside its text. Source: "Override your API's request and response parameters
/// and status codes" in the developer guide.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// `$context.requestOverride.path`
    pub request_path: Map<String, Json>,
    /// `$context.requestOverride.querystring`
    pub request_querystring: Map<String, Json>,
    /// `$context.requestOverride.header`
    pub request_header: Map<String, Json>,
    /// `$context.responseOverride.header`
    pub response_header: Map<String, Json>,
    /// `$context.responseOverride.status`
    pub response_status: Option<u16>,
}

/// Why a template cannot be rendered. API Gateway answers 500 `Internal Server Error` to it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VtlError {
    /// The template is malformed.
    #[error("line {line}: {reason}")]
    Syntax {
        /// From 1.
        line: usize,
        /// What was expected.
        reason: String,
    },
    /// A method was called in a way that fails, such as an index out of bounds.
    #[error("{0}")]
    Evaluation(String),
    /// The template takes too many steps or too much memory.
    #[error("the template exceeds the limit of {0}")]
    Limit(&'static str),
}

/// Renders a template.
///
/// # Errors
/// The template is malformed, a method fails, or a limit is reached.
pub fn render(template: &str, context: &Context) -> Result<Rendered, VtlError> {
    let parsed = parser::parse(template)?;
    render::Renderer::new(context, &parsed)?.run(&parsed)
}
