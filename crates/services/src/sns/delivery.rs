//! Deliveries: rows with a timer each, done when the subscriber has taken the message or it is given up.
//!
//! A delivery happens at least once. Those of a FIFO topic to one subscription happen in the order of their numbers, and
//! one that fails holds up those behind it.

use super::message::Message;
use super::subscription::{self, Subscription};
use super::topic::TOPICS;
use super::{Sns, notification, retry, sms};
use crate::storage::Outcome;
use crate::target::{may_pass, queue_url, there};
use aloft_base::Timestamp;
use aloft_engine::timers::{self, Timer};
use aloft_engine::{Context, Principal, ServiceError};
use aloft_store::{Key, StoreError, Transaction, key};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// Deliveries by subscription, sequence number (0 in standard topics) and id.
const DELIVERIES: &str = "sns.deliveries";
/// How long an HTTP endpoint may take. Source: "Message delivery retries".
const HTTP_LIMIT: Duration = Duration::from_secs(15);
/// How long a delivery waits while too many endpoints are waited for.
const BUSY: Duration = Duration::from_secs(1);

/// What is delivered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Content {
    Notification(Box<Message>),
    Confirmation { id: String, at: Timestamp },
}

#[derive(Debug, Serialize, Deserialize)]
struct Delivery {
    /// The subscription's ARN.
    subscription: String,
    content: Content,
    failures: u64,
}

/// Adds a delivery.
pub(super) fn add(
    transaction: &mut Transaction<'_>,
    subscription: &Subscription,
    content: Content,
    id: String,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sequence = match &content {
        Content::Notification(message) => message.sequence.unwrap_or(0),
        Content::Confirmation { .. } => 0,
    };
    let arn = subscription.arn();
    let timer = Timer {
        service: "sns".to_owned(),
        name: format!("delivery/{id}"),
        due: now,
        account: subscription.topic.account.clone(),
        region: subscription.topic.region.clone(),
        payload: json!({ "subscription": arn, "sequence": sequence, "id": id }),
    };
    let row = Delivery { subscription: arn, content, failures: 0 };
    transaction.put_json(DELIVERIES, row_key(&row.subscription, sequence, &id), &row)?;
    timers::set(transaction, &timer)
}

fn row_key(subscription: &str, sequence: u64, id: &str) -> Key {
    key([subscription]).number(sequence).raw(id.as_bytes())
}

/// Makes the delivery that a timer is due for; in a FIFO topic, those before it first.
pub(super) async fn work(sns: &Sns, context: &Context, timer: &Timer) -> Outcome<()> {
    let text = |name: &str| timer.payload[name].as_str().unwrap_or_default();
    let (arn, id, sequence) =
        (text("subscription"), text("id"), timer.payload["sequence"].as_u64().unwrap_or(0));
    let row = row_key(arn, sequence, id).into_bytes();
    if sequence == 0 {
        if let Some(wait) = attempt(sns, context, row).await? {
            postpone(context, timer, wait).await?;
        }
        return Ok(());
    }
    let _in_order = sns.in_order.lock().await;
    loop {
        let first = context.store().read()?.scan(DELIVERIES, key([arn]), 1)?;
        let Some((first, _)) = first.into_iter().next().filter(|(first, _)| *first <= row) else {
            return Ok(());
        };
        if let Some(wait) = attempt(sns, context, first).await? {
            return postpone(context, timer, wait).await;
        }
    }
}

/// Sets the timer anew. Its delivery is still there.
async fn postpone(context: &Context, timer: &Timer, wait: Duration) -> Outcome<()> {
    let timer = Timer { due: context.now().add(wait.max(Duration::from_millis(1))), ..timer.clone() };
    let write =
        move |transaction: &mut Transaction<'_>| -> Outcome<()> { Ok(timers::set(transaction, &timer)?) };
    context.store().write(write).await
}

