//! The bounds on a template.

/// The longest template, in bytes. Source: API Gateway's quotas.
pub const TEMPLATE: usize = 300 * 1024;
/// The most turns of one `#foreach`; it then ends quietly. Source: API Gateway's quotas.
pub const LOOP: usize = 1000;
/// The longest text, in bytes: API Gateway's largest payload.
pub const TEXT: usize = 10 * 1024 * 1024;
/// The most nodes and expressions that are evaluated.
pub(crate) const STEPS: usize = 1_000_000;
/// The most bytes that texts, lists and maps take, counted when they are made; long searches count as well.
pub(crate) const MEMORY: usize = 128 * 1024 * 1024;
/// The most values that all of the template's JSONPath queries look at.
pub(crate) const VISITS: usize = 5_000_000;
/// How deep blocks and expressions may lie in one another, and how deep macros may call.
pub(crate) const DEPTH: usize = 48;
