//! Buses, rules and schedules as their users and their targets see them.

use super::Events;
use crate::sns::Sns;
use crate::sqs::Sqs;
use crate::testing::{BEGINNING, Cloud, Functions, matches};
use aloft_base::Clock;
use aloft_engine::{ResourceContext, Service, Update};
use aloft_store::Store;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

fn services(functions: &Arc<Functions>) -> Vec<Arc<dyn Service>> {
    vec![Arc::new(Events), functions.clone(), Arc::new(Sns::default()), Arc::new(Sqs::default())]
}

async fn cloud() -> (Cloud, Arc<Functions>) {
    let functions = Arc::<Functions>::default();
    (Cloud::start(services(&functions)).await, functions)
}

async fn check(cloud: &Cloud, operation: &str, input: Value, expected: Value) -> Value {
    cloud.check("events", operation, input, expected).await
}

fn function(name: &str) -> String {
    format!("arn:aws:lambda:us-east-1:000000000000:function:{name}")
}

fn queue(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{name}")
}

async fn target(cloud: &Cloud, rule: &str, bus: &str, target: Value) {
    let mut target = target;
    target["Id"] = "t".into();
    let input = json!({ "Rule": rule, "EventBusName": bus, "Targets": [target] });
    check(cloud, "PutTargets", input, json!({ "FailedEntryCount": 0 })).await;
}

async fn put_event(cloud: &Cloud, bus: &str, detail: Value) {
    let entry =
        json!({ "Source": "shop", "DetailType": "Order", "Detail": detail.to_string(), "EventBusName": bus });
    check(
        cloud,
        "PutEvents",
        json!({ "Entries": [entry] }),
        json!({ "FailedEntryCount": 0, "Entries": [{ "EventId": "*" }] }),
    )
    .await;
    cloud.settled().await;
}

