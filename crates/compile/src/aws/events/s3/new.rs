//! Buckets that the stack makes.

use super::rules;
use crate::aws::context::{Context, Event};
use crate::aws::naming;
use crate::aws::values::{display, get, object, upper_first};
use aloft_diag::Diagnostic;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

const PATTERN: &str = "(?!^(\\d{1,3}\\.){3}\\d{1,3}$)(^(([a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9])\\.)*([a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9])$)";

#[derive(Default)]
struct Bucket<'a> {
    /// Its key in `provider.s3`.
    key: Option<String>,
    notifications: Vec<Value>,
    functions: Vec<&'a str>,
}

pub fn add(context: &mut Context<'_>, events: &[Event<'_>]) -> Result<(), Diagnostic> {
    let empty = Map::new();
    let configured = object(context.provider, "s3").unwrap_or(&empty);
    let mut buckets: IndexMap<String, Bucket<'_>> = IndexMap::new();
    for event in events {
        let reference = reference(context, *event)?;
        let settings = configured.get(&reference).and_then(Value::as_object);
        let name = settings.map_or_else(
            || reference.clone(),
            |settings| get(settings, "name").map_or_else(|| reference.clone(), display),
        );
        check_name(context, *event, &name, &reference)?;
        let bucket = buckets.entry(name).or_default();
        if settings.is_some() {
            bucket.key = Some(reference);
        }
        bucket.notifications.push(notification(context, *event));
        bucket.functions.push(event.function);
    }
    for (name, bucket) in &buckets {
        let settings = bucket.key.as_ref().and_then(|key| configured.get(key)?.as_object());
        add_bucket(context, name, bucket, settings);
    }
    for (name, bucket) in &buckets {
        for function in &bucket.functions {
            let resource = permission(context, function, name);
            context.merge(permission_id(function, name, bucket), resource);
        }
    }
    Ok(())
}

fn reference(context: &Context<'_>, event: Event<'_>) -> Result<String, Diagnostic> {
    match event.value.as_object().map(|settings| settings.get("bucket")) {
        None => Ok(display(event.value)),
        Some(Some(Value::Object(_) | Value::Array(_))) => Err(context
            .error(
                "S3_INVALID_NEW_BUCKET_FORMAT",
                "When specifying \"s3.bucket\" with CloudFormation intrinsic function, you need to specify that the bucket is \
                 existing via \"existing: true\" property.",
                &format!("{}.bucket", event.path()),
            )
            .help("add `existing: true`, or write the bucket's name")),
        Some(Some(name)) => Ok(display(name)),
        Some(None) => Ok("undefined".to_owned()),
    }
}

fn check_name(
    context: &Context<'_>,
    event: Event<'_>,
    name: &str,
    reference: &str,
) -> Result<(), Diagnostic> {
    if is_bucket_name(name) {
        return Ok(());
    }
    let function = event.function;
    let message = format!(
        "{name} - Bucket name must conform to pattern {PATTERN}. Please check provider.s3.{reference} and/or s3 events of \
         function \"{function}\"."
    );
    Err(context.error("S3_INVALID_BUCKET_PATTERN", message, &event.path()).help(
        "use small letters, digits, dots and hyphens, with a letter or a digit at both ends of each part",
    ))
}

fn is_bucket_name(name: &str) -> bool {
    let address = name.split('.').count() == 4
        && name
            .split('.')
            .all(|part| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()));
    let part_is_good = |part: &str| {
        let edge =
            |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        edge(part.bytes().next())
            && edge(part.bytes().last())
            && part.bytes().all(|byte| byte == b'-' || edge(Some(byte)))
    };
    !address && name.split('.').all(part_is_good)
}

fn notification(context: &Context<'_>, event: Event<'_>) -> Value {
    let mut made = json!({
        "Event": event.truthy("event").cloned().unwrap_or_else(|| json!("s3:ObjectCreated:*")),
        "Function": context.target(event.function),
    });
    if event.truthy("rules").is_some() {
        let rules: Vec<Value> = rules(event.value)
            .into_iter()
            .map(|(name, value)| json!({ "Name": name, "Value": value }))
            .collect();
        made["Filter"] = json!({ "S3Key": { "Rules": rules } });
    }
    made
}

fn add_bucket(
    context: &mut Context<'_>,
    name: &str,
    bucket: &Bucket<'_>,
    settings: Option<&Map<String, Value>>,
) {
    let mut notifications = json!({ "LambdaConfigurations": bucket.notifications });
    let mut properties = Map::new();
    properties.insert("BucketName".to_owned(), json!(name));
    properties.insert("NotificationConfiguration".to_owned(), Value::Null);
    for (key, value) in settings.into_iter().flatten().filter(|(key, _)| *key != "name") {
        match (upper_first(key).as_str(), value) {
            ("NotificationConfiguration", Value::Object(more)) => {
                if let Some(notifications) = notifications.as_object_mut() {
                    notifications.extend(more.clone());
                }
            }
            (property, value) => {
                properties.insert(property.to_owned(), value.clone());
            }
        }
    }
    properties.insert("NotificationConfiguration".to_owned(), notifications);
    let depends_on: Vec<String> = bucket
        .functions
        .iter()
        .flat_map(|function| [Some(permission_id(function, name, bucket)), context.alias_id(function)])
        .flatten()
        .collect();
    let id = format!("S3Bucket{}", naming::plain(bucket.key.as_deref().unwrap_or(name)));
    context
        .merge(id, json!({ "Type": "AWS::S3::Bucket", "Properties": properties, "DependsOn": depends_on }));
}

fn permission_id(function: &str, name: &str, bucket: &Bucket<'_>) -> String {
    naming::permission(function, &format!("{}S3", naming::plain(bucket.key.as_deref().unwrap_or(name))))
}

fn permission(context: &Context<'_>, function: &str, bucket: &str) -> Value {
    json!({
        "Type": "AWS::Lambda::Permission",
        "DependsOn": context.alias_id(function),
        "Properties": {
            "FunctionName": context.target(function),
            "Action": "lambda:InvokeFunction",
            "Principal": "s3.amazonaws.com",
            "SourceArn": { "Fn::Join": ["", ["arn:", { "Ref": "AWS::Partition" }, format!(":s3:::{bucket}")]] },
            "SourceAccount": { "Ref": "AWS::AccountId" },
        },
    })
}
