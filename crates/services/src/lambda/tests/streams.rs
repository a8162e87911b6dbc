//! DynamoDB streams that feed functions.

use super::*;

const WORKER: &str = r#"
def handler(event, context):
    for r in event["Records"]:
        n = r["dynamodb"]["Keys"]["id"]["S"]
        if n == "poison":
            raise ValueError("no")
        print("record", r["eventName"], n, r["eventSourceARN"][-3:])
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_delivered_in_order_and_a_poisonous_one_is_given_up() {
    let cloud = cloud().await;
    create_queue(&cloud, "bad", json!({})).await;
    let table = json!({
        "TableName": "things", "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
        "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
        "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "KEYS_ONLY" },
    });
    let made = cloud.check("dynamodb", "CreateTable", table, json!("*")).await;
    let stream = made["TableDescription"]["LatestStreamArn"].clone();
    let put = async |id: &str| {
        let item = json!({ "TableName": "things", "Item": { "id": { "S": id } } });
        cloud.check("dynamodb", "PutItem", item, json!({})).await;
    };
    put("before").await;
    create(&cloud, python("worker", WORKER)).await;
    let mapping = json!({ "FunctionName": "worker", "EventSourceArn": stream });
    check(
        &cloud,
        "CreateEventSourceMapping",
        mapping.clone(),
        json!("InvalidParameterValueException: 1 validation error*"),
    )
    .await;
    let mut mapping = mapping;
    mapping["StartingPosition"] = "LATEST".into();
    mapping["MaximumRetryAttempts"] = 0.into();
    mapping["BisectBatchOnFunctionError"] = true.into();
    mapping["DestinationConfig"] = json!({ "OnFailure": { "Destination": queue_arn("bad") } });
    mapping["FilterCriteria"] = json!({ "Filters": [{ "Pattern": r#"{"eventName":["INSERT"]}"# }] });
    mapping["Enabled"] = false.into();
    let told =
        json!({ "UUID": "*", "BatchSize": 100, "StartingPosition": "LATEST", "MaximumRetryAttempts": 0 });
    let told = check(&cloud, "CreateEventSourceMapping", mapping, told).await;
    // What `LATEST` means was decided then: these come, although nobody reads yet.
    for id in ["one", "two", "poison", "three"] {
        put(id).await;
    }
    let key = json!({ "TableName": "things", "Key": { "id": { "S": "one" } } });
    cloud.check("dynamodb", "DeleteItem", key, json!({})).await;
    put("four").await;
    check(&cloud, "UpdateEventSourceMapping", json!({ "UUID": told["UUID"], "Enabled": true }), json!("*"))
        .await;
    let lines = log_with(&cloud, "worker", "record INSERT four", 1).await;
    let mut records: Vec<&str> =
        lines.iter().filter_map(|line| line.strip_prefix("record INSERT ")).collect();
    // A batch that failed halfway is tried again in halves.
    records.dedup();
    let last = records.iter().rev().take(2).rev().copied().collect::<Vec<_>>();
    assert_eq!(last, ["three 000\n", "four 000\n"], "{records:?}");
    assert!(!lines.iter().any(|line| line.contains("before") || line.contains("REMOVE")), "{lines:?}");
    let record = next_message(&cloud, "bad").await;
    let record: Value = serde_json::from_str(record["Body"].as_str().expect("a body")).expect("JSON");
    let expected = json!({
        "requestContext": { "condition": "RetryAttemptsExhausted", "functionArn": arn("worker") },
        "DDBStreamBatchInfo": { "batchSize": 1, "streamArn": stream, "shardId": "shardId-*" },
    });
    assert!(matches(&expected, &record), "{record:#}");
    cloud.stop().await;
}
