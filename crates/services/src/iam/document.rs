//! The form of policy documents, in IAM's words. What they mean is `aloft_lang`'s.

use aloft_engine::ServiceError;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// Answers carry documents percent-encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A document as answers carry it.
pub(super) fn encoded(document: &str) -> String {
    utf8_percent_encode(document, ENCODED).to_string()
}

fn malformed(message: impl Into<String>) -> ServiceError {
    ServiceError::new("MalformedPolicyDocument", 400, message)
}

fn syntax() -> ServiceError {
    malformed("Syntax errors in policy.")
}

/// The statements of a document, of which one need not stand in a list.
fn statements(policy: &Value) -> Result<Vec<&Value>, ServiceError> {
    let version = policy
        .get("Version")
        .is_none_or(|version| matches!(version.as_str(), Some("2012-10-17" | "2008-10-17")));
    let all: Vec<&Value> = match &policy["Statement"] {
        Value::Array(list) if !list.is_empty() => list.iter().collect(),
        one @ Value::Object(_) => vec![one],
        _ => return Err(syntax()),
    };
    let effects = all.iter().all(|statement| matches!(statement["Effect"].as_str(), Some("Allow" | "Deny")));
    if version && effects { Ok(all) } else { Err(syntax()) }
}

/// Texts that may stand alone or in a list; nothing when there is something else.
fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(list) => list.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

