//! Queries and scans: order, ranges, pages, filters, indexes, segments.

use super::{cloud, invalid, merged, script, table};
use crate::dynamodb::NAME;
use crate::testing::Cloud;
use serde_json::{Value, json};

/// A query of the partition `p`.
fn query(table: &str, more: Value) -> Value {
    let base = json!({"TableName": table, "KeyConditionExpression": "id = :p", "ExpressionAttributeValues": {":p": {"S": "p"}}});
    merged(base, more)
}

/// All items of a query or a scan, page by page, and how many pages there were.
async fn pages(cloud: &Cloud, operation: &str, input: Value) -> (Vec<Value>, usize) {
    let (mut items, mut count, mut start) = (Vec::new(), 0, Value::Null);
    loop {
        let page = cloud
            .check(
                NAME,
                operation,
                merged(input.clone(), json!({"ExclusiveStartKey": start})),
                json!({"Items": "*"}),
            )
            .await;
        items.extend(page["Items"].as_array().into_iter().flatten().cloned());
        count += 1;
        start = page["LastEvaluatedKey"].clone();
        if start.is_null() {
            return (items, count);
        }
    }
}

fn numbers(items: &[Value]) -> Vec<&str> {
    items.iter().filter_map(|item| item["n"]["N"].as_str()).collect()
}

#[tokio::test]
async fn numbers_come_in_order() {
    let cloud = cloud().await;
    table(&cloud, "numbers", Some(("n", "N")), json!({})).await;
    let sorted = [
        "-1e100",
        "-12345.678",
        "-100",
        "-99.5",
        "-1",
        "-1e-100",
        "0",
        "1e-130",
        "0.5",
        "1",
        "9",
        "10",
        "10.01",
        "1e38",
        "1e100",
    ];
    let at = |index: usize| json!({"id": {"S": "p"}, "n": {"N": sorted[index]}});
    for index in [7, 2, 14, 0, 9, 4, 12, 1, 6, 11, 3, 13, 5, 10, 8] {
        cloud.check(NAME, "PutItem", json!({"TableName": "numbers", "Item": at(index)}), json!({})).await;
    }
    let normal: Vec<String> = sorted
        .iter()
        .map(|text| aloft_lang::expression::number::normalise(text).expect("a number"))
        .collect();
    let (forward, _) = pages(&cloud, "Query", query("numbers", json!({"Limit": 4}))).await;
    assert_eq!(numbers(&forward), normal);
    let (mut backward, _) =
        pages(&cloud, "Query", query("numbers", json!({"Limit": 4, "ScanIndexForward": false}))).await;
    backward.reverse();
    assert_eq!(backward, forward);
    for (condition, values, range) in [
        ("n = :a", vec!["10"], 11..12),
        ("n < :a", vec!["0"], 0..6),
        ("n <= :a", vec!["0"], 0..7),
        ("n > :a", vec!["9.5"], 11..15),
        ("n >= :a", vec!["10"], 11..15),
        ("n BETWEEN :a AND :b", vec!["-99.5", "1"], 3..10),
        ("n < :a", vec!["-1e101"], 0..0),
    ] {
        let mut placeholders = json!({":p": {"S": "p"}});
        for (name, value) in [":a", ":b"].iter().zip(values) {
            placeholders[*name] = json!({"N": value});
        }
        let input = query(
            "numbers",
            json!({"KeyConditionExpression": format!("id = :p AND {condition}"), "ExpressionAttributeValues": placeholders}),
        );
        let (found, _) = pages(&cloud, "Query", input).await;
        assert_eq!(numbers(&found), normal[range], "{condition}");
    }
    cloud.stop().await;
}

