//! Logs as their readers see them.

use super::Logs;
use crate::kinesis::Kinesis;
use crate::testing::{BEGINNING, Cloud, Functions, matches};
use aloft_base::Clock;
use aloft_engine::{ResourceContext, Service, Update};
use aloft_store::Store;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use std::io::Read;
use std::sync::Arc;

async fn cloud() -> Cloud {
    Cloud::start(vec![Arc::new(Logs)]).await
}

async fn check(cloud: &Cloud, operation: &str, input: Value, expected: Value) -> Value {
    cloud.check("logs", operation, input, expected).await
}

/// A time so many milliseconds after the beginning.
fn at(millis: i64) -> i64 {
    BEGINNING.millis() + millis
}

async fn put(cloud: &Cloud, stream: &str, events: &[(i64, &str)]) {
    let events: Vec<Value> =
        events.iter().map(|(time, text)| json!({ "timestamp": at(*time), "message": text })).collect();
    let input = json!({ "logGroupName": "g", "logStreamName": stream, "logEvents": events });
    check(cloud, "PutLogEvents", input, json!({ "nextSequenceToken": "*", "rejectedLogEventsInfo": null }))
        .await;
}

async fn prepared(streams: &[&str]) -> Cloud {
    let cloud = cloud().await;
    check(&cloud, "CreateLogGroup", json!({ "logGroupName": "g", "tags": { "a": "b" } }), json!({})).await;
    for stream in streams {
        let input = json!({ "logGroupName": "g", "logStreamName": stream });
        check(&cloud, "CreateLogStream", input, json!({})).await;
    }
    cloud
}

fn texts(answer: &Value) -> Vec<&str> {
    let events = answer["events"].as_array().map_or(&[][..], Vec::as_slice);
    events.iter().map(|event| event["message"].as_str().expect("text")).collect()
}

#[tokio::test]
async fn groups_and_streams_are_made_listed_and_refused() {
    let cloud = prepared(&["one", "two"]).await;
    put(&cloud, "one", &[(5, "x")]).await;
    put(&cloud, "two", &[(3, "y")]).await;
    let g = || json!({ "logGroupName": "g" });
    let arn = "arn:aws:logs:us-east-1:000000000000:log-group:g";
    let no_group = json!("ResourceNotFoundException: The specified log group does not exist.");
    for (operation, input, expected) in [
        (
            "CreateLogGroup",
            g(),
            json!("ResourceAlreadyExistsException: The specified log group already exists"),
        ),
        (
            "CreateLogStream",
            json!({ "logGroupName": "g", "logStreamName": "one" }),
            json!("ResourceAlreadyExistsException: The specified log stream already exists"),
        ),
        (
            "DescribeLogGroups",
            json!({ "logGroupNamePrefix": "g" }),
            json!({ "logGroups": [{ "logGroupName": "g", "arn": format!("{arn}:*"), "logGroupArn": arn, "storedBytes": 54, "retentionInDays": null }] }),
        ),
        ("DescribeLogGroups", json!({ "logGroupNamePattern": "z" }), json!({ "logGroups": [] })),
        (
            "DescribeLogStreams",
            g(),
            json!({ "logStreams": [{ "logStreamName": "one", "lastEventTimestamp": at(5) }, { "logStreamName": "two" }] }),
        ),
        (
            "DescribeLogStreams",
            json!({ "logGroupName": "g", "orderBy": "LastEventTime", "descending": true, "limit": 1 }),
            json!({ "logStreams": [{ "logStreamName": "one" }], "nextToken": "*" }),
        ),
        ("DescribeLogStreams", json!({ "logGroupName": "h" }), no_group.clone()),
        ("ListTagsForResource", json!({ "resourceArn": arn }), json!({ "tags": { "a": "b" } })),
        ("TagResource", json!({ "resourceArn": arn, "tags": { "c": "d" } }), json!({})),
        ("UntagLogGroup", json!({ "logGroupName": "g", "tags": ["a"] }), json!({})),
        ("ListTagsLogGroup", g(), json!({ "tags": { "a": null, "c": "d" } })),
        (
            "PutRetentionPolicy",
            json!({ "logGroupName": "g", "retentionInDays": 2 }),
            json!("InvalidParameterException: *"),
        ),
        ("DeleteLogStream", json!({ "logGroupName": "g", "logStreamName": "one" }), json!({})),
        (
            "GetLogEvents",
            json!({ "logGroupName": "g", "logStreamName": "one" }),
            json!("ResourceNotFoundException: The specified log stream does not exist."),
        ),
        ("DeleteLogGroup", g(), json!({})),
        ("DeleteLogGroup", g(), no_group.clone()),
        ("FilterLogEvents", g(), no_group),
    ] {
        check(&cloud, operation, input, expected).await;
    }
    cloud.stop().await;
}

