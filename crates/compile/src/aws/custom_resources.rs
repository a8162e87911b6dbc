//! The functions behind custom resources, for what CloudFormation itself cannot do: events of buckets, user pools and event buses
//! that exist already, and the role by which API Gateway writes logs.

use super::context::Context;
use super::naming::{self, BUCKET, CUSTOM_RESOURCES_ROLE};
use super::values::{at, truthy};
use serde_json::{Value, json};

/// A custom resource's function: its name and its handler in the zip.
pub struct Handler {
    name: &'static str,
    handler: &'static str,
}

/// Events of an existing bucket.
pub const S3: Handler = Handler { name: "custom-resource-existing-s3", handler: "s3/handler.handler" };
/// Triggers of an existing user pool.
pub const COGNITO: Handler =
    Handler { name: "custom-resource-existing-cup", handler: "cognito-user-pool/handler.handler" };
/// Rules without CloudFormation's own support.
pub const EVENT_BRIDGE: Handler =
    Handler { name: "custom-resource-event-bridge", handler: "event-bridge/handler.handler" };
/// The account's role for API Gateway's logs.
pub const API_GATEWAY_ROLE: Handler = Handler {
    name: "custom-resource-apigw-cw-role",
    handler: "api-gateway-cloud-watch-role/handler.handler",
};

const ZIP: &str = "custom-resources.zip";

impl Handler {
    /// The logical id of the function.
    pub fn id(&self) -> String {
        naming::function(&naming::normalized(self.name))
    }
}

/// Adds the function, its role and its log group.
pub fn add(context: &mut Context<'_>, handler: &Handler, statements: Vec<Value>) {
    context.needs_custom_resources = true;
    let prefix = format!("{}-{}", context.service.name, context.service.stage);
    let name = function_name(&format!("{prefix}-{}", handler.name));
    let logs = truthy(at(context.provider, &["logs", "frameworkLambda"]));
    let deployment_role = context.deployment_role().filter(|role| truthy(Some(role))).cloned();
    if deployment_role.is_none() {
        add_role(context, &prefix, logs, statements);
    }
    let mut depends_on = Vec::new();
    let role = deployment_role.unwrap_or_else(|| {
        depends_on.push(CUSTOM_RESOURCES_ROLE.to_owned());
        json!({ "Fn::GetAtt": [CUSTOM_RESOURCES_ROLE, "Arn"] })
    });
    if logs {
        let id = naming::log_group(handler.name);
        let group = context.log_group(naming::log_group_name(&name));
        context.put(id.clone(), group);
        depends_on.push(id);
    }
    let bucket = context.deployment_bucket.clone().unwrap_or_else(|| json!({ "Ref": BUCKET }));
    let key = format!("{}/{ZIP}", context.artifact_directory);
    context.put(
        handler.id(),
        json!({
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Code": { "S3Bucket": bucket, "S3Key": key },
                "FunctionName": name,
                "Handler": handler.handler,
                "MemorySize": 1024,
                "Runtime": "nodejs18.x",
                "Timeout": 180,
                "Role": role,
            },
            "DependsOn": depends_on,
        }),
    );
}

/// At most 64 characters, as Lambda allows.
fn function_name(name: &str) -> String {
    if name.chars().count() > 64 {
        format!("{}{}", naming::cut(name, 32), naming::md5_hex(name))
    } else {
        name.to_owned()
    }
}

fn add_role(context: &mut Context<'_>, prefix: &str, logs: bool, statements: Vec<Value>) {
    if !context.resources.contains_key(CUSTOM_RESOURCES_ROLE) {
        let group = naming::log_group_name(prefix);
        let sub = |tail: &str| json!([{ "Fn::Sub": format!("arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:{group}*{tail}") }]);
        let logging = if logs {
            vec![
                json!({
                    "Effect": "Allow",
                    "Action": ["logs:CreateLogStream", "logs:CreateLogGroup", "logs:TagResource"],
                    "Resource": sub(":*"),
                }),
                json!({ "Effect": "Allow", "Action": ["logs:PutLogEvents"], "Resource": sub(":*:*") }),
            ]
        } else {
            Vec::new()
        };
        let role = json!({
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        { "Effect": "Allow", "Principal": { "Service": ["lambda.amazonaws.com"] }, "Action": ["sts:AssumeRole"] },
                    ],
                },
                "Policies": [{
                    "PolicyName": {
                        "Fn::Join": ["-", [context.service.stage, context.service.name, "custom-resources-lambda"]],
                    },
                    "PolicyDocument": { "Version": "2012-10-17", "Statement": logging },
                }],
            },
        });
        context.put(CUSTOM_RESOURCES_ROLE, role);
    }
    let existing = context
        .resources
        .get_mut(CUSTOM_RESOURCES_ROLE)
        .and_then(|role| role.pointer_mut("/Properties/Policies/0/PolicyDocument/Statement"))
        .and_then(Value::as_array_mut);
    let Some(existing) = existing else { return };
    for statement in statements {
        // A resource that is a text is granted once; references are not compared.
        let resource = statement.get("Resource").filter(|resource| resource.is_string());
        if resource.is_none() || !existing.iter().any(|known| known.get("Resource") == resource) {
            existing.push(statement);
        }
    }
}
