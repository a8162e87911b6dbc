//! The default execution role, unless every function has its own.

use super::bucket::tag_list;
use super::context::{Context, is_existing_role};
use super::naming;
use super::values::{at, get, object, present};
use serde_json::{Map, Value, json};

/// Adds the role with the permissions to log, the user's statements and managed policies.
pub fn add(context: &mut Context<'_>) {
    let provider = context.provider;
    let role = at(provider, &["iam", "role"]);
    let none_needed = context.functions.is_empty()
        || role.is_some_and(is_existing_role)
        || provider.contains_key("role")
        || context.functions.values().all(|function| function.config.contains_key("role"));
    if none_needed {
        return;
    }
    let empty = Map::new();
    let role = role.and_then(Value::as_object).unwrap_or(&empty);
    let mut properties = json!({
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                { "Effect": "Allow", "Principal": { "Service": ["lambda.amazonaws.com"] }, "Action": ["sts:AssumeRole"] },
            ],
        },
        "Policies": [{
            "PolicyName": { "Fn::Join": ["-", [context.service.name, context.service.stage, "lambda"]] },
            "PolicyDocument": { "Version": "2012-10-17", "Statement": statements(context) },
        }],
        "Path": get(role, "path").cloned().unwrap_or_else(|| json!("/")),
        "RoleName": get(role, "name").cloned().unwrap_or_else(|| json!({
            "Fn::Join": ["-", [context.service.name, context.service.stage, { "Ref": "AWS::Region" }, "lambdaRole"]],
        })),
    });
    if let Some(tags) = object(role, "tags") {
        properties["Tags"] = tag_list(tags);
    }
    let boundary = get(role, "permissionsBoundary")
        .or_else(|| get(role, "permissionBoundary"))
        .or_else(|| get(provider, "rolePermissionsBoundary"));
    if let Some(boundary) = boundary {
        properties["PermissionsBoundary"] = boundary.clone();
    }
    let custom =
        get(role, "statements").or_else(|| get(provider, "iamRoleStatements")).and_then(Value::as_array);
    if let (Some(custom), Some(statements)) =
        (custom, properties.pointer_mut("/Policies/0/PolicyDocument/Statement").and_then(Value::as_array_mut))
    {
        statements.extend(custom.iter().cloned());
    }
    let managed = managed_policies(context, role);
    if !managed.is_empty() {
        properties["ManagedPolicyArns"] = Value::Array(managed);
    }
    context.merge(naming::ROLE, json!({ "Type": "AWS::IAM::Role", "Properties": properties }));
}

/// Functions with the service's prefix share one pattern; the others are named.
fn statements(context: &Context<'_>) -> Vec<Value> {
    let prefix = format!("{}-{}", context.service.name, context.service.stage);
    let sub = |group: &str, tail: &str| json!({ "Fn::Sub": format!("arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:{group}{tail}") });
    let mut groups = Vec::new();
    let mut silent = Vec::new();
    let mut any_with_prefix = false;
    for function in context.functions.values() {
        let logs = get(function.config, "disableLogs").is_none();
        let group = naming::log_group_name(&function.name);
        match (function.name.starts_with(&prefix), logs) {
            (true, true) => any_with_prefix = true,
            (true, false) => silent.push(sub(&group, ":*")),
            (false, true) => groups.push(group),
            (false, false) => {}
        }
    }
    if any_with_prefix {
        groups.push(format!("{}*", naming::log_group_name(&prefix)));
    }
    let resources = |tail: &str| groups.iter().map(|group| sub(group, tail)).collect::<Vec<_>>();
    let mut statements = vec![
        json!({
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:CreateLogGroup", "logs:TagResource"],
            "Resource": resources(":*"),
        }),
        json!({ "Effect": "Allow", "Action": ["logs:PutLogEvents"], "Resource": resources(":*:*") }),
    ];
    if any_with_prefix && !silent.is_empty() {
        statements.push(json!({ "Effect": "Deny", "Action": "logs:PutLogEvents", "Resource": silent }));
    }
    statements
}

fn managed_policies(context: &Context<'_>, role: &Map<String, Value>) -> Vec<Value> {
    let configured = get(role, "managedPolicies").or_else(|| get(context.provider, "iamManagedPolicies"));
    let mut policies = configured.and_then(Value::as_array).cloned().unwrap_or_default();
    let in_vpc = present(context.provider, "vpc").is_some()
        || context.functions.values().any(|function| function.config.contains_key("vpc"));
    if in_vpc {
        policies.push(json!({
            "Fn::Join": ["", [
                "arn:", { "Ref": "AWS::Partition" }, ":iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole",
            ]],
        }));
    }
    policies
}
