//! Where the local cloud delivers to by ARN: what notifications and events have in common.

use aloft_base::Arn;
use aloft_engine::{Context, ServiceError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

/// The context of the account and region in which a target is.
pub(crate) fn there(context: &Context, arn: &str) -> Context {
    arn.parse::<Arn>().map_or_else(|_| context.clone(), |arn| context.within(&arn))
}

/// The URL of a queue by its ARN.
pub(crate) fn queue_url(context: &Context, arn: &str) -> String {
    let (account, name) = arn.parse::<Arn>().map(|arn| (arn.account, arn.resource)).unwrap_or_default();
    format!("{}/{account}/{name}", context.engine.endpoint())
}

/// Whether an error may pass by itself. What the caller did wrong stays wrong, and so does what is not built.
pub(crate) fn may_pass(error: &ServiceError) -> bool {
    error.status == 429 || (error.status >= 500 && error.status != 501)
}

/// What queues and streams want to know beside the text.
pub(crate) struct Extras<'a> {
    /// The message group of a FIFO queue.
    pub group: Option<&'a str>,
    /// The partition key of a stream.
    pub partition_key: &'a str,
}

/// Sends a text to a function, a queue, a topic or a stream; nothing when the ARN is of none of these.
pub(crate) async fn send(
    context: &Context,
    arn: &str,
    text: String,
    extras: Extras<'_>,
) -> Option<Result<(), ServiceError>> {
    let parsed: Arn = arn.parse().ok()?;
    let there = context.within(&parsed);
    Some(match parsed.service.as_str() {
        "lambda" => {
            let input = json!({ "FunctionName": arn, "InvocationType": "Event" });
            there.call_with_body("lambda", "Invoke", input, Some(text.into())).await.map(drop)
        }
        "sqs" => {
            let input = json!({ "QueueUrl": queue_url(context, arn), "MessageBody": text, "MessageGroupId": extras.group });
            there.call("sqs", "SendMessage", input).await.map(drop)
        }
        "sns" => there.call("sns", "Publish", json!({ "TopicArn": arn, "Message": text })).await.map(drop),
        "kinesis" => {
            let input = json!({
                "StreamName": parsed.resource_name(),
                "PartitionKey": extras.partition_key,
                "Data": BASE64.encode(text),
            });
            there.call("kinesis", "PutRecord", input).await.map(drop)
        }
        _ => return None,
    })
}
