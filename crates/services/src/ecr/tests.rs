//! Repositories as deployment tools see them.

use super::Ecr;
use crate::cloudformation::CloudFormation;
use crate::testing::Cloud;
use serde_json::{Value, json};
use std::sync::Arc;

async fn cloud() -> Cloud {
    Cloud::start(vec![Arc::new(Ecr), Arc::new(CloudFormation)]).await
}

async fn check(cloud: &Cloud, operation: &str, input: Value, expected: Value) {
    cloud.check("ecr", operation, input, expected).await;
}

const NONE: &str = "RepositoryNotFoundException: The repository with name 'shop/api' does not exist in the registry with id '000000000000'";
const ARN: &str = "arn:aws:ecr:us-east-1:000000000000:repository/shop/api";
const URI: &str = "000000000000.dkr.ecr.us-east-1.amazonaws.com/shop/api";

#[tokio::test]
async fn repositories_are_made_told_set_and_deleted() {
    let cloud = cloud().await;
    let name = json!({ "repositoryName": "shop/api" });
    check(&cloud, "DescribeRepositories", json!({}), json!({ "repositories": [] })).await;
    check(&cloud, "DescribeRepositories", json!({ "repositoryNames": ["shop/api"] }), json!(NONE)).await;
    let create = json!({ "repositoryName": "shop/api", "tags": [{ "Key": "a", "Value": "b" }] });
    let told = json!({
        "repositoryArn": ARN, "registryId": "000000000000", "repositoryUri": URI, "imageTagMutability": "MUTABLE",
        "imageScanningConfiguration": { "scanOnPush": false }, "encryptionConfiguration": { "encryptionType": "AES256" },
    });
    check(&cloud, "CreateRepository", create.clone(), json!({ "repository": told })).await;
    let again = "RepositoryAlreadyExistsException: The repository with name 'shop/api' already exists in the registry with id '000000000000'";
    check(&cloud, "CreateRepository", create, json!(again)).await;
    check(&cloud, "DescribeRepositories", json!({}), json!({ "repositories": [told] })).await;
    check(&cloud, "DescribeImages", name.clone(), json!({ "imageDetails": [] })).await;

    let absent = "LifecyclePolicyNotFoundException: Lifecycle policy does not exist for the repository with name 'shop/api' in the registry with id '000000000000'";
    let policy = json!({ "repositoryName": "shop/api", "lifecyclePolicyText": "{}", "policyText": "{}" });
    let scan = json!({ "repositoryName": "shop/api", "imageScanningConfiguration": { "scanOnPush": true } });
    let fixed = json!({ "repositoryName": "shop/api", "imageTagMutability": "IMMUTABLE" });
    for (operation, input, expected) in [
        ("GetLifecyclePolicy", &name, json!(absent)),
        ("PutLifecyclePolicy", &policy, json!({ "lifecyclePolicyText": "{}" })),
        ("GetLifecyclePolicy", &name, json!({ "lifecyclePolicyText": "{}" })),
        ("DeleteLifecyclePolicy", &name, json!({ "lifecyclePolicyText": "{}" })),
        ("DeleteLifecyclePolicy", &name, json!(absent)),
        ("SetRepositoryPolicy", &policy, json!({ "policyText": "{}" })),
        ("GetRepositoryPolicy", &name, json!({ "policyText": "{}" })),
        ("PutImageScanningConfiguration", &scan, scan.clone()),
        ("PutImageTagMutability", &fixed, fixed.clone()),
        ("TagResource", &json!({ "resourceArn": ARN, "tags": [{ "Key": "c", "Value": "d" }] }), json!({})),
        ("UntagResource", &json!({ "resourceArn": ARN, "tagKeys": ["a"] }), json!({})),
        (
            "ListTagsForResource",
            &json!({ "resourceArn": ARN }),
            json!({ "tags": [{ "Key": "c", "Value": "d" }] }),
        ),
    ] {
        check(&cloud, operation, input.clone(), expected).await;
    }
    let later =
        json!({ "imageTagMutability": "IMMUTABLE", "imageScanningConfiguration": { "scanOnPush": true } });
    check(&cloud, "DeleteRepository", name.clone(), json!({ "repository": later })).await;
    check(&cloud, "DeleteRepository", name, json!(NONE)).await;
    let missing = "NotImplemented: the local cloud has not built ecr:GetAuthorizationToken";
    check(&cloud, "GetAuthorizationToken", json!({}), json!(missing)).await;
    cloud.stop().await;
}

#[tokio::test]
async fn stacks_have_repositories() {
    let cloud = cloud().await;
    let template = |mutability: &str, lifecycle: Value| {
        let properties = json!({
            "RepositoryName": "shop/api", "ImageTagMutability": mutability, "LifecyclePolicy": lifecycle,
            "ImageScanningConfiguration": { "ScanOnPush": "true" }, "Tags": [{ "Key": mutability, "Value": "x" }],
        });
        json!({
            "Resources": {
                "CDKMetadata": { "Type": "AWS::CDK::Metadata", "Properties": { "Analytics": mutability } },
                "Images": { "Type": "AWS::ECR::Repository", "Properties": properties },
            },
            "Outputs": { "Uri": { "Value": { "Fn::GetAtt": ["Images", "RepositoryUri"] } } },
        })
        .to_string()
    };
    for (operation, status, mutability, lifecycle) in [
        ("CreateStack", "CREATE_COMPLETE", "IMMUTABLE", json!({ "LifecyclePolicyText": "{\"rules\":[]}" })),
        ("UpdateStack", "UPDATE_COMPLETE", "MUTABLE", json!({})),
    ] {
        let input = json!({ "StackName": "s", "TemplateBody": template(mutability, lifecycle.clone()) });
        cloud.check("cloudformation", operation, input, json!("*")).await;
        let (named, done) = (
            json!({ "StackName": "s" }),
            json!({ "Stacks": [{ "StackStatus": status, "Outputs": [{ "OutputValue": URI }] }] }),
        );
        let keyspace = "cloudformation.stacks";
        cloud.eventually_after(keyspace, "cloudformation", "DescribeStacks", named, done).await;
        let told =
            json!({ "imageTagMutability": mutability, "imageScanningConfiguration": { "scanOnPush": true } });
        check(&cloud, "DescribeRepositories", json!({}), json!({ "repositories": [told] })).await;
        let policy = match lifecycle.get("LifecyclePolicyText") {
            Some(text) => json!({ "lifecyclePolicyText": text }),
            None => json!("LifecyclePolicyNotFoundException*"),
        };
        check(&cloud, "GetLifecyclePolicy", json!({ "repositoryName": "shop/api" }), policy).await;
        let tags = json!({ "tags": [{ "Key": mutability, "Value": "x" }] });
        check(&cloud, "ListTagsForResource", json!({ "resourceArn": ARN }), tags).await;
    }
    cloud.check("cloudformation", "DeleteStack", json!({ "StackName": "s" }), json!({})).await;
    let none = json!({ "repositories": [] });
    cloud.eventually_after("ecr.repositories", "ecr", "DescribeRepositories", json!({}), none).await;
    cloud.stop().await;
}
