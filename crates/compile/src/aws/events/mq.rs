//! `activemq` and `rabbitmq`: event source mappings on the brokers of Amazon MQ.

use super::super::context::{Context, Event};
use super::super::naming;
use super::super::values::display;
use super::mapping;
use aloft_diag::Diagnostic;
use serde_json::{Value, json};

/// Adds the mappings of ActiveMQ.
///
/// # Errors
/// None of its own.
pub fn compile_activemq(context: &mut Context<'_>) -> Result<(), Diagnostic> {
    compile(context, "activemq", "ActiveMQ");
    Ok(())
}

/// Adds the mappings of RabbitMQ.
///
/// # Errors
/// None of its own.
pub fn compile_rabbitmq(context: &mut Context<'_>) -> Result<(), Diagnostic> {
    compile(context, "rabbitmq", "RabbitMQ");
    Ok(())
}

fn compile(context: &mut Context<'_>, kind: &str, name: &str) {
    for (_, events) in mapping::by_function(context.events_of(kind)) {
        let (mut secrets, mut brokers) = (Vec::new(), Vec::new());
        for event in events {
            secrets.push(event.get("basicAuthArn").cloned().unwrap_or_default());
            brokers.push(event.get("arn").cloned().unwrap_or_default());
            add(context, event, name);
        }
        context.allow(mapping::allow(&["secretsmanager:GetSecretValue"], &secrets));
        context.allow(mapping::allow(&["mq:DescribeBroker"], &brokers));
        context.allow(mapping::network_statement());
    }
}

fn add(context: &mut Context<'_>, event: Event<'_>, name: &str) {
    let queue = event.get("queue").map(display).unwrap_or_default();
    let id = naming::event_source_mapping(event.function, name, &naming::cut(&naming::plain(&queue), 150));
    let mut access: Vec<Value> = vec![json!({ "Type": "BASIC_AUTH", "URI": event.get("basicAuthArn") })];
    access.extend(event.truthy("virtualHost").map(|host| json!({ "Type": "VIRTUAL_HOST", "URI": host })));
    context.put(
        id,
        json!({
            "Type": "AWS::Lambda::EventSourceMapping",
            "DependsOn": mapping::depends_on(context, event.function),
            "Properties": {
                "FunctionName": context.target(event.function),
                "EventSourceArn": event.get("arn"),
                "Queues": [queue],
                "SourceAccessConfigurations": access,
                "BatchSize": event.truthy("batchSize"),
                "MaximumBatchingWindowInSeconds": event.truthy("maximumBatchingWindow"),
                "Enabled": event.get("enabled"),
                "FilterCriteria": mapping::filter_criteria(event),
            },
        }),
    );
}
