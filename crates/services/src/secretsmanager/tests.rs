//! Secrets as their users see them, and as CloudFormation makes and reads them.

use super::SecretsManager;
use crate::cloudformation::CloudFormation;
use crate::ssm::Ssm;
use crate::testing::Cloud;
use serde_json::{Value, json};
use std::sync::Arc;

async fn cloud() -> Cloud {
    Cloud::start(vec![Arc::new(CloudFormation), Arc::new(SecretsManager), Arc::new(Ssm)]).await
}

async fn check(cloud: &Cloud, operation: &str, input: Value, expected: Value) -> Value {
    cloud.check("secretsmanager", operation, input, expected).await
}

/// A version id.
fn version(number: u8) -> String {
    format!("{number:032}")
}

async fn create(cloud: &Cloud, name: &str, value: &str) -> String {
    let input = json!({ "Name": name, "SecretString": value, "ClientRequestToken": version(1) });
    let answer = check(cloud, "CreateSecret", input, json!({ "Name": name, "VersionId": version(1) })).await;
    answer["ARN"].as_str().expect("an ARN").to_owned()
}

#[tokio::test]
async fn versions_are_read_by_stage_and_id() {
    let cloud = cloud().await;
    let arn = create(&cloud, "app/db", "one").await;
    for number in [2, 3] {
        let put = json!({ "SecretId": arn, "SecretString": format!("v{number}"), "ClientRequestToken": version(number) });
        check(&cloud, "PutSecretValue", put, json!({ "VersionStages": ["AWSCURRENT"] })).await;
    }
    let pending = json!({ "SecretId": "app/db", "SecretString": "next", "ClientRequestToken": version(4), "VersionStages": ["AWSPENDING"] });
    check(&cloud, "PutSecretValue", pending.clone(), json!({ "VersionStages": ["AWSPENDING"] })).await;
    check(&cloud, "PutSecretValue", pending, json!({ "VersionId": version(4) })).await;
    let other = json!({ "SecretId": "app/db", "SecretString": "else", "ClientRequestToken": version(4) });
    check(&cloud, "PutSecretValue", other, json!("ResourceExistsException: *")).await;
    let short = arn.rsplit_once('-').expect("a suffix").0.to_owned();
    for (input, expected) in [
        (
            json!({ "SecretId": "app/db" }),
            json!({ "SecretString": "v3", "VersionStages": ["AWSCURRENT"], "ARN": arn }),
        ),
        (json!({ "SecretId": short }), json!({ "SecretString": "v3" })),
        (json!({ "SecretId": arn, "VersionStage": "AWSPREVIOUS" }), json!({ "SecretString": "v2" })),
        (json!({ "SecretId": arn, "VersionStage": "AWSPENDING" }), json!({ "SecretString": "next" })),
        (
            json!({ "SecretId": arn, "VersionId": version(1) }),
            json!({ "SecretString": "one", "VersionStages": [] }),
        ),
        (
            json!({ "SecretId": "none" }),
            json!("ResourceNotFoundException: Secrets Manager can't find the specified secret."),
        ),
        (
            json!({ "SecretId": arn, "VersionStage": "X" }),
            json!(
                "ResourceNotFoundException: Secrets Manager can't find the specified secret value for staging label: X"
            ),
        ),
        (json!({ "SecretId": arn, "VersionId": version(9) }), json!("ResourceNotFoundException: *")),
        (
            json!({ "SecretId": arn, "VersionId": version(2), "VersionStage": "AWSCURRENT" }),
            json!("InvalidRequestException: *"),
        ),
    ] {
        check(&cloud, "GetSecretValue", input, expected).await;
    }
    let finish = json!({ "SecretId": arn, "VersionStage": "AWSCURRENT", "MoveToVersionId": version(4), "RemoveFromVersionId": version(3) });
    check(&cloud, "UpdateSecretVersionStage", finish, json!({ "Name": "app/db" })).await;
    let stages = json!({ version(4): ["AWSCURRENT", "AWSPENDING"], version(3): ["AWSPREVIOUS"] });
    check(&cloud, "DescribeSecret", json!({ "SecretId": arn }), json!({ "VersionIdsToStages": stages }))
        .await;
    let without = json!({ "SecretId": arn, "VersionStage": "AWSCURRENT", "MoveToVersionId": version(1) });
    check(
        &cloud,
        "UpdateSecretVersionStage",
        without,
        json!("InvalidParameterException: The parameter RemoveFromVersionId can't be empty.*"),
    )
    .await;
    let batch = json!({ "SecretIdList": ["app/db", "none"] });
    let both = json!({ "SecretValues": [{ "SecretString": "next" }], "Errors": [{ "SecretId": "none", "ErrorCode": "ResourceNotFoundException" }] });
    check(&cloud, "BatchGetSecretValue", batch, both).await;
}