/// Tries a delivery, and tells how long to wait for the next try; nothing when it is over and its row is gone.
async fn attempt(sns: &Sns, context: &Context, row: Vec<u8>) -> Outcome<Option<Duration>> {
    let (found, subscription, topic) = {
        let snapshot = context.store().read()?;
        let Some(found) = snapshot.get_json::<Delivery>(DELIVERIES, &row)? else { return Ok(None) };
        // Whoever has unsubscribed gets nothing more, not even what was on its way.
        let subscription = subscription::find(&snapshot, &found.subscription).ok();
        let topic = match &subscription {
            Some(subscription) => snapshot.get_json::<Value>(TOPICS, subscription.topic.key())?,
            None => None,
        };
        (found, subscription, topic)
    };
    let Some(subscription) = subscription else { return finish(context, row).await };
    let mut delivery = found;
    let shared = topic.and_then(|topic| topic["attributes"]["DeliveryPolicy"].as_str().map(str::to_owned));
    let policy = retry::Policy::of(
        &subscription.protocol,
        subscription.attributes.get("DeliveryPolicy"),
        shared.as_ref(),
    );
    let _permit = if subscription.protocol.starts_with("http") {
        let Ok(permit) = sns.requests.try_acquire() else { return Ok(Some(BUSY)) };
        Some(permit)
    } else {
        None
    };
    loop {
        let error = match deliver(sns, context, &subscription, &delivery.content).await {
            Ok(()) => return finish(context, row).await,
            Err(error) => error,
        };
        delivery.failures += 1;
        match policy.delay(delivery.failures).filter(|_| may_pass(&error)) {
            Some(wait) if wait.is_zero() => {}
            Some(wait) => {
                let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
                    Ok(transaction.put_json(DELIVERIES, row, &delivery)?)
                };
                context.store().write(write).await?;
                return Ok(Some(wait));
            }
            None => {
                give_up(context, &subscription, &delivery.content, &error).await;
                return finish(context, row).await;
            }
        }
    }
}

async fn finish(context: &Context, row: Vec<u8>) -> Outcome<Option<Duration>> {
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Option<Duration>> {
        transaction.delete(DELIVERIES, row);
        Ok(None)
    };
    context.store().write(write).await
}

async fn deliver(
    sns: &Sns,
    context: &Context,
    subscription: &Subscription,
    content: &Content,
) -> Result<(), ServiceError> {
    let message = match content {
        Content::Notification(message) => message,
        Content::Confirmation { id, at } => {
            let body = notification::confirmation(context, subscription, id, *at);
            return post(sns, subscription, "SubscriptionConfirmation", id, body).await;
        }
    };
    let context = Context {
        trace_id: message.trace.as_deref().map(Into::into),
        principal: Principal::Service("sns.amazonaws.com".to_owned()),
        source: Some(message.topic.as_str().into()),
        ..context.clone()
    };
    match subscription.protocol.as_str() {
        "sqs" => send_to_queue(&context, subscription, message).await,
        "lambda" => {
            let event = notification::lambda_event(&context, subscription, message).to_string();
            let input = json!({ "FunctionName": subscription.endpoint, "InvocationType": "Event" });
            there(&context, &subscription.endpoint)
                .call_with_body("lambda", "Invoke", input, Some(event.into()))
                .await
                .map(drop)
        }
        "sms" => {
            let (context, number, message) =
                (context.clone(), subscription.endpoint.clone(), message.clone());
            let store = context.store().clone();
            let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
                Ok(sms::send(transaction, &context, &number, &message)?)
            };
            Ok(store.write(write).await?)
        }
        "http" | "https" => {
            let body = if subscription.is_raw() {
                message.for_protocol(&subscription.protocol)
            } else {
                notification::envelope(&context, subscription, message)
            };
            post(sns, subscription, "Notification", &message.id, body).await
        }
        // E-mail addresses are never confirmed.
        _ => Ok(()),
    }
}

