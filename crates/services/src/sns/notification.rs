//! What subscribers are sent: the envelope of SQS and HTTP, the event of Lambda.
//!
//! Notifications are not signed: `Signature` is well-formed base64 of a text that says so, and the certificate that
//! `SigningCertURL` names does not exist, so whoever verifies refuses them.

use super::message::Message;
use super::subscription::Subscription;
use aloft_base::Timestamp;
use aloft_engine::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

/// The members of an envelope that hold a text, in order, and the attributes.
struct Envelope {
    texts: Vec<(&'static str, String)>,
    attributes: Map<String, Value>,
}

impl Envelope {
    /// As AWS lays it out: a member a line, a space on either side of the colon.
    fn write(&self) -> String {
        let mut members: Vec<String> = self
            .texts
            .iter()
            .map(|(name, text)| format!("  \"{name}\" : {}", Value::from(text.as_str())))
            .collect();
        if !self.attributes.is_empty() {
            let inner: Vec<String> = self
                .attributes
                .iter()
                .map(|(name, value)| format!("    {} : {value}", Value::from(name.as_str())))
                .collect();
            members.push(format!("  \"MessageAttributes\" : {{\n{}\n  }}", inner.join(",\n")));
        }
        format!("{{\n{}\n}}", members.join(",\n"))
    }
}

/// The body that SQS and HTTP subscribers get when they do not want it raw.
pub(super) fn envelope(context: &Context, subscription: &Subscription, message: &Message) -> String {
    let mut texts = vec![("Type", "Notification".to_owned()), ("MessageId", message.id.clone())];
    texts.extend(message.sequence.map(|sequence| ("SequenceNumber", sequence.to_string())));
    texts.push(("TopicArn", message.topic.clone()));
    texts.extend(message.subject.clone().map(|subject| ("Subject", subject)));
    texts.push(("Message", message.for_protocol(&subscription.protocol)));
    texts.push(("Timestamp", message.published.iso8601()));
    if message.sequence.is_none() {
        texts.push(("SignatureVersion", "1".to_owned()));
        texts.push(("Signature", signature()));
        texts.push(("SigningCertURL", certificate(context)));
    }
    texts.push(("UnsubscribeURL", unsubscribe_url(context, subscription)));
    Envelope { texts, attributes: attributes(message) }.write()
}

/// The event that a function gets.
pub(super) fn lambda_event(context: &Context, subscription: &Subscription, message: &Message) -> Value {
    json!({ "Records": [{
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription.arn(),
        "Sns": {
            "Type": "Notification",
            "MessageId": message.id,
            "TopicArn": message.topic,
            "Subject": message.subject,
            "Message": message.for_protocol("lambda"),
            "Timestamp": message.published.iso8601(),
            "SignatureVersion": "1",
            "Signature": signature(),
            "SigningCertUrl": certificate(context),
            "UnsubscribeUrl": unsubscribe_url(context, subscription),
            "MessageAttributes": attributes(message),
        },
    }] })
}

/// What asks an HTTP endpoint to confirm.
pub(super) fn confirmation(
    context: &Context,
    subscription: &Subscription,
    id: &str,
    at: Timestamp,
) -> String {
    let topic = subscription.topic.arn();
    let text = format!(
        "You have chosen to subscribe to the topic {topic}.\nTo confirm the subscription, visit the SubscribeURL \
         included in this message."
    );
    let url = format!(
        "{}/?Action=ConfirmSubscription&TopicArn={}&Token={}&Version=2010-03-31",
        context.engine.endpoint(),
        encode(&topic),
        subscription.token
    );
    let texts = vec![
        ("Type", "SubscriptionConfirmation".to_owned()),
        ("MessageId", id.to_owned()),
        ("Token", subscription.token.clone()),
        ("TopicArn", topic),
        ("Message", text),
        ("SubscribeURL", url),
        ("Timestamp", at.iso8601()),
        ("SignatureVersion", "1".to_owned()),
        ("Signature", signature()),
        ("SigningCertURL", certificate(context)),
    ];
    Envelope { texts, attributes: Map::new() }.write()
}

/// Attributes as subscribers see them: `Type` and `Value`.
fn attributes(message: &Message) -> Map<String, Value> {
    let told = |(name, attribute): (&String, &Value)| {
        let value = attribute
            .get("StringValue")
            .filter(|value| !value.is_null())
            .unwrap_or(&attribute["BinaryValue"]);
        (name.clone(), json!({ "Type": attribute["DataType"], "Value": value }))
    };
    message.attributes.iter().map(told).collect()
}

fn signature() -> String {
    BASE64.encode("the local cloud does not sign its notifications")
}

fn certificate(context: &Context) -> String {
    format!(
        "https://sns.{}.amazonaws.com/SimpleNotificationService-00000000000000000000000000000000.pem",
        context.region
    )
}

fn unsubscribe_url(context: &Context, subscription: &Subscription) -> String {
    let arn = encode(&subscription.arn());
    format!("{}/?Action=Unsubscribe&SubscriptionArn={arn}&Version=2010-03-31", context.engine.endpoint())
}

fn encode(text: &str) -> String {
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b':').remove(b'-').remove(b'_').remove(b'.');
    utf8_percent_encode(text, RESERVED).to_string()
}
