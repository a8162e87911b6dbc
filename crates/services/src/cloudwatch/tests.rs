//! CloudWatch as its users see it, on a clock that stands still.

use super::CloudWatch;
use crate::events::Events;
use crate::sns::Sns;
use crate::sqs::Sqs;
use crate::testing::{BEGINNING, Cloud};
use aloft_engine::metering::{Ending, Function, Invocation, Verdict};
use aloft_engine::{ResourceContext, Update};
use serde_json::{Value, json};
use std::sync::Arc;

async fn cloud() -> Cloud {
    Cloud::start(vec![
        Arc::new(CloudWatch),
        Arc::new(Events),
        Arc::new(Sns::default()),
        Arc::new(Sqs::default()),
    ])
    .await
}

async fn check(cloud: &Cloud, operation: &str, input: Value, expected: Value) -> Value {
    cloud.check("cloudwatch", operation, input, expected).await
}

/// The last ten minutes.
fn period(cloud: &Cloud) -> (f64, f64) {
    let now = cloud.clock.now().as_seconds_f64();
    (now - 600.0, now + 60.0)
}

fn invoke(cloud: &Cloud, function: &str, verdict: Verdict, duration_ms: f64) {
    let function = Function {
        account: cloud.context.account.clone(),
        region: cloud.context.region.clone(),
        name: function.into(),
        version: "1".to_owned(),
        memory_mb: 128,
        architecture: "arm64".to_owned(),
    };
    let invocation = Invocation {
        at: cloud.clock.now(),
        request_id: cloud.engine.ids().uuid(),
        function: Arc::new(function),
        qualifier: Some("live".to_owned()),
        cause: "root".into(),
        trace_id: String::new(),
        iterator_age_ms: None,
        concurrent: 0,
    };
    let ending =
        Ending { verdict, log_stream: String::new(), duration_ms, init_ms: None, billed_ms: 1, used_mb: 1 };
    cloud.engine.metering().begin(invocation).end(ending);
}

#[tokio::test]
async fn functions_have_metrics() {
    let cloud = cloud().await;
    for (verdict, duration) in [(Verdict::Ok, 10.0), (Verdict::Timeout, 30.0), (Verdict::Ok, 20.0)] {
        invoke(&cloud, "f", verdict, duration);
    }
    let (from, to) = period(&cloud);
    let ask = |metric: &str, statistics: Value, dimensions: Value| {
        json!({ "Namespace": "AWS/Lambda", "MetricName": metric, "StartTime": from, "EndTime": to, "Period": 60,
            "Statistics": statistics, "ExtendedStatistics": ["p50"], "Dimensions": dimensions })
    };
    let function = json!([{ "Name": "FunctionName", "Value": "f" }]);
    for (metric, sum, samples) in [
        ("Invocations", 3.0, 3.0),
        ("Errors", 1.0, 3.0),
        ("Duration", 60.0, 3.0),
        ("ConcurrentExecutions", 3.0, 3.0),
    ] {
        for dimensions in [json!([]), function.clone()] {
            let expected = json!({ "Label": metric, "Datapoints": [{ "Sum": sum, "SampleCount": samples }] });
            let input = ask(metric, json!(["Sum", "SampleCount"]), dimensions);
            check(&cloud, "GetMetricStatistics", input, expected).await;
        }
    }
    let told =
        check(&cloud, "GetMetricStatistics", ask("Duration", json!(["Maximum"]), function), json!({})).await;
    let median = told["Datapoints"][0]["ExtendedStatistics"]["p50"].as_f64().expect("a median");
    assert!((median - 20.0).abs() < 0.3, "{median}");
    let of_alias =
        json!({ "Namespace": "AWS/Lambda", "Dimensions": [{ "Name": "Resource", "Value": "f:live" }] });
    let told = check(&cloud, "ListMetrics", of_alias, json!({ "Metrics": "*" })).await;
    assert_eq!(told["Metrics"].as_array().map(Vec::len), Some(5), "{told}");
    cloud.stop().await;
}

