//! Parameters as their users see them.

use super::Ssm;
use crate::testing::Cloud;
use serde_json::{Value, json};
use std::sync::Arc;

async fn cloud() -> Cloud {
    Cloud::start(vec![Arc::new(Ssm)]).await
}

async fn check(cloud: &Cloud, operation: &str, input: Value, expected: Value) -> Value {
    cloud.check("ssm", operation, input, expected).await
}

async fn put(cloud: &Cloud, name: &str, value: &str, version: u64) {
    let input = json!({ "Name": name, "Value": value, "Type": "String", "Overwrite": version > 1 });
    check(cloud, "PutParameter", input, json!({ "Version": version, "Tier": "Standard" })).await;
}

#[tokio::test]
async fn versions_are_put_read_labelled_and_deleted() {
    let cloud = cloud().await;
    put(&cloud, "/shop/url", "one", 1).await;
    put(&cloud, "/shop/url", "two", 2).await;
    let label = json!({ "Name": "/shop/url", "ParameterVersion": 1, "Labels": ["old", "1st", "aws-x"] });
    let labelled = json!({ "InvalidLabels": ["1st", "aws-x"], "ParameterVersion": 1 });
    check(&cloud, "LabelParameterVersion", label, labelled).await;
    let arn = "arn:aws:ssm:us-east-1:000000000000:parameter/shop/url";
    for (name, expected) in [
        (
            "/shop/url",
            json!({ "Value": "two", "Version": 2, "ARN": arn, "Type": "String", "DataType": "text" }),
        ),
        ("/shop/url:1", json!({ "Value": "one", "Version": 1, "Selector": ":1" })),
        ("/shop/url:old", json!({ "Value": "one", "Version": 1, "Selector": ":old" })),
        (arn, json!({ "Value": "two", "Name": "/shop/url" })),
    ] {
        check(&cloud, "GetParameter", json!({ "Name": name }), json!({ "Parameter": expected })).await;
    }
    for (name, expected) in [
        ("/shop/none", "ParameterNotFound: Parameter /shop/none not found."),
        (
            "/shop/url:7",
            "ParameterVersionNotFound: Systems Manager could not find version 7 of /shop/url. Verify the version and try again.",
        ),
        (
            "/shop/url:new",
            "ParameterVersionNotFound: Systems Manager could not find version new of /shop/url. Verify the version and try again.",
        ),
    ] {
        check(&cloud, "GetParameter", json!({ "Name": name }), json!(expected)).await;
    }
    let history = json!({ "Parameters": [{ "Version": 1, "Value": "one", "Labels": ["old"] }, { "Version": 2, "Labels": [] }] });
    check(&cloud, "GetParameterHistory", json!({ "Name": "/shop/url" }), history).await;
    let unlabel = json!({ "Name": "/shop/url", "ParameterVersion": 1, "Labels": ["old", "none"] });
    check(
        &cloud,
        "UnlabelParameterVersion",
        unlabel,
        json!({ "RemovedLabels": ["old"], "InvalidLabels": ["none"] }),
    )
    .await;
    let both = json!({ "Names": ["/shop/url", "/shop/none"] });
    let found = json!({ "Parameters": [{ "Value": "two" }], "InvalidParameters": ["/shop/none"] });
    check(&cloud, "GetParameters", both.clone(), found).await;
    let deleted = json!({ "DeletedParameters": ["/shop/url"], "InvalidParameters": ["/shop/none"] });
    check(&cloud, "DeleteParameters", both, deleted).await;
    let gone = json!("ParameterNotFound: Parameter /shop/url not found.");
    check(&cloud, "DeleteParameter", json!({ "Name": "/shop/url" }), gone).await;
    put(&cloud, "/shop/url", "anew", 1).await;
}

#[tokio::test]
async fn what_cannot_be_put_is_refused() {
    let cloud = cloud().await;
    put(&cloud, "a", "x", 1).await;
    let long = "x".repeat(4097);
    for (input, expected) in [
        (json!({ "Name": "a", "Value": "y", "Type": "String" }), "ParameterAlreadyExists: *"),
        (
            json!({ "Name": "b", "Value": "y" }),
            "ValidationException: A parameter type is required when you create a parameter.",
        ),
        (
            json!({ "Name": "a", "Value": "y", "Type": "SecureString", "Overwrite": true }),
            "HierarchyTypeMismatchException: *",
        ),
        (
            json!({ "Name": "/aws/x", "Value": "y", "Type": "String" }),
            "AccessDeniedException: No access to reserved parameter name: /aws/x.",
        ),
        (
            json!({ "Name": "ssm-x", "Value": "y", "Type": "String" }),
            "ValidationException: Parameter name: can't be prefixed*",
        ),
        (
            json!({ "Name": "a b", "Value": "y", "Type": "String" }),
            "ValidationException: Parameter name must be*",
        ),
        (
            json!({ "Name": "a/b", "Value": "y", "Type": "String" }),
            "ValidationException: Parameter name must be*",
        ),
        (
            json!({ "Name": "b", "Value": long, "Type": "String" }),
            "ValidationException: Standard tier parameters support*",
        ),
        (
            json!({ "Name": "b", "Value": "y", "Type": "String", "AllowedPattern": "^[0-9]+$" }),
            "ParameterPatternMismatchException: *",
        ),
        (
            json!({ "Name": "b", "Value": "y", "Type": "String", "AllowedPattern": "(" }),
            "InvalidAllowedPatternException: *",
        ),
        (
            json!({ "Name": "a", "Value": "y", "Overwrite": true, "Tags": [{ "Key": "k", "Value": "v" }] }),
            "ValidationException: Invalid request: tags and overwrite*",
        ),
        (
            json!({ "Name": "b", "Value": "y", "Type": "String", "Policies": "[{}]" }),
            "NotImplemented: the local cloud has not built policies of parameters",
        ),
    ] {
        check(&cloud, "PutParameter", input, json!(expected)).await;
    }
    let advanced = json!({ "Name": "big", "Value": long, "Type": "String", "Tier": "Intelligent-Tiering" });
    check(&cloud, "PutParameter", advanced, json!({ "Version": 1, "Tier": "Advanced" })).await;
}

