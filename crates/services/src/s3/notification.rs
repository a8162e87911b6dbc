//! A bucket's notification configuration: who wants to know of what.

use super::bucket::{self, Bucket};
use super::put::text;
use super::{S3, error, event};
use crate::storage::Fault;
use aloft_base::Arn;
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde_json::{Value, json};

/// The lists of a configuration, the member with the destination, and the service that it must be of.
const LISTS: &[(&str, &str, &str)] = &[
    ("LambdaFunctionConfigurations", "LambdaFunctionArn", "lambda"),
    ("QueueConfigurations", "QueueArn", "sqs"),
    ("TopicConfigurations", "TopicArn", "sns"),
];

/// The events that are raised here; S3's others (restores, replication, ...) never happen.
const RAISED: &[&str] = &[
    "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Put",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectTagging:Delete",
    "s3:ObjectTagging:Put",
];
/// What the names of S3's other events begin with.
const OTHERS: &[&str] = &[
    "s3:IntelligentTiering",
    "s3:LifecycleTransition",
    "s3:ObjectAcl:",
    "s3:ObjectAnnotation:",
    "s3:ObjectRestore:",
    "s3:ObjectRetention:",
    "s3:ReducedRedundancyLostObject",
    "s3:Replication:",
];

/// Somebody who wants to know.
#[derive(Debug, PartialEq)]
pub(super) struct Target {
    pub id: String,
    pub arn: String,
}

/// Who wants to know of an event, whose name is without `s3:`.
pub(super) fn targets(configuration: &Value, name: &str, object: &str) -> Vec<Target> {
    let name = format!("s3:{name}");
    let wanted = |entry: &&Value| {
        let (prefix, suffix) = filter(entry);
        events(entry).any(|pattern| covers(pattern, &name))
            && object.starts_with(prefix)
            && object.ends_with(suffix)
    };
    let mut found = Vec::new();
    for (list, member, _) in LISTS {
        let entries = configuration[*list].as_array().into_iter().flatten().filter(wanted);
        found.extend(
            entries.map(|entry| Target {
                id: text(entry, "Id").to_owned(),
                arn: text(entry, member).to_owned(),
            }),
        );
    }
    found
}

fn events(entry: &Value) -> impl Iterator<Item = &str> {
    entry["Events"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Whether an event, or the pattern of some, falls under a pattern such as `s3:ObjectCreated:*`.
fn covers(pattern: &str, name: &str) -> bool {
    pattern == name || pattern.strip_suffix('*').is_some_and(|prefix| name.starts_with(prefix))
}

/// The prefix and the suffix that keys must have.
fn filter(entry: &Value) -> (&str, &str) {
    let rules = entry["Filter"]["Key"]["FilterRules"].as_array();
    let find = |name: &str| {
        let rule = rules.into_iter().flatten().find(|rule| text(rule, "Name").eq_ignore_ascii_case(name));
        rule.map_or("", |rule| text(rule, "Value"))
    };
    (find("prefix"), find("suffix"))
}

pub(super) async fn get(_: &S3, context: &Context, input: bucket::Named) -> Result<Value, ServiceError> {
    let bucket = bucket::find(context, &input.bucket)?;
    Ok(bucket.configurations.get("notification").cloned().unwrap_or_else(|| json!({})))
}

pub(super) async fn put(_: &S3, context: &Context, mut params: Value) -> Result<(), ServiceError> {
    let name = text(&params, "Bucket").to_owned();
    bucket::find(context, &name)?;
    let mut configuration = params["NotificationConfiguration"].take();
    if !configuration.is_object() {
        configuration = json!({});
    }
    check(&mut configuration, context)?;
    if params["SkipDestinationValidation"] != true {
        check_destinations(&configuration, context).await?;
    }
    let for_transaction = context.clone();
    let save = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let mut bucket = Bucket::find(transaction, &name)?;
        announce(transaction, &for_transaction, &bucket, &configuration)?;
        bucket.configurations.insert("notification".to_owned(), configuration);
        Ok(bucket.save(transaction)?)
    };
    Ok(context.store().write(save).await?)
}

/// Sends the message with which S3 tries out queues and topics.
fn announce(
    transaction: &mut Transaction<'_>,
    context: &Context,
    bucket: &Bucket,
    configuration: &Value,
) -> Result<(), Fault> {
    for (list, member, service) in LISTS.iter().filter(|(_, _, service)| *service != "lambda") {
        for entry in configuration[*list].as_array().into_iter().flatten() {
            let message = json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Time": context.now().iso8601(),
                "Bucket": bucket.name, "RequestId": context.request_id, "HostId": context.request_id });
            tracing::debug!(bucket = bucket.name, service, "announcing notifications");
            event::send_later(transaction, context, bucket, text(entry, member), &message)?;
        }
    }
    Ok(())
}

/// Checks everything but the destinations' existence, and names the entries that have no id.
fn check(configuration: &mut Value, context: &Context) -> Result<(), ServiceError> {
    let mut seen: Vec<Value> = Vec::new();
    for (list, member, service) in LISTS {
        for entry in configuration.get_mut(*list).and_then(Value::as_array_mut).into_iter().flatten() {
            if text(entry, "Id").is_empty() {
                entry["Id"] = json!(context.ids().lower(48));
            }
            let arn = text(entry, member);
            if arn.parse::<Arn>().ok().is_none_or(|arn| arn.service != *service) {
                return Err(error::invalid_argument("The ARN is not well formed", member, arn));
            }
            if arn.ends_with(".fifo") {
                let message = "Unable to validate the following destination configurations. FIFO queues and topics are not supported.";
                return Err(error::invalid_argument(message, arn, "null"));
            }
            check_entry(entry)?;
            if let Some(message) = seen.iter().find_map(|other| overlap(other, entry)) {
                return Err(error::invalid_argument(message, "NotificationConfiguration", "null"));
            }
            seen.push(entry.clone());
        }
    }
    Ok(())
}