#[tokio::test]
async fn values_come_back_and_mistakes_are_told() {
    let cloud = cloud().await;
    let dimensions = json!([{ "Name": "Shop", "Value": "a" }]);
    let put = |data: Value| json!({ "Namespace": "Mine", "MetricData": [data] });
    let now = BEGINNING.as_seconds_f64();
    for data in [
        json!({ "MetricName": "Orders", "Value": 4.0, "Unit": "Count", "Dimensions": dimensions }),
        json!({ "MetricName": "Orders", "Values": [1.0, 2.0], "Counts": [1.0, 2.0], "Unit": "Count", "Dimensions": dimensions }),
        json!({ "MetricName": "Orders", "Timestamp": now - 120.0, "Dimensions": dimensions, "Unit": "Count",
            "StatisticValues": { "SampleCount": 2.0, "Sum": 10.0, "Minimum": 4.0, "Maximum": 6.0 } }),
        json!({ "MetricName": "Failed", "Value": 1.0, "Dimensions": dimensions }),
    ] {
        check(&cloud, "PutMetricData", put(data), json!({})).await;
    }
    let (from, to) = period(&cloud);
    let metric = |name: &str| json!({ "Namespace": "Mine", "MetricName": name, "Dimensions": dimensions });
    let input = json!({ "StartTime": from, "EndTime": to, "ScanBy": "TimestampAscending", "MetricDataQueries": [
        { "Id": "rate", "Expression": "100 * bad / all", "Label": "Failing" },
        { "Id": "all", "MetricStat": { "Metric": metric("Orders"), "Period": 60, "Stat": "Sum" } },
        { "Id": "bad", "MetricStat": { "Metric": metric("Failed"), "Period": 60, "Stat": "Sum" }, "ReturnData": false },
        { "Id": "none", "MetricStat": { "Metric": metric("Orders"), "Period": 60, "Stat": "Sum", "Unit": "Bytes" } },
    ] });
    let expected = json!({ "MetricDataResults": [
        { "Id": "rate", "Label": "Failing", "Values": [100.0 / 9.0], "StatusCode": "Complete" },
        { "Id": "all", "Label": "Orders", "Values": [10.0, 9.0] },
        { "Id": "none", "Values": [] },
    ] });
    check(&cloud, "GetMetricData", input, expected).await;
    let all = json!({ "Namespace": "Mine", "MetricName": "Orders" });
    check(&cloud, "ListMetrics", all, json!({ "Metrics": [{ "Dimensions": dimensions }] })).await;
    cloud.advance(15 * 86_400);
    check(&cloud, "ListMetrics", json!({ "Namespace": "Mine" }), json!({ "Metrics": [] })).await;

    let query = |query: Value| json!({ "StartTime": from, "EndTime": to, "MetricDataQueries": [query] });
    let value = json!({ "MetricName": "x", "Value": 1.0 });
    for (operation, input, expected) in [
        (
            "PutMetricData",
            json!({ "Namespace": "AWS/Mine", "MetricData": [value] }),
            "InvalidParameterValue: The value AWS/*",
        ),
        ("PutMetricData", json!({ "Namespace": "Mine" }), "MissingParameter: *"),
        (
            "PutMetricData",
            put(json!({ "MetricName": "x" })),
            "MissingParameter: The parameter MetricData.member.1.Value*",
        ),
        (
            "PutMetricData",
            put(json!({ "MetricName": "x", "Value": 1.0, "Timestamp": 0.0 })),
            "InvalidParameterValue: *two weeks*",
        ),
        (
            "PutMetricData",
            put(json!({ "MetricName": "x", "Value": 1.0, "Values": [1.0] })),
            "InvalidParameterCombination: *",
        ),
        (
            "GetMetricData",
            query(json!({ "Id": "a", "Expression": "SUM(METRICS())" })),
            "ValidationError: Error in expression 'a'*",
        ),
        (
            "GetMetricData",
            query(json!({ "Id": "a", "Expression": "a + 1" })),
            "ValidationError: An expression needs*",
        ),
        ("GetMetricData", query(json!({ "Id": "A", "Expression": "1" })), "ValidationError: *"),
        (
            "DescribeAlarms",
            json!({ "AlarmNames": ["a"], "AlarmNamePrefix": "a" }),
            "InvalidParameterCombination: *",
        ),
        (
            "SetAlarmState",
            json!({ "AlarmName": "a", "StateValue": "OK", "StateReason": "" }),
            "ResourceNotFound: *",
        ),
    ] {
        let answer = cloud.call("cloudwatch", operation, input.clone()).await;
        let code = answer.as_str().and_then(|text| text.split(':').next());
        assert_eq!(code, expected.split(':').next(), "{operation} {input} answered {answer}");
    }
    cloud.stop().await;
}