#[tokio::test]
async fn a_stream_is_read_forwards_and_backwards() {
    let cloud = prepared(&["s"]).await;
    let get = async |more: Value| {
        let mut input = json!({ "logGroupName": "g", "logStreamName": "s" });
        input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        check(&cloud, "GetLogEvents", input, json!({ "nextForwardToken": "f/*", "nextBackwardToken": "b/*" }))
            .await
    };
    let empty = get(json!({})).await;
    put(&cloud, "s", &[(1, "a"), (2, "b"), (2, "c"), (3, "d"), (4, "e")]).await;
    // Who follows an empty stream sees what comes.
    let followed = get(json!({ "nextToken": empty["nextForwardToken"] })).await;
    assert_eq!(texts(&followed), ["a", "b", "c", "d", "e"]);

    let last = get(json!({ "limit": 2 })).await;
    assert_eq!(texts(&last), ["d", "e"]);
    let before = get(json!({ "limit": 2, "nextToken": last["nextBackwardToken"] })).await;
    assert_eq!(texts(&before), ["b", "c"]);
    let first = get(json!({ "limit": 3, "startFromHead": true })).await;
    assert_eq!(texts(&first), ["a", "b", "c"]);
    let next = get(json!({ "nextToken": first["nextForwardToken"] })).await;
    assert_eq!(texts(&next), ["d", "e"]);
    let end = get(json!({ "nextToken": next["nextForwardToken"] })).await;
    assert_eq!((texts(&end).len(), &end["nextForwardToken"]), (0, &next["nextForwardToken"]));
    // The start is inclusive, the end is not.
    assert_eq!(texts(&get(json!({ "startTime": at(2), "endTime": at(4) })).await), ["b", "c", "d"]);
    let wrong = json!({ "logGroupName": "g", "logStreamName": "s", "nextToken": "x" });
    check(
        &cloud,
        "GetLogEvents",
        wrong,
        json!("InvalidParameterException: The specified nextToken is invalid."),
    )
    .await;
    let unordered = json!({ "logGroupName": "g", "logStreamName": "s",
        "logEvents": [{ "timestamp": at(2), "message": "x" }, { "timestamp": at(1), "message": "y" }] });
    check(&cloud, "PutLogEvents", unordered, json!("InvalidParameterException: *")).await;
    let late = json!({ "logGroupName": "g", "logStreamName": "s", "logEvents": [{ "timestamp": 5, "message": "x" }] });
    check(&cloud, "PutLogEvents", late, json!({ "rejectedLogEventsInfo": { "tooOldLogEventEndIndex": 1 } }))
        .await;
    cloud.stop().await;
}

