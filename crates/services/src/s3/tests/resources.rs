//! Buckets and their policies as stacks make them.

use super::super::cloudformation::RESOURCES;
use super::{S3, check};
use crate::testing::{Cloud, matches};
use aloft_engine::{ResourceContext, ResourceHandler, Update};
use serde_json::{Map, Value, json};
use std::sync::Arc;

fn handler(name: &str) -> &'static dyn ResourceHandler {
    RESOURCES.iter().find(|resource| resource.name == name).expect("a type").handler
}

fn resource(cloud: &Cloud, resuming: bool) -> ResourceContext {
    ResourceContext {
        context: cloud.context.clone(),
        stack_name: "Svc-dev".to_owned(),
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/Svc-dev/1".to_owned(),
        logical_id: "Uploads".to_owned(),
        tags: Map::from_iter([("STAGE".to_owned(), json!("dev"))]),
        token: "ABCDEF123456".to_owned(),
        resuming,
    }
}

#[tokio::test]
async fn a_bucket_follows_its_properties() {
    let cloud = Cloud::start(vec![Arc::new(S3)]).await;
    let (bucket, context) = (handler("AWS::S3::Bucket"), resource(&cloud, false));
    let old = json!({
        "VersioningConfiguration": { "Status": "Enabled" },
        "BucketEncryption": { "ServerSideEncryptionConfiguration": [{ "ServerSideEncryptionByDefault": { "SSEAlgorithm": "aws:kms" }, "BucketKeyEnabled": "true" }] },
        "LifecycleConfiguration": { "Rules": [{ "Id": "r", "Status": "Enabled", "ExpirationInDays": "7", "Prefix": "tmp/" }] },
        "CorsConfiguration": { "CorsRules": [{ "AllowedMethods": ["PUT"], "AllowedOrigins": ["*"], "MaxAge": "60" }] },
        "PublicAccessBlockConfiguration": { "BlockPublicAcls": "true" },
        "NotificationConfiguration": { "EventBridgeConfiguration": { "EventBridgeEnabled": true } },
    });
    let made = bucket.create(&context, &old).await.expect("a bucket");
    let name = "svc-dev-uploads-abcdef123456";
    assert_eq!(made.physical_id, name);
    let attributes = Value::Object(made.attributes.clone());
    let expected = json!({ "Arn": format!("arn:aws:s3:::{name}"), "RegionalDomainName": format!("{name}.s3.us-east-1.amazonaws.com") });
    assert!(matches(&expected, &attributes), "{attributes}");
    let of = json!({ "Bucket": name });
    for (operation, expected) in [
        ("GetBucketVersioning", json!({ "Status": "Enabled" })),
        (
            "GetBucketEncryption",
            json!({ "ServerSideEncryptionConfiguration": { "Rules": [{ "BucketKeyEnabled": true }] } }),
        ),
        (
            "GetBucketLifecycleConfiguration",
            json!({ "Rules": [{ "ID": "r", "Expiration": { "Days": 7 }, "Filter": { "Prefix": "tmp/" } }] }),
        ),
        ("GetBucketCors", json!({ "CORSRules": [{ "MaxAgeSeconds": 60 }] })),
        ("GetPublicAccessBlock", json!({ "PublicAccessBlockConfiguration": { "BlockPublicAcls": true } })),
        ("GetBucketNotificationConfiguration", json!({ "EventBridgeConfiguration": {} })),
        ("GetBucketTagging", json!({ "TagSet": [{ "Key": "STAGE", "Value": "dev" }] })),
    ] {
        check(&cloud, operation, of.clone(), expected).await;
    }
    let again = bucket.create(&context, &old).await.expect_err("there already");
    assert_eq!(again.to_string(), format!("AlreadyExists: {name} already exists"));
    assert_eq!(bucket.create(&resource(&cloud, true), &old).await.expect("resumed"), made);
    let new = json!({ "Tags": [{ "Key": "STAGE", "Value": "prod" }] });
    assert_eq!(bucket.update(&context, name, &old, &new).await, Ok(Update::InPlace(made)));
    for (operation, expected) in [
        ("GetBucketVersioning", json!({ "Status": "Suspended" })),
        ("GetBucketLifecycleConfiguration", json!("NoSuchLifecycleConfiguration*")),
        ("GetBucketNotificationConfiguration", json!({ "EventBridgeConfiguration": null })),
        ("GetBucketTagging", json!({ "TagSet": [{ "Key": "STAGE", "Value": "prod" }] })),
    ] {
        check(&cloud, operation, of.clone(), expected).await;
    }
    let renamed = json!({ "BucketName": "another" });
    assert_eq!(bucket.update(&context, name, &new, &renamed).await, Ok(Update::Replace));

    let (policy, properties) = (
        handler("AWS::S3::BucketPolicy"),
        |resource: &str| json!({ "Bucket": name, "PolicyDocument": { "Statement": [{ "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": resource }] } }),
    );
    let right = properties(&format!("arn:aws:s3:::{name}/*"));
    assert_eq!(policy.create(&context, &right).await.expect("a policy").physical_id, name);
    let wrong =
        policy.create(&context, &properties("arn:aws:s3:::other/*")).await.expect_err("another bucket's");
    assert_eq!(wrong.code, "MalformedPolicy");
    assert_eq!(policy.delete(&context, name, &right).await, Ok(()));

    check(&cloud, "PutObject", json!({ "Bucket": name, "Key": "k" }), json!({ "ETag": "*" })).await;
    assert_eq!(bucket.delete(&context, name, &new).await.expect_err("not empty").code, "BucketNotEmpty");
    check(&cloud, "DeleteObject", json!({ "Bucket": name, "Key": "k", "VersionId": "null" }), json!({}))
        .await;
    assert_eq!(bucket.delete(&context, name, &new).await, Ok(()));
    assert_eq!(bucket.delete(&context, name, &new).await, Ok(()));
    cloud.stop().await;
}

#[tokio::test]
async fn a_bucket_that_cannot_be_as_asked_is_not_left_behind() {
    let cloud = Cloud::start(vec![Arc::new(S3)]).await;
    let (bucket, context) = (handler("AWS::S3::Bucket"), resource(&cloud, false));
    let entry = json!({ "Event": "s3:ObjectCreated:*", "Function": "arn:aws:lambda:us-east-1:000000000000:function:f" });
    for properties in [
        json!({ "BucketName": "b-1", "NotificationConfiguration": { "LambdaConfigurations": [entry] } }),
        json!({ "BucketName": "b-1", "ReplicationConfiguration": { "Role": "r" } }),
        json!({ "BucketName": "b-1", "ObjectLockEnabled": "true" }),
    ] {
        bucket.create(&context, &properties).await.expect_err("refused");
        check(&cloud, "HeadBucket", json!({ "Bucket": "b-1" }), json!("NoSuchBucket*")).await;
    }
    cloud.stop().await;
}
