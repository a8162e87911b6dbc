//! What a bucket tells others of its objects: records as S3 writes them, and their delivery.
//!
//! Keeps true: an event is a timer that is set in the transaction of the change, so none is lost between the two; each
//! destination has its own, so that one that fails does not have the others told twice.

use super::bucket::Bucket;
use super::listing::encoded;
use super::notification::{self, Target};
use super::object::Version;
use aloft_base::{Arn, Timestamp};
use aloft_engine::timers::{self, Timer};
use aloft_engine::{Context, Principal, ServiceError};
use aloft_store::{StoreError, Transaction};
use serde_json::{Value, json};
use std::time::Duration;

/// What the names of the timers that deliver begin with.
pub(super) const TIMER: &str = "event/";
/// How long an event that cannot be delivered is tried again.
const GIVE_UP_AFTER: Duration = Duration::from_secs(6 * 3600);

/// Writes an event for each of the bucket's destinations that wants it. `name` is without `s3:`.
pub(super) fn raise(
    transaction: &mut Transaction<'_>,
    context: &Context,
    bucket: &Bucket,
    name: &str,
    object: &str,
    version: &Version,
) -> Result<(), StoreError> {
    let Some(configuration) = bucket.configurations.get("notification") else { return Ok(()) };
    for Target { id, arn } in notification::targets(configuration, name, object) {
        let record = record(context, bucket, &id, name, object, version);
        send_later(transaction, context, bucket, &arn, &json!({ "Records": [record] }))?;
    }
    if configuration.get("EventBridgeConfiguration").is_some_and(|bridge| !bridge.is_null())
        && let Some((detail_type, detail)) = bridge_detail(context, bucket, name, object, version)
    {
        let entry = json!({ "Source": "aws.s3", "DetailType": detail_type, "Detail": detail.to_string(),
            "Resources": [bucket.arn()], "Time": context.now().seconds(), "EventBusName": "default" });
        send_later(transaction, context, bucket, "events", &entry)?;
    }
    Ok(())
}

/// Sets the timer that delivers a message.
pub(super) fn send_later(
    transaction: &mut Transaction<'_>,
    context: &Context,
    bucket: &Bucket,
    to: &str,
    message: &Value,
) -> Result<(), StoreError> {
    let timer = Timer {
        service: "s3".to_owned(),
        name: format!("{TIMER}{}", context.ids().uuid()),
        due: context.now(),
        account: bucket.account.clone(),
        region: bucket.region.clone(),
        payload: json!({ "to": to, "message": message, "raised": context.now(), "trace": context.trace_id }),
    };
    timers::set(transaction, &timer)
}

fn record(
    context: &Context,
    bucket: &Bucket,
    id: &str,
    name: &str,
    object: &str,
    version: &Version,
) -> Value {
    let mut described = json!({ "key": encoded(object, Some("url")) });
    if name.starts_with("ObjectCreated") {
        described["size"] = json!(version.size);
    }
    if !name.ends_with(":Delete") || name.starts_with("ObjectTagging") {
        described["eTag"] = json!(version.etag);
    }
    if version.id != super::object::NULL_VERSION {
        described["versionId"] = json!(version.id);
    }
    described["sequencer"] = json!(version.sequencer());
    json!({
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": bucket.region,
        "eventTime": context.now().iso8601(),
        "eventName": name,
        "userIdentity": { "principalId": principal_id(context) },
        "requestParameters": { "sourceIPAddress": "127.0.0.1" },
        "responseElements": { "x-amz-request-id": context.request_id, "x-amz-id-2": context.request_id },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": id,
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": { "principalId": bucket.account },
                "arn": bucket.arn(),
            },
            "object": described,
        },
    })
}

fn principal_id(context: &Context) -> String {
    match &context.principal {
        Principal::Root => context.account.to_string(),
        Principal::Arn(arn) => format!(
            "AWS:{}",
            arn.parse::<Arn>().map_or_else(|_| arn.clone(), |arn| arn.resource_name().to_owned())
        ),
        Principal::Service(service) => service.clone(),
        Principal::Anonymous => "Anonymous".to_owned(),
    }
}

