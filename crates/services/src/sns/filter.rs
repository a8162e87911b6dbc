//! Filter policies: which messages a subscription wants.

use super::errors;
use super::message::Message;
use super::subscription::Subscription;
use aloft_engine::ServiceError;
use aloft_lang::pattern::{FilterPolicy, Scope};
use serde_json::Value;

fn scope(name: Option<&str>) -> Scope {
    if name == Some("MessageBody") { Scope::MessageBody } else { Scope::MessageAttributes }
}

fn compile(text: &str, scope_name: Option<&str>) -> Result<FilterPolicy, String> {
    let policy: Value =
        serde_json::from_str(text).map_err(|_| "FilterPolicy: failed to parse JSON.".to_owned())?;
    FilterPolicy::parse(&policy, scope(scope_name)).map_err(|error| error.to_string())
}

/// Checks a policy before it is set; an empty one removes it.
pub(super) fn check(text: &str, scope_name: Option<&str>) -> Result<(), ServiceError> {
    if text.is_empty() {
        return Ok(());
    }
    compile(text, scope_name).map(drop).map_err(errors::invalid)
}

/// Whether a subscription wants a message. One whose policy does not fit its scope gets nothing.
pub(super) fn wants(subscription: &Subscription, message: &Message) -> bool {
    let Some(text) = subscription.attributes.get("FilterPolicy") else { return true };
    let policy = compile(text, subscription.attributes.get("FilterPolicyScope").map(String::as_str));
    policy.is_ok_and(|policy| {
        policy.matches(&message.attributes, &message.for_protocol(&subscription.protocol))
    })
}