#[tokio::test]
async fn a_deleted_secret_is_hidden_restored_and_gone_in_the_end() {
    let cloud = cloud().await;
    create(&cloud, "a", "x").await;
    let (named, marked) = (
        json!({ "SecretId": "a" }),
        json!(
            "InvalidRequestException: You can't perform this operation on the secret because it was marked for deletion."
        ),
    );
    check(
        &cloud,
        "DeleteSecret",
        json!({ "SecretId": "a", "RecoveryWindowInDays": 7 }),
        json!({ "DeletionDate": "*" }),
    )
    .await;
    check(&cloud, "GetSecretValue", named.clone(), marked).await;
    check(&cloud, "CreateSecret", json!({ "Name": "a" }), json!("InvalidRequestException: You can't create this secret because a secret with this name is already scheduled for deletion.")).await;
    check(&cloud, "ListSecrets", json!({}), json!({ "SecretList": [] })).await;
    check(
        &cloud,
        "ListSecrets",
        json!({ "IncludePlannedDeletion": true }),
        json!({ "SecretList": [{ "Name": "a" }] }),
    )
    .await;
    check(&cloud, "RestoreSecret", named.clone(), json!({ "Name": "a" })).await;
    cloud.advance(8 * 86_400);
    cloud.settled().await;
    check(&cloud, "GetSecretValue", named.clone(), json!({ "SecretString": "x" })).await;
    check(&cloud, "DeleteSecret", named.clone(), json!({ "DeletionDate": "*" })).await;
    cloud.advance(30 * 86_400 + 1);
    cloud
        .eventually("secretsmanager", "DescribeSecret", named.clone(), json!("ResourceNotFoundException: *"))
        .await;
    create(&cloud, "a", "anew").await;
    let at_once = json!({ "SecretId": "a", "ForceDeleteWithoutRecovery": true });
    for _ in 0..2 {
        check(&cloud, "DeleteSecret", at_once.clone(), json!({ "Name": "a" })).await;
    }
    check(&cloud, "GetSecretValue", named, json!("ResourceNotFoundException: *")).await;
    let both = json!({ "SecretId": "a", "ForceDeleteWithoutRecovery": true, "RecoveryWindowInDays": 7 });
    check(&cloud, "DeleteSecret", both, json!("InvalidParameterException: *")).await;
}