/// The type and the detail of the event on the event bus; nothing for what S3 does not send there.
fn bridge_detail(
    context: &Context,
    bucket: &Bucket,
    name: &str,
    object: &str,
    version: &Version,
) -> Option<(&'static str, Value)> {
    let (kind, what) = name.split_once(':')?;
    let detail_type = match kind {
        "ObjectCreated" => "Object Created",
        "ObjectRemoved" | "LifecycleExpiration" => "Object Deleted",
        "ObjectTagging" if what == "Put" => "Object Tags Added",
        "ObjectTagging" => "Object Tags Deleted",
        _ => return None,
    };
    let mut described = json!({ "key": object, "etag": version.etag, "sequencer": version.sequencer() });
    if kind == "ObjectCreated" {
        described["size"] = json!(version.size);
    }
    if version.id != super::object::NULL_VERSION {
        described["version-id"] = json!(version.id);
    }
    let mut detail = json!({ "version": "0", "bucket": { "name": bucket.name }, "object": described,
        "request-id": context.request_id, "requester": context.account, "source-ip-address": "127.0.0.1" });
    match kind {
        "ObjectCreated" => {
            let reason =
                if what == "CompleteMultipartUpload" { what.to_owned() } else { format!("{what}Object") };
            detail["reason"] = json!(reason);
        }
        "ObjectRemoved" | "LifecycleExpiration" => {
            detail["reason"] =
                json!(if kind == "ObjectRemoved" { "DeleteObject" } else { "Lifecycle Expiration" });
            let marker = what == "DeleteMarkerCreated";
            detail["deletion-type"] =
                json!(if marker { "Delete Marker Created" } else { "Permanently Deleted" });
        }
        _ => {}
    }
    Some((detail_type, detail))
}

/// Delivers what a timer is due for. What the destination refuses is dropped; what failed is tried again for some hours.
pub(super) async fn deliver(context: &Context, payload: &Value) -> Result<(), ServiceError> {
    let (to, message) = (payload["to"].as_str().unwrap_or_default(), &payload["message"]);
    let raised = payload["raised"].as_i64().map_or(context.now(), Timestamp);
    let context = Context { trace_id: payload["trace"].as_str().map(Into::into), ..context.as_service("s3") };
    let context = match message["Records"][0]["s3"]["bucket"]["arn"].as_str() {
        Some(bucket) => context.caused_by(bucket),
        None => context,
    };
    let Err(error) = send(&context, to, message).await else { return Ok(()) };
    let refused = error.status == 501 || (error.status < 500 && error.status != 429);
    if refused || context.now().since(raised) > GIVE_UP_AFTER {
        tracing::warn!(to, %error, "an event of S3 could not be delivered");
        return Ok(());
    }
    Err(error)
}

async fn send(context: &Context, to: &str, message: &Value) -> Result<(), ServiceError> {
    let Ok(arn) = to.parse::<Arn>() else {
        context.call("events", "PutEvents", json!({ "Entries": [message] })).await?;
        return Ok(());
    };
    let context = context.within(&arn);
    let text = message.to_string();
    match arn.service.as_str() {
        "lambda" => {
            let params = json!({ "FunctionName": to, "InvocationType": "Event" });
            context.call_with_body("lambda", "Invoke", params, Some(text.into())).await?;
        }
        "sqs" => {
            let queue = json!({ "QueueName": arn.resource, "QueueOwnerAWSAccountId": arn.account });
            let url = context.call("sqs", "GetQueueUrl", queue).await?;
            context
                .call("sqs", "SendMessage", json!({ "QueueUrl": url["QueueUrl"], "MessageBody": text }))
                .await?;
        }
        _ => {
            let params = json!({ "TopicArn": to, "Subject": "Amazon S3 Notification", "Message": text });
            context.call("sns", "Publish", params).await?;
        }
    }
    Ok(())
}
