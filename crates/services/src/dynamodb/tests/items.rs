//! Single items: what is taken, what is refused, what comes back, who wins a race.

use super::{cloud, invalid, merged, script, table};
use crate::dynamodb::NAME;
use futures_util::future::join_all;
use serde_json::{Value, json};

/// An input for `TableName` `items` with more members.
fn on(more: Value) -> Value {
    merged(json!({"TableName": "items"}), more)
}

fn key(id: &str) -> Value {
    json!({"id": {"S": id}, "n": {"N": "1"}})
}

const INDEX: &str = "by-kind";

async fn prepared() -> crate::testing::Cloud {
    let cloud = cloud().await;
    let more = json!({
        "AttributeDefinitions": [
            {"AttributeName": "id", "AttributeType": "S"}, {"AttributeName": "n", "AttributeType": "N"},
            {"AttributeName": "kind", "AttributeType": "S"},
        ],
        "GlobalSecondaryIndexes": [{
            "IndexName": INDEX, "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["shown"]},
        }],
    });
    table(&cloud, "items", Some(("n", "N")), more).await;
    cloud
}

#[tokio::test]
async fn what_is_no_item_is_refused() {
    let cloud = prepared().await;
    let values = "One or more parameter values were invalid: ";
    let deep = (0..33).fold(json!({"S": "x"}), |inner, _| json!({"L": [inner]}));
    for (attributes, message) in [
        (json!({"n": {"N": "1"}}), format!("{values}Missing the key id in the item")),
        (json!({"id": {"S": "a"}}), format!("{values}Missing the key n in the item")),
        (json!({"id": {"N": "1"}, "n": {"N": "1"}}), format!("{values}Type mismatch for key id expected: S actual: N")),
        (
            json!({"id": {"S": ""}, "n": {"N": "1"}}),
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: id".to_owned(),
        ),
        (
            json!({"id": {"S": "x".repeat(2049)}, "n": {"N": "1"}}),
            format!("{values}Size of hashkey has exceeded the maximum size limit of2048 bytes"),
        ),
        (
            merged(key("a"), json!({"kind": {"N": "1"}})),
            format!("{values}Type mismatch for Index Key kind Expected: S Actual: N IndexName: by-kind"),
        ),
        (
            merged(key("a"), json!({"kind": {"S": ""}})),
            "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: by-kind, IndexKey: kind".to_owned(),
        ),
        (merged(key("a"), json!({"x": {"S": "x".repeat(400 * 1024)}})), "Item size has exceeded the maximum allowed size".to_owned()),
        (merged(key("a"), json!({"x": {}})), "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes".to_owned()),
        (
            merged(key("a"), json!({"x": {"S": "a", "N": "1"}})),
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes".to_owned(),
        ),
        (merged(key("a"), json!({"x": {"N": "1e126"}})), "Number overflow. Attempting to store a number with magnitude larger than supported range".to_owned()),
        (merged(key("a"), json!({"x": {"N": "1".repeat(39)}})), "Attempting to store more than 38 significant digits in a Number".to_owned()),
        (merged(key("a"), json!({"x": {"SS": []}})), format!("{values}An string set  may not be empty")),
        (merged(key("a"), json!({"x": {"SS": ["a", "a"]}})), format!("{values}Input collection [a, a] contains duplicates.")),
        (
            merged(key("a"), json!({"x": deep})),
            "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit".to_owned(),
        ),
    ] {
        cloud.check(NAME, "PutItem", on(json!({"Item": attributes})), invalid(&message)).await;
    }
    let mismatch = invalid("The provided key element does not match the schema");
    for wrong in [
        json!({"id": {"S": "a"}}),
        json!({"id": {"S": "a"}, "n": {"S": "1"}}),
        json!({"id": {"S": "a"}, "n": {"N": "1"}, "x": {"S": ""}}),
    ] {
        for operation in ["GetItem", "DeleteItem", "UpdateItem"] {
            cloud.check(NAME, operation, on(json!({"Key": wrong})), mismatch.clone()).await;
        }
    }
    cloud
        .check(NAME, "DescribeTable", on(json!({})), json!({"Table": {"ItemCount": 0, "TableSizeBytes": 0}}))
        .await;
    cloud.stop().await;
}

