//! The role by which API Gateway writes logs, which is a setting of the account and so needs a custom resource.

use super::super::context::Context;
use super::super::custom_resources;
use super::super::values::{at, truthy};
use serde_json::json;

const ID: &str = "CustomApiGatewayAccountCloudWatchRole";

/// Adds the custom resource, once, unless the role is managed elsewhere.
pub fn ensure_role(context: &mut Context<'_>) {
    let managed = truthy(at(context.provider, &["logs", "restApi", "roleManagedExternally"]));
    if managed || context.resources.contains_key(ID) {
        return;
    }
    let handler = custom_resources::API_GATEWAY_ROLE.id();
    context.put(
        ID,
        json!({
            "Type": "Custom::ApiGatewayAccountRole",
            "Version": 1,
            "Properties": {
                "ServiceToken": { "Fn::GetAtt": [handler, "Arn"] },
                "RoleArn": at(context.provider, &["logs", "restApi", "role"]),
            },
        }),
    );
    let statements = vec![
        json!({
            "Effect": "Allow",
            "Resource": {
                "Fn::Join": [":", ["arn", { "Ref": "AWS::Partition" }, "iam:", { "Ref": "AWS::AccountId" }, "role/*"]],
            },
            "Action": ["iam:AttachRolePolicy", "iam:CreateRole", "iam:ListAttachedRolePolicies", "iam:PassRole"],
        }),
        json!({
            "Effect": "Allow",
            "Resource": { "Fn::Join": [":", ["arn", { "Ref": "AWS::Partition" }, "apigateway:*::/account"]] },
            "Action": ["apigateway:GET", "apigateway:PATCH"],
        }),
    ];
    custom_resources::add(context, &custom_resources::API_GATEWAY_ROLE, statements);
}
