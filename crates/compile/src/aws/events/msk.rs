//! `msk`: an event source mapping on a cluster of Amazon MSK.

use super::super::context::{Context, Event};
use super::super::naming;
use super::super::values::display;
use super::{kafka, mapping};
use aloft_diag::Diagnostic;
use serde_json::{Value, json};

/// Adds mappings, and for each function the statements that they need.
///
/// # Errors
/// `FUNCTION_MSK_STARTING_POSITION_TIMESTAMP_INVALID`.
pub fn compile(context: &mut Context<'_>) -> Result<(), Diagnostic> {
    for (_, events) in mapping::by_function(context.events_of("msk")) {
        let clusters = events.into_iter().map(|event| add(context, event)).collect::<Result<Vec<_>, _>>()?;
        context.allow(mapping::allow(&["kafka:DescribeCluster", "kafka:GetBootstrapBrokers"], &clusters));
        context.allow(mapping::network_statement());
    }
    Ok(())
}

/// Adds one mapping and says the cluster's ARN.
fn add(context: &mut Context<'_>, event: Event<'_>) -> Result<Value, Diagnostic> {
    let position = event.truthy("startingPosition").cloned().unwrap_or_else(|| json!("TRIM_HORIZON"));
    kafka::check_timestamp(context, event, &position, "FUNCTION_MSK_STARTING_POSITION_TIMESTAMP_INVALID")?;
    let arn = event.get("arn").cloned().unwrap_or_default();
    let topic = event.get("topic").map(display).unwrap_or_default();
    let part = |text: &str| naming::cut(&naming::plain(text), 79);
    let id = naming::event_source_mapping(
        event.function,
        "MSK",
        &format!("{}{}", part(&cluster_name(&arn)), part(&topic)),
    );
    let access =
        event.get("saslScram512").map(|secret| json!([{ "Type": "SASL_SCRAM_512_AUTH", "URI": secret }]));
    let consumer_group = event.truthy("consumerGroupId").map(|group| json!({ "ConsumerGroupId": group }));
    context.put(
        id,
        json!({
            "Type": "AWS::Lambda::EventSourceMapping",
            "DependsOn": mapping::depends_on(context, event.function),
            "Properties": {
                "EventSourceArn": arn,
                "FunctionName": context.target(event.function),
                "StartingPosition": position,
                "Topics": [topic],
                "StartingPositionTimestamp": event.get("startingPositionTimestamp"),
                "BatchSize": event.truthy("batchSize"),
                "MaximumBatchingWindowInSeconds": event.truthy("maximumBatchingWindow"),
                "AmazonManagedKafkaEventSourceConfig": consumer_group,
                "Enabled": event.get("enabled"),
                "SourceAccessConfigurations": access,
                "FilterCriteria": mapping::filter_criteria(event),
            },
        }),
    );
    Ok(arn)
}

fn cluster_name(arn: &Value) -> String {
    match arn.get("Fn::ImportValue").or_else(|| arn.get("Ref")) {
        Some(name) => display(name),
        None => display(arn).split('/').nth(1).unwrap_or_default().to_owned(),
    }
}
