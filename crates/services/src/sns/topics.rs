//! The operations on topics.

use super::subscription::Subscription;
use super::topic::{Address, SUBSCRIPTIONS, TOPICS, Topic};
use super::{Sns, attributes, errors, publish, tags};
use crate::storage::Outcome;
use aloft_engine::{Context, ServiceError};
use aloft_store::{Transaction, key};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How many topics or subscriptions are in a page.
pub(super) const PAGE: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Create {
    name: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    tags: Vec<tags::Tag>,
    data_protection_policy: Option<String>,
}

/// `CreateTopic`: one that is there already is given back when it is not asked to be different.
pub(super) async fn create(_: &Sns, context: &Context, input: Create) -> Outcome<Value> {
    if input.data_protection_policy.is_some() {
        return Err(errors::not_built("data protection policies").into());
    }
    let fifo = input.attributes.get("FifoTopic").is_some_and(|value| value == "true");
    check_name(&input.name, fifo)?;
    let address =
        Address { account: context.account.clone(), region: context.region.clone(), name: input.name };
    for (name, value) in &input.attributes {
        attributes::check_topic(&address, name, value, true)?;
    }
    let (arn, wanted, tags) = (address.arn(), input.attributes, tags::map(input.tags)?);
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        if let Some(topic) = transaction.get_json::<Topic>(TOPICS, address.key())? {
            let has = attributes::of_topic(&topic, &[]);
            let same = |(name, value): (&String, &String)| {
                has.get(name).is_some_and(|has| has == value)
                    || (name == "FifoTopic" && value == "false")
                    || value.is_empty()
            };
            if !wanted.iter().all(same) {
                let message = "Attributes Reason: Topic already exists with different attributes";
                return Err(errors::invalid(message).into());
            }
            if !tags.is_empty() && tags != topic.tags {
                return Err(errors::invalid("Tags Reason: Topic already exists with different tags").into());
            }
            return Ok(());
        }
        let mut topic = Topic { address, attributes: BTreeMap::new(), tags };
        for (name, value) in &wanted {
            attributes::put(&mut topic.attributes, name, value);
        }
        if topic.attributes.get("FifoTopic").is_some_and(|value| value == "false") {
            topic.attributes.remove("FifoTopic");
        }
        Ok(topic.save(transaction)?)
    };
    context.store().write(write).await?;
    Ok(json!({ "TopicArn": arn }))
}

fn check_name(name: &str, fifo: bool) -> Result<(), ServiceError> {
    let stem = name.strip_suffix(".fifo");
    let fits = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    match stem {
        Some(stem) if fifo && fits(stem) && name.len() <= 256 => Ok(()),
        None if !fifo && fits(name) && name.len() <= 256 => Ok(()),
        _ if fifo => Err(errors::invalid(
            "Topic Name Reason: Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase \
             ASCII letters, numbers, underscores, and hyphens, and must be between 1 and 256 characters long.",
        )),
        _ => Err(errors::invalid("Topic Name")),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    topic_arn: String,
}

/// `DeleteTopic`: with its subscriptions; one that is gone is no error.
pub(super) async fn delete(_: &Sns, context: &Context, input: Named) -> Outcome<()> {
    let address = Address::of_arn(&input.topic_arn)?;
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        transaction.delete(TOPICS, address.key());
        transaction.delete_prefix(SUBSCRIPTIONS, address.key())?;
        address.forget_sequence(transaction);
        Ok(publish::DEDUPLICATION.forget(transaction, &address.arn())?)
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    next_token: Option<String>,
}

/// `ListTopics`
pub(super) async fn list(_: &Sns, context: &Context, input: List) -> Outcome<Value> {
    let prefix = key([context.account.as_str(), context.region.as_str()]);
    let rows = context.store().read()?.scan_json::<Topic>(TOPICS, prefix, usize::MAX)?;
    let topics: Vec<Value> =
        rows.into_iter().map(|(_, topic)| json!({ "TopicArn": topic.address.arn() })).collect();
    let (page, next) = crate::page::of(topics, PAGE, input.next_token.as_deref());
    Ok(json!({ "Topics": page, "NextToken": next }))
}

/// `GetTopicAttributes`
pub(super) async fn get_attributes(_: &Sns, context: &Context, input: Named) -> Outcome<Value> {
    let snapshot = context.store().read()?;
    let topic = Address::of_arn(&input.topic_arn)?.find(&snapshot)?;
    let subscriptions = Subscription::all(&snapshot, &topic.address)?;
    Ok(json!({ "Attributes": attributes::of_topic(&topic, &subscriptions) }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SetAttributes {
    topic_arn: String,
    attribute_name: String,
    #[serde(default)]
    attribute_value: String,
}

/// `SetTopicAttributes`
pub(super) async fn set_attributes(_: &Sns, context: &Context, input: SetAttributes) -> Outcome<()> {
    let address = Address::of_arn(&input.topic_arn)?;
    attributes::check_topic(&address, &input.attribute_name, &input.attribute_value, false)?;
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let mut topic = address.load(transaction)?;
        attributes::put(&mut topic.attributes, &input.attribute_name, &input.attribute_value);
        Ok(topic.save(transaction)?)
    };
    context.store().write(write).await
}