fn check_actions(statement: &Value) -> Result<Vec<&str>, ServiceError> {
    let actions = statement.get("Action").or_else(|| statement.get("NotAction"));
    let actions = actions.ok_or_else(|| malformed("Policy statement must contain actions."))?;
    let actions = texts(actions).ok_or_else(syntax)?;
    if actions.is_empty() {
        return Err(malformed("Policy statement must contain actions."));
    }
    let prefixed = |action: &&str| {
        *action == "*"
            || action.split_once(':').is_some_and(|(vendor, name)| !vendor.is_empty() && !name.is_empty())
    };
    if !actions.iter().all(prefixed) {
        return Err(malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."));
    }
    Ok(actions)
}

/// Checks a policy that says what its holder may do.
pub(super) fn check_permissions(document: &str) -> Result<(), ServiceError> {
    let policy: Value = serde_json::from_str(document).map_err(|_| syntax())?;
    for statement in statements(&policy)? {
        if statement.get("Principal").or_else(|| statement.get("NotPrincipal")).is_some() {
            return Err(malformed("Policy document should not specify a principal."));
        }
        check_actions(statement)?;
        let resources = statement.get("Resource").or_else(|| statement.get("NotResource"));
        let resources = resources.ok_or_else(|| malformed("Policy statement must contain resources."))?;
        let resources = texts(resources).ok_or_else(syntax)?;
        if resources.is_empty() {
            return Err(malformed("Policy statement must contain resources."));
        }
        if let Some(wrong) = resources.iter().find(|resource| !is_resource(resource)) {
            return Err(malformed(format!("Resource {wrong} must be in ARN format or \"*\".")));
        }
    }
    Ok(())
}

/// An ARN, of which a wildcard may stand for all that follows; or a variable that becomes one.
fn is_resource(text: &str) -> bool {
    let is_arn = text.starts_with("arn:") && (text.contains('*') || text.split(':').count() >= 6);
    text == "*" || is_arn || text.starts_with("${")
}

/// Checks a policy that says who may assume a role.
pub(super) fn check_trust(document: &str) -> Result<(), ServiceError> {
    let policy: Value =
        serde_json::from_str(document).map_err(|_| malformed("This policy contains invalid Json"))?;
    for statement in statements(&policy)? {
        for field in ["Resource", "NotResource"] {
            if statement.get(field).is_some() {
                return Err(malformed(format!("Has prohibited field {field}")));
            }
        }
        let principal = statement.get("Principal").or_else(|| statement.get("NotPrincipal"));
        check_principal(principal.ok_or_else(|| malformed("Missing required field Principal"))?)?;
        if !check_actions(statement)?
            .iter()
            .all(|action| *action == "*" || action.to_ascii_lowercase().starts_with("sts:"))
        {
            return Err(malformed("AssumeRole policy may only specify STS AssumeRole actions."));
        }
    }
    Ok(())
}

fn check_principal(principal: &Value) -> Result<(), ServiceError> {
    let Value::Object(kinds) = principal else {
        return if *principal == "*" {
            Ok(())
        } else {
            Err(malformed("AssumeRolePolicy contained an invalid principal: [STAR]."))
        };
    };
    for (kind, names) in kinds {
        let names = texts(names).filter(|names| !names.is_empty()).ok_or_else(syntax)?;
        let valid = |name: &&str| match kind.as_str() {
            "AWS" => {
                *name == "*"
                    || name.starts_with("arn:")
                    || (name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_digit()))
                    || name.starts_with("AIDA")
                    || name.starts_with("AROA")
            }
            "Service" => {
                name.ends_with(".amazonaws.com")
                    || name.ends_with(".amazonaws.com.cn")
                    || name.ends_with(".aws.internal")
            }
            "Federated" => !name.is_empty(),
            "CanonicalUser" => true,
            _ => false,
        };
        if let Some(wrong) = names.iter().find(|name| !valid(name)) {
            let kind = if kind == "Service" { "SERVICE" } else { kind.as_str() };
            return Err(malformed(format!("Invalid principal in policy: \"{kind}\":\"{wrong}\"")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn permissions_are_checked_for_form() {
        let check = |statement: Value| {
            check_permissions(&json!({ "Version": "2012-10-17", "Statement": statement }).to_string())
        };
        let right = json!({ "Effect": "Allow", "Action": ["s3:Get*"], "Resource": "arn:aws:s3:::b/*" });
        assert_eq!(check(right.clone()), Ok(()));
        assert_eq!(check(json!([right])), Ok(()));
        for (statement, message) in [
            (json!([]), "Syntax errors in policy."),
            (json!({ "Effect": "Maybe", "Action": "s3:*", "Resource": "*" }), "Syntax errors in policy."),
            (json!({ "Effect": "Allow", "Resource": "*" }), "Policy statement must contain actions."),
            (json!({ "Effect": "Allow", "Action": "s3:*" }), "Policy statement must contain resources."),
            (
                json!({ "Effect": "Allow", "Action": "s3:*", "Resource": "bucket" }),
                "Resource bucket must be in ARN format or \"*\".",
            ),
            (
                json!({ "Effect": "Allow", "Action": "GetObject", "Resource": "*" }),
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
            ),
            (
                json!({ "Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*" }),
                "Policy document should not specify a principal.",
            ),
        ] {
            assert_eq!(check(statement).expect_err("malformed").message, message);
        }
    }

    #[test]
    fn trust_is_checked_for_form() {
        let check = |statement: Value| {
            check_trust(&json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string())
        };
        let service = json!({ "Service": "lambda.amazonaws.com" });
        assert_eq!(
            check(json!({ "Effect": "Allow", "Principal": service, "Action": "sts:AssumeRole" })),
            Ok(())
        );
        for (statement, message) in [
            (json!({ "Effect": "Allow", "Action": "sts:AssumeRole" }), "Missing required field Principal"),
            (
                json!({ "Effect": "Allow", "Principal": service, "Action": "sts:AssumeRole", "Resource": "*" }),
                "Has prohibited field Resource",
            ),
            (
                json!({ "Effect": "Allow", "Principal": { "Service": "lambda" }, "Action": "sts:AssumeRole" }),
                "Invalid principal in policy: \"SERVICE\":\"lambda\"",
            ),
            (
                json!({ "Effect": "Allow", "Principal": service, "Action": "s3:GetObject" }),
                "AssumeRole policy may only specify STS AssumeRole actions.",
            ),
        ] {
            assert_eq!(check(statement).expect_err("malformed").message, message);
        }
        assert_eq!(check_trust("{").expect_err("malformed").message, "This policy contains invalid Json");
    }
}
