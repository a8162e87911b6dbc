//! The operations on subscriptions.

use super::subscription::{self, Subscription};
use super::topic::{Address, SUBSCRIPTIONS};
use super::topics::PAGE;
use super::{Sns, attributes, delivery, errors};
use crate::storage::Outcome;
use aloft_engine::{Context, Principal, ServiceError};
use aloft_store::{Transaction, key};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a token confirms.
const TOKEN_LIFE: Duration = Duration::from_secs(2 * 24 * 3600);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Subscribe {
    topic_arn: String,
    protocol: String,
    endpoint: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    return_subscription_arn: bool,
}

/// `Subscribe`: one that is there already is given back when it is not asked to be different.
///
/// Queues, functions and phone numbers are confirmed at once. An HTTP endpoint is asked; an e-mail address stays pending.
pub(super) async fn subscribe(_: &Sns, context: &Context, input: Subscribe) -> Outcome<Value> {
    let topic = Address::of_arn(&input.topic_arn)?;
    let endpoint = input.endpoint.unwrap_or_default();
    subscription::check_endpoint(&topic, &input.protocol, &endpoint)?;
    attributes::check_subscription(&input.protocol, &input.attributes)?;
    let now = context.now();
    let mut wanted = Subscription {
        topic,
        id: context.ids().uuid(),
        confirmed: matches!(input.protocol.as_str(), "lambda" | "sms" | "sqs"),
        authenticated: matches!(input.protocol.as_str(), "lambda" | "sms" | "sqs"),
        protocol: input.protocol,
        endpoint,
        token: context.ids().hex(128),
        created: now,
        attributes: BTreeMap::new(),
    };
    for (name, value) in &input.attributes {
        attributes::put(&mut wanted.attributes, name, value);
    }
    let delivery_id = context.ids().hex(16);
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Subscription> {
        wanted.topic.load(transaction)?;
        let present = transaction.scan_json::<Subscription>(SUBSCRIPTIONS, wanted.topic.key(), usize::MAX)?;
        let same = |subscription: &&Subscription| {
            (&subscription.protocol, &subscription.endpoint) == (&wanted.protocol, &wanted.endpoint)
        };
        if let Some(present) = present.iter().map(|(_, subscription)| subscription).find(same) {
            if !wanted.attributes.is_empty() && wanted.attributes != present.attributes {
                let message = "Attributes Reason: Subscription already exists with different attributes";
                return Err(errors::invalid(message).into());
            }
            return Ok(present.clone());
        }
        wanted.save(transaction)?;
        if wanted.protocol.starts_with("http") {
            let content = delivery::Content::Confirmation { id: wanted.id.clone(), at: now };
            delivery::add(transaction, &wanted, content, delivery_id, now)?;
        }
        Ok(wanted)
    };
    let subscription = context.store().write(write).await?;
    let told = if subscription.confirmed || input.return_subscription_arn {
        subscription.arn()
    } else {
        "pending confirmation".to_owned()
    };
    Ok(json!({ "SubscriptionArn": told }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Confirm {
    topic_arn: String,
    token: String,
    authenticate_on_unsubscribe: Option<String>,
}

/// `ConfirmSubscription`
pub(super) async fn confirm(_: &Sns, context: &Context, input: Confirm) -> Outcome<Value> {
    let (topic, now) = (Address::of_arn(&input.topic_arn)?, context.now());
    let signed_in = context.principal != Principal::Anonymous;
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Value> {
        topic.load(transaction)?;
        let rows = transaction.scan_json::<Subscription>(SUBSCRIPTIONS, topic.key(), usize::MAX)?;
        let holds = |subscription: &Subscription| {
            subscription.token == input.token
                && (subscription.confirmed || now.since(subscription.created) < TOKEN_LIFE)
        };
        let found = rows.into_iter().map(|(_, subscription)| subscription).find(holds);
        let mut subscription = found.ok_or_else(|| errors::invalid("Token"))?;
        if !subscription.confirmed {
            subscription.confirmed = true;
            subscription.authenticated =
                signed_in && input.authenticate_on_unsubscribe.as_deref() == Some("true");
            subscription.save(transaction)?;
        }
        Ok(json!({ "SubscriptionArn": subscription.arn() }))
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    subscription_arn: String,
}

/// `Unsubscribe`: one that is gone is no error.
pub(super) async fn unsubscribe(_: &Sns, context: &Context, input: Named) -> Outcome<()> {
    let row = subscription::key_of_arn(&input.subscription_arn)?;
    let anonymous = context.principal == Principal::Anonymous;
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let found: Option<Subscription> = transaction.get_json(SUBSCRIPTIONS, &row)?;
        if anonymous && found.is_some_and(|subscription| subscription.authenticated) {
            let message = "Access denied: unsubscribing from this subscription needs to be signed";
            return Err(ServiceError::new("AuthorizationErrorException", 403, message).into());
        }
        transaction.delete(SUBSCRIPTIONS, row);
        Ok(())
    };
    context.store().write(write).await
}

fn tell(subscription: &Subscription) -> Value {
    json!({
        "SubscriptionArn": if subscription.confirmed { subscription.arn() } else { "PendingConfirmation".to_owned() },
        "Owner": subscription.topic.account.as_str(),
        "Protocol": subscription.protocol,
        "Endpoint": subscription.endpoint,
        "TopicArn": subscription.topic.arn(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    topic_arn: Option<String>,
    next_token: Option<String>,
}

/// `ListSubscriptions`
pub(super) async fn list(_: &Sns, context: &Context, input: List) -> Outcome<Value> {
    let prefix = key([context.account.as_str(), context.region.as_str()]);
    let rows = context.store().read()?.scan_json::<Subscription>(SUBSCRIPTIONS, prefix, usize::MAX)?;
    Ok(page(rows.iter().map(|(_, subscription)| subscription), &input))
}

/// `ListSubscriptionsByTopic`
pub(super) async fn list_by_topic(_: &Sns, context: &Context, input: List) -> Outcome<Value> {
    let snapshot = context.store().read()?;
    let topic = Address::of_arn(input.topic_arn.as_deref().unwrap_or_default())?.find(&snapshot)?;
    Ok(page(Subscription::all(&snapshot, &topic.address)?.iter(), &input))
}

fn page<'a>(subscriptions: impl Iterator<Item = &'a Subscription>, input: &List) -> Value {
    let (page, next) = crate::page::of(subscriptions.map(tell).collect(), PAGE, input.next_token.as_deref());
    json!({ "Subscriptions": page, "NextToken": next })
}

/// `GetSubscriptionAttributes`
pub(super) async fn get_attributes(_: &Sns, context: &Context, input: Named) -> Outcome<Value> {
    let subscription = subscription::find(&context.store().read()?, &input.subscription_arn)?;
    Ok(json!({ "Attributes": attributes::of_subscription(&subscription) }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SetAttributes {
    subscription_arn: String,
    attribute_name: String,
    #[serde(default)]
    attribute_value: String,
}

/// `SetSubscriptionAttributes`
pub(super) async fn set_attributes(_: &Sns, context: &Context, input: SetAttributes) -> Outcome<()> {
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let mut subscription = subscription::load(transaction, &input.subscription_arn)?;
        let mut changed = BTreeMap::from([(input.attribute_name.clone(), input.attribute_value.clone())]);
        // A policy is judged by the scope that it will have, and a scope by the policy that is there.
        for name in ["FilterPolicy", "FilterPolicyScope"] {
            if let (true, Some(present)) =
                (input.attribute_name.starts_with("Filter"), subscription.attributes.get(name))
            {
                changed.entry(name.to_owned()).or_insert_with(|| present.clone());
            }
        }
        attributes::check_subscription(&subscription.protocol, &changed)?;
        attributes::put(&mut subscription.attributes, &input.attribute_name, &input.attribute_value);
        Ok(subscription.save(transaction)?)
    };
    context.store().write(write).await
}
