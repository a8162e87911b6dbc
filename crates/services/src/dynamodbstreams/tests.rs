//! Streams as a poller sees them.

use crate::dynamodb::tests::{cloud, merged, script, table};
use crate::testing::Cloud;
use serde_json::{Value, json};

const STREAMS: &str = "dynamodbstreams";

async fn iterator(cloud: &Cloud, arn: &str, more: Value) -> Value {
    let described = cloud.call(STREAMS, "DescribeStream", json!({"StreamArn": arn})).await;
    let shard = &described["StreamDescription"]["Shards"][0]["ShardId"];
    let input = merged(json!({"StreamArn": arn, "ShardId": shard}), more);
    cloud.check(STREAMS, "GetShardIterator", input, json!({"ShardIterator": "*"})).await["ShardIterator"]
        .clone()
}

#[tokio::test]
async fn changes_are_read_in_order() {
    let cloud = cloud().await;
    table(
        &cloud,
        "logged",
        None,
        json!({"StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"}}),
    )
    .await;
    let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/logged/stream/2026-11-23T04:05:06.000";
    let latest = iterator(&cloud, arn, json!({"ShardIteratorType": "LATEST"})).await;
    let item = |v: &str| json!({"id": {"S": "a"}, "v": {"N": v}});
    let put = |v: &str| ("PutItem", json!({"TableName": "logged", "Item": item(v)}), json!({}));
    let key = json!({"TableName": "logged", "Key": {"id": {"S": "a"}}});
    // What changes nothing is no change: neither the same item again nor the deletion of what is not there.
    script(
        &cloud,
        [
            put("1"),
            put("2"),
            put("2"),
            ("DeleteItem", key.clone(), json!({})),
            ("DeleteItem", key, json!({})),
        ],
    )
    .await;
    let record = |name: &str, number: u64, new: Value, old: Value| {
        json!({
            "eventID": "*", "eventName": name, "eventVersion": "1.1", "eventSource": "aws:dynamodb", "awsRegion": "us-east-1",
            "dynamodb": {
                "Keys": {"id": {"S": "a"}}, "SequenceNumber": format!("1{number:020}"), "NewImage": new, "OldImage": old,
                "StreamViewType": "NEW_AND_OLD_IMAGES", "SizeBytes": "*", "ApproximateCreationDateTime": 1_795_406_706,
            },
        })
    };
    let all = json!([
        record("INSERT", 1, item("1"), Value::Null),
        record("MODIFY", 2, item("2"), item("1")),
        record("REMOVE", 3, Value::Null, item("2")),
    ]);
    let read = |iterator: &Value| json!({"ShardIterator": iterator});
    let first = cloud
        .check(
            STREAMS,
            "GetRecords",
            merged(read(&latest), json!({"Limit": 2})),
            json!({"Records": [all[0], all[1]]}),
        )
        .await;
    let next = cloud
        .check(STREAMS, "GetRecords", read(&first["NextShardIterator"]), json!({"Records": [all[2]]}))
        .await;
    cloud
        .check(
            STREAMS,
            "GetRecords",
            read(&next["NextShardIterator"]),
            json!({"Records": [], "NextShardIterator": "*"}),
        )
        .await;
    for (kind, from) in [("AT_SEQUENCE_NUMBER", 1), ("AFTER_SEQUENCE_NUMBER", 2)] {
        let at = json!({"ShardIteratorType": kind, "SequenceNumber": format!("1{:020}", 2)});
        let expected = json!({"Records": all.as_array().expect("a list")[from..]});
        cloud.check(STREAMS, "GetRecords", read(&iterator(&cloud, arn, at).await), expected).await;
    }
    // Off: the shard has an end, and whoever read up to it gets no further iterator.
    let off = json!({"TableName": "logged", "StreamSpecification": {"StreamEnabled": false}});
    script(&cloud, [("UpdateTable", off, json!({})), put("3")]).await;
    cloud
        .check(
            STREAMS,
            "GetRecords",
            read(&next["NextShardIterator"]),
            json!({"Records": [], "NextShardIterator": null}),
        )
        .await;
    let described = json!({"StreamDescription": {"StreamStatus": "DISABLED", "Shards": [{"SequenceNumberRange": {"EndingSequenceNumber": "*"}}]}});
    cloud.check(STREAMS, "DescribeStream", json!({"StreamArn": arn}), described).await;
    cloud
        .check(
            STREAMS,
            "ListStreams",
            json!({"TableName": "logged"}),
            json!({"Streams": [{"StreamArn": arn, "TableName": "logged"}]}),
        )
        .await;
    cloud.advance(16 * 60);
    cloud.check(STREAMS, "GetRecords", read(&latest), json!("ExpiredIteratorException: *")).await;
    cloud.advance(24 * 3600);
    cloud.eventually(STREAMS, "ListStreams", json!({}), json!({"Streams": []})).await;
    cloud.stop().await;
}

#[tokio::test]
async fn records_go_after_a_day_and_expiry_is_named() {
    let cloud = cloud().await;
    table(
        &cloud,
        "logged",
        None,
        json!({"StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"}}),
    )
    .await;
    let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/logged/stream/2026-11-23T04:05:06.000";
    let at = cloud.clock.now().seconds() + 12 * 3600;
    script(&cloud, [
        ("UpdateTimeToLive", json!({"TableName": "logged", "TimeToLiveSpecification": {"AttributeName": "until", "Enabled": true}}), json!({})),
        ("PutItem", json!({"TableName": "logged", "Item": {"id": {"S": "a"}, "until": {"N": at.to_string()}}}), json!({})),
    ])
    .await;
    cloud.advance(12 * 3600);
    cloud.eventually("dynamodb", "Scan", json!({"TableName": "logged"}), json!({"Count": 0})).await;
    let horizon = json!({"ShardIteratorType": "TRIM_HORIZON"});
    let removed = json!({"eventName": "REMOVE", "userIdentity": {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}, "dynamodb": {"OldImage": null}});
    let inserted = json!({"eventName": "INSERT", "userIdentity": null});
    let start = iterator(&cloud, arn, horizon.clone()).await;
    cloud
        .check(
            STREAMS,
            "GetRecords",
            json!({"ShardIterator": start}),
            json!({"Records": [inserted, removed]}),
        )
        .await;
    cloud.advance(12 * 3600 + 1);
    let start = iterator(&cloud, arn, horizon).await;
    cloud
        .eventually(STREAMS, "GetRecords", json!({"ShardIterator": start}), json!({"Records": [removed]}))
        .await;
    let old = json!({"StreamArn": arn, "ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": format!("1{:020}", 1)});
    let shard =
        cloud.call(STREAMS, "DescribeStream", json!({"StreamArn": arn})).await["StreamDescription"]["Shards"]
            [0]["ShardId"]
            .clone();
    cloud
        .check(
            STREAMS,
            "GetShardIterator",
            merged(old, json!({"ShardId": shard})),
            json!("TrimmedDataAccessException: *"),
        )
        .await;
    cloud.stop().await;
}
