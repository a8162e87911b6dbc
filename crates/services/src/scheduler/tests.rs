//! Schedules as their owners and their targets see them.

use super::Scheduler;
use crate::events::Events;
use crate::sns::Sns;
use crate::sqs::Sqs;
use crate::testing::{BEGINNING, Cloud, Functions, matches};
use aloft_base::Clock;
use aloft_engine::{ResourceContext, Service, Update};
use aloft_store::Store;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const ROLE: &str = "arn:aws:iam::000000000000:role/r";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

fn services(functions: &Arc<Functions>) -> Vec<Arc<dyn Service>> {
    vec![
        Arc::new(Events),
        functions.clone(),
        Arc::new(Scheduler),
        Arc::new(Sns::default()),
        Arc::new(Sqs::default()),
    ]
}

async fn cloud() -> (Cloud, Arc<Functions>) {
    let functions = Arc::<Functions>::default();
    (Cloud::start(services(&functions)).await, functions)
}

async fn check(cloud: &Cloud, operation: &str, input: Value, expected: Value) -> Value {
    cloud.check("scheduler", operation, input, expected).await
}

fn queue(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{name}")
}

/// A schedule with the target's and its own members over those of a usual one.
fn schedule(expression: &str, target: Value, more: Value) -> Value {
    let mut input = json!({
        "Name": "s", "ScheduleExpression": expression, "FlexibleTimeWindow": { "Mode": "OFF" },
        "Target": { "Arn": FUNCTION, "RoleArn": ROLE },
    });
    let over = |into: &mut Value, from: Value| {
        into.as_object_mut().expect("an object").extend(from.as_object().expect("an object").clone());
    };
    over(&mut input["Target"], target);
    over(&mut input, more);
    input
}