#[tokio::test]
async fn streams_are_merged_and_filtered_page_by_page() {
    let cloud = prepared(&["a1", "a2", "b1"]).await;
    put(&cloud, "a1", &[(1, "ERROR one"), (3, "fine"), (5, "ERROR {\"n\":1}")]).await;
    put(&cloud, "a2", &[(2, "{\"level\":\"ERROR\"}"), (3, "ERROR two")]).await;
    put(&cloud, "b1", &[(3, "ERROR three")]).await;
    let filter = async |more: Value| {
        let mut input = json!({ "logGroupName": "g" });
        input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        check(&cloud, "FilterLogEvents", input, json!({ "events": "*" })).await
    };
    for (more, expected) in [
        (
            json!({}),
            vec!["ERROR one", "{\"level\":\"ERROR\"}", "fine", "ERROR two", "ERROR three", "ERROR {\"n\":1}"],
        ),
        (
            json!({ "filterPattern": "ERROR -two", "logStreamNamePrefix": "a" }),
            vec!["ERROR one", "{\"level\":\"ERROR\"}", "ERROR {\"n\":1}"],
        ),
        (json!({ "filterPattern": "{ $.level = \"ERROR\" }" }), vec!["{\"level\":\"ERROR\"}"]),
        // Both ends are inclusive.
        (
            json!({ "startTime": at(3), "endTime": at(3), "logStreamNames": ["b1", "a1"] }),
            vec!["fine", "ERROR three"],
        ),
    ] {
        assert_eq!(texts(&filter(more.clone()).await), expected, "{more}");
    }
    let (mut seen, mut token) = (Vec::new(), Value::Null);
    loop {
        let page = filter(json!({ "limit": 2, "nextToken": token })).await;
        assert!(texts(&page).len() <= 2);
        seen.extend(texts(&page).into_iter().map(str::to_owned));
        token = page["nextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(seen.len(), 6, "{seen:?}");
    assert_eq!((seen[2].as_str(), seen[4].as_str()), ("fine", "ERROR three"));
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_past_their_retention_are_gone() {
    let cloud = prepared(&["s"]).await;
    put(&cloud, "s", &[(0, "old")]).await;
    check(&cloud, "PutRetentionPolicy", json!({ "logGroupName": "g", "retentionInDays": 1 }), json!({}))
        .await;
    let g = json!({ "logGroupName": "g" });
    assert_eq!(texts(&check(&cloud, "FilterLogEvents", g.clone(), json!("*")).await), ["old"]);
    cloud.advance(1);
    cloud.advance(86_400);
    put(&cloud, "s", &[(86_401_000, "new")]).await;
    assert_eq!(texts(&check(&cloud, "FilterLogEvents", g, json!("*")).await), ["new"]);
    let mut changes = cloud.engine.store().watch("logs.events");
    loop {
        changes.borrow_and_update();
        let rows = cloud.engine.store().read().and_then(|it| it.scan("logs.events", [], 10)).expect("rows");
        if rows.len() == 1 {
            break;
        }
        let changed = tokio::time::timeout(std::time::Duration::from_secs(10), changes.changed()).await;
        changed.expect("what has expired is dropped").expect("the store is open");
    }
    cloud.stop().await;
}

/// What a subscriber was sent, from base64 of zipped JSON.
fn unzipped(data: &Value) -> Value {
    let zipped = BASE64.decode(data.as_str().expect("data")).expect("base64");
    let mut text = String::new();
    flate2::read::GzDecoder::new(zipped.as_slice()).read_to_string(&mut text).expect("gzip");
    serde_json::from_str(&text).expect("JSON")
}

fn subscriber(name: &str, pattern: &str, arn: &str) -> Value {
    json!({ "logGroupName": "g", "filterName": name, "filterPattern": pattern, "destinationArn": arn })
}

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_get_what_they_asked_for_even_after_a_restart() {
    let (store, functions) = (Store::ephemeral().expect("a store"), Arc::<Functions>::default());
    let services = || -> Vec<Arc<dyn Service>> { vec![Arc::new(Logs), functions.clone(), Arc::new(Kinesis)] };
    let before = Cloud::start_on(store.clone(), Clock::fixed(BEGINNING), services()).await;
    let group = |cloud: &str| json!({ "logGroupName": cloud });
    check(&before, "CreateLogGroup", group("g"), json!({})).await;
    check(&before, "CreateLogStream", json!({ "logGroupName": "g", "logStreamName": "s" }), json!({})).await;
    before.check("kinesis", "CreateStream", json!({ "StreamName": "k", "ShardCount": 1 }), json!({})).await;
    before.settled().await;
    let stream = "arn:aws:kinesis:us-east-1:000000000000:stream/k";
    check(&before, "CreateLogGroup", group("/aws/lambda/f"), json!({})).await;
    let mut own = subscriber("own", "", FUNCTION);
    own["logGroupName"] = "/aws/lambda/f".into();
    for (input, expected) in [
        (
            own,
            json!(
                "InvalidParameterException: The log group provided is reserved for the function logs of the destination function."
            ),
        ),
        (subscriber("x", "[a, b]", FUNCTION), json!("InvalidParameterException: Space-delimited *")),
        (subscriber("x", "", "f"), json!("InvalidParameterException: Invalid destinationArn")),
        (
            subscriber("x", "", "arn:aws:firehose:us-east-1:000000000000:deliverystream/d"),
            json!("NotImplemented: *"),
        ),
        (
            subscriber("x", "", "arn:aws:kinesis:us-east-1:000000000000:stream/none"),
            json!("InvalidParameterException: Could not deliver test message *"),
        ),
        (subscriber("errors", "ERROR", FUNCTION), json!({})),
        (subscriber("errors", "ERROR -tests", FUNCTION), json!({})),
        (subscriber("all", "", stream), json!({})),
        (subscriber("third", "", FUNCTION), json!("LimitExceededException: Resource limit exceeded.")),
    ] {
        check(&before, "PutSubscriptionFilter", input, expected).await;
    }
    let described = json!({ "subscriptionFilters": [{
        "filterName": "errors", "logGroupName": "g", "filterPattern": "ERROR -tests", "destinationArn": FUNCTION,
        "distribution": "ByLogStream", "creationTime": BEGINNING.millis(),
    }] });
    let errors = json!({ "logGroupName": "g", "filterNamePrefix": "e" });
    check(&before, "DescribeSubscriptionFilters", errors, described).await;
    // What was acknowledged before a stop is sent after it.
    put(&before, "s", &[(1, "ERROR one"), (2, "fine"), (3, "ERROR of tests")]).await;
    assert!(functions.taken().is_empty());
    before.stop().await;
    let after = Cloud::start_on(store, Clock::fixed(BEGINNING), services()).await;
    put(&after, "s", &[(4, "ERROR two")]).await;
    after.advance(1);
    after.settled().await;
    let taken = functions.taken();
    let [(input, event)] = taken.as_slice() else { panic!("{taken:?}") };
    assert!(matches(&json!({ "FunctionName": FUNCTION, "InvocationType": "Event" }), input), "{input}");
    let sent = unzipped(&event["awslogs"]["data"]);
    let expected = json!({
        "messageType": "DATA_MESSAGE", "owner": "000000000000", "logGroup": "g", "logStream": "s",
        "subscriptionFilters": ["errors"],
        "logEvents": [
            { "id": "*", "timestamp": at(1), "message": "ERROR one" },
            { "id": "*", "timestamp": at(4), "message": "ERROR two" },
        ],
    });
    assert!(matches(&expected, &sent), "{sent:#}");
    let shard =
        json!({ "StreamName": "k", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON" });
    let iterator = after.call("kinesis", "GetShardIterator", shard).await["ShardIterator"].clone();
    let records = after.call("kinesis", "GetRecords", json!({ "ShardIterator": iterator })).await;
    let sent = unzipped(&records["Records"][0]["Data"]);
    assert_eq!(sent["logEvents"].as_array().map(Vec::len), Some(4), "{sent:#}");
    // A filter that is gone sends nothing more.
    let all = |name: &str| json!({ "logGroupName": "g", "filterName": name });
    put(&after, "s", &[(1005, "ERROR three")]).await;
    check(&after, "DeleteSubscriptionFilter", all("errors"), json!({})).await;
    check(&after, "DeleteSubscriptionFilter", all("errors"), json!("ResourceNotFoundException: *")).await;
    after.advance(1);
    after.settled().await;
    assert!(functions.taken().is_empty());
    after.stop().await;
}

#[tokio::test]
async fn stacks_make_change_and_delete_subscribers() {
    let cloud = prepared(&[]).await;
    let resource = ResourceContext {
        context: cloud.context.clone(),
        stack_name: "shop-dev".to_owned(),
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/shop-dev/1".to_owned(),
        logical_id: "Watch".to_owned(),
        tags: serde_json::Map::new(),
        token: "ABCDEFGHIJKL".to_owned(),
        resuming: false,
    };
    let kind =
        super::cloudformation::RESOURCES.iter().find(|kind| kind.name == "AWS::Logs::SubscriptionFilter");
    let handler = kind.expect("a type").handler;
    let old = json!({ "LogGroupName": "g", "FilterPattern": "", "DestinationArn": FUNCTION });
    let made = handler.create(&resource, &old).await.expect("a filter");
    assert_eq!(made.physical_id, "shop-dev-Watch-ABCDEFGHIJKL");
    let new = json!({ "LogGroupName": "g", "FilterPattern": "ERROR", "DestinationArn": FUNCTION });
    handler.update(&resource, &made.physical_id, &old, &new).await.expect("an update");
    let found =
        json!({ "subscriptionFilters": [{ "filterName": made.physical_id, "filterPattern": "ERROR" }] });
    check(&cloud, "DescribeSubscriptionFilters", json!({ "logGroupName": "g" }), found).await;
    let moved = handler.update(&resource, &made.physical_id, &new, &json!({ "LogGroupName": "h" })).await;
    assert_eq!(moved.expect("an update"), Update::Replace);
    for _ in 0..2 {
        handler.delete(&resource, &made.physical_id, &new).await.expect("gone");
    }
    cloud.stop().await;
}

/// Events of one millisecond share rows; pages of any size begin and end within them.
#[tokio::test]
async fn pages_of_events_that_share_rows() {
    let cloud = prepared(&["s"]).await;
    let long = "x".repeat(5000);
    let names: Vec<String> = (0..12).map(|number| format!("{number}")).collect();
    let text = |number: usize| if number % 5 == 1 { long.as_str() } else { names[number].as_str() };
    let events = |numbers: std::ops::Range<usize>, millis: i64| -> Vec<(i64, &str)> {
        numbers.map(|number| (millis, text(number))).collect()
    };
    put(&cloud, "s", &events(0..7, 5)).await;
    put(&cloud, "s", &[events(7..10, 5), events(10..12, 6)].concat()).await;
    let all: Vec<&str> = (0..12).map(text).collect();
    for (operation, token) in [
        ("GetLogEvents", "nextForwardToken"),
        ("GetLogEvents", "nextBackwardToken"),
        ("FilterLogEvents", "nextToken"),
    ] {
        for limit in 1..=13 {
            let mut input = json!({ "logGroupName": "g", "limit": limit });
            if operation == "GetLogEvents" {
                input["logStreamName"] = "s".into();
                input["startFromHead"] = (token == "nextForwardToken").into();
            }
            let mut seen: Vec<String> = Vec::new();
            loop {
                let answer = check(&cloud, operation, input.clone(), json!({})).await;
                let page = texts(&answer);
                assert!(
                    page.len() <= limit
                        && (page.len() == limit || seen.len() + page.len() == 12 || page.is_empty())
                );
                let place = if token == "nextBackwardToken" { 0 } else { seen.len() };
                seen.splice(place..place, page.iter().map(|it| (*it).to_owned()));
                if page.is_empty() || answer[token].is_null() {
                    break;
                }
                input["nextToken"] = answer[token].clone();
            }
            assert!(seen == all, "{operation} {token} {limit}");
        }
    }
    cloud.stop().await;
}