#[tokio::test]
async fn items_come_back_as_asked() {
    let cloud = prepared().await;
    let item = merged(
        key("a"),
        json!({"x": {"N": "01.50"}, "list": {"L": [{"S": "one"}, {"S": "two"}]}, "bytes_of": {"B": "aGk="}}),
    );
    let stored = merged(item.clone(), json!({"x": {"N": "1.5"}}));
    let set = |expression: &str, values: Value, more: Value| {
        on(merged(
            json!({"Key": key("a"), "UpdateExpression": expression, "ExpressionAttributeValues": values}),
            more,
        ))
    };
    let returning = |what: &str| json!({"ReturnValues": what});
    let condition = |expression: &str, more: Value| merged(json!({"ConditionExpression": expression}), more);
    script(&cloud, [
        ("GetItem", on(json!({"Key": key("a")})), json!({"Item": null})),
        ("PutItem", on(merged(json!({"Item": item}), returning("ALL_OLD"))), json!({"Attributes": null})),
        ("GetItem", on(json!({"Key": key("a"), "ConsistentRead": true, "ReturnConsumedCapacity": "TOTAL"})), json!({"Item": stored, "ConsumedCapacity": {"TableName": "items", "CapacityUnits": 1.0}})),
        ("GetItem", on(json!({"Key": key("a"), "ProjectionExpression": "#l[1], bytes_of", "ExpressionAttributeNames": {"#l": "list"}})), json!({"Item": {"list": {"L": [{"S": "two"}]}, "bytes_of": {"B": "aGk="}, "id": null}})),
        ("GetItem", on(json!({"Key": key("a"), "AttributesToGet": ["x"]})), json!({"Item": {"x": {"N": "1.5"}, "bytes_of": null}})),
        ("PutItem", on(merged(json!({"Item": key("a")}), returning("UPDATED_NEW"))), invalid("ReturnValues can only be ALL_OLD or NONE")),
        ("PutItem", on(merged(json!({"Item": key("a")}), condition("attribute_not_exists(id)", json!({"ReturnValuesOnConditionCheckFailure": "ALL_OLD"})))), json!("ConditionalCheckFailedException: The conditional request failed")),
        ("UpdateItem", set("SET x = x + :one, fresh = :f", json!({":one": {"N": "1"}, ":f": {"S": "f"}}), returning("UPDATED_NEW")), json!({"Attributes": {"x": {"N": "2.5"}, "fresh": {"S": "f"}, "id": null}})),
        ("UpdateItem", set("SET x = :one", json!({":one": {"N": "1"}}), returning("UPDATED_OLD")), json!({"Attributes": {"x": {"N": "2.5"}, "bytes_of": null}})),
        ("UpdateItem", set("SET x = :one", json!({":one": {"N": "1"}}), returning("ALL_NEW")), json!({"Attributes": {"x": {"N": "1"}, "bytes_of": "*"}})),
        ("UpdateItem", set("SET id = :one", json!({":one": {"S": "1"}}), json!({})), invalid("One or more parameter values were invalid: Cannot update attribute id. This attribute is part of the key")),
        ("UpdateItem", set("SET kind = :one", json!({":one": {"N": "1"}}), json!({})), invalid("One or more parameter values were invalid: Type mismatch for Index Key kind Expected: S Actual: N IndexName: by-kind")),
        ("UpdateItem", set("SET big = :b", json!({":b": {"S": "x".repeat(400 * 1024)}}), json!({})), invalid("Item size to update has exceeded the maximum allowed size")),
        ("UpdateItem", set("SET x = :one", json!({":one": {"N": "1"}, ":two": {"N": "2"}}), json!({})), invalid("Value provided in ExpressionAttributeValues unused in expressions: keys: {:two}")),
        ("UpdateItem", set("SET x = absent", json!({}), json!({"ExpressionAttributeValues": null})), invalid("The provided expression refers to an attribute that does not exist in the item")),
        ("UpdateItem", on(json!({"Key": key("a"), "ExpressionAttributeValues": {":a": {"S": "a"}}})), invalid("ExpressionAttributeValues can only be specified when using expressions: UpdateExpression and ConditionExpression are null")),
        ("UpdateItem", on(json!({"Key": key("a"), "UpdateExpression": "REMOVE x", "AttributeUpdates": {}})), invalid("Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {AttributeUpdates} Expression parameters: {UpdateExpression}")),
        // An update without an expression makes the item, of its key alone.
        ("UpdateItem", on(merged(json!({"Key": key("bare")}), returning("ALL_NEW"))), json!({"Attributes": key("bare")})),
        ("DeleteItem", on(merged(json!({"Key": key("bare")}), condition("attribute_exists(absent)", json!({})))), json!("ConditionalCheckFailedException: The conditional request failed")),
        ("DeleteItem", on(merged(json!({"Key": key("bare")}), returning("ALL_OLD"))), json!({"Attributes": key("bare")})),
        ("DeleteItem", on(merged(json!({"Key": key("bare")}), returning("ALL_OLD"))), json!({"Attributes": null})),
    ])
    .await;
    let failed = cloud
        .context
        .call(
            NAME,
            "PutItem",
            on(merged(
                json!({"Item": key("a")}),
                condition(
                    "attribute_not_exists(id)",
                    json!({"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}),
                ),
            )),
        )
        .await;
    assert_eq!(failed.expect_err("a refusal").fields["Item"]["x"], json!({"N": "1"}));
    cloud.stop().await;
}

#[tokio::test]
async fn capacity_counts_indexes() {
    let cloud = prepared().await;
    let put = |more: Value| on(json!({"Item": merged(key("a"), more), "ReturnConsumedCapacity": "INDEXES"}));
    let units = |table: f64, index: f64| {
        let index = if index > 0.0 { json!({INDEX: {"CapacityUnits": index}}) } else { json!(null) };
        json!({"ConsumedCapacity": {"Table": {"CapacityUnits": table}, "GlobalSecondaryIndexes": index}})
    };
    let big = "x".repeat(3000);
    script(
        &cloud,
        [
            ("PutItem", put(json!({})), units(1.0, 0.0)),
            ("PutItem", put(json!({"kind": {"S": "k"}, "hidden": {"S": big}})), units(3.0, 1.0)),
            ("PutItem", put(json!({"kind": {"S": "k"}})), units(3.0, 0.0)),
            ("PutItem", put(json!({"kind": {"S": "k"}, "shown": {"S": big}})), units(3.0, 3.0)),
            // Another key in the index: out and in.
            ("PutItem", put(json!({"kind": {"S": "l"}, "shown": {"S": big}})), units(3.0, 6.0)),
            (
                "DescribeTable",
                on(json!({})),
                json!({"Table": {"ItemCount": 1, "GlobalSecondaryIndexes": [{"ItemCount": 1}]}}),
            ),
        ],
    )
    .await;
    cloud.stop().await;
}

#[tokio::test]
async fn the_older_parameters_mean_the_same() {
    let cloud = prepared().await;
    let put = |value: &str, expected: Value| {
        on(json!({"Item": merged(key("a"), json!({"x": {"S": value}})), "Expected": expected}))
    };
    let failed = || json!("ConditionalCheckFailedException: The conditional request failed");
    let compare = |operator: &str, values: Value| json!({"x": {"ComparisonOperator": operator, "AttributeValueList": values}});
    script(&cloud, [
        ("PutItem", put("one", json!({"id": {"Exists": false}})), json!({})),
        ("PutItem", put("two", json!({"id": {"Exists": false}})), failed()),
        ("PutItem", put("two", json!({"x": {"Value": {"S": "one"}}})), json!({})),
        ("PutItem", put("three", compare("BEGINS_WITH", json!([{"S": "tw"}]))), json!({})),
        ("PutItem", put("four", compare("BETWEEN", json!([{"S": "a"}, {"S": "b"}]))), failed()),
        ("PutItem", put("four", compare("NOT_CONTAINS", json!([{"S": "hre"}]))), failed()),
        ("PutItem", put("four", compare("IN", json!([{"S": "two"}, {"S": "three"}]))), json!({})),
        ("PutItem", put("five", compare("EQ", json!([]))), invalid("One or more parameter values were invalid: Invalid number of argument(s) for the EQ ComparisonOperator")),
        ("PutItem", put("five", json!({"x": {"Exists": true}})), invalid("One or more parameter values were invalid: Value must be provided when Exists is true for Attribute: x")),
        ("UpdateItem", on(json!({"Key": key("a"), "ReturnValues": "ALL_NEW", "AttributeUpdates": {
            "count": {"Action": "ADD", "Value": {"N": "2"}},
            "set": {"Action": "ADD", "Value": {"SS": ["a", "b"]}},
            "list": {"Action": "ADD", "Value": {"L": [{"S": "a"}]}},
            "x": {"Action": "DELETE"},
            "y": {"Value": {"BOOL": true}},
        }})), json!({"Attributes": {"count": {"N": "2"}, "set": {"SS": ["a", "b"]}, "list": {"L": [{"S": "a"}]}, "x": null, "y": {"BOOL": true}}})),
        ("UpdateItem", on(json!({"Key": key("a"), "ReturnValues": "UPDATED_NEW", "AttributeUpdates": {"set": {"Action": "DELETE", "Value": {"SS": ["a"]}}}})), json!({"Attributes": {"set": {"SS": ["b"]}}})),
        ("UpdateItem", on(json!({"Key": key("a"), "AttributeUpdates": {"y": {"Action": "ADD", "Value": {"S": "s"}}}})), invalid("One or more parameter values were invalid: ADD action is not supported for the type S")),
        ("Scan", on(json!({"ScanFilter": {"count": {"ComparisonOperator": "GT", "AttributeValueList": [{"N": "1"}]}}})), json!({"Count": 1})),
        ("Query", on(json!({"KeyConditions": {"id": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "a"}]}, "n": {"ComparisonOperator": "LE", "AttributeValueList": [{"N": "1"}]}}, "QueryFilter": {"y": {"ComparisonOperator": "NULL"}}})), json!({"Count": 0, "ScannedCount": 1})),
        ("Query", on(json!({"KeyConditions": {"id": {"ComparisonOperator": "NE", "AttributeValueList": [{"S": "a"}]}}})), invalid("Attempted conditional constraint is not an indexable operation")),
    ])
    .await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_one_wins_a_race() {
    let cloud = prepared().await;
    for round in 0..10 {
        let id = format!("race-{round}");
        let put = on(json!({"Item": key(&id), "ConditionExpression": "attribute_not_exists(id)"}));
        let runs = join_all((0..20).map(|_| cloud.call(NAME, "PutItem", put.clone()))).await;
        assert_eq!(runs.iter().filter(|answer| answer.is_object()).count(), 1, "round {round}");
    }
    let add = on(
        json!({"Key": key("counter"), "UpdateExpression": "ADD tally :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}),
    );
    join_all((0..100).map(|_| cloud.call(NAME, "UpdateItem", add.clone()))).await;
    cloud
        .check(NAME, "GetItem", on(json!({"Key": key("counter")})), json!({"Item": {"tally": {"N": "100"}}}))
        .await;
    cloud.stop().await;
}
