//! `stream`: event source mappings on Kinesis streams and DynamoDB tables.

use super::super::context::{Context, Event};
use super::super::naming;
use super::super::values::{at, display, truthy, upper_first};
use super::mapping;
use aloft_diag::Diagnostic;
use serde_json::{Value, json};

/// Adds mappings and consumers, and for each function the statements that they need.
///
/// # Errors
/// `FUNCTION_STREAM_STARTING_POSITION_TIMESTAMP_INVALID`.
pub fn compile(context: &mut Context<'_>) -> Result<(), Diagnostic> {
    for (_, events) in mapping::by_function(context.events_of("stream")) {
        let mut reached = Reached::default();
        for event in events {
            add(context, event, &mut reached)?;
        }
        for (actions, resources) in [
            (
                &[
                    "dynamodb:GetRecords",
                    "dynamodb:GetShardIterator",
                    "dynamodb:DescribeStream",
                    "dynamodb:ListStreams",
                ][..],
                &reached.dynamodb,
            ),
            (
                &[
                    "kinesis:GetRecords",
                    "kinesis:GetShardIterator",
                    "kinesis:DescribeStream",
                    "kinesis:ListStreams",
                ],
                &reached.kinesis,
            ),
            (
                &[
                    "kinesis:GetRecords",
                    "kinesis:GetShardIterator",
                    "kinesis:DescribeStreamSummary",
                    "kinesis:ListShards",
                ],
                &reached.kinesis_with_consumer,
            ),
            (&["kinesis:SubscribeToShard"], &reached.consumers),
            (&["sns:Publish"], &reached.topics),
            (&["sqs:ListQueues", "sqs:SendMessage"], &reached.queues),
        ] {
            if !resources.is_empty() {
                context.allow(mapping::allow(actions, resources));
            }
        }
    }
    Ok(())
}

/// What the events of one function read from and write to.
#[derive(Default)]
struct Reached {
    dynamodb: Vec<Value>,
    kinesis: Vec<Value>,
    kinesis_with_consumer: Vec<Value>,
    consumers: Vec<Value>,
    topics: Vec<Value>,
    queues: Vec<Value>,
}

fn add(context: &mut Context<'_>, event: Event<'_>, reached: &mut Reached) -> Result<(), Diagnostic> {
    let function = event.function;
    let arn = event.get("arn").unwrap_or(event.value).clone();
    let kind = event.truthy("type").map_or_else(|| part(&arn, 2), display);
    let name = stream_name(&arn);
    let id = naming::event_source_mapping(function, &upper_first(&kind), &naming::plain(&name));
    let consumer = event.truthy("consumer");
    match (kind.as_str(), consumer) {
        ("dynamodb", _) => reached.dynamodb.push(arn.clone()),
        (_, Some(_)) => reached.kinesis_with_consumer.push(arn.clone()),
        (_, None) => reached.kinesis.push(arn.clone()),
    }
    let mut depends_on = mapping::depends_on(context, function);
    let mut properties = json!({
        "BatchSize": event.truthy("batchSize").cloned().unwrap_or_else(|| json!(10)),
        "Enabled": event.value.get("enabled").cloned().unwrap_or(json!(true)),
        "EventSourceArn": arn,
        "FunctionName": context.target(function),
        "ParallelizationFactor": event.truthy("parallelizationFactor"),
        "StartingPosition": event.truthy("startingPosition").cloned().unwrap_or_else(|| json!("TRIM_HORIZON")),
        "MaximumBatchingWindowInSeconds": event.get("batchWindow"),
        "MaximumRetryAttempts": event.get("maximumRetryAttempts"),
        "BisectBatchOnFunctionError": event.get("bisectBatchOnFunctionError"),
        "FunctionResponseTypes": event.get("functionResponseType").map(|kind| json!([kind])),
        "MaximumRecordAgeInSeconds": event.truthy("maximumRecordAgeInSeconds"),
        "TumblingWindowInSeconds": event.get("tumblingWindowInSeconds"),
        "DestinationConfig": destination(event, reached),
        "FilterCriteria": mapping::filter_criteria(event),
    });
    if let Some(consumer) = consumer.filter(|_| kind == "kinesis") {
        let reference = if consumer == &Value::Bool(true) {
            let id = add_consumer(context, function, &name, &arn);
            depends_on.push(id.clone());
            json!({ "Ref": id })
        } else {
            consumer.clone()
        };
        properties["EventSourceArn"] = reference.clone();
        reached.consumers.push(reference);
        let timestamp = event.truthy("startingPositionTimestamp");
        if timestamp.is_none()
            && event.get("startingPosition").and_then(Value::as_str) == Some("AT_TIMESTAMP")
        {
            let message = format!(
                "You must specify startingPositionTimestamp for function: {function} when startingPosition is AT_TIMESTAMP"
            );
            return Err(context
                .error(
                    "FUNCTION_STREAM_STARTING_POSITION_TIMESTAMP_INVALID",
                    message,
                    &format!("{}.startingPosition", event.path()),
                )
                .help("add `startingPositionTimestamp:` in seconds since 1970"));
        }
        properties["StartingPositionTimestamp"] = json!(timestamp);
    }
    context.merge(id, json!({ "Type": "AWS::Lambda::EventSourceMapping", "DependsOn": depends_on, "Properties": properties }));
    Ok(())
}

fn add_consumer(context: &mut Context<'_>, function: &str, stream: &str, arn: &Value) -> String {
    let mode = truthy(at(context.provider, &["kinesis", "consumerNamingMode"]));
    let service =
        if mode { format!("{}{}", context.service.name, context.service.stage) } else { String::new() };
    let name = format!("{function}{stream}{service}Consumer");
    let id = format!("{}StreamConsumer", naming::normalized(&name));
    let properties = json!({ "StreamARN": arn, "ConsumerName": name });
    context.merge(id.clone(), json!({ "Type": "AWS::Kinesis::StreamConsumer", "Properties": properties }));
    id
}

fn destination(event: Event<'_>, reached: &mut Reached) -> Option<Value> {
    let target = event.truthy("destinations")?.get("onFailure")?;
    let (arn, kind) = match target.as_object() {
        Some(settings) => {
            let arn = settings.get("arn").cloned().unwrap_or_default();
            let kind = settings.get("type").map_or_else(|| part(&arn, 2), display);
            (arn, kind)
        }
        None => (target.clone(), part(target, 2)),
    };
    if kind == "sns" { &mut reached.topics } else { &mut reached.queues }.push(arn.clone());
    Some(json!({ "OnFailure": { "Destination": arn } }))
}

/// A part of an ARN between colons.
fn part(arn: &Value, index: usize) -> String {
    display(arn).split(':').nth(index).unwrap_or_default().to_owned()
}

/// What names the stream in the logical id.
fn stream_name(arn: &Value) -> String {
    let named = arn
        .get("Fn::GetAtt")
        .and_then(|attribute| attribute.get(0))
        .or_else(|| arn.get("Fn::ImportValue"))
        .or_else(|| arn.get("Ref"));
    if let Some(name) = named {
        return display(name);
    }
    if let Some(last) = arn.get("Fn::Join").and_then(|join| join.get(1)?.as_array()?.last()) {
        return display(last).rsplit('/').next().unwrap_or_default().to_owned();
    }
    display(arn).split('/').nth(1).unwrap_or("undefined").to_owned()
}