#[tokio::test]
async fn alarms_follow_their_metric_and_tell_topics() {
    let cloud = cloud().await;
    cloud.check("sqs", "CreateQueue", json!({ "QueueName": "told" }), json!({})).await;
    cloud.check("sns", "CreateTopic", json!({ "Name": "alarms" }), json!({})).await;
    let topic = "arn:aws:sns:us-east-1:000000000000:alarms";
    let subscribe = json!({ "TopicArn": topic, "Protocol": "sqs", "Endpoint": "arn:aws:sqs:us-east-1:000000000000:told",
        "Attributes": { "RawMessageDelivery": "true" } });
    cloud.check("sns", "Subscribe", subscribe, json!({})).await;
    let alarm = json!({
        "AlarmName": "failing", "Namespace": "AWS/Lambda", "MetricName": "Errors", "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "Dimensions": [{ "Name": "FunctionName", "Value": "f" }], "AlarmActions": [topic],
    });
    check(&cloud, "PutMetricAlarm", alarm.clone(), json!({})).await;
    let described =
        |state: &str| json!({ "MetricAlarms": [{ "AlarmName": "failing", "StateValue": state }] });
    check(&cloud, "DescribeAlarms", json!({}), described("INSUFFICIENT_DATA")).await;
    for (verdict, state) in [(Verdict::Ok, "OK"), (Verdict::Error, "ALARM"), (Verdict::Ok, "OK")] {
        invoke(&cloud, "f", verdict, 1.0);
        cloud.advance(60);
        cloud
            .eventually(
                "cloudwatch",
                "DescribeAlarms",
                json!({ "AlarmNames": ["failing"] }),
                described(state),
            )
            .await;
    }
    let message = cloud
        .call(
            "sqs",
            "ReceiveMessage",
            json!({ "QueueUrl": "http://localhost/000000000000/told", "WaitTimeSeconds": 20 }),
        )
        .await;
    let body: Value =
        serde_json::from_str(message["Messages"][0]["Body"].as_str().expect("a body")).expect("JSON");
    let expected = json!({ "AlarmName": "failing", "NewStateValue": "ALARM", "OldStateValue": "OK", "Region": "US East (N. Virginia)",
        "NewStateReason": "Threshold Crossed: 1 out of the last 1 datapoints [1.0 (23/11/26 04:06:00)] was greater than or equal to*",
        "Trigger": { "MetricName": "Errors", "Statistic": "SUM", "Dimensions": [{ "name": "FunctionName", "value": "f" }] } });
    assert!(crate::testing::matches(&expected, &body), "{body:#}");
    let updates =
        json!({ "AlarmName": "failing", "HistoryItemType": "StateUpdate", "ScanBy": "TimestampAscending" });
    let expected = json!({ "AlarmHistoryItems": [
        { "HistorySummary": "Alarm updated from INSUFFICIENT_DATA to OK" },
        { "HistorySummary": "Alarm updated from OK to ALARM" },
        { "HistorySummary": "Alarm updated from ALARM to OK" },
    ] });
    check(&cloud, "DescribeAlarmHistory", updates, expected).await;

    let set = json!({ "AlarmName": "failing", "StateValue": "ALARM", "StateReason": "a test" });
    check(&cloud, "SetAlarmState", set, json!({})).await;
    check(&cloud, "DescribeAlarms", json!({ "StateValue": "ALARM" }), described("ALARM")).await;
    // Nothing came since: it is not known how it is.
    cloud.advance(3600);
    cloud.eventually("cloudwatch", "DescribeAlarms", json!({}), described("INSUFFICIENT_DATA")).await;
    let arn = "arn:aws:cloudwatch:us-east-1:000000000000:alarm:failing";
    check(
        &cloud,
        "TagResource",
        json!({ "ResourceARN": arn, "Tags": [{ "Key": "a", "Value": "b" }] }),
        json!({}),
    )
    .await;
    check(
        &cloud,
        "ListTagsForResource",
        json!({ "ResourceARN": arn }),
        json!({ "Tags": [{ "Key": "a", "Value": "b" }] }),
    )
    .await;
    let for_metric =
        json!({ "Namespace": "AWS/Lambda", "MetricName": "Errors", "Dimensions": alarm["Dimensions"] });
    check(&cloud, "DescribeAlarmsForMetric", for_metric, described("*")).await;
    check(&cloud, "DeleteAlarms", json!({ "AlarmNames": ["failing"] }), json!({})).await;
    check(&cloud, "DescribeAlarms", json!({}), json!({ "MetricAlarms": [] })).await;
    for (change, code) in [
        (json!({ "Threshold": null }), "MissingParameter"),
        (json!({ "DatapointsToAlarm": 2 }), "ValidationError"),
        (json!({ "ExtendedStatistic": "p99" }), "InvalidParameterCombination"),
        (json!({ "Period": 10 }), "InvalidParameterValue"),
    ] {
        let mut input = alarm.clone();
        for (name, value) in change.as_object().expect("a map") {
            input[name] = value.clone();
        }
        let answer = cloud.call("cloudwatch", "PutMetricAlarm", input).await;
        assert_eq!(answer.as_str().and_then(|text| text.split(':').next()), Some(code), "{change} {answer}");
    }
    cloud.stop().await;
}