#[tokio::test]
async fn passwords_are_of_what_was_asked_for() {
    let cloud = cloud().await;
    for (input, length, allowed) in [
        (json!({}), 32, "any"),
        (
            json!({ "PasswordLength": 8, "ExcludePunctuation": true, "ExcludeNumbers": true, "ExcludeLowercase": true }),
            8,
            "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        ),
        (
            json!({ "PasswordLength": 2, "ExcludeCharacters": "0123456", "ExcludePunctuation": true, "ExcludeUppercase": true, "ExcludeLowercase": true }),
            2,
            "789",
        ),
    ] {
        let answer =
            check(&cloud, "GetRandomPassword", input.clone(), json!({ "RandomPassword": "*" })).await;
        let password = answer["RandomPassword"].as_str().expect("text");
        assert_eq!(password.chars().count(), length, "{input}");
        assert!(allowed == "any" || password.chars().all(|it| allowed.contains(it)), "{input}: {password}");
    }
    check(&cloud, "GetRandomPassword", json!({ "PasswordLength": 3 }), json!("InvalidParameterException: *"))
        .await;
}

#[tokio::test]
async fn secrets_are_listed_tagged_and_found() {
    let cloud = cloud().await;
    for name in ["a/one", "a/two", "b"] {
        create(&cloud, name, "x").await;
    }
    check(
        &cloud,
        "TagResource",
        json!({ "SecretId": "b", "Tags": [{ "Key": "team", "Value": "red" }] }),
        json!({}),
    )
    .await;
    let names = |answer: &Value| -> Vec<String> {
        let all = answer["SecretList"].as_array().map_or(&[][..], Vec::as_slice);
        all.iter().map(|one| one["Name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let by = |key: &str, value: &str| json!({ "Filters": [{ "Key": key, "Values": [value] }], "SortBy": "name", "SortOrder": "asc" });
    for (input, expected) in [
        (by("name", "a/"), &["a/one", "a/two"][..]),
        (by("name", "!a/"), &["b"]),
        (by("tag-value", "red"), &["b"]),
        (by("all", "team"), &["b"]),
        (by("description", "none"), &[]),
    ] {
        let answer = check(&cloud, "ListSecrets", input.clone(), json!({ "SecretList": "*" })).await;
        assert_eq!(names(&answer), expected, "{input}");
    }
    check(
        &cloud,
        "CreateSecret",
        json!({ "Name": "b" }),
        json!("ResourceExistsException: The operation failed because the secret b already exists."),
    )
    .await;
    check(&cloud, "CreateSecret", json!({ "Name": "b c" }), json!("ValidationException: *")).await;
}

#[tokio::test]
async fn parameter_store_and_cloudformation_read_secrets() {
    let cloud = cloud().await;
    create(&cloud, "db", r#"{"user": "ann", "password": "p:1"}"#).await;
    let put = json!({ "Name": "/size", "Value": "7", "Type": "String" });
    cloud.check("ssm", "PutParameter", put, json!({ "Version": 1 })).await;
    let reference = json!({ "Name": "/aws/reference/secretsmanager/db", "WithDecryption": true });
    cloud
        .check(
            "ssm",
            "GetParameter",
            reference,
            json!({ "Parameter": { "Value": r#"{"user": "ann", "password": "p:1"}"# } }),
        )
        .await;

    let template = json!({
        "Parameters": {
            "Size": { "Type": "AWS::SSM::Parameter::Value<String>", "Default": "/size" },
        },
        "Resources": {
            "Read": { "Type": "AWS::SSM::Parameter", "Properties": {
                "Name": "read", "Type": "String",
                "Value": "{{resolve:secretsmanager:db:SecretString:user}}/{{resolve:secretsmanager:db:SecretString:password}}/{{resolve:ssm:/size:1}}",
            } },
            "Sized": { "Type": "AWS::SSM::Parameter", "Properties": { "Name": "sized", "Type": "String", "Value": { "Ref": "Size" } } },
            "Made": { "Type": "AWS::SecretsManager::Secret", "Properties": {
                "Name": "made", "GenerateSecretString": { "SecretStringTemplate": "{\"user\":\"bob\"}", "GenerateStringKey": "password", "PasswordLength": "12" },
            } },
        },
        "Outputs": { "Arn": { "Value": { "Ref": "Made" } } },
    });
    let input = json!({ "StackName": "s", "TemplateBody": template.to_string() });
    cloud.check("cloudformation", "CreateStack", input, json!({ "StackId": "*" })).await;
    let described = json!({ "Stacks": [{ "StackStatus": "CREATE_COMPLETE", "Parameters": [{ "ParameterValue": "/size", "ResolvedValue": "7" }] }] });
    cloud
        .eventually_after(
            "cloudformation.stacks",
            "cloudformation",
            "DescribeStacks",
            json!({ "StackName": "s" }),
            described,
        )
        .await;
    cloud
        .check(
            "ssm",
            "GetParameter",
            json!({ "Name": "read" }),
            json!({ "Parameter": { "Value": "ann/p:1/7" } }),
        )
        .await;
    cloud
        .check("ssm", "GetParameter", json!({ "Name": "sized" }), json!({ "Parameter": { "Value": "7" } }))
        .await;
    let made =
        check(&cloud, "GetSecretValue", json!({ "SecretId": "made" }), json!({ "SecretString": "*" })).await;
    let made: Value = serde_json::from_str(made["SecretString"].as_str().expect("text")).expect("JSON");
    assert_eq!((made["user"].as_str(), made["password"].as_str().map(str::len)), (Some("bob"), Some(12)));

    let missing = json!({ "StackName": "t", "TemplateBody": template.to_string().replace("/size", "/none") });
    let refused =
        json!("ValidationError: Unable to fetch parameters [/none] from parameter store for this account.");
    cloud.check("cloudformation", "CreateStack", missing, refused).await;
}
