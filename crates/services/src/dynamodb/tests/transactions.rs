//! Batches and transactions.

use super::{cloud, invalid, script, table};
use crate::dynamodb::NAME;
use serde_json::{Value, json};

fn put(id: &str, more: &str) -> Value {
    json!({"TableName": "things", "Item": {"id": {"S": id}, "v": {"S": more}}})
}

#[tokio::test]
async fn batches() {
    let cloud = cloud().await;
    table(&cloud, "things", None, json!({})).await;
    table(&cloud, "others", None, json!({})).await;
    let write = |id: &str| json!({"PutRequest": {"Item": {"id": {"S": id}}}});
    let delete = |id: &str| json!({"DeleteRequest": {"Key": {"id": {"S": id}}}});
    let key = |id: &str| json!({"id": {"S": id}});
    let request = |table: &str, requests: Value| json!({"RequestItems": {table: requests}});
    let many = |count: usize| (0..count).map(|at| write(&at.to_string())).collect::<Value>();
    let keys = |count: usize| json!({"Keys": (0..count).map(|at| key(&at.to_string())).collect::<Value>()});
    script(&cloud, [
        ("BatchWriteItem", json!({"RequestItems": {"things": [write("a"), write("b")], "others": [write("a")]}, "ReturnConsumedCapacity": "TOTAL"}), json!({"UnprocessedItems": {}, "ConsumedCapacity": [{"TableName": "others", "CapacityUnits": 1.0}, {"TableName": "things", "CapacityUnits": 2.0}]})),
        ("BatchWriteItem", request("things", json!([write("c"), delete("c")])), invalid("Provided list of item keys contains duplicates")),
        ("BatchWriteItem", request("things", json!([write("c"), {"PutRequest": {"Item": {"x": {"S": "y"}}}}])), invalid("The provided key element does not match the schema")),
        ("BatchWriteItem", request("missing", json!([write("c")])), json!("ResourceNotFoundException: Requested resource not found")),
        ("BatchWriteItem", request("things", many(26)), invalid("Too many items requested for the BatchWriteItem call")),
        ("BatchGetItem", request("things", json!({"Keys": [key("a"), key("b"), key("c")]})), json!({"Responses": {"things": [key("a"), key("b")]}, "UnprocessedKeys": {}})),
        ("BatchGetItem", request("things", json!({"Keys": [key("a"), key("a")]})), invalid("Provided list of item keys contains duplicates")),
        ("BatchGetItem", request("things", keys(101)), invalid("Too many items requested for the BatchGetItem call")),
        ("BatchWriteItem", request("things", json!([delete("a"), delete("nothing")])), json!({"UnprocessedItems": {}})),
        ("Scan", json!({"TableName": "things"}), json!({"Items": [key("b")]})),
    ])
    .await;
    cloud.stop().await;
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing() {
    let cloud = cloud().await;
    table(&cloud, "things", None, json!({})).await;
    let key = |id: &str| json!({"TableName": "things", "Key": {"id": {"S": id}}});
    let with = |base: Value, more: Value| super::merged(base, more);
    let transact = |actions: Value| json!({"TransactItems": actions});
    let check = with(
        key("b"),
        json!({"ConditionExpression": "v = :v", "ExpressionAttributeValues": {":v": {"S": "2"}}, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}),
    );
    script(&cloud, [
        ("TransactWriteItems", transact(json!([{"Put": put("a", "1")}, {"Put": put("b", "1")}])), json!({"ConsumedCapacity": null})),
        ("TransactWriteItems", transact(json!([{"Delete": key("a")}, {"ConditionCheck": check}])), json!("TransactionCanceledException: Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed]")),
        ("GetItem", key("a"), json!({"Item": {"v": {"S": "1"}}})),
        ("TransactWriteItems", transact(json!([{"Delete": key("a")}, {"Put": put("a", "2")}])), invalid("Transaction request cannot include multiple operations on one item")),
        ("TransactWriteItems", transact(json!([{"Put": {"TableName": "things", "Item": {"x": {"S": "y"}}}}])), json!("TransactionCanceledException: *")),
        ("TransactWriteItems", transact(json!([{"Put": put("a", "2"), "Delete": key("b")}])), invalid("TransactItems can only contain one of Check, Put, Update or Delete")),
        ("TransactWriteItems", transact(json!([{"Put": {"TableName": "missing", "Item": {"id": {"S": "y"}}}}])), json!("ResourceNotFoundException: Requested resource not found")),
        ("TransactWriteItems", json!({"ReturnConsumedCapacity": "TOTAL", "TransactItems": [{"Delete": key("a")}, {"Update": with(key("b"), json!({"UpdateExpression": "SET v = :v", "ExpressionAttributeValues": {":v": {"S": "3"}}}))}]}), json!({"ConsumedCapacity": [{"TableName": "things", "CapacityUnits": 4.0}]})),
        ("TransactGetItems", transact(json!([{"Get": key("a")}, {"Get": with(key("b"), json!({"ProjectionExpression": "v"}))}])), json!({"Responses": [{"Item": null}, {"Item": {"v": {"S": "3"}, "id": null}}]})),
    ])
    .await;
    let failed = cloud
        .context
        .call(NAME, "TransactWriteItems", transact(json!([{"Delete": key("a")}, {"ConditionCheck": check}])))
        .await;
    let reasons = json!([
        {"Code": "None"},
        {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed", "Item": {"id": {"S": "b"}, "v": {"S": "3"}}},
    ]);
    assert_eq!(failed.expect_err("a refusal").fields["CancellationReasons"], reasons);
    cloud.stop().await;
}

#[tokio::test]
async fn a_token_is_done_once() {
    let cloud = cloud().await;
    table(&cloud, "things", None, json!({})).await;
    let add = |by: &str| {
        json!({"ClientRequestToken": "token", "TransactItems": [{"Update": {
            "TableName": "things", "Key": {"id": {"S": "a"}}, "UpdateExpression": "ADD n :n", "ExpressionAttributeValues": {":n": {"N": by}},
        }}]})
    };
    let get = json!({"TableName": "things", "Key": {"id": {"S": "a"}}});
    script(
        &cloud,
        [
            ("TransactWriteItems", add("1"), json!({})),
            ("TransactWriteItems", add("1"), json!({})),
            ("GetItem", get.clone(), json!({"Item": {"n": {"N": "1"}}})),
            ("TransactWriteItems", add("2"), json!("IdempotentParameterMismatchException: *")),
        ],
    )
    .await;
    cloud.advance(601);
    script(
        &cloud,
        [("TransactWriteItems", add("2"), json!({})), ("GetItem", get, json!({"Item": {"n": {"N": "3"}}}))],
    )
    .await;
    cloud.stop().await;
}