#[tokio::test]
async fn templates_make_alarms() {
    let cloud = cloud().await;
    let resource = ResourceContext {
        context: cloud.context.clone(),
        stack_name: "shop-dev".to_owned(),
        stack_id: String::new(),
        logical_id: "Failing".to_owned(),
        tags: serde_json::Map::new(),
        token: "ABCDEFGHIJKL".to_owned(),
        resuming: false,
    };
    let properties = json!({
        "Metrics": [
            { "Id": "rate", "Expression": "errors / 2", "ReturnData": "true" },
            { "Id": "errors", "ReturnData": false, "MetricStat": { "Metric": { "Namespace": "AWS/Lambda", "MetricName": "Errors" },
                "Period": "60", "Stat": "Sum" } },
        ],
        "EvaluationPeriods": "1", "Threshold": "0.5", "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
    });
    let handler = super::cloudformation::RESOURCES[0].handler;
    let made = handler.create(&resource, &properties).await.expect("made");
    assert_eq!(made.physical_id, "shop-dev-Failing-ABCDEFGHIJKL");
    let described = |state: &str| json!({ "MetricAlarms": [{ "StateValue": state, "Threshold": 0.5 }] });
    cloud.eventually("cloudwatch", "DescribeAlarms", json!({}), described("OK")).await;
    invoke(&cloud, "f", Verdict::Error, 1.0);
    cloud.advance(60);
    cloud.eventually("cloudwatch", "DescribeAlarms", json!({}), described("ALARM")).await;
    let mut changed = properties.clone();
    changed["Threshold"] = json!(7);
    let update = handler.update(&resource, &made.physical_id, &properties, &changed).await.expect("changed");
    assert_eq!(update, Update::InPlace(made.clone()));
    handler.delete(&resource, &made.physical_id, &changed).await.expect("gone");
    check(&cloud, "DescribeAlarms", json!({}), json!({ "MetricAlarms": [] })).await;
    cloud.stop().await;
}
