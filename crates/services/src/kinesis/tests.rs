//! Kinesis as its users see it.

use super::Kinesis;
use crate::cloudformation::CloudFormation;
use crate::testing::{Cloud, matches};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::Arc;

async fn cloud() -> Cloud {
    Cloud::start(vec![Arc::new(CloudFormation), Arc::new(Kinesis)]).await
}

async fn check(cloud: &Cloud, operation: &str, input: Value, expected: Value) -> Value {
    cloud.check("kinesis", operation, input, expected).await
}

async fn put(cloud: &Cloud, key: &str, data: &str) -> Value {
    let input = json!({ "StreamName": "s", "PartitionKey": key, "Data": BASE64.encode(data) });
    check(cloud, "PutRecord", input, json!({ "ShardId": "shardId-*", "SequenceNumber": "49*" })).await
}

/// The data of all records of a shard from an iterator on, and whether its end was reached.
async fn read(cloud: &Cloud, shard: &str, more: Value) -> (Vec<String>, bool) {
    let mut input = json!({ "StreamName": "s", "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
    if let (Some(input), Value::Object(more)) = (input.as_object_mut(), more) {
        input.extend(more);
    }
    let mut iterator = check(cloud, "GetShardIterator", input, json!("*")).await["ShardIterator"].clone();
    let mut data = Vec::new();
    loop {
        let input = json!({ "ShardIterator": iterator, "Limit": 2 });
        let answer = check(cloud, "GetRecords", input, json!({ "MillisBehindLatest": "*" })).await;
        let records = answer["Records"].as_array().cloned().unwrap_or_default();
        for record in &records {
            let bytes = BASE64.decode(record["Data"].as_str().expect("data")).expect("base64");
            data.push(String::from_utf8(bytes).expect("text"));
        }
        iterator = answer["NextShardIterator"].clone();
        if iterator.is_null() || records.is_empty() {
            return (data, iterator.is_null());
        }
    }
}

#[tokio::test]
async fn records_are_read_in_order_from_where_one_likes() {
    let cloud = cloud().await;
    check(&cloud, "CreateStream", json!({ "StreamName": "s", "ShardCount": 2 }), json!({})).await;
    let again = json!("ResourceInUseException: Stream s under account 000000000000 already exists.");
    check(&cloud, "CreateStream", json!({ "StreamName": "s", "ShardCount": 2 }), again).await;
    let range = json!({ "StartingHashKey": "0", "EndingHashKey": "170141183460469231731687303715884105726" });
    let shards = [json!({ "ShardId": "shardId-000000000000", "HashKeyRange": range }), json!("*")];
    let told = json!({ "StreamDescription": {
        "StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/s", "StreamStatus": "ACTIVE", "Shards": shards,
        "HasMoreShards": false, "RetentionPeriodHours": 24,
    } });
    check(&cloud, "DescribeStream", json!({ "StreamName": "s" }), told).await;
    // The digest of a key says which shard: those of the two are in different halves.
    let (one, two) = (put(&cloud, "a", "1").await, put(&cloud, "b", "2").await);
    assert_ne!(one["ShardId"], two["ShardId"], "{one} {two}");
    let shard = one["ShardId"].as_str().expect("a shard").to_owned();
    cloud.advance(10);
    put(&cloud, "a", "3").await;
    let records = [
        json!({ "PartitionKey": "a", "Data": BASE64.encode("4") }),
        json!({ "PartitionKey": "b", "ExplicitHashKey": "0", "Data": BASE64.encode("5") }),
    ];
    let told = json!({ "FailedRecordCount": 0, "Records": ["*", { "ShardId": "shardId-000000000000" }] });
    check(&cloud, "PutRecords", json!({ "StreamName": "s", "Records": records }), told).await;
    let expect = |data: &[&str]| data.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let all = if shard.ends_with('0') { expect(&["1", "3", "4", "5"]) } else { expect(&["1", "3", "4"]) };
    assert_eq!(read(&cloud, &shard, json!({})).await, (all.clone(), false));
    for (more, from) in [
        (json!({ "ShardIteratorType": "LATEST" }), all.len()),
        (
            json!({ "ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": one["SequenceNumber"] }),
            0,
        ),
        (
            json!({ "ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": one["SequenceNumber"] }),
            1,
        ),
        (
            json!({ "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": cloud.clock.now().as_seconds_f64() - 1.0 }),
            1,
        ),
    ] {
        assert_eq!(read(&cloud, &shard, more.clone()).await.0, all[from..], "{more}");
    }

    let iterator = json!({ "StreamName": "s", "ShardId": shard, "ShardIteratorType": "LATEST" });
    let iterator = check(&cloud, "GetShardIterator", iterator, json!("*")).await["ShardIterator"].clone();
    cloud.advance(301);
    let expired = json!("ExpiredIteratorException: Iterator expired.*");
    check(&cloud, "GetRecords", json!({ "ShardIterator": iterator }), expired).await;
    cloud.advance(24 * 3600);
    assert_eq!(read(&cloud, &shard, json!({})).await.0, expect(&[]));
    cloud.settled().await;
    let rows = cloud.engine.store().read().and_then(|it| it.scan(super::RECORDS, [], 10)).expect("rows");
    assert_eq!(rows.len(), 0);
    check(&cloud, "DeleteStream", json!({ "StreamName": "s" }), json!({})).await;
    let gone = json!("ResourceNotFoundException: Stream s under account 000000000000 not found.");
    check(&cloud, "DescribeStreamSummary", json!({ "StreamName": "s" }), gone).await;
    cloud.stop().await;
}

#[tokio::test]
async fn shards_are_split_and_merged() {
    let cloud = cloud().await;
    check(&cloud, "CreateStream", json!({ "StreamName": "s", "ShardCount": 1 }), json!({})).await;
    put(&cloud, "a", "before").await;
    let half = (u128::MAX / 2 + 1).to_string();
    let id = |number: u64| format!("shardId-{number:012}");
    let split = json!({ "StreamName": "s", "ShardToSplit": id(0), "NewStartingHashKey": half });
    check(&cloud, "SplitShard", split.clone(), json!({})).await;
    check(&cloud, "SplitShard", split, json!("ResourceInUseException: *")).await;
    put(&cloud, "a", "after").await;
    assert_eq!(read(&cloud, &id(0), json!({})).await, (vec!["before".to_owned()], true));
    let merge = json!({ "StreamName": "s", "ShardToMerge": id(2), "AdjacentShardToMerge": id(1) });
    check(&cloud, "MergeShards", merge, json!({})).await;
    let shards = json!({ "Shards": [
        { "ShardId": id(0), "SequenceNumberRange": { "EndingSequenceNumber": "49*" } },
        { "ShardId": id(1), "ParentShardId": id(0) }, { "ShardId": id(2), "ParentShardId": id(0) },
        { "ShardId": id(3), "ParentShardId": "*", "AdjacentParentShardId": "*",
          "HashKeyRange": { "StartingHashKey": "0", "EndingHashKey": u128::MAX.to_string() } },
    ] });
    check(&cloud, "ListShards", json!({ "StreamName": "s" }), shards).await;
    let open = json!({ "StreamName": "s", "ShardFilter": { "Type": "AT_LATEST" } });
    check(&cloud, "ListShards", open.clone(), json!({ "Shards": [{ "ShardId": id(3) }] })).await;
    let input = json!({ "StreamName": "s", "TargetShardCount": 4, "ScalingType": "UNIFORM_SCALING" });
    check(&cloud, "UpdateShardCount", input, json!({ "CurrentShardCount": 1, "TargetShardCount": 4 })).await;
    check(&cloud, "ListShards", open.clone(), json!({ "Shards": ["*", "*", "*", "*"] })).await;
    let page = check(&cloud, "ListShards", json!({ "StreamName": "s", "MaxResults": 9 }), json!("*")).await;
    let rest = json!({ "NextToken": page["NextToken"] });
    check(&cloud, "ListShards", rest, json!({ "Shards": [{ "ShardId": id(9) }], "NextToken": null })).await;
    // Closed shards are there as long as their records.
    cloud.advance(24 * 3600 + 1);
    cloud.settled().await;
    check(&cloud, "ListShards", json!({ "StreamName": "s" }), json!({ "Shards": ["*", "*", "*", "*"] }))
        .await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_sends_records_as_they_come() {
    let cloud = cloud().await;
    check(&cloud, "CreateStream", json!({ "StreamName": "s", "ShardCount": 1 }), json!({})).await;
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
    let input = json!({ "StreamARN": arn, "ConsumerName": "reader" });
    let told = json!({ "Consumer": { "ConsumerARN": format!("{arn}/consumer/reader:*"), "ConsumerStatus": "ACTIVE" } });
    let told = check(&cloud, "RegisterStreamConsumer", input, told).await;
    let position = json!({ "Type": "TRIM_HORIZON" });
    let input = json!({
        "ConsumerARN": told["Consumer"]["ConsumerARN"], "ShardId": "shardId-000000000000", "StartingPosition": position,
    });
    let reply =
        cloud.context.call_with_body("kinesis", "SubscribeToShard", input, None).await.expect("a reply");
    let mut body = reply.body.expect("a body").into_box();
    let mut next =
        async || -> Bytes { body.frame().await.expect("a frame").expect("bytes").into_data().expect("data") };
    let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
    assert!(text(next().await).contains("initial-response"));
    put(&cloud, "a", "one").await;
    let seen = text(next().await);
    assert!(seen.contains("SubscribeToShardEvent") && seen.contains(&BASE64.encode("one")), "{seen}");
    put(&cloud, "a", "two").await;
    let seen = text(next().await);
    assert!(seen.contains(&BASE64.encode("two")) && !seen.contains(&BASE64.encode("one")), "{seen}");
    let split =
        json!({ "StreamName": "s", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": "5" });
    check(&cloud, "SplitShard", split, json!({})).await;
    put(&cloud, "a", "three").await;
    let seen = text(next().await);
    assert!(seen.contains("ChildShards") && !seen.contains(&BASE64.encode("three")), "{seen}");
    assert!(body.frame().await.is_none());
    check(&cloud, "DeleteStream", json!({ "StreamName": "s" }), json!("ResourceInUseException: *")).await;
    let input = json!({ "StreamARN": arn, "ConsumerName": "reader" });
    check(&cloud, "DeregisterStreamConsumer", input, json!({})).await;
    check(&cloud, "DeleteStream", json!({ "StreamName": "s" }), json!({})).await;
    cloud.stop().await;
}

/// Asks again after every change of a stack until the answer is as expected.
async fn eventually(cloud: &Cloud, (service, operation, input): (&str, &str, Value), expected: Value) {
    let mut changes = cloud.engine.store().watch("cloudformation.stacks");
    let all = async {
        loop {
            changes.borrow_and_update();
            if matches(&expected, &cloud.call(service, operation, input.clone()).await) {
                return;
            }
            drop(changes.changed().await);
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), all).await.expect("it happens in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn templates_make_streams_and_consumers() {
    let cloud = cloud().await;
    let template = |count: u64, hours: u64| {
        json!({ "Resources": {
            "Events": { "Type": "AWS::Kinesis::Stream", "Properties": {
                "Name": "events", "ShardCount": count.to_string(), "RetentionPeriodHours": hours,
                "Tags": [{ "Key": "a", "Value": "b" }] } },
            "Reader": { "Type": "AWS::Kinesis::StreamConsumer", "Properties": {
                "ConsumerName": "reader", "StreamARN": { "Fn::GetAtt": ["Events", "Arn"] } } },
        } })
        .to_string()
    };
    for (operation, count, hours, status) in
        [("CreateStack", 1, 48, "CREATE_COMPLETE"), ("UpdateStack", 2, 24, "UPDATE_COMPLETE")]
    {
        let input = json!({ "StackName": "stack", "TemplateBody": template(count, hours) });
        cloud.check("cloudformation", operation, input, json!("*")).await;
        eventually(
            &cloud,
            ("cloudformation", "DescribeStacks", json!({ "StackName": "stack" })),
            json!({ "Stacks": [{ "StackStatus": status }] }),
        )
        .await;
        let told = json!({ "StreamDescriptionSummary": { "OpenShardCount": count, "RetentionPeriodHours": hours, "ConsumerCount": 1 } });
        check(&cloud, "DescribeStreamSummary", json!({ "StreamName": "events" }), told).await;
        let told = json!({ "Tags": [{ "Key": "a", "Value": "b" }] });
        check(&cloud, "ListTagsForStream", json!({ "StreamName": "events" }), told).await;
    }
    cloud.check("cloudformation", "DeleteStack", json!({ "StackName": "stack" }), json!({})).await;
    eventually(&cloud, ("kinesis", "ListStreams", json!({})), json!({ "StreamNames": [] })).await;
    cloud.stop().await;
}