#[tokio::test]
async fn a_hundred_versions_are_kept_and_a_labelled_one_is_not_forgotten() {
    let cloud = cloud().await;
    for version in 1..=101 {
        put(&cloud, "a", &format!("v{version}"), version).await;
    }
    let gone = "ParameterVersionNotFound: *";
    check(&cloud, "GetParameter", json!({ "Name": "a:1" }), json!(gone)).await;
    check(
        &cloud,
        "LabelParameterVersion",
        json!({ "Name": "a", "ParameterVersion": 2, "Labels": ["l"] }),
        json!({}),
    )
    .await;
    let more = json!({ "Name": "a", "Value": "v", "Overwrite": true });
    check(&cloud, "PutParameter", more, json!("ParameterMaxVersionLimitExceeded: *")).await;
}

#[tokio::test]
async fn secure_strings_are_shown_to_those_who_ask() {
    let cloud = cloud().await;
    let input = json!({ "Name": "s", "Value": "secret", "Type": "SecureString" });
    check(&cloud, "PutParameter", input, json!({ "Version": 1 })).await;
    let closed =
        check(&cloud, "GetParameter", json!({ "Name": "s" }), json!({ "Parameter": { "Value": "AQICAH*" } }))
            .await;
    assert!(!closed.to_string().contains("secret"));
    let open = json!({ "Name": "s", "WithDecryption": true });
    check(
        &cloud,
        "GetParameter",
        open,
        json!({ "Parameter": { "Value": "secret", "Type": "SecureString" } }),
    )
    .await;
    let described = json!({ "Parameters": [{ "Name": "s", "KeyId": "alias/aws/ssm", "Value": null }] });
    check(&cloud, "DescribeParameters", json!({}), described).await;
}

#[tokio::test]
async fn hierarchies_are_walked_and_filtered() {
    let cloud = cloud().await;
    for name in ["/a/b", "/a/c/d", "/ab", "top"] {
        put(&cloud, name, name, 1).await;
    }
    let tag =
        json!({ "ResourceType": "Parameter", "ResourceId": "/a/b", "Tags": [{ "Key": "k", "Value": "v" }] });
    check(&cloud, "AddTagsToResource", tag, json!({})).await;
    let names = |answer: &Value| -> Vec<String> {
        let all = answer["Parameters"].as_array().map_or(&[][..], Vec::as_slice);
        all.iter().map(|one| one["Name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    for (input, expected) in [
        (json!({ "Path": "/a" }), &["/a/b"][..]),
        (json!({ "Path": "/a/", "Recursive": true }), &["/a/b", "/a/c/d"]),
        (json!({ "Path": "/" }), &["/ab", "top"]),
        (json!({ "Path": "/", "Recursive": true }), &["/a/b", "/a/c/d", "/ab", "top"]),
        (json!({ "Path": "/none" }), &[]),
    ] {
        let answer = check(&cloud, "GetParametersByPath", input.clone(), json!({ "Parameters": "*" })).await;
        assert_eq!(names(&answer), expected, "{input}");
    }
    let filter = |key: &str, option: Option<&str>, values: &[&str]| json!({ "ParameterFilters": [{ "Key": key, "Option": option, "Values": values }] });
    for (input, expected) in [
        (filter("Name", None, &["/ab", "top"]), &["/ab", "top"][..]),
        (filter("Name", Some("BeginsWith"), &["/a/"]), &["/a/b", "/a/c/d"]),
        (filter("Name", Some("Contains"), &["b"]), &["/a/b", "/ab"]),
        (filter("Path", Some("Recursive"), &["/a"]), &["/a/b", "/a/c/d"]),
        (filter("Type", None, &["SecureString"]), &[]),
        (filter("tag:k", None, &[]), &["/a/b"]),
        (json!({ "Filters": [{ "Key": "Name", "Values": ["/a/c"] }] }), &["/a/c/d"]),
    ] {
        let answer = check(&cloud, "DescribeParameters", input.clone(), json!({ "Parameters": "*" })).await;
        assert_eq!(names(&answer), expected, "{input}");
    }
    let first =
        check(&cloud, "DescribeParameters", json!({ "MaxResults": 3 }), json!({ "NextToken": "*" })).await;
    let next = json!({ "MaxResults": 3, "NextToken": first["NextToken"] });
    check(
        &cloud,
        "DescribeParameters",
        next,
        json!({ "Parameters": [{ "Name": "top" }], "NextToken": null }),
    )
    .await;
    check(&cloud, "GetParametersByPath", json!({ "Path": "a" }), json!("ValidationException: *")).await;
    check(&cloud, "DescribeParameters", filter("Colour", None, &["x"]), json!("InvalidFilterKey: *")).await;
    let listed = json!({ "TagList": [{ "Key": "k", "Value": "v" }] });
    check(
        &cloud,
        "ListTagsForResource",
        json!({ "ResourceType": "Parameter", "ResourceId": "/a/b" }),
        listed,
    )
    .await;
}
