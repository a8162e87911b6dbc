//! Tables out of templates.

use super::{cloud, merged};
use crate::dynamodb::NAME;
use crate::dynamodb::cloudformation::RESOURCES;
use aloft_engine::{Resource, ResourceContext, ResourceHandler, Update};
use serde_json::{Value, json};

fn handler(name: &str) -> &'static dyn ResourceHandler {
    RESOURCES.iter().find(|kind| kind.name == name).expect("a type").handler
}

#[tokio::test]
async fn a_table_of_a_template() {
    let cloud = cloud().await;
    let mut resource = ResourceContext {
        context: cloud.context.clone(),
        stack_name: "shop-dev".to_owned(),
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/shop-dev/1".to_owned(),
        logical_id: "Orders".to_owned(),
        tags: json!({"STAGE": "dev"}).as_object().cloned().unwrap_or_default(),
        token: "ABCDEFGHIJKL".to_owned(),
        resuming: false,
    };
    let index = |name: &str, key: &str| json!({"IndexName": name, "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}, "ProvisionedThroughput": {"ReadCapacityUnits": "1", "WriteCapacityUnits": 1}});
    let definitions = |names: &[&str]| {
        names.iter().map(|name| json!({"AttributeName": name, "AttributeType": "S"})).collect::<Value>()
    };
    let properties = json!({
        "AttributeDefinitions": definitions(&["id", "customer"]),
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "ProvisionedThroughput": {"ReadCapacityUnits": "5", "WriteCapacityUnits": 5},
        "GlobalSecondaryIndexes": [index("by-customer", "customer")],
        "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
        "TimeToLiveSpecification": {"AttributeName": "until", "Enabled": "true"},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": true},
        "SSESpecification": {"SSEEnabled": true},
        "Tags": [{"Key": "team", "Value": "a"}],
    });
    let table = handler("AWS::DynamoDB::Table");
    let made = table.create(&resource, &properties).await.expect("a table");
    let name = "shop-dev-Orders-ABCDEFGHIJKL";
    let arn = format!("arn:aws:dynamodb:us-east-1:000000000000:table/{name}");
    let stream = json!(format!("{arn}/stream/2026-11-23T04:05:06.000"));
    let attributes = json!({"Arn": arn, "StreamArn": stream}).as_object().cloned().unwrap_or_default();
    assert_eq!(made, Resource { physical_id: name.to_owned(), attributes });
    let description = json!({"Table": {"ProvisionedThroughput": {"ReadCapacityUnits": 5}, "GlobalSecondaryIndexes": [{"IndexName": "by-customer"}], "SSEDescription": {"Status": "ENABLED"}}});
    let named = json!({"TableName": name});
    cloud.check(NAME, "DescribeTable", named.clone(), description).await;
    cloud
        .check(
            NAME,
            "DescribeTimeToLive",
            named.clone(),
            json!({"TimeToLiveDescription": {"AttributeName": "until"}}),
        )
        .await;
    cloud
        .check(
            NAME,
            "ListTagsOfResource",
            json!({"ResourceArn": arn}),
            json!({"Tags": [{"Key": "STAGE", "Value": "dev"}, {"Key": "team", "Value": "a"}]}),
        )
        .await;
    // Taken up after a crash, it is adopted; otherwise the name is taken.
    assert_eq!(table.create(&resource, &properties).await.expect_err("taken").code, "ResourceInUseException");
    resource.resuming = true;
    assert_eq!(table.create(&resource, &properties).await.expect("the same"), made);

    let changed = merged(
        properties.clone(),
        json!({
            "AttributeDefinitions": definitions(&["id", "customer", "state"]),
            "BillingMode": "PAY_PER_REQUEST",
            "ProvisionedThroughput": null,
            "GlobalSecondaryIndexes": [merged(index("by-customer", "customer"), json!({"ProvisionedThroughput": null})), merged(index("by-state", "state"), json!({"ProvisionedThroughput": null}))],
            "StreamSpecification": {"StreamViewType": "KEYS_ONLY"},
            "TimeToLiveSpecification": {"AttributeName": "other", "Enabled": true},
            "Tags": [],
        }),
    );
    let Update::InPlace(updated) =
        table.update(&resource, name, &properties, &changed).await.expect("an update")
    else {
        panic!("the table was not to be replaced");
    };
    assert_ne!(updated.attributes["StreamArn"], stream);
    let description = json!({"Table": {
        "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
        "GlobalSecondaryIndexes": [{"IndexName": "by-customer"}, {"IndexName": "by-state", "IndexStatus": "ACTIVE"}],
        "StreamSpecification": {"StreamViewType": "KEYS_ONLY"},
    }});
    cloud.check(NAME, "DescribeTable", named.clone(), description).await;
    cloud
        .check(
            NAME,
            "DescribeTimeToLive",
            named,
            json!({"TimeToLiveDescription": {"AttributeName": "other"}}),
        )
        .await;
    cloud
        .check(
            NAME,
            "ListTagsOfResource",
            json!({"ResourceArn": arn}),
            json!({"Tags": [{"Key": "STAGE", "Value": "dev"}]}),
        )
        .await;

    let other_key =
        merged(changed.clone(), json!({"KeySchema": [{"AttributeName": "customer", "KeyType": "HASH"}]}));
    assert_eq!(table.update(&resource, name, &changed, &other_key).await.expect("a plan"), Update::Replace);
    let without = merged(changed.clone(), json!({"GlobalSecondaryIndexes": []}));
    let refused = table.update(&resource, name, &changed, &without).await.expect_err("a refusal");
    assert_eq!(refused.message, "Cannot perform more than one GSI creation or deletion in a single update");
    let kinesis = merged(changed, json!({"KinesisStreamSpecification": {"StreamArn": "x"}}));
    let refused = table.create(&resource, &kinesis).await.expect_err("a refusal");
    assert_eq!(refused.message, "Encountered unsupported property KinesisStreamSpecification");
    for _ in 0..2 {
        table.delete(&resource, name, &properties).await.expect("gone");
    }
    assert!(handler("AWS::DynamoDB::GlobalTable").create(&resource, &properties).await.is_err());
    cloud.stop().await;
}