#[tokio::test]
async fn buses_rules_and_targets_are_made_found_and_refused() {
    let (cloud, _) = cloud().await;
    let rule = "arn:aws:events:us-east-1:000000000000:rule/orders/r";
    let pattern = "{\"source\":[\"shop\"]}";
    for (operation, input, expected) in [
        (
            "CreateEventBus",
            json!({ "Name": "orders" }),
            json!({ "EventBusArn": "arn:aws:events:us-east-1:000000000000:event-bus/orders" }),
        ),
        (
            "CreateEventBus",
            json!({ "Name": "orders" }),
            json!("ResourceAlreadyExistsException: Event bus orders already exists."),
        ),
        ("CreateEventBus", json!({ "Name": "default" }), json!("ResourceAlreadyExistsException: *")),
        ("ListEventBuses", json!({}), json!({ "EventBuses": [{ "Name": "default" }, { "Name": "orders" }] })),
        ("DescribeEventBus", json!({}), json!({ "Name": "default", "Policy": null })),
        (
            "DescribeEventBus",
            json!({ "Name": "x" }),
            json!("ResourceNotFoundException: Event bus x does not exist."),
        ),
        (
            "PutPermission",
            json!({ "EventBusName": "orders", "Action": "events:PutEvents", "Principal": "*", "StatementId": "s" }),
            json!({}),
        ),
        (
            "DescribeEventBus",
            json!({ "Name": "orders" }),
            json!({ "Policy": "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Sid\":\"s\"*" }),
        ),
        ("RemovePermission", json!({ "EventBusName": "orders", "StatementId": "s" }), json!({})),
        (
            "PutRule",
            json!({ "Name": "r" }),
            json!("ValidationException: Parameter(s) EventPattern or ScheduleExpression must be specified."),
        ),
        (
            "PutRule",
            json!({ "Name": "r", "EventPattern": "{\"a\":1}" }),
            json!("InvalidEventPatternException: Event pattern is not valid. Reason: *"),
        ),
        (
            "PutRule",
            json!({ "Name": "r", "ScheduleExpression": "rate(1 minutes)" }),
            json!("ValidationException: Parameter ScheduleExpression is not valid."),
        ),
        (
            "PutRule",
            json!({ "Name": "r", "EventBusName": "orders", "ScheduleExpression": "rate(1 minute)" }),
            json!("ValidationException: ScheduleExpression is supported only on the default event bus."),
        ),
        (
            "PutRule",
            json!({ "Name": "r", "EventBusName": "x", "EventPattern": pattern }),
            json!("ResourceNotFoundException: Event bus x does not exist."),
        ),
        (
            "PutRule",
            json!({ "Name": "r", "EventBusName": "orders", "EventPattern": pattern, "Tags": [{ "Key": "a", "Value": "1" }] }),
            json!({ "RuleArn": rule }),
        ),
        (
            "ListTagsForResource",
            json!({ "ResourceARN": rule }),
            json!({ "Tags": [{ "Key": "a", "Value": "1" }] }),
        ),
        (
            "DescribeRule",
            json!({ "Name": "r", "EventBusName": "orders" }),
            json!({ "State": "ENABLED", "EventPattern": pattern, "Arn": rule }),
        ),
        (
            "DescribeRule",
            json!({ "Name": "r" }),
            json!("ResourceNotFoundException: Rule r does not exist on EventBus default."),
        ),
        (
            "ListRules",
            json!({ "EventBusName": "orders", "NamePrefix": "r" }),
            json!({ "Rules": [{ "Name": "r" }] }),
        ),
        (
            "PutTargets",
            json!({ "Rule": "r", "EventBusName": "orders", "Targets": [{ "Id": "1", "Arn": "arn:aws:ecs:us-east-1:000000000000:cluster/c" }] }),
            json!("NotImplemented: *"),
        ),
        (
            "PutTargets",
            json!({ "Rule": "r", "EventBusName": "orders", "Targets": [{ "Id": "1", "Arn": function("f"), "Input": "{" }] }),
            json!("ValidationException: JSON syntax error in input for target 1."),
        ),
        (
            "PutTargets",
            json!({ "Rule": "r", "EventBusName": "orders", "Targets": [{ "Id": "1", "Arn": function("f") }] }),
            json!({ "FailedEntryCount": 0 }),
        ),
        (
            "ListRuleNamesByTarget",
            json!({ "TargetArn": function("f"), "EventBusName": "orders" }),
            json!({ "RuleNames": ["r"] }),
        ),
        (
            "DeleteRule",
            json!({ "Name": "r", "EventBusName": "orders" }),
            json!("ValidationException: Rule can't be deleted since it has targets."),
        ),
        (
            "RemoveTargets",
            json!({ "Rule": "r", "EventBusName": "orders", "Ids": ["1", "2"] }),
            json!({ "FailedEntryCount": 1, "FailedEntries": [{ "TargetId": "2" }] }),
        ),
        (
            "DeleteEventBus",
            json!({ "Name": "orders" }),
            json!("ValidationException: Event bus can't be deleted since it has rules."),
        ),
        ("DeleteRule", json!({ "Name": "r", "EventBusName": "orders" }), json!({})),
        ("DeleteEventBus", json!({ "Name": "orders" }), json!({})),
        ("CreateArchive", json!({ "ArchiveName": "a", "EventSourceArn": "b" }), json!("NotImplemented: *")),
    ] {
        check(&cloud, operation, input, expected).await;
    }
    let entry = |source: &str, detail: &str| json!({ "Source": source, "DetailType": "t", "Detail": detail });
    let entries = json!([entry("shop", "{}"), entry("", "{}"), entry("shop", "[]"), entry("aws.s3", "{}")]);
    let expected = json!({ "FailedEntryCount": 3, "Entries": [
        { "EventId": "*" },
        { "ErrorCode": "InvalidArgument", "ErrorMessage": "Parameter Source is not valid. Reason: Source is a required argument." },
        { "ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed." },
        { "ErrorCode": "NotAuthorizedForSourceException" },
    ] });
    check(&cloud, "PutEvents", json!({ "Entries": entries }), expected).await;
    cloud.stop().await;
}

