//! Who asks, and the `Principal` element that names them.

use super::parser::texts;
use super::wildcard;
use serde_json::Value;

/// Who makes a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principal {
    /// The ARNs that the caller goes by: of the user, or of the session and of its role.
    pub arns: Vec<String>,
    /// The caller's account; none for a service or someone without credentials.
    pub account: Option<String>,
    /// `sns.amazonaws.com`, when a service calls.
    pub service: Option<String>,
    /// The identity provider, for callers that come by one.
    pub federated: Option<String>,
}

impl Principal {
    /// Someone without credentials.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// A user, or a role's session with its role.
    pub fn account_member(account: &str, arns: impl IntoIterator<Item = String>) -> Self {
        Self { arns: arns.into_iter().collect(), account: Some(account.to_owned()), ..Self::default() }
    }

    /// A service, such as `sns.amazonaws.com`.
    pub fn service(name: &str) -> Self {
        Self { service: Some(name.to_owned()), ..Self::default() }
    }
}

/// `Principal` or `NotPrincipal`.
#[derive(Clone, Debug)]
pub(super) struct PrincipalTest {
    excludes: bool,
    /// The kind (`AWS`, `Service`, ..; empty for a bare `*`) and a name.
    names: Vec<(String, String)>,
}

impl PrincipalTest {
    pub(super) fn parse(value: &Value, excludes: bool) -> Option<Self> {
        let mut names = Vec::new();
        match value {
            Value::String(star) if star == "*" => names.push((String::new(), star.clone())),
            Value::Object(map) if !map.is_empty() => {
                for (kind, value) in map {
                    if !["AWS", "Service", "Federated", "CanonicalUser"].contains(&kind.as_str()) {
                        return None;
                    }
                    names.extend(texts(value)?.into_iter().map(|name| (kind.clone(), name)));
                }
            }
            _ => return None,
        }
        Some(Self { excludes, names })
    }

    pub(super) fn accepts(&self, principal: &Principal) -> bool {
        self.names.iter().any(|(kind, name)| names(kind, name, principal)) != self.excludes
    }
}

fn names(kind: &str, name: &str, principal: &Principal) -> bool {
    match kind {
        "" => true,
        "AWS" if name == "*" => true,
        "AWS" => {
            let account = principal.account.as_deref();
            let is_root = name
                .strip_prefix("arn:")
                .and_then(|rest| rest.strip_suffix(":root"))
                .is_some_and(|rest| rest.split(':').next_back() == account);
            account == Some(name)
                || (is_root && account.is_some())
                || principal.arns.iter().any(|arn| arn == name)
        }
        "Service" => principal.service.as_deref().is_some_and(|service| wildcard::matches(name, service)),
        "Federated" => principal.federated.as_deref() == Some(name),
        _ => false,
    }
}