#[tokio::test]
async fn two_thousand_items_come_in_pages() {
    let cloud = cloud().await;
    table(&cloud, "many", Some(("sort", "S")), json!({})).await;
    let sort = |at: usize| format!("{at:05}/\0/é");
    for batch in (0..2000).collect::<Vec<_>>().chunks(25) {
        let put = |at: &usize| json!({"PutRequest": {"Item": {"id": {"S": "p"}, "sort": {"S": sort(*at)}, "filler": {"S": "x".repeat(1000)}}}});
        let other =
            json!({"PutRequest": {"Item": {"id": {"S": format!("other-{}", batch[0])}, "sort": {"S": "x"}}}});
        let mut puts: Vec<Value> = batch.iter().map(put).take(24).collect();
        puts.push(other);
        cloud
            .check(
                NAME,
                "BatchWriteItem",
                json!({"RequestItems": {"many": puts}}),
                json!({"UnprocessedItems": {}}),
            )
            .await;
        let last = json!({"TableName": "many", "Item": put(&batch[24])["PutRequest"]["Item"]});
        cloud.check(NAME, "PutItem", last, json!({})).await;
    }
    let (all, count) = pages(&cloud, "Query", query("many", json!({}))).await;
    let sorts: Vec<&str> = all.iter().filter_map(|item| item["sort"]["S"].as_str()).collect();
    assert_eq!(sorts, (0..2000).map(sort).collect::<Vec<_>>());
    assert_eq!(count, 2, "two megabytes are two pages");
    let (again, count) =
        pages(&cloud, "Query", query("many", json!({"Limit": 300, "ScanIndexForward": false}))).await;
    assert!(again.iter().rev().eq(all.iter()));
    assert_eq!(count, 7);
    let prefix = json!({"KeyConditionExpression": "id = :p AND begins_with(sort, :s)", "ExpressionAttributeValues": {":p": {"S": "p"}, ":s": {"S": "0012"}}});
    cloud
        .check(
            NAME,
            "Query",
            query("many", merged(prefix, json!({"Select": "COUNT"}))),
            json!({"Count": 10, "Items": null}),
        )
        .await;
    let filter = json!({"FilterExpression": "filler <> :x", "ExpressionAttributeValues": {":p": {"S": "p"}, ":x": {"S": "x".repeat(1000)}}, "Limit": 10});
    cloud.check(NAME, "Query", query("many", filter), json!({"Count": 0, "ScannedCount": 10, "LastEvaluatedKey": {"id": {"S": "p"}, "sort": {"S": sort(9)}}})).await;
    // Segments share out all items, each once.
    let (mut scanned, mut busy) = (Vec::new(), 0);
    for segment in 0..4 {
        let (part, _) = pages(&cloud, "Scan", json!({"TableName": "many", "Segment": segment, "TotalSegments": 4, "ProjectionExpression": "id, sort"})).await;
        busy += usize::from(!part.is_empty());
        scanned.extend(part.into_iter().map(|item| item.to_string()));
    }
    scanned.sort();
    scanned.dedup();
    assert_eq!((scanned.len(), busy), (2080, 4));
    cloud.stop().await;
}