#[tokio::test]
async fn events_go_where_their_rules_say() {
    let (cloud, functions) = cloud().await;
    check(&cloud, "CreateEventBus", json!({ "Name": "orders" }), json!({})).await;
    cloud.check("sqs", "CreateQueue", json!({ "QueueName": "q" }), json!({})).await;
    let rule = |name: &str, bus: &str, pattern: &str| json!({ "Name": name, "EventBusName": bus, "EventPattern": pattern });
    check(
        &cloud,
        "PutRule",
        rule("large", "orders", "{\"detail\":{\"total\":[{\"numeric\":[\">\",5]}]}}"),
        json!({}),
    )
    .await;
    target(&cloud, "large", "orders", json!({ "Arn": function("f") })).await;
    check(&cloud, "PutRule", rule("onward", "orders", "{\"source\":[\"shop\"]}"), json!({})).await;
    target(
        &cloud,
        "onward",
        "orders",
        json!({ "Arn": "arn:aws:events:us-east-1:000000000000:event-bus/default" }),
    )
    .await;
    check(&cloud, "PutRule", rule("all", "default", "{\"account\":[\"000000000000\"]}"), json!({})).await;
    let transformer =
        json!({ "InputPathsMap": { "total": "$.detail.total" }, "InputTemplate": "\"costs <total>\"" });
    target(&cloud, "all", "default", json!({ "Arn": queue("q"), "InputTransformer": transformer })).await;

    put_event(&cloud, "orders", json!({ "total": 6 })).await;
    put_event(&cloud, "orders", json!({ "total": 5 })).await;
    put_event(&cloud, "nowhere", json!({ "total": 9 })).await;
    let event = json!({
        "version": "0", "id": "*", "detail-type": "Order", "source": "shop", "account": "000000000000",
        "time": "2026-11-23T04:05:06Z", "region": "us-east-1", "resources": [], "detail": { "total": 6 },
    });
    let taken = functions.taken();
    assert!(
        matches(
            &json!([[{ "FunctionName": function("f"), "InvocationType": "Event" }, event]]),
            &json!(taken)
        ),
        "{taken:?}"
    );
    let input = json!({ "QueueUrl": "http://localhost/000000000000/q", "MaxNumberOfMessages": 10 });
    let answer = cloud.call("sqs", "ReceiveMessage", input).await;
    let mut bodies: Vec<&str> = answer["Messages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|message| message["Body"].as_str())
        .collect();
    bodies.sort_unstable();
    assert_eq!(bodies, ["\"costs 5\"", "\"costs 6\""]);

    check(&cloud, "DisableRule", json!({ "Name": "large", "EventBusName": "orders" }), json!({})).await;
    put_event(&cloud, "orders", json!({ "total": 7 })).await;
    assert!(functions.taken().is_empty());
    cloud.stop().await;
}

#[tokio::test]
async fn what_cannot_be_delivered_goes_to_the_dead_letters() {
    let (cloud, _) = cloud().await;
    cloud.check("sqs", "CreateQueue", json!({ "QueueName": "dead" }), json!({})).await;
    check(&cloud, "PutRule", json!({ "Name": "r", "EventPattern": "{\"source\":[\"shop\"]}" }), json!({}))
        .await;
    let settings = json!({
        "Arn": function("broken"), "DeadLetterConfig": { "Arn": queue("dead") }, "RetryPolicy": { "MaximumRetryAttempts": 2 },
    });
    target(&cloud, "r", "default", settings).await;
    put_event(&cloud, "default", json!({ "n": 1 })).await;
    for pause in [1, 2] {
        cloud
            .check(
                "sqs",
                "ReceiveMessage",
                json!({ "QueueUrl": "http://localhost/000000000000/dead" }),
                json!({ "Messages": null }),
            )
            .await;
        cloud.advance(pause);
        cloud.settled().await;
    }
    let expected = json!({ "Messages": [{ "Body": "{\"version\":\"0\"*", "MessageAttributes": {
        "RULE_ARN": { "StringValue": "arn:aws:events:us-east-1:000000000000:rule/r" },
        "ERROR_CODE": { "StringValue": "ServiceException" },
        "EXHAUSTED_RETRY_CONDITION": { "StringValue": "MaximumRetryAttempts" },
        "RETRY_ATTEMPTS": { "StringValue": "2" },
    } }] });
    let input = json!({ "QueueUrl": "http://localhost/000000000000/dead", "MessageAttributeNames": ["All"] });
    cloud.check("sqs", "ReceiveMessage", input, expected).await;
    cloud.stop().await;
}

#[tokio::test]
async fn schedules_tick_once_for_each_time_and_once_after_a_pause() {
    let (store, functions) = (Store::ephemeral().expect("a store"), Arc::<Functions>::default());
    let before = Cloud::start_on(store.clone(), Clock::fixed(BEGINNING), services(&functions)).await;
    check(&before, "PutRule", json!({ "Name": "r", "ScheduleExpression": "rate(5 minutes)" }), json!({}))
        .await;
    target(&before, "r", "default", json!({ "Arn": function("f") })).await;
    let times = || -> Vec<String> {
        let text = |(_, event): &(Value, Value)| event["time"].as_str().expect("a time").to_owned();
        functions.taken().iter().map(text).collect()
    };
    for (seconds, expected) in
        [(299, vec![]), (1, vec!["2026-11-23T04:10:06Z"]), (301, vec!["2026-11-23T04:15:06Z"]), (100, vec![])]
    {
        before.advance(seconds);
        before.settled().await;
        assert_eq!(times(), expected);
    }
    // The same rule again goes on with its beat; the event is AWS's.
    check(
        &before,
        "PutRule",
        json!({ "Name": "r", "ScheduleExpression": "rate(5 minutes)", "Description": "d" }),
        json!({}),
    )
    .await;
    before.advance(199);
    before.settled().await;
    let taken = functions.taken();
    let event = json!({
        "version": "0", "id": "*", "detail-type": "Scheduled Event", "source": "aws.events", "account": "000000000000",
        "time": "2026-11-23T04:20:06Z", "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:000000000000:rule/r"], "detail": {},
    });
    assert!(matches(&json!([[{}, event]]), &json!(taken)), "{taken:?}");
    before.stop().await;
    // Off for an hour and a half: one tick, for the latest time that was missed, then on with the beat.
    let later = BEGINNING.add(Duration::from_secs(5400 + 910));
    let after = Cloud::start_on(store, Clock::fixed(later), services(&functions)).await;
    after.settled().await;
    assert_eq!(times(), ["2026-11-23T05:50:06Z"]);
    after.advance(290);
    after.settled().await;
    assert_eq!(times(), ["2026-11-23T05:55:06Z"]);
    check(&after, "DisableRule", json!({ "Name": "r" }), json!({})).await;
    after.advance(3600);
    after.settled().await;
    assert!(times().is_empty());
    after.stop().await;
}

