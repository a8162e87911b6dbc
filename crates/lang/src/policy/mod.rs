//! IAM policies: parsing and deciding.
//!
//! Decides one set of policies by the rule "a denial wins, then a permission, else no". Which sets a call is held
//! against (identity, resource, boundary) is the caller's concern.
//! Keeps true: what a statement names that the request does not have never permits anything.
//! Source: "IAM JSON policy elements" and "Policy evaluation logic" in the IAM user guide.

mod condition;
mod parser;
mod principal;
#[cfg(test)]
mod tests;
mod wildcard;

pub use principal::Principal;

use condition::Conditions;
use principal::PrincipalTest;
use serde_json::{Map, Value};
use wildcard::Variables;

/// Why a policy is refused: the message of `MalformedPolicyDocument`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PolicyError {
    /// The service's text.
    pub message: String,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// `s3:GetObject`
    pub action: &'a str,
    /// The ARN that it is done to, or `*` for actions without a resource.
    pub resource: &'a str,
    /// Condition keys (`aws:SourceIp`) with a text, number, boolean, or a list of them.
    pub context: &'a Map<String, Value>,
}

/// The outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A statement permits it and none forbids it.
    Allow,
    /// A statement forbids it.
    ExplicitDeny,
    /// No statement speaks of it.
    ImplicitDeny,
}

/// A parsed policy.
#[derive(Clone, Debug)]
pub struct Policy {
    statements: Vec<Statement>,
    /// Only version 2012-10-17 has variables.
    has_variables: bool,
}

#[derive(Clone, Debug)]
struct Statement {
    allows: bool,
    principal: Option<PrincipalTest>,
    actions: Names,
    resources: Option<Names>,
    conditions: Conditions,
}

/// A list that includes, or with `Not` in front of its name excludes.
#[derive(Clone, Debug)]
struct Names {
    excludes: bool,
    patterns: Vec<String>,
}

impl Policy {
    /// Reads a policy document. A statement without a principal (an identity policy's) holds for everyone who asks;
    /// one without a resource (a trust policy's) must have a principal.
    ///
    /// # Errors
    /// With the service's message.
    pub fn parse(document: &Value) -> Result<Self, PolicyError> {
        parser::parse(document)
    }

    /// Reads a policy document from its text.
    ///
    /// # Errors
    /// The text is no JSON, or see [`Policy::parse`].
    pub fn parse_text(text: &str) -> Result<Self, PolicyError> {
        let document = serde_json::from_str(text)
            .map_err(|_| PolicyError { message: "Syntax errors in policy.".to_owned() })?;
        parser::parse(&document)
    }
}

/// Decides a request by some policies together.
pub fn evaluate<'p>(policies: impl IntoIterator<Item = &'p Policy>, request: &Request) -> Decision {
    let mut decision = Decision::ImplicitDeny;
    for policy in policies {
        let variables = Variables { context: request.context, enabled: policy.has_variables };
        for statement in policy.statements.iter().filter(|statement| statement.applies(request, &variables)) {
            if !statement.allows {
                return Decision::ExplicitDeny;
            }
            decision = Decision::Allow;
        }
    }
    decision
}

impl Statement {
    fn applies(&self, request: &Request, variables: &Variables) -> bool {
        let action =
            |pattern: &str| wildcard::matches(&pattern.to_lowercase(), &request.action.to_lowercase());
        let resource = |pattern: &str| variables.matches_arn(pattern, request.resource);
        self.principal.as_ref().is_none_or(|test| test.accepts(request.principal))
            && self.actions.accepts(action)
            && self.resources.as_ref().is_none_or(|names| names.accepts(resource))
            && self.conditions.hold(variables)
    }
}

impl Names {
    fn accepts(&self, matches: impl Fn(&str) -> bool) -> bool {
        self.patterns.iter().any(|pattern| matches(pattern)) != self.excludes
    }
}