async fn send_to_queue(
    context: &Context,
    subscription: &Subscription,
    message: &Message,
) -> Result<(), ServiceError> {
    let endpoint = &subscription.endpoint;
    let mut input = json!({ "QueueUrl": queue_url(context, endpoint) });
    if subscription.is_raw() {
        input["MessageBody"] = message.for_protocol("sqs").into();
        input["MessageAttributes"] = message.attributes.clone().into();
    } else {
        input["MessageBody"] = notification::envelope(context, subscription, message).into();
    }
    if let Some(group) = &message.group {
        input["MessageGroupId"] = group.as_str().into();
    }
    if let (Some(id), true) = (&message.deduplication_id, endpoint.ends_with(".fifo")) {
        input["MessageDeduplicationId"] = id.as_str().into();
    }
    there(context, endpoint).call("sqs", "SendMessage", input).await.map(drop)
}

/// Sends a request to an HTTP endpoint. Only a status of 2xx is taken as an answer.
async fn post(
    sns: &Sns,
    subscription: &Subscription,
    kind: &str,
    id: &str,
    body: String,
) -> Result<(), ServiceError> {
    let mut headers = HeaderMap::new();
    let (topic, arn) = (subscription.topic.arn(), subscription.arn());
    let mut pairs = vec![
        ("x-amz-sns-message-type", kind),
        ("x-amz-sns-message-id", id),
        ("x-amz-sns-topic-arn", topic.as_str()),
        ("content-type", "text/plain; charset=UTF-8"),
        ("user-agent", "Amazon Simple Notification Service Agent"),
    ];
    if kind == "Notification" {
        pairs.push(("x-amz-sns-subscription-arn", arn.as_str()));
        if subscription.is_raw() {
            pairs.push(("x-amz-sns-rawdelivery", "true"));
        }
    }
    for (name, value) in pairs {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    let answer = sns
        .outward
        .send(http::Method::POST, &subscription.endpoint, headers, Bytes::from(body), HTTP_LIMIT)
        .await?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    Err(ServiceError::new(
        "EndpointRefused",
        status.as_u16(),
        format!("{} answered {status}", subscription.endpoint),
    ))
}

/// Sends what could not be delivered to the subscription's dead-letter queue, if it has one.
async fn give_up(context: &Context, subscription: &Subscription, content: &Content, error: &ServiceError) {
    let arn = subscription.arn();
    tracing::warn!(subscription = arn, %error, "a notification was given up");
    let Content::Notification(message) = content else { return };
    let policy = subscription
        .attributes
        .get("RedrivePolicy")
        .and_then(|policy| serde_json::from_str::<Value>(policy).ok());
    let Some(target) = policy.as_ref().and_then(|policy| policy["deadLetterTargetArn"].as_str()) else {
        return;
    };
    let body = match subscription.protocol.as_str() {
        "lambda" => {
            notification::lambda_event(context, subscription, message)["Records"][0]["Sns"].to_string()
        }
        protocol if subscription.is_raw() => message.for_protocol(protocol),
        _ => notification::envelope(context, subscription, message),
    };
    let text = |value: &str| json!({ "DataType": "String", "StringValue": value });
    let mut input = json!({
        "QueueUrl": queue_url(context, target),
        "MessageBody": body,
        "MessageAttributes": {
            "RequestID": text(&context.request_id),
            "ErrorCode": text(&error.status.to_string()),
            "ErrorMessage": text(if error.message.is_empty() { &error.code } else { &error.message }),
        },
    });
    if let (true, Some(group)) = (target.ends_with(".fifo"), &message.group) {
        input["MessageGroupId"] = group.as_str().into();
        input["MessageDeduplicationId"] = message.deduplication_id.as_deref().unwrap_or(&message.id).into();
    }
    if let Err(error) = there(context, target).call("sqs", "SendMessage", input).await {
        tracing::warn!(subscription = arn, %error, "nor could it be sent to the dead-letter queue");
    }
}