#[tokio::test]
async fn indexes_answer_what_they_have() {
    let cloud = cloud().await;
    let names =
        ["id", "sort", "buyer", "at"].map(|name| json!({"AttributeName": name, "AttributeType": "S"}));
    let keys = |hash: &str, range: &str| json!([{"AttributeName": hash, "KeyType": "HASH"}, {"AttributeName": range, "KeyType": "RANGE"}]);
    table(&cloud, "indexed", Some(("sort", "S")), json!({
        "AttributeDefinitions": names,
        "LocalSecondaryIndexes": [{"IndexName": "local", "KeySchema": keys("id", "at"), "Projection": {"ProjectionType": "KEYS_ONLY"}}],
        "GlobalSecondaryIndexes": [{"IndexName": "global", "KeySchema": keys("buyer", "at"), "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["shown"]}}],
    }))
    .await;
    for (sort, other, at) in [("1", "x", "c"), ("2", "x", "a"), ("3", "y", "b"), ("4", "x", "a")] {
        let item = json!({"id": {"S": "p"}, "sort": {"S": sort}, "buyer": {"S": other}, "at": {"S": at}, "shown": {"S": "s"}, "hid": {"S": "h"}});
        cloud.check(NAME, "PutItem", json!({"TableName": "indexed", "Item": item}), json!({})).await;
    }
    cloud
        .check(
            NAME,
            "PutItem",
            json!({"TableName": "indexed", "Item": {"id": {"S": "p"}, "sort": {"S": "5"}}}),
            json!({}),
        )
        .await;
    let local = |more: Value| query("indexed", merged(json!({"IndexName": "local"}), more));
    let global = |more: Value| {
        let base = json!({"TableName": "indexed", "IndexName": "global", "KeyConditionExpression": "buyer = :o", "ExpressionAttributeValues": {":o": {"S": "x"}}});
        merged(base, more)
    };
    let sorts =
        |items: &[Value]| items.iter().filter_map(|item| item["sort"]["S"].as_str()).collect::<String>();
    for limit in [1, 2, 100] {
        let (found, _) = pages(&cloud, "Query", local(json!({"Limit": limit}))).await;
        assert_eq!(sorts(&found), "2431");
        let (found, _) = pages(&cloud, "Query", global(json!({"Limit": limit}))).await;
        assert_eq!(sorts(&found), "241");
        let (found, _) =
            pages(&cloud, "Query", global(json!({"Limit": limit, "ScanIndexForward": false}))).await;
        assert_eq!(sorts(&found), "142");
        let (found, _) =
            pages(&cloud, "Scan", json!({"TableName": "indexed", "IndexName": "global", "Limit": limit}))
                .await;
        assert_eq!(found.len(), 4);
    }
    let key = |text: &str| json!({"S": text});
    script(&cloud, [
        ("Query", local(json!({"Limit": 1})), json!({"Items": [{"shown": null, "hid": null}], "LastEvaluatedKey": {"id": key("p"), "sort": key("2"), "at": key("a")}})),
        ("Query", local(json!({"Limit": 1, "Select": "ALL_ATTRIBUTES"})), json!({"Items": [{"hid": "*"}]})),
        ("Query", local(json!({"Limit": 1, "ProjectionExpression": "hid"})), json!({"Items": [{"hid": "*", "id": null}]})),
        ("Query", global(json!({"Limit": 1})), json!({"Items": [{"shown": "*", "hid": null}]})),
        ("Query", global(json!({"ConsistentRead": true})), invalid("Consistent reads are not supported on global secondary indexes")),
        ("Query", global(json!({"Select": "ALL_ATTRIBUTES"})), invalid("One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global secondary index global because its projection type is not ALL")),
        ("Query", global(json!({"ProjectionExpression": "hid"})), invalid("One or more parameter values were invalid: Global secondary index global does not project [hid]")),
        ("Query", global(json!({"IndexName": "missing"})), invalid("The table does not have the specified index: missing")),
        ("Query", global(json!({"ExclusiveStartKey": {"id": key("p"), "sort": key("2")}})), invalid("The provided starting key is invalid")),
        ("Query", global(json!({"ExclusiveStartKey": {"id": key("p"), "sort": key("3"), "buyer": key("y"), "at": key("b")}})), invalid("The provided starting key is outside query boundaries based on provided conditions")),
        // Its key of the index gone, an item leaves it.
        ("UpdateItem", json!({"TableName": "indexed", "Key": {"id": key("p"), "sort": key("4")}, "UpdateExpression": "REMOVE buyer"}), json!({})),
        ("Query", global(json!({})), json!({"Count": 2})),
    ])
    .await;
    cloud.stop().await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused() {
    let cloud = cloud().await;
    table(&cloud, "plain", Some(("n", "N")), json!({})).await;
    let condition = |text: &str, values: Value| {
        query("plain", json!({"KeyConditionExpression": text, "ExpressionAttributeValues": values}))
    };
    let p = json!({"S": "p"});
    script(&cloud, [
        ("Query", json!({"TableName": "plain"}), invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")),
        ("Query", condition("n = :n", json!({":n": {"N": "1"}})), invalid("Query condition missed key schema element: id")),
        ("Query", condition("id = :p AND x = :n", json!({":p": p, ":n": {"N": "1"}})), invalid("Query condition missed key schema element: n")),
        ("Query", condition("id > :p", json!({":p": p})), invalid("Query key condition not supported")),
        ("Query", condition("id = :p", json!({":p": {"N": "1"}})), invalid("One or more parameter values were invalid: Condition parameter type does not match schema type")),
        ("Query", query("plain", json!({"FilterExpression": "n = :p"})), invalid("Filter Expression can only contain non-primary key attributes: Primary key attribute: n")),
        ("Query", query("plain", json!({"Select": "SPECIFIC_ATTRIBUTES"})), invalid("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")),
        ("Query", query("plain", json!({"ExclusiveStartKey": {"id": p}})), invalid("The provided starting key is invalid: The provided key element does not match the schema")),
        ("Scan", json!({"TableName": "plain", "Segment": 1}), invalid("The TotalSegments parameter is required but was not present in the request when Segment parameter is present")),
        ("Scan", json!({"TableName": "plain", "Segment": 2, "TotalSegments": 2}), invalid("The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 2 is not less than TotalSegments: 2")),
        ("Scan", json!({"TableName": "plain", "FilterExpression": "id = :p"}), invalid("Invalid FilterExpression: An expression attribute value used in expression is not defined; attribute value: :p")),
    ])
    .await;
    cloud.stop().await;
}