#[tokio::test]
async fn stacks_make_change_and_delete_rules() {
    let (cloud, _) = cloud().await;
    let resource = ResourceContext {
        context: cloud.context.clone(),
        stack_name: "shop-dev".to_owned(),
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/shop-dev/1".to_owned(),
        logical_id: "Orders".to_owned(),
        tags: serde_json::Map::new(),
        token: "ABCDEFGHIJKL".to_owned(),
        resuming: false,
    };
    let handler = |name: &str| {
        super::cloudformation::RESOURCES.iter().find(|kind| kind.name == name).expect("a type").handler
    };
    let (buses, rules) = (handler("AWS::Events::EventBus"), handler("AWS::Events::Rule"));
    let bus = buses.create(&resource, &json!({ "Name": "orders" })).await.expect("a bus");
    assert_eq!(bus.physical_id, "orders");
    let old = json!({
        "EventBusName": bus.attributes["Arn"],
        "EventPattern": { "source": ["shop"] },
        "State": "ENABLED",
        "Targets": [
            { "Id": "a", "Arn": function("a"), "RetryPolicy": { "MaximumRetryAttempts": "3" } },
            { "Id": "b", "Arn": function("b"), "Input": { "x": 1 } },
        ],
    });
    let rule = rules.create(&resource, &old).await.expect("a rule");
    assert_eq!(rule.physical_id, "orders|shop-dev-Orders-ABCDEFGHIJKL");
    let list = json!({ "Rule": "shop-dev-Orders-ABCDEFGHIJKL", "EventBusName": "orders" });
    let expected =
        json!({ "Targets": [{ "RetryPolicy": { "MaximumRetryAttempts": 3 } }, { "Input": "{\"x\":1}" }] });
    check(&cloud, "ListTargetsByRule", list.clone(), expected).await;
    let new = json!({ "EventBusName": "orders", "EventPattern": { "source": ["x"] }, "Targets": [{ "Id": "b", "Arn": function("c") }] });
    rules.update(&resource, &rule.physical_id, &old, &new).await.expect("an update");
    check(
        &cloud,
        "ListTargetsByRule",
        list,
        json!({ "Targets": [{ "Id": "b", "Arn": function("c"), "Input": null }] }),
    )
    .await;
    let moved = rules.update(&resource, &rule.physical_id, &new, &json!({})).await.expect("an update");
    assert_eq!(moved, Update::Replace);
    for _ in 0..2 {
        rules.delete(&resource, &rule.physical_id, &new).await.expect("gone");
        buses.delete(&resource, &bus.physical_id, &json!({})).await.expect("gone");
    }
    cloud.stop().await;
}

/// With the boto3 that the setup installed for tests, in `$ALOFT_TEST_CACHE` or `tests/.cache`.
#[tokio::test]
async fn boto3_finds_itself_at_home() {
    let workspace = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cache =
        std::env::var_os("ALOFT_TEST_CACHE").map_or_else(|| workspace.join("tests/.cache"), Into::into);
    let python = cache.join("venv/bin/python");
    if !python.exists() {
        eprintln!("skipped: {} is absent", python.display());
        return;
    }
    let functions = Arc::<Functions>::default();
    let store = Store::ephemeral().expect("a store");
    let cloud = Cloud::start_on(store, Clock::system(), services(&functions)).await;
    let mut command = tokio::process::Command::new(python);
    command
        .args(["-c", include_str!("clients.py")])
        .env("ENDPOINT", cloud.engine.endpoint())
        .kill_on_drop(true);
    let ended = tokio::time::timeout(Duration::from_secs(60), command.output())
        .await
        .expect("in time")
        .expect("python runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    cloud.stop().await;
}
