//! The stack that comes first: the bucket of the artifacts and its policy.

use super::context::Context;
use super::naming::{BUCKET, BUCKET_POLICY};
use super::values::{get, object};
use aloft_diag::Diagnostic;
use serde_json::{Map, Value, json};

/// Adds the bucket, or the name of the one that exists, to the outputs and resources.
///
/// # Errors
/// `S3_TRANSFER_ACCELERATION_ON_EXISTING_BUCKET`.
pub fn add(context: &mut Context<'_>) -> Result<(), Diagnostic> {
    let accelerate = context.options.s3_accelerate;
    if let Some(name) = &context.deployment_bucket {
        if accelerate == Some(true) {
            return Err(context
                .error(
                    "S3_TRANSFER_ACCELERATION_ON_EXISTING_BUCKET",
                    "It is not possible to enable S3 Transfer Acceleration on an user provided bucket. In order to avoid \
                     this error, stop using `--aws-s3-accelerate` flag",
                    "provider.deploymentBucket",
                )
                .help("remove `--aws-s3-accelerate`"));
        }
        let output = json!({ "Value": name });
        context.output("ServerlessDeploymentBucketName", output);
        return Ok(());
    }
    let empty = Map::new();
    let settings = ["deploymentBucketObject", "deploymentBucket"]
        .iter()
        .find_map(|key| object(context.provider, key))
        .unwrap_or(&empty);
    let mut properties = json!({
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [{ "ServerSideEncryptionByDefault": { "SSEAlgorithm": "AES256" } }],
        },
    });
    if let Some(tags) = object(settings, "tags").filter(|tags| !tags.is_empty()) {
        properties["Tags"] = tag_list(tags);
    }
    if get(settings, "blockPublicAccess").is_some() {
        properties["PublicAccessBlockConfiguration"] = json!({
            "BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true, "RestrictPublicBuckets": true,
        });
    }
    if get(settings, "versioning").is_some() {
        properties["VersioningConfiguration"] = json!({ "Status": "Enabled" });
    }
    context.output("ServerlessDeploymentBucketName", json!({ "Value": { "Ref": BUCKET } }));
    if acceleration_exists(&context.service.region) {
        match accelerate {
            Some(true) => {
                properties["AccelerateConfiguration"] = json!({ "AccelerationStatus": "Enabled" });
                context.output("ServerlessDeploymentBucketAccelerated", json!({ "Value": true }));
            }
            Some(false) => {
                properties["AccelerateConfiguration"] = json!({ "AccelerationStatus": "Suspended" })
            }
            None => {}
        }
    }
    context.put(BUCKET, json!({ "Type": "AWS::S3::Bucket", "Properties": properties }));
    if get(settings, "skipPolicySetup").is_none() {
        context.put(BUCKET_POLICY, policy());
    }
    Ok(())
}

/// Only encrypted connections.
fn policy() -> Value {
    let arn = |tail: Option<&str>| {
        let mut parts = vec![
            json!("arn:"),
            json!({ "Ref": "AWS::Partition" }),
            json!(":s3:::"),
            json!({ "Ref": BUCKET }),
        ];
        parts.extend(tail.map(|tail| json!(tail)));
        json!({ "Fn::Join": ["", parts] })
    };
    json!({
        "Type": "AWS::S3::BucketPolicy",
        "Properties": {
            "Bucket": { "Ref": BUCKET },
            "PolicyDocument": {
                "Statement": [{
                    "Action": "s3:*",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Resource": [arn(Some("/*")), arn(None)],
                    "Condition": { "Bool": { "aws:SecureTransport": false } },
                }],
            },
        },
    })
}

/// `Tags` as CloudFormation lists them.
pub fn tag_list(tags: &Map<String, Value>) -> Value {
    tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}

/// The partitions beside the standard one have no acceleration.
fn acceleration_exists(region: &str) -> bool {
    let region = region.to_lowercase();
    !["us-gov", "cn-", "iso-", "isob-"].iter().any(|part| region.contains(part))
}
