//! What the event source mappings of all kinds of sources share.

use super::super::context::{Context, Event};
use super::super::values::stringify;
use serde_json::{Value, json};

/// Groups events by their function, in order; some statements are written per function.
pub fn by_function<'a>(events: Vec<Event<'a>>) -> Vec<(&'a str, Vec<Event<'a>>)> {
    let mut groups: Vec<(&str, Vec<Event<'_>>)> = Vec::new();
    for event in events {
        match groups.last_mut() {
            Some((function, group)) if *function == event.function => group.push(event),
            _ => groups.push((event.function, vec![event])),
        }
    }
    groups
}

/// A mapping needs the function's role and alias before it.
pub fn depends_on(context: &Context<'_>, function: &str) -> Vec<String> {
    context.role_resource(function).into_iter().chain(context.alias_id(function)).collect()
}

/// `filterPatterns` as CloudFormation takes them.
pub fn filter_criteria(event: Event<'_>) -> Option<Value> {
    let patterns = event.truthy("filterPatterns")?.as_array()?;
    let filters: Vec<Value> =
        patterns.iter().map(|pattern| json!({ "Pattern": stringify(pattern) })).collect();
    Some(json!({ "Filters": filters }))
}

/// What a function in a VPC needs to reach brokers there.
pub fn network_statement() -> Value {
    json!({
        "Effect": "Allow",
        "Action": [
            "ec2:CreateNetworkInterface",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeVpcs",
            "ec2:DeleteNetworkInterface",
            "ec2:DescribeSubnets",
            "ec2:DescribeSecurityGroups",
        ],
        "Resource": "*",
    })
}

/// Allows actions on resources.
pub fn allow(actions: &[&str], resources: &[Value]) -> Value {
    json!({ "Effect": "Allow", "Action": actions, "Resource": resources })
}
