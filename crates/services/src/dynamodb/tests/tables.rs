//! Tables: making, changing, listing, deleting; time to live; tags.

use super::{cloud, invalid, merged, script, table};
use crate::dynamodb::NAME;
use crate::dynamodb::rows::{ENTRIES, EXPIRIES, ITEMS};
use crate::dynamodb::table::Address;
use crate::dynamodb::work::begin_fill;
use aloft_store::Transaction;
use serde_json::{Value, json};

#[tokio::test]
async fn definitions_are_checked() {
    let cloud = cloud().await;
    let base = json!({
        "TableName": "refused",
        "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}, {"AttributeName": "b", "AttributeType": "N"}],
        "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}, {"AttributeName": "b", "KeyType": "RANGE"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    let index = |keys: [&str; 2], projection: Value| {
        let keys = [
            json!({"AttributeName": keys[0], "KeyType": "HASH"}),
            json!({"AttributeName": keys[1], "KeyType": "RANGE"}),
        ];
        json!([{"IndexName": "index", "KeySchema": keys, "Projection": projection}])
    };
    let all = json!({"ProjectionType": "ALL"});
    let values = "One or more parameter values were invalid: ";
    for (more, message) in [
        (json!({"TableName": "ab"}), "TableName must be at least 3 characters long and at most 255 characters long".to_owned()),
        (
            json!({"TableName": "a b"}),
            "1 validation error detected: Value 'a b' at 'tableName' failed to satisfy constraint: Member must satisfy \
             regular expression pattern: [a-zA-Z0-9_.-]+"
                .to_owned(),
        ),
        (
            json!({"BillingMode": null}),
            format!("{values}ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED"),
        ),
        (
            json!({"ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}),
            format!("{values}Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"),
        ),
        (
            json!({"AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}]}),
            "Invalid KeySchema: Some index key attribute have no definition".to_owned(),
        ),
        (
            json!({"KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}, {"AttributeName": "c", "KeyType": "RANGE"}]}),
            format!("{values}Some index key attributes are not defined in AttributeDefinitions. Keys: [a, c], AttributeDefinitions: [a, b]"),
        ),
        (
            json!({"KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}, {"AttributeName": "a", "KeyType": "RANGE"}]}),
            "Both the Hash Key and the Range Key element in the KeySchema have the same name".to_owned(),
        ),
        (
            json!({"KeySchema": [{"AttributeName": "a", "KeyType": "RANGE"}]}),
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type".to_owned(),
        ),
        (
            json!({"KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}]}),
            format!("{values}Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions"),
        ),
        (json!({"LocalSecondaryIndexes": []}), format!("{values}List of LocalSecondaryIndexes is empty")),
        (json!({"GlobalSecondaryIndexes": []}), format!("{values}List of GlobalSecondaryIndexes is empty")),
        (
            json!({"LocalSecondaryIndexes": index(["b", "a"], all.clone())}),
            format!(
                "{values}Index KeySchema does not have the same leading hash key as table KeySchema for index: index. \
                 index hash key: b, table hash key: a"
            ),
        ),
        (
            json!({"GlobalSecondaryIndexes": index(["b", "a"], json!({}))}),
            format!("{values}Unknown ProjectionType: null"),
        ),
        (
            json!({"GlobalSecondaryIndexes": index(["b", "a"], json!({"ProjectionType": "ALL", "NonKeyAttributes": ["x"]}))}),
            format!("{values}ProjectionType is ALL, but NonKeyAttributes is specified"),
        ),
        (
            json!({"GlobalSecondaryIndexes": index(["b", "a"], all.clone()), "LocalSecondaryIndexes": index(["a", "b"], all.clone())}),
            format!("{values}Duplicate index name: index"),
        ),
        (
            json!({"StreamSpecification": {"StreamEnabled": true}}),
            format!("{values}StreamViewType must be specified when StreamEnabled is set to true"),
        ),
        (json!({"VectorIndexes": []}), "VectorIndexes is not supported by the local cloud".to_owned()),
    ] {
        cloud.check(NAME, "CreateTable", merged(base.clone(), more), invalid(&message)).await;
    }
    cloud.check(NAME, "ListTables", json!({}), json!({"TableNames": []})).await;
    cloud.stop().await;
}

#[tokio::test]
async fn a_table_lives() {
    let cloud = cloud().await;
    let missing = json!("ResourceNotFoundException: Requested resource not found: Table: music not found");
    cloud.check(NAME, "DescribeTable", json!({"TableName": "music"}), missing.clone()).await;
    table(
        &cloud,
        "music",
        Some(("song", "S")),
        json!({
            "Tags": [{"Key": "team", "Value": "a"}],
            "DeletionProtectionEnabled": true,
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"},
            "SSESpecification": {"Enabled": true},
        }),
    )
    .await;
    let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/music";
    let name = json!({"TableName": "music"});
    let change = |more: Value| merged(json!({"TableName": "music"}), more);
    let units = |read: u64| json!({"ReadCapacityUnits": read, "WriteCapacityUnits": 1});
    script(&cloud, [
        ("CreateTable", json!({
            "TableName": "music", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        }), json!("ResourceInUseException: Table already exists: music")),
        ("DescribeTable", json!({"TableName": arn}), json!({"Table": {
            "TableArn": arn,
            "TableId": "*",
            "TableStatus": "ACTIVE",
            "ItemCount": 0,
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}, {"AttributeName": "song", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "song", "KeyType": "RANGE"}],
            "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
            "ProvisionedThroughput": {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0, "NumberOfDecreasesToday": 0},
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"},
            "LatestStreamArn": format!("{arn}/stream/2026-11-23T04:05:06.000"),
            "SSEDescription": {"Status": "ENABLED", "SSEType": "KMS"},
            "GlobalSecondaryIndexes": null,
        }})),
        ("ListTables", json!({}), json!({"TableNames": ["music"], "LastEvaluatedTableName": null})),
        ("UpdateTable", name.clone(), invalid("At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required")),
        ("UpdateTable", change(json!({"StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"}})), invalid("Table already has an enabled stream: TableName: music")),
        ("UpdateTable", change(json!({"StreamSpecification": {"StreamEnabled": false}})), json!({"TableDescription": {"StreamSpecification": null, "LatestStreamArn": "*"}})),
        ("UpdateTable", change(json!({"BillingMode": "PROVISIONED"})), invalid("One or more parameter values were invalid: ProvisionedThroughput must be specified when BillingMode is PROVISIONED")),
        ("UpdateTable", change(json!({"BillingMode": "PROVISIONED", "ProvisionedThroughput": units(2)})), json!({"TableDescription": {"ProvisionedThroughput": {"ReadCapacityUnits": 2}, "BillingModeSummary": {"BillingMode": "PROVISIONED"}}})),
        ("UpdateTable", change(json!({"ProvisionedThroughput": units(2)})), invalid("The provisioned throughput for the table will not change. The requested value equals the current value. Current ReadCapacityUnits provisioned for the table: 2. Requested ReadCapacityUnits: 2. Current WriteCapacityUnits provisioned for the table: 1. Requested WriteCapacityUnits: 1. Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.")),
        ("TagResource", json!({"ResourceArn": arn, "Tags": [{"Key": "stage", "Value": "dev"}]}), json!({})),
        ("UntagResource", json!({"ResourceArn": arn, "TagKeys": ["team"]}), json!({})),
        ("ListTagsOfResource", json!({"ResourceArn": arn}), json!({"Tags": [{"Key": "stage", "Value": "dev"}]})),
        ("ListTagsOfResource", json!({"ResourceArn": format!("{arn}2")}), json!("ResourceNotFoundException: Requested resource not found: ResourcArn: arn:aws:dynamodb:us-east-1:000000000000:table/music2 not found")),
        ("DescribeContinuousBackups", name.clone(), json!({"ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"}}})),
        ("ExecuteStatement", json!({"Statement": "SELECT * FROM music"}), json!("NotImplemented: *")),
        ("PutItem", change(json!({"Item": {"id": {"S": "a"}, "song": {"S": "b"}}})), json!({})),
        ("DeleteTable", name.clone(), invalid("Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")),
        ("UpdateTable", change(json!({"DeletionProtectionEnabled": false})), json!({"TableDescription": {"DeletionProtectionEnabled": false}})),
        ("DeleteTable", name.clone(), json!({"TableDescription": {"TableStatus": "DELETING", "ItemCount": 1}})),
        ("DeleteTable", name.clone(), missing),
        ("GetItem", change(json!({"Key": {"id": {"S": "a"}, "song": {"S": "b"}}})), json!("ResourceNotFoundException: Requested resource not found")),
    ]).await;
    until_empty(&cloud).await;
    // A table of the same name begins empty.
    table(&cloud, "music", None, json!({})).await;
    cloud.check(NAME, "Scan", name, json!({"Count": 0})).await;
    cloud.stop().await;
}

/// Waits expires_at nothing is left of deleted tables.
async fn until_empty(cloud: &crate::testing::Cloud) {
    let mut timers = cloud.engine.store().watch("timers.due");
    loop {
        timers.borrow_and_update();
        let snapshot = cloud.engine.store().read().expect("a snapshot");
        let left = |keyspace: &str| snapshot.scan(keyspace, [], 1).expect("rows").len();
        if left(ITEMS) + left(ENTRIES) + left(EXPIRIES) == 0 {
            return;
        }
        tokio::time::timeout(std::time::Duration::from_secs(10), timers.changed())
            .await
            .expect("in time")
            .expect("a store");
    }
}

#[tokio::test]
async fn names_come_in_pages() {
    let cloud = cloud().await;
    for name in ["ccc", "aaa", "bbb"] {
        table(&cloud, name, None, json!({})).await;
    }
    script(
        &cloud,
        [
            (
                "ListTables",
                json!({"Limit": 2}),
                json!({"TableNames": ["aaa", "bbb"], "LastEvaluatedTableName": "bbb"}),
            ),
            (
                "ListTables",
                json!({"ExclusiveStartTableName": "bbb"}),
                json!({"TableNames": ["ccc"], "LastEvaluatedTableName": null}),
            ),
        ],
    )
    .await;
    cloud.stop().await;
}

#[tokio::test]
async fn an_index_is_filled_from_what_is_there() {
    let cloud = cloud().await;
    table(&cloud, "orders", None, json!({})).await;
    for at in 0..1100 {
        // Every other order has a customer, and so a place in the index.
        let item = match at % 2 {
            0 => json!({"id": {"S": at.to_string()}, "customer": {"S": "c"}, "at": {"N": at.to_string()}}),
            _ => json!({"id": {"S": at.to_string()}}),
        };
        cloud.check(NAME, "PutItem", json!({"TableName": "orders", "Item": item}), json!({})).await;
    }
    let create = json!({"TableName": "orders",
        "AttributeDefinitions": [{"AttributeName": "customer", "AttributeType": "S"}, {"AttributeName": "at", "AttributeType": "N"}],
        "GlobalSecondaryIndexUpdates": [{"Create": {
            "IndexName": "by-customer",
            "KeySchema": [{"AttributeName": "customer", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }}],
    });
    let query = json!({"TableName": "orders", "IndexName": "by-customer", "Select": "COUNT",
        "KeyConditionExpression": "customer = :c", "ExpressionAttributeValues": {":c": {"S": "c"}}});
    let described = json!({"TableDescription": {"GlobalSecondaryIndexes": [{"IndexStatus": "ACTIVE", "ItemCount": 550}]}});
    let delete = json!({"TableName": "orders", "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "by-customer"}}]});
    script(
        &cloud,
        [
            ("UpdateTable", create.clone(), described.clone()),
            ("Query", query.clone(), json!({"Count": 550})),
            ("DeleteItem", json!({"TableName": "orders", "Key": {"id": {"S": "0"}}}), json!({})),
            ("Query", query.clone(), json!({"Count": 549})),
            (
                "UpdateTable",
                create.clone(),
                invalid("One or more parameter values were invalid: Duplicate index name: by-customer"),
            ),
            ("UpdateTable", delete, json!({"TableDescription": {"GlobalSecondaryIndexes": null}})),
            ("Query", query.clone(), invalid("The table does not have the specified index: by-customer")),
            // Made again while what is left of the old one is swept.
            (
                "UpdateTable",
                create,
                json!({"TableDescription": {"GlobalSecondaryIndexes": [{"ItemCount": 549}]}}),
            ),
            ("Query", query, json!({"Count": 549})),
        ],
    )
    .await;
    cloud.stop().await;
}

#[tokio::test]
async fn items_expire() {
    let cloud = cloud().await;
    table(&cloud, "sessions", None, json!({})).await;
    let now = cloud.clock.now().seconds();
    let put = |id: &str, at: i64| json!({"TableName": "sessions", "Item": {"id": {"S": id}, "expires_at": {"N": at.to_string()}}});
    let specification = |attribute: &str, enabled: bool| json!({"TableName": "sessions", "TimeToLiveSpecification": {"AttributeName": attribute, "Enabled": enabled}});
    let name = json!({"TableName": "sessions"});
    script(&cloud, [
        ("PutItem", put("before", now + 100), json!({})),
        ("UpdateTimeToLive", specification("expires_at", false), invalid("TimeToLive is already disabled")),
        ("UpdateTimeToLive", specification("expires_at", true), json!({"TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": true}})),
        ("UpdateTimeToLive", specification("expires_at", true), invalid("TimeToLive is already enabled")),
        ("UpdateTimeToLive", specification("other", true), invalid("TimeToLive is active on a different AttributeName: current AttributeName is expires_at")),
        ("DescribeTimeToLive", name.clone(), json!({"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}})),
        ("PutItem", put("soon", now + 50), json!({})),
        ("PutItem", put("later", now + 500), json!({})),
        ("PutItem", put("long-ago", now - 6 * 365 * 24 * 3600), json!({})),
        ("PutItem", json!({"TableName": "sessions", "Item": {"id": {"S": "text"}, "expires_at": {"S": "1"}}}), json!({})),
        ("UpdateItem", json!({"TableName": "sessions", "Key": {"id": {"S": "prolonged"}}, "UpdateExpression": "SET expires_at = :u", "ExpressionAttributeValues": {":u": {"N": (now + 60).to_string()}}}), json!({})),
        ("UpdateItem", json!({"TableName": "sessions", "Key": {"id": {"S": "prolonged"}}, "UpdateExpression": "SET expires_at = expires_at + :u", "ExpressionAttributeValues": {":u": {"N": "1000"}}}), json!({})),
    ])
    .await;
    let count = |count: u64| json!({"Count": count});
    cloud.eventually(NAME, "Scan", name.clone(), count(6)).await;
    cloud.advance(60);
    cloud.eventually(NAME, "Scan", name.clone(), count(5)).await;
    cloud.advance(60);
    cloud.eventually(NAME, "Scan", name.clone(), count(4)).await;
    cloud.advance(500);
    cloud.eventually(NAME, "Scan", name.clone(), count(3)).await;
    cloud.check(NAME, "UpdateTimeToLive", specification("expires_at", false), json!({})).await;
    cloud.check(NAME, "DescribeTable", name, json!({"Table": {"ItemCount": 3}})).await;
    cloud.stop().await;
}

#[tokio::test]
async fn filling_goes_on_after_a_crash() {
    let cloud = cloud().await;
    let index = json!([{"IndexName": "by-kind", "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}]);
    let definitions = ["id", "kind"].map(|name| json!({"AttributeName": name, "AttributeType": "S"}));
    table(
        &cloud,
        "halfway",
        None,
        json!({"AttributeDefinitions": definitions, "GlobalSecondaryIndexes": index}),
    )
    .await;
    let put = |id: &str| json!({"TableName": "halfway", "Item": {"id": {"S": id}, "kind": {"S": "k"}}});
    script(&cloud, [("PutItem", put("a"), json!({})), ("PutItem", put("b"), json!({}))]).await;
    // As it would be when the process had died in the middle: one of the items is not yet in the index.
    let (address, now) = (Address::of(&cloud.context, "halfway").expect("a name"), cloud.clock.now());
    let interrupt = move |transaction: &mut Transaction<'_>| {
        let mut table = address.table(transaction)?;
        table.indexes[0].active = false;
        let first = transaction.scan(ENTRIES, [], 1)?;
        transaction.delete(ENTRIES, &first[0].0);
        address.save(transaction, &table)?;
        begin_fill(transaction, &address, &table, now)
    };
    cloud.engine.store().write(interrupt).await.expect("a write");
    let query = json!({"TableName": "halfway", "IndexName": "by-kind", "KeyConditionExpression": "kind = :k", "ExpressionAttributeValues": {":k": {"S": "k"}}});
    cloud
        .check(
            NAME,
            "Query",
            query.clone(),
            invalid("Cannot read from backfilling global secondary index: by-kind"),
        )
        .await;
    cloud.advance(60);
    cloud.eventually(NAME, "Query", query, json!({"Count": 2})).await;
    cloud.stop().await;
}
