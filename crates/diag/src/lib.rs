//! What is told to a user about a mistake: where it stands, what is wrong and what to write instead.
//!
//! Knows texts and places in them, and no service. Keeps true: a [`Diagnostic`] can be made without IO, and
//! is rendered in one place for the terminal and for `--json`.

mod diagnostic;
mod render;
mod source;

pub use diagnostic::{Diagnostic, Label, Severity};
pub use render::{render, to_json};
pub use source::{SourceId, SourceMap, Span};
