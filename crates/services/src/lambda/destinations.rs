//! What becomes of the result of an asynchronous event: a record to a destination, or the event to a dead-letter queue.

use super::event_invoke::EventInvoke;
use super::name::Name;
use crate::target::queue_url;
use aloft_base::Arn;
use aloft_engine::{Context, ServiceError};
use aloft_worker::Outcome;
use bytes::Bytes;
use serde_json::{Value, json};

/// How an event ended.
pub(super) struct Ending {
    pub name: Name,
    pub request_id: String,
    pub payload: Bytes,
    pub version: String,
    /// `Success`, or why it was given up.
    pub condition: &'static str,
    pub tries: u32,
    /// What the last try came to, if there was one.
    pub outcome: Option<Outcome>,
    pub dead_letter: Option<String>,
}

/// Tells whoever wants to know. What cannot be told is lost, as on AWS, but for a line in the cloud's own log.
pub(super) async fn tell(context: &Context, settings: &EventInvoke, ending: Ending) {
    let success = ending.condition == "Success";
    let destination = if success { &settings.on_success } else { &settings.on_failure };
    if let Some(arn) = destination
        && let Err(error) = send_record(context, arn, &ending).await
    {
        tracing::warn!(%error, destination = arn, function = ending.name.arn(), "a destination was not told");
    }
    if let Some(arn) = ending.dead_letter.as_ref().filter(|_| !success)
        && let Err(error) = send_dead_letter(context, arn, &ending).await
    {
        tracing::warn!(%error, queue = arn, function = ending.name.arn(), "a dead letter was lost");
    }
}

fn as_json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes).into())
}

impl Ending {
    /// The record that destinations get.
    fn record(&self, context: &Context) -> Value {
        let arn = self.name.function.qualified_arn(Some(self.name.qualifier()));
        let mut record = json!({
            "version": "1.0",
            "timestamp": context.now().iso8601(),
            "requestContext": {
                "requestId": self.request_id,
                "functionArn": arn,
                "condition": self.condition,
                "approximateInvokeCount": self.tries,
            },
            "requestPayload": as_json(&self.payload),
        });
        if let Some(outcome) = &self.outcome {
            record["responseContext"] = json!({ "statusCode": 200, "executedVersion": self.version });
            if outcome.error.is_some() {
                record["responseContext"]["functionError"] = "Unhandled".into();
            }
            record["responsePayload"] = as_json(&outcome.payload);
        }
        record
    }
}

fn parse(arn: &str) -> Result<Arn, ServiceError> {
    arn.parse().map_err(|_| super::errors::invalid(format!("{arn} is no ARN")))
}

async fn send_record(context: &Context, destination: &str, ending: &Ending) -> Result<(), ServiceError> {
    let arn = parse(destination)?;
    let context = context.as_service("lambda").within(&arn);
    let record = ending.record(&context);
    match arn.service.as_str() {
        "sqs" => {
            let mut input =
                json!({ "QueueUrl": queue_url(&context, destination), "MessageBody": record.to_string() });
            if arn.resource.ends_with(".fifo") {
                input["MessageGroupId"] = ending.name.function.name.clone().into();
                input["MessageDeduplicationId"] = ending.request_id.clone().into();
            }
            context.call("sqs", "SendMessage", input).await?;
        }
        "sns" => {
            let input = json!({ "TopicArn": destination, "Message": record.to_string() });
            context.call("sns", "Publish", input).await?;
        }
        "s3" => {
            let folder = format!("async/{}", ending.name.function.name);
            put_object(&context, &arn.resource, &folder, &record).await?;
        }
        "lambda" => {
            let input = json!({ "FunctionName": destination, "InvocationType": "Event" });
            let body = Some(Bytes::from(record.to_string()));
            Box::pin(context.call_with_body("lambda", "Invoke", input, body)).await?;
        }
        "events" => {
            let result = if ending.condition == "Success" { "Success" } else { "Failure" };
            let entry = json!({
                "Source": "lambda",
                "DetailType": format!("Lambda Function Invocation Result - {result}"),
                "Resources": [destination, ending.name.function.qualified_arn(Some(ending.name.qualifier()))],
                "Detail": record.to_string(),
                "EventBusName": destination,
            });
            context.call("events", "PutEvents", json!({ "Entries": [entry] })).await?;
        }
        other => return Err(super::errors::invalid(format!("{other} is no destination"))),
    }
    Ok(())
}

/// Writes a record into a bucket, under a name that nothing else has.
pub(super) async fn put_object(
    context: &Context,
    bucket: &str,
    folder: &str,
    record: &Value,
) -> Result<(), ServiceError> {
    let (now, id) = (context.now(), context.ids().uuid());
    let key = format!("aws/lambda/{folder}/{}-{id}", now.format("%Y/%m/%d/%Y-%m-%dT%H.%M.%S"));
    let input = json!({ "Bucket": bucket, "Key": key, "ContentType": "application/json" });
    context.call_with_body("s3", "PutObject", input, Some(record.to_string().into())).await.map(drop)
}

/// The event itself, with what went wrong beside it.
async fn send_dead_letter(context: &Context, target: &str, ending: &Ending) -> Result<(), ServiceError> {
    let arn = parse(target)?;
    let context = context.as_service("lambda").within(&arn);
    let message = match &ending.outcome {
        Some(outcome) => {
            let error = as_json(&outcome.payload);
            error["errorMessage"].as_str().map_or_else(|| error.to_string(), str::to_owned)
        }
        None => ending.condition.to_owned(),
    };
    let code = if ending.outcome.is_some() { "200" } else { "429" };
    let attributes = json!({
        "RequestID": { "DataType": "String", "StringValue": ending.request_id },
        "ErrorCode": { "DataType": "Number", "StringValue": code },
        "ErrorMessage": { "DataType": "String", "StringValue": message.chars().take(1024).collect::<String>() },
    });
    let body = String::from_utf8_lossy(&ending.payload).into_owned();
    let (service, operation, input) = match arn.service.as_str() {
        "sqs" => (
            "sqs",
            "SendMessage",
            json!({ "QueueUrl": queue_url(&context, target), "MessageBody": body, "MessageAttributes": attributes }),
        ),
        _ => (
            "sns",
            "Publish",
            json!({ "TopicArn": target, "Message": body, "MessageAttributes": attributes }),
        ),
    };
    context.call(service, operation, input).await?;
    Ok(())
}
