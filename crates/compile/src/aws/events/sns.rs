//! `sns`: a topic of the stack, or a subscription to one that exists.

use super::super::context::{Context, Event};
use super::super::naming;
use super::super::values::{display, object};
use aloft_diag::Diagnostic;
use serde_json::{Map, Value, json};

/// Adds topics, subscriptions and permissions.
///
/// # Errors
/// `SNS_MISSING_TOPIC_NAME`.
pub fn compile(context: &mut Context<'_>) -> Result<(), Diagnostic> {
    for event in context.events_of("sns") {
        add(context, event)?;
    }
    Ok(())
}

/// What the event says about its topic.
struct Topic {
    name: String,
    /// Of a topic that exists.
    arn: Option<Value>,
    /// When it lies in another region.
    region: Option<String>,
}

fn add(context: &mut Context<'_>, event: Event<'_>) -> Result<(), Diagnostic> {
    let topic = topic(context, event)?;
    let redrive = redrive(context, event, &topic);
    let endpoint = context.target(event.function);
    let alias = context.alias_id(event.function);
    let normal = naming::plain(&topic.name);
    let subscription_id = format!("{}SnsSubscription{normal}", naming::normalized(event.function));
    let source = match topic.arn {
        Some(arn) => {
            context.merge(
                subscription_id,
                json!({
                    "Type": "AWS::SNS::Subscription",
                    "DependsOn": alias,
                    "Properties": {
                        "TopicArn": arn,
                        "Protocol": "lambda",
                        "Endpoint": endpoint,
                        "FilterPolicy": event.get("filterPolicy"),
                        "FilterPolicyScope": event.get("filterPolicyScope"),
                        "RedrivePolicy": redrive,
                        "Region": topic.region,
                    },
                }),
            );
            arn
        }
        None => {
            let topic_id = format!("SNSTopic{normal}");
            if !context.resources.contains_key(&topic_id) {
                let properties =
                    json!({ "TopicName": topic.name, "DisplayName": event.truthy("displayName") });
                context.merge(
                    topic_id.clone(),
                    json!({ "Type": "AWS::SNS::Topic", "DependsOn": alias, "Properties": properties }),
                );
            }
            if event.truthy("filterPolicy").is_some() || redrive.is_some() {
                context.merge(
                    subscription_id,
                    json!({
                        "Type": "AWS::SNS::Subscription",
                        "Properties": {
                            "Endpoint": endpoint,
                            "Protocol": "lambda",
                            "TopicArn": { "Ref": topic_id },
                            "FilterPolicy": event.get("filterPolicy"),
                            "FilterPolicyScope": event.get("filterPolicyScope"),
                            "RedrivePolicy": redrive,
                        },
                    }),
                );
            } else if let Some(properties) = context.resources[&topic_id]["Properties"].as_object_mut() {
                let subscriptions = properties.entry("Subscription").or_insert_with(|| json!([]));
                if let Some(subscriptions) = subscriptions.as_array_mut() {
                    subscriptions.push(json!({ "Endpoint": endpoint, "Protocol": "lambda" }));
                }
            }
            own_arn(&topic.name)
        }
    };
    context.merge(
        naming::permission(event.function, &format!("{normal}SNS")),
        json!({
            "Type": "AWS::Lambda::Permission",
            "DependsOn": alias,
            "Properties": {
                "FunctionName": endpoint,
                "Action": "lambda:InvokeFunction",
                "Principal": "sns.amazonaws.com",
                "SourceArn": source,
            },
        }),
    );
    Ok(())
}

fn own_arn(name: &str) -> Value {
    json!({
        "Fn::Join": ["", [
            "arn:", { "Ref": "AWS::Partition" }, ":sns:", { "Ref": "AWS::Region" }, ":", { "Ref": "AWS::AccountId" }, ":", name,
        ]],
    })
}

fn topic(context: &Context<'_>, event: Event<'_>) -> Result<Topic, Diagnostic> {
    let Some(settings) = event.value.as_object() else {
        let text = display(event.value);
        return Ok(match text.strip_prefix("arn:") {
            Some(_) => Topic { name: last_part(&text), arn: Some(json!(text)), region: None },
            None => Topic { name: text, arn: None, region: None },
        });
    };
    let named = event.truthy("topicName").map(display);
    let Some(arn) = event.truthy("arn") else {
        return Ok(Topic { name: named.unwrap_or_default(), arn: None, region: None });
    };
    let mut topic = Topic { name: String::new(), arn: Some(arn.clone()), region: None };
    if let Some(text) = arn.as_str() {
        // The colons of a pseudo parameter such as `AWS::Region` divide nothing.
        let guarded = text.replace("::", "@@");
        let parts: Vec<String> = guarded.split(':').map(|part| part.replace("@@", "::")).collect();
        topic.name = parts.last().cloned().unwrap_or_default();
        topic.region = parts.get(3).filter(|region| **region != context.service.region).cloned();
    }
    topic.name = named.unwrap_or(topic.name);
    if topic.name.is_empty() {
        debug_assert!(settings.contains_key("arn"));
        return Err(context
            .error(
                "SNS_MISSING_TOPIC_NAME",
                "Missing \"sns.topicName\" setting (it needs to be provided if \"sns.arn\" is not provided as plain ARN string)",
                &event.path(),
            )
            .help("add `topicName:` beside `arn:`"));
    }
    Ok(topic)
}

fn last_part(arn: &str) -> String {
    arn.rsplit(':').next().unwrap_or(arn).to_owned()
}

/// The redrive policy; adds the policy by which the topic may write to the queue.
fn redrive(context: &mut Context<'_>, event: Event<'_>, topic: &Topic) -> Option<Value> {
    let policy = event.value.as_object().and_then(|settings| object(settings, "redrivePolicy"))?;
    let (arn, url) = dead_letter_queue(policy);
    let id = format!("{}To{}DLQPolicy", naming::plain(&topic.name), naming::normalized(event.function));
    let source = topic.arn.clone();
    context.put(
        id.clone(),
        json!({
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Id": id,
                    "Statement": [{
                        "Effect": "Allow",
                        "Principal": { "Service": "sns.amazonaws.com" },
                        "Action": "sqs:SendMessage",
                        "Resource": arn,
                        "Condition": { "ArnEquals": { "aws:SourceArn": source } },
                    }],
                },
                "Queues": [url],
            },
        }),
    );
    Some(json!({ "deadLetterTargetArn": arn }))
}

/// The queue's ARN and its URL.
fn dead_letter_queue(policy: &Map<String, Value>) -> (Value, Value) {
    if let Some(arn) = policy.get("deadLetterTargetArn") {
        let text = display(arn);
        let mut parts = text.rsplit(':');
        let (name, account, region) = (
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
        );
        let url = json!({
            "Fn::Join": ["", [format!("https://sqs.{region}."), { "Ref": "AWS::URLSuffix" }, format!("/{account}/{name}")]],
        });
        return (arn.clone(), url);
    }
    if let Some(reference) = policy.get("deadLetterTargetRef") {
        return (json!({ "Fn::GetAtt": [reference, "Arn"] }), json!({ "Ref": reference }));
    }
    let import = |key: &str| json!({ "Fn::ImportValue": policy.get("deadLetterTargetImport").and_then(|import| import.get(key)) });
    (import("arn"), import("url"))
}
