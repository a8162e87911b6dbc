//! The names of parameters: what they may be, and what callers write for them.
//!
//! A caller may write a name or an ARN, followed by a version or a label after a colon.

use super::rows::invalid;
use aloft_engine::{Context, ServiceError};

/// The levels of a hierarchy.
const MAX_LEVELS: usize = 15;

/// A parameter as a caller names it.
#[derive(Debug, PartialEq)]
pub(super) struct Named {
    /// The parameter.
    pub name: String,
    /// The version's number, or a label.
    pub selector: Option<String>,
}

/// Takes a name or an ARN apart.
pub(super) fn read(context: &Context, text: &str) -> Named {
    let arns = context.arn("ssm", "parameter").to_string();
    let (name, is_arn) = match text.strip_prefix(&arns) {
        Some(path) if path.starts_with('/') => (path, true),
        _ => (text, false),
    };
    let (name, selector) = match name.split_once(':') {
        Some((name, selector)) => (name, Some(selector.to_owned())),
        None => (name, None),
    };
    // An ARN does not say whether the name begins with a slash: those with a slash inside do.
    let inner = name.trim_start_matches('/');
    let name = if is_arn && !inner.contains('/') { inner } else { name };
    Named { name: name.to_owned(), selector }
}

/// Refuses a name that no parameter can have.
///
/// Source: the rules for names in the reference of `PutParameter`.
pub(super) fn check(name: &str) -> Result<(), ServiceError> {
    let is_allowed = |it: char| it.is_ascii_alphanumeric() || "._-/".contains(it);
    if !name.chars().all(is_allowed) || name.ends_with('/') || name.contains("//") {
        return Err(invalid(
            "Parameter name must be a fully qualified name, and may hold only letters, numbers and the symbols .-_ \
             with slashes between the levels of a hierarchy",
        ));
    }
    if name.contains('/') && !name.starts_with('/') {
        return Err(invalid("Parameter name must be a fully qualified name."));
    }
    if name.trim_start_matches('/').split('/').count() > MAX_LEVELS {
        let message =
            "A hierarchy can have a maximum of 15 levels. Specify a parameter name with fewer levels.";
        return Err(ServiceError::new("HierarchyLevelLimitExceededException", 400, message));
    }
    let lower = name.to_lowercase();
    let first = lower.trim_start_matches('/').split('/').next().unwrap_or_default();
    if first.starts_with("aws") && name.starts_with('/') {
        let message = format!("No access to reserved parameter name: {name}.");
        return Err(ServiceError::new("AccessDeniedException", 400, message));
    }
    if first.starts_with("aws") || first.starts_with("ssm") {
        return Err(invalid("Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive)."));
    }
    Ok(())
}

/// Whether a name lies below a path: at once, or at any depth.
pub(super) fn is_below(name: &str, path: &str, at_any_depth: bool) -> bool {
    let path = path.trim_end_matches('/');
    match name.strip_prefix(path).and_then(|rest| rest.strip_prefix('/')) {
        Some(rest) => !rest.is_empty() && (at_any_depth || !rest.contains('/')),
        // A name without a slash lies at the root.
        None => path.is_empty() && !name.contains('/'),
    }
}