#[tokio::test]
async fn schedules_and_groups_are_made_found_and_refused() {
    let (cloud, _) = cloud().await;
    let minutes = |target, more| schedule("rate(5 minutes)", target, more);
    let group = "arn:aws:scheduler:us-east-1:000000000000:schedule-group/night";
    let arn = "arn:aws:scheduler:us-east-1:000000000000:schedule/night/s";
    for (operation, input, expected) in [
        (
            "CreateSchedule",
            schedule("rate(1 minutes)", json!({}), json!({})),
            json!("ValidationException: Invalid Schedule Expression rate(1 minutes)."),
        ),
        (
            "CreateSchedule",
            minutes(json!({}), json!({ "ScheduleExpressionTimezone": "Europe/Atlantis" })),
            json!("ValidationException: Invalid ScheduleExpressionTimezone Europe/Atlantis."),
        ),
        (
            "CreateSchedule",
            minutes(json!({}), json!({ "StartDate": 1.0 })),
            json!("ValidationException: The StartDate you specify cannot be earlier than 5 minutes ago."),
        ),
        (
            "CreateSchedule",
            minutes(json!({}), json!({ "FlexibleTimeWindow": { "Mode": "FLEXIBLE" } })),
            json!("ValidationException: MaximumWindowInMinutes *"),
        ),
        (
            "CreateSchedule",
            minutes(json!({}), json!({ "GroupName": "night" })),
            json!("ResourceNotFoundException: Schedule group night does not exist."),
        ),
        (
            "CreateSchedule",
            minutes(json!({ "Arn": "f" }), json!({})),
            json!("ValidationException: Provided Arn is not in correct format."),
        ),
        (
            "CreateSchedule",
            minutes(json!({ "Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage" }), json!({})),
            json!("NotImplemented: *"),
        ),
        (
            "CreateSchedule",
            minutes(json!({ "Arn": queue("q.fifo") }), json!({})),
            json!("ValidationException: SqsParameters must be provided *"),
        ),
        (
            "CreateSchedule",
            minutes(json!({ "Input": "{" }), json!({})),
            json!("ValidationException: Invalid Input*"),
        ),
        (
            "CreateScheduleGroup",
            json!({ "Name": "night", "Tags": [{ "Key": "a", "Value": "1" }], "ClientToken": "t" }),
            json!({ "ScheduleGroupArn": group }),
        ),
        (
            "CreateScheduleGroup",
            json!({ "Name": "night", "ClientToken": "t" }),
            json!({ "ScheduleGroupArn": group }),
        ),
        (
            "CreateScheduleGroup",
            json!({ "Name": "night" }),
            json!("ConflictException: Schedule group night already exists."),
        ),
        ("TagResource", json!({ "ResourceArn": group, "Tags": [{ "Key": "b", "Value": "2" }] }), json!({})),
        ("UntagResource", json!({ "ResourceArn": group, "TagKeys": ["a"] }), json!({})),
        (
            "ListTagsForResource",
            json!({ "ResourceArn": group }),
            json!({ "Tags": [{ "Key": "b", "Value": "2" }] }),
        ),
        (
            "ListScheduleGroups",
            json!({}),
            json!({ "ScheduleGroups": [{ "Name": "default" }, { "Name": "night", "State": "ACTIVE" }] }),
        ),
        (
            "CreateSchedule",
            minutes(json!({}), json!({ "GroupName": "night", "ClientToken": "t" })),
            json!({ "ScheduleArn": arn }),
        ),
        (
            "CreateSchedule",
            minutes(json!({}), json!({ "GroupName": "night", "ClientToken": "t" })),
            json!({ "ScheduleArn": arn }),
        ),
        (
            "CreateSchedule",
            minutes(json!({}), json!({ "GroupName": "night" })),
            json!("ConflictException: Schedule s already exists."),
        ),
        (
            "GetSchedule",
            json!({ "Name": "s" }),
            json!("ResourceNotFoundException: Schedule s does not exist."),
        ),
        (
            "GetSchedule",
            json!({ "Name": "s", "GroupName": "night" }),
            json!({
                "Arn": arn, "GroupName": "night", "State": "ENABLED", "ScheduleExpressionTimezone": "UTC", "ActionAfterCompletion": "NONE",
                "CreationDate": BEGINNING.as_seconds_f64(), "Description": null,
                "Target": { "Arn": FUNCTION, "RetryPolicy": { "MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185 } },
            }),
        ),
        (
            "UpdateSchedule",
            minutes(json!({}), json!({ "GroupName": "night", "State": "DISABLED", "Description": "d" })),
            json!({ "ScheduleArn": arn }),
        ),
        ("ListSchedules", json!({ "State": "ENABLED" }), json!({ "Schedules": [] })),
        (
            "ListSchedules",
            json!({ "GroupName": "night", "NamePrefix": "s" }),
            json!({ "Schedules": [{ "Name": "s", "State": "DISABLED", "Target": { "Arn": FUNCTION } }] }),
        ),
        ("DeleteScheduleGroup", json!({ "Name": "default" }), json!("ValidationException: *")),
        ("DeleteScheduleGroup", json!({ "Name": "night" }), json!({})),
        ("ListSchedules", json!({}), json!({ "Schedules": [] })),
        (
            "DeleteSchedule",
            json!({ "Name": "s" }),
            json!("ResourceNotFoundException: Schedule s does not exist."),
        ),
    ] {
        check(&cloud, operation, input, expected).await;
    }
    cloud.stop().await;
}

/// The times at which a function was called, from inputs that are the scheduled time.
fn times(functions: &Functions) -> Vec<String> {
    functions.taken().iter().map(|(_, event)| event["at"].as_str().expect("a time").to_owned()).collect()
}

#[tokio::test]
async fn each_kind_of_schedule_fires_at_its_times_and_not_beyond() {
    let at = json!({ "Input": "{\"at\":\"<aws.scheduler.scheduled-time>\"}" });
    let seconds = |seconds: u64| BEGINNING.add(Duration::from_secs(seconds)).as_seconds_f64();
    // The expression, what else there is, and the times within two days, stepped through by the hour.
    for (expression, more, expected) in [
        (
            "rate(1 day)",
            json!({}),
            vec!["2026-11-23T04:05:06Z", "2026-11-24T04:05:06Z", "2026-11-25T04:05:06Z"],
        ),
        (
            "rate(1 day)",
            json!({ "StartDate": seconds(3600), "EndDate": seconds(3600 * 30) }),
            vec!["2026-11-23T05:05:06Z", "2026-11-24T05:05:06Z"],
        ),
        (
            "cron(0 12 * * ? *)",
            json!({ "ScheduleExpressionTimezone": "Europe/Berlin" }),
            vec!["2026-11-23T11:00:00Z", "2026-11-24T11:00:00Z"],
        ),
        ("cron(0 12 * * ? *)", json!({ "StartDate": seconds(3600 * 20) }), vec!["2026-11-24T12:00:00Z"]),
        (
            "at(2026-11-24T00:00:00)",
            json!({ "ScheduleExpressionTimezone": "America/New_York" }),
            vec!["2026-11-24T05:00:00Z"],
        ),
        ("at(2026-11-23T00:00:00)", json!({}), vec![]),
        ("rate(1 day)", json!({ "State": "DISABLED" }), vec![]),
    ] {
        let (cloud, functions) = cloud().await;
        check(&cloud, "CreateSchedule", schedule(expression, at.clone(), more.clone()), json!({})).await;
        cloud.settled().await;
        for _ in 0..48 {
            cloud.advance(3600);
            cloud.settled().await;
        }
        assert_eq!(times(&functions), expected, "{expression} {more}");
        cloud.stop().await;
    }
}

#[tokio::test]
async fn what_was_missed_fires_once_and_what_is_done_is_gone() {
    let (store, functions) = (Store::ephemeral().expect("a store"), Arc::<Functions>::default());
    let before = Cloud::start_on(store.clone(), Clock::fixed(BEGINNING), services(&functions)).await;
    let at = json!({ "Input": "{\"at\":\"<aws.scheduler.scheduled-time>\",\"by\":\"<aws.scheduler.schedule-arn>\",\"try\":<aws.scheduler.attempt-number>}" });
    let end = BEGINNING.add(Duration::from_secs(3600)).as_seconds_f64();
    let more = json!({ "EndDate": end, "ActionAfterCompletion": "DELETE" });
    check(&before, "CreateSchedule", schedule("rate(5 minutes)", at.clone(), more), json!({})).await;
    before.settled().await;
    let event = json!({ "at": "2026-11-23T04:05:06Z", "by": "arn:aws:scheduler:us-east-1:000000000000:schedule/default/s", "try": 1 });
    let taken = functions.taken();
    assert!(
        matches(&json!([[{ "FunctionName": FUNCTION, "InvocationType": "Event" }, event]]), &json!(taken)),
        "{taken:?}"
    );
    before.stop().await;
    // Off until long after its end.
    let later = BEGINNING.add(Duration::from_secs(86_400));
    let after = Cloud::start_on(store, Clock::fixed(later), services(&functions)).await;
    after.settled().await;
    assert_eq!(times(&functions), ["2026-11-23T05:05:06Z"]);
    check(&after, "GetSchedule", json!({ "Name": "s" }), json!("ResourceNotFoundException: *")).await;
    // A flexible window: later than its time, within the window, and once.
    let window = json!({ "FlexibleTimeWindow": { "Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15 } });
    check(&after, "CreateSchedule", schedule("at(2026-11-24T05:00:00)", at, window), json!({})).await;
    after.advance(3600 - 306);
    after.settled().await;
    assert!(functions.taken().is_empty());
    after.advance(15 * 60);
    after.settled().await;
    assert_eq!(times(&functions), ["2026-11-24T05:00:00Z"]);
    after.stop().await;
}

#[tokio::test]
async fn every_kind_of_target_gets_its_input_and_failures_end_in_the_dead_letters() {
    let (cloud, functions) = cloud().await;
    for (name, attributes) in [
        ("q", json!({})),
        ("dead", json!({})),
        ("o.fifo", json!({ "FifoQueue": "true", "ContentBasedDeduplication": "true" })),
    ] {
        cloud
            .check("sqs", "CreateQueue", json!({ "QueueName": name, "Attributes": attributes }), json!({}))
            .await;
    }
    cloud.check("sns", "CreateTopic", json!({ "Name": "t" }), json!({})).await;
    let topic = "arn:aws:sns:us-east-1:000000000000:t";
    cloud
        .check(
            "sns",
            "Subscribe",
            json!({ "TopicArn": topic, "Protocol": "sqs", "Endpoint": queue("q") }),
            json!({}),
        )
        .await;
    cloud
        .check(
            "events",
            "PutRule",
            json!({ "Name": "r", "EventPattern": "{\"source\":[\"clock\"]}" }),
            json!({}),
        )
        .await;
    cloud
        .check(
            "events",
            "PutTargets",
            json!({ "Rule": "r", "Targets": [{ "Id": "1", "Arn": FUNCTION }] }),
            json!({}),
        )
        .await;
    let bus = "arn:aws:events:us-east-1:000000000000:event-bus/default";
    let broken = format!("{FUNCTION}-broken");
    let once = "at(2026-11-23T04:06:00)";
    for (name, target) in [
        ("queue", json!({ "Arn": queue("q"), "Input": "plain" })),
        (
            "fifo",
            json!({ "Arn": queue("o.fifo"), "Input": "in order", "SqsParameters": { "MessageGroupId": "g" } }),
        ),
        ("topic", json!({ "Arn": topic, "Input": "news" })),
        (
            "bus",
            json!({ "Arn": bus, "Input": "{\"n\":1}", "EventBridgeParameters": { "Source": "clock", "DetailType": "tick" } }),
        ),
        (
            "lost",
            json!({ "Arn": broken, "RetryPolicy": { "MaximumRetryAttempts": 1 }, "DeadLetterConfig": { "Arn": queue("dead") } }),
        ),
    ] {
        check(&cloud, "CreateSchedule", schedule(once, target, json!({ "Name": name })), json!({})).await;
    }
    cloud.advance(54);
    cloud.settled().await;
    cloud.advance(1);
    cloud.settled().await;
    let receive = |name: &str| json!({ "QueueUrl": format!("http://localhost/000000000000/{name}"), "MaxNumberOfMessages": 10, "AttributeNames": ["All"], "MessageAttributeNames": ["All"] });
    let answer = cloud.call("sqs", "ReceiveMessage", receive("q")).await;
    let text = answer.to_string();
    assert!(text.contains("\"plain\"") && text.contains("news"), "{text}");
    cloud
        .check(
            "sqs",
            "ReceiveMessage",
            receive("o.fifo"),
            json!({ "Messages": [{ "Body": "in order", "Attributes": { "MessageGroupId": "g" } }] }),
        )
        .await;
    let taken = functions.taken();
    let event = json!({ "source": "clock", "detail-type": "tick", "detail": { "n": 1 }, "resources": ["arn:aws:scheduler:us-east-1:000000000000:schedule/default/bus"], "time": "2026-11-23T04:06:00Z" });
    assert!(matches(&json!([[{}, event]]), &json!(taken)), "{taken:?}");
    let lost = "arn:aws:scheduler:us-east-1:000000000000:schedule/default/lost";
    let expected = json!({ "Messages": [{ "Body": "{\"version\":\"0\",\"id\":\"*", "MessageAttributes": {
        "SCHEDULE_ARN": { "StringValue": lost },
        "TARGET_ARN": { "StringValue": broken },
        "SCHEDULED_TIME": { "StringValue": "2026-11-23T04:06:00Z" },
        "ERROR_CODE": { "StringValue": "ServiceException" },
        "EXHAUSTED_RETRY_CONDITION": { "StringValue": "MaximumRetryAttempts" },
        "RETRY_ATTEMPTS": { "StringValue": "1" },
    } }] });
    cloud.check("sqs", "ReceiveMessage", receive("dead"), expected).await;
    cloud.stop().await;
}

#[tokio::test]
async fn stacks_make_change_and_delete_schedules() {
    let (cloud, _) = cloud().await;
    let resource = ResourceContext {
        context: cloud.context.clone(),
        stack_name: "shop-dev".to_owned(),
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/shop-dev/1".to_owned(),
        logical_id: "Night".to_owned(),
        tags: serde_json::Map::new(),
        token: "ABCDEFGHIJKL".to_owned(),
        resuming: false,
    };
    let handler = |name: &str| {
        super::cloudformation::RESOURCES.iter().find(|kind| kind.name == name).expect("a type").handler
    };
    let (schedules, groups) = (handler("AWS::Scheduler::Schedule"), handler("AWS::Scheduler::ScheduleGroup"));
    let group = groups.create(&resource, &json!({ "Name": "night" })).await.expect("a group");
    assert_eq!(group.attributes["Arn"], "arn:aws:scheduler:us-east-1:000000000000:schedule-group/night");
    let old = json!({
        "GroupName": "night", "ScheduleExpression": "rate(1 hour)", "StartDate": "2026-11-24T00:00:00.000Z",
        "FlexibleTimeWindow": { "Mode": "FLEXIBLE", "MaximumWindowInMinutes": "5" },
        "Target": { "Arn": FUNCTION, "RoleArn": ROLE, "Input": { "x": 1 }, "RetryPolicy": { "MaximumRetryAttempts": "3" } },
    });
    let made = schedules.create(&resource, &old).await.expect("a schedule");
    let again = schedules.create(&resource, &old).await.expect("the same schedule");
    assert_eq!((made.physical_id.as_str(), &made), ("shop-dev-Night-ABCDEFGHIJKL", &again));
    let get = json!({ "Name": made.physical_id, "GroupName": "night" });
    let expected = json!({ "StartDate": 1_795_478_400.0, "FlexibleTimeWindow": { "MaximumWindowInMinutes": 5 },
        "Target": { "Input": "{\"x\":1}", "RetryPolicy": { "MaximumRetryAttempts": 3 } } });
    check(&cloud, "GetSchedule", get.clone(), expected).await;
    let new = json!({
        "GroupName": "night", "ScheduleExpression": "rate(2 hours)", "State": "DISABLED",
        "FlexibleTimeWindow": { "Mode": "OFF" }, "Target": { "Arn": FUNCTION, "RoleArn": ROLE },
    });
    schedules.update(&resource, &made.physical_id, &old, &new).await.expect("an update");
    check(
        &cloud,
        "GetSchedule",
        get,
        json!({ "State": "DISABLED", "StartDate": null, "Target": { "Input": null } }),
    )
    .await;
    let moved = schedules.update(&resource, &made.physical_id, &new, &json!({})).await.expect("an update");
    assert_eq!(moved, Update::Replace);
    for _ in 0..2 {
        schedules.delete(&resource, &made.physical_id, &new).await.expect("gone");
        groups.delete(&resource, &group.physical_id, &json!({})).await.expect("gone");
    }
    cloud.stop().await;
}
