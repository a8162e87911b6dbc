//! Buckets that exist already: a custom resource per function sets their notifications.

use super::rules;
use crate::aws::context::{Context, Event};
use crate::aws::custom_resources;
use crate::aws::naming;
use crate::aws::values::{display, start_case, stringify};
use aloft_diag::Diagnostic;
use indexmap::{IndexMap, IndexSet};
use serde_json::{Value, json};

pub fn add(context: &mut Context<'_>, events: &[Event<'_>]) -> Result<(), Diagnostic> {
    if events.is_empty() {
        return Ok(());
    }
    let mut statements = Vec::new();
    let mut by_bucket: IndexMap<String, IndexSet<String>> = IndexMap::new();
    let mut of_function: Option<(&str, String)> = None;
    for event in events {
        let bucket = event.get("bucket").cloned().unwrap_or_default();
        let bucket_text = if bucket.is_object() { stringify(&bucket) } else { display(&bucket) };
        let first = of_function.as_ref().is_none_or(|(function, _)| *function != event.function);
        if first {
            of_function = Some((event.function, bucket_text.clone()));
        }
        if let Some((_, current)) = of_function.as_ref().filter(|(_, current)| *current != bucket_text) {
            return Err(two_buckets(context, *event, current, &bucket_text));
        }
        let id = format!("{}CustomS31", naming::normalized(event.function));
        by_bucket.entry(bucket_text).or_default().insert(id.clone());
        let config = json!({
            "Event": event.truthy("event").cloned().unwrap_or_else(|| json!("s3:ObjectCreated:*")),
            "Rules": rules(event.value).into_iter().map(|(name, value)| json!({ start_case(name): value })).collect::<Vec<_>>(),
        });
        if first {
            statements.push(json!({
                "Effect": "Allow",
                "Resource": { "Fn::Join": [":", ["arn", { "Ref": "AWS::Partition" }, "s3", "", "", bucket]] },
                "Action": ["s3:PutBucketNotification", "s3:GetBucketNotification"],
            }));
            let resource = resource(context, *event, &bucket, config);
            context.merge(id, resource);
        } else if let Some(configs) = context.resources[&id]["Properties"]["BucketConfigs"].as_array_mut() {
            configs.push(config);
        }
    }
    statements.push(json!({
        "Effect": "Allow",
        "Resource": {
            "Fn::Join": [":", [
                "arn", { "Ref": "AWS::Partition" }, "lambda", { "Ref": "AWS::Region" }, { "Ref": "AWS::AccountId" }, "function", "*",
            ]],
        },
        "Action": ["lambda:AddPermission", "lambda:RemovePermission"],
    }));
    // One after the other: two that write one bucket's notifications at a time would lose one's.
    for ids in by_bucket.values() {
        for (previous, id) in ids.iter().zip(ids.iter().skip(1)) {
            if let Some(depends_on) = context.resources[id]["DependsOn"].as_array_mut() {
                depends_on.push(json!(previous));
            }
        }
    }
    custom_resources::add(context, &custom_resources::S3, statements);
    Ok(())
}

fn resource(context: &Context<'_>, event: Event<'_>, bucket: &Value, config: Value) -> Value {
    let handler = custom_resources::S3.id();
    json!({
        "Type": "Custom::S3",
        "Version": 1,
        "DependsOn": [naming::function(event.function), handler],
        "Properties": {
            "ServiceToken": { "Fn::GetAtt": [handler, "Arn"] },
            "FunctionName": context.functions[event.function].name,
            "BucketName": bucket,
            "BucketConfigs": [config],
            "ForceDeploy": event.truthy("forceDeploy").map(|_| context.options.now.millis()),
        },
    })
}

fn two_buckets(context: &Context<'_>, event: Event<'_>, current: &str, other: &str) -> Diagnostic {
    let name = &context.functions[event.function].name;
    let message = format!(
        "Only one S3 Bucket can be configured per function. In \"{name}\" you're attempting to configure \"{current}\" and \
         \"{other}\" at the same time."
    );
    context
        .error("S3_MULTIPLE_BUCKETS_PER_FUNCTION", message, &format!("{}.bucket", event.path()))
        .help("write a function for each bucket")
}
