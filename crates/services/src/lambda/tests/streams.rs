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

async fn kinesis(cloud: &Cloud, shards: u64) -> Value {
    cloud
        .check("kinesis", "CreateStream", json!({ "StreamName": "s", "ShardCount": shards }), json!({}))
        .await;
    "arn:aws:kinesis:us-east-1:000000000000:stream/s".into()
}

async fn put(cloud: &Cloud, key: &str, data: &str) {
    let input = json!({ "StreamName": "s", "PartitionKey": key, "Data": BASE64.encode(data) });
    cloud.check("kinesis", "PutRecord", input, json!({ "SequenceNumber": "*" })).await;
}

/// What a function printed behind a word, once there are so many such lines.
async fn printed(cloud: &Cloud, word: &str, count: usize) -> Vec<String> {
    let lines = log_with(cloud, "reader", word, count).await;
    lines.iter().filter_map(|line| Some(line.strip_prefix(word)?.trim().to_owned())).collect()
}

const READER: &str = r#"
import base64, json
def handler(event, context):
    failed = []
    for r in event["Records"]:
        data = base64.b64decode(r["kinesis"]["data"]).decode()
        if failed:
            continue
        if data.endswith("poison"):
            failed.append({"itemIdentifier": r["kinesis"]["sequenceNumber"]})
            print("failed", data)
        else:
            print("record", data)
    print("event", json.dumps(event))
    return {"batchItemFailures": failed}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kinesis_is_read_key_by_key_and_what_fails_is_tried_again_from_there() {
    let cloud = cloud().await;
    create_queue(&cloud, "bad", json!({})).await;
    let stream = kinesis(&cloud, 1).await;
    put(&cloud, "a", "early").await;
    cloud.advance(10);
    create(&cloud, python("reader", READER)).await;
    let mapping = json!({
        "FunctionName": "reader", "EventSourceArn": stream, "StartingPosition": "AT_TIMESTAMP",
        "StartingPositionTimestamp": cloud.clock.now().as_seconds_f64(), "ParallelizationFactor": 2, "BatchSize": 3,
        "MaximumRetryAttempts": 1, "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "DestinationConfig": { "OnFailure": { "Destination": queue_arn("bad") } },
        "FilterCriteria": { "Filters": [{ "Pattern": r#"{"data":[{"anything-but":["unwanted"]}]}"# }] },
    });
    let told = json!({ "UUID": "*", "ParallelizationFactor": 2, "StartingPosition": "AT_TIMESTAMP" });
    let told = check(&cloud, "CreateEventSourceMapping", mapping, told).await;
    put(&cloud, "a", "unwanted").await;
    for number in 0..6 {
        put(&cloud, "a", &format!("a{number}")).await;
        put(&cloud, "c", &format!("c{number}")).await;
    }
    let records = printed(&cloud, "record ", 12).await;
    for key in ["a", "c"] {
        let of_key: Vec<&String> = records.iter().filter(|it| it.starts_with(key)).collect();
        let expected: Vec<String> = (0..6).map(|number| format!("{key}{number}")).collect();
        assert_eq!(of_key, expected.iter().collect::<Vec<_>>(), "{records:?}");
    }
    let event = printed(&cloud, "event ", 1).await;
    let event: Value = serde_json::from_str(&event[0]).expect("JSON");
    let record = json!({
        "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventName": "aws:kinesis:record", "invokeIdentityArn": ROLE,
        "eventID": "shardId-000000000000:49*", "eventSourceARN": stream, "awsRegion": "us-east-1",
        "kinesis": { "kinesisSchemaVersion": "1.0", "partitionKey": "*", "data": "*", "approximateArrivalTimestamp": 1_795_406_716.0 },
    });
    assert!(matches(&record, &event["Records"][0]), "{event:#}");

    // The one before it is done, the one behind it comes when it is given up, after its second try.
    for data in ["a-ok", "a-poison", "a-late"] {
        put(&cloud, "a", data).await;
    }
    printed(&cloud, "failed ", 1).await;
    let input = json!({ "QueueUrl": queue_url("bad"), "WaitTimeSeconds": 1 });
    let letter = loop {
        cloud.advance(1);
        let answer = cloud.call("sqs", "ReceiveMessage", input.clone()).await;
        if let Some(body) = answer["Messages"][0]["Body"].as_str() {
            break serde_json::from_str::<Value>(body).expect("JSON");
        }
    };
    let expected = json!({
        "requestContext": { "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 2 },
        "KinesisBatchInfo": { "shardId": "shardId-000000000000", "streamArn": stream },
    });
    assert!(matches(&expected, &letter), "{letter:#}");
    assert!(printed(&cloud, "failed ", 2).await.iter().all(|it| it == "a-poison"));
    put(&cloud, "a", "last").await;
    assert_eq!(printed(&cloud, "record last", 1).await.len(), 1);

    // With another number of lanes and after a split nothing is lost, and nothing comes again.
    let update = json!({ "UUID": told["UUID"], "ParallelizationFactor": 1 });
    check(&cloud, "UpdateEventSourceMapping", update, json!("*")).await;
    let half = (u128::MAX / 2 + 1).to_string();
    let split =
        json!({ "StreamName": "s", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": half });
    cloud.check("kinesis", "SplitShard", split, json!({})).await;
    put(&cloud, "a", "split-a").await;
    put(&cloud, "c", "split-c").await;
    printed(&cloud, "record split-", 2).await;
    let all = printed(&cloud, "record ", 1).await;
    let count = |data: &str| all.iter().filter(|it| *it == data).count();
    assert!(["a0", "c5", "a-ok", "split-a", "split-c"].iter().all(|it| count(it) == 1), "{all:?}");
    assert!(count("early") == 0 && count("unwanted") == 0, "{all:?}");
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tumbling_window_carries_its_state_to_its_end() {
    let cloud = cloud().await;
    let stream = kinesis(&cloud, 1).await;
    let code = "
def handler(event, context):
    n = event['state'].get('n', 0) + len(event['Records'])
    if event['isFinalInvokeForWindow']:
        print('window', event['window']['start'], event['window']['end'], n, event['isWindowTerminatedEarly'])
    else:
        print('batch', n, event['shardId'])
    return {'state': {'n': n}}
";
    create(&cloud, python("reader", code)).await;
    let mapping = json!({
        "FunctionName": "reader", "EventSourceArn": stream, "StartingPosition": "TRIM_HORIZON", "BatchSize": 1,
        "TumblingWindowInSeconds": 60,
    });
    let told = json!({ "TumblingWindowInSeconds": 60 });
    check(&cloud, "CreateEventSourceMapping", mapping, told).await;
    // Six seconds into the minute.
    for data in ["1", "2", "3"] {
        put(&cloud, "a", data).await;
    }
    assert_eq!(printed(&cloud, "batch ", 3).await[2], "3 shardId-000000000000");
    cloud.advance(54);
    let windows = printed(&cloud, "window ", 1).await;
    assert_eq!(windows, ["2026-11-23T04:05:00Z 2026-11-23T04:06:00Z 3 False"]);
    put(&cloud, "a", "4").await;
    assert_eq!(printed(&cloud, "batch ", 4).await[3], "1 shardId-000000000000");
    cloud.advance(200);
    let windows = printed(&cloud, "window ", 2).await;
    assert_eq!(windows[1], "2026-11-23T04:06:00Z 2026-11-23T04:07:00Z 1 False");
    put(&cloud, "a", "5").await;
    printed(&cloud, "batch ", 5).await;
    // The end of the shard ends its window before its time.
    let split =
        json!({ "StreamName": "s", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": "5" });
    cloud.check("kinesis", "SplitShard", split, json!({})).await;
    put(&cloud, "a", "6").await;
    let windows = printed(&cloud, "window ", 3).await;
    assert_eq!(windows[2], "2026-11-23T04:09:00Z 2026-11-23T04:10:00Z 1 True");
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_reached_is_known_after_a_restart_and_never_too_far() {
    let (store, clock) = (Store::ephemeral().expect("a store"), Clock::fixed(crate::testing::BEGINNING));
    let code = |fails: bool| {
        format!(
            "import base64\ndef handler(event, context):\n    for r in event['Records']:\n        data = base64.b64decode(r['kinesis']['data']).decode()\n        if data == 'two' and {}:\n            raise ValueError(data)\n        print('record', data)",
            if fails { "True" } else { "False" }
        )
    };
    {
        let cloud = cloud_on(store.clone(), clock.clone()).await;
        let stream = kinesis(&cloud, 1).await;
        create(&cloud, python("reader", &code(true))).await;
        let mapping = json!({
            "FunctionName": "reader", "EventSourceArn": stream, "StartingPosition": "TRIM_HORIZON", "BatchSize": 1,
        });
        check(&cloud, "CreateEventSourceMapping", mapping, json!("*")).await;
        for data in ["one", "two", "three"] {
            put(&cloud, "a", data).await;
        }
        // The second is tried and fails; the third waits behind it. The pause until the next try does not end here.
        log_with(&cloud, "reader", "[ERROR] ValueError: two", 1).await;
        let update = json!({ "FunctionName": "reader", "ZipFile": zipped("main.py", &code(false)) });
        check(&cloud, "UpdateFunctionCode", update, json!("*")).await;
        cloud.stop().await;
    }
    // Events of two streams at the same time have no order.
    clock.advance(Duration::from_secs(1));
    let cloud = cloud_on(store, clock).await;
    assert_eq!(printed(&cloud, "record ", 3).await, ["one", "two", "three"]);
    cloud.stop().await;
}
