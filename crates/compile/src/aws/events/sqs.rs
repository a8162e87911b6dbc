//! `sqs`: an event source mapping on a queue.

use super::super::context::{Context, Event};
use super::super::naming;
use super::super::values::display;
use super::mapping;
use aloft_diag::Diagnostic;
use serde_json::{Value, json};

/// Adds the mappings, and one statement for all queues.
///
/// # Errors
/// None of its own.
pub fn compile(context: &mut Context<'_>) -> Result<(), Diagnostic> {
    let mut queues = Vec::new();
    for event in context.events_of("sqs") {
        queues.push(add(context, event));
    }
    if !queues.is_empty() {
        context.allow(json!({
            "Effect": "Allow",
            "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
            "Resource": queues,
        }));
    }
    Ok(())
}

/// Adds one mapping and says the queue's ARN.
fn add(context: &mut Context<'_>, event: Event<'_>) -> Value {
    let arn = event.get("arn").unwrap_or(event.value).clone();
    let depends_on = mapping::depends_on(context, event.function);
    let id = naming::event_source_mapping(event.function, "SQS", &naming::plain(&queue_name(&arn)));
    let properties = json!({
        "BatchSize": event.truthy("batchSize").cloned().unwrap_or_else(|| json!(10)),
        "MaximumBatchingWindowInSeconds": event.get("maximumBatchingWindow"),
        "EventSourceArn": arn,
        "FunctionName": context.target(event.function),
        "Enabled": event.value.get("enabled").cloned().unwrap_or(json!(true)),
        "FunctionResponseTypes": event.get("functionResponseType").map(|kind| json!([kind])),
        "FilterCriteria": mapping::filter_criteria(event),
        "ScalingConfig": event.truthy("maximumConcurrency").map(|count| json!({ "MaximumConcurrency": count })),
    });
    context.merge(id, json!({ "Type": "AWS::Lambda::EventSourceMapping", "DependsOn": depends_on, "Properties": properties }));
    arn
}

/// What names the queue in the logical id.
fn queue_name(arn: &Value) -> String {
    let named = arn
        .get("Fn::GetAtt")
        .and_then(|attribute| attribute.get(0))
        .or_else(|| arn.get("Fn::ImportValue"))
        .or_else(|| arn.get("Fn::Join").and_then(|join| join.get(1)?.as_array()?.last()));
    match named {
        Some(name) => display(name),
        None => display(arn).rsplit(':').next().unwrap_or_default().to_owned(),
    }
}