fn check_entry(entry: &Value) -> Result<(), ServiceError> {
    if events(entry).next().is_none() {
        return Err(error::malformed_xml());
    }
    for event in events(entry) {
        let known = RAISED.iter().any(|name| covers(event, name))
            || OTHERS.iter().any(|prefix| event.starts_with(prefix));
        if !known || event == "*" || event == "s3:*" {
            return Err(error::invalid_argument(
                "The event is not supported for notifications",
                "Event",
                event,
            ));
        }
    }
    let rules = entry["Filter"]["Key"]["FilterRules"].as_array();
    let mut names: Vec<String> = Vec::new();
    for rule in rules.into_iter().flatten() {
        let name = text(rule, "Name").to_ascii_lowercase();
        if name != "prefix" && name != "suffix" {
            return Err(error::invalid_argument(
                "filter rule name must be either prefix or suffix",
                "FilterRule.Name",
                text(rule, "Name"),
            ));
        }
        if names.contains(&name) {
            let message = format!("Cannot specify more than one {name} rule in a filter.");
            return Err(error::invalid_argument(message, "FilterRule.Name", &name));
        }
        names.push(name);
    }
    Ok(())
}

/// Why two entries cannot stand beside each other: a key's event would be for both.
fn overlap(one: &Value, other: &Value) -> Option<&'static str> {
    let shares = events(one).any(|a| events(other).any(|b| covers(a, b) || covers(b, a)));
    let ((prefix, suffix), (other_prefix, other_suffix)) = (filter(one), filter(other));
    let prefixes = prefix.starts_with(other_prefix) || other_prefix.starts_with(prefix);
    let suffixes = suffix.ends_with(other_suffix) || other_suffix.ends_with(suffix);
    if !(shares && prefixes && suffixes) {
        return None;
    }
    Some(match [prefix, suffix, other_prefix, other_suffix].iter().all(|text| text.is_empty()) {
        true => "Configurations overlap. Configurations on the same bucket cannot share a common event type.",
        false => {
            "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping \
             for the same event type."
        }
    })
}

/// Asks each destination whether it is there.
async fn check_destinations(configuration: &Value, context: &Context) -> Result<(), ServiceError> {
    let context = context.as_service("s3");
    for (list, member, service) in LISTS {
        for entry in configuration[*list].as_array().into_iter().flatten() {
            let text = text(entry, member);
            let Ok(arn) = text.parse::<Arn>() else { continue };
            let there = context.within(&arn);
            let found = match *service {
                "lambda" => {
                    there.call(service, "GetFunctionConfiguration", json!({ "FunctionName": text })).await
                }
                "sqs" => {
                    let queue = json!({ "QueueName": arn.resource, "QueueOwnerAWSAccountId": arn.account });
                    there.call(service, "GetQueueUrl", queue).await
                }
                _ => there.call(service, "GetTopicAttributes", json!({ "TopicArn": text })).await,
            };
            if let Err(missing) = found {
                tracing::debug!(arn = text, error = %missing, "a destination of notifications is not there");
                let message = "Unable to validate the following destination configurations";
                return Err(error::invalid_argument(message, text, "null"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(events: &[&str], prefix: &str, suffix: &str) -> Value {
        json!({ "Id": "one", "LambdaFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f", "Events": events,
            "Filter": { "Key": { "FilterRules": [{ "Name": "prefix", "Value": prefix }, { "Name": "Suffix", "Value": suffix }] } } })
    }

    #[test]
    fn filters_choose_the_targets() {
        let configuration =
            json!({ "LambdaFunctionConfigurations": [entry(&["s3:ObjectCreated:*"], "in/", ".txt")] });
        for (name, object, count) in [
            ("ObjectCreated:Put", "in/a.txt", 1),
            ("ObjectCreated:Copy", "in/.txt", 1),
            ("ObjectRemoved:Delete", "in/a.txt", 0),
            ("ObjectCreated:Put", "out/a.txt", 0),
            ("ObjectCreated:Put", "in/a.png", 0),
        ] {
            assert_eq!(targets(&configuration, name, object).len(), count, "{name} {object}");
        }
    }

    #[test]
    fn two_rules_for_one_event_are_refused() {
        let put = &["s3:ObjectCreated:Put"][..];
        for (one, other, overlaps) in [
            (entry(put, "", ""), entry(&["s3:ObjectCreated:*"], "", ""), true),
            (entry(put, "a/", ""), entry(put, "b/", ""), false),
            (entry(put, "a/", ""), entry(put, "a/b/", ""), true),
            (entry(put, "", ".jpg"), entry(put, "", ".png"), false),
            (entry(put, "", ""), entry(&["s3:ObjectRemoved:*"], "", ""), false),
        ] {
            assert_eq!(overlap(&one, &other).is_some(), overlaps, "{one} {other}");
        }
    }
}
